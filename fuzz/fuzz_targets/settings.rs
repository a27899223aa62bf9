//! libFuzzer's entry to [`wasmfusion_fuzz::settings`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    wasmfusion_fuzz::settings(data);
});
