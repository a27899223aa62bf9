//! Single calls of scalar functions, in a stream's scope.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray, StringBuilder, UInt64Array,
};
use arrow::datatypes::{DataType, Float64Type};
use criterion::{Bencher, Criterion};
use datafusion::logical_expr::ScalarUDF;
use wasmfusion::{Registry, StreamScope};
use wasmfusion_benches::guest::{GuestFunction, column, guest};
use wasmfusion_benches::{
    Subject, both, floats, function_of, native, native_add_one, plugin_function,
};

use crate::curve::{Curve, Points, Value, places};

/// `growth/rows`: X is the number of rows in a call that adds one to integers, VALUE nanoseconds a row. `copy` takes the column to another place
/// and back, which a call of a plugin does as well.
pub fn rows(c: &mut Criterion, points: &mut Points) {
    const ROWS: [usize; 9] = [1, 8, 64, 512, 4_096, 8_192, 65_536, 524_288, 1_048_576];
    let mut curve = Curve::of_calls(c, points, "growth/rows");
    let (plugin, native) = (plugin_function("testing", "add_one"), native_add_one());
    for &rows in places(&ROWS, 4) {
        let numbers: Vec<i64> = (0..rows as i64).collect();
        let columns: [ArrayRef; 1] = [Arc::new(Int64Array::from(numbers.clone()))];
        let (plugin, native) = both(&plugin, &native, &columns);
        let value = || Value::NsOf(rows as f64);
        in_scope(&mut curve, "plugin", rows, value(), &plugin);
        curve.measure("native", rows, value(), |b| call(b, &native));
        let mut there = numbers.clone();
        curve.measure("copy", rows, value(), |b| {
            b.iter(|| {
                there.copy_from_slice(black_box(&numbers));
                black_box(black_box(&there).to_vec())
            });
        });
    }
}

/// `growth/columns`: X is the number of columns that a function sums, VALUE nanoseconds a row, of 8,192 rows in a call. `copy` takes the columns to
/// another place, and one of them back.
pub fn columns(c: &mut Criterion, points: &mut Points) {
    const ROWS: usize = 8_192;
    const COLUMNS: [usize; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
    let mut curve = Curve::of_calls(c, points, "growth/columns");
    let sums = sums(COLUMNS.len());
    for &count in places(&COLUMNS, COLUMNS.len()) {
        let columns: Vec<ArrayRef> = (0..count)
            .map(|place| floats(ROWS, place as f64, 0.5))
            .collect();
        let (plugin, native) = both(&sums[count - 1], &native_sum(count), &columns);
        let value = || Value::NsOf(ROWS as f64);
        in_scope(&mut curve, "plugin", count, value(), &plugin);
        curve.measure("native", count, value(), |b| call(b, &native));
        let mut there = vec![vec![0.0; ROWS]; count];
        curve.measure("copy", count, value(), |b| {
            b.iter(|| {
                for (there, column) in there.iter_mut().zip(&columns) {
                    let values = column.as_primitive::<Float64Type>().values();
                    there.copy_from_slice(black_box(values));
                }
                black_box(black_box(&there[0]).to_vec())
            });
        });
    }
}

/// `growth/string_length`: X is the length of each string in bytes, VALUE nanoseconds a call, of 1,024 rows. `plugin_text` and `native_text` make
/// capitals, `plugin_number` and `native_number` a hash; `plugin_same` returns the strings as they came, so that all it costs is the way in and
/// out; `copy` takes their bytes to another place and back.
pub fn string_length(c: &mut Criterion, points: &mut Points) {
    const ROWS: usize = 1_024;
    const LENGTHS: [usize; 7] = [1, 4, 16, 64, 256, 1_024, 4_096];
    let mut curve = Curve::of_calls(c, points, "growth/string_length");
    let same = plugin_function("testing", "same_text");
    let functions = [
        (
            ["plugin_text", "native_text"],
            plugin_function("testing", "shout"),
            native_shout(),
        ),
        (
            ["plugin_number", "native_number"],
            plugin_function("fnv1a", "fnv1a"),
            native_hash(),
        ),
    ];
    for &length in places(&LENGTHS, 3) {
        let text = |row: usize| -> String {
            let letters = (0..length).map(|place| b'a' + ((row * 7 + place) % 26) as u8);
            letters.map(char::from).collect()
        };
        let texts = StringArray::from_iter_values((0..ROWS).map(text));
        let bytes = texts.value_data().to_vec();
        let columns: [ArrayRef; 1] = [Arc::new(texts)];
        let value = || Value::NsOf(1.0);
        for (series, plugin, native) in &functions {
            let (plugin, native) = both(plugin, native, &columns);
            in_scope(&mut curve, series[0], length, value(), &plugin);
            curve.measure(series[1], length, value(), |b| call(b, &native));
        }
        let same = Subject::new(&same, &columns);
        in_scope(&mut curve, "plugin_same", length, value(), &same);
        let mut there = bytes.clone();
        curve.measure("copy", length, value(), |b| {
            b.iter(|| {
                there.copy_from_slice(black_box(&bytes));
                black_box(black_box(&there).to_vec())
            });
        });
    }
}

/// Measures a plugin's function, all samples in one stream.
fn in_scope(
    curve: &mut Curve<'_>,
    series: &'static str,
    x: usize,
    value: Value,
    subject: &Subject,
) {
    StreamScope::enter(&mut Some(Box::default()), || {
        curve.measure(series, x, value, |b| call(b, subject));
    });
}

fn call(b: &mut Bencher<'_>, subject: &Subject) {
    b.iter(|| black_box(subject.call()));
}

/// Functions that sum their arguments: the first one has one parameter, each further one has one more.
fn sums(most: usize) -> Vec<ScalarUDF> {
    let name = |params: usize| format!("sum_of_{params}");
    let sum = |params: usize| {
        let sum = (1..params).fold(column(0), |sum, place| {
            format!("(f64.add {sum} {})", column(place))
        });
        GuestFunction::of_floats(name(params), params, &sum)
    };
    let functions: Vec<GuestFunction> = (1..=most).map(sum).collect();
    let text = guest("sums", "", &[], &functions);
    let plugin = Registry::default().load_bytes("sums.wat", text.as_bytes());
    let plugin = plugin.expect("the guest loads");
    (1..=most)
        .map(|params| function_of(&plugin, &name(params)))
        .collect()
}

fn native_sum(params: usize) -> ScalarUDF {
    native(
        "native_sum",
        vec![DataType::Float64; params],
        DataType::Float64,
        |columns| {
            let mut columns = columns
                .iter()
                .map(|column| column.as_primitive::<Float64Type>().values());
            let mut sums = columns.next().map_or_else(Vec::new, |first| first.to_vec());
            for column in columns {
                for (sum, value) in sums.iter_mut().zip(column) {
                    *sum += value;
                }
            }
            Arc::new(Float64Array::new(sums.into(), None))
        },
    )
}

/// As `shout` of the plugin `testing`.
fn native_shout() -> ScalarUDF {
    native(
        "native_shout",
        vec![DataType::Utf8],
        DataType::Utf8,
        |columns| {
            let texts = columns[0].as_string::<i32>();
            let mut shouted = StringBuilder::with_capacity(texts.len(), texts.value_data().len());
            for text in texts.iter().flatten() {
                for character in text.chars() {
                    let _ = shouted.write_char(character.to_ascii_uppercase());
                }
                shouted.append_value("");
            }
            Arc::new(shouted.finish())
        },
    )
}

/// As `fnv1a` of the plugin of that name.
fn native_hash() -> ScalarUDF {
    native(
        "native_fnv1a",
        vec![DataType::Utf8],
        DataType::UInt64,
        |columns| {
            let hash = |text: &str| {
                text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
                })
            };
            let texts = columns[0].as_string::<i32>();
            let hashes = texts.iter().flatten().map(hash);
            Arc::new(UInt64Array::from_iter_values(hashes))
        },
    )
}
