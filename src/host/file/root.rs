//! A folder that grants begin in, and the way from there.

use std::collections::BTreeSet;
use std::io;

use cap_fs_ext::DirExt as _;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, FileType};
use rustix::io::Errno;

use super::Right;
use super::path::GuestPath;
use super::pattern::Pattern;
use crate::host::error::{HostError, Status};

/// One folder that was opened, with the grants that begin there.
#[derive(Debug)]
pub(super) struct Root {
    path: Vec<String>,
    folder: Dir,
    read: Vec<Pattern>,
    write: Vec<Pattern>,
}

impl Root {
    /// Opens the folder with these components for the pattern that it was granted in. Links on the way are followed: whoever grants it
    /// says where it is.
    pub(super) fn open(path: Vec<String>, pattern: &str) -> Result<Self, HostError> {
        let shown = format!("/{}", path.join("/"));
        let folder = Dir::open_ambient_dir(&shown, ambient_authority()).map_err(|e| {
            let message = format!(
                "the folder {shown:?} of the granted files {pattern:?} cannot be opened: {e}; make it, or grant other files"
            );
            HostError::new(Status::Failed, message)
        })?;
        Ok(Self {
            path,
            folder,
            read: Vec::new(),
            write: Vec::new(),
        })
    }

    /// Adds a pattern that begins here.
    pub(super) fn grant(&mut self, right: Right, pattern: Pattern) {
        match right {
            Right::Read => self.read.push(pattern),
            Right::Write => self.write.push(pattern),
        }
    }

    /// Whether it is the folder with these components.
    pub(super) fn is_at(&self, path: &[String]) -> bool {
        self.path == path
    }

    /// Number of its components.
    pub(super) fn depth(&self) -> usize {
        self.path.len()
    }

    /// Whether one of its patterns grants this right to a file.
    pub(super) fn grants(&self, right: Right, path: &GuestPath<'_>) -> bool {
        let patterns = match right {
            Right::Read => &self.read,
            Right::Write => &self.write,
        };
        path.beneath(&self.path)
            .is_some_and(|rest| patterns.iter().any(|pattern| pattern.matches(rest)))
    }

    /// The folder that these components lead to. None of them may be a symbolic link.
    pub(super) fn walk(&self, path: &GuestPath<'_>, components: &[&str]) -> Result<Dir, HostError> {
        let cloned = self.folder.try_clone();
        let mut folder = cloned.map_err(|e| path.failed("opened", &e))?;
        for component in components.iter().skip(self.path.len()) {
            folder = folder.open_dir_nofollow(component).map_err(|e| {
                let found = folder.symlink_metadata(component);
                if found.is_ok_and(|found| found.is_symlink()) {
                    path.is_link()
                } else {
                    path.failed("opened", &e)
                }
            })?;
        }
        Ok(folder)
    }

    /// Adds the names that this root's grants show in a folder; whether the folder is one of theirs.
    pub(super) fn list(
        &self,
        path: &GuestPath<'_>,
        entries_max: usize,
        names: &mut BTreeSet<String>,
    ) -> Result<bool, HostError> {
        let Some(rest) = path.beneath(&self.path) else {
            return Ok(false);
        };
        if !self.read.iter().any(|pattern| pattern.leads_on(rest)) {
            return Ok(false);
        }
        let folder = self.walk(path, path.components())?;
        let failed = |e: io::Error| path.failed("listed", &e);
        for (i, entry) in folder.entries().map_err(failed)?.enumerate() {
            if i >= entries_max {
                let message =
                    format!("{path} has more than {entries_max} entries, too many to list");
                return Err(HostError::new(Status::Limit, message));
            }
            let entry = entry.map_err(failed)?;
            // A guest cannot name what is not UTF-8.
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let full: Vec<&str> = rest.iter().copied().chain([name.as_str()]).collect();
            let shows = |test: fn(&Pattern, &[&str]) -> bool| {
                self.read.iter().any(|pattern| test(pattern, &full))
            };
            match entry.file_type() {
                Ok(found) if found.is_file() && shows(Pattern::matches) => {
                    names.insert(name);
                }
                Ok(found) if found.is_dir() && shows(Pattern::leads_on) => {
                    names.insert(name + "/");
                }
                // Neither can be opened, or it was gone already.
                _ => {}
            }
        }
        Ok(true)
    }
}

/// Refuses what is no regular file. `absent_is_fine` if it is about to be made.
pub(super) fn check_type(
    path: &GuestPath<'_>,
    found: io::Result<FileType>,
    absent_is_fine: bool,
) -> Result<(), HostError> {
    match found {
        Ok(found) if found.is_file() => Ok(()),
        Ok(found) if found.is_symlink() => Err(path.is_link()),
        Ok(_) => {
            let message = format!("{path} is a folder or a device; only regular files can be used");
            Err(HostError::new(Status::Denied, message))
        }
        Err(e) if absent_is_fine && e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) if e.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => Err(path.is_link()),
        Err(e) => Err(path.failed("opened", &e)),
    }
}
