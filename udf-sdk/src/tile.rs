//! An array several times over, whatever its type: how the value of a constant becomes a column.

mod layout;

use alloc::format;
use alloc::vec::Vec;
use core::ptr;

use crate::array::Array;
use crate::buffer::Buffer;
use crate::dynamic::Type;
use crate::error::Error;
use crate::pool::Pool;
use crate::raw::ArrowArray;
use layout::Layout;

/// Writes `array`, `times` over, to `out`.
///
/// # Errors
///
/// If the result is too large for its type.
pub(crate) fn tile(
    array: Array<'_>,
    data_type: &Type,
    times: usize,
    out: &mut ArrowArray,
    pool: &mut Pool,
) -> Result<(), Error> {
    let format = data_type.format();
    let unknown = || {
        Error::new(format!(
            "the format {format} is not one of the C Data Interface"
        ))
    };
    let layout = Layout::of(format).ok_or_else(unknown)?;
    let count = array.len();
    let length = count
        .checked_mul(times)
        .filter(|length| i32::try_from(*length).is_ok());
    let Some(length) = length else {
        return Err(Error::new(
            "the repeated constant is too large for one batch",
        ));
    };
    out.length = length as i64;
    out.null_count = (array.null_count() * times) as i64;
    out.dictionary = array.raw().dictionary;

    let mut tiles = Tiles {
        array,
        times,
        count,
        pool,
        buffers: Vec::new(),
    };
    if layout.has_validity() {
        tiles.validity();
    }
    let mut children = Vec::new();
    match layout {
        Layout::Null | Layout::Children | Layout::Runs => {}
        Layout::Bits => tiles.bits(1),
        Layout::Fixed(width) => tiles.fixed(1, width),
        Layout::Bytes(width) => {
            let bytes = tiles.offsets(width)?;
            tiles.bytes(2, bytes);
        }
        Layout::Views => {
            tiles.fixed(1, 16);
            // Each view says where its bytes are: the data stays what it is.
            for place in 2..array.raw().n_buffers as usize {
                tiles.buffers.push(array.buffer(place));
            }
        }
        Layout::List(width) => {
            tiles.offsets(width)?;
        }
        Layout::ListViews(width) => {
            tiles.fixed(1, width);
            tiles.fixed(2, width);
        }
        Layout::SparseUnion => tiles.fixed(0, 1),
        Layout::DenseUnion => {
            tiles.fixed(0, 1);
            tiles.fixed(1, 4);
        }
    }
    let Tiles { buffers, .. } = tiles;

    for (place, child_type) in data_type.children().iter().enumerate() {
        let child = array.child(place);
        children.push(match layout {
            // What points into its children anywhere points to the same place every time.
            Layout::ListViews(_) | Layout::DenseUnion => child.raw_mut(),
            Layout::Runs if place == 0 => {
                pool.child(|out, pool| run_ends(child, child_type, count, times, out, pool))?
            }
            _ => pool.child(|out, pool| tile(child, child_type, times, out, pool))?,
        });
    }
    pool.write_tables(out, &buffers, &children);
    Ok(())
}

/// The buffers of a tiled array.
struct Tiles<'t, 'a> {
    array: Array<'a>,
    times: usize,
    count: usize,
    pool: &'t mut Pool,
    buffers: Vec<*const u8>,
}

impl Tiles<'_, '_> {
    fn keep(&mut self, buffer: Buffer) {
        let address = self.pool.keep(buffer);
        self.buffers.push(address);
    }

    fn validity(&mut self) {
        if self.array.validity().is_null() {
            self.buffers.push(ptr::null());
        } else {
            self.bits(0);
        }
    }

    fn bits(&mut self, place: usize) {
        let bitmap = self.array.buffer::<u8>(place);
        let mut bits = crate::value::BitBuilder::new(self.pool.buffer());
        for index in 0..self.count * self.times {
            // SAFETY: the bitmap has `count` bits.
            bits.push(unsafe { crate::bits::get(bitmap, index % self.count) });
        }
        self.keep(bits.into_buffer());
    }

    /// Values of so many bytes each.
    fn fixed(&mut self, place: usize, width: usize) {
        self.bytes(place, self.count * width);
    }

    /// So many bytes.
    fn bytes(&mut self, place: usize, length: usize) {
        // SAFETY: the array has so many bytes there.
        let bytes = unsafe { core::slice::from_raw_parts(self.array.buffer::<u8>(place), length) };
        let mut buffer = self.pool.buffer();
        for _ in 0..self.times {
            buffer.extend_from_slice(bytes);
        }
        self.keep(buffer);
    }

    /// Offsets of so many bytes each; what lies between the first and the last.
    fn offsets(&mut self, width: usize) -> Result<usize, Error> {
        let start = self.array.buffer::<u8>(1);
        let offset = |place: usize| -> usize {
            // SAFETY: there is one offset more than there are values. Wide offsets fit since memory is 32 bits.
            unsafe {
                match width {
                    4 => *start.cast::<i32>().add(place) as usize,
                    _ => *start.cast::<i64>().add(place) as usize,
                }
            }
        };
        // The whole child is repeated, not just what the offsets cover.
        let span = match self.array.child_count() {
            0 if self.count == 0 => 0,
            0 => offset(self.count),
            _ => self.array.child(0).len(),
        };
        let total = span
            .checked_mul(self.times)
            .filter(|total| i32::try_from(*total).is_ok());
        if total.is_none() {
            return Err(Error::new(
                "the repeated constant is too large for one batch",
            ));
        }
        let mut buffer = self.pool.buffer();
        let mut push = |value: usize| match width {
            4 => buffer.push(value as i32),
            _ => buffer.push(value as i64),
        };
        push(0);
        for turn in 0..self.times {
            for place in 1..=self.count {
                push(turn * span + offset(place));
            }
        }
        self.keep(buffer);
        Ok(span)
    }
}

/// The ends of the runs of a run-end-encoded array of `count` values, tiled.
fn run_ends(
    ends: Array<'_>,
    data_type: &Type,
    count: usize,
    times: usize,
    out: &mut ArrowArray,
    pool: &mut Pool,
) -> Result<(), Error> {
    let start = ends.buffer::<u8>(1);
    let (width, most) = match data_type.format() {
        "s" => (2, i64::from(i16::MAX)),
        "i" => (4, i64::from(i32::MAX)),
        _ => (8, i64::MAX),
    };
    if (count * times) as i64 > most {
        return Err(Error::new(
            "the repeated constant is too large for its run ends",
        ));
    }
    let mut buffer = pool.buffer();
    for turn in 0..times {
        for run in 0..ends.len() {
            // SAFETY: there are so many ends of this width.
            let end = unsafe {
                match width {
                    2 => i64::from(*start.cast::<i16>().add(run)),
                    4 => i64::from(*start.cast::<i32>().add(run)),
                    _ => *start.cast::<i64>().add(run),
                }
            };
            let end = end.min(count as i64) + (turn * count) as i64;
            match width {
                2 => buffer.push(end as i16),
                4 => buffer.push(end as i32),
                _ => buffer.push(end),
            }
        }
    }
    out.length = (ends.len() * times) as i64;
    let ends = pool.keep(buffer);
    pool.write_tables(out, &[ptr::null(), ends], &[]);
    Ok(())
}

#[cfg(test)]
mod tests;
