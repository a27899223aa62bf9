//! Why an artifact is not used.

use std::io;

use rustix::io::Errno;

/// Why an artifact is not used.
#[derive(Debug)]
pub(super) enum Unusable {
    /// It is not what it should be, and never will be: it goes.
    Bad(String),
    /// The system did not let it be used now: it stays.
    Passing(String),
}

impl Unusable {
    /// That the system reported an error.
    pub(super) fn reading(what: &str, error: &io::Error) -> Self {
        let reason = match error.kind() {
            io::ErrorKind::UnexpectedEof => "it was cut off".to_owned(),
            _ => format!("{what}: {error}"),
        };
        match Errno::from_io_error(error).is_some_and(is_passing) {
            true => Self::Passing(reason),
            false => Self::Bad(reason),
        }
    }

    /// That wasmtime did not take the code.
    pub(super) fn mapping(error: &wasmtime::Error) -> Self {
        let reason = format!("{error:#}");
        let passing = error.chain().any(|cause| {
            let system = cause.downcast_ref::<Errno>().copied();
            let system = system.or_else(|| Errno::from_io_error(cause.downcast_ref()?));
            system.is_some_and(is_passing) || cause.is::<wasmtime::OutOfMemory>()
        });
        match passing {
            true => Self::Passing(reason),
            false => Self::Bad(reason),
        }
    }
}

/// Whether an error says something of the system as it is now, and nothing of the file.
fn is_passing(error: Errno) -> bool {
    const PASSING: [Errno; 10] = [
        Errno::AGAIN,
        Errno::DQUOT,
        Errno::INTR,
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::NOSPC,
        // Of making memory that code can be in: where that is not allowed, every artifact meets it.
        Errno::NOSYS,
        Errno::PERM,
    ];
    PASSING.contains(&error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_and_what_stays_bad() {
        let kept = |error: Errno| {
            let reading = Unusable::reading("it cannot be read", &error.into());
            let mapping = Unusable::mapping(&wasmtime::Error::from(error).context("mapping"));
            let kept = |why| matches!(why, Unusable::Passing(reason) if !reason.is_empty());
            assert_eq!(kept(reading), kept(mapping), "{error}");
            is_passing(error)
        };
        assert!(
            [Errno::MFILE, Errno::NFILE, Errno::INTR, Errno::NOMEM]
                .into_iter()
                .all(kept)
        );
        assert!(
            ![Errno::IO, Errno::LOOP, Errno::ISDIR, Errno::ACCESS]
                .into_iter()
                .any(kept)
        );
        let cut = Unusable::reading("it cannot be read", &io::ErrorKind::UnexpectedEof.into());
        assert!(matches!(cut, Unusable::Bad(reason) if reason == "it was cut off"));
    }
}
