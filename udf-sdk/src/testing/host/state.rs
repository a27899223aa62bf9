//! What a tests' host has and hears.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use std::sync::{Mutex, PoisonError};
use std::thread_local;

use super::{HttpRequest, LogRecord};
use crate::host::http::Response;
use crate::host::log::Level;
use crate::host::process::Output;
use crate::host::{Error, ErrorKind, Result};

/// Who answers HTTP requests.
pub(super) type Answer = Rc<dyn Fn(&HttpRequest) -> Result<Response>>;
/// What a command does.
pub(super) type Run = Rc<dyn Fn(&[String], &[u8]) -> Output>;

/// An entry of an index: its key and its vector.
type Vector = (Vec<u8>, Vec<f32>);

thread_local! {
    static CURRENT: RefCell<Option<Rc<RefCell<State>>>> = const { RefCell::new(None) };
}

/// Makes this the host of the thread; returns the one before.
pub(super) fn enter(state: Option<Rc<RefCell<State>>>) -> Option<Rc<RefCell<State>>> {
    CURRENT.replace(state)
}

/// The host of the thread.
pub(super) fn current() -> Option<Rc<RefCell<State>>> {
    CURRENT.with_borrow(Clone::clone)
}

/// Name and labels of a metric.
type Metric = (String, Vec<(String, String)>);

/// The handle of the first metric: other handles are below.
pub(super) const METRIC_HANDLES: i32 = 1 << 30;

/// The metrics of all hosts, whose place makes their handle: a static of a plugin keeps its handle from one test to another.
static METRICS: Mutex<Vec<Metric>> = Mutex::new(Vec::new());

/// The handle of a metric.
pub(super) fn metric(metric: Metric) -> i64 {
    let mut metrics = METRICS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = metrics.iter().position(|known| *known == metric);
    let place = known.unwrap_or_else(|| {
        metrics.push(metric);
        metrics.len() - 1
    });
    i64::from(METRIC_HANDLES) + place as i64
}

/// What a tests' host has and hears.
pub(super) struct State {
    pub(super) config: BTreeMap<String, String>,
    pub(super) secrets: BTreeMap<String, String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) tables: BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>,
    pub(super) indexes: BTreeMap<String, Vec<Vector>>,
    pub(super) files: BTreeMap<String, Vec<u8>>,
    pub(super) connections: BTreeMap<(String, u16), Vec<u8>>,
    pub(super) sent: BTreeMap<(String, u16), Vec<u8>>,
    pub(super) commands: BTreeMap<String, Run>,
    pub(super) http: Option<Answer>,
    pub(super) requests: Vec<HttpRequest>,
    /// Nanoseconds since 1970.
    pub(super) now: i64,
    pub(super) seed: u64,
    pub(super) level: Level,
    pub(super) logs: Vec<LogRecord>,
    /// Handles and values of metrics.
    pub(super) recorded: Vec<(i32, f64)>,
    pub(super) handles: BTreeMap<i32, Open>,
    last_handle: i32,
    /// The last reply that did not fit.
    pub(super) reply: Vec<u8>,
    /// What the last call that failed says.
    pub(super) words: String,
    pub(super) calls: BTreeMap<String, usize>,
    pub(super) failing: BTreeMap<String, Error>,
    pub(super) replying: BTreeMap<String, Vec<u8>>,
}

/// What a handle stands for.
#[derive(Clone, Debug)]
pub(super) enum Open {
    File {
        path: String,
        mode: i32,
        position: usize,
    },
    Table {
        name: String,
        mode: i32,
    },
    Index {
        name: String,
    },
    Connection {
        to: (String, u16),
        position: usize,
    },
}

impl Default for State {
    fn default() -> Self {
        State {
            config: BTreeMap::new(),
            secrets: BTreeMap::new(),
            env: BTreeMap::new(),
            tables: BTreeMap::new(),
            indexes: BTreeMap::new(),
            files: BTreeMap::new(),
            connections: BTreeMap::new(),
            sent: BTreeMap::new(),
            commands: BTreeMap::new(),
            http: None,
            requests: Vec::new(),
            // 2000-01-01 00:00 UTC.
            now: 946_684_800_000_000_000,
            seed: 0,
            level: Level::Trace,
            logs: Vec::new(),
            recorded: Vec::new(),
            handles: BTreeMap::new(),
            last_handle: 0,
            reply: Vec::new(),
            words: String::new(),
            calls: BTreeMap::new(),
            failing: BTreeMap::new(),
            replying: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("calls", &self.calls)
            .field("logs", &self.logs)
            .finish_non_exhaustive()
    }
}

impl State {
    /// A new handle.
    pub(super) fn open(&mut self, open: Open) -> i64 {
        self.last_handle += 1;
        self.handles.insert(self.last_handle, open);
        i64::from(self.last_handle)
    }

    /// What a handle stands for.
    pub(super) fn handle(&mut self, handle: i32) -> Result<&mut Open> {
        self.handles
            .get_mut(&handle)
            .ok_or_else(|| Error::new(ErrorKind::Invalid, "the handle is not open"))
    }

    /// The values of a metric.
    pub(super) fn recorded(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        let labels = labels.iter();
        let labels = labels.map(|(name, value)| ((*name).into(), (*value).into()));
        let handle = metric((name.into(), labels.collect()));
        let values = self.recorded.iter();
        let values = values.filter(|(recorded, _)| i64::from(*recorded) == handle);
        values.map(|(_, value)| *value).collect()
    }

    /// The next random byte.
    pub(super) fn random(&mut self) -> u8 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ self.seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 56) as u8
    }
}

/// There is none of this name.
pub(super) fn not_found(what: &str, name: &str) -> Error {
    Error::new(
        ErrorKind::NotFound,
        alloc::format!("the tests' host has no {what} `{name}`"),
    )
}

/// What was asked for makes no sense.
pub(super) fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::Invalid, message)
}
