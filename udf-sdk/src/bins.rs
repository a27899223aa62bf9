//! Small allocations, in front of another allocator.
//!
//! What a function allocates for a row is small and lives no longer than the row. Such a piece is not given back, but waits in the list
//! of its size for the next one to ask. If there is no memory left, all that wait are given back. The allocator behind sees what is
//! large, and each small piece once.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::hint::black_box;
use core::ptr;

/// Sizes of pieces are this many bytes apart, and every piece is aligned to it.
const STEP: usize = 16;
/// Number of lists: pieces of 1,024 bytes and more are not small.
const LISTS: usize = 64;

/// An allocator with lists of pieces that wait. For one thread.
#[derive(Debug)]
pub(crate) struct Bins<A> {
    behind: A,
    lists: UnsafeCell<[*mut Piece; LISTS]>,
}

// SAFETY: a guest has one thread.
#[cfg(target_arch = "wasm32")]
unsafe impl<A> Sync for Bins<A> {}

/// A piece that waits.
#[derive(Debug)]
struct Piece {
    next: *mut Piece,
}

/// The list that an allocation belongs to, if it is small.
#[inline(always)]
fn list(layout: Layout) -> Option<usize> {
    let list = layout.size() / STEP;
    (list < LISTS && layout.align() <= STEP).then_some(list)
}

/// Fills a small piece with zeros. For a few bytes the instruction for that takes longer than the filling.
///
/// # Safety
///
/// There are so many bytes, aligned to [`STEP`].
#[inline(always)]
unsafe fn zero(memory: *mut u8, bytes: usize) {
    let words = bytes / size_of::<u64>();
    // SAFETY: by the contract of this function.
    unsafe {
        for word in 0..words {
            memory.cast::<u64>().add(word).write(0);
            // Keeps the compiler from making the instruction of the loop.
            black_box(());
        }
        for byte in words * size_of::<u64>()..bytes {
            memory.add(byte).write(0);
            black_box(());
        }
    }
}

/// What the pieces of a list are to the allocator behind. Talc needs a byte behind each allocation, and hands out multiples of 16.
#[inline(always)]
fn piece_layout(list: usize) -> Layout {
    let bytes = list * STEP + STEP - 1;
    // SAFETY: a power of two, and a size far below all addresses.
    unsafe { Layout::from_size_align_unchecked(bytes, STEP) }
}

impl<A: GlobalAlloc> Bins<A> {
    pub(crate) const fn new(behind: A) -> Self {
        Bins {
            behind,
            lists: UnsafeCell::new([ptr::null_mut(); LISTS]),
        }
    }

    /// The first piece of a list.
    ///
    /// # Safety
    ///
    /// The reference before must not be in use any more.
    #[expect(
        clippy::mut_from_ref,
        reason = "there is one thread, and the contract keeps references apart"
    )]
    #[inline(always)]
    unsafe fn first(&self, list: usize) -> &mut *mut Piece {
        // SAFETY: by the contract of this function.
        unsafe { &mut (&mut *self.lists.get())[list] }
    }

    /// Runs `attempt`, and once more without pieces that wait if there was no memory for it.
    #[inline(never)]
    unsafe fn with_all_memory(&self, attempt: impl Fn(&A) -> *mut u8) -> *mut u8 {
        let memory = attempt(&self.behind);
        if !memory.is_null() {
            return memory;
        }
        for list in 0..LISTS {
            // SAFETY: no other reference is in use.
            let mut piece = unsafe { ptr::replace(self.first(list), ptr::null_mut()) };
            while !piece.is_null() {
                // SAFETY: a piece that waits was allocated with the layout of its list, and its start says which one is next.
                unsafe {
                    let next = (*piece).next;
                    self.behind.dealloc(piece.cast(), piece_layout(list));
                    piece = next;
                }
            }
        }
        attempt(&self.behind)
    }
}

// SAFETY: a piece is handed out by the allocator behind, which it goes back to with the layout that it came with, or from a list, in
// which nothing else is than pieces of a fitting layout that nobody uses.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Bins<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let wanted = match list(layout) {
            Some(list) => {
                // SAFETY: no other reference is in use; a piece that waits has its successor at its start.
                unsafe {
                    let first = self.first(list);
                    if let Some(piece) = first.as_ref() {
                        let memory = *first;
                        *first = piece.next;
                        return memory.cast();
                    }
                }
                piece_layout(list)
            }
            None => layout,
        };
        // SAFETY: by the contract of this function.
        unsafe { self.with_all_memory(|behind| behind.alloc(wanted)) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if list(layout).is_none() {
            // SAFETY: by the contract of this function.
            return unsafe { self.with_all_memory(|behind| behind.alloc_zeroed(layout)) };
        }
        // SAFETY: by the contract of this function; the memory has `size` bytes and is aligned to 16.
        unsafe {
            let memory = self.alloc(layout);
            if !memory.is_null() {
                zero(memory, layout.size());
            }
            memory
        }
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        match list(layout) {
            // SAFETY: nobody uses the piece any more, and it is large enough and aligned for a `Piece`; no other reference is in use.
            Some(list) => unsafe {
                let first = self.first(list);
                let piece = memory.cast::<Piece>();
                piece.write(Piece { next: *first });
                *first = piece;
            },
            // SAFETY: by the contract of this function.
            None => unsafe { self.behind.dealloc(memory, layout) },
        }
    }

    #[inline]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: by the contract of this function.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (list(layout), list(wanted)) {
            (None, None) => {
                // SAFETY: by the contract of this function.
                unsafe { self.with_all_memory(|behind| behind.realloc(memory, layout, size)) }
            }
            (before, after) if before == after => memory,
            _ => {
                // SAFETY: by the contract of this function; both have as many bytes as the smaller one, and one of them is new.
                unsafe {
                    let moved = self.alloc(wanted);
                    if !moved.is_null() {
                        moved.copy_from_nonoverlapping(memory, layout.size().min(size));
                        self.dealloc(memory, layout);
                    }
                    moved
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;
    use core::cell::{Cell, RefCell};
    use std::alloc::System;

    /// Knows what was handed out, and hands out `room` bytes at most.
    struct Checked {
        live: RefCell<BTreeMap<usize, Layout>>,
        room: Cell<usize>,
    }

    impl Checked {
        fn new(room: usize) -> Self {
            Checked {
                live: RefCell::default(),
                room: Cell::new(room),
            }
        }
    }

    // SAFETY: all of it is done by `System`.
    unsafe impl GlobalAlloc for Checked {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            let Some(room) = self.room.get().checked_sub(layout.size()) else {
                return ptr::null_mut();
            };
            self.room.set(room);
            // SAFETY: by the contract of this function.
            let memory = unsafe { System.alloc(layout) };
            self.live.borrow_mut().insert(memory as usize, layout);
            memory
        }

        unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
            let live = self.live.borrow_mut().remove(&(memory as usize));
            assert_eq!(live, Some(layout));
            self.room.set(self.room.get() + layout.size());
            // SAFETY: by the contract of this function.
            unsafe { System.dealloc(memory, layout) };
        }
    }

    /// An allocation and the byte that fills it.
    type Filled = (*mut u8, Layout, u8);

    fn assert_filled((memory, layout, byte): Filled, length: usize) {
        // SAFETY: `length` is at most the size of the allocation, all of which was written.
        let bytes = unsafe { core::slice::from_raw_parts(memory, length) };
        assert!(bytes.iter().all(|found| *found == byte));
        assert_eq!(memory as usize % layout.align(), 0);
    }

    #[test]
    fn keeps_allocations_apart() {
        let bins = Bins::new(Checked::new(usize::MAX));
        let mut state = 1u64;
        let mut random = |bound: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % bound
        };
        let mut live: Vec<Filled> = Vec::new();
        for turn in 0..20_000 {
            let size = 1 + random(if turn % 4 == 0 { 3_000 } else { 100 });
            let byte = turn as u8;
            match random(3) {
                0 if !live.is_empty() => {
                    let place = random(live.len());
                    let filled = live.swap_remove(place);
                    assert_filled(filled, filled.1.size());
                    // SAFETY: it was allocated with this layout.
                    unsafe { bins.dealloc(filled.0, filled.1) };
                }
                1 if !live.is_empty() => {
                    let place = random(live.len());
                    let (memory, layout, byte) = &mut live[place];
                    // SAFETY: it was allocated with this layout; all of it is written.
                    unsafe {
                        *memory = bins.realloc(*memory, *layout, size);
                        let kept = layout.size().min(size);
                        *layout = Layout::from_size_align(size, layout.align()).unwrap();
                        assert_filled((*memory, *layout, *byte), kept);
                        memory.write_bytes(*byte, size);
                    }
                }
                _ => {
                    let layout = Layout::from_size_align(size, 1 << random(7)).unwrap();
                    // SAFETY: at least one byte, which is written.
                    unsafe {
                        let memory = if turn % 2 == 0 {
                            bins.alloc(layout)
                        } else {
                            let memory = bins.alloc_zeroed(layout);
                            assert_filled((memory, layout, 0), size);
                            memory
                        };
                        memory.write_bytes(byte, size);
                        live.push((memory, layout, byte));
                    }
                }
            }
        }
        for filled in live {
            assert_filled(filled, filled.1.size());
            // SAFETY: it was allocated with this layout.
            unsafe { bins.dealloc(filled.0, filled.1) };
        }
    }

    #[test]
    fn hands_a_piece_out_again_and_gives_all_back_when_memory_is_short() {
        let bins = Bins::new(Checked::new(10_000));
        let small = Layout::from_size_align(40, 8).unwrap();
        let other = Layout::from_size_align(33, 1).unwrap();
        let large = Layout::from_size_align(9_990, 8).unwrap();
        // SAFETY: nothing is read or written, and everything goes back with its layout.
        unsafe {
            let first = bins.alloc(small);
            bins.dealloc(first, small);
            assert_eq!(bins.alloc(other), first);
            assert!(bins.alloc(large).is_null());
            bins.dealloc(first, other);
            let memory = bins.alloc(large);
            assert!(!memory.is_null());
            bins.dealloc(memory, large);
        }
        assert!(bins.behind.live.borrow().is_empty());
    }
}
