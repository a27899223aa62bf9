//! How cost grows: with rows, columns, the length of strings, functions in a query, plugins, threads and groups.
//!
//! Prints `point CURVE SERIES X VALUE`, a line for each point. A curve has a series for the plugin's function, one for the native one, and
//! others that say where a bend comes from. What X and VALUE are stands where the curve is measured.

mod curve;
mod plugins;
mod queries;
mod scalars;
mod threads;

use wasmfusion_benches::Runner;

use self::curve::Points;

fn main() {
    Runner::new().run(
        |c| {
            let mut points = Points::default();
            scalars::rows(c, &mut points);
            scalars::columns(c, &mut points);
            scalars::string_length(c, &mut points);
            queries::functions_in_select(c, &mut points);
            queries::groups(c, &mut points);
            threads::threads(c, &mut points);
            // At the end: what is loaded there stays in memory.
            plugins::plugins(c, &mut points);
            points
        },
        |figures, points| points.print(figures),
    );
}
