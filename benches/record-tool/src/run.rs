//! Runs benches and collects what they print. What it measures is up to them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::figures::{Bench, Figures};
use crate::record::{Entry, FILE, Machine, Record};
use crate::{Result, figures, read};

/// Runs the benches with these names, or all, one after another, and writes the record after each of them.
///
/// # Errors
///
/// At the end, if one of them failed; its entry in the record is as it was.
pub fn run(root: &Path, figures: &Figures, names: &[String], args: &[String]) -> Result<()> {
    let benches: Vec<&Bench> = if names.is_empty() {
        figures.benches.iter().collect()
    } else {
        names
            .iter()
            .map(|name| bench(figures, name))
            .collect::<Result<_>>()?
    };
    let mut errors = Vec::new();
    for bench in benches {
        let entry = measure(root, bench, args);
        match entry.and_then(|entry| keep(root, &bench.name, entry)) {
            Ok(()) => eprintln!("record: {} is in {FILE}", bench.name),
            Err(error) => {
                eprintln!("record: {error}");
                errors.push(error);
            }
        }
    }
    match errors.as_slice() {
        [] => Ok(()),
        _ => Err(format!("not recorded:\n  {}", errors.join("\n  "))),
    }
}

/// Writes into the record what a bench printed into a file.
///
/// # Errors
///
/// If the bench is not known, or there is no figure in the file.
pub fn add(root: &Path, figures: &Figures, file: &Path, name: &str, command: String) -> Result<()> {
    let bench = bench(figures, name)?;
    let mut entry = Entry {
        command,
        ..state(root)?
    };
    for line in read(file)?.lines() {
        entry.take(line)?;
    }
    keep(root, &bench.name, entry)
}

fn bench<'a>(figures: &'a Figures, name: &str) -> Result<&'a Bench> {
    let mut benches = figures.benches.iter();
    benches.find(|bench| bench.name == name).ok_or_else(|| {
        let names: Vec<&str> = figures
            .benches
            .iter()
            .map(|bench| bench.name.as_str())
            .collect();
        format!(
            "there is no bench {name:?} in {}, only {}",
            figures::FILE,
            names.join(", ")
        )
    })
}

/// Runs a bench, and passes on what it prints.
fn measure(root: &Path, bench: &Bench, args: &[String]) -> Result<Entry> {
    let mut words: Vec<&str> = bench.command.split_ascii_whitespace().collect();
    if !args.is_empty() {
        words.truncate(
            words
                .iter()
                .position(|word| *word == "--")
                .unwrap_or(words.len()),
        );
        words.push("--");
        words.extend(args.iter().map(String::as_str));
    }
    let [program, arguments @ ..] = words.as_slice() else {
        return Err(format!(
            "{} has no command in {}",
            bench.name,
            figures::FILE
        ));
    };
    let mut entry = Entry {
        command: words.join(" "),
        load_average: load_average(),
        ..state(root)?
    };
    eprintln!("record: {}", entry.command);
    let failed = |why: String| format!("{} failed ({}): {why}", bench.name, words.join(" "));
    let began = Instant::now();
    let mut child = command(program)
        .args(arguments)
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let mut taken = Ok(());
    for line in child
        .stdout
        .take()
        .into_iter()
        .flat_map(|out| BufReader::new(out).split(b'\n'))
    {
        let line = line.map_err(|error| failed(error.to_string()))?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        // To the end, so that the bench does not wait for a reader, and all of its output is seen.
        taken = taken.and_then(|()| entry.take(&line));
    }
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    if !status.success() {
        return Err(failed(status.to_string()));
    }
    taken.map_err(failed)?;
    entry.seconds = Some(began.elapsed().as_secs());
    Ok(entry)
}

/// Puts the entry of a bench into the record.
fn keep(root: &Path, bench: &str, entry: Entry) -> Result<()> {
    if entry.is_empty() {
        return Err(format!(
            "{bench} printed no figure and no point: run it without a filter and not as a test"
        ));
    }
    // Read only now, since a run takes long.
    let mut record = Record::load(root)?;
    record.benches.insert(bench.to_owned(), entry);
    record.save(root)
}

/// An entry without measurements: when, where and of what.
fn state(root: &Path) -> Result<Entry> {
    let others = [
        "status",
        "--porcelain",
        "--",
        ".",
        ":(exclude)benches/record",
    ];
    Ok(Entry {
        commit: output(root, "git", &["rev-parse", "HEAD"])?,
        date: output(root, "date", &["-u", "+%Y-%m-%d"])?,
        machine: machine(root)?,
        modified: !output(root, "git", &others)?.is_empty(),
        ..Entry::default()
    })
}

fn machine(root: &Path) -> Result<Machine> {
    let cores = std::thread::available_parallelism().map_err(|error| error.to_string())?;
    let memory_kib = |text: &str| text.split_ascii_whitespace().next()?.parse::<f64>().ok();
    let memory = value("/proc/meminfo", "MemTotal")
        .as_deref()
        .and_then(memory_kib);
    Ok(Machine {
        arch: std::env::consts::ARCH.to_owned(),
        cores: cores.get(),
        cpu: processor(),
        kernel: output(root, "uname", &["-r"])?,
        memory_gib: memory.map_or(0, |kib| (kib / 1024.0 / 1024.0).round() as u64),
        rustc: output(root, "rustc", &["-V"])?,
    })
}

/// The processor's model. Providers of machines give one name to many, so that the numbers are there as well that tell them apart.
fn processor() -> String {
    let of = |key| value("/proc/cpuinfo", key);
    let name = of("model name").unwrap_or_else(|| "unknown processor".to_owned());
    let numbers = [
        ("family", "cpu family"),
        ("model", "model"),
        ("stepping", "stepping"),
    ];
    let numbers: Vec<String> = numbers
        .into_iter()
        .filter_map(|(word, key)| Some(format!("{word} {}", of(key)?)))
        .collect();
    match numbers.as_slice() {
        [] => name,
        _ => format!("{name} ({})", numbers.join(", ")),
    }
}

/// The value of the first line `KEY : VALUE` in a file of Linux.
fn value(file: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs
        .find(|(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim().to_owned())
}

/// Processes that ran or waited to, on average over the last minute.
fn load_average() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// What a command prints.
fn output(root: &Path, program: &str, args: &[&str]) -> Result<String> {
    let failed =
        |why: &dyn std::fmt::Display| format!("`{program} {}` failed: {why}", args.join(" "));
    let output = Command::new(program)
        .args(args)
        .current_dir(root)
        .output()
        .map_err(|error| failed(&error))?;
    if !output.status.success() {
        return Err(failed(&String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A command without the variables that `cargo run` has set for this program: build scripts look at some of them, and would have libraries
/// built once more.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A checkout with benches that print what `commands` print.
    fn checkout(commands: &[(&str, &str)]) -> (tempfile::TempDir, Figures) {
        let folder = tempfile::TempDir::new().expect("a folder");
        let git = [
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
            "commit",
            "--allow-empty",
            "-qm",
            "a",
        ];
        for args in [&["init", "-q"][..], &git] {
            output(folder.path(), "git", args).expect("git works");
        }
        let benches = commands.iter().map(|(name, command)| Bench {
            name: (*name).to_owned(),
            command: (*command).to_owned(),
        });
        let figures = Figures {
            benches: benches.collect(),
            ..Figures::default()
        };
        (folder, figures)
    }

    #[test]
    fn a_failure_leaves_the_entry_and_does_not_stop_the_others() {
        let (folder, mut figures) =
            checkout(&[("a", "echo figure a/x 1"), ("b", "echo figure b/x 2")]);
        run(folder.path(), &figures, &[], &[]).expect("both run");
        figures.benches[0].command = "false".to_owned();
        figures.benches[1].command = "echo figure b/x 3".to_owned();
        let error = run(folder.path(), &figures, &[], &[]).expect_err("one fails");
        assert!(error.contains("a failed (false)"), "{error}");
        let record = Record::load(folder.path()).expect("it is read");
        assert_eq!(
            (record.figure("a/x"), record.figure("b/x")),
            (Some(1.0), Some(3.0))
        );
        let entry = &record.benches["b"];
        assert!(!entry.modified && entry.commit.len() == 40 && entry.seconds.is_some());
        assert!(entry.machine.cores > 0 && entry.machine.rustc.starts_with("rustc"));
        if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            assert!(
                entry.machine.cpu.contains("stepping"),
                "{}",
                entry.machine.cpu
            );
        }
    }

    #[test]
    fn only_the_named_bench_runs_with_its_arguments() {
        let (folder, figures) = checkout(&[
            ("a", "echo figure a/x 1"),
            ("b", "printf %s\\nfigure\\tb/x\\t2\\n -- --slow"),
        ]);
        run(
            folder.path(),
            &figures,
            &["b".to_owned()],
            &["--quick".to_owned()],
        )
        .expect("it runs");
        let record = Record::load(folder.path()).expect("it is read");
        let entries: Vec<_> = record
            .benches
            .iter()
            .map(|(name, entry)| (name.as_str(), entry.command.as_str()))
            .collect();
        assert_eq!(
            entries,
            [("b", "printf %s\\nfigure\\tb/x\\t2\\n -- --quick")]
        );
        let error =
            run(folder.path(), &figures, &["c".to_owned()], &[]).expect_err("there is none");
        assert!(error.contains("a, b"), "{error}");
    }

    #[test]
    fn saved_output_is_added() {
        let (folder, figures) = checkout(&[("a", "")]);
        let file = folder.path().join("out.txt");
        std::fs::write(&file, "Benchmarking\nfigure a/x 1.5\n").expect("it is written");
        add(folder.path(), &figures, &file, "a", "by hand".to_owned()).expect("it is added");
        let record = Record::load(folder.path()).expect("it is read");
        assert_eq!(record.figure("a/x"), Some(1.5));
        assert!(record.benches["a"].modified && record.benches["a"].command == "by hand");
        std::fs::write(&file, "nothing\n").expect("it is written");
        let error =
            add(folder.path(), &figures, &file, "a", String::new()).expect_err("it is empty");
        assert!(error.contains("no figure"), "{error}");
    }
}
