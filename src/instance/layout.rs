//! Where the columns of calls lie in the region: kept, so that a call like the one before need not lay them out again.

use smallvec::SmallVec;

/// Most layouts that an instance keeps.
const LAYOUTS_MAX: usize = 16;

/// Where everything of a call lies, or of several calls in a row whose results are arguments of those that follow.
pub(crate) struct Layout {
    /// Which calls.
    pub(crate) of: LayoutOf,
    /// Number of rows.
    pub(crate) rows: u32,
    /// What is copied into the guest, in the order of the arguments.
    pub(crate) inputs: SmallVec<[Input; 6]>,
    /// Bytes of all inputs.
    pub(crate) bytes: u64,
    /// The calls.
    pub(crate) steps: SmallVec<[Step; 1]>,
}

/// What a layout is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LayoutOf {
    /// A function, by its place in the manifest.
    Function(usize),
    /// A chain of functions, by its number in this process.
    Chain(u64),
}

/// What is copied into the guest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input {
    pub(crate) values: Values,
    /// Whether it is one value for all rows.
    pub(crate) constant: bool,
}

/// One of the calls.
pub(crate) struct Step {
    /// Address of the frame, with which the header starts.
    pub(crate) frame: u32,
    /// The frame and the structs and tables behind it, as bytes.
    pub(crate) header: Box<[u8]>,
    /// Address of the result's struct.
    pub(crate) result: u32,
    /// What a result is that the guest has put where there was room for it, if it is of a type with room.
    pub(crate) prepared: Option<Prepared>,
}

/// A result of which the guest has written nothing but the values.
pub(crate) struct Prepared {
    /// Its struct.
    pub(crate) array: [u8; size_of::<wasmfusion_abi::ArrowArray>()],
    /// Address of the table of its buffers.
    pub(crate) table: u32,
    /// Where its values are.
    pub(crate) values: Values,
}

/// A buffer of values in guest memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values {
    pub(crate) address: u32,
    pub(crate) bytes: usize,
}

/// The layouts that an instance keeps. While one is in use it is not here.
#[derive(Default)]
pub(super) struct Layouts {
    kept: Vec<Option<Box<Layout>>>,
}

impl Layouts {
    /// Takes the layout of these calls, if it is there.
    #[inline]
    pub(super) fn take(&mut self, of: LayoutOf) -> Option<Box<Layout>> {
        let found = |kept: &&mut Option<Box<Layout>>| kept.as_ref().is_some_and(|l| l.of == of);
        self.kept.iter_mut().find(found)?.take()
    }

    /// Keeps a layout for the next call.
    #[inline]
    pub(super) fn keep(&mut self, layout: Box<Layout>) {
        if let Some(free) = self.kept.iter_mut().find(|kept| kept.is_none()) {
            *free = Some(layout);
        } else if self.kept.len() < LAYOUTS_MAX {
            self.kept.push(Some(layout));
        } else if let Some(last) = self.kept.last_mut() {
            // Where functions are called in turns, throwing the oldest away would throw all away.
            *last = Some(layout);
        }
    }

    /// Forgets them: the region is another one.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }
}
