//! What the plugin in a module says of itself: as it is kept, or by compiling the module and asking it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::artifact::{ArtifactCache, Meta, Target};
use crate::compiled::{CompileOptions, CompiledModule};
use crate::error::{Error, FunctionId, Result};
use crate::instance::{Failure, Instance, InstanceOptions};
use crate::module::{AbiVersion, Manifest, ModuleError, ModuleSource};
use crate::redact::Redactor;
use crate::settings::Secret;

/// A module that was compiled for this host, and what it says of itself.
pub(crate) struct Description {
    pub(crate) module: CompiledModule,
    pub(crate) manifest: Manifest,
    /// As it is kept.
    pub(crate) meta: Meta,
}

/// A compiled module and its manifest: as they are kept, or by compiling the module and asking it.
pub(super) fn described(
    source: &ModuleSource,
    options: CompileOptions<'_>,
    artifacts: Option<&ArtifactCache>,
    redact_well_known: bool,
) -> Result<(CompiledModule, Manifest)> {
    let artifacts = artifacts.map(|artifacts| {
        let id = options.artifact(source.digest(), &Target::host());
        (artifacts, id)
    });
    let kept = artifacts.and_then(|(artifacts, id)| artifacts.get(&id));
    let (module, mut manifest) = match kept {
        // What is kept has passed all checks, under these limits.
        Some(artifact) => {
            let manifest = Manifest::parse(artifact.meta.manifest.as_bytes(), options.limits)
                .map_err(|reason| refused(options.name, reason.into()))?;
            let is_certain = artifact.fits_processor;
            let mut module = CompiledModule::kept(source, options, &options.engine()?, artifact);
            module.set_redactor(redactor_of(options.name, redact_well_known)?);
            if !is_certain {
                // It may have to be compiled anew, which should not keep a query waiting.
                module.linked()?;
            }
            (module, manifest)
        }
        None => {
            let Description {
                module,
                manifest,
                meta,
            } = describe(source, options, redact_well_known)?;
            if let Some((artifacts, id)) = artifacts {
                artifacts.keep(&id, &meta, module.linked()?.pre.module());
            }
            (module, manifest)
        }
    };
    manifest.redact(module.redactor());
    Ok((module, manifest))
}

/// Compiles a module and asks it for its manifest, in an instance that lives for nothing else.
///
/// # Errors
///
/// If the module or its manifest is refused.
pub(crate) fn describe(
    source: &ModuleSource,
    options: CompileOptions<'_>,
    redact_well_known: bool,
) -> Result<Description> {
    let refused = |reason| refused(options.name, reason);
    let redactor = redactor_of(options.name, redact_well_known)?;
    let (mut module, info) = CompiledModule::compile(source, options, &options.engine()?)?;
    module.set_redactor(redactor);
    let bytes = ask(options.name, &module)?;
    let manifest =
        Manifest::parse(&bytes, options.limits).map_err(|reason| refused(reason.into()))?;
    manifest
        .check_exports(&info)
        .map_err(|reason| refused(reason.into()))?;
    let meta = Meta {
        imports: module.imports().to_vec(),
        // It was parsed, so it is text.
        manifest: String::from_utf8_lossy(&bytes).into_owned(),
    };
    Ok(Description {
        module,
        manifest,
        meta,
    })
}

/// Asks a module for its version of the interface and its manifest, as it gives it.
fn ask(name: &str, module: &CompiledModule) -> Result<Vec<u8>> {
    let failed = |export: &str| {
        let function = FunctionId {
            function: export.to_owned(),
            plugin: name.to_owned(),
        };
        move |failure: Failure| failure.into_error(function.clone())
    };
    let refused = |reason| refused(name, reason);
    let exports = &module.linked()?.exports;

    let mut instance =
        Instance::new(module, InstanceOptions::default()).map_err(failed("start"))?;
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
    instance
        .manifest_bytes(module, address.cast_unsigned())
        .map_err(refused)
}

/// What takes secrets out of the text of a plugin that has not been granted any.
fn redactor_of(name: &str, well_known: bool) -> Result<Arc<Redactor>> {
    redactor(&BTreeMap::new(), well_known)
        .map_err(|problem| refused(name, ModuleError::Settings(problem)))
}

pub(super) fn redactor(
    secrets: &BTreeMap<String, Secret>,
    well_known: bool,
) -> Result<Arc<Redactor>, String> {
    // Most plugins have no secrets, and share it.
    static WELL_KNOWN: OnceLock<Arc<Redactor>> = OnceLock::new();
    let shared = secrets.is_empty() && well_known;
    if shared && let Some(redactor) = WELL_KNOWN.get() {
        return Ok(Arc::clone(redactor));
    }
    let values = secrets.values().map(Secret::reveal);
    let redactor = Redactor::new(values, well_known).map_err(|error| error.to_string())?;
    let redactor = Arc::new(redactor);
    match shared {
        true => Ok(Arc::clone(WELL_KNOWN.get_or_init(|| redactor))),
        false => Ok(redactor),
    }
}

fn refused(name: &str, reason: ModuleError) -> Error {
    Error::Module {
        plugin: name.to_owned(),
        reason: Box::new(reason),
    }
}
