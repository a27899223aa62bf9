//! What only functions of one kind say in a manifest.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::json::{PARAMS_MAX, RawFunction, check_label};
use super::types::ParamType;
use super::{Column, FunctionKind, ManifestError, WindowMode};
use crate::limits::Limits;
use crate::module::{EventKind, text};

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawKind {
    #[default]
    Scalar,
    Aggregate,
    Window,
    Table,
    Observer,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawColumn {
    name: String,
    #[serde(rename = "type")]
    ty: String,
    nullable: Option<bool>,
}

/// What is particular to the kind. Keys that belong to another kind are refused.
pub(super) fn read(
    place: &str,
    raw: &mut RawFunction,
    limits: &Limits,
) -> Result<FunctionKind, ManifestError> {
    let error = |problem: String| Err(ManifestError::new(place, problem));
    let keys = [
        ("state", raw.state.is_some(), RawKind::Aggregate),
        ("retract", raw.retract.is_some(), RawKind::Aggregate),
        ("ordered", raw.ordered.is_some(), RawKind::Aggregate),
        ("window", raw.window.is_some(), RawKind::Window),
        ("ignore_nulls", raw.ignore_nulls.is_some(), RawKind::Window),
        ("columns", raw.columns.is_some(), RawKind::Table),
        ("event", raw.event.is_some(), RawKind::Observer),
    ];
    if let Some((key, _, wanted)) = keys
        .iter()
        .find(|(_, given, wanted)| *given && *wanted != raw.kind)
    {
        return error(format!(
            "key `{key}` is for functions of kind `{}`; remove it, or declare the kind",
            wanted.name()
        ));
    }
    Ok(match raw.kind {
        RawKind::Scalar => FunctionKind::Scalar,
        RawKind::Aggregate => {
            if raw.bind || raw.variadic {
                let key = if raw.bind { "bind" } else { "variadic" };
                return error(format!(
                    "`{key}` is true, which an aggregate function cannot have; declare an overload for each type"
                ));
            }
            if raw.params.is_empty() {
                return error(
                    "it has no parameters, so that nothing would tell it how many rows there are; declare one"
                        .to_owned(),
                );
            }
            let Some(state) = raw.state.take() else {
                return error(
                    "key `state` is missing; declare the columns of the state of a group"
                        .to_owned(),
                );
            };
            if state.iter().any(|column| column.nullable.is_some()) {
                return error(
                    "a column of its `state` says `nullable`, which says nothing there; remove it"
                        .to_owned(),
                );
            }
            FunctionKind::Aggregate {
                state: columns(place, "state", state, limits)?,
                retract: raw.retract.unwrap_or_default(),
                ordered: raw.ordered.unwrap_or_default(),
            }
        }
        RawKind::Window => {
            let mode = raw.window.unwrap_or_default();
            if mode == WindowMode::Ranked && !raw.params.is_empty() {
                return error(
                    "its window is `ranked`, and DataFusion gives such a function no arguments; remove the parameters, or see the whole `partition`"
                        .to_owned(),
                );
            }
            if mode != WindowMode::Partition && raw.bind {
                return error(
                    "`bind` is true, which a window function can only be that sees the whole `partition`"
                        .to_owned(),
                );
            }
            FunctionKind::Window {
                mode,
                ignore_nulls: raw.ignore_nulls.unwrap_or_default(),
            }
        }
        RawKind::Table => {
            if raw.returns.is_some() {
                return error("key `returns` is not for tables; declare `columns`".to_owned());
            }
            let columns = match (raw.columns.take(), raw.bind) {
                (Some(declared), false) => Some(columns(place, "columns", declared, limits)?),
                (None, true) => None,
                (Some(_), true) => {
                    return error(
                        "with `\"bind\": true` the columns come from `wasmfusion_bind`; remove `columns`"
                            .to_owned(),
                    );
                }
                (None, false) => {
                    return error(
                        "key `columns` is missing; declare the table's columns, or decide them in `wasmfusion_bind` and say `\"bind\": true`"
                            .to_owned(),
                    );
                }
            };
            FunctionKind::Table { columns }
        }
        RawKind::Observer => {
            let sql_only = [
                ("returns", raw.returns.is_some()),
                ("bind", raw.bind),
                ("variadic", raw.variadic),
                ("aliases", !raw.aliases.is_empty()),
                ("examples", !raw.examples.is_empty()),
            ];
            if let Some((key, _)) = sql_only.iter().find(|(_, given)| *given) {
                return error(format!(
                    "key `{key}` is for functions that SQL calls, and an observer is not; remove it"
                ));
            }
            let Some(event) = raw.event else {
                return error(format!(
                    "key `event` is missing; name the kind of events that it observes: {}",
                    EventKind::ALL.map(EventKind::name).join(", ")
                ));
            };
            FunctionKind::Observer { event }
        }
    })
}

impl RawKind {
    fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Aggregate => "aggregate",
            Self::Window => "window",
            Self::Table => "table",
            Self::Observer => "observer",
        }
    }
}

fn columns(
    place: &str,
    key: &str,
    raw: Vec<RawColumn>,
    limits: &Limits,
) -> Result<Vec<Column>, ManifestError> {
    let place = format!("{place}, key `{key}`");
    if raw.is_empty() || raw.len() > PARAMS_MAX {
        let problem = format!(
            "it has {} columns, expected 1 to {PARAMS_MAX}; declare at least one, or put several into a struct",
            raw.len()
        );
        return Err(ManifestError::new(place, problem));
    }
    let mut columns: Vec<Column> = Vec::with_capacity(raw.len());
    for RawColumn { name, ty, nullable } in raw {
        let place = format!("{place}, column `{}`", text::name(&name));
        check_label(&place, &name)?;
        if columns.iter().any(|column| column.name == name) {
            return Err(ManifestError::new(
                place,
                "two columns have this name; rename one",
            ));
        }
        match ParamType::parse(&ty, limits.type_depth_max) {
            Ok(ParamType::Exact(ty)) => columns.push(Column {
                name,
                ty,
                nullable: nullable.unwrap_or(true),
            }),
            Ok(ParamType::Any) => {
                let problem = "its type is `any`, which a column cannot have; declare the type";
                return Err(ManifestError::new(place, problem));
            }
            Err(problem) => return Err(ManifestError::new(place, problem)),
        }
    }
    Ok(columns)
}

/// Checks the names of columns that do not come from a manifest by the manifest's rules. The problem, if there is one.
pub(crate) fn check_column_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for name in names {
        let place = format!("column `{}`", text::name(name));
        check_label(&place, name).map_err(|error| error.to_string())?;
        if !seen.insert(name) {
            return Err(format!("{place}: two columns have this name"));
        }
    }
    if seen.len() > PARAMS_MAX {
        return Err(format!("{} columns, more than {PARAMS_MAX}", seen.len()));
    }
    Ok(())
}
