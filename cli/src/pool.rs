//! `--pool NAME=VALUE`: every field of [`PoolOptions`] by its name.

use std::str::FromStr;

use wasmfusion::PoolOptions;

use crate::size;

/// One option of the pool, set on the command line.
#[derive(Clone, Debug)]
pub struct PoolSetting {
    name: String,
    value: serde_json::Value,
}

impl FromStr for PoolSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once('=')
            .ok_or("expected NAME=VALUE, as in isolation=shared")?;
        // What is no number is a word.
        let value = size::parse(value).map_or_else(|_| value.into(), Into::into);
        let setting = Self {
            name: name.to_owned(),
            value,
        };
        pool(std::slice::from_ref(&setting))?;
        Ok(setting)
    }
}

/// The default options with these settings; of two for one field, the later counts.
pub fn pool(settings: &[PoolSetting]) -> Result<PoolOptions, String> {
    let mut options = PoolOptions::default();
    for PoolSetting { name, value } in settings {
        options.set(name, value.clone())?;
    }
    Ok(options)
}

/// The long help of `--pool`.
pub fn help() -> String {
    let PoolOptions {
        isolation,
        warm_instances,
        wait_ms,
        resident_bytes,
        warm_slots,
        ..
    } = PoolOptions::default();
    format!(
        "Set where instances of plugins come from. May be given several times. The options and their defaults:\n\n  \
         isolation={}: whom an instance serves: one `call`, one `stream` of a query, or `shared` by one stream after the other\n  \
         warm_instances={warm_instances}: instances that are made ahead, or kept\n  \
         wait_ms={wait_ms}: longest time to wait where as many instances live as may, in milliseconds\n  \
         resident_bytes={}k: memory of an instance that stays with the process\n  \
         warm_slots={warm_slots}: places for instances that stay mapped",
        isolation.name(),
        resident_bytes >> 10,
    )
}

#[cfg(test)]
mod tests {
    use wasmfusion::Isolation;

    use super::*;

    #[test]
    fn options_by_name() {
        let settings = ["isolation=shared", "warm_instances=3", "resident_bytes=1m"];
        let settings: Vec<PoolSetting> = settings.iter().map(|s| s.parse().unwrap()).collect();
        let options = pool(&settings).unwrap();
        assert_eq!(options.isolation, Isolation::Shared);
        assert_eq!(
            (options.warm_instances, options.resident_bytes),
            (3, 1 << 20)
        );
    }

    #[test]
    fn what_is_no_option() {
        for wrong in ["isolation", "isolation=none", "warm=3", "wait_ms=often"] {
            wrong.parse::<PoolSetting>().expect_err(wrong);
        }
    }
}
