//! The compiler of guests. All that needs it is in this room: a host that is built without the feature `compiler` runs what was compiled before, and
//! nothing else.

#[cfg(feature = "compiler")]
mod cranelift;
#[cfg(not(feature = "compiler"))]
mod none;

#[cfg(feature = "compiler")]
pub(crate) use cranelift::{compile, configure, configure_for, precompile, serialize};
#[cfg(not(feature = "compiler"))]
pub(crate) use none::{compile, configure, configure_for, precompile, serialize};

/// Whether this host can compile modules.
pub(crate) const IS_THERE: bool = cfg!(feature = "compiler");
