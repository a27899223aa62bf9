//! libFuzzer's entry to [`wasmfusion_fuzz::hostcall`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    wasmfusion_fuzz::hostcall(data);
});
