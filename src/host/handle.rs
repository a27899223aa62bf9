//! What an instance has open, by number.

use std::sync::Arc;

use compact_str::CompactString;

use super::context::{KeyValueTable, VectorIndex};
use super::error::{HostError, Status};
use super::file::OpenFile;
use super::net::tcp::TcpConnection;
use super::plugin_host::PluginHost;
use crate::metrics::Series;

/// Something that an instance has open.
pub(super) enum Handle {
    Metric(Arc<Series>),
    Table(OpenTable),
    Index {
        index: Arc<dyn VectorIndex>,
        name: CompactString,
    },
    File {
        file: Box<OpenFile>,
        path: CompactString,
    },
    Tcp {
        connection: Box<TcpConnection>,
        target: CompactString,
    },
}

/// A table that an instance has open.
#[derive(Clone)]
pub(super) struct OpenTable {
    pub(super) table: Arc<dyn KeyValueTable>,
    pub(super) name: CompactString,
    pub(super) read: bool,
    pub(super) write: bool,
}

/// What an instance has open. Handle `n` is at place `n - 1`.
pub(super) struct Handles {
    open: Vec<Option<Handle>>,
    /// Those that are counted: metrics have a limit of their own.
    counted: usize,
    counted_max: usize,
    /// Counts what all instances of the plugin have open.
    host: Arc<PluginHost>,
}

impl Handle {
    fn is_counted(&self) -> bool {
        !matches!(self, Self::Metric(_))
    }
}

impl Handles {
    pub(super) fn new(counted_max: usize, host: Arc<PluginHost>) -> Self {
        Self {
            open: Vec::new(),
            counted: 0,
            counted_max,
            host,
        }
    }

    /// Gives `handle` a number. A series of a metric that has one keeps it.
    pub(super) fn open(&mut self, handle: Handle) -> Result<i64, HostError> {
        if let Handle::Metric(series) = &handle {
            let same = |open: &Option<Handle>| matches!(open, Some(Handle::Metric(other)) if Arc::ptr_eq(series, other));
            if let Some(place) = self.open.iter().position(same) {
                return Ok(place as i64 + 1);
            }
        }
        if handle.is_counted() {
            if self.counted >= self.counted_max {
                return Err(HostError::new(
                    Status::Limit,
                    format!(
                        "{} things are open, as many as may be; close some, or raise `handles_max`",
                        self.counted
                    ),
                ));
            }
            self.host.count_opened()?;
            self.counted += 1;
        }
        let free = self.open.iter().position(Option::is_none);
        let place = free.unwrap_or_else(|| {
            self.open.push(None);
            self.open.len() - 1
        });
        if let Some(slot) = self.open.get_mut(place) {
            *slot = Some(handle);
        }
        Ok(place as i64 + 1)
    }

    #[inline]
    pub(super) fn get(&mut self, number: u32) -> Result<&mut Handle, HostError> {
        let place = (number as usize).wrapping_sub(1);
        match self.open.get_mut(place) {
            Some(Some(handle)) => Ok(handle),
            _ => Err(unknown(number)),
        }
    }

    /// Takes what has this number out, to be [given back](Self::give_back): so that it and the guest's memory can be used at once.
    pub(super) fn lend(&mut self, number: u32) -> Result<Option<Handle>, HostError> {
        let place = (number as usize).wrapping_sub(1);
        let handle = self.open.get_mut(place).and_then(Option::take);
        handle.map(Some).ok_or_else(|| unknown(number))
    }

    pub(super) fn give_back(&mut self, number: u32, handle: Option<Handle>) {
        if let Some(slot) = self.open.get_mut((number as usize).wrapping_sub(1)) {
            *slot = handle;
        }
    }

    pub(super) fn close(&mut self, number: u32) -> Result<(), HostError> {
        let place = (number as usize).wrapping_sub(1);
        let handle = self.open.get_mut(place).and_then(Option::take);
        let handle = handle.ok_or_else(|| unknown(number))?;
        if handle.is_counted() {
            self.counted -= 1;
            self.host.count_closed(1);
        }
        Ok(())
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        // Closed first, counted then: what is counted as closed is closed.
        self.open.clear();
        self.host.count_closed(self.counted);
    }
}

#[cold]
fn unknown(number: u32) -> HostError {
    HostError::new(Status::Invalid, format!("there is no handle {number}"))
}

/// What is told of a handle of another kind.
#[cold]
pub(super) fn wrong_kind(number: u32, expected: &str) -> HostError {
    HostError::new(
        Status::Invalid,
        format!("handle {number} is not {expected}"),
    )
}
