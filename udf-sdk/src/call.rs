//! One call: the frame, what it points to, and the instance's memory.

use alloc::format;

use crate::argument::Argument;
use crate::array::Array;
use crate::bind::Bound;
use crate::buffer::Buffer;
use crate::error::Error;
use crate::function::Function;
use crate::pool::Pool;
use crate::raw;

use core::ptr::NonNull;

/// Rows that are run at once if an argument is a constant: so many copies of it are enough for all of them.
pub(crate) const BLOCK_ROWS: usize = 256;

/// One call of a function on a batch.
#[derive(Debug)]
pub struct Call<'a> {
    /// Read a field at a time, and never borrowed: messages are written to its `error` while the call runs.
    frame: *const raw::CallFrame,
    pool: &'a mut Pool,
    function: &'static Function,
    /// Rows of the arguments: those of the call, unless they are of a whole partition and the call is about one of its rows.
    arg_rows: usize,
}

/// An argument of a call: an array, and whether it stands for every row.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
    /// The array.
    pub array: Array<'a>,
    /// Whether the array has one value that holds for every row.
    pub constant: bool,
    /// Number of rows of the call.
    pub rows: usize,
}

impl<'a> Operand<'a> {
    /// All ones for a column, zero for a constant: `row & mask` is the place of a row's value.
    pub(crate) fn mask(&self) -> usize {
        if self.constant { 0 } else { usize::MAX }
    }

    /// Opens a field of a struct. For `#[derive(SqlStruct)]`.
    ///
    /// # Errors
    ///
    /// If the field is NULL where the struct is not, unless `T` can be, and as [`Argument::open`].
    pub fn field<T: Argument<'a>>(
        &self,
        index: usize,
        name: &str,
        pool: &mut Pool,
    ) -> Result<T::Column, Error> {
        let array = self.array.child(index);
        let unexpected = |row| array.is_null(row) && !self.array.is_null(row);
        if !T::NULLS && array.null_count() > 0 && (0..self.array.len()).any(unexpected) {
            return Err(Error::new(format!(
                "the field {name} is NULL, which the function does not expect"
            )));
        }
        T::open(Operand { array, ..*self }, pool)
    }
}

impl<'a> Call<'a> {
    /// A call with this frame.
    ///
    /// # Safety
    ///
    /// The frame and what it points to keep what `docs/abi.md` promises for `'a`. In particular the types of arguments
    /// and result are those that the function declared or was bound to.
    pub unsafe fn new(
        frame: *const raw::CallFrame,
        pool: &'a mut Pool,
        function: &'static Function,
    ) -> Self {
        pool.recycle();
        Call {
            frame,
            // SAFETY: by the contract of this function.
            arg_rows: unsafe { (*frame).rows as usize },
            pool,
            function,
        }
    }

    /// Says how many rows the arguments have, if the call has another number.
    pub(crate) fn set_arg_rows(&mut self, rows: usize) {
        self.arg_rows = rows;
    }

    /// Bits that say how the function was called in SQL.
    pub(crate) fn flags(&self) -> u32 {
        // SAFETY: by the contract of `new`.
        unsafe { (*self.frame).flags }
    }

    /// Number of rows.
    #[inline]
    pub fn rows(&self) -> usize {
        // SAFETY: by the contract of `new`.
        unsafe { (*self.frame).rows as usize }
    }

    /// Number of arguments.
    #[inline]
    pub fn arg_count(&self) -> usize {
        // SAFETY: by the contract of `new`.
        unsafe { (*self.frame).arg_count as usize }
    }

    /// Bit `i`: argument `i` is a constant.
    #[inline]
    fn constants(&self) -> u64 {
        // SAFETY: by the contract of `new`.
        unsafe { (*self.frame).constants }
    }

    /// Rows to run at once.
    #[inline]
    pub(crate) fn block_rows(&self) -> usize {
        if self.constants() == 0 {
            self.rows()
        } else {
            BLOCK_ROWS
        }
    }

    /// Argument `index`.
    ///
    /// # Panics
    ///
    /// If there are not so many.
    #[inline]
    pub fn operand(&self, index: usize) -> Operand<'a> {
        assert!(
            index < self.arg_count(),
            "the call has fewer arguments than the function"
        );
        Operand {
            // SAFETY: `args` has `arg_count` arrays, which keep their promises by the contract of `new`.
            array: unsafe { Array::new((*self.frame).args.add(index)) },
            constant: index < 64 && self.constants() >> index & 1 != 0,
            rows: self.arg_rows,
        }
    }

    /// An error about argument `index`, by its name.
    pub(crate) fn operand_error(&self, index: usize, what: &str) -> Error {
        let params = self.function.params;
        let name = params[index.min(params.len() - 1)].name;
        Error::new(format!("argument {} ({name}): {what}", index + 1))
    }

    /// What was left when the function was bound.
    pub(crate) fn bound(&self) -> Result<&'a Bound, Error> {
        // SAFETY: the host gives back what binding this function left in this instance, where it stays.
        unsafe { (*self.frame).bound.cast_const().cast::<Bound>().as_ref() }
            .ok_or_else(|| Error::new("the function was called before it was bound"))
    }

    /// The instance's memory.
    pub(crate) fn pool(&mut self) -> &mut Pool {
        self.pool
    }

    /// Where the result goes.
    #[inline]
    pub fn space(&mut self) -> Space<'_> {
        let rows = self.rows();
        let (result, pool) = self.result();
        Space::new(rows, result, pool)
    }

    /// Where column `index` of the result goes.
    ///
    /// # Safety
    ///
    /// The call has so many results.
    pub(crate) unsafe fn column_space(&mut self, index: usize) -> Space<'_> {
        let rows = self.rows();
        // SAFETY: by the contract of this function.
        let (result, pool) = unsafe { self.column(index) };
        Space::new(rows, result, pool)
    }

    /// The result's array, and the pool that keeps its memory.
    #[inline]
    pub(crate) fn result(&mut self) -> (&mut raw::ArrowArray, &mut Pool) {
        // SAFETY: the host points `result` to an array that nobody else looks at during the call.
        (unsafe { &mut *(*self.frame).result }, self.pool)
    }

    /// The array of column `index` of the result, and the pool that keeps its memory.
    ///
    /// # Safety
    ///
    /// The call has so many results.
    pub(crate) unsafe fn column(&mut self, index: usize) -> (&mut raw::ArrowArray, &mut Pool) {
        // SAFETY: by the contract of this function; nobody else looks at the array during the call.
        (unsafe { &mut *(*self.frame).result.add(index) }, self.pool)
    }
}

/// Where a builder finds memory: what the host laid out for the result, then the instance's own.
#[derive(Debug)]
pub struct Space<'p> {
    pool: &'p mut Pool,
    rows: usize,
    bitmap: Option<NonNull<u8>>,
    values: Option<NonNull<u8>>,
}

impl<'p> Space<'p> {
    /// Room for a result of so many rows.
    #[inline]
    pub(crate) fn new(rows: usize, result: &raw::ArrowArray, pool: &'p mut Pool) -> Self {
        let (mut bitmap, mut values) = (None, None);
        if result.n_buffers == 2 && !result.buffers.is_null() {
            // SAFETY: the host laid out two buffers, which `buffers` points to.
            unsafe {
                bitmap = NonNull::new((*result.buffers).cast_mut());
                values = NonNull::new((*result.buffers.add(1)).cast_mut());
            }
        }
        Space {
            pool,
            rows,
            bitmap,
            values,
        }
    }

    /// The buffer for a validity bitmap.
    #[inline]
    pub(crate) fn bitmap(&mut self) -> Buffer {
        let capacity = self.rows.div_ceil(8);
        match self.bitmap.take() {
            // SAFETY: the host laid out a bitmap of `rows` bits.
            Some(start) => unsafe { Buffer::laid(start, capacity) },
            None => self.pool.buffer(),
        }
    }

    /// The buffer for values of `bits` each.
    #[inline]
    pub(crate) fn values(&mut self, bits: usize) -> Buffer {
        // Nested arrays come after the outermost one, whose bitmap they must not take.
        self.bitmap = None;
        let capacity = (self.rows * bits).div_ceil(8);
        match self.values.take() {
            // SAFETY: the host laid out `rows` values of the type that the function declared.
            Some(start) => unsafe { Buffer::laid(start, capacity) },
            None => self.pool.buffer(),
        }
    }

    /// A buffer of the instance's own.
    pub(crate) fn buffer(&mut self) -> Buffer {
        self.nest();
        self.pool.buffer()
    }

    /// Whatever the host laid out is for the outermost array; what follows is inside of it.
    pub(crate) fn nest(&mut self) {
        self.bitmap = None;
        self.values = None;
    }
}
