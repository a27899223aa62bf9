//! A module with functions that are compiled into others, for the tests of symbols. Built with
//!
//!     rustc --edition 2024 --crate-type cdylib --target wasm32-unknown-unknown -O -C debuginfo=2 -C panic=abort inlined.rs \
//!         --remap-path-prefix=$PWD=fixture
#![no_std]

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

#[inline(always)]
fn innermost(n: u32) -> u32 {
    if n == 7 {
        core::arch::wasm32::unreachable()
    }
    n.rotate_left(3)
}

#[inline(always)]
fn middle(n: u32) -> u32 {
    innermost(n ^ 1) + 1
}

#[unsafe(no_mangle)]
pub extern "C" fn outer(n: u32) -> u32 {
    middle(n) * 3
}
