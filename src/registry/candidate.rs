//! A module on its way to become a plugin: its settings, its integrity, its compilation.

use std::path::Path;
use std::sync::{Arc, Weak};

use tracing::field::{Empty, display};

use super::{Inner, Registry};
use crate::error::{Error, Result};
use crate::instance::PoolOptions;
use crate::limits::Limits;
use crate::module::{Digest, ModuleError, ModuleSource, escape};
use crate::plugin::{LoadOptions, Origin, Plugin};
use crate::settings::{self, PluginSettings, SettingsError, SignatureSource};

use super::options::SettingsFiles;

/// A module that is about to be loaded.
pub(super) struct Candidate<'a> {
    /// The file, or whatever the user knows it by.
    pub(super) name: &'a str,
    pub(super) from: ModuleFrom<'a>,
    pub(super) settings: SettingsFrom<'a>,
    /// The digest that SQL text pins.
    pub(super) pinned: Option<Digest>,
    /// Where it can be had again.
    pub(super) origin: Origin,
    /// Whether SQL text names it.
    pub(super) by_sql: bool,
}

/// Where a module comes from.
#[derive(Clone, Copy)]
pub(super) enum ModuleFrom<'a> {
    File(&'a Path),
    Bytes(&'a [u8]),
}

/// Where a module's settings come from.
#[derive(Clone, Copy)]
pub(super) enum SettingsFrom<'a> {
    /// The caller.
    Given(&'a PluginSettings),
    /// The file beside it, if there is one.
    Beside(&'a Path),
    /// Nobody.
    Nowhere,
}

impl Registry {
    pub(super) fn compile_file(
        &self,
        path: &Path,
        settings: Option<&PluginSettings>,
    ) -> Result<Arc<Plugin>> {
        let name = path.display().to_string();
        self.compile(&Candidate {
            name: &name,
            from: ModuleFrom::File(path),
            settings: settings.map_or_else(|| self.beside(path), SettingsFrom::Given),
            pinned: None,
            origin: Origin::File(path.to_owned(), settings.cloned()),
            by_sql: false,
        })
    }

    /// The settings of a module that the embedder chose.
    pub(super) fn beside<'a>(&self, module: &'a Path) -> SettingsFrom<'a> {
        match self.0.options.settings_files {
            SettingsFiles::Off => SettingsFrom::Nowhere,
            SettingsFiles::Trusted | SettingsFiles::All => SettingsFrom::Beside(module),
        }
    }

    /// Compiles a module, without giving it a name here.
    pub(super) fn compile(&self, candidate: &Candidate<'_>) -> Result<Arc<Plugin>> {
        let span = tracing::info_span!(
            target: "wasmfusion::load",
            "wasm_load",
            otel.name = display(format_args!("load {}", escape(candidate.name))),
            otel.kind = "internal",
            otel.status_code = Empty,
            otel.status_description = Empty,
            error.type = Empty,
            file.path = escape(candidate.name),
            wasmfusion.plugin.name = Empty,
            wasmfusion.plugin.version = Empty,
            wasmfusion.plugin.digest = Empty,
        );
        let loaded = span.in_scope(|| self.compile_new(candidate));
        match &loaded {
            _ if span.is_disabled() => {}
            Ok(plugin) => {
                let names = plugin.module().names();
                span.record("wasmfusion.plugin.name", &names.plugin);
                span.record("wasmfusion.plugin.version", &names.version);
                span.record("wasmfusion.plugin.digest", display(plugin.digest()));
            }
            Err(error) => {
                span.record("otel.status_code", "ERROR");
                span.record("otel.status_description", display(error));
                span.record("error.type", error.kind());
            }
        }
        loaded
    }

    fn compile_new(&self, candidate: &Candidate<'_>) -> Result<Arc<Plugin>> {
        let Inner {
            options, compiled, ..
        } = self.0.as_ref();
        let Candidate { name, origin, .. } = candidate;
        let _loading = self.0.intake.begin(name);
        let (settings, limits, pool) = self.settings_of(candidate)?;
        let source = match candidate.from {
            ModuleFrom::File(path) => ModuleSource::from_file(path, &limits),
            ModuleFrom::Bytes(bytes) => ModuleSource::from_bytes(bytes, &limits),
        }
        .map_err(refused(name))?;
        self.check_integrity(candidate, &settings, &source)?;
        let same = |plugin: Arc<Plugin>| {
            let is_same = *plugin.settings() == settings && plugin.has_current_secrets();
            // What a statement has made is read again from where the statement says: an operator's plugin is not.
            let may_share = candidate.by_sql || !plugin.is_by_sql();
            (is_same && may_share).then_some(plugin)
        };
        let there = compiled
            .get(&source.digest())
            .and_then(|plugins| plugins.iter().filter_map(Weak::upgrade).find_map(same));
        if let Some(plugin) = there {
            return Ok(plugin);
        }
        let settings_file = matches!(candidate.settings, SettingsFrom::Beside(_))
            .then(|| Path::new(name).with_extension("toml").display().to_string());
        let plugin = Arc::new(Plugin::load(
            &source,
            &LoadOptions {
                name,
                origin,
                by_sql: candidate.by_sql,
                events: &self.0.events,
                settings_file,
                settings: &settings,
                grants: &options.grants,
                limits: &limits,
                pool: &pool,
                interruption: options.interruption(),
                tooling: options.tooling(),
                profiler: options.profiler.as_ref(),
                artifacts: self.artifacts()?.as_ref(),
                redact_well_known: options.redact_well_known,
                usage: options.count_calls.then_some(&self.0.usage),
                services: &|| self.services(),
                observers: &self.0.observers,
            },
        )?);
        compiled.retain(|_, plugins| {
            plugins.retain(|plugin| plugin.strong_count() > 0);
            !plugins.is_empty()
        });
        compiled
            .entry(source.digest())
            .or_default()
            .push(Arc::downgrade(&plugin));
        self.keep_suspended(&plugin);
        let names = plugin.module().names();
        tracing::debug!(
            target: "wasmfusion::registry",
            {
                wasmfusion.plugin.name = names.plugin,
                wasmfusion.plugin.version = names.version,
                wasmfusion.plugin.digest = %plugin.digest(),
                file.path = escape(name),
            },
            "plugin compiled"
        );
        Ok(plugin)
    }
}

impl Registry {
    /// The settings that hold for a module, its limits, and where its instances come from.
    pub(super) fn settings_of(
        &self,
        candidate: &Candidate<'_>,
    ) -> Result<(PluginSettings, Limits, PoolOptions)> {
        let wrong =
            |e: SettingsError| refused(candidate.name)(ModuleError::Settings(e.to_string()));
        let settings = match candidate.settings {
            SettingsFrom::Given(settings) => settings.clone(),
            SettingsFrom::Nowhere => PluginSettings::default(),
            SettingsFrom::Beside(path) => PluginSettings::beside(path)
                .map_err(wrong)?
                .unwrap_or_default(),
        };
        let limits = settings
            .limits_over(&self.0.options.limits)
            .map_err(wrong)?;
        let pool = settings.pool_over(&self.0.options.pool).map_err(wrong)?;
        Ok((settings, limits, pool))
    }

    /// That a module is the one that was pinned, and signed as it must be.
    pub(super) fn check_integrity(
        &self,
        candidate: &Candidate<'_>,
        settings: &PluginSettings,
        source: &ModuleSource,
    ) -> Result<()> {
        let options = &self.0.options;
        let refuse = |reason: ModuleError| refused(candidate.name)(reason);
        let found = source.digest();
        let pins = [
            (candidate.pinned, "in the statement"),
            (settings.digest, "in the plugin's settings"),
        ];
        for (pinned, place) in pins {
            if let Some(expected) = pinned
                && expected != found
            {
                return Err(refuse(ModuleError::Digest {
                    found,
                    expected,
                    place: place.to_owned(),
                }));
            }
        }
        let beside = || match candidate.from {
            ModuleFrom::File(path) => SignatureSource::beside(path),
            ModuleFrom::Bytes(_) => None,
        };
        let signature = settings.signature.clone().or_else(beside);
        settings::check_signature(
            source.given_bytes(),
            signature.as_ref(),
            &options.trusted_keys,
            options.require_signed,
        )
        .map_err(|problem| refuse(ModuleError::Signature(problem)))
    }
}

/// An error about the module of this name.
pub(super) fn refused(name: &str) -> impl FnOnce(ModuleError) -> Error {
    let plugin = escape(name);
    move |reason| Error::Module {
        plugin,
        reason: Box::new(reason),
    }
}
