//! `--log FILTER`: what the host and its plugins log, on stderr. Stdout is for results.
//!
//! What plugins say has no control characters when it comes here: the host function `log` escapes them, and the layer does it again.

use std::io::{IsTerminal, stderr};
use std::str::FromStr;

use anstream::{AutoStream, ColorChoice};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use wasmfusion::ObserverLayer;

use crate::report;

/// What is shown without `--log`: warnings, and what plugins have to say. The audit has a record for each host call; what is an error
/// there is that its file cannot be written.
pub const DEFAULT: &str = "warn,wasmfusion::plugin=info,wasmfusion::audit=error";

/// What is shown of all that is logged.
#[derive(Clone, Debug)]
pub struct LogFilter(Targets);

impl LogFilter {
    fn is_off(&self) -> bool {
        let targets = self.0.iter().map(|(_, level)| level);
        targets
            .chain(self.0.default_level())
            .all(|level| level == LevelFilter::OFF)
    }
}

impl FromStr for LogFilter {
    type Err = String;

    /// An empty text is [`DEFAULT`], so that an empty variable counts as one that is not set.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = if text.trim().is_empty() {
            DEFAULT
        } else {
            text
        };
        let mut targets = Targets::new();
        for part in text.split(',').map(str::trim) {
            targets = with_part(targets, part).ok_or_else(|| {
                format!(
                    "expected LEVEL or TARGET=LEVEL, or several with commas between them, found `{part}`; right are debug and \
                     wasmfusion=debug,wasmfusion::audit=info; the levels are off, error, warn, info, debug and trace"
                )
            })?;
        }
        Ok(Self(targets))
    }
}

/// The filter with one more part. A word alone is a level: as a target, which it could be, a misspelt level would hide everything.
fn with_part(filter: Targets, part: &str) -> Option<Targets> {
    let Some((target, name)) = part.split_once('=') else {
        return Some(filter.with_default(level(part)?));
    };
    let (target, level) = (target.trim(), level(name.trim())?);
    is_target(target).then(|| filter.with_target(target, level))
}

fn is_target(text: &str) -> bool {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_:.-".contains(letter);
    !text.is_empty() && text.chars().all(allowed)
}

fn level(name: &str) -> Option<LevelFilter> {
    // Nothing would be `error`.
    if name.is_empty() {
        return None;
    }
    name.parse().ok()
}

/// Writes what is logged from here on to stderr, as far as the filter lets it through.
///
/// Crates that log with the crate `log`, as DataFusion does, are shown as `RUST_LOG` says, unless everything is off.
///
/// The layer that is returned tells observers of what the filter lets through.
pub fn start(filter: &LogFilter) -> ObserverLayer {
    if !filter.is_off() {
        env_logger::init();
    }
    let layer = fmt::layer()
        .compact()
        .with_writer(stderr)
        .with_ansi(is_coloured());
    let observers = ObserverLayer::default();
    let started = tracing_subscriber::registry()
        .with(layer)
        .with(observers.clone())
        .with(filter.0.clone())
        .try_init();
    if let Err(error) = started {
        report::warning(format!("nothing that is logged will be shown: {error}"));
    }
    observers
}

/// Whether stderr is a terminal, and one that wants colours.
fn is_coloured() -> bool {
    stderr().is_terminal() && AutoStream::choice(&stderr()) != ColorChoice::Never
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::filter::LevelFilter;

    use super::{DEFAULT, LogFilter};

    fn parse(text: &str) -> LogFilter {
        text.parse().expect(text)
    }

    /// The most detailed level that a target is shown at.
    fn shown(filter: &LogFilter, target: &str) -> LevelFilter {
        let levels = [
            LevelFilter::TRACE,
            LevelFilter::DEBUG,
            LevelFilter::INFO,
            LevelFilter::WARN,
            LevelFilter::ERROR,
        ];
        let enabled = |level: &LevelFilter| {
            let level = level.into_level().unwrap();
            filter.0.would_enable(target, &level)
        };
        levels.into_iter().find(enabled).unwrap_or(LevelFilter::OFF)
    }

    #[test]
    fn the_default() {
        for filter in [DEFAULT, "", " "].map(parse) {
            for (target, level) in [
                ("hyper::proto", LevelFilter::WARN),
                ("wasmfusion::redact", LevelFilter::WARN),
                ("wasmfusion::plugin", LevelFilter::INFO),
                ("wasmfusion::audit", LevelFilter::ERROR),
            ] {
                assert_eq!(shown(&filter, target), level, "{target}");
            }
            assert!(!filter.is_off());
        }
    }

    #[test]
    fn levels_and_targets() {
        let filter = parse("wasmfusion=debug, wasmfusion::audit = INFO");
        for (target, level) in [
            ("hyper::proto", LevelFilter::OFF),
            ("wasmfusion::registry", LevelFilter::DEBUG),
            ("wasmfusion::audit", LevelFilter::INFO),
        ] {
            assert_eq!(shown(&filter, target), level, "{target}");
        }
        assert_eq!(shown(&parse("trace"), "anything"), LevelFilter::TRACE);
    }

    #[test]
    fn off() {
        for text in ["off", "OFF", "wasmfusion=off", "off,wasmfusion::plugin=off"] {
            assert!(parse(text).is_off(), "{text}");
        }
        assert!(!parse("off,wasmfusion::plugin=info").is_off());
    }

    #[test]
    fn what_is_no_filter() {
        for text in [
            "loud",
            "wasmfusion",
            "wasmfusion=loud",
            "wasmfusion=",
            "=info",
            "a=b=info",
            "info,",
            "info debug",
            "wasmfusion[{plugin}]=info",
        ] {
            let error = text.parse::<LogFilter>().unwrap_err();
            assert!(error.contains("TARGET=LEVEL"), "{text}: {error}");
        }
    }
}
