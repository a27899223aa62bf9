//! Opening a database, and telling why it cannot be opened.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::backends::InMemoryBackend;
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableError,
    TableHandle,
};

use super::error::{StoreError, shown};
use super::layout::{ABOUT, FORMAT, FORMAT_KEY, SIZES};

/// Memory for pages of a file, in bytes.
const FILE_CACHE_BYTES: usize = 64 << 20;
/// Memory for pages of a database that is in memory anyway, in bytes.
const MEMORY_CACHE_BYTES: usize = 4 << 20;
/// What every file of redb's begins with.
const MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";

/// Sizes of the tables in a database, in bytes, by their names.
pub(super) type Sizes = BTreeMap<String, u64>;

/// An empty database in memory.
pub(super) fn in_memory() -> Result<Database, DatabaseError> {
    Builder::new()
        .set_cache_size(MEMORY_CACHE_BYTES)
        .create_with_backend(InMemoryBackend::new())
}

/// The database in this file, which is made if it is not there. The file is read from start to end and all its checksums are checked.
pub(super) fn open(path: &Path) -> Result<(Database, Sizes), StoreError> {
    check_magic(path)?;
    // A file that somebody has prepared must not end the process.
    let opened = catch_unwind(AssertUnwindSafe(|| load(path)));
    match opened {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(problem)) => Err(problem.at(path)),
        Err(_) => Err(StoreError::Damaged {
            path: path.to_path_buf(),
            reason: "its pages contradict each other".to_owned(),
        }),
    }
}

fn load(path: &Path) -> Result<(Database, Sizes), Problem> {
    let mut builder = Builder::new();
    let mut database = builder.set_cache_size(FILE_CACHE_BYTES).create(path)?;
    if !database.check_integrity()? {
        tracing::warn!(
            file.path = %path.display(),
            "the last writes to a store of plugins' tables were damaged and have been undone"
        );
    }
    let sizes = read(&database)?;
    Ok((database, sizes))
}

/// Whether the file can be one of redb's. redb says so too, but calls every other file a damaged one.
fn check_magic(path: &Path) -> Result<(), StoreError> {
    let io = |source| StoreError::Io {
        path: path.to_path_buf(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
    };
    let mut start = Vec::new();
    file.take(MAGIC.len() as u64)
        .read_to_end(&mut start)
        .map_err(io)?;
    if start.is_empty() || start == MAGIC {
        return Ok(());
    }
    Err(StoreError::NotAStore {
        path: path.to_path_buf(),
        reason: format!("it begins with \"{}\"", shown(&start)),
    })
}

/// What is in the database. One that is empty becomes ours.
fn read(database: &Database) -> Result<Sizes, Problem> {
    let txn = database.begin_read()?;
    let about = match txn.open_table(ABOUT) {
        Ok(about) => about,
        Err(TableError::TableDoesNotExist(_)) => {
            let mut tables = txn.list_tables()?.map(|table| table.name().to_owned());
            if let Some(name) = tables.next() {
                return Err(Problem::Foreign(format!(
                    "it has a table \"{}\" of another program",
                    shown(name.as_bytes())
                )));
            }
            begin(database)?;
            return Ok(Sizes::new());
        }
        Err(error) => return Err(Problem::Foreign(error.to_string())),
    };
    let format = about.get(FORMAT_KEY)?.map(|format| format.value());
    if format != Some(FORMAT) {
        return Err(Problem::Foreign(format!(
            "its layout is {}, but this version knows {FORMAT}",
            format.map_or_else(|| "not given".to_owned(), |format| format.to_string()),
        )));
    }
    let mut sizes = Sizes::new();
    match txn.open_table(SIZES) {
        Ok(table) => {
            for entry in table.iter()? {
                let (name, bytes) = entry?;
                sizes.insert(name.value().to_owned(), bytes.value());
            }
        }
        Err(TableError::TableDoesNotExist(_)) => {}
        Err(error) => return Err(Problem::Foreign(error.to_string())),
    }
    Ok(sizes)
}

fn begin(database: &Database) -> Result<(), redb::Error> {
    let txn = database.begin_write()?;
    txn.open_table(ABOUT)?.insert(FORMAT_KEY, FORMAT)?;
    txn.commit()?;
    Ok(())
}

/// Why a database cannot be opened, without its path.
enum Problem {
    Database(DatabaseError),
    Foreign(String),
    Other(redb::Error),
}

impl Problem {
    fn at(self, path: &Path) -> StoreError {
        let path = path.to_path_buf();
        match self {
            Self::Database(DatabaseError::DatabaseAlreadyOpen) => StoreError::Locked { path },
            Self::Database(DatabaseError::UpgradeRequired(version)) => StoreError::NotAStore {
                path,
                reason: format!("its format is {version}, from an older version of redb"),
            },
            Self::Database(DatabaseError::Storage(StorageError::Io(source)))
            | Self::Other(redb::Error::Io(source)) => match source.kind() {
                // It points to where there is nothing.
                ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput => {
                    let reason = source.to_string();
                    StoreError::Damaged { path, reason }
                }
                _ => StoreError::Io { path, source },
            },
            Self::Database(error) => StoreError::Damaged {
                path,
                reason: error.to_string(),
            },
            Self::Other(error) => StoreError::Damaged {
                path,
                reason: error.to_string(),
            },
            Self::Foreign(reason) => StoreError::NotAStore { path, reason },
        }
    }
}

impl From<DatabaseError> for Problem {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl<E: Into<redb::Error> + NotOpening> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// Errors of redb's that come after a database was opened.
trait NotOpening {}
impl NotOpening for redb::Error {}
impl NotOpening for StorageError {}
impl NotOpening for redb::TransactionError {}
