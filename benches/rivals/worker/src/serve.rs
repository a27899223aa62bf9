//! The lines that a process answers, each with one line.
//!
//! | line | answer |
//! |---|---|
//! | `prepare FUNCTION ROWS` | `ready`, when the function answered rightly; what follows is about it |
//! | `run CALLS` | nanoseconds |
//! | `arrow` | `ready`: what follows is about calls from Arrow to Arrow; or `none` |
//! | `threads THREADS MILLISECONDS` | calls, and nanoseconds that they took |

use std::io::{self, BufRead, Write};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread;
use std::time::{Duration, Instant};

use crate::data::Data;
use crate::rival::Rival;

/// Calls between two looks at whether the time is up.
const CALLS: u64 = 64;

/// Answers lines until there are no more.
///
/// # Errors
///
/// If a line is none of these, or the pipe breaks.
///
/// # Panics
///
/// If the rival fails, or answers wrongly.
pub fn serve<R: Rival>(mut lines: impl BufRead, mut answers: impl Write) -> io::Result<()> {
    let rival = R::load(&R::module(), None);
    let mut next = read(&mut lines)?;
    while let Some(line) = next.take() {
        let &[name, rows] = words(&line, "prepare")?.as_slice() else {
            return Err(unknown(&line));
        };
        let data = Data::new(name.parse()?, number(rows)? as usize);
        let mut case = rival.case(&data);
        data.check(&case.output());
        answer(&mut answers, "ready")?;
        while let Some(line) = read(&mut lines)? {
            if line.starts_with("prepare") {
                next = Some(line);
                break;
            } else if line == "arrow" {
                match rival.arrow_case(&data) {
                    Some(arrow) => {
                        case = arrow;
                        data.check(&case.output());
                        answer(&mut answers, "ready")?;
                    }
                    None => answer(&mut answers, "none")?,
                }
            } else if let Ok([calls]) = words(&line, "run").as_deref() {
                let elapsed = case.run(number(calls)?);
                answer(&mut answers, &elapsed.as_nanos().to_string())?;
            } else if let Ok([threads, millis]) = words(&line, "threads").as_deref() {
                let pause = Duration::from_millis(number(millis)?);
                let (calls, elapsed) = together(&rival, &data, number(threads)?, pause);
                answer(&mut answers, &format!("{calls} {}", elapsed.as_nanos()))?;
            } else {
                return Err(unknown(&line));
            }
        }
    }
    Ok(())
}

/// Calls that threads make together in some time, each with a case of its own.
fn together<R: Rival>(rival: &R, data: &Data, threads: u64, pause: Duration) -> (u64, Duration) {
    let stop = AtomicBool::new(false);
    let counts: Vec<AtomicU64> = (0..threads).map(|_| AtomicU64::new(0)).collect();
    let sum = || counts.iter().map(|count| count.load(Relaxed)).sum::<u64>();
    thread::scope(|scope| {
        let workers: Vec<_> = counts
            .iter()
            .map(|count| {
                scope.spawn(|| {
                    let mut case = rival.shared_case(data);
                    while !stop.load(Relaxed) {
                        case.run(CALLS);
                        count.store(count.load(Relaxed) + CALLS, Relaxed);
                    }
                })
            })
            .collect();
        // One that has failed does not come so far; the scope says so at its end.
        while counts.iter().any(|count| count.load(Relaxed) == 0)
            && !workers.iter().any(|worker| worker.is_finished())
        {
            thread::sleep(Duration::from_millis(1));
        }
        let (started, before) = (Instant::now(), sum());
        thread::sleep(pause);
        let (elapsed, after) = (started.elapsed(), sum());
        stop.store(true, Relaxed);
        (after - before, elapsed)
    })
}

fn read(lines: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    let length = lines.read_line(&mut line)?;
    Ok((length > 0).then(|| line.trim_end().to_owned()))
}

fn answer(answers: &mut impl Write, line: &str) -> io::Result<()> {
    writeln!(answers, "{line}")?;
    answers.flush()
}

/// The words after the first one, if that is `command`.
fn words<'a>(line: &'a str, command: &str) -> io::Result<Vec<&'a str>> {
    let mut words = line.split(' ');
    if words.next() == Some(command) {
        Ok(words.collect())
    } else {
        Err(unknown(line))
    }
}

fn number(word: &str) -> io::Result<u64> {
    word.parse()
        .map_err(|_| io::Error::other(format!("{word} is not a number")))
}

fn unknown(line: &str) -> io::Error {
    io::Error::other(format!("an unknown line: {line}"))
}
