//! Gateway frames of any text, one a line: each is scanned, applied to one cache, decoded. The cache is made anew for each
//! input, so that what is found needs nothing but its input to be found again.

#![no_main]

use gateway::fuzz;

libfuzzer_sys::fuzz_target!(|frames: &str| {
    let cache = fuzz::cache();
    for frame in frames.lines() {
        fuzz::read(&cache, frame);
    }
});
