//! How a plugin fails for good: with a message in the current frame, then a trap.

use core::cell::UnsafeCell;
use core::fmt::{self, Write};
use core::panic::Location;
use core::ptr;

use crate::raw::Slice;

/// Bytes of a message that are kept.
const MESSAGE_MAX: usize = 1024;

/// Where a message goes, and the message itself: a panic may come from exhausted memory, so nothing is allocated.
struct State {
    frame: *mut Slice,
    message: [u8; MESSAGE_MAX],
    length: usize,
}

struct Local(UnsafeCell<State>);

// SAFETY: a guest has one thread.
unsafe impl Sync for Local {}

static STATE: Local = Local(UnsafeCell::new(State {
    frame: ptr::null_mut(),
    message: [0; MESSAGE_MAX],
    length: 0,
}));

impl Write for State {
    #[inline(never)]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Not with indices, whose panics would be more code than all of this.
        let room = text.floor_char_boundary(MESSAGE_MAX - self.length);
        for (to, from) in self
            .message
            .iter_mut()
            .skip(self.length)
            .zip(text.bytes().take(room))
        {
            *to = from;
        }
        self.length += room;
        Ok(())
    }
}

/// From here on, messages go to this frame.
#[inline]
pub(crate) fn set_frame(error: *mut Slice) {
    // SAFETY: a guest has one thread, and no reference to the state outlives a function here.
    unsafe { (*STATE.0.get()).frame = error };
}

/// Puts a message into the current frame.
fn report(write: impl FnOnce(&mut State) -> fmt::Result) {
    // SAFETY: a guest has one thread; a frame is valid until its call ends, and the next one sets its own.
    unsafe {
        let state = &mut *STATE.0.get();
        state.length = 0;
        // Writing to memory of its own does not fail. A message may, halfway: then there is half of it.
        let _ = write(state);
        if !state.frame.is_null() {
            *state.frame = Slice {
                address: state.message.as_ptr(),
                length: state.length,
            };
        }
    }
}

impl State {
    /// Writes a number. It is less code than the standard library's, which can do so much more.
    #[inline(never)]
    fn write_number(&mut self, number: usize) -> fmt::Result {
        if number >= 10 {
            self.write_number(number / 10)?;
        }
        let digit = number % 10;
        self.write_str("0123456789".get(digit..=digit).unwrap_or_default())
    }
}

/// Reports a panic: what std's hook does with the feature `std`, and the handler with `panic-handler`. A plugin with a
/// handler of its own calls it there, before it traps.
pub fn report_panic(message: fmt::Arguments<'_>, place: Option<&Location<'_>>) {
    report(|state| {
        state.write_str("panicked at ")?;
        if let Some(place) = place {
            state.write_str(place.file())?;
            state.write_str(":")?;
            state.write_number(place.line() as usize)?;
            state.write_str(": ")?;
        }
        state.write_fmt(message)
    });
}

/// Has std's panics reported.
#[cfg(feature = "std")]
pub(crate) fn prepare() {
    std::panic::set_hook(alloc::boxed::Box::new(|info| {
        let message = info.payload_as_str().unwrap_or("no message");
        report_panic(format_args!("{message}"), info.location());
    }));
}

/// Nothing to do: the handler below is there from the start.
#[cfg(not(feature = "std"))]
pub(crate) fn prepare() {}

#[cfg(all(feature = "panic-handler", not(feature = "std")))]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    report_panic(format_args!("{}", info.message()), info.location());
    core::arch::wasm32::unreachable()
}

/// The allocator, which says so if there is no memory.
#[cfg(feature = "allocator")]
mod allocator {
    use core::alloc::{GlobalAlloc, Layout};
    use core::fmt::Write;

    use talc::base::Talc;
    use talc::base::binning::Binning;
    use talc::cell::TalcSyncCell;
    use talc::source::Source;
    use talc::wasm::WasmBinning;

    use super::report;
    use crate::bins::Bins;

    /// Bytes of a page of wasm memory.
    const PAGE: usize = 64 << 10;
    /// What the allocator needs beyond an allocation to find room for it in a new piece of memory.
    const SLACK: usize = 1 << 10;
    /// Bytes that are there from the start.
    const FIRST: usize = 48 << 10;

    /// Where memory comes from: first a piece of the module's own, so that small calls never ask the host, for whom giving
    /// memory to an instance is most of the work of making it; then whole pages of the host.
    #[derive(Debug)]
    struct Memory {
        first_is_free: bool,
    }

    static mut FIRST_PIECE: [u8; FIRST] = [0; FIRST];

    // SAFETY: it uses no allocator.
    unsafe impl Source for Memory {
        fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
            if talc.source.first_is_free {
                talc.source.first_is_free = false;
                // SAFETY: nobody else uses the piece, and it is claimed once.
                unsafe { talc.claim((&raw mut FIRST_PIECE).cast(), FIRST) }.ok_or(())?;
                return Ok(());
            }
            let bytes = layout
                .size()
                .saturating_add(layout.align())
                .saturating_add(SLACK);
            let pages = bytes.div_ceil(PAGE);
            match core::arch::wasm32::memory_grow::<0>(pages) {
                usize::MAX => Err(()),
                // SAFETY: the pages are new, so nobody else uses them.
                before => unsafe { talc.claim((before * PAGE) as *mut u8, pages * PAGE) }
                    .map(drop)
                    .ok_or(()),
            }
        }
    }

    /// Talc: a fifth of the code of std's allocator for wasm, and faster. Small pieces it sees only once.
    struct Allocator(Bins<TalcSyncCell<Memory, WasmBinning>>);

    #[global_allocator]
    static ALLOCATOR: Allocator = Allocator(Bins::new(TalcSyncCell::new_wasm(Memory {
        first_is_free: true,
    })));

    /// Leaves a message for the trap that follows, if the caller does not know what to do without memory. Whoever
    /// does, goes on, and nobody reads the message.
    #[cold]
    #[inline(never)]
    fn exhausted(bytes: usize) -> *mut u8 {
        report(|state| {
            state.write_str("out of memory: no room for ")?;
            state.write_number(bytes)?;
            state.write_str(" bytes more")
        });
        core::ptr::null_mut()
    }

    // SAFETY: all of it is done by `Bins`.
    unsafe impl GlobalAlloc for Allocator {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: by the contract of this function.
            let memory = unsafe { self.0.alloc(layout) };
            if memory.is_null() {
                exhausted(layout.size())
            } else {
                memory
            }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            // SAFETY: by the contract of this function.
            let memory = unsafe { self.0.alloc_zeroed(layout) };
            if memory.is_null() {
                exhausted(layout.size())
            } else {
                memory
            }
        }

        unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
            // SAFETY: by the contract of this function.
            unsafe { self.0.dealloc(memory, layout) }
        }

        unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            // SAFETY: by the contract of this function.
            let memory = unsafe { self.0.realloc(memory, layout, size) };
            if memory.is_null() {
                exhausted(size)
            } else {
                memory
            }
        }
    }
}
