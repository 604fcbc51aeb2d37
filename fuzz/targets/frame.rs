//! A gateway frame of any text: scanned, applied to one cache that lives as long as the fuzzer, decoded.

#![no_main]

use gateway::{Cache, fuzz};
use std::sync::LazyLock;

static CACHE: LazyLock<Cache> = LazyLock::new(Cache::default);

libfuzzer_sys::fuzz_target!(|frame: &str| {
    fuzz::read(&CACHE, frame);
});
