//! Growing bytes for results: memory that the host laid out, or memory that is kept from call to call.

use alloc::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::slice;

/// Alignment of own memory: that of the widest value, which is also what SIMD likes.
const ALIGN: usize = 16;

/// Bytes at a stable place, appended to and never read.
///
/// A buffer may start in memory that the host laid out for the result. It moves to memory of its own if more
/// is written than the host expected.
#[derive(Debug)]
pub struct Buffer {
    start: NonNull<u8>,
    length: usize,
    capacity: usize,
    /// Whether `start` is memory of its own (of `capacity` bytes, none if that is 0).
    owned: bool,
    /// Where in the pool it goes back to.
    pub(crate) slot: usize,
}

impl Default for Buffer {
    fn default() -> Self {
        Buffer {
            start: NonNull::<u128>::dangling().cast(),
            length: 0,
            capacity: 0,
            owned: true,
            slot: usize::MAX,
        }
    }
}

impl Buffer {
    /// A buffer in foreign memory.
    ///
    /// # Safety
    ///
    /// `capacity` bytes at `start` may be written as long as the buffer lives.
    pub(crate) unsafe fn laid(start: NonNull<u8>, capacity: usize) -> Self {
        Buffer {
            start,
            length: 0,
            capacity,
            owned: false,
            slot: usize::MAX,
        }
    }

    /// Where the bytes are; valid until the next change.
    pub(crate) fn address(&self) -> *const u8 {
        self.start.as_ptr()
    }

    /// Whether the bytes are in memory of its own.
    pub(crate) fn is_owned(&self) -> bool {
        self.owned
    }

    /// Number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Forgets the bytes, keeps the room.
    pub(crate) fn clear(&mut self) {
        self.length = 0;
    }

    /// Makes room for `more` bytes.
    #[inline]
    pub(crate) fn reserve(&mut self, more: usize) {
        if self.capacity - self.length < more {
            // Not a method that borrows the buffer: the compiler could then not keep it in registers.
            let own = if self.owned { self.capacity } else { 0 };
            // SAFETY: `own` bytes at `start` are this buffer's, and are given up here; it has written `length` bytes.
            (self.start, self.capacity) =
                unsafe { grown(self.start, self.length, self.capacity, own, more) };
            self.owned = true;
        }
    }

    /// Appends bytes.
    #[inline]
    pub(crate) fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        // SAFETY: there is room, and `bytes` cannot overlap memory that is only written here.
        unsafe { copy(bytes, self.start.as_ptr().add(self.length)) };
        self.length += bytes.len();
    }

    /// Appends zeros; the place of the first.
    pub(crate) fn append_zeroed(&mut self, bytes: usize) -> *mut u8 {
        self.reserve(bytes);
        // SAFETY: there is room.
        let start = unsafe { self.start.as_ptr().add(self.length) };
        // SAFETY: as before.
        unsafe { start.write_bytes(0, bytes) };
        self.length += bytes;
        start
    }

    /// Appends a value. All values of a buffer are of one type.
    #[inline(always)]
    pub(crate) fn push<T: Copy>(&mut self, value: T) {
        self.reserve(size_of::<T>());
        // SAFETY: there is room.
        unsafe { self.push_within(value) };
    }

    /// Appends a value as [`Buffer::push`] does, without a look whether there is room.
    ///
    /// # Safety
    ///
    /// There is room for it.
    #[inline(always)]
    pub(crate) unsafe fn push_within<T: Copy>(&mut self, value: T) {
        // SAFETY: by the contract of this function. The write is unaligned only in name: every buffer starts at a multiple of 16.
        unsafe {
            self.start
                .as_ptr()
                .add(self.length)
                .cast::<T>()
                .write_unaligned(value);
        }
        self.length += size_of::<T>();
    }

    /// Appends `count` values that `fill` writes, every one of them.
    #[inline(always)]
    pub(crate) fn extend_with<T: Copy, E>(
        &mut self,
        count: usize,
        fill: impl FnOnce(&mut [MaybeUninit<T>]) -> Result<(), E>,
    ) -> Result<(), E> {
        let bytes = count * size_of::<T>();
        self.reserve(bytes);
        // SAFETY: there is room for `count` values. The start is aligned to 16 and `length` is a multiple of the
        // size of `T`, because a buffer holds values of one type, whose alignment is at most 16.
        let values = unsafe {
            slice::from_raw_parts_mut(self.start.as_ptr().add(self.length).cast(), count)
        };
        fill(values)?;
        self.length += bytes;
        Ok(())
    }

    /// The last byte.
    #[inline(always)]
    pub(crate) fn last_mut(&mut self) -> Option<&mut u8> {
        let last = self.length.checked_sub(1)?;
        // SAFETY: the byte was written.
        Some(unsafe { &mut *self.start.as_ptr().add(last) })
    }

    /// The bytes written so far.
    #[cfg(test)]
    fn as_slice(&self) -> &[u8] {
        // SAFETY: `length` bytes were written.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    /// Drops bytes at the end.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }
}

/// Memory with room for `more` bytes behind the `length` bytes at `start`, which are copied there; and how many bytes it has.
///
/// # Safety
///
/// `length` of the `capacity` bytes at `start` were written. If `own` is not 0, all of them came from this allocator, `own` at [`ALIGN`], and nobody uses
/// them any more.
#[cold]
#[inline(never)]
unsafe fn grown(
    start: NonNull<u8>,
    length: usize,
    capacity: usize,
    own: usize,
    more: usize,
) -> (NonNull<u8>, usize) {
    let wanted = length
        .checked_add(more)
        .map(|bytes| bytes.max(capacity * 2).max(64));
    let layout = wanted.and_then(|bytes| Layout::from_size_align(bytes, ALIGN).ok());
    let Some(layout) = layout else {
        panic!("the result needs more memory than there are addresses");
    };
    let moved = if own > 0 {
        // SAFETY: `start` came from this allocator with this size and alignment; the new size is valid by `layout`.
        unsafe {
            let old = Layout::from_size_align_unchecked(own, ALIGN);
            realloc(start.as_ptr(), old, layout.size())
        }
    } else {
        // SAFETY: at least 64 bytes.
        unsafe { alloc(layout) }
    };
    let Some(moved) = NonNull::new(moved) else {
        handle_alloc_error(layout);
    };
    if own == 0 {
        // SAFETY: both have `length` bytes and do not overlap, since one is new.
        unsafe { moved.copy_from_nonoverlapping(start, length) };
    }
    (moved, layout.size())
}

/// Copies bytes. Text is mostly short, and for a few bytes the instruction for copying takes longer than the copying.
///
/// # Safety
///
/// There is room for the bytes at `to`, and they do not overlap.
#[inline(always)]
unsafe fn copy(bytes: &[u8], to: *mut u8) {
    /// The first bytes and the last, so many that the two meet.
    #[inline(always)]
    unsafe fn both_ends<T: Copy>(from: *const u8, to: *mut u8, length: usize) {
        let last = length - size_of::<T>();
        // SAFETY: `length` is at least the size of a `T`.
        unsafe {
            let (first, end) = (
                from.cast::<T>().read_unaligned(),
                from.add(last).cast::<T>().read_unaligned(),
            );
            to.cast::<T>().write_unaligned(first);
            to.add(last).cast::<T>().write_unaligned(end);
        }
    }

    let (from, length) = (bytes.as_ptr(), bytes.len());
    // SAFETY: by the contract of this function; each branch copies `length` bytes.
    unsafe {
        match length {
            0 => {}
            1 => *to = *from,
            2..4 => both_ends::<u16>(from, to, length),
            4..8 => both_ends::<u32>(from, to, length),
            8..16 => both_ends::<u64>(from, to, length),
            16..=32 => both_ends::<u128>(from, to, length),
            _ => to.copy_from_nonoverlapping(from, length),
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.owned && self.capacity > 0 {
            // SAFETY: the memory came from this allocator with this capacity and alignment.
            unsafe {
                dealloc(
                    self.start.as_ptr(),
                    Layout::from_size_align_unchecked(self.capacity, ALIGN),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_every_length() {
        let bytes: [u8; 70] = core::array::from_fn(|place| place as u8 + 1);
        for length in 0..=bytes.len() {
            let mut buffer = Buffer::default();
            buffer.extend_from_slice(b"x");
            buffer.extend_from_slice(&bytes[..length]);
            assert_eq!(&buffer.as_slice()[1..], &bytes[..length]);
        }
    }

    #[test]
    fn leaves_foreign_memory_when_it_grows() {
        let mut memory = [0u128; 1];
        let start = NonNull::from(&mut memory).cast();
        // SAFETY: 16 bytes that outlive the buffer.
        let mut buffer = unsafe { Buffer::laid(start, 16) };
        buffer.push(1u64);
        buffer.push(2u64);
        assert_eq!(buffer.address(), start.as_ptr().cast_const());
        buffer.push(3u64);
        assert_ne!(buffer.address(), start.as_ptr().cast_const());
        let expected: alloc::vec::Vec<u8> =
            [1u64, 2, 3].iter().flat_map(|v| v.to_ne_bytes()).collect();
        assert_eq!(buffer.as_slice(), expected);
        buffer.extend_from_slice(&[7; 1000]);
        assert_eq!(buffer.len(), 1024);
    }
}
