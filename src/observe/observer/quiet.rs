//! What is no event: whatever an observer does, and what comes of it in other threads.

use std::cell::Cell;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Whether what this thread does is of an observer's making.
pub(crate) fn is_quiet() -> bool {
    QUIET.get()
}

/// Runs `f`, of which nobody is told.
pub(crate) fn quietly<R>(f: impl FnOnce() -> R) -> R {
    /// Also when `f` panics.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            QUIET.set(self.0);
        }
    }
    let _before = Before(QUIET.replace(true));
    f()
}

/// Runs `f`, of which nobody is told if it is of an observer's making.
pub(crate) fn quietly_if<R>(of_observer: bool, f: impl FnOnce() -> R) -> R {
    match of_observer {
        true => quietly(f),
        false => f(),
    }
}
