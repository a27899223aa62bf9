//! Modules from object stores: those that the embedder, or the session, has a client for. There is no client of our own.

use std::sync::Arc;

use datafusion::object_store::path::Path as ObjectPath;
use datafusion::object_store::{self, ObjectStore, ObjectStoreExt as _};
use futures::StreamExt as _;
use url::Url;

use super::Registry;
use super::candidate::{Candidate, ModuleFrom, SettingsFrom, refused};
use super::lifecycle::off_thread;
use crate::error::{Error, Result};
use crate::module::{Digest, ModuleError, escape_cut};
use crate::plugin::{Origin, Plugin};
use crate::settings::{PluginSettings, SIGNATURE_BYTES_MAX, SignatureSource};

/// Bytes of a URL that are shown.
const URL_BYTES_MAX: usize = 500;

impl Registry {
    /// Loads a plugin from an object of a store. No more is read than a module may have. The object `PATH.minisig` is its signature, if keys are
    /// trusted. No settings are read from the store.
    ///
    /// # Errors
    ///
    /// If the object cannot be read, and as [`Self::load_file`].
    pub async fn load_object(
        &self,
        store: &Arc<dyn ObjectStore>,
        path: &ObjectPath,
    ) -> Result<Arc<Plugin>> {
        self.load_object_with(store, path, &PluginSettings::default())
            .await
    }

    /// As [`Self::load_object`], with these settings.
    ///
    /// # Errors
    ///
    /// As [`Self::load_object`].
    pub async fn load_object_with(
        &self,
        store: &Arc<dyn ObjectStore>,
        path: &ObjectPath,
        settings: &PluginSettings,
    ) -> Result<Arc<Plugin>> {
        let source = format!("{store}/{path}");
        let compiled = self.compile_object(&source, store, path, settings, None, false);
        let compiled = compiled.await;
        self.take_in(&source, compiled)
    }

    /// Loads a plugin from the object of a store that this URL names, as in `s3://bucket/geo.wasm`.
    ///
    /// # Errors
    ///
    /// If it is no URL with a path, and as [`Self::load_object`].
    pub async fn load_url(&self, url: &str, store: &Arc<dyn ObjectStore>) -> Result<Arc<Plugin>> {
        let (shown, path) = parse_url(url)?;
        let settings = PluginSettings::default();
        let compiled = self.compile_object(&shown, store, &path, &settings, None, false);
        let compiled = compiled.await;
        self.take_in(&shown, compiled)
    }

    /// Compiles a module from a store, without giving it a name here.
    pub(super) async fn compile_object(
        &self,
        source: &str,
        store: &Arc<dyn ObjectStore>,
        path: &ObjectPath,
        settings: &PluginSettings,
        pinned: Option<Digest>,
        by_sql: bool,
    ) -> Result<Arc<Plugin>> {
        let limits = settings.limits_over(&self.0.options.limits);
        let limits = limits.map_err(|e| refused(source)(ModuleError::Settings(e.to_string())))?;
        let bytes = read(source, store, path, limits.module_bytes_max).await?;
        let origin = Origin::Object(Arc::clone(store), path.clone(), settings.clone());
        let mut settings = settings.clone();
        let wants_signature = !self.0.options.trusted_keys.is_empty();
        if settings.signature.is_none() && wants_signature {
            settings.signature = signature(source, store, path).await?;
        }
        let registry = self.clone();
        let source = source.to_owned();
        off_thread(move || {
            registry.compile(&Candidate {
                name: &source,
                from: ModuleFrom::Bytes(&bytes),
                settings: SettingsFrom::Given(&settings),
                pinned,
                origin,
                by_sql,
            })
        })
        .await
    }
}

/// A URL as it is shown, and the path of the object.
pub(super) fn parse_url(url: &str) -> Result<(String, ObjectPath)> {
    let shown = shown_url(url);
    let wrong = |problem: String| Error::Usage(format!("plugin {shown}: {problem}"));
    let parsed = Url::parse(url).map_err(|e| wrong(format!("this is no URL ({e})")))?;
    let path = ObjectPath::from_url_path(parsed.path()).map_err(|e| wrong(e.to_string()))?;
    if path.as_ref().is_empty() {
        return Err(wrong("the URL names no object; give its path, too".into()));
    }
    Ok((shown, path))
}

/// A URL without what may be a password: user, query and fragment.
pub(super) fn shown_url(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else {
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        return format!("{}://…", escape_cut(scheme, 40));
    };
    // Not every URL can have them; then there are none to take away.
    let _ = parsed.set_password(None);
    let _ = parsed.set_username("");
    parsed.set_query(None);
    parsed.set_fragment(None);
    escape_cut(parsed.as_str(), URL_BYTES_MAX)
}

/// The bytes of an object, if they are no more than this.
async fn read(
    source: &str,
    store: &Arc<dyn ObjectStore>,
    path: &ObjectPath,
    bytes_max: usize,
) -> Result<Vec<u8>> {
    let max = bytes_max as u64;
    let failed = |error: object_store::Error| {
        refused(source)(match error {
            object_store::Error::NotFound { .. } => ModuleError::FileMissing,
            error => ModuleError::FileUnreadable(std::io::Error::other(error)),
        })
    };
    let too_large = |bytes| refused(source)(ModuleError::TooLarge { bytes, max });
    let object = store.get(path).await.map_err(failed)?;
    if object.meta.size > max {
        return Err(too_large(object.meta.size));
    }
    let mut bytes = Vec::with_capacity(object.meta.size as usize);
    let mut parts = object.into_stream();
    while let Some(part) = parts.next().await {
        let part = part.map_err(failed)?;
        // What a store says of a size is checked, too.
        let length = bytes.len() as u64 + part.len() as u64;
        if length > max {
            return Err(too_large(length));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

/// The signature that is beside a module, if there is one.
async fn signature(
    source: &str,
    store: &Arc<dyn ObjectStore>,
    path: &ObjectPath,
) -> Result<Option<SignatureSource>> {
    let beside = ObjectPath::from(format!("{path}.minisig"));
    let object = match store.get(&beside).await {
        Ok(object) => object,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => {
            let problem = format!("the signature {beside} cannot be read: {error}");
            return Err(refused(source)(ModuleError::Signature(problem)));
        }
    };
    let mut text = Vec::new();
    let mut parts = object.into_stream();
    while let Some(Ok(part)) = parts.next().await
        && (text.len() as u64) < SIGNATURE_BYTES_MAX
    {
        text.extend_from_slice(&part);
    }
    text.truncate(SIGNATURE_BYTES_MAX as usize);
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok(Some(SignatureSource::Text(text)))
}
