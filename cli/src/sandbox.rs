//! What the command line says of plugins, as a registry has it.

use wasmfusion::{ArtifactKey, ArtifactOptions, RegistryOptions, SettingsFiles};

use crate::args::{ArtifactArgs, SandboxArgs};
use crate::limits::limits;
use crate::pool::pool;

/// The options of a registry.
pub fn options(args: &SandboxArgs) -> Result<RegistryOptions, String> {
    let mut options = RegistryOptions::default();
    options.limits = limits(&args.limits)?;
    options.pool = pool(&args.pool)?;
    options.interruption = args.interruption.into();
    options.settings_files = match args.no_settings_files {
        true => SettingsFiles::Off,
        // Whoever types here is the operator.
        false => SettingsFiles::All,
    };
    // So that SQL may suspend, reload and unload plugins.
    options.sql_admin = true;
    options.grants = args.grants.iter().cloned().collect();
    options.require_signed = args.require_signed;
    options.perf_map = args.perf_map;
    options.trusted_keys.clone_from(&args.trusted_keys);
    Ok(options)
}

/// Where compiled modules are kept, if that is anywhere.
pub fn artifacts(args: &ArtifactArgs) -> Result<Option<ArtifactOptions>, String> {
    let Some(directory) = &args.directory else {
        return Ok(None);
    };
    let mut options = ArtifactOptions::new(directory);
    if let Some(file) = &args.key_file {
        let key = ArtifactKey::from_file(file).map_err(|error| error.to_string())?;
        options.key = Some(key);
    }
    Ok(Some(options))
}
