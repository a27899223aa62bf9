//! Variables of the host's environment. Capability `env:NAME`.

use alloc::string::String;

use super::error::Result;
use super::{reply, sys};

/// The value of a variable.
///
/// # Errors
///
/// [`NotFound`](super::ErrorKind::NotFound) if it is not set.
///
/// ```no_run
/// let region = wasmfusion_udf::host::env::var("APP_REGION")?;
/// # Ok::<(), wasmfusion_udf::host::Error>(())
/// ```
pub fn var(name: &str) -> Result<String> {
    // SAFETY: the name is there until the call is over, and the reply has the room that is said.
    reply::read_text(|out, capacity| unsafe { sys::env(name.as_ptr(), name.len(), out, capacity) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ErrorKind;
    use crate::testing;

    #[test]
    fn reads_variables() {
        let _host = testing::host().env("APP_MODE", "test").env("APP_EMPTY", "");
        assert_eq!(var("APP_MODE").as_deref(), Ok("test"));
        assert_eq!(var("APP_EMPTY").as_deref(), Ok(""));
        assert_eq!(
            var("HOME").map_err(|error| error.kind()),
            Err(ErrorKind::NotFound)
        );
    }
}
