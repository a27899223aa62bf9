//! What it costs to write a column into guest memory and to read it back, for each type.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryViewArray, BooleanArray, Decimal128Array, DictionaryArray, Float64Array,
    Int32Array, Int64Array, ListArray, StringArray, StringViewArray, StructArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type};
use criterion::{BenchmarkId, Criterion, Throughput};
use wasmfusion::columns::{Arena, ReadLimits, measure, read, write};
use wasmfusion::memory::GuestMemory;
use wasmfusion_benches::{Figures, Runner};

const ROWS: usize = 8_192;
/// Where the column's `ArrowArray` is, and where the region starts.
const ARRAY_AT: u32 = 64;
const REGION_AT: u32 = 128;

fn main() {
    Runner::new().run(measure_all, figures);
}

fn columns() -> Vec<(&'static str, ArrayRef)> {
    let numbers = || (0..ROWS as i64).map(|row| row * 7);
    let words: Vec<String> = (0..ROWS)
        .map(|row| format!("some word {}", row % 1000))
        .collect();
    let long_words: Vec<String> = words.iter().map(|word| word.repeat(4)).collect();
    let lists = (0..ROWS).map(|row| {
        Some(
            (0..row % 8)
                .map(|item| Some(item as f64))
                .collect::<Vec<_>>(),
        )
    });
    let field = |name: &str, data_type| Arc::new(Field::new(name, data_type, true));
    vec![
        (
            "bool",
            Arc::new(
                (0..ROWS)
                    .map(|row| Some(row % 3 == 0))
                    .collect::<BooleanArray>(),
            ),
        ),
        (
            "int32",
            Arc::new(Int32Array::from_iter_values(0..ROWS as i32)),
        ),
        ("int64", Arc::new(Int64Array::from_iter_values(numbers()))),
        (
            "int64_sliced",
            Arc::new(Int64Array::from_iter_values(-3..ROWS as i64).slice(3, ROWS)),
        ),
        (
            "int64_nulls",
            Arc::new(
                numbers()
                    .map(|number| (number % 5 != 0).then_some(number))
                    .collect::<Int64Array>(),
            ),
        ),
        (
            "float64",
            Arc::new(Float64Array::from_iter_values(
                numbers().map(|number| number as f64),
            )),
        ),
        (
            "decimal128",
            Arc::new(Decimal128Array::from_iter_values(numbers().map(i128::from))),
        ),
        (
            "timestamp",
            Arc::new(TimestampMicrosecondArray::from_iter_values(numbers())),
        ),
        ("utf8", Arc::new(StringArray::from(words.clone()))),
        (
            "utf8view_short",
            Arc::new(StringViewArray::from_iter_values(
                (0..ROWS).map(|row| format!("w{}", row % 1000)),
            )),
        ),
        (
            "utf8view_long",
            Arc::new(StringViewArray::from_iter_values(&long_words)),
        ),
        (
            "binaryview",
            Arc::new(BinaryViewArray::from_iter_values(&long_words)),
        ),
        (
            "list_float64",
            Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(lists)),
        ),
        (
            "dictionary",
            Arc::new(
                words
                    .iter()
                    .map(|word| Some(&word[5..]))
                    .collect::<DictionaryArray<Int32Type>>(),
            ),
        ),
        (
            "struct",
            Arc::new(StructArray::from(vec![
                (
                    field("a", DataType::Int64),
                    Arc::new(Int64Array::from_iter_values(numbers())) as ArrayRef,
                ),
                (
                    field("b", DataType::Utf8),
                    Arc::new(StringArray::from(words)) as ArrayRef,
                ),
            ])),
        ),
        ("null", new_null_array(&DataType::Null, ROWS)),
    ]
}

fn measure_all(c: &mut Criterion) {
    for (name, column) in columns() {
        one_type(c, name, &column);
    }
}

fn one_type(c: &mut Criterion, name: &str, column: &ArrayRef) {
    let data_type = column.data_type();
    let bytes = measure(column, data_type).expect("the column can be measured") as usize;
    let mut space = vec![0; REGION_AT as usize + bytes];
    let write_to = |space: &mut [u8]| {
        let mut arena = Arena::new(REGION_AT, bytes as u32);
        let bytes = measure(column, data_type).expect("measured before");
        write(
            &mut GuestMemory::new(space),
            &mut arena,
            ARRAY_AT,
            column,
            data_type,
        )
        .expect("the region is large enough");
        bytes
    };
    let mut group = c.benchmark_group("columns");
    group.throughput(Throughput::Bytes(column.get_buffer_memory_size() as u64));
    group.bench_function(BenchmarkId::new("write", name), |b| {
        b.iter(|| black_box(write_to(&mut space)))
    });
    let limits = ReadLimits {
        bytes_max: 1 << 30,
        depth_max: 16,
    };
    let memory = GuestMemory::new(&mut space);
    group.bench_function(BenchmarkId::new("read", name), |b| {
        b.iter(|| {
            black_box(
                read(&memory, ARRAY_AT, data_type, column.len(), limits)
                    .expect("what was written is valid"),
            )
        });
    });
    group.finish();
}

fn figures(figures: &Figures, (): ()) {
    for (name, _) in columns() {
        for way in ["write", "read"] {
            if let Some(ns) = figures.median_ns(&format!("columns/{way}/{name}")) {
                figures.print(&format!("columns/{way}_{name}_us"), ns / 1_000.0);
            }
        }
    }
}
