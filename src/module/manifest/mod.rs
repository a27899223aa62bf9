//! The manifest: what a plugin says of itself, read as hostile text.
//!
//! `docs/abi.md`, "The manifest", is the specification. A [`Manifest`] that exists has passed every rule that can be
//! checked without the module; [`Manifest::check_exports`] checks the rest.

mod choice;
mod json;
mod kind;
mod observers;
mod overloads;
mod types;

use std::borrow::Cow;
use std::fmt::Write;

use serde::{Deserialize, Serialize, Serializer};
use wasmfusion_abi::export;

use super::event::EventKind;
use super::info::{ExternType, ModuleInfo, Signature};
use super::text;
use crate::capability::Capability;
use crate::limits::Limits;
use crate::memory::MemoryError;
use crate::redact::Redactor;

pub(crate) use kind::check_column_names;
pub use types::ParamType;

/// What a plugin says of itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Manifest {
    /// Name of the plugin.
    pub name: String,
    /// Version of the plugin.
    pub version: String,
    /// What the plugin is for.
    pub description: Option<String>,
    /// The functions, at least one. [`BindFrame::function`](wasmfusion_abi::BindFrame::function) counts in this order.
    pub functions: Vec<FunctionDecl>,
    /// Capabilities that the plugin asks for.
    #[serde(serialize_with = "as_texts")]
    pub capabilities: Vec<Capability>,
    /// JSON Schema of the plugin's configuration.
    pub config_schema: Option<serde_json::Value>,
}

/// One function of a plugin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FunctionDecl {
    /// Whether the operator leaves it out.
    #[serde(skip)]
    pub(crate) hidden: bool,
    /// Name in SQL.
    pub name: String,
    /// Name of the wasm export.
    pub export: String,
    /// What kind of function it is.
    #[serde(flatten)]
    pub kind: FunctionKind,
    /// The parameters, in order.
    pub params: Vec<Param>,
    /// Whether the last parameter may be repeated.
    pub variadic: bool,
    /// The result; `None` if `wasmfusion_bind` decides, and for tables.
    pub returns: Option<Returns>,
    /// Whether `wasmfusion_bind` must be called before the function.
    pub bind: bool,
    /// How the result depends on more than the arguments.
    pub volatility: Volatility,
    /// Further names in SQL.
    pub aliases: Vec<String>,
    /// What the function does.
    pub description: Option<String>,
    /// How it is used.
    pub examples: Vec<Example>,
}

impl FunctionDecl {
    /// Whether SQL can call it: it is no observer, and its operator does not leave it out.
    pub(crate) fn in_sql(&self) -> bool {
        !self.hidden && self.kind.event().is_none()
    }
}

/// What kind of function it is, and what only functions of this kind say.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum FunctionKind {
    /// A value for each row.
    Scalar,
    /// A value for each group of rows.
    Aggregate {
        /// Columns of the state, at least one.
        state: Vec<Column>,
        /// Whether rows can be taken out again.
        retract: bool,
        /// Whether the result depends on the order of rows.
        ordered: bool,
    },
    /// A value for each row, from its partition.
    Window {
        /// What the function sees of the partition.
        #[serde(rename = "window")]
        mode: WindowMode,
        /// Whether it knows what to do with `IGNORE NULLS`.
        ignore_nulls: bool,
    },
    /// Rows.
    Table {
        /// Columns of the result; `None` if `wasmfusion_bind` decides.
        columns: Option<Vec<Column>>,
    },
    /// Nothing: it is told of the engine's events, and SQL cannot call it.
    Observer {
        /// The kind of events.
        event: EventKind,
    },
}

impl FunctionKind {
    /// Its name in a manifest.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Aggregate { .. } => "aggregate",
            Self::Window { .. } => "window",
            Self::Table { .. } => "table",
            Self::Observer { .. } => "observer",
        }
    }

    /// The kind of events that it observes, if it does.
    pub fn event(&self) -> Option<EventKind> {
        match self {
            Self::Observer { event } => Some(*event),
            _ => None,
        }
    }
}

/// What a window function sees of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WindowMode {
    /// All of it at once.
    #[default]
    Partition,
    /// Which rows are peers.
    Ranked,
    /// The rows of the window's frame.
    Framed,
    /// Row after row.
    Streaming,
}

/// A column of a state or of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type", serialize_with = "as_text")]
    pub ty: arrow::datatypes::DataType,
    /// Whether it may hold NULLs. Shown if not: a column of a state always may, and must not say so.
    #[serde(skip_serializing_if = "bool::clone")]
    pub nullable: bool,
}

/// One parameter of a function.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: ParamType,
    /// What happens to rows in which it is NULL.
    pub nulls: Nulls,
}

/// What happens to rows in which an argument is NULL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nulls {
    /// The guest never sees them; their result is NULL.
    #[default]
    Skip,
    /// They cross, marked in the validity buffer.
    Pass,
}

/// The result of a function.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Returns {
    /// Its type.
    #[serde(rename = "type", serialize_with = "as_text")]
    pub ty: arrow::datatypes::DataType,
    /// Whether NULLs may come back for rows that reach the guest.
    pub nullable: bool,
}

/// How the result of a function depends on more than its arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Volatility {
    /// Not at all.
    #[default]
    Immutable,
    /// It is the same within one query.
    Stable,
    /// It may differ at each call.
    Volatile,
}

/// How a function is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// A query.
    pub sql: String,
    /// What it returns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

/// Why a manifest is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is not in the guest's memory.
    #[error(
        "it cannot be read: {0}; `wasmfusion_describe` must return the address of a `Slice`, see docs/abi.md"
    )]
    Unreadable(#[from] MemoryError),
    /// It is longer than a manifest may be.
    #[error(
        "it has {bytes} bytes, more than the {max} that `manifest_bytes_max` allows; shorten descriptions, or raise the limit"
    )]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// It breaks a rule.
    #[error("{place}: {problem}")]
    Invalid {
        /// Which part of it, for instance "function `f`, parameter `x`".
        place: String,
        /// What was found, what was expected and what to do.
        problem: String,
    },
}

impl ManifestError {
    fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        let place = place.into();
        let problem = problem.into();
        Self::Invalid { place, problem }
    }
}

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    ///
    /// If `bytes` are more than the limit, not JSON of the right shape, or break a rule of `docs/abi.md`. The error names
    /// the function and the key.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, ManifestError> {
        let manifest = json::read(bytes, limits)?;
        overloads::check(&manifest.functions)?;
        observers::check(&manifest)?;
        Ok(manifest)
    }

    /// Takes secrets out of what it says in words.
    pub(crate) fn redact(&mut self, redactor: &Redactor) {
        let redact = |text: &mut String| {
            if let Cow::Owned(redacted) = redactor.redact(text) {
                *text = redacted;
            }
        };
        self.description.iter_mut().for_each(redact);
        for function in &mut self.functions {
            function.description.iter_mut().for_each(redact);
            for example in &mut function.examples {
                redact(&mut example.sql);
                example.result.iter_mut().for_each(redact);
            }
        }
    }

    /// Checks that the module exports what the manifest names.
    ///
    /// # Errors
    ///
    /// If an export is missing or is no function `(i32) -> i32`.
    pub fn check_exports(&self, info: &ModuleInfo) -> Result<(), ManifestError> {
        let expected = ExternType::Func(Signature::i32(1));
        for function in &self.functions {
            let place = function_place(&function.name);
            let shown = text::name(&function.export);
            match info.exports.get(&function.export) {
                Some(found) if *found == expected => {}
                Some(found) => {
                    let problem = format!(
                        "its export `{shown}` is a {found}, expected a {expected}; see docs/abi.md, \"A call\""
                    );
                    return Err(ManifestError::new(place, problem));
                }
                None => {
                    let problem = format!(
                        "the module does not export `{shown}`, expected a {expected}; export it, or name the right one in `export`"
                    );
                    return Err(ManifestError::new(place, problem));
                }
            }
            if function.bind && !info.has_bind() {
                let problem = format!(
                    "`bind` is true, but the module does not export `{}`; export it, or declare the types and leave `bind` out",
                    export::BIND
                );
                return Err(ManifestError::new(place, problem));
            }
        }
        Ok(())
    }
}

/// A function as messages show it: `great_circle_km(lat1 Float64, lon1 Float64) -> Float64`.
pub fn signature_text(function: &FunctionDecl) -> String {
    let mut shown = format!("{}(", text::escape(&function.name));
    for (i, param) in function.params.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        let name = text::escape(&param.name);
        let ty = text::escape(&param.ty.to_string());
        write!(shown, "{comma}{name} {ty}").expect("writing to a String cannot fail");
    }
    if function.variadic {
        shown.push_str(", …");
    }
    if let FunctionKind::Observer { event } = function.kind {
        write!(shown, ") observes {}", event.name()).expect("writing to a String cannot fail");
        return shown;
    }
    shown.push_str(") -> ");
    match (&function.kind, &function.returns) {
        (
            FunctionKind::Table {
                columns: Some(columns),
            },
            _,
        ) => {
            let columns: Vec<String> = columns
                .iter()
                .map(|c| {
                    format!(
                        "{} {}",
                        text::escape(&c.name),
                        text::escape(&c.ty.to_string())
                    )
                })
                .collect();
            write!(shown, "TABLE({})", columns.join(", "))
                .expect("writing to a String cannot fail");
        }
        (_, Some(returns)) => shown.push_str(&text::escape(&returns.ty.to_string())),
        (_, None) => shown.push_str("any"),
    }
    shown
}

fn function_place(name: &str) -> String {
    format!("function `{}`", text::name(name))
}

fn as_texts<T: ToString, S: Serializer>(values: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(ToString::to_string))
}

fn as_text<T: ToString, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}

#[cfg(test)]
mod tests;
