//! Limits that a SQL user sets for a session: `SET wasmfusion.call_timeout_ms = 100`.
//!
//! SQL text is from strangers: it can make limits smaller, never larger.

use std::any::Any;
use std::sync::Arc;

use datafusion::common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion::common::{Result, config_err};
use datafusion::config::ConfigOptions;

use super::Limits;

/// A limit that a session may lower.
struct Setting {
    name: &'static str,
    description: &'static str,
    get: fn(&Limits) -> Option<u64>,
    set: fn(&mut Limits, u64),
}

const SETTINGS: &[Setting] = &[
    Setting {
        name: "call_timeout_ms",
        description: "Longest time that one call of a WebAssembly function may take, in milliseconds",
        get: |limits| Some(limits.call_timeout_ms),
        set: |limits, value| limits.call_timeout_ms = value,
    },
    Setting {
        name: "query_timeout_ms",
        description: "Longest time from the start of a query until its last WebAssembly function must be done, in milliseconds",
        get: |limits| limits.query_timeout_ms,
        set: |limits, value| limits.query_timeout_ms = Some(value),
    },
    Setting {
        name: "memory_bytes_max",
        description: "Largest memory of one instance of a plugin, in bytes",
        get: |limits| Some(limits.memory_bytes_max),
        set: |limits, value| limits.memory_bytes_max = value,
    },
    Setting {
        name: "call_rows_max",
        description: "Largest number of rows in one call of a WebAssembly function",
        get: |limits| Some(limits.call_rows_max.into()),
        set: |limits, value| limits.call_rows_max = u32::try_from(value).unwrap_or(u32::MAX),
    },
    Setting {
        name: "scan_rows_max",
        description: "Largest number of rows that a WebAssembly table function may return",
        get: |limits| Some(limits.scan_rows_max),
        set: |limits, value| limits.scan_rows_max = value,
    },
    Setting {
        name: "result_bytes_max",
        description: "Largest result of one call of a WebAssembly function, in bytes",
        get: |limits| Some(limits.result_bytes_max as u64),
        set: |limits, value| {
            limits.result_bytes_max = usize::try_from(value).unwrap_or(usize::MAX);
        },
    },
    Setting {
        name: "host_call_timeout_ms",
        description: "Longest time that one host call of a plugin may take, in milliseconds",
        get: |limits| Some(limits.host_call_timeout_ms),
        set: |limits, value| limits.host_call_timeout_ms = value,
    },
    Setting {
        name: "host_call_bytes_max",
        description: "Largest number of bytes that go into or come out of one host call of a plugin",
        get: |limits| Some(limits.host_call_bytes_max as u64),
        set: |limits, value| {
            limits.host_call_bytes_max = usize::try_from(value).unwrap_or(usize::MAX);
        },
    },
];

/// The limits that a session has lowered: the options `wasmfusion.…` of its configuration.
#[derive(Clone, Debug)]
pub(crate) struct SessionLimits {
    /// What the session's registry allows.
    registry: Limits,
    /// What was set, in the order of [`SETTINGS`].
    lowered: [Option<u64>; SETTINGS.len()],
}

impl SessionLimits {
    /// Those of a session whose plugins come from a registry with these limits: nothing is lowered.
    pub(crate) fn new(registry: &Limits) -> Self {
        Self {
            registry: registry.clone(),
            lowered: [None; SETTINGS.len()],
        }
    }

    /// What a session has lowered, if it has.
    pub(crate) fn of(options: &ConfigOptions) -> Option<Arc<Self>> {
        let limits: &Self = options.extensions.get()?;
        let any = limits.lowered.iter().any(Option::is_some);
        any.then(|| Arc::new(limits.clone()))
    }

    /// A plugin's limits, as far as the session has not lowered them.
    pub(crate) fn applied_to(&self, limits: &Limits) -> Limits {
        let mut limits = limits.clone();
        for (setting, lowered) in SETTINGS.iter().zip(self.lowered) {
            if let Some(lowered) = lowered
                && (setting.get)(&limits).is_none_or(|own| lowered < own)
            {
                (setting.set)(&mut limits, lowered);
            }
        }
        limits
    }
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self::new(&Limits::default())
    }
}

impl ConfigExtension for SessionLimits {
    const PREFIX: &'static str = "wasmfusion";
}

impl ExtensionOptions for SessionLimits {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let Some(place) = SETTINGS.iter().position(|setting| setting.name == key) else {
            let names: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
            return config_err!(
                "there is no setting wasmfusion.{key}; there are {}",
                names.join(", ")
            );
        };
        let Ok(number) = value.trim().parse::<u64>() else {
            return config_err!("wasmfusion.{key} is a number, found `{value}`");
        };
        if let Some(max) = (SETTINGS[place].get)(&self.registry)
            && number > max
        {
            return config_err!(
                "wasmfusion.{key} can be {max} at most in this session; whoever embeds the engine can raise `{key}`"
            );
        }
        self.lowered[place] = Some(number);
        Ok(())
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        let entry = |(setting, lowered): (&Setting, Option<u64>)| ConfigEntry {
            key: format!("{}.{}", Self::PREFIX, setting.name),
            value: lowered
                .or_else(|| (setting.get)(&self.registry))
                .map(|value| value.to_string()),
            description: setting.description,
        };
        SETTINGS.iter().zip(self.lowered).map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_lowered_and_never_raised() {
        let mut session = SessionLimits::default();
        session.set("call_timeout_ms", "100").expect("lower");
        session
            .set("query_timeout_ms", "7000")
            .expect("there was none");
        let plugin = session.applied_to(&Limits::default());
        assert_eq!(
            (plugin.call_timeout_ms, plugin.query_timeout_ms),
            (100, Some(7000))
        );
        let strict = Limits {
            call_timeout_ms: 50,
            query_timeout_ms: Some(60),
            ..Limits::default()
        };
        let plugin = session.applied_to(&strict);
        assert_eq!(
            (plugin.call_timeout_ms, plugin.query_timeout_ms),
            (50, Some(60))
        );
        let error = session
            .set("call_timeout_ms", "100000")
            .expect_err("higher");
        assert!(error.to_string().contains("5000 at most"), "{error}");
    }

    #[test]
    fn what_is_no_setting_is_refused() {
        let mut session = SessionLimits::default();
        let error = session
            .set("call_timeout", "1")
            .expect_err("unknown")
            .to_string();
        assert!(
            error.contains("call_timeout_ms, query_timeout_ms"),
            "{error}"
        );
        assert!(session.set("call_timeout_ms", "fast").is_err());
        assert!(session.set("call_timeout_ms", "-1").is_err());
    }

    #[test]
    fn every_setting_is_a_limit_and_has_an_effect() {
        for (place, setting) in SETTINGS.iter().enumerate() {
            let mut session = SessionLimits::default();
            session.set(setting.name, "3").expect("lower");
            let limits = session.applied_to(&Limits::default());
            assert_eq!((setting.get)(&limits), Some(3), "{}", setting.name);
            let as_json = serde_json::to_value(&limits).expect("limits are data");
            assert_eq!(as_json[setting.name], 3, "{}", setting.name);
            assert_eq!(session.entries()[place].value.as_deref(), Some("3"));
        }
    }
}
