//! Where drained records go.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use tracing::field::display;

use super::{AuditOptions, AuditRecord, Outcome};
use crate::capability::CapabilityKind;
use crate::error::{Error, Result};
use crate::host::Status;

/// Where drained records go.
pub(super) struct Sinks {
    history: VecDeque<AuditRecord>,
    history_records_max: usize,
    tracing: bool,
    file: Option<LogFile>,
}

struct LogFile {
    path: PathBuf,
    writer: BufWriter<File>,
    /// Whether the last write failed, so that a full disk is told once, not at every record.
    failed: bool,
}

impl Sinks {
    pub(super) fn new(options: &AuditOptions) -> Result<Self> {
        let file = options.file.as_ref().map(|path| {
            let file = File::options().create(true).append(true).open(path);
            let file = file.map_err(|error| Error::Host {
                what: format!("the audit log {} could not be opened", path.display()),
                reason: error.to_string(),
            })?;
            Ok::<_, Error>(LogFile {
                path: path.clone(),
                writer: BufWriter::new(file),
                failed: false,
            })
        });
        Ok(Self {
            history: VecDeque::new(),
            history_records_max: options.history_records_max,
            tracing: options.tracing,
            file: file.transpose()?,
        })
    }

    pub(super) fn none() -> Self {
        Self {
            history: VecDeque::new(),
            history_records_max: 0,
            tracing: false,
            file: None,
        }
    }

    pub(super) fn history(&self) -> impl Iterator<Item = &AuditRecord> {
        self.history.iter()
    }

    pub(super) fn write(&mut self, record: AuditRecord) {
        if self.tracing {
            trace(&record);
        }
        if let Some(file) = &mut self.file {
            file.write(|writer| {
                serde_json::to_writer(&mut *writer, &record)?;
                writer.write_all(b"\n")
            });
        }
        if self.history_records_max == 0 {
            return;
        }
        if self.history.len() >= self.history_records_max {
            self.history.pop_front();
        }
        self.history.push_back(record);
    }

    pub(super) fn flush(&mut self) {
        if let Some(file) = &mut self.file {
            file.write(BufWriter::flush);
        }
    }
}

impl LogFile {
    fn write(&mut self, write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) {
        let result = write(&mut self.writer);
        if let Err(error) = &result
            && !self.failed
        {
            tracing::error!(target: "wasmfusion::audit", { error.message = %error, file.path = %self.path.display() }, "the audit log cannot be written");
        }
        self.failed = result.is_err();
    }
}

fn trace(record: &AuditRecord) {
    let AuditRecord {
        plugin,
        function,
        query,
        operation,
        target,
        calls,
        bytes,
        duration_ns,
        outcome,
        ..
    } = record;
    let capability = record.capability.map_or("", CapabilityKind::name);
    let function = (!function.is_empty()).then(|| display(format!("{plugin}::{function}")));
    // A level is part of the call site.
    macro_rules! emit {
        ($level:ident) => {
            tracing::$level!(
                target: "wasmfusion::audit",
                {
                    wasmfusion.plugin.name = &**plugin,
                    code.function.name = function,
                    wasmfusion.query.id = query,
                    wasmfusion.host.operation = operation,
                    wasmfusion.host.capability = capability,
                    wasmfusion.host.target = &**target,
                    wasmfusion.host.outcome = outcome.name(),
                    wasmfusion.calls = calls,
                    wasmfusion.bytes = bytes,
                    wasmfusion.duration_ns = duration_ns,
                },
                "host call"
            )
        };
    }
    match outcome {
        Outcome::Refused(Status::Denied) | Outcome::Trapped | Outcome::Lost => emit!(warn),
        Outcome::Ok | Outcome::Refused(_) => emit!(info),
    }
}
