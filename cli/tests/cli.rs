//! Runs the program `wasmfusion` as its users do.

mod cli {
    mod compile;
    mod functions;
    mod inspect;
    mod logs;
    mod new;
    mod observers;
    #[cfg(unix)]
    mod prompt;
    mod shell;
}
mod common;
