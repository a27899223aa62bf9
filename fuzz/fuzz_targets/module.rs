//! libFuzzer's entry to [`wasmfusion_fuzz::module`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    wasmfusion_fuzz::module(data);
});
