//! Files of the host beneath folders that were granted.
//!
//! A grant is a pattern of absolute paths. Its root, the longest leading part without wildcards, is opened when the plugin is loaded, and
//! every path is walked from there, one component after the other and never through a symbolic link: what a path names is decided by
//! its words alone. Only regular files are opened. Calls block as long as the disk does; each of them moves a bounded number of bytes.

mod open_file;
mod path;
mod pattern;
mod root;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{OpenOptions, OpenOptionsExt as _};
use wasmfusion_abi::host::file;

pub(crate) use self::open_file::OpenFile;
use self::path::GuestPath;
use self::pattern::Pattern;
use self::root::{Root, check_type};
use super::error::{HostError, Status};

/// Permissions of a file that is made, before the host's umask: never to execute.
const PERMISSIONS: u32 = 0o644;

/// The folders beneath which a plugin was granted files.
#[derive(Debug)]
pub(crate) struct FileRoots {
    /// Longest path first.
    roots: Vec<Root>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    Read,
    Write,
}

impl FileRoots {
    /// The roots of these patterns, opened: of paths that may be read, and of those that may be written.
    ///
    /// A pattern is an absolute path, or one with wildcards: `?` for a byte and `*` for any number of them within a component, `[…]`,
    /// `{…,…}`, and `**` for any number of components. Hidden files are files like others.
    ///
    /// # Errors
    ///
    /// A pattern that makes no sense, or a root that cannot be opened.
    pub(crate) fn new<'a>(
        read: impl IntoIterator<Item = &'a str>,
        write: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, HostError> {
        let read = read.into_iter().map(|text| (Right::Read, text));
        let write = write.into_iter().map(|text| (Right::Write, text));
        let mut roots: Vec<Root> = Vec::new();
        for (right, text) in read.chain(write) {
            let (path, pattern) = Pattern::parse(text)?;
            let known = roots.iter().position(|root| root.is_at(&path));
            let root = match known.and_then(|i| roots.get_mut(i)) {
                Some(root) => root,
                None => roots.push_mut(Root::open(path, text)?),
            };
            root.grant(right, pattern);
        }
        roots.sort_by_key(|root| Reverse(root.depth()));
        Ok(Self { roots })
    }

    /// Opens a file. `mode` is made of [`wasmfusion_abi::host::file`]; it can be written to up to a size of `size_max` bytes.
    ///
    /// # Errors
    ///
    /// `Invalid` for a path or mode that makes no sense, `Denied` for what was not granted and for what is no regular file, `NotFound`,
    /// and `Failed` with what the system said.
    pub(crate) fn open(&self, path: &str, mode: i32, size_max: u64) -> Result<OpenFile, HostError> {
        let path = GuestPath::parse(path)?;
        let mode = Mode::parse(mode)?;
        let (root, name) = self.find(&path, mode.read, mode.write)?;
        let folder = root.walk(&path, path.folders())?;
        check_type(
            &path,
            folder.symlink_metadata(name).map(|found| found.file_type()),
            mode.create,
        )?;

        let mut options = OpenOptions::new();
        options
            .read(mode.read)
            .write(mode.write)
            .append(mode.append)
            .create(mode.create)
            .follow(FollowSymlinks::No)
            // What became a FIFO a moment ago must not block.
            .nonblock(true)
            .mode(PERMISSIONS);
        let opened = folder
            .open_with(name, &options)
            .map_err(|e| path.failed("opened", &e))?;
        check_type(
            &path,
            opened.metadata().map(|found| found.file_type()),
            false,
        )?;
        if mode.truncate {
            opened
                .set_len(0)
                .map_err(|e| path.failed("truncated", &e))?;
        }
        Ok(OpenFile::new(
            opened.into_std(),
            path.text(),
            mode,
            size_max,
        ))
    }

    /// The names in a folder that may be read or lead to some, sorted; those of folders end with `/`. A folder with more than `entries_max`
    /// entries of whatever kind cannot be listed.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and `Limit`.
    pub(crate) fn list(&self, path: &str, entries_max: usize) -> Result<Vec<String>, HostError> {
        let path = GuestPath::parse(path)?;
        let mut names = BTreeSet::new();
        let mut any = false;
        let mut first_error = None;
        for root in &self.roots {
            match root.list(&path, entries_max, &mut names) {
                Ok(listed) => any |= listed,
                Err(e) => first_error = first_error.or(Some(e)),
            }
        }
        match first_error {
            Some(e) if !any => Err(e),
            None if !any => Err(path.not_granted("be listed")),
            _ => Ok(names.into_iter().collect()),
        }
    }

    /// Removes a file that may be written.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub(crate) fn remove(&self, path: &str) -> Result<(), HostError> {
        let path = GuestPath::parse(path)?;
        let (root, name) = self.find(&path, false, true)?;
        let folder = root.walk(&path, path.folders())?;
        check_type(
            &path,
            folder.symlink_metadata(name).map(|found| found.file_type()),
            false,
        )?;
        folder
            .remove_file(name)
            .map_err(|e| path.failed("removed", &e))
    }

    /// The root to walk to a file from, and the file's name. For each right that is wanted, the root of the most specific grant is where its
    /// path is vouched for; for two rights, it is the shorter one of both.
    fn find<'p>(
        &self,
        path: &GuestPath<'p>,
        read: bool,
        write: bool,
    ) -> Result<(&Root, &'p str), HostError> {
        let first = |right| {
            let found = self.roots.iter().position(|root| root.grants(right, path));
            found.ok_or_else(|| {
                path.not_granted(match right {
                    Right::Read => "be read",
                    Right::Write => "be written",
                })
            })
        };
        let mut shortest = 0;
        if read {
            shortest = shortest.max(first(Right::Read)?);
        }
        if write {
            shortest = shortest.max(first(Right::Write)?);
        }
        let root = self.roots.get(shortest).zip(path.name());
        root.ok_or_else(|| path.not_granted("be opened"))
    }
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mode {
    read: bool,
    write: bool,
    create: bool,
    truncate: bool,
    append: bool,
}

impl Mode {
    fn parse(bits: i32) -> Result<Self, HostError> {
        let has = |bit| bits & bit != 0;
        let all = file::READ | file::WRITE | file::CREATE | file::TRUNCATE | file::APPEND;
        let mode = Self {
            read: has(file::READ),
            write: has(file::WRITE),
            create: has(file::CREATE),
            truncate: has(file::TRUNCATE),
            append: has(file::APPEND),
        };
        let writes = mode.create || mode.truncate || mode.append;
        if bits & !all != 0 || !(mode.read || mode.write) || (writes && !mode.write) {
            let message = format!(
                "{bits} is no mode to open a file with: it has to read or write, and only what is written can be made, truncated or appended to"
            );
            return Err(HostError::new(Status::Invalid, message));
        }
        Ok(mode)
    }
}
