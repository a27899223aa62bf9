//! The crate `log`: what libraries write with it goes to the host. With the feature `log`.

use alloc::string::ToString;

use log::{LevelFilter, Log, Metadata, Record};

use super::{Level, enabled, format};

/// What the crate `log` hands its records to.
struct Bridge;

impl Log for Bridge {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        enabled(level(metadata.level()))
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let target = record.target().to_string();
            format(
                level(record.level()),
                *record.args(),
                &[("target", &target)],
            );
        }
    }

    fn flush(&self) {}
}

fn level(level: log::Level) -> Level {
    match level {
        log::Level::Error => Level::Error,
        log::Level::Warn => Level::Warn,
        log::Level::Info => Level::Info,
        log::Level::Debug => Level::Debug,
        log::Level::Trace => Level::Trace,
    }
}

/// Sends the records of the crate `log` to the host from here on. What the host keeps, it is asked at the first record.
pub(crate) fn install() {
    // A plugin that has set a logger of its own keeps it.
    if log::set_logger(&Bridge).is_ok() {
        log::set_max_level(LevelFilter::Trace);
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    #[test]
    fn hears_the_crate_log() {
        let host = crate::testing::host();
        log::info!(target: "library", "from {}", "afar");
        assert_eq!(host.logs()[0].to_string(), "INFO from afar target=library");
    }
}
