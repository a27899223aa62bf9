//! What a call costs above a native function: fixed, for each row, for real functions, and on two threads.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use criterion::{BenchmarkId, Criterion, Throughput};
use datafusion::logical_expr::ScalarUDF;
use wasmfusion::{ScalarFunction, StreamScope};
use wasmfusion_benches::{
    Figures, Pairs, Runner, Subject, built_plugins, floats, native, native_add, native_distance,
    plugin_function, renamed,
};

const ROWS: [usize; 6] = [0, 1, 64, 1_024, 8_192, 65_536];
const BATCH: usize = 8_192;

fn main() {
    let pairs = Pairs::default();
    Runner::new().run(
        |c| measure(c, &pairs),
        |estimates| figures(estimates, &pairs),
    );
}

fn measure(c: &mut Criterion, pairs: &Pairs) {
    let mut compare = |name, rows, plugin: &ScalarUDF, native: &ScalarUDF, columns: &[ArrayRef]| {
        compare(c, pairs, name, rows, plugin, native, columns);
    };
    for rows in ROWS {
        let columns = [floats(rows, 0.5, 1.0), floats(rows, 2.5, 1.0)];
        compare(
            "add_f64",
            rows,
            &plugin_function("testing", "add"),
            &native_add(),
            &columns,
        );
    }
    for rows in ROWS {
        let columns: [ArrayRef; 1] = [Arc::new(Int64Array::from_iter_values(0..rows as i64))];
        compare(
            "add_one",
            rows,
            &plugin_function("testing", "add_one"),
            &native_add_one(),
            &columns,
        );
    }
    let places = [
        floats(BATCH, -60.0, 0.12),
        floats(BATCH, -179.0, 0.35),
        floats(BATCH, 60.0, -0.12),
        floats(BATCH, 179.0, -0.35),
    ];
    compare(
        "distance",
        BATCH,
        &plugin_function("geo", "great_circle_km"),
        &native_distance(),
        &places,
    );
    let words = |salt: usize| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(
            (0..BATCH).map(|row| format!("word{}{}", row % 97, (row * salt) % 89)),
        ))
    };
    compare(
        "levenshtein",
        BATCH,
        &plugin_function("text", "edit_distance"),
        &native_levenshtein(),
        &[words(7), words(13)],
    );

    // A call outside a stream makes an instance of its own.
    let outside = Subject::new(
        &plugin_function("testing", "add"),
        &[floats(1, 0.5, 1.0), floats(1, 2.5, 1.0)],
    );
    c.bench_function("outside_a_stream", |b| b.iter(|| black_box(outside.call())));
}

/// Measures a plugin's function, inside a stream's scope, and the native one.
fn compare(
    c: &mut Criterion,
    pairs: &Pairs,
    name: &str,
    rows: usize,
    plugin: &ScalarUDF,
    native: &ScalarUDF,
    columns: &[ArrayRef],
) {
    let (wasm, native) = (Subject::new(plugin, columns), Subject::new(native, columns));
    let column = |subject: &Subject| subject.call().into_array(rows).expect("a column");
    assert!(
        agree(&column(&wasm), &column(&native)),
        "{name}: the plugin and the native function differ"
    );
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(rows as u64));
    group.bench_function(BenchmarkId::new("wasm", rows), |b| {
        let mut scope = Some(Box::default());
        StreamScope::enter(&mut scope, || b.iter(|| black_box(wasm.call())));
    });
    group.bench_function(BenchmarkId::new("native", rows), |b| {
        b.iter(|| black_box(native.call()))
    });
    group.finish();
    let mut scope = Some(Box::default());
    pairs.measure(
        &format!("{name}/{rows}"),
        |calls| StreamScope::enter(&mut scope, || wasm.calls(calls)),
        |calls| native.calls(calls),
    );
}

/// Whether two columns are equal, floating-point numbers to twelve digits: sine and arc sine come from different libraries.
fn agree(ours: &ArrayRef, theirs: &ArrayRef) -> bool {
    match (
        ours.as_primitive_opt::<Float64Type>(),
        theirs.as_primitive_opt::<Float64Type>(),
    ) {
        (Some(ours), Some(theirs)) => ours
            .values()
            .iter()
            .zip(theirs.values())
            .all(|(ours, theirs)| (ours - theirs).abs() <= 1e-12 * theirs.abs().max(1.0)),
        _ => ours == theirs,
    }
}

fn native_add_one() -> ScalarUDF {
    native(
        "native_add_one",
        vec![DataType::Int64],
        DataType::Int64,
        |columns| {
            let sums: Vec<i64> = columns[0]
                .as_primitive::<Int64Type>()
                .values()
                .iter()
                .map(|value| value.wrapping_add(1))
                .collect();
            Arc::new(Int64Array::new(sums.into(), None))
        },
    )
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

/// Calls a second of `threads` threads that have a stream each.
fn throughput(udf: &ScalarUDF, threads: usize) -> f64 {
    const SECONDS: f64 = 0.5;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let subject = Subject::new(udf, &[floats(64, 0.5, 1.0), floats(64, 2.5, 1.0)]);
                    let mut calls = 0u64;
                    StreamScope::enter(&mut Some(Box::default()), || {
                        while !stop.load(Ordering::Relaxed) {
                            black_box(subject.call());
                            calls += 1;
                        }
                    });
                    calls
                })
            })
            .collect();
        let started = Instant::now();
        std::thread::sleep(Duration::from_secs_f64(SECONDS));
        stop.store(true, Ordering::Relaxed);
        let calls: u64 = workers
            .into_iter()
            .map(|worker| worker.join().expect("a worker ends"))
            .sum();
        calls as f64 / started.elapsed().as_secs_f64()
    })
}

/// The median of what `ratio` says in so many rounds: each round compares within a second, on a machine that has neighbours.
fn median_of(rounds: usize, mut ratio: impl FnMut() -> f64) -> f64 {
    let mut ratios: Vec<f64> = (0..rounds).map(|_| ratio()).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[rounds / 2]
}

/// A call when ninety-nine other plugins are loaded, and each has been called, over a call when none is.
fn hundred_plugins_ratio() -> f64 {
    const CALLS: u32 = 20_000;
    let columns = [floats(1, 0.5, 1.0), floats(1, 2.5, 1.0)];
    let alone = Subject::new(&plugin_function("testing", "add"), &columns);
    let registry = built_plugins(&["testing"]);
    let names: [ArrayRef; 1] = [Arc::new(StringArray::from(vec!["world"]))];
    for number in 0..99 {
        let (name, bytes) = renamed("hello", number);
        let plugin = registry
            .load_bytes(&name, &bytes)
            .expect("it can be loaded");
        let hello = ScalarFunction::named(&plugin, "hello").expect("it has it");
        Subject::new(&ScalarUDF::from(hello), &names).call();
    }
    let testing = registry.plugin("testing").expect("it is loaded");
    let add = ScalarFunction::named(&testing, "add").expect("it has it");
    let among = Subject::new(&ScalarUDF::from(add), &columns);
    let time = |scope: &mut Option<Box<StreamScope>>, subject: &Subject| {
        StreamScope::enter(scope, || {
            let started = Instant::now();
            for _ in 0..CALLS {
                black_box(subject.call());
            }
            started.elapsed().as_secs_f64()
        })
    };
    let (mut one, mut hundred) = (Some(Box::default()), Some(Box::default()));
    median_of(101, || time(&mut hundred, &among) / time(&mut one, &alone))
}

fn figures(figures: &Figures, pairs: &Pairs) {
    if let Some(pair) = pairs.get("add_f64/1") {
        figures.print("call_overhead/fixed_ns", pair.difference_ns);
    }
    let points = |side: &str| {
        ROWS[1..]
            .iter()
            .map(|rows| (*rows, format!("add_f64/{side}/{rows}")))
            .collect::<Vec<_>>()
    };
    if let (Some(wasm), Some(native)) =
        (figures.fit(&points("wasm")), figures.fit(&points("native")))
    {
        figures.print("call_overhead/fit_fixed_ns", wasm.0 - native.0);
        figures.print("call_overhead/fit_row_ns", wasm.1 - native.1);
    }
    for (figure, name) in [
        ("call_overhead/add_ratio", "add_one/8192"),
        ("call_overhead/distance_ratio", "distance/8192"),
        ("call_overhead/levenshtein_ratio", "levenshtein/8192"),
    ] {
        if let Some(pair) = pairs.get(name) {
            figures.print(figure, pair.ratio);
        }
    }
    if let Some(outside) = figures.median_ns("outside_a_stream") {
        figures.print("call_overhead/outside_a_stream_ns", outside);
    }
    let udf = plugin_function("testing", "add");
    let ratio = |udf: &ScalarUDF| median_of(9, || throughput(udf, 2) / throughput(udf, 1));
    figures.print("call_overhead/threads_ratio", ratio(&udf));
    // What the machine gives to two threads that share nothing.
    figures.print("call_overhead/native_threads_ratio", ratio(&native_add()));
    figures.print(
        "call_overhead/hundred_plugins_ratio",
        hundred_plugins_ratio(),
    );
}
