//! A call that says what to do: of aggregates, windows and tables. Directly behind the frame lies a struct with the operation, and
//! there may be several results.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::datatypes::DataType;
use smallvec::SmallVec;
use wasmfusion_abi::{ArrowArray, CONSTANTS_MAX, CallFrame};

use super::call::Argument;
use super::frame::{
    self, ARRAY_BYTES, Ended, FRAME_BYTES, STRUCT_ALIGN, TABLE_BYTES, bad_argument, bad_result,
};
use crate::columns::{self, Arena, ColumnError};
use crate::error::Error;
use crate::instance::Instance;
use crate::memory::{GuestMemory, Record};
use crate::plugin::FunctionRef;
use crate::scope::Lease;

/// What goes into a call.
#[derive(Default)]
pub(super) struct Request<'a> {
    pub(super) rows: u32,
    /// [`wasmfusion_abi::flag`]s.
    pub(super) flags: u32,
    /// What the function was bound to.
    pub(super) bound: u32,
    pub(super) arguments: &'a [Argument<'a>],
    /// The types that the arguments cross as.
    pub(super) targets: &'a [&'a DataType],
    /// Numbers beside the arguments.
    pub(super) indices: Option<&'a [usize]>,
    /// Bits beside the arguments.
    pub(super) bits: Option<&'a BooleanBuffer>,
    /// Types of the results.
    pub(super) results: &'a [&'a DataType],
    /// How many rows of results there shall be room for.
    pub(super) result_rows: u32,
}

/// Types of columns.
pub(super) type Types<'a> = SmallVec<[&'a DataType; 6]>;

/// Where in the region the numbers and the bits are; 0 where there are none.
pub(super) struct Extras {
    pub(super) indices: u32,
    pub(super) bits: u32,
}

/// What came back.
pub(super) struct Reply<T> {
    /// The struct behind the frame.
    pub(super) tail: T,
    results: u32,
}

impl Request<'_> {
    /// How many bytes of the region the call takes, at most.
    pub(super) fn measure<T>(&self, function: &FunctionRef) -> Result<u64, Error> {
        let structs = self.arguments.len() as u64 + self.results.len() as u64;
        let mut bytes = u64::from(STRUCT_ALIGN + FRAME_BYTES)
            + size_of::<T>() as u64
            + u64::from(ARRAY_BYTES) * structs;
        for (place, (argument, target)) in self.arguments.iter().zip(self.targets).enumerate() {
            bytes += columns::measure(argument.array.as_ref(), target)
                .map_err(|e| bad_argument(function, place, e))?;
        }
        bytes += self
            .indices
            .map_or(0, |indices| columns::measure_indices(indices.len()));
        bytes += self
            .bits
            .map_or(0, |bits| columns::measure_bits(bits.len()));
        for result in self.results {
            bytes += columns::measure_result(result, self.result_rows as usize);
        }
        Ok(bytes)
    }

    /// Makes the call. `tail` is the struct behind the frame.
    pub(super) fn send<T: Record>(
        &self,
        instance: &mut Instance,
        function: &FunctionRef,
        tail: impl FnOnce(Extras) -> T,
    ) -> Result<Reply<T>, Ended> {
        self.lay_out(instance, function, tail)?
            .send(instance, function)
    }

    /// Writes everything that the call needs.
    pub(super) fn lay_out<T: Record>(
        &self,
        instance: &mut Instance,
        function: &FunctionRef,
        tail: impl FnOnce(Extras) -> T,
    ) -> Result<LaidOut, Ended> {
        let bytes = self.measure::<T>(function)?;
        let region = instance.region(function.plugin.module(), bytes)?;
        let mut arena = Arena::new(region.address, region.size);
        let failed = |e: ColumnError| bad_result(function, e);
        let mut take = |bytes: u32| arena.alloc(bytes.into(), STRUCT_ALIGN).map_err(failed);
        let frame_at = take(FRAME_BYTES + size_of::<T>() as u32)?;
        let args_at = take(ARRAY_BYTES * self.arguments.len() as u32)?;
        let results_at = take(ARRAY_BYTES * self.results.len() as u32)?;

        let mut memory = instance.memory();
        for (place, result) in self.results.iter().enumerate() {
            let at = results_at + ARRAY_BYTES * place as u32;
            let rows = self.result_rows as usize;
            columns::lay_out_result(&mut memory, &mut arena, at, result, rows).map_err(failed)?;
        }
        let mut constants = 0;
        let before = arena.used();
        for (place, (argument, target)) in self.arguments.iter().zip(self.targets).enumerate() {
            let at = args_at + ARRAY_BYTES * place as u32;
            columns::write(&mut memory, &mut arena, at, argument.array.as_ref(), target)
                .map_err(|e| bad_argument(function, place, e))?;
            constants |= u64::from(argument.constant) << (place % CONSTANTS_MAX);
        }
        let indices = self
            .indices
            .map(|indices| columns::write_indices(&mut memory, &mut arena, indices));
        let bits = self
            .bits
            .map(|bits| columns::write_bits(&mut memory, &mut arena, bits));
        let extras = Extras {
            indices: indices.transpose().map_err(failed)?.unwrap_or_default(),
            bits: bits.transpose().map_err(failed)?.unwrap_or_default(),
        };
        let frame = CallFrame {
            rows: self.rows,
            arg_count: self.arguments.len() as u32,
            args: args_at,
            result: results_at,
            constants,
            bound: self.bound,
            flags: self.flags,
            error: Default::default(),
        };
        memory
            .write("frame", frame_at, &frame)
            .and_then(|()| memory.write("call", frame_at + FRAME_BYTES, &tail(extras)))
            .map_err(|e| failed(e.into()))?;
        instance.count_in(arena.used() - before);
        Ok(LaidOut {
            frame: frame_at,
            results: results_at,
        })
    }
}

/// A call, ready to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct LaidOut {
    /// Address of the frame.
    pub(super) frame: u32,
    /// Address of the results' structs, which lie behind those of the arguments.
    pub(super) results: u32,
}

/// Where a column of numbers without NULLs lies in the region.
#[derive(Clone, Copy, Debug)]
pub(super) struct FixedColumn {
    /// Address of the addresses of validity, which there is none, and of the values.
    table: u32,
    /// Address of the values.
    address: u32,
    bytes: usize,
}

/// All columns of a call.
pub(super) type FixedColumns = SmallVec<[FixedColumn; 6]>;

impl FixedColumn {
    /// Bytes of the values.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes the column again, with other values; `None` if they are not as many.
    #[inline]
    pub(super) fn write(&self, memory: &mut GuestMemory<'_>, values: &[u8]) -> Option<()> {
        if values.len() != self.bytes {
            return None;
        }
        let bytes = TABLE_BYTES as usize;
        let table = memory.slice_mut("argument addresses", self.table, bytes, 1);
        table
            .ok()?
            .copy_from_slice(&(u64::from(self.address) << 32).to_le_bytes());
        memory
            .slice_mut("argument buffer", self.address, self.bytes, 1)
            .ok()?
            .copy_from_slice(values);
        Some(())
    }
}

impl LaidOut {
    /// Everything from the frame to the last argument's struct, as the guest will find it.
    pub(super) fn header(self, instance: &mut Instance) -> Option<Box<[u8]>> {
        let bytes = self.results.checked_sub(self.frame)? as usize;
        let memory = instance.memory();
        Some(memory.slice("frame", self.frame, bytes, 1).ok()?.into())
    }

    /// Where the values of the arguments are, which are numbers without NULLs: these. To be asked before the guest has run.
    pub(super) fn fixed_columns(
        self,
        instance: &mut Instance,
        numbers: &[&[u8]],
    ) -> Option<FixedColumns> {
        let memory = instance.memory();
        let frame: CallFrame = memory.read("frame", self.frame).ok()?;
        let column = |(place, numbers): (usize, &&[u8])| {
            let at = frame.args + ARRAY_BYTES * place as u32;
            let array: ArrowArray = memory.read("argument", at).ok()?;
            let address = memory.address_at("argument addresses", array.buffers, 1);
            Some(FixedColumn {
                table: array.buffers,
                address: address.ok()?,
                bytes: numbers.len(),
            })
        };
        numbers.iter().enumerate().map(column).collect()
    }

    /// Makes the call.
    pub(super) fn send<T: Record>(
        self,
        instance: &mut Instance,
        function: &FunctionRef,
    ) -> Result<Reply<T>, Ended> {
        frame::call(instance, function, self.frame)?;
        let tail = instance.memory().read("call", self.frame + FRAME_BYTES);
        Ok(Reply {
            tail: tail.map_err(|e| bad_result(function, e.into()))?,
            results: self.results,
        })
    }
}

/// The instance that the stream's small states share.
pub(super) fn shared_lease(function: &FunctionRef) -> Result<Lease, Error> {
    Lease::shared(&function.plugin).map_err(|failure| failure.into_error(function.id()))
}

/// An instance for one large state.
pub(super) fn own_lease(function: &FunctionRef) -> Result<Lease, Error> {
    Lease::own(&function.plugin).map_err(|failure| failure.into_error(function.id()))
}

/// Calls in an instance that something is held in. After a failure there, nothing more can be had from it.
#[inline]
pub(super) fn within<R>(
    lease: &Lease,
    function: &FunctionRef,
    rows: usize,
    f: impl FnOnce(&mut Instance) -> Result<R, Ended>,
) -> Result<R, Error> {
    if let Some(reason) = lease.failure() {
        return Err(gone(function, reason));
    }
    lease
        .with_call(function, rows, f)
        .map_err(|failed| ended(lease, function, failed))
}

/// A failed call as an error, which is the last of its instance if that broke or a promise was.
#[cold]
pub(super) fn ended(lease: &Lease, function: &FunctionRef, failed: Ended) -> Error {
    let spent = lease.with(|instance| {
        failed.judge(instance);
        instance.is_spent()
    });
    let error = failed.into_error(function);
    if spent {
        lease.fail(&error);
    }
    error
}

#[cold]
fn gone(function: &FunctionRef, reason: &str) -> Error {
    Error::Gone {
        function: function.id(),
        reason: reason.to_owned(),
    }
}

/// Tells the guest that nobody needs a state any more: `tail` says which. If that ends its instance, the next call in it says why; what
/// else it answers is of no interest.
pub(super) fn give_back<T: Record>(lease: &Lease, function: &FunctionRef, tail: T) {
    // `within` keeps the reason.
    let _: Result<Reply<T>, Error> = within(lease, function, 0, |instance| {
        Request::default().send(instance, function, |_| tail)
    });
}

impl<T> Reply<T> {
    /// Reads all results, of `rows` values each.
    pub(super) fn columns(
        &self,
        instance: &mut Instance,
        function: &FunctionRef,
        types: &[&DataType],
        rows: u32,
    ) -> Result<Vec<ArrayRef>, Ended> {
        let column = |(place, data_type): (usize, &&DataType)| {
            self.column(instance, function, place, data_type, rows)
        };
        types.iter().enumerate().map(column).collect()
    }

    /// Reads the result at `place`, which has `rows` values.
    pub(super) fn column(
        &self,
        instance: &mut Instance,
        function: &FunctionRef,
        place: usize,
        data_type: &DataType,
        rows: u32,
    ) -> Result<ArrayRef, Ended> {
        let at = self.results + ARRAY_BYTES * place as u32;
        frame::read_column(instance, function, at, rows, data_type)
    }
}
