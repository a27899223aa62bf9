//! The host's functions as they are: addresses and numbers. `docs/abi.md` says what each does.
//!
//! Natively there is no host: the same functions are those of `testing::host()`, or nothing without the feature `testing`.

use crate::raw::Slice;

/// A name and a value; `wasmfusion_abi::host::Pair` with pointers.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) name: Slice,
    pub(crate) value: Slice,
}

/// What [`http`] shall do; `wasmfusion_abi::host::HttpRequest` with pointers.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct HttpRequest {
    pub(crate) method: Slice,
    pub(crate) url: Slice,
    pub(crate) headers: *const Pair,
    pub(crate) header_count: usize,
    pub(crate) body: Slice,
    pub(crate) timeout_ms: u32,
}

/// What [`exec`] shall do; `wasmfusion_abi::host::ExecRequest` with pointers.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExecRequest {
    pub(crate) command: Slice,
    pub(crate) args: *const Slice,
    pub(crate) arg_count: usize,
    pub(crate) input: Slice,
    pub(crate) timeout_ms: u32,
}

#[cfg(target_arch = "wasm32")]
const _: () = {
    use core::mem::{align_of, size_of};
    use wasmfusion_abi::host;

    assert!(size_of::<Pair>() == size_of::<host::Pair>());
    assert!(align_of::<Pair>() == align_of::<host::Pair>());
    assert!(size_of::<HttpRequest>() == size_of::<host::HttpRequest>());
    assert!(align_of::<HttpRequest>() == align_of::<host::HttpRequest>());
    assert!(size_of::<ExecRequest>() == size_of::<host::ExecRequest>());
    assert!(align_of::<ExecRequest>() == align_of::<host::ExecRequest>());
};

/// Bytes as the host wants them.
pub(crate) fn slice(bytes: &[u8]) -> Slice {
    Slice {
        address: bytes.as_ptr(),
        length: bytes.len(),
    }
}

/// A name and a value as the host wants them.
pub(crate) fn pair(name: &str, value: &str) -> Pair {
    Pair {
        name: slice(name.as_bytes()),
        value: slice(value.as_bytes()),
    }
}

/// Declares the functions: as imports of the module `wasmfusion`, and natively as calls of the tests' host.
macro_rules! imports {
    ($(fn $name:ident($($param:ident: $type:ty),*);)*) => {
        #[cfg(target_arch = "wasm32")]
        #[link(wasm_import_module = "wasmfusion")]
        unsafe extern "C" {
            $(pub(crate) fn $name($($param: $type),*) -> i64;)*
        }

        $(
            /// # Safety
            ///
            /// Addresses and lengths describe memory that may be read, or written where the host replies.
            #[cfg(all(not(target_arch = "wasm32"), feature = "testing"))]
            pub(crate) unsafe extern "C" fn $name($($param: $type),*) -> i64 {
                // SAFETY: by the contract of this function.
                unsafe { crate::testing::host::sys::$name($($param),*) }
            }

            /// # Safety
            ///
            /// None is needed here; it is where there is a host.
            #[cfg(all(not(target_arch = "wasm32"), not(feature = "testing")))]
            pub(crate) unsafe extern "C" fn $name($($param: $type),*) -> i64 {
                let _ = ($($param,)*);
                wasmfusion_abi::host::status::UNAVAILABLE
            }
        )*
    };
}

imports! {
    fn reply(out: *mut u8, capacity: usize);
    fn error(out: *mut u8, capacity: usize);
    fn close(handle: i32);

    fn log_enabled(level: i32);
    fn log(level: i32, message: *const u8, length: usize, fields: *const Pair, field_count: usize);

    fn metric(kind: i32, name: *const u8, length: usize, labels: *const Pair, label_count: usize);
    fn metric_record(handle: i32, value: f64);

    fn config(key: *const u8, length: usize, out: *mut u8, capacity: usize);
    fn secret(name: *const u8, length: usize, out: *mut u8, capacity: usize);
    fn env(name: *const u8, length: usize, out: *mut u8, capacity: usize);

    fn clock_realtime();
    fn clock_monotonic();
    fn random(out: *mut u8, length: usize);

    fn file_open(path: *const u8, length: usize, mode: i32);
    fn file_read(handle: i32, out: *mut u8, capacity: usize);
    fn file_write(handle: i32, bytes: *const u8, length: usize);
    fn file_seek(handle: i32, position: i64);
    fn file_size(handle: i32);
    fn file_list(path: *const u8, length: usize, out: *mut u8, capacity: usize);
    fn file_remove(path: *const u8, length: usize);

    fn table_open(name: *const u8, length: usize, mode: i32);
    fn table_get(handle: i32, key: *const u8, length: usize, out: *mut u8, capacity: usize);
    fn table_put(handle: i32, key: *const u8, length: usize, value: *const u8, value_length: usize);
    fn table_delete(handle: i32, key: *const u8, length: usize);
    fn table_scan(handle: i32, start: *const u8, start_length: usize, end: *const u8, end_length: usize, limit: u32, out: *mut u8, capacity: usize);

    fn vector_open(name: *const u8, length: usize);
    fn vector_search(handle: i32, vector: *const f32, dimensions: usize, k: u32, out: *mut u8, capacity: usize);

    fn http(request: *const HttpRequest, out: *mut u8, capacity: usize);
    fn tcp_connect(host: *const u8, length: usize, port: i32, timeout_ms: u32);
    fn tcp_read(handle: i32, out: *mut u8, capacity: usize);
    fn tcp_write(handle: i32, bytes: *const u8, length: usize);
    fn exec(request: *const ExecRequest, out: *mut u8, capacity: usize);
}
