//! What an operator grants.

use std::fmt;

use super::{Capability, CapabilityError};

/// The capabilities that an operator grants to a plugin. The default is nothing.
///
/// ```
/// use wasmfusion::{Grants, Preset};
///
/// let grants = Grants::from(Preset::Observability).grant("table:read:rates_*")?;
/// assert!(grants.covers(&"table:read:rates_2026".parse()?));
/// assert!(!grants.covers(&"clock".parse()?));
/// # Ok::<(), wasmfusion::CapabilityError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Grants(Vec<Capability>);

/// Grants that go together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Preset {
    /// Nothing.
    #[default]
    Nothing,
    /// To be heard: `log`, `metric:emit`.
    Observability,
    /// What [`Self::Observability`] has, and to read what belongs to the engine: `config`, `clock`, `table:read:*`,
    /// `vector:search:*`. No secrets, no environment, no files, no network.
    ReadOnly,
}

impl Preset {
    fn capabilities(self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &[],
            Self::Observability => &["log", "metric:emit"],
            Self::ReadOnly => &[
                "log",
                "metric:emit",
                "config",
                "clock",
                "table:read:*",
                "vector:search:*",
            ],
        }
    }
}

impl From<Preset> for Grants {
    fn from(preset: Preset) -> Self {
        let parse = |text: &&str| text.parse().ok();
        Self(preset.capabilities().iter().filter_map(parse).collect())
    }
}

impl FromIterator<Capability> for Grants {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        Self(capabilities.into_iter().collect())
    }
}

impl Grants {
    /// These grants and one more.
    ///
    /// # Errors
    ///
    /// If `capability` is not one.
    pub fn grant(mut self, capability: &str) -> Result<Self, CapabilityError> {
        self.add(capability.parse()?);
        Ok(self)
    }

    /// Adds a capability.
    pub fn add(&mut self, capability: Capability) {
        if !self.0.contains(&capability) {
            self.0.push(capability);
        }
    }

    /// Everything that is granted.
    pub fn capabilities(&self) -> &[Capability] {
        &self.0
    }

    /// Whether all that `capability` allows is granted by one of these.
    pub fn covers(&self, capability: &Capability) -> bool {
        self.0.iter().any(|granted| granted.covers(capability))
    }

    /// Adds those of `others` that something of `requested` needs. What is granted to every plugin widens nothing for those that ask for less.
    pub(crate) fn add_needed(&mut self, others: &Self, requested: &[Capability]) {
        let needed = |other: &&Capability| requested.iter().any(|asked| other.covers(asked));
        others
            .0
            .iter()
            .filter(needed)
            .for_each(|other| self.add(other.clone()));
    }

    /// Those of `requested` that are not granted.
    pub(crate) fn missing<'a>(&self, requested: &'a [Capability]) -> Vec<&'a Capability> {
        requested
            .iter()
            .filter(|capability| !self.covers(capability))
            .collect()
    }
}

impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join(", "))
    }
}
