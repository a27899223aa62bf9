//! A safe view of an [`raw::ArrowArray`] that the host promised to be well formed.
//!
//! This is where the promises of `docs/abi.md` ("Arguments") are turned into Rust references. It knows
//! buffers and children, and nothing of what they mean.

use core::marker::PhantomData;
use core::ptr;
use core::slice;

use crate::bits;
use crate::raw;

/// An array that lives at least as long as `'a`.
#[derive(Clone, Copy, Debug)]
pub struct Array<'a> {
    raw: *const raw::ArrowArray,
    lifetime: PhantomData<&'a raw::ArrowArray>,
}

impl<'a> Array<'a> {
    /// Takes an array at its word.
    ///
    /// # Safety
    ///
    /// `raw` points to an array that stays unchanged for `'a` and keeps what `docs/abi.md` promises for
    /// arguments.
    pub unsafe fn new(raw: *const raw::ArrowArray) -> Self {
        Array {
            raw,
            lifetime: PhantomData,
        }
    }

    /// The struct itself.
    pub(crate) fn raw(self) -> &'a raw::ArrowArray {
        // SAFETY: by the contract of `new`.
        unsafe { &*self.raw }
    }

    /// The struct as an entry of a table of children, which nobody changes.
    pub(crate) fn raw_mut(self) -> *mut raw::ArrowArray {
        self.raw.cast_mut()
    }

    /// Number of values.
    pub fn len(self) -> usize {
        self.raw().length as usize
    }

    /// Whether there are no values.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Number of nulls.
    pub fn null_count(self) -> usize {
        self.raw().null_count as usize
    }

    /// The bytes' address of buffer `index`; never null, but dangling if there is no such buffer.
    pub(crate) fn buffer<T>(self, index: usize) -> *const T {
        let raw = self.raw();
        if index >= raw.n_buffers as usize {
            return ptr::dangling();
        }
        // SAFETY: `buffers` has `n_buffers` entries.
        let address = unsafe { *raw.buffers.add(index) };
        if address.is_null() {
            ptr::dangling()
        } else {
            address.cast()
        }
    }

    /// The validity bitmap, null if no value is null.
    pub(crate) fn validity(self) -> *const u8 {
        if self.raw().null_count == 0 {
            ptr::null()
        } else {
            self.buffer(0)
        }
    }

    /// Whether a value is NULL. A row that the array does not have is.
    pub fn is_null(self, row: usize) -> bool {
        let validity = self.validity();
        // SAFETY: where there are nulls, the bitmap has a bit for each row.
        row >= self.len() || !validity.is_null() && unsafe { !bits::get(validity, row) }
    }

    /// The values of an array of fixed width.
    ///
    /// # Safety
    ///
    /// The array's second buffer holds values of type `T`.
    pub(crate) unsafe fn values<T>(self) -> &'a [T] {
        // SAFETY: the host lays out `len` values there, aligned to 64; `buffer` is never null.
        unsafe { slice::from_raw_parts(self.buffer(1), self.len()) }
    }

    /// Child `index`.
    ///
    /// # Panics
    ///
    /// If there is no such child.
    pub fn child(self, index: usize) -> Array<'a> {
        let raw = self.raw();
        assert!(
            index < raw.n_children as usize,
            "the array has no such child"
        );
        // SAFETY: `children` has `n_children` entries, each of an array under the same contract.
        unsafe { Array::new(*raw.children.add(index)) }
    }

    /// Number of children.
    pub fn child_count(self) -> usize {
        self.raw().n_children as usize
    }
}
