//! The guard of hot paths: how many instructions a call takes, as callgrind counts them, against bounds in `guard.toml`.
//!
//! The program `hot_paths` runs each path inside its function `hot_paths_measured` and prints `path NAME CALLS`. Callgrind collects inside this function
//! only, and dumps after each return from it: dump number N is that of the Nth line. No time is measured, so that neighbours on the machine do not matter.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use tempfile::TempDir;
use toml_edit::{DocumentMut, Item, Table, value};

use crate::run::command;
use crate::{Result, read, write};

/// The bounds, and cargo's settings for the program.
const FILE: &str = "benches/record/guard.toml";
const CONFIG: &str = "benches/record/guard.config.toml";
/// The program, and its function that is measured.
const PROGRAM: &str = "hot_paths";
const MEASURED: &str = "hot_paths_measured";
const UPDATE: &str = "cargo run --package wasmfusion-record -- guard --update";

/// What `guard.toml` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    /// How far from its bound a path may be, in percent of it, where the path does not say.
    allowed_percent: f64,
    /// The bounds by path.
    #[serde(default)]
    path: BTreeMap<String, Bound>,
}

/// The bound of a path.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bound {
    /// Instructions of a call.
    instructions: u64,
    /// As in the file, for this path.
    allowed_percent: Option<f64>,
}

/// A path with the instructions of a call, as counted.
type Count = (String, u64);

/// How a path is to its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fine,
    /// So much under the bound that the bound should follow.
    Under,
    Over,
    NoBound,
    NoPath,
}

impl State {
    fn of(percent: f64, allowed: f64) -> Self {
        match percent {
            _ if percent > allowed => Self::Over,
            _ if percent < -allowed => Self::Under,
            _ => Self::Fine,
        }
    }

    /// Whether it must not be.
    fn is_wrong(self) -> bool {
        matches!(self, Self::Over | Self::NoBound | Self::NoPath)
    }

    /// What the table says of it.
    fn note(self) -> &'static str {
        match self {
            Self::Fine => "",
            Self::Under => "write the new, lower bound",
            Self::Over => "OVER THE BOUND",
            Self::NoBound => "NO BOUND",
            Self::NoPath => "NO PATH",
        }
    }
}

/// Counts, and compares with the bounds or writes them.
///
/// # Errors
///
/// If a path is over its bound, or has none, or a bound has no path; or if nothing can be counted.
pub fn run(root: &Path, program: Option<PathBuf>, update: bool) -> Result<()> {
    let path = root.join(FILE);
    let text = read(&path)?;
    let bounds: Bounds = toml::from_str(&text).map_err(|error| format!("{FILE}: {error}"))?;
    let program = program.map_or_else(|| build(root), Ok)?;
    let counts = count(&program)?;
    let (table, compared) = compare(&bounds, &counts);
    print!("{table}");
    if update {
        write(&path, &updated(&text, &counts)?)?;
        println!("{FILE} has these as bounds now");
        return Ok(());
    }
    compared
}

/// Builds the program, and finds it in cargo's messages.
fn build(root: &Path) -> Result<PathBuf> {
    // With `--workspace`, libraries have the features that CI has built them with before.
    let output = command("cargo")
        .args([
            "build",
            "--workspace",
            "--config",
            CONFIG,
            "--bin",
            PROGRAM,
            "--message-format=json-render-diagnostics",
        ])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo does not start: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "the program {PROGRAM} cannot be built: cargo says why, above"
        ));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    executable(&messages).ok_or_else(|| {
        format!("cargo has built no program {PROGRAM}: it must be in benches/src/bin")
    })
}

/// The path of the program among cargo's messages, a JSON object a line.
fn executable(messages: &str) -> Option<PathBuf> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut programs = messages.filter(|message| message["target"]["name"] == PROGRAM);
    programs.find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

/// Runs the program under a tool of valgrind. What it prints.
fn valgrind(arguments: &[String], program: &Path) -> Result<String> {
    let output = Command::new("valgrind")
        .args(["--quiet", "--vgdb=no"])
        .args(arguments)
        .arg(program)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => "valgrind is not installed: `apt-get install valgrind`, or the package of that name of another system".to_owned(),
            _ => format!("valgrind does not start: {error}"),
        })?;
    if !output.status.success() {
        return Err(format!(
            "{} failed under valgrind: {}",
            program.display(),
            output.status
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs the program under callgrind.
fn count(program: &Path) -> Result<Vec<Count>> {
    let folder = TempDir::new().map_err(|error| format!("no temporary folder: {error}"))?;
    let out = folder.path().join("out");
    // The program keeps its compiled modules. Without callgrind they are compiled several times faster, for the processor that valgrind shows.
    valgrind(&["--tool=none".to_owned()], program)?;
    let printed = valgrind(
        &[
            "--tool=callgrind".to_owned(),
            "--collect-atstart=no".to_owned(),
            format!("--toggle-collect={MEASURED}"),
            format!("--dump-after={MEASURED}"),
            format!("--callgrind-out-file={}", out.display()),
        ],
        program,
    )?;
    let paths = paths(&printed)?;
    let dump = |number: usize| out.with_extension(number.to_string());
    if !dump(paths.len()).exists() || dump(paths.len() + 1).exists() {
        return Err(format!(
            "{PROGRAM} must call {MEASURED} once for each line `path NAME CALLS`: it printed {} of them",
            paths.len()
        ));
    }
    let counted = |(number, (path, calls)): (usize, (String, u64))| {
        let instructions = instructions(&read(&dump(number + 1))?)?;
        Ok((path, (instructions as f64 / calls as f64).round() as u64))
    };
    paths.into_iter().enumerate().map(counted).collect()
}

/// The lines `path NAME CALLS` among what the program printed.
fn paths(printed: &str) -> Result<Vec<(String, u64)>> {
    let mut paths = Vec::new();
    for line in printed.lines().filter(|line| line.starts_with("path ")) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let calls = |calls: &str| calls.parse().ok().filter(|calls| *calls > 0);
        match *words.as_slice() {
            ["path", name, number]
                if calls(number).is_some() && !paths.iter().any(|(other, _)| other == name) =>
            {
                paths.extend(calls(number).map(|calls| (name.to_owned(), calls)));
            }
            _ => {
                return Err(format!(
                    "{PROGRAM} printed {line:?}, which is not `path NAME CALLS` with a new name and a number: mend it"
                ));
            }
        }
    }
    if paths.is_empty() {
        return Err(format!(
            "{PROGRAM} printed no line `path NAME CALLS`: mend it"
        ));
    }
    Ok(paths)
}

/// All instructions in a dump of callgrind.
fn instructions(dump: &str) -> Result<u64> {
    let line = |key: &str| {
        dump.lines()
            .find_map(|line| line.strip_prefix(key))
            .map(str::trim)
    };
    if line("events:").and_then(|events| events.split(' ').next()) != Some("Ir") {
        return Err(
            "a dump of callgrind does not begin with instructions (Ir): what valgrind is this?"
                .to_owned(),
        );
    }
    let total = line("totals:").or_else(|| line("summary:"));
    let total = total.and_then(|total| total.split(' ').next()?.parse().ok());
    total.filter(|total| *total > 0).ok_or_else(|| {
        format!("callgrind has counted nothing in {MEASURED}: the program must have a function of that name that is not inlined")
    })
}

/// A table of paths, and an error that says what is wrong with them.
fn compare(bounds: &Bounds, counts: &[Count]) -> (String, Result<()>) {
    let counted: BTreeMap<&str, u64> = counts
        .iter()
        .map(|(path, found)| (path.as_str(), *found))
        .collect();
    let names: BTreeSet<&str> = bounds
        .path
        .keys()
        .map(String::as_str)
        .chain(counted.keys().copied())
        .collect();
    let width = names
        .iter()
        .map(|name| name.len())
        .max()
        .unwrap_or(0)
        .max(4);
    let mut table = format!(
        "{:width$}  {:>12}  {:>12}  {:>8}\n",
        "path", "bound", "found", "percent"
    );
    let mut wrong = Vec::new();
    for name in names {
        let (bound, found) = (bounds.path.get(name), counted.get(name));
        let (percent, state) = match (bound, found) {
            (Some(bound), Some(found)) => {
                let percent = (*found as f64 / bound.instructions as f64 - 1.0) * 100.0;
                let allowed = bound.allowed_percent.unwrap_or(bounds.allowed_percent);
                (format!("{percent:+.1}"), State::of(percent, allowed))
            }
            (None, _) => (String::new(), State::NoBound),
            (_, None) => (String::new(), State::NoPath),
        };
        let cell =
            |number: Option<u64>| number.map_or("–".to_owned(), |number| number.to_string());
        let cells = format!(
            "{name:width$}  {:>12}  {:>12}  {percent:>8}  {}",
            cell(bound.map(|bound| bound.instructions)),
            cell(found.copied()),
            state.note(),
        );
        table.push_str(cells.trim_end());
        table.push('\n');
        if state.is_wrong() {
            wrong.push(name);
        }
    }
    if wrong.is_empty() {
        return (table, Ok(()));
    }
    let error = format!(
        "hot paths against {FILE}: see {}, above; if this is meant, run `{UPDATE}` and commit the file",
        wrong.join(", ")
    );
    (table, Err(error))
}

/// The text of `guard.toml` with these counts as bounds, and all else as it was.
fn updated(text: &str, counts: &[Count]) -> Result<String> {
    let mut document: DocumentMut = text.parse().map_err(|error| format!("{FILE}: {error}"))?;
    let paths = document.entry("path").or_insert_with(|| {
        let mut paths = Table::new();
        paths.set_implicit(true);
        Item::Table(paths)
    });
    let Some(paths) = paths.as_table_mut() else {
        return Err(format!("{FILE}: write each path as [path.NAME]"));
    };
    paths.retain(|name, _| counts.iter().any(|(path, _)| path == name));
    for (path, instructions) in counts {
        let instructions = i64::try_from(*instructions).map_err(|error| error.to_string())?;
        let bound = paths
            .entry(path)
            .or_insert_with(|| Item::Table(Table::new()));
        bound["instructions"] = value(instructions);
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counts: &[(&str, u64)]) -> Vec<Count> {
        counts
            .iter()
            .map(|(path, found)| ((*path).to_owned(), *found))
            .collect()
    }

    #[test]
    fn a_dump_gives_its_total() {
        let dump = "# callgrind format\nversion: 1\npart: 1\n\npositions: line\nevents: Ir\nsummary: 6013\n\nfn=(1) main\n12 6013\n\ntotals: 6013\n";
        assert_eq!(instructions(dump), Ok(6013));
        assert_eq!(instructions("events: Ir Dr\nsummary: 7 3\n"), Ok(7));
        assert!(
            instructions("events: Ir\nsummary: 0\n\ntotals: 0\n")
                .expect_err("nothing")
                .contains(MEASURED)
        );
        assert!(instructions("events: Dr\nsummary: 6\n").is_err());
    }

    #[test]
    fn paths_are_read_and_broken_ones_refused() {
        assert_eq!(
            paths("loading\npath a/b 10\npath c 1\n"),
            Ok(vec![("a/b".to_owned(), 10), ("c".to_owned(), 1)])
        );
        for printed in ["", "path a", "path a 0", "path a x", "path a 1\npath a 1"] {
            paths(printed).expect_err("it is refused");
        }
    }

    #[test]
    fn the_program_is_found_in_cargos_messages() {
        let messages = "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"benches\"},\"executable\":null}\nnoise\n\
                        {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"hot_paths\"},\"executable\":\"/t/hot_paths\"}\n";
        assert_eq!(executable(messages), Some(PathBuf::from("/t/hot_paths")));
        assert_eq!(executable("{\"reason\":\"build-finished\"}"), None);
    }

    #[test]
    fn counts_are_compared_with_bounds() {
        let text = "allowed_percent = 2\n[path.same]\ninstructions = 100\n[path.over]\ninstructions = 100\n[path.under]\ninstructions = 100\n\
                    [path.wide]\ninstructions = 100\nallowed_percent = 10\n[path.gone]\ninstructions = 100\n";
        let bounds: Bounds = toml::from_str(text).expect("it can be read");
        let found = counts(&[
            ("same", 102),
            ("over", 103),
            ("under", 90),
            ("wide", 110),
            ("new", 5),
        ]);
        let (table, compared) = compare(&bounds, &found);
        for (path, note) in [
            ("over", "+3.0  OVER THE BOUND"),
            ("under", "-10.0  write the new"),
            ("new", "NO BOUND"),
            ("gone", "NO PATH"),
            ("wide", "+10.0"),
            ("same", "+2.0"),
        ] {
            let line = table
                .lines()
                .find(|line| line.starts_with(path))
                .expect("it has a line");
            assert!(line.contains(note), "{line}");
        }
        let error = compared.expect_err("three are wrong");
        assert!(
            error.contains("gone, new, over,") && error.contains(UPDATE),
            "{error}"
        );
        let (_, compared) = compare(
            &bounds,
            &counts(&[
                ("same", 100),
                ("over", 100),
                ("under", 1),
                ("wide", 100),
                ("gone", 100),
            ]),
        );
        compared.expect("less is no failure");
    }

    #[test]
    fn what_is_allowed_must_be_said() {
        let error = toml::from_str::<Bounds>("[path.a]\ninstructions = 1\n");
        let error = error.expect_err("nothing is allowed").to_string();
        assert!(error.contains("allowed_percent"), "{error}");
        toml::from_str::<Bounds>("allowed_percent = 3\n").expect("no paths yet");
    }

    #[test]
    fn an_update_changes_instructions_only() {
        let text = "# Bounds.\nallowed_percent = 3\n\n# The first.\n[path.a]\ninstructions = 1\nallowed_percent = 5 # noisy\n\n[path.gone]\ninstructions = 2\n";
        let new = updated(text, &counts(&[("a", 10), ("b/c", 20)])).expect("it is updated");
        let expected = "# Bounds.\nallowed_percent = 3\n\n# The first.\n[path.a]\ninstructions = 10\nallowed_percent = 5 # noisy\n\n[path.\"b/c\"]\ninstructions = 20\n";
        assert_eq!(new, expected);
        let first = updated("allowed_percent = 3\n", &counts(&[("a", 1)]));
        let first = first.expect("it is updated");
        assert_eq!(first, "allowed_percent = 3\n\n[path.a]\ninstructions = 1\n");
    }
}
