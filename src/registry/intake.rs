//! What is being loaded now, and what was refused when it was loaded last. Both are there to be shown.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use parking_lot::Mutex;

use crate::module::{escape, escape_cut};

/// Refused modules that are remembered. Older ones are forgotten.
const REFUSED_MAX: usize = 256;
/// Bytes of a problem that are kept.
const PROBLEM_BYTES_MAX: usize = 2 << 10;

/// What is on its way into a registry.
#[derive(Debug, Default)]
pub(super) struct Intake {
    loading: Mutex<Underway>,
    /// By source.
    refused: Mutex<BTreeMap<String, Refused>>,
}

/// Modules that are being loaded.
#[derive(Debug, Default)]
struct Underway {
    /// The number of the next one.
    next: u64,
    /// By number: the source, and since when.
    modules: BTreeMap<u64, (String, SystemTime)>,
}

/// A module that was refused.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) problem: String,
    pub(super) since: SystemTime,
}

/// That a module is being loaded, until this is dropped.
pub(super) struct Loading<'a> {
    intake: &'a Intake,
    number: u64,
}

impl Intake {
    /// Says that this module is being loaded.
    pub(super) fn begin(&self, source: &str) -> Loading<'_> {
        let mut loading = self.loading.lock();
        let number = loading.next;
        loading.next += 1;
        let since = SystemTime::now();
        loading.modules.insert(number, (escape(source), since));
        Loading {
            intake: self,
            number,
        }
    }

    /// What is being loaded, and since when.
    pub(super) fn loading(&self) -> Vec<(String, SystemTime)> {
        self.loading.lock().modules.values().cloned().collect()
    }

    /// Says that this module was refused.
    pub(super) fn refused(&self, source: &str, problem: &str) {
        let mut refused = self.refused.lock();
        if refused.len() >= REFUSED_MAX && !refused.contains_key(source) {
            let oldest = refused.iter().min_by_key(|(_, refused)| refused.since);
            if let Some(oldest) = oldest.map(|(source, _)| source.clone()) {
                refused.remove(&oldest);
            }
        }
        let problem = escape_cut(problem, PROBLEM_BYTES_MAX);
        // Since when it has this problem.
        let since = match refused.get(source) {
            Some(there) if there.problem == problem => there.since,
            _ => SystemTime::now(),
        };
        refused.insert(source.to_owned(), Refused { problem, since });
    }

    /// Says that this module was taken, or is gone.
    pub(super) fn taken(&self, source: &str) {
        self.refused.lock().remove(source);
    }

    /// Why this module was refused when it was loaded last.
    pub(super) fn problem(&self, source: &str) -> Option<String> {
        let refused = self.refused.lock();
        refused.get(source).map(|refused| refused.problem.clone())
    }

    /// All modules that were refused.
    pub(super) fn all_refused(&self) -> Vec<(String, Refused)> {
        let refused = self.refused.lock();
        let refused = refused.iter();
        refused.map(|(s, r)| (s.clone(), r.clone())).collect()
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        self.intake.loading.lock().modules.remove(&self.number);
    }
}

/// What a plugin is called of which nothing is known but its source.
pub(super) fn stem(source: &str) -> String {
    let stem = Path::new(source).file_stem();
    stem.map_or_else(|| escape(source), |stem| escape(&stem.to_string_lossy()))
}
