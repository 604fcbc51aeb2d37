//! Benchmarks: each program prints the figures that `docs/performance.md` names, against a baseline of the same run.
//!
//! A figure about a process is taken from outside: a child process runs what is measured, pinned to one core, and this
//! one plays Discord on the other and reads the kernel's accounts of the child. Without `--bench`, as under `cargo
//! test`, each does the same work on a small scale, so that no benchmark rots.

#![recursion_limit = "256"] // json! of a guild has more fields than the default allows

pub mod api;
pub mod consumer;
pub mod discord;
pub mod events;
pub mod figures;
mod least;
pub mod peer;
pub mod run;
pub mod trial;
pub mod usage;

/// What a benchmark may fail with.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Whether this is a trial of the benchmark itself rather than a measurement: `cargo bench` says `--bench`, `cargo test`
/// does not.
pub fn smoke() -> bool {
    std::env::args().all(|argument| argument != "--bench")
}

/// `full`, or `small` on a trial run.
pub fn scale<T>(full: T, small: T) -> T {
    if smoke() { small } else { full }
}

/// The value after `name` on the command line, if it is there and a number.
pub fn option(name: &str) -> Option<usize> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)?.parse().ok()
}

/// The program, with its arguments, that a consumer is to run under, from `--under 'PROGRAM ARGUMENT …'`: a profiler, say.
/// Empty without one.
pub fn under() -> Vec<String> {
    let words = std::env::args().skip_while(|argument| argument != "--under").nth(1).unwrap_or_default();
    words.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    /// `cargo test` runs a bench target that says `test = true`, without `--bench` and so on the small scale.
    #[test]
    fn every_benchmark_runs() -> Result<(), super::Failure> {
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        let manifest: toml::Table = fs::read_to_string(home.join("Cargo.toml"))?.parse()?;
        let targets = manifest["bench"].as_array().ok_or("no bench targets")?;
        let run: BTreeSet<String> = targets
            .iter()
            .filter(|target| target.get("test").and_then(toml::Value::as_bool) == Some(true))
            .filter_map(|target| target.get("path")?.as_str().map(str::to_owned))
            .collect();
        let programs = fs::read_dir(home.join("programs"))?.collect::<Result<Vec<_>, _>>()?;
        let programs: BTreeSet<String> =
            programs.iter().map(|program| format!("programs/{}", program.file_name().to_string_lossy())).collect();
        assert_eq!(run, programs);
        Ok(())
    }
}
