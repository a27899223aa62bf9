//! What an operator makes of a plugin's names: which functions there are, and what else they are called.

use std::collections::BTreeMap;

use super::json::check_sql_name;
use super::{FunctionDecl, Manifest, ManifestError, overloads};
use crate::module::text;

/// Where a message says that something is wrong.
const FUNCTIONS: &str = "key `functions` of the settings";
const ALIASES: &str = "key `aliases` of the settings";

impl Manifest {
    /// Hides every function but those of `functions`, if there are some, and gives those of `aliases` a further name: from the name to the
    /// function's.
    ///
    /// # Errors
    ///
    /// If there is no such function, or the name is none or somebody else's.
    pub(crate) fn choose(
        &mut self,
        functions: Option<&[String]>,
        aliases: &BTreeMap<String, String>,
    ) -> Result<(), ManifestError> {
        if let Some(chosen) = functions {
            for name in chosen {
                self.find(FUNCTIONS, name)?;
            }
            let is_chosen =
                |name: &str| chosen.iter().any(|other| other.eq_ignore_ascii_case(name));
            for function in &mut self.functions {
                function.hidden = !is_chosen(&function.name);
            }
        }
        for (alias, name) in aliases {
            check_sql_name(ALIASES, "name", alias)?;
            let name = self.find(ALIASES, name)?;
            let observes = |f: &FunctionDecl| f.name == name && f.kind.event().is_some();
            if self.functions.iter().any(observes) {
                let problem =
                    format!("`{name}` is an observer, which SQL cannot call; remove the name");
                return Err(ManifestError::new(ALIASES, problem));
            }
            for function in self.functions.iter_mut().filter(|f| f.name == name) {
                function.aliases.push(alias.clone());
            }
        }
        overloads::check(&self.functions)
    }

    /// The function of this name, as it spells it.
    fn find(&self, place: &str, name: &str) -> Result<String, ManifestError> {
        let functions = self.functions.iter().filter(|function| !function.hidden);
        let mut names: Vec<&str> = functions.map(|function| function.name.as_str()).collect();
        if let Some(found) = names.iter().find(|other| other.eq_ignore_ascii_case(name)) {
            return Ok((*found).to_owned());
        }
        names.dedup();
        let problem = format!(
            "there is no function `{}`; there {} {}",
            text::name(name),
            if names.len() == 1 { "is" } else { "are" },
            names.join(", ")
        );
        Err(ManifestError::new(place, problem))
    }
}
