//! Observers: that their parameters are columns of their events, and that the plugin asks for what it observes.

use super::{FunctionDecl, Manifest, ManifestError, ParamType, function_place};
use crate::module::{EventKind, text};

/// Checks all observers of a manifest.
pub(super) fn check(manifest: &Manifest) -> Result<(), ManifestError> {
    for function in &manifest.functions {
        let Some(event) = function.kind.event() else {
            continue;
        };
        check_params(function, event)?;
        let needed = event.capability();
        if !manifest.capabilities.iter().any(|c| c.kind() == needed) {
            let problem = format!(
                "it observes `{}`, for which the plugin must ask; add \"{needed}\" to `capabilities`",
                event.name()
            );
            return Err(ManifestError::new(function_place(&function.name), problem));
        }
    }
    Ok(())
}

/// A parameter is the column of its name, with exactly its type.
fn check_params(function: &FunctionDecl, event: EventKind) -> Result<(), ManifestError> {
    let place = function_place(&function.name);
    if function.params.is_empty() {
        let problem = format!(
            "it has no parameters, so that it would be told nothing; declare one or more of {}",
            shown_columns(event)
        );
        return Err(ManifestError::new(place, problem));
    }
    for param in &function.params {
        let place = format!("{place}, parameter `{}`", text::name(&param.name));
        let Some(column) = event
            .column(&param.name)
            .and_then(|at| event.columns().get(at))
        else {
            let problem = format!(
                "an event `{}` has no such column; it has {}",
                event.name(),
                shown_columns(event)
            );
            return Err(ManifestError::new(place, problem));
        };
        let expected = column.ty.data_type();
        if param.ty != ParamType::Exact(expected.clone()) {
            let problem = format!(
                "its type is {}, but the column is {expected}; declare that",
                text::name(&param.ty.to_string())
            );
            return Err(ManifestError::new(place, problem));
        }
    }
    Ok(())
}

fn shown_columns(event: EventKind) -> String {
    let columns = event.columns().iter();
    let columns = columns.map(|column| format!("{} {}", column.name, column.ty.data_type()));
    columns.collect::<Vec<_>>().join(", ")
}
