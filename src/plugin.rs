//! A plugin: a compiled module together with what it says of itself.

use std::fmt;
use std::sync::Arc;

use crate::compiled::CompiledModule;
use crate::deadline::{Cancellation, Interruption};
use crate::error::{Error, FunctionId, Result};
use crate::instance::{Failure, Instance};
use crate::limits::Limits;
use crate::module::{AbiVersion, Digest, FunctionDecl, Manifest, ModuleError, ModuleSource};

/// A loaded plugin. It never changes: another version of it is another value.
pub struct Plugin {
    module: CompiledModule,
    manifest: Manifest,
    source: String,
}

impl Plugin {
    /// Compiles a module and asks it for its manifest, in an instance that lives for nothing else. `name` is the file, or whatever
    /// the user knows the module by.
    ///
    /// # Errors
    ///
    /// If the module or its manifest is refused; the error says why and what to do.
    pub(crate) fn load(
        name: &str,
        source: &ModuleSource,
        limits: &Limits,
        interruption: Interruption,
    ) -> Result<Self> {
        let mut module = CompiledModule::new(name, source, limits, interruption)?;
        let manifest = describe(name, &module)?;
        module.resolve_functions(
            manifest
                .functions
                .iter()
                .map(|function| function.export.as_str()),
        );
        Ok(Self {
            module,
            manifest,
            source: name.to_owned(),
        })
    }

    /// The name that the plugin gives itself.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// Where it was loaded from.
    pub fn source(&self) -> &str {
        &self.source
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

    pub(crate) fn module(&self) -> &CompiledModule {
        &self.module
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

/// Asks a module for its version of the interface and its manifest.
fn describe(name: &str, module: &CompiledModule) -> Result<Manifest> {
    let failed = |export: &str| {
        let function = FunctionId {
            function: export.to_owned(),
            plugin: name.to_owned(),
        };
        move |failure: Failure| failure.into_error(function.clone(), module.limits())
    };
    let refused = |reason: ModuleError| Error::Module {
        plugin: name.to_owned(),
        reason: Box::new(reason),
    };
    let exports = module.exports();

    let mut instance =
        Instance::new(module, Cancellation::default(), None).map_err(failed("start"))?;
    let version = match &exports.abi_version {
        Some(export) => Some(
            instance
                .call_plain(module, export)
                .map_err(failed(wasmfusion_abi::export::ABI_VERSION))?,
        ),
        None => None,
    };
    AbiVersion::of(version).check().map_err(refused)?;

    let address = match &exports.describe {
        Some(export) => instance
            .call_plain(module, export)
            .map_err(failed(wasmfusion_abi::export::DESCRIBE))?,
        None => 0,
    };
    let manifest = instance
        .manifest_bytes(module, address.cast_unsigned())
        .map_err(refused)?;
    let manifest =
        Manifest::parse(&manifest, module.limits()).map_err(|reason| refused(reason.into()))?;
    manifest
        .check_exports(module.info())
        .map_err(|reason| refused(reason.into()))?;
    Ok(manifest)
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

    pub(crate) fn id(&self) -> FunctionId {
        self.plugin.function_id(self.place)
    }
}
