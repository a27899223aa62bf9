//! Secrets, such as keys and passwords. Capability `secret:NAME`.

use alloc::string::String;

use super::error::Result;
use super::{reply, sys};

/// The secret of this name. Keep it out of results, errors and logs.
///
/// # Errors
///
/// [`NotFound`](super::ErrorKind::NotFound) if the operator has not given it.
///
/// ```no_run
/// let key = wasmfusion_udf::host::secret::get("signing_key")?;
/// # Ok::<(), wasmfusion_udf::host::Error>(())
/// ```
pub fn get(name: &str) -> Result<String> {
    // SAFETY: the name is there until the call is over, and the reply has the room that is said.
    reply::read_text(|out, capacity| unsafe {
        sys::secret(name.as_ptr(), name.len(), out, capacity)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ErrorKind;
    use crate::testing;

    #[test]
    fn gets_secrets_of_any_length() {
        let long = "x".repeat(1000);
        let host = testing::host().secret("short", "s").secret("long", &long);
        assert_eq!(get("short").as_deref(), Ok("s"));
        assert_eq!(host.calls("reply"), 0);
        assert_eq!(get("long"), Ok(long));
        assert_eq!(host.calls("reply"), 1);
        let error = get("other").expect_err("there is none");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.message().contains("`other`"));
    }

    #[test]
    fn says_that_there_is_no_host() {
        let error = get("key").expect_err("there is no host");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.message().contains("testing::host()"));
    }
}
