//! Runs the program `wasmfusion` as its users do.

mod cli {
    mod compile;
    mod functions;
    mod inspect;
    mod logs;
    mod metrics;
    mod new;
    mod observers;
    mod profile;
    #[cfg(unix)]
    mod prompt;
    mod shell;
}
mod common;
