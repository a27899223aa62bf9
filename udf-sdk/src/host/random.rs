//! Random bytes, good enough for keys. Capability `random`.
//!
//! Crates such as `rand` and `uuid` get theirs from the crate `getrandom`, which can ask the host as well: see
//! [`getrandom_backend!`](crate::getrandom_backend).

use core::mem::MaybeUninit;

use super::error::{Result, check_done};
use super::sys;

/// Fills `bytes` with random bytes.
///
/// # Errors
///
/// If the host has none, or if more are asked for than it gives at a time.
///
/// ```no_run
/// let mut key = [0; 32];
/// wasmfusion_udf::host::random::fill(&mut key)?;
/// # Ok::<(), wasmfusion_udf::host::Error>(())
/// ```
pub fn fill(bytes: &mut [u8]) -> Result<()> {
    // SAFETY: there is room for so many bytes.
    check_done(unsafe { sys::random(bytes.as_mut_ptr(), bytes.len()) })
}

/// Fills memory that holds nothing yet with random bytes.
///
/// # Errors
///
/// As [`fill`].
pub fn fill_uninit(bytes: &mut [MaybeUninit<u8>]) -> Result<()> {
    // SAFETY: there is room for so many bytes.
    check_done(unsafe { sys::random(bytes.as_mut_ptr().cast(), bytes.len()) })
}

/// So many random bytes.
///
/// # Errors
///
/// As [`fill`].
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes)
}

/// A random number, each as likely as any other.
///
/// # Errors
///
/// As [`fill`].
pub fn u64() -> Result<u64> {
    bytes().map(u64::from_le_bytes)
}

/// Makes the host the source of the crate `getrandom`, versions 0.3 and 0.4, and so of crates that use it, as `rand` does and `uuid` with
/// its feature `rng-getrandom`. Stands once in a plugin that depends on `getrandom` and asks for the capability `random`:
///
/// ```ignore
/// wasmfusion_udf::getrandom_backend!();
/// ```
///
/// The plugin is then built with `--cfg getrandom_backend="custom"` in its `RUSTFLAGS`, which is how `getrandom` is told to look for
/// it. One version of it is enough for both; if it has another name in the plugin, the name goes into the parentheses.
#[macro_export]
macro_rules! getrandom_backend {
    () => {
        $crate::getrandom_backend!(::getrandom);
    };
    ($($getrandom:tt)+) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            // SAFETY: this is the symbol that getrandom looks for, with its signature.
            #[unsafe(no_mangle)]
            unsafe extern "Rust" fn __getrandom_v03_custom(
                start: *mut u8,
                length: usize,
            ) -> ::core::result::Result<(), $($getrandom)+::Error> {
                // SAFETY: getrandom hands over so many bytes to write.
                let bytes = unsafe { ::core::slice::from_raw_parts_mut(start.cast(), length) };
                $crate::host::random::fill_uninit(bytes)
                    .map_err(|_| $($getrandom)+::Error::new_custom(1))
            }
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ErrorKind;
    use crate::testing;

    #[test]
    fn fills_memory() {
        let _host = testing::host().random_seed(1);
        let mut some = [0; 19];
        assert_eq!(fill(&mut some), Ok(()));
        assert!(some.iter().any(|byte| *byte != 0));
        assert_ne!(u64(), u64());
        assert_ne!(bytes::<16>(), bytes::<16>());
        assert_eq!(fill(&mut []), Ok(()));
    }

    #[test]
    fn says_what_the_host_says() {
        let _host = testing::host().failing("random", ErrorKind::Denied, "no dice");
        assert_eq!(u64().map_err(|error| error.kind()), Err(ErrorKind::Denied));
    }
}
