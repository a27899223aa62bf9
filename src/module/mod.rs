//! What happens to the bytes of a module before and beside compilation: reading, checking, rewriting, explaining.
//!
//! Everything here works on bytes that somebody else wrote. Nothing here compiles or runs them, and
//! nothing here knows a file's or a plugin's name: whoever does puts it in front of the error.
//!
//! ```text
//! ModuleSource ──▶ validate ──▶ ModuleInfo           what the module is
//!      │                            ▲
//!      ├──▶ instrument ──▶ bytes to compile          with the probes that let a watchdog stop it
//!      ├──▶ Symbolizer ◀── a trap's position         function, file and line
//!      ├──▶ Inspection                               for people, also of modules that are refused
//!      └──▶ Digest                                   identity
//!                      Manifest ── check_exports     what the guest says of itself
//! ```

mod digest;
mod dwarf;
mod error;
mod event;
#[cfg(test)]
mod fixture;
mod info;
mod inspect;
mod instrument;
mod manifest;
mod probes;
mod proposals;
mod source;
mod symbols;
mod text;
mod validate;

pub use digest::Digest;
pub use error::ModuleError;
pub use event::{EventColumn, EventKind, EventType};
pub use info::{AbiVersion, ExternType, Import, ModuleInfo, Signature};
pub use inspect::{CustomSection, Export, Inspection, MemoryUse, Producer, ProposalUse, TableUse};
pub(crate) use instrument::INSTRUMENT_REVISION;
pub use instrument::{Probes, START_EXPORT, WATCH_EXPORT, instrument};
pub(crate) use manifest::check_column_names;
pub use manifest::{
    Column, Example, FunctionDecl, FunctionKind, Manifest, ManifestError, Nulls, Param, ParamType,
    Returns, Volatility, WindowMode, signature_text,
};
pub use source::ModuleSource;
pub use symbols::{Frame, Symbolizer};
pub use text::{escape, escape_lines};
pub(crate) use text::{escape_cut, is_hidden};
pub use validate::validate;
