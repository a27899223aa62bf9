//! Arrays of any type, made up from a seed.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{Buffer, MutableBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::*;

/// Numbers that follow from a seed (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}

/// An array of `rows` values, a part of a larger one more often than not.
pub(crate) fn array(
    data_type: &DataType,
    rows: usize,
    nullable: bool,
    random: &mut Random,
) -> ArrayRef {
    let before = if random.one_in(3) {
        0
    } else {
        random.below(12)
    };
    let after = random.below(3);
    whole(data_type, before + rows + after, nullable, random).slice(before, rows)
}

fn nulls(rows: usize, nullable: bool, random: &mut Random) -> Option<NullBuffer> {
    match random.below(6) {
        _ if !nullable => None,
        0 | 1 => None,
        2 => Some(NullBuffer::new_null(rows)),
        3 => Some(NullBuffer::new_valid(rows)),
        _ => Some((0..rows).map(|_| !random.one_in(3)).collect()),
    }
}

fn text(random: &mut Random) -> String {
    let length = [0, 1, 3, 11, 12, 13, 30][random.below(7)];
    let alphabet = [&['a', 'b', '7'][..], &['x', 'ß', '日', '\u{1f980}']][random.below(2)];
    (0..length)
        .map(|_| alphabet[random.below(alphabet.len())])
        .collect()
}

fn numbers<T: ArrowPrimitiveType>(
    data_type: &DataType,
    rows: usize,
    nullable: bool,
    random: &mut Random,
) -> ArrayRef {
    let mut bytes = MutableBuffer::new(0);
    for _ in 0..rows * size_of::<T::Native>() {
        bytes.push(random.next() as u8);
    }
    let values = ScalarBuffer::<T::Native>::from(Buffer::from(bytes));
    let array = PrimitiveArray::<T>::new(values, nulls(rows, nullable, random));
    Arc::new(array.with_data_type(data_type.clone()))
}

fn decimals<T: DecimalType>(
    data_type: &DataType,
    precision: u8,
    rows: usize,
    nullable: bool,
    random: &mut Random,
) -> ArrayRef {
    let end = 10_usize.pow(u32::from(precision.min(9)));
    let values = (0..rows).map(|_| T::Native::usize_as(random.below(end)));
    let values = values.collect::<Vec<_>>().into();
    let array = PrimitiveArray::<T>::new(values, nulls(rows, nullable, random));
    Arc::new(array.with_data_type(data_type.clone()))
}

/// Lengths of rows, and what they add up to.
fn offsets<O: OffsetSizeTrait>(rows: usize, random: &mut Random) -> (OffsetBuffer<O>, usize) {
    let mut end = random.below(3);
    let mut offsets = vec![O::usize_as(end)];
    for _ in 0..rows {
        end += random.below(4);
        offsets.push(O::usize_as(end));
    }
    (OffsetBuffer::new(offsets.into()), end + random.below(3))
}

fn list<O: OffsetSizeTrait>(
    field: &FieldRef,
    rows: usize,
    nullable: bool,
    random: &mut Random,
) -> ArrayRef {
    let (offsets, length) = offsets::<O>(rows, random);
    let values = array(field.data_type(), length, field.is_nullable(), random);
    let nulls = nulls(rows, nullable, random);
    Arc::new(GenericListArray::<O>::new(
        field.clone(),
        offsets,
        values,
        nulls,
    ))
}

fn list_view<O: OffsetSizeTrait>(
    field: &FieldRef,
    rows: usize,
    nullable: bool,
    random: &mut Random,
) -> ArrayRef {
    let length = random.below(40);
    let (mut offsets, mut sizes) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let offset = random.below(length + 1);
        offsets.push(O::usize_as(offset));
        sizes.push(O::usize_as(random.below((length - offset).min(5) + 1)));
    }
    let values = array(field.data_type(), length, field.is_nullable(), random);
    let nulls = nulls(rows, nullable, random);
    Arc::new(GenericListViewArray::<O>::new(
        field.clone(),
        offsets.into(),
        sizes.into(),
        values,
        nulls,
    ))
}

fn runs<R: RunEndIndexType>(
    data_type: &DataType,
    values: &FieldRef,
    rows: usize,
    nullable: bool,
    random: &mut Random,
) -> ArrayRef {
    let mut ends = Vec::new();
    let mut end = 0;
    while end < rows {
        end += 1 + random.below(5);
        ends.push(R::Native::usize_as(end));
    }
    let values = array(values.data_type(), ends.len(), nullable, random);
    let ends = PrimitiveArray::<R>::new(ends.into(), None);
    let data = ArrayData::builder(data_type.clone())
        .len(end)
        .child_data(vec![ends.into_data(), values.to_data()]);
    make_array(data.build().unwrap()).slice(end - rows, rows)
}

fn dictionary<K: ArrowDictionaryKeyType>(
    values: &DataType,
    rows: usize,
    nullable: bool,
    random: &mut Random,
) -> ArrayRef {
    let most = [3, 100][random.below(2)];
    let length = 1 + random.below(most);
    let values = array(values, length, nullable, random);
    let keys = (0..rows).map(|_| K::Native::usize_as(random.below(length)));
    let keys = keys.collect::<Vec<_>>().into();
    let nulls = nulls(rows, nullable, random);
    let keys = PrimitiveArray::<K>::new(keys, nulls);
    Arc::new(DictionaryArray::new(keys, values))
}

fn union(
    fields: &UnionFields,
    mode: UnionMode,
    rows: usize,
    nullable: bool,
    random: &mut Random,
) -> ArrayRef {
    let ids: Vec<i8> = fields.iter().map(|(id, _)| id).collect();
    let type_ids: Vec<i8> = (0..rows).map(|_| ids[random.below(ids.len())]).collect();
    let length = match mode {
        UnionMode::Sparse => rows,
        UnionMode::Dense => 1 + random.below(9),
    };
    let children = fields.iter().map(|(_, field)| {
        let nullable = nullable && field.is_nullable();
        array(field.data_type(), length, nullable, random)
    });
    let children = children.collect();
    let offsets = (0..rows).map(|_| random.below(length) as i32);
    let offsets = (mode == UnionMode::Dense).then(|| offsets.collect::<Vec<_>>().into());
    let union = UnionArray::try_new(fields.clone(), type_ids.into(), offsets, children);
    Arc::new(union.unwrap())
}

fn whole(data_type: &DataType, rows: usize, nullable: bool, random: &mut Random) -> ArrayRef {
    macro_rules! primitive {
        ($primitive:ty) => {
            numbers::<$primitive>(data_type, rows, nullable, random)
        };
    }
    macro_rules! keys {
        ($keys:ty, $values:ident) => {
            dictionary::<$keys>($values, rows, nullable, random)
        };
    }
    macro_rules! run_ends {
        ($ends:ty, $values:ident) => {
            runs::<$ends>(data_type, $values, rows, nullable, random)
        };
    }
    match data_type {
        DataType::Decimal32(p, _) => {
            decimals::<Decimal32Type>(data_type, *p, rows, nullable, random)
        }
        DataType::Decimal64(p, _) => {
            decimals::<Decimal64Type>(data_type, *p, rows, nullable, random)
        }
        DataType::Decimal128(p, _) => {
            decimals::<Decimal128Type>(data_type, *p, rows, nullable, random)
        }
        DataType::Decimal256(p, _) => {
            decimals::<Decimal256Type>(data_type, *p, rows, nullable, random)
        }
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView => strings(data_type, rows, nullable, random),
        DataType::List(field) => list::<i32>(field, rows, nullable, random),
        DataType::LargeList(field) => list::<i64>(field, rows, nullable, random),
        DataType::ListView(field) => list_view::<i32>(field, rows, nullable, random),
        DataType::LargeListView(field) => list_view::<i64>(field, rows, nullable, random),
        DataType::Map(field, sorted) => {
            let (offsets, length) = offsets::<i32>(rows, random);
            let entries = array(field.data_type(), length, false, random);
            let entries = entries.as_struct().clone();
            let nulls = nulls(rows, nullable, random);
            Arc::new(MapArray::new(
                field.clone(),
                offsets,
                entries,
                nulls,
                *sorted,
            ))
        }
        DataType::FixedSizeList(field, width) => {
            let length = rows * *width as usize;
            let values = array(field.data_type(), length, field.is_nullable(), random);
            let nulls = nulls(rows, nullable, random);
            let list =
                FixedSizeListArray::try_new_with_length(field.clone(), *width, values, nulls, rows);
            Arc::new(list.unwrap())
        }
        DataType::Struct(fields) => {
            let columns = fields
                .iter()
                .map(|field| array(field.data_type(), rows, field.is_nullable(), random))
                .collect();
            let nulls = nulls(rows, nullable, random);
            let structure = StructArray::try_new_with_length(fields.clone(), columns, nulls, rows);
            Arc::new(structure.unwrap())
        }
        DataType::Union(fields, mode) => union(fields, *mode, rows, nullable, random),
        DataType::Dictionary(keys, values) => downcast_integer! {
            keys.as_ref() => (keys, values),
            _ => unreachable!("dictionary keys are integers")
        },
        DataType::RunEndEncoded(ends, values) => downcast_run_end_index! {
            ends.data_type() => (run_ends, values),
            _ => unreachable!("run ends are signed integers")
        },
        DataType::Null => Arc::new(NullArray::new(rows)),
        DataType::Boolean => {
            let values = (0..rows).map(|_| random.one_in(2)).collect();
            Arc::new(BooleanArray::new(values, nulls(rows, nullable, random)))
        }
        DataType::FixedSizeBinary(width) => {
            let length = rows * *width as usize;
            let values: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
            let nulls = nulls(rows, nullable, random);
            let array = FixedSizeBinaryArray::try_new_with_len(*width, values.into(), nulls, rows);
            Arc::new(array.unwrap())
        }
        _ => downcast_primitive! {
            data_type => (primitive),
            _ => unreachable!("no array of type {data_type}")
        },
    }
}

/// Strings or binaries. Views lie in several buffers and share some of their bytes.
fn strings(data_type: &DataType, rows: usize, nullable: bool, random: &mut Random) -> ArrayRef {
    let values: Vec<String> = (0..rows).map(|_| text(random)).collect();
    let nulls = nulls(rows, nullable, random);
    let is_null = |row: usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
    match data_type {
        DataType::Utf8View | DataType::BinaryView => {
            let mut builder = StringViewBuilder::new().with_fixed_block_size(64);
            if random.one_in(2) {
                builder = builder.with_deduplicate_strings();
            }
            let same = random.one_in(4);
            for (row, value) in values.iter().enumerate() {
                match is_null(row) {
                    true => builder.append_null(),
                    false if same => builder.append_value("one text for all of the rows"),
                    false => builder.append_value(value),
                }
            }
            let array = builder.finish();
            match data_type {
                DataType::Utf8View => Arc::new(array),
                _ => Arc::new(array.to_binary_view()),
            }
        }
        _ => {
            // Values stay behind where rows are null.
            let plain = StringArray::from_iter_values(&values);
            let (offsets, bytes, _) = plain.into_parts();
            let plain: ArrayRef = Arc::new(StringArray::new(offsets, bytes, nulls));
            arrow::compute::cast(&plain, data_type).unwrap()
        }
    }
}
