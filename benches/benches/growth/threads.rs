//! Threads that call at the same time, each in a stream of its own.

use criterion::Criterion;
use wasmfusion_benches::{Work, native_add, plugin_function};

use crate::curve::{Curve, Points, Value, places};

/// `growth/threads`: X is the number of threads, VALUE the calls in a second of all of them together, of 64 rows each. `spin` computes in registers, some
/// microseconds a call: what the machine gives to threads that share nothing.
pub fn threads(c: &mut Criterion, points: &mut Points) {
    const THREADS: [usize; 4] = [1, 2, 4, 8];
    let mut curve = Curve::of_calls(c, points, "growth/threads");
    let (plugin, native) = (plugin_function("testing", "add"), native_add());
    for &threads in places(&THREADS, 2) {
        for (series, work) in [
            ("plugin", Work::Calls(&plugin)),
            ("native", Work::Calls(&native)),
            ("spin", Work::Spin),
        ] {
            curve.measure(series, threads, Value::PerSecond(threads as f64), |b| {
                b.iter_custom(|calls| work.at_once(threads, calls));
            });
        }
    }
}
