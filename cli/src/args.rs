//! The command line.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use datafusion_cli::object_storage::instrumented::InstrumentedObjectStoreMode;
use datafusion_cli::object_storage::is_stdin_location;
use datafusion_cli::pool_type::PoolType;
use datafusion_cli::print_format::PrintFormat;
use datafusion_cli::print_options::MaxRows;
use wasmfusion::{Capability, Interruption, PublicKey, Target};

use crate::limits::{self, LimitSetting};
use crate::logs::{self, LogFilter};
use crate::pool::{self, PoolSetting};
use crate::size;

const EXAMPLES: &str = "\
Examples:
  wasmfusion                                   SQL at a prompt: \\? for help, \\q to quit
  wasmfusion --plugins plugins                 the same, with the functions of all plugins in a directory
  wasmfusion -q -c \"SELECT * FROM 'data.csv'\"  one query; CSV, Parquet and JSON files are tables
  wasmfusion -f script.sql                     a script
  wasmfusion inspect geo.wasm                  what is in a plugin
  wasmfusion new my-plugin                     a crate for a plugin of one's own
  wasmfusion compile plugins --artifacts kept  compile plugins ahead, for a fast start with --artifacts kept
  wasmfusion profile --plugins plugins --flame-graph out.svg query.sql
                                               where the time of a query's functions goes

In SQL:
  CREATE FUNCTION great_circle_km() LANGUAGE WASM AS 'geo.wasm';
  DROP FUNCTION great_circle_km;

Exit codes:
  0 all went well, 1 a statement failed or a module is refused, 2 the command line is wrong";

/// SQL with sandboxed WebAssembly functions, on Apache DataFusion.
///
/// Without a subcommand this is DataFusion's SQL shell, with its options, commands and formats, in which functions can be WebAssembly.
#[derive(Debug, Parser)]
#[command(name = "wasmfusion", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do instead of SQL.
    #[command(subcommand)]
    pub tool: Option<Tool>,
    /// The shell.
    #[command(flatten)]
    pub shell: ShellArgs,
}

/// What is not SQL.
#[derive(Debug, Subcommand)]
pub enum Tool {
    /// Show what is in a plugin, or in a module that is refused
    Inspect(InspectArgs),
    /// Make a crate for a new plugin, which builds and tests
    New(NewArgs),
    /// Compile plugins ahead of their use, for this machine and for others
    Compile(CompileArgs),
    /// Run SQL and show where plugins spend their time
    Profile(Box<ProfileArgs>),
}

/// The shell.
#[derive(Debug, Args)]
pub struct ShellArgs {
    /// Make the functions of all plugins (.wasm and .wat files) in this directory callable
    #[arg(long, value_name = "DIR", value_parser = directory, value_hint = ValueHint::DirPath)]
    pub plugins: Vec<PathBuf>,

    #[command(flatten)]
    pub sandbox: SandboxArgs,

    /// Let CREATE FUNCTION … AS 'file' name only files below this directory; paths start there
    #[arg(long, value_name = "DIR", value_parser = directory, value_hint = ValueHint::DirPath)]
    pub module_root: Option<PathBuf>,

    /// Keep the key-value tables that plugins write in this file, which is made if it is not there [default: in memory]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub store: Option<PathBuf>,

    #[command(flatten)]
    pub artifacts: ArtifactArgs,

    /// Append a line of JSON to this file for each host call of a plugin; `SELECT * FROM wasmfusion.audit` shows the last ones
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub audit: Option<PathBuf>,

    /// Answer Prometheus at this address while the shell runs, as in 127.0.0.1:9464
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics_addr: Option<SocketAddr>,

    /// Let --metrics-addr be an address that other machines can reach
    #[arg(long, requires = "metrics_addr")]
    pub metrics_allow_remote: bool,

    /// Work in this directory instead of the current one
    #[arg(short = 'p', long, value_name = "DIR", value_parser = directory, value_hint = ValueHint::DirPath)]
    pub data_path: Option<PathBuf>,

    /// Rows in a batch [default: DataFusion's]
    #[arg(short, long, value_name = "ROWS")]
    pub batch_size: Option<NonZeroUsize>,

    /// Execute SQL and exit; the first statement that fails is the last one
    #[arg(short, long, value_name = "SQL", num_args = 1.., value_parser = NonEmptyStringValueParser::new())]
    pub command: Vec<String>,

    /// Memory that all queries together may use, for instance 10g [default: no limit]
    #[arg(short, long, value_name = "SIZE", value_parser = size::parse_usize)]
    pub memory_limit: Option<usize>,

    /// Execute SQL from files and exit; statements that fail are reported, and the rest goes on
    #[arg(short, long, value_name = "FILE", num_args = 1.., value_parser = file, value_hint = ValueHint::FilePath)]
    pub file: Vec<PathBuf>,

    /// Execute these files before the prompt, instead of ~/.datafusionrc
    #[arg(short, long, value_name = "FILE", num_args = 0.., conflicts_with = "file", value_parser = file, value_hint = ValueHint::FilePath)]
    pub rc: Option<Vec<PathBuf>>,

    /// Format of results
    #[arg(long, value_enum, default_value_t = PrintFormat::Automatic)]
    pub format: PrintFormat,

    /// Print results, errors and what --log shows, and nothing else
    #[arg(short, long)]
    pub quiet: bool,

    /// Show on stderr what the host and its plugins log: LEVEL or TARGET=LEVEL, or several with commas between them, as in --log debug
    /// or --log wasmfusion=debug,wasmfusion::audit=info; --log off shows nothing
    #[arg(long, value_name = "FILTER", env = "WASMFUSION_LOG", default_value = logs::DEFAULT)]
    pub log: LogFilter,

    /// How queries share the memory limit: greedy or fair
    #[arg(long, value_name = "TYPE", default_value_t = PoolType::Greedy)]
    pub mem_pool_type: PoolType,

    /// How many of the largest memory consumers are named when memory runs out; 0 to track none
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    pub top_memory_consumers: usize,

    /// Rows of a result to show in the format `table`: a number, or inf
    #[arg(long, value_name = "ROWS", default_value = "40")]
    pub maxrows: MaxRows,

    /// Highlight SQL while it is typed
    #[arg(long)]
    pub color: bool,

    /// Disk space that queries may spill to, for instance 10g [default: DataFusion's, 100g]
    #[arg(short, long, value_name = "SIZE", value_parser = size::parse)]
    pub disk_limit: Option<u64>,

    /// Report requests to object stores: disabled, summary or trace
    #[arg(long, value_name = "MODE", default_value_t = InstrumentedObjectStoreMode::Disabled)]
    pub object_store_profiling: InstrumentedObjectStoreMode,
}

impl ShellArgs {
    /// Whether SQL comes from a terminal or a pipe.
    pub fn is_interactive(&self) -> bool {
        self.command.is_empty() && self.file.is_empty()
    }

    /// Whether stdin holds SQL, so that it cannot hold a table.
    pub fn reads_sql_from_stdin(&self) -> bool {
        self.is_interactive()
            || self
                .file
                .iter()
                .any(|file| file.to_str().is_some_and(is_stdin_location))
    }
}

/// What plugins may use.
#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// Set a limit on plugins, as in --limit call_timeout_ms=250 (--help lists them)
    #[arg(long = "limit", value_name = "NAME=VALUE", long_help = limits::help())]
    pub limits: Vec<LimitSetting>,

    /// Set where instances of plugins come from, as in --pool isolation=shared (--help lists the options)
    #[arg(long = "pool", value_name = "NAME=VALUE", long_help = pool::help())]
    pub pool: Vec<PoolSetting>,

    /// How a function that runs too long is stopped
    #[arg(long, value_enum, default_value_t = InterruptionArg::WatchPage)]
    pub interruption: InterruptionArg,

    /// Grant a capability to every plugin, as in --grant log or --grant table:read:rates_*; apart from what the file NAME.toml beside a
    /// plugin grants it
    #[arg(long = "grant", value_name = "CAPABILITY")]
    pub grants: Vec<Capability>,

    /// Take only modules that are signed with a --trusted-key
    #[arg(long, requires = "trusted_keys")]
    pub require_signed: bool,

    /// A public key of minisign that modules may be signed with: its last line, RW…
    #[arg(long = "trusted-key", value_name = "KEY", id = "trusted_keys")]
    pub trusted_keys: Vec<PublicKey>,

    /// Do not read the files NAME.toml beside plugins
    #[arg(long)]
    pub no_settings_files: bool,

    /// Write the names of plugins' functions to /tmp/perf-PID.map, where Linux' perf looks for them
    #[arg(long)]
    pub perf_map: bool,
}

/// Where compiled plugins are.
#[derive(Debug, Args)]
pub struct ArtifactArgs {
    /// Keep compiled plugins in this directory, which is made if it is not there, so that the next start maps them instead of compiling
    #[arg(long = "artifacts", id = "artifacts", value_name = "DIR", env = "WASMFUSION_ARTIFACTS", value_hint = ValueHint::DirPath)]
    pub directory: Option<PathBuf>,

    /// The file of 32 bytes that compiled plugins are sealed with; what was sealed with another is not used [default: the file `key` in the
    /// directory, which is made]
    #[arg(long, value_name = "FILE", requires = "artifacts", value_hint = ValueHint::FilePath)]
    pub key_file: Option<PathBuf>,
}

/// `wasmfusion compile`.
#[derive(Debug, Args)]
pub struct CompileArgs {
    /// Plugins, and directories of plugins
    #[arg(required = true, value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,

    #[command(flatten)]
    pub artifacts: ArtifactArgs,

    /// Compile for any processor of this target, as in --target aarch64-unknown-linux-gnu; `host` is this machine with all that its processor
    /// can do. May be given several times [default: host]
    #[arg(long = "target", value_name = "TRIPLE")]
    pub targets: Vec<Target>,

    #[command(flatten)]
    pub sandbox: SandboxArgs,
}

/// [`Interruption`] as clap wants it.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum InterruptionArg {
    /// A page that the function reads in each loop is taken away; costs a few per cent in tight loops
    WatchPage,
    /// wasmtime's epochs; slows tight loops down, but works everywhere
    Epoch,
}

impl From<InterruptionArg> for Interruption {
    fn from(arg: InterruptionArg) -> Self {
        match arg {
            InterruptionArg::WatchPage => Self::WatchPage,
            InterruptionArg::Epoch => Self::Epoch,
        }
    }
}

/// `wasmfusion inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The module, binary or text
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: PathBuf,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub sandbox: SandboxArgs,
}

/// `wasmfusion new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// Name of the plugin and of its crate: a lower-case letter, then lower-case letters, digits, _ and -
    pub name: String,

    /// The directory in which the crate's directory NAME is made
    #[arg(long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub path: PathBuf,
}

/// `wasmfusion profile`.
#[derive(Debug, Args)]
pub struct ProfileArgs {
    /// A file of SQL to run, as with -f
    #[arg(value_name = "FILE.sql", value_parser = file, value_hint = ValueHint::FilePath)]
    pub script: Option<PathBuf>,

    /// Draw a flame graph into this file, as SVG
    #[arg(long, value_name = "FILE.svg", value_hint = ValueHint::FilePath)]
    pub flame_graph: Option<PathBuf>,

    /// Write a profile for profiler.firefox.com into this file: a timeline, a call tree and a flame graph
    #[arg(long, value_name = "FILE.json", value_hint = ValueHint::FilePath)]
    pub firefox: Option<PathBuf>,

    /// Time between two samples of a function that runs, in microseconds
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub interval_us: u32,

    /// How many functions the table shows
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    pub top: usize,

    #[command(flatten)]
    pub shell: ShellArgs,
}

/// An existing directory, as an absolute path: `--data-path` changes what relative ones mean.
fn directory(text: &str) -> Result<PathBuf, String> {
    let path = absolute(text)?;
    if path.is_dir() {
        Ok(path)
    } else {
        Err("there is no such directory".to_owned())
    }
}

/// An existing file, or pipe, as an absolute path.
fn file(text: &str) -> Result<PathBuf, String> {
    let path = absolute(text)?;
    if path.is_dir() {
        Err("this is a directory, expected a file".to_owned())
    } else if path.exists() {
        Ok(path)
    } else {
        Err("there is no such file".to_owned())
    }
}

fn absolute(text: &str) -> Result<PathBuf, String> {
    std::path::absolute(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
