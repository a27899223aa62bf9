//! What SQL text names after `AS`: a file, a URL of an object store, or the bytes of a module. SQL text is from strangers:
//! [`RegistryOptions::sql_modules`](super::RegistryOptions::sql_modules) says which of them it may name, and nothing is granted to what it names.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use datafusion::execution::runtime_env::RuntimeEnv;
use percent_encoding::percent_decode_str;
use url::Url;

use super::candidate::{Candidate, ModuleFrom, SettingsFrom, refused};
use super::lifecycle::off_thread;
use super::objects::{parse_url, shown_url};
use super::options::SettingsFiles;
use super::{Registry, SqlModules};
use crate::error::{Error, Result};
use crate::module::{Digest, ModuleError, escape_cut};
use crate::plugin::{Origin, Plugin};
use crate::settings::{PluginSettings, parse_digest};

/// How a text begins that is the module itself.
const DATA: &str = "data:";
/// Bytes of what SQL text names that are shown.
const SHOWN_BYTES_MAX: usize = 200;
/// Longest description of the bytes in a `data:` URL.
const MEDIA_TYPE_BYTES_MAX: usize = 200;

/// Padding may be there or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What SQL text names.
enum Named<'a> {
    File(PathBuf),
    Url(Url),
    Data(&'a str),
}

impl Registry {
    /// Compiles what SQL text names, without giving it a name here. In async code that runs in tokio, off the threads that run queries.
    pub(crate) async fn compile_for_sql(
        &self,
        text: &str,
        runtime: &RuntimeEnv,
    ) -> Result<Arc<Plugin>> {
        let (text, pinned) = pinned(text)?;
        let SqlModules { files, urls, bytes } = self.0.options.sql_modules();
        let refuse = |what: &str| {
            Error::Usage(format!(
                "plugin {}: CREATE FUNCTION may not name {what} here; whoever embeds the engine allows it with `sql_modules`",
                shown(text)
            ))
        };
        match Named::of(text)? {
            Named::File(_) if !files => Err(refuse("files")),
            Named::Url(_) if !urls => Err(refuse("URLs")),
            Named::Data(_) if !bytes => Err(refuse("the bytes of a module")),
            Named::File(path) => {
                let registry = self.clone();
                off_thread(move || registry.compile_file_for_sql(&path, pinned)).await
            }
            Named::Url(url) => {
                let (source, path) = parse_url(url.as_str())?;
                let store = runtime
                    .object_store_registry
                    .get_store(&url)
                    .map_err(|_| {
                        Error::Usage(format!(
                            "plugin {source}: this session has no object store for it; its embedder registers one with \
                             `RuntimeEnv::register_object_store`"
                        ))
                    })?;
                self.compile_object(
                    &source,
                    &store,
                    &path,
                    &PluginSettings::default(),
                    pinned,
                    true,
                )
                .await
            }
            Named::Data(data) => {
                let (registry, data) = (self.clone(), data.to_owned());
                off_thread(move || registry.compile_data_for_sql(&data, pinned)).await
            }
        }
    }

    /// Compiles the bytes that SQL text holds.
    fn compile_data_for_sql(&self, data: &str, pinned: Option<Digest>) -> Result<Arc<Plugin>> {
        let bytes = decoded(data, self.0.options.limits.module_bytes_max)
            .map_err(refused(&shown_data(data)))?;
        let name = format!("{DATA}{}", Digest::of(&bytes));
        self.compile(&Candidate {
            name: &name,
            from: ModuleFrom::Bytes(&bytes),
            settings: SettingsFrom::Nowhere,
            pinned,
            origin: Origin::Bytes,
            by_sql: true,
        })
    }

    /// Compiles a file that SQL text names: see [`RegistryOptions::module_root`](super::RegistryOptions::module_root).
    fn compile_file_for_sql(&self, path: &Path, pinned: Option<Digest>) -> Result<Arc<Plugin>> {
        let name = path.display().to_string();
        let Some(root) = &self.0.options.module_root else {
            let settings = match self.0.options.settings_files {
                SettingsFiles::All => SettingsFrom::Beside(path),
                SettingsFiles::Trusted | SettingsFiles::Off => SettingsFrom::Nowhere,
            };
            let given = match settings {
                SettingsFrom::Beside(_) => None,
                _ => Some(PluginSettings::default()),
            };
            return self.compile(&Candidate {
                name: &name,
                from: ModuleFrom::File(path),
                settings,
                pinned,
                origin: Origin::File(path.to_owned(), given),
                by_sql: true,
            });
        };
        let outside = || {
            Error::Usage(format!(
                "plugin {}: CREATE FUNCTION may only name files below the directory of plugins; give a path relative to it",
                shown(&name)
            ))
        };
        let failed = |error: std::io::Error| Error::Host {
            what: "the directory of plugins could not be read".into(),
            reason: error.to_string(),
        };
        let root = root.canonicalize().map_err(failed)?;
        let file = match root.join(path).canonicalize() {
            Ok(file) => file,
            // The same answer for what is not there and for what is elsewhere: nobody learns what exists outside.
            Err(_) if path.is_absolute() || name.contains("..") => return Err(outside()),
            Err(_) => root.join(path),
        };
        if !file.starts_with(&root) {
            return Err(outside());
        }
        self.compile(&Candidate {
            name: &name,
            from: ModuleFrom::File(&file),
            settings: self.beside(&file),
            pinned,
            origin: Origin::File(file.clone(), None),
            by_sql: true,
        })
    }
}

impl<'a> Named<'a> {
    /// What a text is, before anybody looks at what it names.
    fn of(text: &'a str) -> Result<Self> {
        if has_prefix(text, DATA) {
            return Ok(Self::Data(text));
        }
        if !text.contains("://") {
            return Ok(Self::File(text.into()));
        }
        let wrong = |problem: String| Error::Usage(format!("plugin {}: {problem}", shown(text)));
        // What the parser takes the scheme to be counts, not the text: it drops white space, in front and within.
        let url = Url::parse(text).map_err(|error| wrong(format!("this is no URL ({error})")))?;
        if url.scheme() != "file" {
            return Ok(Self::Url(url));
        }
        let path = url.to_file_path().map_err(|()| {
            wrong("this is no URL of a file; write file:///path/to/it, or the path alone".into())
        })?;
        Ok(Self::File(path))
    }
}

/// The text of `'text@sha256:…'`, and the digest that its module must have.
fn pinned(text: &str) -> Result<(&str, Option<Digest>)> {
    match text.rsplit_once('@') {
        Some((text, digest)) if digest.starts_with("sha256:") => {
            let digest = parse_digest(digest)
                .map_err(|error| Error::Usage(format!("plugin {}: {error}", shown(text))))?;
            Ok((text, Some(digest)))
        }
        _ => Ok((text, None)),
    }
}

/// The bytes of `data:[type][;base64],…` (RFC 2397), if they are not more than this. White space between them does not count.
fn decoded(data: &str, bytes_max: usize) -> Result<Vec<u8>, ModuleError> {
    let wrong = |problem: &str| ModuleError::Data(problem.to_owned());
    let data = data.get(DATA.len()..).unwrap_or_default();
    let (described, data) = data
        .split_once(',')
        .filter(|(described, _)| described.len() <= MEDIA_TYPE_BYTES_MAX)
        .ok_or_else(|| wrong("there is no comma before the bytes"))?;
    let mut described = described.split(';');
    let media_type = described.next().unwrap_or_default().trim();
    let is_base64 = described.any(|part| part.trim().eq_ignore_ascii_case("base64"));
    let is_text = media_type.is_empty() || has_prefix(media_type, "text/");
    let is_binary = ["application/wasm", "application/octet-stream"];
    if !is_text && !is_binary.iter().any(|t| media_type.eq_ignore_ascii_case(t)) {
        let found = escape_cut(media_type, SHOWN_BYTES_MAX);
        return Err(ModuleError::Data(format!("the type is {found}")));
    }
    // As many bytes as they can be at least, before anything is made of them.
    let length = data.len() - data.bytes().filter(u8::is_ascii_whitespace).count();
    let length = match is_base64 {
        true if data.contains('%') => length / 3 / 4 * 3,
        true => length / 4 * 3,
        false if data.contains('%') => length / 3,
        false => length,
    };
    if length > bytes_max.saturating_add(3) {
        return Err(ModuleError::TooLarge {
            bytes: length as u64,
            max: bytes_max as u64,
        });
    }
    let bytes: Cow<'_, [u8]> = percent_decode_str(data).into();
    if !is_base64 {
        return Ok(bytes.into_owned());
    }
    let mut bytes = bytes.into_owned();
    bytes.retain(|byte| !byte.is_ascii_whitespace());
    BASE64
        .decode(bytes)
        .map_err(|error| ModuleError::Data(format!("the bytes are not base64: {error}")))
}

fn has_prefix(text: &str, prefix: &str) -> bool {
    let start = text.get(..prefix.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// What SQL text names, as it is shown in messages.
fn shown(text: &str) -> String {
    match has_prefix(text, DATA) {
        true => shown_data(text),
        false if text.contains("://") => shown_url(text),
        false => escape_cut(text, SHOWN_BYTES_MAX),
    }
}

/// Not the bytes.
fn shown_data(data: &str) -> String {
    let described = data.split(',').next().unwrap_or_default();
    format!("{},…", escape_cut(described, 40))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(data: &str, max: usize) -> Result<Vec<u8>, String> {
        decoded(data, max).map_err(|error| error.to_string())
    }

    #[test]
    fn bytes_come_in_the_forms_of_rfc_2397() {
        let wasm = Ok(b"\0asm".to_vec());
        for data in [
            "data:application/wasm;base64,AGFzbQ==",
            "DATA:application/wasm;BASE64,AGFzbQ",
            "data:application/wasm;base64,AGFzbQ%3D%3D",
            "data:;base64,AGF\n zbQ==",
            "data:application/octet-stream;name=geo;base64,AGFzbQ==",
            "data:application/wasm,%00asm",
        ] {
            assert_eq!(bytes(data, 4), wasm, "{data}");
        }
        let text = bytes("data:text/plain;charset=utf-8,(module)", 100);
        assert_eq!(text, Ok(b"(module)".to_vec()));
    }

    #[test]
    fn what_is_no_module_is_refused_before_it_is_decoded() {
        let error = |data: &str| bytes(data, 4).expect_err("refused");
        assert!(error("data:application/wasm;base64").contains("no comma"));
        assert!(error("data:image/png;base64,AGFzbQ==").contains("image/png"));
        assert!(error("data:application/wasm;base64,A?").contains("base64"));
        let much = format!("data:;base64,{}", "A".repeat(1 << 20));
        assert!(error(&much).contains("module_bytes_max"));
        let much = format!("data:,{}", "%41".repeat(100));
        assert!(error(&much).contains("module_bytes_max"));
        assert_eq!(shown(&much), "data:,…");
    }

    #[test]
    fn texts_are_told_apart() {
        let is_file = |text: &str, path: &str| matches!(Named::of(text), Ok(Named::File(found)) if found == Path::new(path));
        assert!(is_file("geo.wasm", "geo.wasm"));
        assert!(is_file("file:///geo%20two.wasm", "/geo two.wasm"));
        assert!(is_file("FILE:///geo.wasm", "/geo.wasm"));
        assert!(matches!(Named::of("s3://b/geo.wasm"), Ok(Named::Url(_))));
        assert!(matches!(Named::of("Data:,x"), Ok(Named::Data(_))));
        assert!(Named::of("file://elsewhere/geo.wasm").is_err());
    }
}
