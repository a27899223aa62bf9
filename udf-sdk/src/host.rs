//! Asking the host: logs, metrics, configuration, secrets, clocks, random bytes, files, tables, vector indexes, the network and commands.
//!
//! A plugin has nothing of this unless it asks for the capability in `plugin!` and the operator grants it. What it does not use, it
//! does not import: a plugin without host calls has no import at all.
//!
//! ```no_run
//! use wasmfusion_udf::host::{config, log, table::Table};
//! use wasmfusion_udf::prelude::*;
//!
//! wasmfusion_udf::plugin! { name: "rates", capabilities: ["config", "log", "table:read:rates"] }
//!
//! /// The rate of a currency.
//! #[udf(volatility = "stable")]
//! fn rate(code: &str) -> Result<Option<f64>, Error> {
//!     let Some(value) = Table::open("rates")?.get(code)? else {
//!         log::warn!(code = code; "no rate, base is {}", config::get::<String>("base")?);
//!         return Ok(None);
//!     };
//!     Ok(Some(str::from_utf8(&value)?.parse()?))
//! }
//! # fn main() {}
//! ```
//!
//! Every failure is an [`Error`] with an [`ErrorKind`] and the host's words, which `?` carries to the SQL user. In native unit tests the
//! same functions talk to `testing::host()`, a host that the test furnishes; without the feature `testing`, they are all
//! [`ErrorKind::Unavailable`].

pub mod clock;
pub mod config;
pub mod env;
mod error;
pub mod fs;
mod handle;
pub mod http;
pub mod log;
pub mod metrics;
pub mod process;
pub mod random;
mod reply;
pub mod secret;
pub(crate) mod sys;
pub mod table;
pub mod tcp;
pub mod vector;

pub use error::{Error, ErrorKind, Result};

/// A time limit as the host wants it: in milliseconds, 0 for "as long as the host allows".
fn millis(timeout: Option<core::time::Duration>) -> u32 {
    timeout.map_or(0, |timeout| {
        u32::try_from(timeout.as_millis())
            .unwrap_or(u32::MAX)
            .max(1)
    })
}
