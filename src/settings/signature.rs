//! Signatures of modules, in minisign's form: made with `minisign -S` or `rsign sign`, checked here.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::module::escape_cut;

/// Largest file of a signature or key, in bytes. They have some hundred.
pub(crate) const SIGNATURE_BYTES_MAX: u64 = 16 << 10;

/// A key that modules may be signed with. It is read from what minisign calls `minisign.pub`, whole or its last line.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(minisign_verify::PublicKey);

impl FromStr for PublicKey {
    type Err = super::SettingsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
        minisign_verify::PublicKey::from_base64(last.unwrap_or_default())
            .map(Self)
            .map_err(|error| {
                super::SettingsError(format!(
                    "`{}` is not a public key of minisign ({error}); give the text that starts with RW",
                    escape_cut(last.unwrap_or_default(), 80)
                ))
            })
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey")
    }
}

/// Where the signature of a module is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureSource {
    /// In this file.
    File(PathBuf),
    /// Here: the text of such a file.
    Text(String),
}

impl SignatureSource {
    /// Where a module's signature is if nothing else is said: `geo.wasm.minisig` for `geo.wasm`. `None` if there is no such file.
    pub(crate) fn beside(module: &Path) -> Option<Self> {
        let mut name = module.as_os_str().to_owned();
        name.push(".minisig");
        let path = PathBuf::from(name);
        path.exists().then_some(Self::File(path))
    }

    fn text(&self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => {
                let failed = |error: std::io::Error| {
                    format!("the signature {} cannot be read: {error}", path.display())
                };
                if !path.metadata().map_err(failed)?.is_file() {
                    return Err(format!("the signature {} is not a file", path.display()));
                }
                let mut text = String::new();
                std::fs::File::open(path)
                    .map_err(failed)?
                    .take(SIGNATURE_BYTES_MAX)
                    .read_to_string(&mut text)
                    .map_err(failed)?;
                Ok(text)
            }
        }
    }
}

/// Checks that `bytes` were signed with one of `keys`.
///
/// # Errors
///
/// Why they were not, as far as can be told.
pub(crate) fn check(
    bytes: &[u8],
    signature: Option<&SignatureSource>,
    keys: &[PublicKey],
    required: bool,
) -> Result<(), String> {
    let Some(signature) = signature else {
        return match required {
            true => Err(
                "it is not signed, and only signed modules are taken; sign it with `minisign -Sm FILE` and put FILE.minisig beside it"
                    .into(),
            ),
            false => Ok(()),
        };
    };
    if keys.is_empty() {
        return match required {
            true => Err(
                "only signed modules are taken, but no key is trusted; set `trusted_keys`".into(),
            ),
            // Nobody can tell whether it is good, and nobody asked.
            false => Ok(()),
        };
    }
    let text = signature.text()?;
    let signature = minisign_verify::Signature::decode(&text).map_err(|error| {
        format!("its signature cannot be read ({error}); sign it again with `minisign -Sm FILE`")
    })?;
    let verified = |key: &PublicKey| key.0.verify(bytes, &signature, false).is_ok();
    match keys.iter().any(verified) {
        true => Ok(()),
        false => Err(
            "its signature is by none of the trusted keys, or the module was changed after it was signed; get the module again, or add \
             its author's key to `trusted_keys`"
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use minisign::KeyPair;

    use super::*;

    fn signed(bytes: &[u8]) -> (PublicKey, SignatureSource) {
        let KeyPair { pk, sk } = KeyPair::generate_unencrypted_keypair().expect("a key");
        let signature = minisign::sign(Some(&pk), &sk, bytes, None, None).expect("a signature");
        let key = pk.to_box().expect("a text").to_string();
        (
            key.parse().expect("a key"),
            SignatureSource::Text(signature.to_string()),
        )
    }

    #[test]
    fn only_what_was_signed_passes() {
        let (key, signature) = signed(b"module");
        let (other, _) = signed(b"module");
        let check = |bytes: &[u8], keys: &[PublicKey]| check(bytes, Some(&signature), keys, true);
        assert_eq!(check(b"module", &[other.clone(), key.clone()]), Ok(()));
        assert!(
            check(b"modulE", &[key])
                .expect_err("changed")
                .contains("was changed")
        );
        assert!(
            check(b"module", &[other])
                .expect_err("unknown")
                .contains("trusted keys")
        );
        assert!(
            check(b"module", &[])
                .expect_err("no keys")
                .contains("`trusted_keys`")
        );
    }

    #[test]
    fn a_missing_signature_matters_where_one_is_required() {
        assert_eq!(check(b"module", None, &[], false), Ok(()));
        assert!(
            check(b"module", None, &[], true)
                .expect_err("required")
                .contains("not signed")
        );
        let (key, _) = signed(b"module");
        let garbage = SignatureSource::Text("garbage".into());
        assert!(check(b"module", Some(&garbage), &[key], false).is_err());
    }

    #[test]
    fn keys_are_read_whole_or_as_a_line() {
        let KeyPair { pk, .. } = KeyPair::generate_unencrypted_keypair().expect("a key");
        let whole = pk.to_box().expect("a text").to_string();
        assert!(whole.lines().count() > 1);
        let line: PublicKey = pk.to_base64().parse().expect("a line");
        assert_eq!(whole.parse::<PublicKey>().expect("a file"), line);
        assert!("RWgarbage".parse::<PublicKey>().is_err());
    }
}
