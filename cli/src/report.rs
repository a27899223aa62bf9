//! How errors are told: on stderr, in colour if that is a terminal and `NO_COLOR` is not set.

use std::error::Error;
use std::fmt::Display;

use anstyle::{AnsiColor, Style};
use datafusion::error::DataFusionError;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Tells that something failed.
pub fn error(message: impl Display) {
    anstream::eprintln!("{ERROR}Error:{ERROR:#} {message}");
}

/// Tells that something is not as it should be, and that work goes on.
pub fn warning(message: impl Display) {
    anstream::eprintln!("{WARNING}Warning:{WARNING:#} {message}");
}

/// Tells that a statement failed.
pub fn failed(failure: &DataFusionError) {
    error(message(failure));
}

/// An error of a plugin in its own words, without what DataFusion puts around it; every other error as DataFusion tells it.
fn message(failure: &DataFusionError) -> String {
    let mut cause: Option<&(dyn Error + 'static)> = Some(failure);
    while let Some(error) = cause {
        if let Some(ours) = error.downcast_ref::<wasmfusion::Error>() {
            return ours.to_string();
        }
        cause = error.source();
    }
    match failure.find_root() {
        DataFusionError::External(inner) => inner.to_string(),
        _ => failure.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_errors_lose_the_envelope() {
        let ours = wasmfusion::Error::Host {
            what: "no room".into(),
            reason: "none".into(),
        };
        let wrapped = DataFusionError::from(ours).context("while planning");
        assert_eq!(message(&wrapped), "no room: none");
    }

    #[test]
    fn others_stay_as_they_are() {
        let failure = DataFusionError::Plan("table 'x' not found".into());
        assert_eq!(message(&failure), failure.to_string());
    }
}
