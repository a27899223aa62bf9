//! What an instance keeps between calls, so that a call need not allocate.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;
use core::ptr;

use crate::buffer::Buffer;
use crate::error::Error;
use crate::raw::ArrowArray;
use crate::states::States;

/// Memory for results and for expanded constants, and the states of functions that have some.
///
/// Everything is handed out in the same order in every call of a function, so that it soon has the size it needs.
/// What a call put into its result stays untouched until the next call begins.
#[derive(Debug, Default)]
pub struct Pool {
    buffers: Vec<Buffer>,
    buffers_next: usize,
    #[expect(
        clippy::vec_box,
        reason = "a node stays in place when there are more of them"
    )]
    nodes: Vec<Box<Node>>,
    nodes_next: usize,
    pub(crate) states: States,
}

/// An array of a result with its pointer tables, at a stable address.
#[derive(Debug)]
struct Node {
    array: ArrowArray,
    buffers: Vec<*const u8>,
    children: Vec<*mut ArrowArray>,
}

impl Pool {
    /// An empty pool.
    pub const fn new() -> Self {
        Pool {
            buffers: Vec::new(),
            buffers_next: 0,
            nodes: Vec::new(),
            nodes_next: 0,
            states: States::new(),
        }
    }

    /// Begins a call: everything can be handed out again.
    #[inline]
    pub(crate) fn recycle(&mut self) {
        self.buffers_next = 0;
        self.nodes_next = 0;
    }

    /// An empty buffer with the room it had in an earlier call.
    pub(crate) fn buffer(&mut self) -> Buffer {
        let slot = self.buffers_next;
        self.buffers_next += 1;
        let mut buffer = match self.buffers.get_mut(slot) {
            Some(kept) => mem::take(kept),
            None => {
                self.buffers.push(Buffer::default());
                Buffer::default()
            }
        };
        buffer.clear();
        buffer.slot = slot;
        buffer
    }

    /// Keeps a buffer until the next call; the address of its bytes.
    #[inline]
    pub(crate) fn keep(&mut self, buffer: Buffer) -> *const u8 {
        let address = buffer.address();
        if buffer.is_owned() {
            self.keep_own(buffer);
        }
        address
    }

    #[inline(never)]
    fn keep_own(&mut self, buffer: Buffer) {
        let slot = match buffer.slot {
            // It began in memory that the host laid out and has outgrown that. Its own memory must outlive this
            // call, so it takes the next slot.
            usize::MAX => {
                self.buffers_next += 1;
                self.buffers_next - 1
            }
            slot => slot,
        };
        match self.buffers.get_mut(slot) {
            Some(place) => *place = buffer,
            None => self.buffers.push(buffer),
        }
    }

    /// A new node with an empty array.
    fn node(&mut self) -> &mut Node {
        let slot = self.nodes_next;
        self.nodes_next += 1;
        let next = self.nodes.len();
        if slot >= next {
            self.nodes.push(Box::new(Node {
                array: ArrowArray::EMPTY,
                buffers: Vec::new(),
                children: Vec::new(),
            }));
        }
        let place = slot.min(next);
        let node = &mut *self.nodes[place];
        node.array = ArrowArray::EMPTY;
        node.buffers.clear();
        node.children.clear();
        node
    }

    /// A child array that `fill` writes; it stays in place until the next call.
    ///
    /// # Errors
    ///
    /// Those of `fill`.
    pub fn child(
        &mut self,
        fill: impl FnOnce(&mut ArrowArray, &mut Pool) -> Result<(), Error>,
    ) -> Result<*mut ArrowArray, Error> {
        let mut array = ArrowArray::EMPTY;
        fill(&mut array, self)?;
        let node = self.node();
        node.array = array;
        Ok(&raw mut node.array)
    }

    /// Writes an array with these buffers and children to `out`.
    #[inline]
    pub(crate) fn write<const N: usize>(
        &mut self,
        out: &mut ArrowArray,
        length: usize,
        null_count: usize,
        buffers: [Option<Buffer>; N],
        children: &[*mut ArrowArray],
    ) {
        let addresses =
            buffers.map(|buffer| buffer.map_or(ptr::null(), |buffer| self.keep(buffer)));
        out.length = length as i64;
        out.null_count = null_count as i64;
        let laid = out.buffers;
        if !laid.is_null() && out.n_buffers == N as i64 {
            for (place, address) in addresses.into_iter().enumerate() {
                // SAFETY: the host laid out a table of this many entries for the result.
                unsafe { *laid.add(place) = address };
            }
        } else {
            self.write_tables(out, &addresses, children);
        }
    }

    /// Writes an array's tables of buffers and children.
    pub(crate) fn write_tables(
        &mut self,
        out: &mut ArrowArray,
        buffers: &[*const u8],
        children: &[*mut ArrowArray],
    ) {
        let node = self.node();
        node.buffers.extend_from_slice(buffers);
        node.children.extend_from_slice(children);
        out.n_buffers = buffers.len() as i64;
        out.buffers = node.buffers.as_mut_ptr();
        out.n_children = children.len() as i64;
        out.children = node.children.as_mut_ptr();
    }
}
