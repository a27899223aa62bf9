//! Structs: a column for each field. `#[derive(SqlStruct)]` does the rest.

use super::Nulls;
use crate::call::Space;
use crate::error::Error;
use crate::pool::Pool;
use crate::raw::ArrowArray;

/// Collects structs.
#[derive(Debug)]
pub struct StructBuilder<B> {
    /// The builders of the fields, as nested pairs.
    pub fields: B,
    length: usize,
}

impl<B> StructBuilder<B> {
    /// An empty builder.
    pub fn new(space: &mut Space<'_>, fields: impl FnOnce(&mut Space<'_>) -> B) -> Self {
        space.nest();
        StructBuilder {
            fields: fields(space),
            length: 0,
        }
    }

    /// Ends a value, after something was pushed to each field.
    #[inline(always)]
    pub fn end_value(&mut self) {
        self.length += 1;
    }

    /// Writes the column to `out`. `fields` gives the columns of the fields.
    ///
    /// # Errors
    ///
    /// Those of `fields`.
    #[inline]
    pub fn finish<const N: usize>(
        self,
        nulls: Option<Nulls>,
        out: &mut ArrowArray,
        pool: &mut Pool,
        fields: impl FnOnce(B, &mut Pool) -> Result<[*mut ArrowArray; N], Error>,
    ) -> Result<(), Error> {
        let children = fields(self.fields, pool)?;
        let (bitmap, null_count) = Nulls::into_parts(nulls);
        pool.write(out, self.length, null_count, [bitmap], &children);
        Ok(())
    }
}
