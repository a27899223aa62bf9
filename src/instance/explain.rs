//! What a guest says when it fails: its own words, and where it was.

use wasmfusion_abi::Slice;
use wasmtime::WasmBacktrace;

use super::{Failure, Instance};
use crate::compiled::CompiledModule;
use crate::error::Trap;
use crate::module;
use crate::settings::SECRET_BYTES_MAX;

/// Frames of the guest's stack that an error shows.
const FRAMES_SHOWN_MAX: usize = 8;

impl Instance {
    /// Why a call trapped.
    #[cold]
    pub(super) fn explain(
        &mut self,
        module: &CompiledModule,
        error_address: Option<u32>,
        error: &wasmtime::Error,
    ) -> Failure {
        let trap = error.downcast_ref::<wasmtime::Trap>().copied();
        if trap == Some(wasmtime::Trap::StackOverflow) {
            return Failure::stack_overflow(&self.limits);
        }
        if trap == Some(wasmtime::Trap::OutOfFuel) {
            return Failure::out_of_fuel(&self.limits);
        }
        if let Some(refused) = self.store.data_mut().refused.take() {
            return refused;
        }
        let message = error_address.and_then(|address| self.message(module, address));
        let what = message.unwrap_or_else(|| match trap {
            Some(trap) => trap.to_string(),
            None => format!("{error:#}"),
        });
        let frames = error
            .downcast_ref::<WasmBacktrace>()
            .map(WasmBacktrace::frames)
            .unwrap_or_default();
        let symbol =
            |frame: &wasmtime::FrameInfo| module.symbol(frame.func_index(), frame.func_offset());
        let frames: Vec<String> = frames.iter().map(symbol).collect();
        // What the guest's language runs between its panic and the trap says nothing of the plugin.
        let first = frames
            .iter()
            .position(|frame| !is_runtime(frame))
            .unwrap_or(0);
        let frames = frames
            .into_iter()
            .skip(first)
            .take(FRAMES_SHOWN_MAX)
            .collect();
        Failure::Trap(Trap { what, frames })
    }

    /// The error message that the guest left in a frame, escaped and cut. `None` if there is none.
    #[cold]
    pub(crate) fn message(
        &mut self,
        compiled: &CompiledModule,
        error_address: u32,
    ) -> Option<String> {
        let bytes_max = self.limits.error_bytes_max;
        let memory = self.memory();
        let Slice { address, length } = memory.read("error", error_address).ok()?;
        // A length that lies is cut at the end of memory. More than is shown, so that the cut is seen, and a secret that it goes through.
        let available = memory.len().saturating_sub(address as usize);
        let shown = (length as usize)
            .min(bytes_max.saturating_add(SECRET_BYTES_MAX + 1))
            .min(available);
        let bytes = memory.slice("error message", address, shown, 1).ok()?;
        // Redacted before it is cut, so that no part of a secret is left.
        let text = String::from_utf8_lossy(bytes);
        (!bytes.is_empty())
            .then(|| module::escape_lines(&compiled.redactor().redact(&text), bytes_max))
    }
}

/// Whether a frame is one of Rust's own functions, or of the SDK's, on the way from a panic to a trap.
fn is_runtime(frame: &str) -> bool {
    const RUNTIME: [&str; 9] = [
        "__rust",
        "<core::",
        "<std::",
        "alloc::",
        "core::",
        "panic_abort::",
        "rust_panic",
        "std::",
        "wasmfusion_udf::panic::",
    ];
    RUNTIME.iter().any(|prefix| frame.starts_with(prefix))
}
