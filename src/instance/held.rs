//! What an instance remembers from call to call for those who call it.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

/// The host's region in guest memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) address: u32,
    pub(crate) size: u32,
}

/// A function that was bound in an instance, and to what.
pub(crate) struct Bound {
    /// Place of the function in the manifest.
    pub(crate) place: usize,
    /// Types of the arguments.
    pub(crate) types: Vec<DataType>,
    /// The arguments that were constants.
    pub(crate) constants: Vec<Option<ArrayRef>>,
    /// What the guest calls the binding.
    pub(crate) handle: u32,
}
