//! The smallest plugin: one function, a plain Rust function.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use alloc::string::String;
use wasmfusion_udf::prelude::*;

wasmfusion_udf::plugin! {}

/// Greets somebody.
#[udf(example("SELECT hello('world')", "Hello, world!"))]
pub fn hello(name: &str) -> String {
    ["Hello, ", name, "!"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greets() {
        assert_eq!(hello("world"), "Hello, world!");
    }
}
