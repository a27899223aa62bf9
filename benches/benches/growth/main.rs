//! How cost grows: with rows, columns, the length of strings, functions in a query, plugins, threads and groups.
//!
//! Prints `point CURVE SERIES X VALUE`, a line for each point. A curve has a series for the plugin's function, one for the native one, and
//! others that say where a bend comes from. What X and VALUE are stands where the curve is measured.

mod curve;
mod plugins;
mod queries;
mod scalars;
mod threads;

use std::cell::RefCell;

use wasmfusion_benches::Runner;

use self::curve::Points;

fn main() {
    let points = RefCell::new(Points::default());
    Runner::new().run(
        |c| {
            let points = &mut points.borrow_mut();
            scalars::rows(c, points);
            scalars::columns(c, points);
            scalars::string_length(c, points);
            queries::functions_in_select(c, points);
            queries::groups(c, points);
            threads::threads(c, points);
            // At the end: what is loaded there stays in memory.
            plugins::plugins(c, points);
        },
        |figures| points.borrow().print(figures),
    );
}
