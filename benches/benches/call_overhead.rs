//! What a call costs above a native function: fixed, for each row, for real functions, on two threads and among other plugins.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
use arrow::datatypes::DataType;
use criterion::Criterion;
use datafusion::logical_expr::ScalarUDF;
use wasmfusion::StreamScope;
use wasmfusion_benches::{
    Figures, Pairs, Runner, Subject, Work, built_plugins, fit, floats, function_of, native,
    native_add, native_add_one, native_distance, places, plugin_function, renamed, two_over_one,
};

/// Rows of the calls that the cost of a row is fitted to.
const ROWS: [usize; 5] = [1, 64, 1_024, 8_192, 65_536];
const BATCH: usize = 8_192;

/// Throughput of two threads over that of one, by figure.
type Threads = [(&'static str, f64); 3];

fn main() {
    Runner::new().run(measure, figures);
}

fn measure(c: &mut Criterion) -> (Pairs, Threads) {
    let mut pairs = Pairs::default();
    let (add, native_add) = (plugin_function("testing", "add"), native_add());
    for rows in ROWS {
        pairs.compare(format!("add/{rows}"), &add, &native_add, &numbers(rows));
    }
    let integers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..BATCH as i64));
    pairs.compare(
        "add_one",
        &plugin_function("testing", "add_one"),
        &native_add_one(),
        &[integers],
    );
    pairs.compare(
        "distance",
        &plugin_function("geo", "great_circle_km"),
        &native_distance(),
        &places(BATCH),
    );
    let words = |salt: usize| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(
            (0..BATCH).map(|row| format!("word{}{}", row % 97, (row * salt) % 89)),
        ))
    };
    pairs.compare(
        "levenshtein",
        &plugin_function("text", "edit_distance"),
        &native_levenshtein(),
        &[words(7), words(13)],
    );
    among_a_hundred(&mut pairs, &add);

    // A call outside a stream makes an instance of its own.
    let outside = Subject::new(&add, &numbers(1));
    c.bench_function("outside_a_stream", |b| b.iter(|| black_box(outside.call())));

    let threads = two_over_one([Work::Calls(&add), Work::Calls(&native_add), Work::Spin]);
    let [plugin, native, spin] = threads;
    let threads = [
        ("call_overhead/threads_ratio", plugin),
        ("call_overhead/native_threads_ratio", native),
        ("call_overhead/spin_threads_ratio", spin),
    ];
    (pairs, threads)
}

/// Measures a call when ninety-nine other plugins are loaded, and each has been called, beside a call when none is.
fn among_a_hundred(pairs: &mut Pairs, add: &ScalarUDF) {
    let registry = built_plugins(&["testing"]);
    let names: [ArrayRef; 1] = [Arc::new(StringArray::from(vec!["world"]))];
    for number in 0..99 {
        let name = format!("hel{number:02}");
        let plugin = registry.load_bytes(&name, &renamed("hello", &name));
        let hello = function_of(&plugin.expect("it can be loaded"), "hello");
        Subject::new(&hello, &names).call();
    }
    let testing = registry.plugin("testing").expect("it is loaded");
    let among = Subject::new(&function_of(&testing, "add"), &numbers(1));
    let alone = Subject::new(add, &numbers(1));
    let (mut hundred, mut one) = (Some(Box::default()), Some(Box::default()));
    pairs.measure(
        "hundred_plugins",
        |calls| StreamScope::enter(&mut hundred, || among.calls(calls)),
        |calls| StreamScope::enter(&mut one, || alone.calls(calls)),
    );
}

fn numbers(rows: usize) -> [ArrayRef; 2] {
    [floats(rows, 0.5, 1.0), floats(rows, 2.5, 1.0)]
}

fn native_levenshtein() -> ScalarUDF {
    native(
        "native_levenshtein",
        vec![DataType::Utf8; 2],
        DataType::Int64,
        |columns| {
            let (left, right) = (columns[0].as_string::<i32>(), columns[1].as_string::<i32>());
            let distances: Vec<i64> = (0..left.len())
                .map(|row| text::levenshtein(left.value(row), right.value(row)))
                .collect();
            Arc::new(Int64Array::new(distances.into(), None))
        },
    )
}

fn figures(figures: &Figures, (pairs, threads): (Pairs, Threads)) {
    figures.print("call_overhead/fixed_ns", pairs["add/1"].difference_ns);
    let points = ROWS.map(|rows| (rows, pairs[format!("add/{rows}").as_str()]));
    let (fixed, row) = fit(&points.map(|(rows, pair)| (rows, pair.ours_ns)));
    let (native_fixed, native_row) = fit(&points.map(|(rows, pair)| (rows, pair.theirs_ns)));
    figures.print("call_overhead/fit_fixed_ns", fixed - native_fixed);
    figures.print("call_overhead/fit_row_ns", row - native_row);
    for (figure, name) in [
        ("call_overhead/add_ratio", "add_one"),
        ("call_overhead/distance_ratio", "distance"),
        ("call_overhead/levenshtein_ratio", "levenshtein"),
        ("call_overhead/hundred_plugins_ratio", "hundred_plugins"),
    ] {
        figures.print(figure, pairs[name].ratio);
    }
    if let Some(outside) = figures.median_ns("outside_a_stream") {
        figures.print("call_overhead/outside_a_stream_ns", outside);
    }
    for (figure, ratio) in threads {
        figures.print(figure, ratio);
    }
}
