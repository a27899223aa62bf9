//! Encodings, hashes and identifiers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use twox_hash::XxHash64;
use uuid::Uuid;
use wasmfusion_udf::prelude::*;

/// The bytes of a text in base64.
#[udf]
pub fn to_base64(text: &str) -> String {
    STANDARD.encode(text)
}

/// XXH64 of a text, with the seed 0.
#[udf]
pub fn xxhash(text: &str) -> u64 {
    XxHash64::oneshot(0, text.as_bytes())
}

/// SHA-256 of a text.
#[udf]
pub fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// The bytes of a UUID. NULL if the text is none.
#[udf]
pub fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    Uuid::try_parse(text).ok().map(Uuid::into_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_published_values() {
        assert_eq!(to_base64("foobar"), "Zm9vYmFy");
        assert_eq!(xxhash(""), 0xef46_db37_51d8_e999);
        assert_eq!(sha256("abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
    }

    #[test]
    fn parses_identifiers() {
        let bytes = parse_uuid("67e55044-10b1-426f-9247-bb680e5fe0c8");
        assert_eq!(
            bytes.map(|bytes| bytes[..4].to_vec()),
            Some(vec![0x67, 0xe5, 0x50, 0x44])
        );
        assert_eq!(parse_uuid("67e55044-10b1-426f-9247-bb680e5fe0cX"), None);
    }
}
