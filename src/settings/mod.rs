//! What an operator says of one plugin: grants, limits, configuration, secrets, and how to tell that it is the right module.
//!
//! It stands in a TOML file beside the module, `geo.toml` for `geo.wasm`, or comes through the Rust API. The file is text from
//! somebody else: every mistake in it has an error that names the key.

mod schema;
mod secret;
mod signature;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

pub(crate) use secret::SECRET_BYTES_MAX;
pub use secret::{Secret, SecretSource};
pub use signature::{PublicKey, SignatureSource};
pub(crate) use signature::{SIGNATURE_BYTES_MAX, check as check_signature};

use crate::capability::{Capability, CapabilityError, CapabilityKind, Grants, Preset};
use crate::instance::PoolOptions;
use crate::limits::Limits;
use crate::module::{Digest, Manifest, escape_cut};

/// Largest settings file, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Most of an error message of a parser that is shown, in bytes.
const MESSAGE_BYTES_MAX: usize = 1_000;

/// What an operator says of one plugin. The default grants nothing and leaves the registry's limits as they are.
///
/// ```
/// use wasmfusion::PluginSettings;
///
/// let settings = PluginSettings::parse(
///     r#"
///     preset = "observability"
///     grants = ["table:read:rates_*", "secret:api_key"]
///
///     [limits]
///     call_timeout_ms = 250
///
///     [config]
///     base = "EUR"
///
///     [secrets]
///     api_key = { env = "RATES_API_KEY" }
///     "#,
/// )?;
/// assert_eq!(settings.grants.capabilities().len(), 4);
/// # Ok::<(), wasmfusion::SettingsError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PluginSettings {
    /// What it may ask the host for.
    pub grants: Grants,
    /// Limits that are other than the registry's, by name.
    pub limits: Map<String, Value>,
    /// Where its instances come from, where that is other than the registry's options say: names of [`PoolOptions`] and their values.
    pub pool: Map<String, Value>,
    /// Its configuration.
    pub config: Map<String, Value>,
    /// The values of its secrets, by name.
    pub secrets: BTreeMap<String, SecretSource>,
    /// The functions that can be called, by name. `None`: all that the plugin has.
    pub functions: Option<Vec<String>>,
    /// Further names of functions: from the name to the function's.
    pub aliases: BTreeMap<String, String>,
    /// The only module that these settings are for.
    pub digest: Option<Digest>,
    /// The module's signature, in minisign's form. Without it, `NAME.wasm.minisig` beside the module is looked at.
    pub signature: Option<SignatureSource>,
}

/// Why settings are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

/// The file as serde sees it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSettings {
    #[serde(default)]
    preset: Preset,
    #[serde(default)]
    grants: Vec<String>,
    #[serde(default)]
    limits: Map<String, Value>,
    #[serde(default)]
    pool: Map<String, Value>,
    #[serde(default)]
    config: Map<String, Value>,
    #[serde(default)]
    secrets: BTreeMap<String, SecretSource>,
    functions: Option<Vec<String>>,
    #[serde(default)]
    aliases: BTreeMap<String, String>,
    digest: Option<String>,
    signature: Option<PathBuf>,
}

impl PluginSettings {
    /// Reads the text of a settings file.
    ///
    /// # Errors
    ///
    /// What is wrong, with line and key.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let raw = Self::parse_raw(text)?;
        let mut grants = Grants::from(raw.preset);
        for text in &raw.grants {
            let capability: Capability = text
                .parse()
                .map_err(|error| SettingsError(format!("key `grants`: {error}")))?;
            grants.add(capability);
        }
        // Names and types are known without the registry's own limits.
        Limits::default()
            .with(raw.limits.clone())
            .map_err(|error| SettingsError(format!("key `limits`: {error}")))?;
        PoolOptions::default()
            .with(raw.pool.clone())
            .map_err(|error| SettingsError(format!("key `pool`: {error}")))?;
        let digest = raw.digest.as_deref().map(parse_digest).transpose()?;
        Ok(Self {
            grants,
            limits: raw.limits,
            pool: raw.pool,
            config: raw.config,
            secrets: raw.secrets,
            functions: raw.functions,
            aliases: raw.aliases,
            digest,
            signature: raw.signature.map(SignatureSource::File),
        })
    }

    fn parse_raw(text: &str) -> Result<RawSettings, SettingsError> {
        let wrong = |error: &toml::de::Error, key: &str| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            // The parser's words hold the value, its own form the whole line: both may be a secret.
            let problem = match key.split('.').next() {
                Some("secrets") => {
                    "expected { env = \"VARIABLE\" }, { file = \"PATH\" } or { value = \"…\" }"
                        .to_owned()
                }
                _ => escape_cut(error.message(), MESSAGE_BYTES_MAX),
            };
            SettingsError(match key {
                "." => format!("line {line}: {problem}"),
                key => format!("line {line}, key `{}`: {problem}", escape_cut(key, 200)),
            })
        };
        let toml = toml::Deserializer::parse(text).map_err(|error| wrong(&error, "."))?;
        serde_path_to_error::deserialize(toml)
            .map_err(|error| wrong(error.inner(), &error.path().to_string()))
    }

    /// Reads the settings file beside a module; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If it is there and cannot be read or is wrong. The error names the file.
    pub fn beside(module: &Path) -> Result<Option<Self>, SettingsError> {
        // `.` and the like name no file, nor one beside it.
        if module.file_name().is_none() {
            return Ok(None);
        }
        let path = module.with_extension("toml");
        let named = |problem: String| SettingsError(format!("{}: {problem}", path.display()));
        let metadata = match path.metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            metadata => metadata.map_err(|error| named(format!("cannot be read: {error}")))?,
        };
        if !metadata.is_file() {
            return Err(named("it is not a file".into()));
        }
        if metadata.len() > FILE_BYTES_MAX {
            return Err(named(format!(
                "it has {} bytes, at most {FILE_BYTES_MAX} are read",
                metadata.len()
            )));
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|error| named(format!("cannot be read: {error}")))?;
        let mut settings = Self::parse(&text).map_err(|error| named(error.0))?;
        // Relative to where it is named.
        if let (Some(SignatureSource::File(file)), Some(folder)) =
            (&mut settings.signature, path.parent())
        {
            *file = folder.join(&*file);
        }
        Ok(Some(settings))
    }

    /// The registry's limits with those of this plugin in place of theirs.
    ///
    /// # Errors
    ///
    /// What is wrong with a name or a value.
    pub(crate) fn limits_over(&self, limits: &Limits) -> Result<Limits, SettingsError> {
        limits
            .with(self.limits.clone())
            .map_err(|error| SettingsError(format!("limits: {error}")))
    }

    /// The registry's options of the pool with those of this plugin in place of theirs.
    ///
    /// # Errors
    ///
    /// What is wrong with a name or a value.
    pub(crate) fn pool_over(&self, pool: &PoolOptions) -> Result<PoolOptions, SettingsError> {
        pool.with(self.pool.clone())
            .map_err(|error| SettingsError(format!("pool: {error}")))
    }

    /// That the configuration fits the plugin, and that what is set can have an effect.
    ///
    /// # Errors
    ///
    /// What does not fit.
    pub(crate) fn check_config(&self, manifest: &Manifest) -> Result<(), String> {
        let asks = |kind| manifest.capabilities.iter().any(|c| c.kind() == kind);
        if !self.config.is_empty() && !asks(CapabilityKind::Config) {
            return Err("the plugin does not ask for `config`, so that nothing would read the `[config]` that is set; remove it".into());
        }
        match &manifest.config_schema {
            Some(schema) => schema::check(schema, &self.config),
            None => Ok(()),
        }
    }

    /// The values of the secrets that the plugin asks for.
    ///
    /// # Errors
    ///
    /// Which secret is missing, or is set although the plugin cannot read it.
    pub(crate) fn secret_values(
        &self,
        manifest: &Manifest,
    ) -> Result<BTreeMap<String, Secret>, String> {
        let asked: Vec<&Capability> = manifest
            .capabilities
            .iter()
            .filter(|capability| capability.kind() == CapabilityKind::Secret)
            .collect();
        for capability in &asked {
            if let Some(name) = capability.literal()
                && !self.secrets.contains_key(name)
            {
                return Err(format!(
                    "the plugin asks for the secret `{name}`, which has no value; set it in `[secrets]`, as {name} = {{ env = \"VARIABLE\" }}"
                ));
            }
        }
        let value = |(name, source): (&String, &SecretSource)| {
            if !asked.iter().any(|capability| capability.allows_name(name)) {
                return Err(format!(
                    "the secret `{name}` is set, but the plugin does not ask for it; remove it from `[secrets]`"
                ));
            }
            let value = source
                .value()
                .map_err(|problem| format!("the secret `{name}`: {problem}"))?;
            Ok((name.clone(), value))
        };
        self.secrets.iter().map(value).collect()
    }

    /// The same settings with one more capability granted.
    ///
    /// # Errors
    ///
    /// If `capability` is not one.
    pub fn grant(mut self, capability: &str) -> Result<Self, CapabilityError> {
        self.grants = self.grants.grant(capability)?;
        Ok(self)
    }

    /// The same settings with a value of the configuration.
    #[must_use]
    pub fn config(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.config.insert(key.to_owned(), value.into());
        self
    }

    /// The same settings with the value of a secret.
    #[must_use]
    pub fn secret(mut self, name: &str, source: SecretSource) -> Self {
        self.secrets.insert(name.to_owned(), source);
        self
    }

    /// The same settings with one more function that can be called; those that are not named cannot.
    #[must_use]
    pub fn function(mut self, name: &str) -> Self {
        self.functions.get_or_insert_default().push(name.to_owned());
        self
    }

    /// The same settings with a further name of a function.
    #[must_use]
    pub fn alias(mut self, alias: &str, function: &str) -> Self {
        self.aliases.insert(alias.to_owned(), function.to_owned());
        self
    }

    /// The same settings with a limit that is other than the registry's: a name of [`Limits`] and its value.
    #[must_use]
    pub fn limit(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.limits.insert(name.to_owned(), value.into());
        self
    }

    /// The same settings with an option of the pool that is other than the registry's: a name of [`PoolOptions`] and its value.
    #[must_use]
    pub fn pool(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.pool.insert(name.to_owned(), value.into());
        self
    }
}

/// `sha256:` and 64 hexadecimal digits.
pub(crate) fn parse_digest(text: &str) -> Result<Digest, SettingsError> {
    text.strip_prefix("sha256:")
        .and_then(Digest::from_hex)
        .ok_or_else(|| {
            SettingsError(format!(
                "`{}` is not a digest; write `sha256:` and the 64 digits that `wasmfusion inspect` or `sha256sum` print",
                escape_cut(text, 100)
            ))
        })
}

#[cfg(test)]
mod tests;
