//! Plugins that are loaded while another one is called.

use std::fs;
use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use criterion::Criterion;
use wasmfusion::{Registry, RegistryOptions, StreamScope};
use wasmfusion_benches::{Subject, built, floats, function_of, native_add, renamed};

use crate::curve::{Curve, Points, Value, places};

/// `growth/plugins_loaded`: X is the number of plugins that are loaded and have been called, beside the one that is measured; VALUE nanoseconds a
/// call, of one row. `in_turns` calls X of the others one after the other, each in a stream of its own, when all are loaded: what it costs that one
/// has driven the next out of the caches. Its function is another one than that of `plugin` and `native`.
///
/// `growth/plugins_memory`: X as above, VALUE bytes of resident memory a plugin, of the X plugins on average.
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
    for (count, bytes) in &loaded.memory {
        points.add("growth/plugins_memory", "resident", *count, *bytes);
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
    /// Memory of the process before the others.
    before: f64,
    /// Memory a plugin, after so many.
    memory: Vec<(usize, f64)>,
}

impl Loaded {
    /// The function that is measured, with so many other plugins loaded and called.
    fn with(&mut self, count: usize) -> &Subject {
        let (registry, subject) = self.registry.get_or_insert_with(|| {
            let mut options = RegistryOptions::default();
            // One for each plugin, and some for the calls that are measured.
            options.limits.instances_max = 1_100;
            let registry = Registry::new(options);
            let testing = registry.load_file(built("testing"));
            let add = function_of(&testing.expect("the plugin loads"), "add");
            let subject = Subject::new(&add, &numbers());
            subject.call();
            // What is there once, whatever comes then, counts for no plugin.
            load(&registry, 1_000);
            self.before = resident();
            (registry, subject)
        });
        if self.others.len() < count {
            for number in self.others.len()..count {
                self.others.push(load(registry, number));
            }
            let grown = resident() - self.before;
            self.memory.push((count, grown / count as f64));
        }
        subject
    }
}

/// Loads the plugin `hello` under a name of this number, and calls it.
fn load(registry: &Registry, number: usize) -> Subject {
    let name = format!("h{number:04}");
    let plugin = registry.load_bytes(&name, &renamed("hello", &name));
    let hello = function_of(&plugin.expect("it can be loaded"), "hello");
    let names: [ArrayRef; 1] = [Arc::new(StringArray::from(vec!["world"]))];
    let subject = Subject::new(&hello, &names);
    subject.call();
    subject
}

/// Memory of this process, in bytes.
fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0.0) * 1024.0
}
