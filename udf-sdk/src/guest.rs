//! What a plugin's exports do: the only code that sees addresses from the host.
//!
//! An instance runs on one thread and is never entered twice at a time, so its state can be plain statics.

use alloc::alloc::{Layout, alloc, dealloc};
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::mem;
use core::ptr;

pub use wasmfusion_abi::ABI_VERSION;
use wasmfusion_abi::status;

use crate::call::Call;
use crate::error::Error;
use crate::function::{Function, Operate};
use crate::panic;
use crate::pool::Pool;
use crate::raw::{BindFrame, CallFrame, Slice};

/// What an instance keeps.
struct Instance {
    pool: Pool,
    /// The plugin's functions in the order of its source.
    functions: Vec<&'static Function>,
    ready: bool,
    /// The host's region.
    region: (*mut u8, Layout),
    /// The last error, whose message the host reads after the call.
    error: Option<Error>,
    manifest: String,
    manifest_slice: Slice,
}

/// The one instance that there is in a memory.
struct Local(UnsafeCell<Instance>);

// SAFETY: a guest has one thread.
unsafe impl Sync for Local {}

static INSTANCE: Local = Local(UnsafeCell::new(Instance {
    pool: Pool::new(),
    functions: Vec::new(),
    ready: false,
    region: (ptr::null_mut(), Layout::new::<()>()),
    error: None,
    manifest: String::new(),
    manifest_slice: Slice::EMPTY,
}));

/// The instance.
///
/// # Safety
///
/// The reference before must not be in use any more.
unsafe fn instance() -> &'static mut Instance {
    // SAFETY: by the contract of this function, and because a guest has one thread.
    unsafe { &mut *INSTANCE.0.get() }
}

unsafe extern "C" {
    /// The linker's: calls what lies in the section `.init_array`, which is what `#[udf]` put there.
    safe fn __wasm_call_ctors();
}

/// Makes the instance ready. The host calls `describe` or `alloc` first, whose hurry is small.
fn prepare() {
    // SAFETY: no other reference is in use; the one here ends before the constructors take theirs.
    let ready = unsafe { mem::replace(&mut instance().ready, true) };
    if !ready {
        panic::prepare();
        #[cfg(feature = "log")]
        crate::host::log::bridge::install();
        __wasm_call_ctors();
    }
}

/// Adds a function to the plugin. `#[udf]` has the linker collect the calls.
pub fn register(function: &'static Function) {
    // SAFETY: called through `prepare` alone, in which no reference is in use.
    let functions = unsafe { &mut instance().functions };
    functions.push(function);
    // Down to its place in the source. This is a fraction of the code of a sort.
    let mut rest = functions.as_mut_slice();
    while let Some((last, others)) = rest.split_last_mut() {
        match others.last_mut() {
            Some(before) if before.place > last.place => mem::swap(before, last),
            _ => break,
        }
        rest = others;
    }
}

/// The export `wasmfusion_describe`: what comes before the functions, the functions, and what comes after them.
pub fn describe(head: &str, tail: &str) -> *const Slice {
    prepare();
    // SAFETY: no other reference is in use.
    let Instance {
        functions,
        manifest,
        manifest_slice,
        ..
    } = unsafe { instance() };
    manifest.clear();
    manifest.push_str(head);
    for (place, function) in functions.iter().enumerate() {
        manifest.push_str(if place == 0 { "" } else { "," });
        manifest.push_str(function.json);
    }
    manifest.push_str(tail);
    *manifest_slice = Slice {
        address: manifest.as_ptr(),
        length: manifest.len(),
    };
    manifest_slice
}

/// The export `wasmfusion_alloc`.
pub fn alloc_region(size: usize, align: usize) -> *mut u8 {
    prepare();
    // The last call's frame goes with the region that it lies in.
    panic::set_frame(ptr::null_mut());
    // SAFETY: no other reference is in use.
    let instance = unsafe { instance() };
    let (old, old_layout) = instance.region;
    if !old.is_null() {
        // SAFETY: it was allocated below with this layout, and the host has no more use for it.
        unsafe { dealloc(old, old_layout) };
    }
    instance.region = (ptr::null_mut(), Layout::new::<()>());
    let Ok(layout) = Layout::from_size_align(size.max(1), align) else {
        return ptr::null_mut();
    };
    // SAFETY: at least one byte.
    let region = unsafe { alloc(layout) };
    instance.region = (region, layout);
    region
}

/// A function's export.
///
/// # Safety
///
/// `frame` is what `docs/abi.md` says.
#[inline(always)]
pub unsafe fn call(
    frame: *mut CallFrame,
    function: &'static Function,
    kernel: impl FnOnce(&mut Call<'_>) -> Result<(), Error>,
) -> i32 {
    // SAFETY: the frame is valid until the export returns.
    let error = unsafe { &raw mut (*frame).error };
    panic::set_frame(error);
    // SAFETY: no other reference to the instance is in use, and the host keeps its promises about the frame.
    let outcome = unsafe { kernel(&mut Call::new(frame, &mut instance().pool, function)) };
    match outcome {
        Ok(()) => status::OK,
        // SAFETY: the call is over.
        Err(failure) => unsafe { fail(error, failure) },
    }
}

/// The export of a function that has several operations: which one it is stands behind the frame.
///
/// # Safety
///
/// `frame` is what `docs/abi.md` says, with an `O` directly behind it.
#[inline(always)]
pub unsafe fn operate<O>(
    frame: *mut CallFrame,
    function: &'static Function,
    kernel: Operate<O>,
) -> i32 {
    // SAFETY: by the contract of this function.
    unsafe {
        let operation = &mut *frame.add(1).cast::<O>();
        call(frame, function, |call| kernel(call, operation))
    }
}

/// The export `wasmfusion_bind`.
///
/// # Safety
///
/// `frame` is what `docs/abi.md` says.
pub unsafe fn bind(frame: *mut BindFrame) -> i32 {
    prepare();
    // SAFETY: the frame is valid until the export returns.
    let error = unsafe { &raw mut (*frame).error };
    panic::set_frame(error);
    // SAFETY: the frame is valid; the reference to the instance is in use for this expression alone.
    let function = unsafe { instance().functions.get((*frame).function as usize) };
    let outcome = match function.and_then(|function| function.bind) {
        // SAFETY: the host keeps its promises about the frame.
        Some(bind) => unsafe { bind(frame) },
        None => Err(Error::new("the function has nothing to bind")),
    };
    match outcome {
        Ok(()) => status::OK,
        // SAFETY: the binding is over.
        Err(failure) => unsafe { fail(error, failure) },
    }
}

/// Puts an error's message into the frame.
///
/// # Safety
///
/// `error` is the place in the frame; no reference to the instance is in use.
#[cold]
#[inline(never)]
unsafe fn fail(error: *mut Slice, failure: Error) -> i32 {
    // SAFETY: by the contract of this function.
    unsafe {
        let message = instance().error.insert(failure).message();
        *error = Slice {
            address: message.as_ptr(),
            length: message.len(),
        };
    }
    status::ERROR
}
