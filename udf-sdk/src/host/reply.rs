//! Replies: bytes that the host puts into the guest's memory, and how they are taken apart.

use alloc::string::String;
use alloc::vec::Vec;

use super::error::{Error, Result, check_small};
use super::sys;

/// Room for a reply that is tried first, in bytes: enough for most values, so that most calls are one call.
const ROOM: usize = 256;

/// Puts the reply of `call`, which gets an address and a number of bytes, into `buffer` in place of what was there.
pub(super) fn read_into(
    buffer: &mut Vec<u8>,
    call: impl FnOnce(*mut u8, usize) -> i64,
) -> Result<()> {
    buffer.clear();
    buffer.reserve(ROOM);
    let length = check_small(call(buffer.as_mut_ptr(), buffer.capacity()))?;
    finish(buffer, length)
}

/// Takes a reply of so many bytes, which is in the buffer's room already if it fits.
fn finish(buffer: &mut Vec<u8>, length: usize) -> Result<()> {
    if length > buffer.capacity() {
        buffer.reserve_exact(length);
        // SAFETY: there is room for so many bytes.
        let again = check_small(unsafe { sys::reply(buffer.as_mut_ptr(), buffer.capacity()) })?;
        if again != length {
            return Err(Error::broken("it is not as long as it was said to be"));
        }
    }
    // SAFETY: the host has written so many bytes, which are within the capacity.
    unsafe { buffer.set_len(length) };
    Ok(())
}

/// The reply of `call`.
pub(super) fn read(call: impl FnOnce(*mut u8, usize) -> i64) -> Result<Vec<u8>> {
    let mut buffer = Vec::new();
    read_into(&mut buffer, call)?;
    Ok(buffer)
}

/// The reply of `call`, which is text.
pub(super) fn read_text(call: impl FnOnce(*mut u8, usize) -> i64) -> Result<String> {
    text(read(call)?)
}

/// Bytes of a reply that are text.
pub(super) fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| Error::broken("it is not UTF-8"))
}

/// What is left of a reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// Whether all was taken.
    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The next `length` bytes.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or_else(|| Error::broken("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// The next `length` bytes, which are text.
    pub(super) fn take_text(&mut self, length: usize) -> Result<String> {
        text(self.take(length)?.to_vec())
    }

    /// The next four bytes.
    fn word(&mut self) -> Result<[u8; 4]> {
        let (word, rest) = self
            .0
            .split_first_chunk()
            .ok_or_else(|| Error::broken("it ends too early"))?;
        self.0 = rest;
        Ok(*word)
    }

    /// The next number.
    pub(super) fn number(&mut self) -> Result<u32> {
        self.word().map(u32::from_le_bytes)
    }

    /// The next number, which counts bytes.
    pub(super) fn length(&mut self) -> Result<usize> {
        self.number().map(|number| number as usize)
    }

    /// The next floating-point number.
    pub(super) fn float(&mut self) -> Result<f32> {
        self.word().map(f32::from_le_bytes)
    }

    /// Makes sure that all was taken.
    pub(super) fn end(self) -> Result<()> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(Error::broken("it goes on behind its end"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_replies_apart() {
        let mut reader = Reader(&[2, 0, 0, 0, b'a', b'b', 0, 0, 128, 63]);
        assert_eq!(reader.length(), Ok(2));
        assert_eq!(reader.take_text(2).as_deref(), Ok("ab"));
        assert!(reader.end().is_err());
        assert_eq!(reader.float(), Ok(1.0));
        assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn refuses_what_is_cut_short() {
        assert!(Reader(&[1, 0, 0]).number().is_err());
        assert!(Reader(&[1]).take(2).is_err());
        assert!(Reader(&[255]).take_text(1).is_err());
        assert!(Reader(&[1]).take(usize::MAX).is_err());
    }
}
