//! Patterns of paths. Each component is matched by itself, so that no wildcard but `**` ever matches a `/`.

use globset::{GlobBuilder, GlobMatcher};

use super::path::GuestPath;
use crate::host::error::{HostError, Status};

/// Characters that make a component a wildcard.
const WILDCARDS: [char; 7] = ['*', '?', '[', ']', '{', '}', '\\'];

/// The components of a pattern behind those of its root.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    /// `**`: any number of components, but at least one at the end.
    Any,
    /// One component.
    One(GlobMatcher),
}

impl Pattern {
    /// A pattern and the components of its root: those before the first with a wildcard, and never the last.
    pub(super) fn parse(text: &str) -> Result<(Vec<String>, Self), HostError> {
        let refused = |why: &str| {
            let message = format!("the granted files {text:?} make no sense: {why}");
            HostError::new(Status::Invalid, message)
        };
        let path = GuestPath::parse(text).map_err(|e| refused(e.message()))?;
        let components = path.components();
        let wild = components.iter().position(|part| part.contains(WILDCARDS));
        let last = components
            .len()
            .checked_sub(1)
            .ok_or_else(|| refused("a folder is no file; write \"/**\" for all files"))?;
        let (root, parts) = components
            .split_at_checked(wild.unwrap_or(last))
            .unwrap_or_default();
        let parts = parts
            .iter()
            .map(|part| match *part {
                "**" => Ok(Part::Any),
                part if part.contains("**") => Err(refused(
                    "\"**\" can only stand between two \"/\" or at the end",
                )),
                part => one(part).map_err(|e| refused(&e.to_string())),
            })
            .collect::<Result<_, _>>()?;
        let root = root.iter().map(|&part| part.to_owned()).collect();
        Ok((root, Self { parts }))
    }

    /// Whether a file with these components, counted from the root, is meant.
    pub(super) fn matches(&self, components: &[&str]) -> bool {
        self.reached(components).last() == Some(&true)
    }

    /// Whether a folder with these components, counted from the root, can have files in it that are meant.
    pub(super) fn leads_on(&self, components: &[&str]) -> bool {
        let reached = self.reached(components);
        reached
            .split_last()
            .is_some_and(|(_, on_the_way)| on_the_way.contains(&true))
    }

    /// For each number of parts, whether the components can be matched by as many.
    fn reached(&self, components: &[&str]) -> Vec<bool> {
        let mut reached = vec![false; self.parts.len() + 1];
        if let Some(start) = reached.first_mut() {
            *start = true;
        }
        self.skip_any(&mut reached);
        for component in components {
            let mut next = vec![false; reached.len()];
            for (i, part) in self.parts.iter().enumerate() {
                if reached.get(i) != Some(&true) {
                    continue;
                }
                let (stays, goes_on) = match part {
                    Part::Any => (true, true),
                    Part::One(glob) => (false, glob.is_match(component)),
                };
                if let Some([here, behind]) = next.get_mut(i..i + 2) {
                    *here |= stays;
                    *behind |= goes_on;
                }
            }
            self.skip_any(&mut next);
            reached = next;
        }
        reached
    }

    /// `**` matches no component as well, except at the end.
    fn skip_any(&self, reached: &mut [bool]) {
        let last = self.parts.len().saturating_sub(1);
        for (i, part) in self.parts.iter().enumerate().take(last) {
            if let (Part::Any, Some([here, behind])) = (part, reached.get_mut(i..i + 2)) {
                *behind |= *here;
            }
        }
    }
}

fn one(part: &str) -> Result<Part, globset::Error> {
    let glob = GlobBuilder::new(part)
        .backslash_escape(true)
        .empty_alternates(true)
        .literal_separator(true)
        .build()?;
    Ok(Part::One(glob.compile_matcher()))
}
