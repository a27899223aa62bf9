//! Secrets: values that a plugin may read and nobody may see.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;

use serde::Deserialize;

/// Largest secret, in bytes.
pub(crate) const SECRET_BYTES_MAX: usize = 64 << 10;

/// Where the value of a secret comes from.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SecretSource {
    /// A variable of the host's environment.
    Env(String),
    /// A file. A line break at its end does not belong to the value.
    File(PathBuf),
    /// The value itself.
    Value(String),
}

/// The value of a secret. It is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl SecretSource {
    /// Gets the value.
    ///
    /// # Errors
    ///
    /// What is missing, without any value.
    pub(crate) fn value(&self) -> Result<Secret, String> {
        let value = match self {
            Self::Env(name) => std::env::var(name)
                .map_err(|_| format!("the environment has no variable `{name}`; set it"))?,
            Self::File(path) => {
                read(path).map_err(|problem| format!("the file {} {problem}", path.display()))?
            }
            Self::Value(value) => value.clone(),
        };
        if value.is_empty() {
            return Err("it is empty; give it a value".into());
        }
        if value.len() > SECRET_BYTES_MAX {
            return Err(format!("it has more than {SECRET_BYTES_MAX} bytes"));
        }
        Ok(Secret(value))
    }
}

fn read(path: &PathBuf) -> Result<String, String> {
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    file.take(SECRET_BYTES_MAX as u64 + 2)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot be read: {error}"))?;
    let end = text.trim_end_matches(['\n', '\r']).len();
    text.truncate(end);
    Ok(text)
}

impl Secret {
    /// The value. Give it to nobody but the plugin that it was granted to.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => f.debug_tuple("Env").field(name).finish(),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Value(_) => f.write_str("Value([redacted])"),
        }
    }
}
