//! What a plugin may ask the host for: capabilities, which manifests ask for and operators grant.
//!
//! ```text
//! manifest ──▶ requested ─┐
//!                         ├──▶ Permissions ──▶ looked at by every host call
//! operator ──▶ Grants ────┘
//! ```
//!
//! A call is allowed if a requested and a granted capability both allow it. This room decides; it asks nobody and does nothing.

mod grants;
mod kind;
mod network;
mod pattern;
mod permissions;

use std::fmt;
use std::str::FromStr;

pub use grants::{Grants, Preset};
pub use kind::CapabilityKind;
pub(crate) use permissions::Permissions;

use crate::module::{escape_cut, is_hidden};
use network::NetworkPattern;
use pattern::Pattern;

/// Longest text of a capability, in bytes.
const TEXT_BYTES_MAX: usize = 255;

/// Something that a plugin may ask the host for, with a pattern of what exactly where there is one: `log`, `table:read:rates_*`,
/// `net:http:api.example.com:443`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Capability {
    kind: CapabilityKind,
    target: Target,
}

/// What a capability is limited to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Target {
    /// There is only one such thing.
    One,
    /// Names or paths.
    Named(Pattern),
    /// Hosts and ports.
    Network(NetworkPattern),
}

/// Why a text is not a capability.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a capability: {problem}")]
pub struct CapabilityError {
    text: String,
    problem: String,
}

impl Capability {
    /// What kind of thing it is for.
    pub fn kind(&self) -> CapabilityKind {
        self.kind
    }

    /// The pattern behind the kind, if this kind has one.
    pub fn pattern(&self) -> Option<String> {
        match &self.target {
            Target::One => None,
            Target::Named(pattern) => Some(pattern.to_string()),
            Target::Network(pattern) => Some(pattern.to_string()),
        }
    }

    /// Whether all that `other` allows is allowed by this one.
    pub fn covers(&self, other: &Self) -> bool {
        self.kind == other.kind
            && match (&self.target, &other.target) {
                (Target::One, Target::One) => true,
                (Target::Named(own), Target::Named(other)) => own.covers(other),
                (Target::Network(own), Target::Network(other)) => own.covers(other),
                _ => false,
            }
    }

    /// The one name that it is for, if its pattern is one.
    pub(crate) fn literal(&self) -> Option<&str> {
        match &self.target {
            Target::Named(pattern) if pattern.is_literal() => Some(pattern.text()),
            _ => None,
        }
    }

    /// Whether it is for this name.
    pub(crate) fn allows_name(&self, name: &str) -> bool {
        matches!(&self.target, Target::Named(pattern) if pattern.matches(name))
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!(
                "it has {} bytes, at most {TEXT_BYTES_MAX} are possible",
                text.len()
            ));
        }
        if text.chars().any(is_hidden) {
            return Err("there are control characters in it".to_owned());
        }
        // They would end the text in the line that grants it.
        if text.contains(['"', '\\']) {
            return Err("there is `\"` or `\\` in it".to_owned());
        }
        let (kind, rest) = CapabilityKind::split(text)?;
        let target = match (kind.takes(), rest) {
            (kind::Takes::Nothing, None) => Target::One,
            (kind::Takes::Nothing, Some(_)) => {
                return Err(format!("`{kind}` takes no pattern; write `{kind}`"));
            }
            (_, None | Some("")) => {
                return Err(format!(
                    "the pattern is missing; write `{kind}:{}`",
                    kind.example()
                ));
            }
            (kind::Takes::Name, Some(rest)) => Target::Named(Pattern::name(rest)?),
            (kind::Takes::Path, Some(rest)) => Target::Named(Pattern::path(rest)?),
            (kind::Takes::Command, Some(rest)) => Target::Named(Pattern::command(rest)?),
            (kind::Takes::Network, Some(rest)) => Target::Network(NetworkPattern::parse(rest)?),
        };
        Ok(Self { kind, target })
    }
}

impl FromStr for Capability {
    type Err = CapabilityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).map_err(|problem| CapabilityError {
            text: escape_cut(text, TEXT_BYTES_MAX),
            problem,
        })
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::One => write!(f, "{}", self.kind),
            Target::Named(pattern) => write!(f, "{}:{pattern}", self.kind),
            Target::Network(pattern) => write!(f, "{}:{pattern}", self.kind),
        }
    }
}

#[cfg(test)]
mod tests;
