//! The directory of the artifacts: private, written atomically, bounded.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;

use super::unusable::Unusable;
use super::{ArtifactKey, is_artifact};

/// The file that holds the key.
const KEY_FILE: &str = "key";
/// How the names of files begin that are being written.
const UNFINISHED: &str = ".wasmfusion-";
/// How exactly it is kept when an artifact was used: a write for every use would be too many.
const USED_EVERY: Duration = Duration::from_secs(60 * 60);

/// A directory of artifacts.
pub(super) struct Directory {
    path: PathBuf,
    bytes_max: u64,
}

impl Directory {
    /// Opens the directory, which is made if it is not there.
    pub(super) fn open(path: &Path, bytes_max: u64) -> Result<Self, String> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => "it is not a directory".to_owned(),
            _ => error.to_string(),
        })?;
        // What a link means may change; what it means now does not.
        let path = path.canonicalize().map_err(|error| error.to_string())?;
        let metadata = fs::metadata(&path).map_err(|error| error.to_string())?;
        check_private(&metadata, "it", &path)?;
        Ok(Self { path, bytes_max })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The key in it, which is made if there is none.
    pub(super) fn key(&self) -> Result<ArtifactKey, String> {
        let path = self.path.join(KEY_FILE);
        let named = |error: std::io::Error| format!("its file `{KEY_FILE}`: {error}");
        if !path.try_exists().map_err(named)? {
            let mut key = [0; 32];
            getrandom::fill(&mut key)
                .map_err(|error| format!("the system gave no random bytes: {error}"))?;
            match self.place(KEY_FILE, &[&key], false) {
                // Somebody else was faster: theirs counts.
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(named(error)),
                _ => {}
            }
        }
        let file = self.open_file(&path).map_err(named)?;
        check_private(&file.metadata().map_err(named)?, "its file `key`", &path)?;
        ArtifactKey::read(file).map_err(|problem| {
            format!("its file `{KEY_FILE}` {problem}; remove it, and a new one is made")
        })
    }

    /// The file of this name, if it is there.
    pub(super) fn read(&self, name: &str) -> Result<Option<(File, Metadata)>, Unusable> {
        let failed = |error| Unusable::reading("it cannot be opened", &error);
        match self.open_file(&self.path.join(name)) {
            Ok(file) => {
                let metadata = file.metadata().map_err(failed)?;
                match metadata.is_file() {
                    true => Ok(Some((file, metadata))),
                    false => Err(Unusable::Bad("it is not a file".into())),
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    fn open_file(&self, path: &Path) -> std::io::Result<File> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        OpenOptions::new()
            .read(true)
            .custom_flags(flags.cast_signed())
            .open(path)
    }

    /// Says that the artifact of this name was used, which was when it had this metadata.
    pub(super) fn used(&self, name: &str, metadata: &Metadata) {
        let now = SystemTime::now();
        let long_ago = |time: SystemTime| now.duration_since(time).is_ok_and(|d| d > USED_EVERY);
        if metadata.modified().is_ok_and(long_ago) {
            // Only what goes first depends on it.
            let file = OpenOptions::new().append(true).open(self.path.join(name));
            let _ = file.and_then(|file| file.set_modified(now));
        }
    }

    /// Removes the file of this name, if it is there and still the one that was `read`; whatever is there if nothing could be read.
    pub(super) fn remove(&self, name: &str, read: Option<&Metadata>) {
        let path = self.path.join(name);
        let inode = |metadata: &Metadata| (metadata.dev(), metadata.ino());
        // Another process may have put a good one in its place.
        let is_other =
            |read| fs::symlink_metadata(&path).is_ok_and(|there| inode(&there) != inode(read));
        if !read.is_some_and(is_other) {
            // If it cannot be removed, it is refused again.
            let _ = fs::remove_file(path);
        }
    }

    /// Puts an artifact in its place, all of it or nothing, and makes room. Its bytes, and the number of artifacts that had to go.
    pub(super) fn write(&self, name: &str, parts: &[&[u8]]) -> Result<(u64, u64), String> {
        let bytes: u64 = parts.iter().map(|part| part.len() as u64).sum();
        if bytes > self.bytes_max {
            return Err(format!(
                "it has {bytes} bytes, all together may have {}; raise `bytes_max`",
                self.bytes_max
            ));
        }
        self.place(name, parts, true)
            .map_err(|error| error.to_string())?;
        Ok((bytes, self.make_room(name)))
    }

    /// The artifacts in it: name, and what is known of the file.
    pub(super) fn files(&self) -> std::io::Result<Vec<(String, Metadata)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            // One that is gone meanwhile is none.
            if let (Ok(name), Ok(metadata)) = (entry.file_name().into_string(), entry.metadata())
                && is_artifact(&name)
            {
                files.push((name, metadata));
            }
        }
        files.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(files)
    }

    fn place(&self, name: &str, parts: &[&[u8]], replace: bool) -> std::io::Result<()> {
        // Only its owner can read and write it.
        let mut file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(&self.path)?;
        for part in parts {
            file.write_all(part)?;
        }
        let path = self.path.join(name);
        match replace {
            true => file.persist(path)?,
            false => file.persist_noclobber(path)?,
        };
        Ok(())
    }

    /// Removes what was not used for the longest time, but not `newest`, until there is no more than there may be.
    fn make_room(&self, newest: &str) -> u64 {
        let Ok(entries) = fs::read_dir(&self.path) else {
            return 0;
        };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in entries.flatten() {
            let (path, metadata) = (entry.path(), entry.metadata());
            let Ok((length, modified)) = metadata.and_then(|m| Ok((m.len(), m.modified()?))) else {
                continue;
            };
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if is_artifact(&name) {
                files.push((modified, length, path));
            } else if name.starts_with(UNFINISHED)
                && modified.elapsed().is_ok_and(|age| age > USED_EVERY)
            {
                // Of a process that was killed while it wrote.
                let _ = fs::remove_file(path);
            }
        }
        let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        files.sort();
        let mut removed = 0;
        for (_, length, path) in files {
            if bytes <= self.bytes_max {
                break;
            }
            if path.file_name() == Some(newest.as_ref()) {
                continue;
            }
            match fs::remove_file(&path) {
                Ok(()) => removed += 1,
                // Another process makes room, too.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(_) => continue,
            }
            bytes -= length;
        }
        removed
    }
}

/// That nobody else can read or write it.
fn check_private(metadata: &Metadata, what: &str, path: &Path) -> Result<(), String> {
    let owner = rustix::process::geteuid().as_raw();
    if metadata.uid() != owner {
        return Err(format!(
            "{what} belongs to user {}, this is user {owner}; choose a directory of your own",
            metadata.uid()
        ));
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "{what} is open to others (mode {mode:o}); who can write there can run code in this process: chmod go= '{}'",
            path.display()
        ));
    }
    Ok(())
}
