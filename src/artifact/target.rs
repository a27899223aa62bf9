//! For which machines modules are compiled.

use std::env::consts;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

/// For which machines a module is compiled.
///
/// ```
/// use wasmfusion::Target;
///
/// let target: Target = "aarch64-unknown-linux-gnu".parse()?;
/// assert_ne!(target, Target::host());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// `None`: this machine, with all that its processor can do.
    triple: Option<String>,
    arch: &'static str,
    os: &'static str,
}

impl Target {
    /// This machine, with all that its processor can do. A processor of the same kind that can do less refuses the code.
    pub fn host() -> Self {
        Self {
            triple: None,
            arch: consts::ARCH,
            os: consts::OS,
        }
    }

    /// Whether this is [`Self::host`]. A triple is not, even that of this machine.
    pub fn is_host(&self) -> bool {
        self.triple.is_none()
    }

    /// The triple, as the compiler takes it.
    pub(crate) fn triple(&self) -> Option<&str> {
        self.triple.as_deref()
    }

    /// The architecture, as a program that runs there has it in `std::env::consts::ARCH`.
    pub(crate) fn arch(&self) -> &'static str {
        self.arch
    }

    /// The system, as a program that runs there has it in `std::env::consts::OS`.
    pub(crate) fn os(&self) -> &'static str {
        self.os
    }
}

impl FromStr for Target {
    type Err = String;

    /// `host`, or a triple such as `aarch64-unknown-linux-gnu`: any processor of this architecture.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "host" {
            return Ok(Self::host());
        }
        let mut parts = text.split('-');
        let arch = match parts.next() {
            Some("x86_64") => "x86_64",
            Some("aarch64") => "aarch64",
            Some("riscv64" | "riscv64gc") => "riscv64",
            _ => {
                return Err(
                    "modules can be compiled for x86_64, aarch64 and riscv64; give a triple such as aarch64-unknown-linux-gnu, or `host`".into(),
                );
            }
        };
        let systems = [
            ("android", "android"),
            ("linux", "linux"),
            ("darwin", "macos"),
            ("macos", "macos"),
            ("freebsd", "freebsd"),
        ];
        let rest: Vec<&str> = parts.collect();
        let found = systems.iter().find(|(part, _)| {
            rest.iter().any(|name| {
                name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') == *part
            })
        });
        let Some((_, os)) = found else {
            return Err(
                "modules can be compiled for Linux, macOS, Android and FreeBSD; give a triple such as x86_64-unknown-linux-gnu, or `host`".into(),
            );
        };
        Ok(Self {
            triple: Some(text.to_owned()),
            arch,
            os,
        })
    }
}

/// The triple; for the host, architecture and system and `native`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.triple {
            Some(triple) => f.write_str(triple),
            None => write!(f, "{}-{}-native", self.arch, self.os),
        }
    }
}

/// What this processor can do, of what the compiler makes use of: code that is compiled for all that it can do may not run where this is another text.
pub(super) fn processor() -> &'static str {
    static PROCESSOR: LazyLock<String> = LazyLock::new(|| {
        let found = features().into_iter().filter(|(_, found)| *found);
        let names: Vec<&str> = found.map(|(name, _)| name).collect();
        names.join(" ")
    });
    &PROCESSOR
}

macro_rules! detected {
    ($detect:ident: $($name:tt),*) => { vec![$(($name, std::arch::$detect!($name))),*] };
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<(&'static str, bool)> {
    detected!(is_x86_feature_detected: "cmpxchg16b", "sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "avx", "avx2", "fma", "bmi1", "bmi2",
        "avx512bitalg", "avx512dq", "avx512f", "avx512vl", "avx512vbmi", "lzcnt")
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<(&'static str, bool)> {
    detected!(is_aarch64_feature_detected: "lse", "paca", "fp16", "dotprod", "bti")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<(&'static str, bool)> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triples_and_what_programs_there_call_themselves() {
        let of = |text: &str| text.parse::<Target>().map(|t| (t.arch, t.os));
        for (text, names) in [
            ("x86_64-unknown-linux-gnu", ("x86_64", "linux")),
            ("aarch64-unknown-linux-musl", ("aarch64", "linux")),
            ("riscv64gc-unknown-linux-gnu", ("riscv64", "linux")),
            ("aarch64-apple-darwin", ("aarch64", "macos")),
            ("aarch64-linux-android", ("aarch64", "android")),
            ("x86_64-unknown-freebsd14.1", ("x86_64", "freebsd")),
            ("host", (consts::ARCH, consts::OS)),
        ] {
            assert_eq!(of(text), Ok(names), "{text}");
        }
        for text in [
            "",
            "x86_64",
            "i686-unknown-linux-gnu",
            "x86_64-pc-windows-msvc",
            "linux",
        ] {
            assert!(of(text).is_err(), "{text}");
        }
        assert!(Target::host().to_string().ends_with("-native"));
    }
}
