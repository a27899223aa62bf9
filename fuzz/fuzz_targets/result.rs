//! libFuzzer's entry to [`wasmfusion_fuzz::result`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    wasmfusion_fuzz::result(data);
});
