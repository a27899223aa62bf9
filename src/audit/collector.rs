//! Records of one instance, before they are pushed: what is the same has one record together.

use super::Entry;

/// Records that are collected at once.
const RECORDS_MAX: usize = 8;

/// Records of one instance that wait until its guest returns.
#[derive(Default)]
pub(crate) struct Collector {
    entries: Vec<Entry>,
}

impl Collector {
    /// Adds a call that did nothing outside of the process.
    #[inline]
    pub(crate) fn add(&mut self, entry: Entry, push: impl FnMut(Entry)) {
        if !self.entries.iter_mut().any(|other| other.merge(&entry)) {
            self.add_new(entry, push);
        }
    }

    fn add_new(&mut self, entry: Entry, push: impl FnMut(Entry)) {
        if self.entries.len() >= RECORDS_MAX {
            self.flush(push);
        }
        self.entries.push(entry);
    }

    /// Pushes what is collected.
    #[inline]
    pub(crate) fn flush(&mut self, push: impl FnMut(Entry)) {
        self.entries.drain(..).for_each(push);
    }
}
