//! A host for unit tests, with what the test puts into it.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::time::Duration;

use crate::host::clock::SystemTime;
use crate::host::http::Response;
use crate::host::log::Level;
use crate::host::process::Output;
use crate::host::{Error, ErrorKind, Result};

mod state;
pub(crate) mod sys;

use state::State;

/// A host that answers the calls of [`crate::host`] in this thread, until it is dropped. [`host`] makes one.
///
/// ```
/// use wasmfusion_udf::host::{config, log, table::Table};
/// use wasmfusion_udf::testing;
///
/// let host = testing::host()
///     .config("base", r#""EUR""#)
///     .table("rates", [("USD", "1.1")]);
///
/// let base: String = config::get("base").unwrap();
/// assert_eq!(Table::open("rates").unwrap().get("USD").unwrap().unwrap(), b"1.1");
/// log::info!(base = base; "looked up");
/// assert_eq!(host.logs()[0].to_string(), "INFO looked up base=EUR");
/// ```
///
/// It has what it was given and nothing else: for everything else it says [`ErrorKind::NotFound`]. Its clock stands still, its random
/// bytes are always the same. It knows neither grants nor limits: what happens if something is refused is shown with
/// [`failing`](Self::failing).
#[derive(Debug)]
#[must_use = "the host is there until it is dropped: bind it to a name"]
pub struct Host {
    state: Rc<RefCell<State>>,
    /// Who answered before.
    before: Option<Rc<RefCell<State>>>,
}

/// A log record that the host was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Its level.
    pub level: Level,
    /// Its text.
    pub message: String,
    /// Names and values of its fields.
    pub fields: Vec<(String, String)>,
}

/// An HTTP request that the host was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// Where it goes.
    pub url: String,
    /// Names and values of its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// How long it may take; nothing if it does not say.
    pub timeout: Duration,
}

/// A host that answers the calls of this thread from now on, and has nothing yet.
pub fn host() -> Host {
    let state = Rc::new(RefCell::new(State::default()));
    let before = state::enter(Some(state.clone()));
    #[cfg(feature = "log")]
    crate::host::log::bridge::install();
    Host { state, before }
}

impl Drop for Host {
    fn drop(&mut self) {
        state::enter(self.before.take());
    }
}

/// What it has.
impl Host {
    fn with(self, change: impl FnOnce(&mut State)) -> Self {
        change(&mut self.state.borrow_mut());
        self
    }

    /// A key of the configuration, with its value as JSON text.
    pub fn config(self, key: &str, json: &str) -> Self {
        self.with(|state| drop(state.config.insert(key.into(), json.into())))
    }

    /// A secret.
    pub fn secret(self, name: &str, value: &str) -> Self {
        self.with(|state| drop(state.secrets.insert(name.into(), value.into())))
    }

    /// A variable of the environment.
    pub fn env(self, name: &str, value: &str) -> Self {
        self.with(|state| drop(state.env.insert(name.into(), value.into())))
    }

    /// A key-value table.
    pub fn table<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        self,
        name: &str,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let entries = entries.into_iter();
        let entries = entries.map(|(key, value)| (key.as_ref().to_vec(), value.as_ref().to_vec()));
        self.with(|state| drop(state.tables.insert(name.into(), entries.collect())))
    }

    /// A vector index, which measures the Euclidean distance.
    pub fn vectors<K: AsRef<[u8]>, V: AsRef<[f32]>>(
        self,
        name: &str,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let entries = entries.into_iter();
        let entries = entries.map(|(key, value)| (key.as_ref().to_vec(), value.as_ref().to_vec()));
        self.with(|state| drop(state.indexes.insert(name.into(), entries.collect())))
    }

    /// A file.
    pub fn file(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.with(|state| drop(state.files.insert(path.into(), bytes.as_ref().to_vec())))
    }

    /// What time it is; the year 2000 begins without.
    pub fn clock(self, now: SystemTime) -> Self {
        self.with(|state| state.now = now.nanos())
    }

    /// Other random bytes.
    pub fn random_seed(self, seed: u64) -> Self {
        self.with(|state| state.seed = seed)
    }

    /// Who answers HTTP requests.
    pub fn http(self, answer: impl Fn(&HttpRequest) -> Result<Response> + 'static) -> Self {
        self.with(|state| state.http = Some(Rc::new(answer)))
    }

    /// Who can be connected to: what they send, whatever they hear.
    pub fn connection(self, host: &str, port: u16, sends: impl AsRef<[u8]>) -> Self {
        let sends = sends.as_ref().to_vec();
        self.with(|state| drop(state.connections.insert((host.into(), port), sends)))
    }

    /// A command: what its arguments and its input come to.
    pub fn command(self, name: &str, run: impl Fn(&[String], &[u8]) -> Output + 'static) -> Self {
        self.with(|state| drop(state.commands.insert(name.into(), Rc::new(run))))
    }

    /// Keeps log records of this level and those that are more important; all are kept without.
    pub fn log_level(self, level: Level) -> Self {
        self.with(|state| state.level = level)
    }

    /// Makes a function of the host fail, such as `table_put`; `docs/abi.md` has their names.
    pub fn failing(self, function: &str, kind: ErrorKind, message: &str) -> Self {
        let error = Error::new(kind, message);
        self.with(|state| drop(state.failing.insert(function.into(), error)))
    }
}

/// What became of it.
impl Host {
    /// Lets time go by.
    pub fn advance(&self, duration: Duration) {
        let mut state = self.state.borrow_mut();
        state.now = (SystemTime::from_nanos(state.now) + duration).nanos();
    }

    /// The log records so far.
    pub fn logs(&self) -> Vec<LogRecord> {
        self.state.borrow().logs.clone()
    }

    /// The values that were recorded for a metric with these labels, in their order: what a counter grew by, what a gauge was set to,
    /// what a histogram took in.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        self.state.borrow().recorded(name, labels)
    }

    /// What a key-value table holds.
    ///
    /// # Panics
    ///
    /// If there is no such table.
    pub fn read_table(&self, name: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let state = self.state.borrow();
        let Some(table) = state.tables.get(name) else {
            panic!("the tests' host has no table {name}");
        };
        table.clone()
    }

    /// What a file holds, if it is there.
    pub fn read_file(&self, path: &str) -> Option<Vec<u8>> {
        self.state.borrow().files.get(path).cloned()
    }

    /// The HTTP requests so far.
    pub fn requests(&self) -> Vec<HttpRequest> {
        self.state.borrow().requests.clone()
    }

    /// What was sent to one who can be connected to.
    pub fn sent(&self, host: &str, port: u16) -> Vec<u8> {
        let key = (host.to_owned(), port);
        let state = self.state.borrow();
        state.sent.get(&key).cloned().unwrap_or_default()
    }

    /// How often a function of the host was called, such as `table_get`; `docs/abi.md` has their names.
    pub fn calls(&self, function: &str) -> usize {
        let state = self.state.borrow();
        state.calls.get(function).copied().unwrap_or(0)
    }

    /// How often the host was called in all.
    pub fn calls_in_all(&self) -> usize {
        self.state.borrow().calls.values().sum()
    }

    /// How many files, tables, indexes and connections are open.
    pub fn open_handles(&self) -> usize {
        self.state.borrow().handles.len()
    }

    /// Makes a function of the host reply these bytes, whatever it is asked: for the SDK's own tests.
    #[cfg(test)]
    pub(crate) fn replying(&self, function: &str, reply: &[u8]) {
        let mut state = self.state.borrow_mut();
        state.replying.insert(function.into(), reply.to_vec());
    }
}

impl fmt::Display for LogRecord {
    /// `LEVEL message name=value …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Error => "ERROR",
            Level::Warn => "WARN",
            Level::Info => "INFO",
            Level::Debug => "DEBUG",
            Level::Trace => "TRACE",
        };
        write!(f, "{level} {}", self.message)?;
        for (name, value) in &self.fields {
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}
