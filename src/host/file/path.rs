//! Paths as guests write them.

use std::fmt;
use std::io;

use rustix::io::Errno;

use crate::host::error::{HostError, Status};

/// Bytes of a path.
const PATH_BYTES_MAX: usize = 4096;

/// An absolute path that means what it says: without `.`, `..`, empty components and zero bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GuestPath<'a> {
    text: &'a str,
    components: Vec<&'a str>,
}

impl<'a> GuestPath<'a> {
    /// Takes a path apart. `/` has no components.
    pub(super) fn parse(text: &'a str) -> Result<Self, HostError> {
        if text.len() > PATH_BYTES_MAX {
            let message = format!(
                "a path of {} bytes is too long; {PATH_BYTES_MAX} are possible",
                text.len()
            );
            return Err(HostError::new(Status::Invalid, message));
        }
        let refused =
            |why: &str| HostError::new(Status::Invalid, format!("the path {text:?} {why}"));
        let rest = text
            .strip_prefix('/')
            .ok_or_else(|| refused("is not absolute; begin it with \"/\""))?;
        if rest.contains('\0') {
            return Err(refused("has a zero byte; remove it"));
        }
        let components: Vec<&str> = if rest.is_empty() {
            Vec::new()
        } else {
            rest.split('/').collect()
        };
        if components
            .iter()
            .any(|&component| matches!(component, "" | "." | ".."))
        {
            return Err(refused(
                "has an empty part, \".\" or \"..\"; write it without",
            ));
        }
        Ok(Self { text, components })
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    pub(super) fn components(&self) -> &[&'a str] {
        &self.components
    }

    /// The last component.
    pub(super) fn name(&self) -> Option<&'a str> {
        self.components.last().copied()
    }

    /// All components but the last.
    pub(super) fn folders(&self) -> &[&'a str] {
        self.components
            .split_last()
            .map_or(&[], |(_, folders)| folders)
    }

    /// The components behind those of a folder, if it is that folder or beneath it.
    pub(super) fn beneath(&self, folder: &[String]) -> Option<&[&'a str]> {
        let (first, rest) = self.components.split_at_checked(folder.len())?;
        (first == folder).then_some(rest)
    }

    pub(super) fn not_granted(&self, what: &str) -> HostError {
        let message = format!("{self} may not {what}: it was not granted to this plugin");
        HostError::new(Status::Denied, message)
    }

    pub(super) fn is_link(&self) -> HostError {
        let message = format!(
            "{self} is or goes through a symbolic link, and these are not followed; name the file itself"
        );
        HostError::new(Status::Denied, message)
    }

    /// What the system said.
    pub(super) fn failed(&self, what: &str, error: &io::Error) -> HostError {
        if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) {
            return self.is_link();
        }
        let status = match error.kind() {
            // Not the system's word but that of cap-std: it was moved out of the root while it was opened.
            io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => Status::Denied,
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Status::NotFound,
            _ => Status::Failed,
        };
        HostError::new(status, format!("{self} cannot be {what}: {error}"))
    }
}

impl fmt::Display for GuestPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.text, f)
    }
}
