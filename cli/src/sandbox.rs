//! What the command line says of plugins, as a registry has it.

use wasmfusion::{RegistryOptions, SettingsFiles};

use crate::args::SandboxArgs;
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
    options.grants = args.grants.iter().cloned().collect();
    options.require_signed = args.require_signed;
    options.trusted_keys.clone_from(&args.trusted_keys);
    Ok(options)
}
