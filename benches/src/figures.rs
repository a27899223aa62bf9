//! Figures: numbers with a name, made of criterion's estimates.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use criterion::Criterion;

/// How far behind the clock a file system's times may be.
const CLOCK_TICK: Duration = Duration::from_millis(20);

/// Whether the benchmark runs as a test, `cargo test --bench NAME`: once, and with little data.
pub fn is_test() -> bool {
    let has = |name: &str| std::env::args().any(|arg| arg == name);
    !has("--bench") || has("--test")
}

/// For how long one thing is measured: what `--measurement-time SECONDS` says on the command line, or two seconds.
pub fn measurement_time() -> Duration {
    let mut args = std::env::args().skip_while(|arg| arg != "--measurement-time");
    let seconds = args.nth(1).and_then(|seconds| seconds.parse().ok());
    Duration::from_secs_f64(seconds.unwrap_or(2.0))
}

/// Runs a benchmark's measurements and then prints its figures.
pub struct Runner {
    criterion: Criterion,
    figures: Figures,
}

impl Runner {
    /// Criterion as the command line wants it, with its estimates where this run finds them again.
    pub fn new() -> Self {
        let directory = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(
                || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target"),
                PathBuf::from,
            )
            .join("criterion");
        let criterion = Criterion::default()
            .without_plots()
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(measurement_time())
            .output_directory(&directory)
            .configure_from_args();
        Self {
            criterion,
            figures: Figures {
                directory,
                since: SystemTime::now(),
            },
        }
    }

    /// Takes the measurements, then prints the figures that `figures` makes of them and of what `measure` has returned, unless this is only a test
    /// that the benchmark runs.
    pub fn run<T>(
        mut self,
        measure: impl FnOnce(&mut Criterion) -> T,
        figures: impl FnOnce(&Figures, T),
    ) {
        let measured = measure(&mut self.criterion);
        self.criterion.final_summary();
        if !is_test() {
            figures(&self.figures, measured);
        }
    }
}

impl Default for Runner {
    fn default() -> Self {
        Self::new()
    }
}

/// The estimates of this run.
pub struct Figures {
    directory: PathBuf,
    /// When it began. What is older was estimated by another run.
    since: SystemTime,
}

impl Figures {
    /// Median time of one iteration of the benchmark `group/function/parameter`, in nanoseconds; `None` if it was filtered out.
    pub fn median_ns(&self, benchmark: &str) -> Option<f64> {
        let file = self.directory.join(benchmark).join("new/estimates.json");
        let written = file.metadata().and_then(|file| file.modified()).ok()?;
        if written + CLOCK_TICK < self.since {
            return None;
        }
        let estimates: serde_json::Value =
            serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
        estimates["median"]["point_estimate"].as_f64()
    }

    /// Prints a figure.
    pub fn print(&self, name: &str, value: f64) {
        println!("figure {name} {value:.3}");
    }

    /// Prints the ratio of what `compare_queries` has measured, if both ran.
    pub fn over_native(&self, name: &str, benchmark: &str) {
        self.ratio(name, benchmark, ["wasm", "native"]);
    }

    /// Prints the ratio of the medians of a benchmark's two sides, if both ran.
    pub fn ratio(&self, name: &str, benchmark: &str, sides: [&str; 2]) {
        let [ours, theirs] = sides.map(|side| self.median_ns(&format!("{benchmark}/{side}")));
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            self.print(name, ours / theirs);
        }
    }
}

/// Fits `fixed + slope * rows` to points of rows and times, each weighted by the inverse of its size, so that small and large batches count alike.
pub fn fit(points: &[(usize, f64)]) -> (f64, f64) {
    let (mut w_sum, mut x_sum, mut y_sum, mut xx_sum, mut xy_sum) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (rows, y) in points {
        let x = *rows as f64;
        let w = 1.0 / (y * y);
        w_sum += w;
        x_sum += w * x;
        y_sum += w * y;
        xx_sum += w * x * x;
        xy_sum += w * x * y;
    }
    let slope = (w_sum * xy_sum - x_sum * y_sum) / (w_sum * xx_sum - x_sum * x_sum);
    ((y_sum - slope * x_sum) / w_sum, slope)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn estimates_of_earlier_runs_are_not_of_this_one() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let figures = Figures {
            directory: folder.path().to_owned(),
            since: SystemTime::now(),
        };
        assert_eq!(figures.median_ns("a/b"), None);
        let file = folder.path().join("a/b/new/estimates.json");
        fs::create_dir_all(file.with_file_name("")).expect("a folder");
        fs::write(&file, r#"{"median": {"point_estimate": 1.5}}"#).expect("it is written");
        assert_eq!(figures.median_ns("a/b"), Some(1.5));
        let written = |at| {
            let file = File::options()
                .write(true)
                .open(&file)
                .expect("it is there");
            file.set_modified(at).expect("its time can be set");
        };
        written(figures.since - Duration::from_secs(1));
        assert_eq!(figures.median_ns("a/b"), None);
        written(figures.since + Duration::from_secs(1));
        assert_eq!(figures.median_ns("a/b"), Some(1.5));
    }

    #[test]
    fn a_fit_finds_the_line() {
        let (fixed, slope) = fit(&[1, 64, 8_192].map(|rows| (rows, 100.0 + 0.5 * rows as f64)));
        assert!((fixed - 100.0).abs() < 1e-6 && (slope - 0.5).abs() < 1e-9);
    }
}
