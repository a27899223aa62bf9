//! libFuzzer's entry to [`wasmfusion_fuzz::schema`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    wasmfusion_fuzz::schema(data);
});
