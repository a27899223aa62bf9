//! Figures: numbers with a name, made of criterion's estimates.

use std::path::PathBuf;
use std::time::Duration;

use criterion::Criterion;

/// Whether the benchmark runs as a test, `cargo test --bench NAME`: once, and with little data.
pub fn is_test() -> bool {
    let has = |name: &str| std::env::args().any(|arg| arg == name);
    !has("--bench") || has("--test")
}

/// Runs a benchmark's measurements and then prints its figures.
pub struct Runner {
    criterion: Criterion,
    directory: PathBuf,
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
            .measurement_time(Duration::from_secs(2))
            .output_directory(&directory)
            .configure_from_args();
        Self {
            criterion,
            directory,
        }
    }

    /// Takes the measurements, then prints the figures that `figures` makes of them, unless this is only a test that the benchmark runs.
    pub fn run(mut self, measure: impl FnOnce(&mut Criterion), figures: impl FnOnce(&Figures)) {
        measure(&mut self.criterion);
        self.criterion.final_summary();
        if !is_test() {
            figures(&Figures {
                directory: self.directory,
            });
        }
    }
}

impl Default for Runner {
    fn default() -> Self {
        Self::new()
    }
}

/// The estimates of the last run.
pub struct Figures {
    directory: PathBuf,
}

impl Figures {
    /// Median time of one iteration of the benchmark `group/function/parameter`, in nanoseconds; `None` if it was filtered out.
    pub fn median_ns(&self, benchmark: &str) -> Option<f64> {
        let file = self.directory.join(benchmark).join("new/estimates.json");
        let estimates: serde_json::Value =
            serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
        estimates["median"]["point_estimate"].as_f64()
    }

    /// Prints a figure.
    pub fn print(&self, name: &str, value: f64) {
        println!("figure {name} {value:.3}");
    }

    /// Prints the ratio of two benchmarks' medians, if both ran.
    pub fn ratio(&self, name: &str, ours: &str, theirs: &str) {
        if let (Some(ours), Some(theirs)) = (self.median_ns(ours), self.median_ns(theirs)) {
            self.print(name, ours / theirs);
        }
    }

    /// Fits `fixed + slope * rows` to the medians, each weighted by the inverse of its size, so that small and large batches count alike.
    /// In nanoseconds, and nanoseconds a row.
    pub fn fit(&self, points: &[(usize, String)]) -> Option<(f64, f64)> {
        let (mut w_sum, mut x_sum, mut y_sum, mut xx_sum, mut xy_sum) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (rows, benchmark) in points {
            let (x, y) = (*rows as f64, self.median_ns(benchmark)?);
            let w = 1.0 / (y * y);
            w_sum += w;
            x_sum += w * x;
            y_sum += w * y;
            xx_sum += w * x * x;
            xy_sum += w * x * y;
        }
        let slope = (w_sum * xy_sum - x_sum * y_sum) / (w_sum * xx_sum - x_sum * x_sum);
        Some(((y_sum - slope * x_sum) / w_sum, slope))
    }
}
