//! Seeing that a directory has changed: by word of the system, and by looking where there is no word.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Weak;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use notify::event::AccessKind;
use notify::{EventKind, RecursiveMode, Watcher as _};

use super::{Inner, Told, Watched};

/// How long a directory must be quiet before it is read: a file is written in many steps.
const QUIET: Duration = Duration::from_millis(50);
/// But no longer than this.
const QUIET_AT_MOST: Duration = Duration::from_secs(2);
/// How often it is looked whether links lead elsewhere, of which the system says nothing.
const LOOKED_EVERY: Duration = Duration::from_secs(1);

/// Tells folders apart: device and inode.
pub(super) type Identity = (u64, u64);

/// Tells versions of a module and the files beside it apart: inode, size and time of change (seconds, nanoseconds) of each.
pub(super) type Stamp = [Option<(u64, u64, i64, i64)>; 3];

impl Watched {
    /// Watches the folder that is at `path` now. Whatever changes is sent to `wake`.
    pub(super) fn new(path: &Path, wake: &Sender<()>) -> notify::Result<Self> {
        // Looked at first: where another folder takes the place meanwhile, that is seen.
        let identity = identity(path);
        let wake = wake.clone();
        // What happened does not matter: the directory is read anew.
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                // That somebody has looked is no change; the directory is looked at here, too.
                let looked = |event: notify::Event| {
                    matches!(event.kind, EventKind::Access(AccessKind::Open(_)))
                };
                if !event.is_ok_and(looked) {
                    // Nobody may listen any more.
                    let _ = wake.send(());
                }
            })?;
        watcher.watch(path, RecursiveMode::NonRecursive)?;
        Ok(Self {
            identity,
            watcher: Some(watcher),
        })
    }
}

/// Reads the directory after each change, until nobody has it any more.
pub(super) fn watch(directory: &Weak<Inner>, events: &Receiver<()>) {
    loop {
        let looks = match events.recv_timeout(LOOKED_EVERY) {
            Ok(()) => false,
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let latest = Instant::now() + QUIET_AT_MOST;
        while !looks && Instant::now() < latest {
            match events.recv_timeout(QUIET) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        let Some(directory) = directory.upgrade() else {
            return;
        };
        let has_moved = directory.follow();
        if looks && !has_moved && !directory.leads_elsewhere() {
            continue;
        }
        if let Err(error) = directory.read(Told::InLog) {
            tracing::warn!(target: "wasmfusion::plugins", { error.message = %error }, "a plugin directory is left as it was");
        }
    }
}

impl Inner {
    /// Watches the folder that is at the path now, if it is another one than before. Whether it is.
    fn follow(&self) -> bool {
        let mut watched = self.watched.lock();
        let now = identity(&self.path);
        if now == watched.identity {
            return false;
        }
        match Watched::new(&self.path, &self.wake) {
            Ok(other) => *watched = other,
            // It is not there: what was loaded from it stays until it is.
            Err(error) => {
                let path = self.path.display();
                tracing::warn!(target: "wasmfusion::plugins", { error.message = %error, file.path = %path }, "a plugin directory cannot be watched");
                if now.is_none() {
                    watched.identity = None;
                }
            }
        }
        // Where there is none, there is nothing to read.
        now.is_some()
    }

    /// Whether a file is a link, and what it leads to is not what was read.
    fn leads_elsewhere(&self) -> bool {
        let Some(files) = self.files.try_lock() else {
            return false;
        };
        let mut files = files.iter();
        files.any(|(path, known)| path.is_symlink() && stamp(path) != known.stamp)
    }
}

fn identity(path: &Path) -> Option<Identity> {
    let metadata = path.metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// The stamp of a module and the files beside it.
pub(super) fn stamp(module: &Path) -> Stamp {
    let of = |metadata: Metadata| {
        // Of its status: tools that copy set the time of the content back.
        (
            metadata.ino(),
            metadata.len(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        )
    };
    let signature = module.with_added_extension("minisig");
    [module, &module.with_extension("toml"), &signature].map(|path| path.metadata().ok().map(of))
}
