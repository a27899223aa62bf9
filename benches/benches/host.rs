//! What a host call costs that stays in the process, what the check of a capability costs, and what limits cost.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use criterion::Criterion;
use datafusion::logical_expr::ScalarUDF;
use wasmfusion::{
    CapabilityKind, PluginSettings, Registry, RegistryOptions, ScalarFunction, StreamScope,
};
use wasmfusion_benches::{Figures, Runner, Subject, floats, plugin_function};

/// Host calls in one call of the guest.
const CALLS: i64 = 1_000;
const BATCH: usize = 8_192;

/// Host functions, what they need, their parameters, and how the guest calls them.
const LOCAL: [(&str, &str, &str, &str); 5] = [
    ("none", "", "", "(i64.const 0)"),
    ("clock_realtime", "clock", "", "(call $host)"),
    (
        "log_enabled",
        "log",
        "(param i32)",
        "(call $host (i32.const 5))",
    ),
    (
        "metric_record",
        "metric:emit",
        "(param i32 f64)",
        "(call $host (global.get $handle) (f64.const 1))",
    ),
    (
        "config",
        "config",
        "(param i32 i32 i32 i32)",
        "(call $host (i32.const 4096) (i32.const 4) (i32.const 8192) (i32.const 64))",
    ),
];

fn main() {
    Runner::new().run(measure, figures);
}

fn measure(c: &mut Criterion) {
    let mut group = c.benchmark_group("hostcall");
    let count: [ArrayRef; 1] = [Arc::new(Int64Array::from(vec![CALLS]))];
    for (name, capability, params, call) in LOCAL {
        let function = guest(name, capability, params, call);
        let subject = Subject::new(&function, &count);
        let mut scope = Some(Box::<StreamScope>::default());
        StreamScope::enter(&mut scope, || {
            group.bench_function(name, |b| b.iter(|| black_box(subject.call())));
        });
    }
    let plugin = plugin(
        "metric_record",
        "metric:emit",
        "(param i32 f64)",
        "(call $host (i32.const 1) (f64.const 1))",
    );
    group.bench_function("check", |b| {
        b.iter(|| black_box(&plugin).permits(black_box(CapabilityKind::MetricEmit)));
    });
    group.finish();

    let mut group = c.benchmark_group("limits");
    let places = [
        floats(BATCH, -60.0, 0.12),
        floats(BATCH, -179.0, 0.35),
        floats(BATCH, 60.0, -0.12),
        floats(BATCH, 179.0, -0.35),
    ];
    for (name, function) in [
        ("on", plugin_function("geo", "great_circle_km")),
        ("off", unlimited()),
    ] {
        let subject = Subject::new(&function, &places);
        let mut scope = Some(Box::<StreamScope>::default());
        StreamScope::enter(&mut scope, || {
            group.bench_function(name, |b| b.iter(|| black_box(subject.call())));
        });
    }
    group.finish();
}

/// The great-circle distance under limits that nothing reaches, and without a deadline of queries.
fn unlimited() -> ScalarUDF {
    let mut options = RegistryOptions::default();
    let names: Vec<&str> = options.limits.all().map(|(name, _)| name).collect();
    for name in names {
        // Those are settings of the engine, and of what one query asks for at once.
        if !matches!(
            name,
            "stack_bytes_max" | "instances_max" | "call_fuel_max" | "table_elements_max"
        ) {
            let most = options.limits.set(name, u64::MAX >> 1);
            let _ = most.or_else(|_| options.limits.set(name, u32::MAX.into()));
        }
    }
    options.limits.query_timeout_ms = None;
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/plugins/built/geo.wasm"
    );
    let plugin = Registry::new(options)
        .load_file(file)
        .expect("the plugin loads");
    ScalarUDF::from(ScalarFunction::named(&plugin, "great_circle_km").expect("it is there"))
}

/// A function that does `call` as often as its argument says.
fn guest(name: &str, capability: &str, params: &str, call: &str) -> ScalarUDF {
    let plugin = plugin(name, capability, params, call);
    ScalarUDF::from(ScalarFunction::named(&plugin, "calls").expect("the guest has the function"))
}

fn plugin(name: &str, capability: &str, params: &str, call: &str) -> Arc<wasmfusion::Plugin> {
    let (import, asked) = match capability {
        "" => (String::new(), String::new()),
        asked => (
            format!("(import \"wasmfusion\" \"{name}\" (func $host {params} (result i64)))"),
            format!("\\22{asked}\\22"),
        ),
    };
    let (open, handle) = match name {
        "metric_record" => (
            "(import \"wasmfusion\" \"metric\" (func $open (param i32 i32 i32 i32 i32) (result i64)))",
            "(i32.wrap_i64 (call $open (i32.const 0) (i32.const 4096) (i32.const 4) (i32.const 0) (i32.const 0)))",
        ),
        _ => ("", "(i32.const 0)"),
    };
    let manifest = format!(
        "{{\\22name\\22:\\22calls\\22,\\22version\\22:\\221\\22,\\22functions\\22:[{{\\22name\\22:\\22calls\\22,\\22export\\22:\\22calls\\22,\
         \\22params\\22:[{{\\22name\\22:\\22n\\22,\\22type\\22:\\22Int64\\22}}],\\22returns\\22:{{\\22type\\22:\\22Int64\\22}}}}],\
         \\22capabilities\\22:[{asked}]}}"
    );
    let length = manifest.replace("\\22", "\"").len();
    let text = format!(
        r#"(module
  {open} {import}
  (memory (export "memory") 4)
  (data (i32.const 16) "\40\00\00\00\{:02x}\{:02x}\00\00")
  (data (i32.const 64) "{manifest}")
  (data (i32.const 4096) "base")
  (global $handle (mut i32) (i32.const 0))
  (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
  (func (export "wasmfusion_describe") (result i32) (i32.const 16))
  (func (export "wasmfusion_alloc") (param i32 i32) (result i32) (i32.const 65536))
  (func (export "calls") (param $frame i32) (result i32)
    (local $left i64) (local $sum i64)
    (if (i32.eqz (global.get $handle)) (then (global.set $handle {handle})))
    (local.set $left (i64.load (i32.load offset=4 (i32.load offset=40 (i32.load offset=8 (local.get $frame))))))
    (loop $again
      (local.set $sum (i64.add (local.get $sum) {call}))
      (local.set $left (i64.sub (local.get $left) (i64.const 1)))
      (br_if $again (i64.gt_s (local.get $left) (i64.const 0))))
    (i64.store (i32.load offset=4 (i32.load offset=40 (i32.load offset=12 (local.get $frame)))) (local.get $sum))
    (i32.const 0)))"#,
        length & 0xff,
        length >> 8,
    );
    let mut settings = PluginSettings::default();
    if !capability.is_empty() {
        settings = settings.grant(capability).expect("a capability");
    }
    if capability == "config" {
        settings = settings.config("base", "EUR");
    }
    let mut options = RegistryOptions::default();
    options.limits.call_timeout_ms = 60_000;
    Registry::new(options)
        .load_bytes_with("calls.wat", text.as_bytes(), &settings)
        .expect("the guest loads")
}

fn figures(figures: &Figures) {
    let Some(none) = figures.median_ns("hostcall/none") else {
        return;
    };
    let mut most: f64 = 0.0;
    for (name, ..) in LOCAL.iter().skip(1) {
        if let Some(median) = figures.median_ns(&format!("hostcall/{name}")) {
            let each = (median - none) / CALLS as f64;
            figures.print(&format!("hostcall/{name}_ns"), each);
            most = most.max(each);
        }
    }
    figures.print("hostcall/local_ns", most);
    if let Some(check) = figures.median_ns("hostcall/check") {
        figures.print("hostcall/check_ns", check);
    }
    figures.ratio("hostcall/limits_ratio", "limits/on", "limits/off");
}
