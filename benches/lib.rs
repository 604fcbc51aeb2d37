//! Benchmarks: each binary prints the figure that docs/performance.md names.
