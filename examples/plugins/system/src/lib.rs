//! What time it is, random UUIDs, variables of the environment, and signatures with a secret key. Shows clocks, random bytes, the
//! environment and secrets.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use wasmfusion_udf::host::{ErrorKind, clock, env, random, secret};
use wasmfusion_udf::prelude::*;

wasmfusion_udf::plugin! { capabilities: ["clock", "random", "env:APP_*", "secret:signing_key"] }

/// What time it is, for each row anew.
#[udf(volatility = "volatile")]
pub fn now_utc() -> Result<TimestampUtc, Error> {
    Ok(clock::now()?.into())
}

/// A random UUID, of version 4.
#[udf(volatility = "volatile")]
pub fn random_uuid() -> Result<String, Error> {
    let mut bytes: [u8; 16] = random::bytes()?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = hex(&bytes);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
    Ok(parts.join("-"))
}

/// The value of a variable of the host's environment; NULL if it is not set.
#[udf(volatility = "stable")]
pub fn env_var(name: &str) -> Result<Option<String>, Error> {
    match env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// HMAC-SHA256 of a text with the secret `signing_key`, in hexadecimal digits.
#[udf(batch, volatility = "stable")]
pub fn signed(text: Column<'_, &str>, out: &mut Output<'_, String>) -> Result<(), Error> {
    // The key is asked for once a batch, and forgotten after it.
    let key = secret::get("signing_key")?;
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes())?;
    out.extend(text.iter().map(|text| {
        let mac = mac.clone().chain_update(text);
        hex(&mac.finalize().into_bytes())
    }));
    Ok(())
}

/// Two hexadecimal digits for each byte.
fn hex(bytes: &[u8]) -> String {
    let digit = |number: u8| char::from(b"0123456789abcdef"[usize::from(number & 15)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::host::clock::SystemTime;
    use wasmfusion_udf::testing::{self, call};

    #[test]
    fn knows_the_time() {
        let time = SystemTime::from_nanos(1_784_118_896_789_000_000);
        let _host = testing::host().clock(time);
        let run = call!(now_utc).rows(2).run();
        assert_eq!(
            run,
            Ok(vec![TimestampUtc::<Micros>::new(1_784_118_896_789_000); 2])
        );
    }

    #[test]
    fn makes_uuids() {
        let _host = testing::host();
        let uuids = call!(random_uuid)
            .rows(2)
            .run::<String>()
            .unwrap_or_default();
        assert_ne!(uuids[0], uuids[1]);
        for uuid in uuids {
            let places: Vec<usize> = uuid.match_indices('-').map(|(place, _)| place).collect();
            assert_eq!((uuid.len(), places), (36, vec![8, 13, 18, 23]));
            assert_eq!(uuid.as_bytes()[14], b'4');
            assert!(b"89ab".contains(&uuid.as_bytes()[19]));
        }
    }

    #[test]
    fn reads_the_environment() {
        let host = testing::host().env("APP_MODE", "test");
        let run = call!(env_var).column(["APP_MODE", "APP_OTHER"]).run();
        assert_eq!(run, Ok(vec![Some("test".to_owned()), None]));
        let _host = host.failing("env", ErrorKind::Denied, "the plugin may not read `HOME`");
        assert_eq!(
            call!(env_var).column(["HOME"]).run::<Option<String>>(),
            Err("the plugin may not read `HOME`".to_owned())
        );
    }

    #[test]
    fn signs() {
        // RFC 4231, test case 2.
        let host = testing::host().secret("signing_key", "Jefe");
        let run = call!(signed)
            .column(["what do ya want for nothing?", ""])
            .run::<String>();
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert!(run.is_ok_and(|signatures| signatures[0] == expected));
        assert_eq!(host.calls("secret"), 1);
    }
}
