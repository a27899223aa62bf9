//! What a host call costs that stays in the process, what the check of a capability costs, and what limits cost.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use criterion::Criterion;
use wasmfusion::{CapabilityKind, Plugin, PluginSettings, Registry, RegistryOptions, StreamScope};
use wasmfusion_benches::guest::{GuestFunction, guest};
use wasmfusion_benches::{Figures, Pairs, Runner, Subject, function_of, function_with, places};

/// Host calls in one call of the guest.
const CALLS: i64 = 1_000;
const BATCH: usize = 8_192;

/// Host functions, what they need, their parameters, and how the guest calls them. A text of four letters is at 32 KiB, room for another at 40 KiB.
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
        "(call $host (i32.const 32768) (i32.const 4) (i32.const 40960) (i32.const 64))",
    ),
];

fn main() {
    Runner::new().run(measure, figures);
}

fn measure(c: &mut Criterion) -> Pairs {
    let mut group = c.benchmark_group("hostcall");
    let count: [ArrayRef; 1] = [Arc::new(Int64Array::from(vec![CALLS]))];
    for (name, capability, params, call) in LOCAL {
        let plugin = plugin(name, capability, params, call);
        let subject = Subject::new(&function_of(&plugin, "calls"), &count);
        let mut scope = Some(Box::<StreamScope>::default());
        StreamScope::enter(&mut scope, || {
            group.bench_function(name, |b| b.iter(|| black_box(subject.call())));
        });
        if name == "metric_record" {
            group.bench_function("check", |b| {
                b.iter(|| black_box(&plugin).permits(black_box(CapabilityKind::MetricEmit)));
            });
        }
    }
    group.finish();

    let side = |options| {
        let function = function_with(options, "geo", "great_circle_km");
        let subject = Subject::new(&function, &places(BATCH));
        let mut scope = Some(Box::default());
        move |calls| StreamScope::enter(&mut scope, || subject.calls(calls))
    };
    let mut pairs = Pairs::default();
    pairs.measure(
        "limits",
        side(RegistryOptions::default()),
        side(unlimited()),
    );
    pairs
}

/// Limits that nothing reaches, and no deadline of queries.
fn unlimited() -> RegistryOptions {
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
    options
}

/// A guest whose function `calls` does `call` as often as its argument says.
fn plugin(name: &str, capability: &str, params: &str, call: &str) -> Arc<Plugin> {
    let import = match capability {
        "" => String::new(),
        _ => format!("(import \"wasmfusion\" \"{name}\" (func $host {params} (result i64)))"),
    };
    let (open, first) = match name {
        "metric_record" => (
            "(import \"wasmfusion\" \"metric\" (func $open (param i32 i32 i32 i32 i32) (result i64)))",
            "(if (i32.eqz (global.get $handle)) (then (global.set $handle (i32.wrap_i64
               (call $open (i32.const 0) (i32.const 32768) (i32.const 4) (i32.const 0) (i32.const 0))))))",
        ),
        _ => ("", ""),
    };
    let fields = format!(
        r#"{open} {import}
  (data (i32.const 32768) "base")
  (global $handle (mut i32) (i32.const 0))"#
    );
    let mut settings = PluginSettings::default();
    let capabilities: &[&str] = match capability {
        "" => &[],
        asked => {
            settings = settings.grant(asked).expect("a capability");
            &[asked]
        }
    };
    if capability == "config" {
        settings = settings.config("base", "EUR");
    }
    let calls = GuestFunction::repeating("calls", first, call);
    let text = guest("calls", &fields, capabilities, &[calls]);
    let mut options = RegistryOptions::default();
    options.limits.call_timeout_ms = 60_000;
    Registry::new(options)
        .load_bytes_with("calls.wat", text.as_bytes(), &settings)
        .expect("the guest loads")
}

fn figures(figures: &Figures, pairs: Pairs) {
    let median = |name: &str| figures.median_ns(&format!("hostcall/{name}"));
    if let Some(none) = median("none") {
        let mut most: f64 = 0.0;
        for (name, ..) in LOCAL.iter().skip(1) {
            if let Some(median) = median(name) {
                let each = (median - none) / CALLS as f64;
                figures.print(&format!("hostcall/{name}_ns"), each);
                most = most.max(each);
            }
        }
        figures.print("hostcall/local_ns", most);
    }
    if let Some(check) = median("check") {
        figures.print("hostcall/check_ns", check);
    }
    figures.print("hostcall/limits_ratio", pairs["limits"].ratio);
}
