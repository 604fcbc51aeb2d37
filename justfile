# The commands of a day. `scripts/test` is what decides.

# Everything that must hold before a change lands.
check:
    scripts/test

# A playable stand-in for Discord with the bot in it.
try:
    cargo run -- try

# The benchmarks whose figures stand in docs/performance.md.
bench:
    cargo bench -p benches
