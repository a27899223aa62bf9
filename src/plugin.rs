//! A plugin: a compiled module together with what it says of itself and what its operator says of it.

mod described;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::object_store::ObjectStore;
use datafusion::object_store::path::Path as ObjectPath;

use crate::artifact::{ArtifactCache, ArtifactId, Target};
use crate::capability::{Capability, CapabilityKind, Grants, Permissions};
use crate::compiled::{CompileOptions, CompiledModule};
use crate::deadline::Interruption;
use crate::engine::Tooling;
use crate::error::{Error, FunctionId, Result};
use crate::host::{HostFunction, HostServices, PluginHost};
use crate::instance::PoolOptions;
use crate::lifecycle::{Events, Standing, Suspension};
use crate::limits::Limits;
use crate::module::{self, Digest, FunctionDecl, Manifest, ModuleError, ModuleSource, Volatility};
use crate::observe::{Observers, Usage};
use crate::profile::Profiler;
use crate::settings::PluginSettings;
pub(crate) use described::{Description, describe};
use described::{described, redactor};

/// A loaded plugin. It never changes: another version of it is another value.
pub struct Plugin {
    module: CompiledModule,
    manifest: Manifest,
    settings: PluginSettings,
    grants: Grants,
    source: String,
    observers: Observers,
    origin: Origin,
    by_sql: bool,
    standing: Arc<Standing>,
}

/// Where a plugin can be loaded from again.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// A file, with the settings beside it or with these.
    File(PathBuf, Option<PluginSettings>),
    /// An object of a store.
    Object(Arc<dyn ObjectStore>, ObjectPath, PluginSettings),
    /// Nowhere: its bytes were given.
    Bytes,
}

/// How a plugin is loaded.
pub(crate) struct LoadOptions<'a> {
    /// The file, or whatever the user knows the module by.
    pub(crate) name: &'a str,
    /// Where it can be had again.
    pub(crate) origin: &'a Origin,
    /// Whether SQL text names it.
    pub(crate) by_sql: bool,
    /// Where it is put on record what happens to it.
    pub(crate) events: &'a Events,
    /// The file in which the operator could grant something.
    pub(crate) settings_file: Option<String>,
    pub(crate) settings: &'a PluginSettings,
    /// What every plugin is granted.
    pub(crate) grants: &'a Grants,
    /// The registry's, with those of the settings in place of theirs.
    pub(crate) limits: &'a Limits,
    /// The registry's, with those of the settings in place of theirs.
    pub(crate) pool: &'a PoolOptions,
    pub(crate) interruption: Interruption,
    pub(crate) tooling: Tooling,
    /// Who samples its instances.
    pub(crate) profiler: Option<&'a Profiler>,
    /// Where compiled modules are kept.
    pub(crate) artifacts: Option<&'a ArtifactCache>,
    /// Whether well-known forms of secrets are redacted as well as those that were granted.
    pub(crate) redact_well_known: bool,
    /// Where its calls are counted, if they are.
    pub(crate) usage: Option<&'a Usage>,
    /// What host functions work with. Asked for only if the module imports some.
    pub(crate) services: &'a dyn Fn() -> Result<HostServices>,
    /// Who is told of its calls.
    pub(crate) observers: &'a Observers,
}

impl Plugin {
    /// Compiles a module, asks it for its manifest, in an instance that lives for nothing else, and gives it what it was granted.
    ///
    /// # Errors
    ///
    /// If the module or its manifest is refused, or it asks for more than it was granted; the error says why and what to do.
    pub(crate) fn load(source: &ModuleSource, options: &LoadOptions<'_>) -> Result<Self> {
        let LoadOptions {
            name,
            origin,
            by_sql,
            events,
            settings_file,
            settings,
            grants: everybodys,
            limits,
            pool,
            interruption,
            tooling,
            profiler,
            artifacts,
            redact_well_known,
            usage,
            services,
            observers,
        } = options;
        let refused = |reason: ModuleError| Error::Module {
            plugin: (*name).to_owned(),
            reason: Box::new(reason),
        };
        let compile = CompileOptions {
            name,
            limits,
            pool,
            interruption: *interruption,
            tooling: *tooling,
        };
        let told = |problem| refused(ModuleError::Settings(problem));
        let (mut module, mut manifest) =
            described(source, compile, *artifacts, *redact_well_known)?;
        manifest
            .choose(settings.functions.as_deref(), &settings.aliases)
            .map_err(|error| refused(error.into()))?;
        check_requested(&manifest, &module).map_err(refused)?;
        let mut grants = settings.grants.clone();
        grants.add_needed(everybodys, &manifest.capabilities);
        check_granted(&manifest, &grants, settings_file.as_deref()).map_err(refused)?;
        settings.check_config(&manifest).map_err(told)?;
        let secrets = settings.secret_values(&manifest).map_err(told)?;
        let redactor = redactor(&secrets, *redact_well_known).map_err(told)?;
        module.set_redactor(redactor);
        if !module.imports().is_empty() {
            let permissions = Permissions::new(&manifest.capabilities, &grants);
            let host = PluginHost::new(
                &manifest,
                permissions,
                settings,
                secrets,
                &module,
                services()?,
            );
            module.set_host(Arc::new(host.map_err(told)?));
        }
        let functions = manifest.functions.iter();
        module.resolve_functions(functions.clone().map(|function| function.export.as_str()));
        if let Some(usage) = usage {
            let counters =
                functions.map(|function| usage.function(&manifest.name, &function.name, observers));
            module.set_counters(counters.collect());
        }
        let standing = Standing::new(&manifest.name, &manifest.version, limits, events);
        module.set_names(&manifest);
        if let Some(profiler) = profiler {
            module.set_profiler(profiler);
        }
        Ok(Self {
            module,
            manifest,
            settings: (*settings).clone(),
            grants,
            source: (*name).to_owned(),
            observers: (*observers).clone(),
            origin: (*origin).clone(),
            by_sql: *by_sql,
            standing: Arc::new(standing),
        })
    }

    /// What the plugin in a module says of itself.
    ///
    /// # Errors
    ///
    /// If the module or its manifest is refused.
    pub(crate) fn describe(
        name: &str,
        source: &ModuleSource,
        limits: &Limits,
        interruption: Interruption,
        redact_well_known: bool,
    ) -> Result<Manifest> {
        let compile = CompileOptions {
            name,
            limits,
            pool: &PoolOptions::default(),
            interruption,
            tooling: Tooling::default(),
        };
        let (_, manifest) = described(source, compile, None, redact_well_known)?;
        Ok(manifest)
    }

    /// What its operator says of it.
    pub fn settings(&self) -> &PluginSettings {
        &self.settings
    }

    /// What it was granted, by its operator and as every plugin is.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Whether the values of its secrets are still those that it was loaded with.
    pub(crate) fn has_current_secrets(&self) -> bool {
        let current = || self.settings.secret_values(&self.manifest).ok();
        self.module
            .host()
            .is_none_or(|host| Some(host.secrets()) == current().as_ref())
    }

    /// Whether it was made of the same module with the same settings.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.digest() == other.digest() && self.settings == other.settings
    }

    /// Whether it asked for something of this kind and was granted it, as every host call is checked.
    pub fn permits(&self, kind: CapabilityKind) -> bool {
        let host = self.module.host();
        host.is_some_and(|host| host.permissions().allows(kind))
    }

    /// Whether its functions may keep a thread waiting: for the network, for a process.
    pub(crate) fn may_block(&self) -> bool {
        let host = self.module.host();
        host.is_some_and(|host| host.permissions().may_block())
    }

    /// The name that the plugin gives itself.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// Where it was loaded from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What `EXPLAIN VERBOSE` shows of it.
    pub(crate) fn label(&self) -> String {
        let digest = self.digest().to_string();
        let (name, version) = (self.name(), &self.manifest.version);
        let source = module::escape(&self.source);
        format!("{name} {version} from {source}, sha256:{digest}")
    }

    /// Whether it was made by SQL text.
    pub(crate) fn is_by_sql(&self) -> bool {
        self.by_sql
    }

    /// Where it can be had again.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether it may be called, and how it fares.
    pub(crate) fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    /// Who has suspended it, if it is suspended.
    pub fn suspension(&self) -> Option<Suspension> {
        self.standing.suspension()
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The identity of its bytes.
    pub fn digest(&self) -> Digest {
        self.module.digest()
    }

    /// The limits under which its functions run.
    pub fn limits(&self) -> &Limits {
        self.module.limits()
    }

    /// How its functions are stopped when they run too long.
    pub fn interruption(&self) -> Interruption {
        self.module.interruption()
    }

    /// Who is told of its calls.
    pub(crate) fn observers(&self) -> &Observers {
        &self.observers
    }

    pub(crate) fn module(&self) -> &CompiledModule {
        &self.module
    }

    /// What the artifact is for that it has on this host, if it has one.
    pub(crate) fn artifact(&self) -> ArtifactId {
        let compile = CompileOptions {
            name: &self.source,
            limits: self.limits(),
            pool: self.module.pool().options(),
            interruption: self.interruption(),
            // Artifacts are the same for all tools.
            tooling: Tooling::default(),
        };
        compile.artifact(self.digest(), &Target::host())
    }

    /// The function at `place` in the manifest, for messages.
    pub(crate) fn function_id(&self, place: usize) -> FunctionId {
        let function = self
            .manifest
            .functions
            .get(place)
            .map(|f| f.name.clone())
            .unwrap_or_default();
        FunctionId {
            function,
            plugin: self.name().to_owned(),
        }
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name())
            .field("version", &self.manifest.version)
            .field("source", &self.source)
            .field("digest", &self.digest())
            .finish_non_exhaustive()
    }
}

/// That the manifest asks for a capability for each host function that the module imports.
fn check_requested(manifest: &Manifest, module: &CompiledModule) -> Result<(), ModuleError> {
    let asks = |kind: &CapabilityKind| manifest.capabilities.iter().any(|c| c.kind() == *kind);
    for import in module.imports() {
        let Some(function) = HostFunction::named(import) else {
            continue;
        };
        let needed = function.capabilities;
        let asked = match needed {
            [] => !manifest.capabilities.is_empty(),
            needed => needed.iter().any(asks),
        };
        if !asked {
            let needed: Vec<&str> = needed.iter().map(|kind| kind.name()).collect();
            return Err(ModuleError::NotRequested {
                name: function.name.to_owned(),
                needed: match needed.as_slice() {
                    [] => "any".to_owned(),
                    needed => needed.join(", "),
                },
            });
        }
    }
    Ok(())
}

/// That everything that the plugin asks for was granted.
fn check_granted(
    manifest: &Manifest,
    grants: &Grants,
    settings_file: Option<&str>,
) -> Result<(), ModuleError> {
    let missing = grants.missing(&manifest.capabilities);
    if missing.is_empty() {
        return Ok(());
    }
    Err(ModuleError::NotGranted {
        missing: missing.into_iter().map(Capability::to_string).collect(),
        file: settings_file.map(str::to_owned),
    })
}

/// A function of a plugin, by its place in the manifest.
#[derive(Clone, Debug)]
pub(crate) struct FunctionRef {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) place: usize,
}

impl FunctionRef {
    pub(crate) fn decl(&self) -> &FunctionDecl {
        &self.plugin.manifest.functions[self.place]
    }

    /// Whether a batch may be computed in parts, and a part again: what the function does apart from returning something is done once a batch.
    pub(crate) fn may_split(&self) -> bool {
        self.decl().volatility != Volatility::Volatile && self.plugin.module.host().is_none()
    }

    pub(crate) fn id(&self) -> FunctionId {
        self.plugin.function_id(self.place)
    }
}
