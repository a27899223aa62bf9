//! A handle: something that the host keeps open for this instance.

use super::error::{Error, Result, check_small};
use super::sys;

/// Something that the host keeps open until this is dropped.
#[derive(Debug)]
pub(super) struct Handle(i32);

impl Handle {
    /// The handle that a host function returned, if it did not fail.
    pub(super) fn new(returned: i64) -> Result<Self> {
        let number = i32::try_from(check_small(returned)?);
        number
            .map(Handle)
            .map_err(|_| Error::broken("a handle is too large"))
    }

    /// Its number.
    pub(super) fn number(&self) -> i32 {
        self.0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: no memory is handed over. That closing can fail is of no use to anybody here.
        unsafe { sys::close(self.0) };
    }
}
