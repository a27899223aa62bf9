//! Calls whose columns are all numbers without NULLs: most of them.
//!
//! What such a call writes apart from the values themselves is the same bytes as in the call before, if that was of as many rows: the
//! instance keeps where they are ([`Layout`](crate::instance::Layout)). So [`repeat`] is the shortest way from DataFusion's arguments to
//! the guest and back; [`run`] lays out what it repeats. Both take one function, or a [chain](super::chain) of functions whose results
//! stay in the guest: a [`Program`].

mod inputs;
mod lay_out;
mod program;
mod run;
mod scalar;

pub(super) use inputs::FixedColumns;
pub(super) use program::{Program, Single, Source, Sources};
pub(super) use run::{Ran, Stopped, repeat, run};
