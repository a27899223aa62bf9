//! Plugins that are loaded while another one is called.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use criterion::Criterion;
use datafusion::logical_expr::ScalarUDF;
use wasmfusion::{Registry, RegistryOptions, ScalarFunction, StreamScope};
use wasmfusion_benches::{Subject, floats, native_add, renamed};

use crate::curve::{Curve, Points, Value, places};

/// `growth/plugins_loaded`: X is the number of plugins that are loaded and have been called, beside the one that is measured; VALUE nanoseconds a
/// call, of one row. `in_turns` calls X of the others one after the other, each in a stream of its own, when all are loaded: what it costs that one
/// has driven the next out of the caches. Its function is another one than that of `plugin` and `native`.
///
/// `growth/plugins_memory`: X as above, VALUE bytes of memory a plugin, of the X plugins on average: `resident`, and the part of it that is backed by no
/// file, `anonymous`.
pub fn plugins(c: &mut Criterion, points: &mut Points) {
    const PLUGINS: [usize; 4] = [1, 10, 100, 1_000];
    let plugins = places(&PLUGINS, 2);
    let most = plugins[plugins.len() - 1];
    let mut loaded = Loaded::default();
    let mut curve = Curve::of_calls(c, points, "growth/plugins_loaded");
    for &count in plugins {
        curve.measure("plugin", count, Value::NsOf(1.0), |b| {
            let subject = loaded.with(count);
            StreamScope::enter(&mut Some(Box::default()), || {
                subject.call();
                b.iter(|| black_box(subject.call()));
            });
        });
        curve.measure("native", count, Value::NsOf(1.0), |b| {
            loaded.with(count);
            let native = Subject::new(&native_add(), &numbers());
            b.iter(|| black_box(native.call()));
        });
    }
    // The memory of instances that were there at the same time stays with the process, so they come after all that is loaded.
    for &count in plugins {
        curve.measure("in_turns", count, Value::NsOf(1.0), |b| {
            loaded.with(most);
            let mut streams: Vec<(Option<Box<StreamScope>>, &Subject)> = loaded.others[..count]
                .iter()
                .map(|other| (Some(Box::default()), other))
                .collect();
            for (scope, subject) in &mut streams {
                StreamScope::enter(scope, || subject.call());
            }
            let mut turn = 0;
            b.iter(|| {
                let (scope, subject) = &mut streams[turn];
                turn = if turn + 1 == count { 0 } else { turn + 1 };
                StreamScope::enter(scope, || black_box(subject.call()))
            });
        });
    }
    drop(curve);
    let curve = "growth/plugins_memory";
    for (count, bytes) in &loaded.memory {
        points.add(curve, "resident", *count, bytes.resident);
        points.add(curve, "anonymous", *count, bytes.anonymous);
    }
}

fn numbers() -> [ArrayRef; 2] {
    [floats(1, 0.5, 1.0), floats(1, 2.5, 1.0)]
}

/// The plugin that is measured, and the others.
#[derive(Default)]
struct Loaded {
    /// There once something was measured.
    registry: Option<(Registry, Subject)>,
    others: Vec<Subject>,
    before: Memory,
    /// Memory a plugin, after so many.
    memory: Vec<(usize, Memory)>,
}

impl Loaded {
    /// The function that is measured, with so many other plugins loaded and called.
    fn with(&mut self, count: usize) -> &Subject {
        let (registry, subject) = self.registry.get_or_insert_with(|| {
            let mut options = RegistryOptions::default();
            // One for each plugin, and some for the calls that are measured.
            options.limits.instances_max = 1_100;
            let registry = Registry::new(options);
            let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/plugins/built");
            let testing = registry
                .load_file(built.join("testing.wasm"))
                .expect("the plugin loads");
            let add = ScalarFunction::named(&testing, "add").expect("it has it");
            let subject = Subject::new(&ScalarUDF::from(add), &numbers());
            subject.call();
            // What is there once, whatever comes then, counts for no plugin.
            load(&registry, 1_000);
            self.before = Memory::now();
            (registry, subject)
        });
        if self.others.len() < count {
            for number in self.others.len()..count {
                self.others.push(load(registry, number));
            }
            let now = Memory::now();
            let each = |now: f64, before: f64| (now - before) / count as f64;
            let memory = Memory {
                resident: each(now.resident, self.before.resident),
                anonymous: each(now.anonymous, self.before.anonymous),
            };
            self.memory.push((count, memory));
        }
        subject
    }
}

/// Loads the plugin `hello` under a name of this number, a thousand at most, and calls it.
fn load(registry: &Registry, number: usize) -> Subject {
    let (name, mut bytes) = renamed("hello", number % 100);
    let in_manifest = format!("{{\"name\":\"{name}\"");
    let place = bytes
        .windows(in_manifest.len())
        .position(|window| window == in_manifest.as_bytes())
        .expect("the manifest is in the module");
    // There is room for two digits: the first letter says the hundreds.
    let letter = b'a' + (number / 100) as u8;
    bytes[place + in_manifest.len() - 1 - name.len()] = letter;
    let name = format!("{}{}", char::from(letter), &name[1..]);
    let plugin = registry
        .load_bytes(&name, &bytes)
        .expect("it can be loaded");
    let hello = ScalarFunction::named(&plugin, "hello").expect("it has it");
    let names: [ArrayRef; 1] = [Arc::new(StringArray::from(vec!["world"]))];
    let subject = Subject::new(&ScalarUDF::from(hello), &names);
    subject.call();
    subject
}

/// Memory of this process, in bytes.
#[derive(Clone, Copy, Default)]
struct Memory {
    resident: f64,
    anonymous: f64,
}

impl Memory {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            kib.unwrap_or(0.0) * 1024.0
        };
        Self {
            resident: bytes("VmRSS:"),
            anonymous: bytes("RssAnon:"),
        }
    }
}
