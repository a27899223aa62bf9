//! What is measured of every system in the same way.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::data::{Data, Output};

/// A system with its module loaded, which threads share.
pub trait Rival: Sync + Sized {
    /// The bytes of its guest; none for what has no guest.
    fn module() -> Vec<u8>;

    /// Makes the functions of a module callable. Compiled modules are kept in the folder `cache`, or nowhere.
    fn load(module: &[u8], cache: Option<&Path>) -> Self;

    /// The function that takes such arguments, for one thread, ready to be called with them.
    fn case<'a>(&'a self, data: &'a Data) -> Box<dyn Case + 'a>;

    /// As [`Self::case`], where other threads call the same function at the same time.
    fn shared_case<'a>(&'a self, data: &'a Data) -> Box<dyn Case + 'a> {
        self.case(data)
    }

    /// As [`Self::case`], from Arrow and to Arrow, where a call is not so anyway.
    fn arrow_case<'a>(&'a self, _data: &'a Data) -> Option<Box<dyn Case + 'a>> {
        None
    }
}

/// A function with arguments.
pub trait Case {
    /// Calls it so many times; how long that took.
    fn run(&mut self, calls: u64) -> Duration;

    /// What one call answers.
    fn output(&mut self) -> Output;
}

/// Measures calls.
#[inline]
pub fn time(calls: u64, mut call: impl FnMut()) -> Duration {
    let started = Instant::now();
    for _ in 0..calls {
        call();
    }
    started.elapsed()
}
