//! Text through commands of the host. Shows processes.
//!
//! A plugin that may run a command can do with it whatever the command can. Grant few, and none that run others.

use wasmfusion_udf::host::process::{Command, Output};
use wasmfusion_udf::prelude::*;

wasmfusion_udf::plugin! { capabilities: ["exec:/usr/bin/sort", "exec:wc"] }

/// The lines of a text, sorted by the command `sort`.
#[udf(volatility = "volatile")]
pub fn sort_lines(text: &str) -> Result<String, Error> {
    let output = Command::new("/usr/bin/sort").input(text).run()?;
    Ok(output.success()?.text()?.to_owned())
}

/// The number of words in a text, as the command `wc` counts them.
#[udf(volatility = "volatile")]
pub fn word_count(text: &str) -> Result<i64, Error> {
    let output = Command::new("wc").arg("-w").input(text).run()?;
    let words = output.success()?.text()?.trim().parse();
    words.map_err(|_| Error::new("`wc` did not answer with a number"))
}

/// What a command answers to an argument: `sort` or `wc`, for example `--version`. What it writes to its error output follows.
#[udf(volatility = "volatile")]
pub fn run_command(command: &str, argument: &str) -> Result<String, Error> {
    let Output { stdout, stderr, .. } = Command::new(command).arg(argument).run()?;
    let text = String::from_utf8_lossy(&stdout) + String::from_utf8_lossy(&stderr);
    Ok(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::host::ErrorKind;
    use wasmfusion_udf::testing::{self, Host, call};

    fn host() -> Host {
        let sort = |_: &[String], input: &[u8]| {
            let text = String::from_utf8_lossy(input);
            let mut lines: Vec<&str> = text.lines().collect();
            lines.sort_unstable();
            Output {
                stdout: lines.join("\n").into_bytes(),
                ..Output::default()
            }
        };
        let wc = |args: &[String], input: &[u8]| match args {
            [arg] if arg == "-w" => Output {
                stdout: format!("{}\n", input.split(|byte| *byte == b' ').count()).into_bytes(),
                ..Output::default()
            },
            _ => Output {
                code: 1,
                stderr: b"wc: invalid option\n".to_vec(),
                ..Output::default()
            },
        };
        testing::host()
            .command("/usr/bin/sort", sort)
            .command("wc", wc)
    }

    #[test]
    fn runs_commands() {
        let _host = host();
        let sorted = call!(sort_lines).column(["b\na\nc"]).run();
        assert_eq!(sorted, Ok(vec!["a\nb\nc".to_owned()]));
        assert_eq!(
            call!(word_count).column(["to be or not"]).run(),
            Ok(vec![4i64])
        );
        let answer = call!(run_command).constant("wc").column(["-x"]).run();
        assert_eq!(answer, Ok(vec!["wc: invalid option\n".to_owned()]));
    }

    #[test]
    fn says_what_the_host_says() {
        let _host = host().failing("exec", ErrorKind::Timeout, "the time was over");
        assert!(word_count("a").is_err_and(|error| error.message() == "the time was over"));
    }
}
