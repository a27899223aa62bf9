//! What an instance remembers from call to call for those who call it.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use smallvec::SmallVec;
use wasmfusion_abi::ArrowArray;

/// The host's region in guest memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) address: u32,
    pub(crate) size: u32,
}

/// What a call writes into the region apart from the values of its columns, kept for the next call of the same shape.
pub(crate) struct Layout {
    /// Place of the function in the manifest.
    pub(crate) place: usize,
    /// Number of rows.
    pub(crate) rows: u32,
    /// Which arguments are constants.
    pub(crate) constants: u64,
    /// Address of the frame, with which the header starts.
    pub(crate) frame: u32,
    /// The frame and the structs and tables behind it, as bytes.
    pub(crate) header: Box<[u8]>,
    /// Bytes of all arguments' values.
    pub(crate) bytes: u64,
    /// Where the arguments' values go.
    pub(crate) arguments: SmallVec<[Values; 6]>,
    /// Address of the result's struct.
    pub(crate) result: u32,
    /// The result's struct as the guest finds it, and where its values are expected, if it is of a type with room for them.
    pub(crate) prepared: Option<(ArrowArray, Values)>,
}

/// A buffer of values in guest memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values {
    pub(crate) address: u32,
    pub(crate) bytes: usize,
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
