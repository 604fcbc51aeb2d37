//! What this crate's tests share: seeded randomness and builders for what Discord sends.

use serde_json::{Value, json};
use serenity::model::application::{CommandDataOption, CommandDataResolved};

/// A small generator (SplitMix64): the same numbers for the same seed on every machine.
pub(crate) struct Seeded(u64);

impl Seeded {
    pub(crate) const SEED: u64 = 0x5eed_c0de;

    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

pub(crate) fn option(name: &str, kind: u8, value: Value) -> CommandDataOption {
    serde_json::from_value(json!({"name": name, "type": kind, "value": value})).unwrap()
}

pub(crate) fn resolved(value: Value) -> CommandDataResolved {
    serde_json::from_value(value).unwrap()
}
