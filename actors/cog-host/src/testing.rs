//! What this crate's tests share: seeded randomness and builders for what Discord sends.

mod world;

pub(crate) use world::*;

use crate::prefixes::PrefixStore;
use database::DbError;
use protocol::BoxFuture;
use serde_json::{Value, json};
use serenity::model::{
    application::{CommandDataOption, CommandDataResolved},
    id::GuildId,
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

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

/// Prefixes in a map, which can be made to fail or to hang.
#[derive(Default)]
pub(crate) struct MapStore {
    prefixes: Mutex<HashMap<GuildId, String>>,
    failing: AtomicBool,
    hanging: AtomicBool,
}

impl MapStore {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn saved(&self, guild: GuildId) -> Option<String> {
        self.prefixes.lock().unwrap().get(&guild).cloned()
    }

    pub(crate) fn put(&self, guild: GuildId, prefix: &str) {
        self.prefixes.lock().unwrap().insert(guild, prefix.to_owned());
    }

    pub(crate) fn fail(&self, failing: bool) {
        self.failing.store(failing, SeqCst);
    }

    pub(crate) fn hang(&self, hanging: bool) {
        self.hanging.store(hanging, SeqCst);
    }

    async fn reached(&self) -> Result<(), DbError> {
        if self.hanging.load(SeqCst) {
            std::future::pending::<()>().await;
        }
        let away = DbError::Unavailable { reason: "the test says so".to_owned(), retry_after: Duration::from_secs(1) };
        if self.failing.load(SeqCst) { Err(away) } else { Ok(()) }
    }
}

impl PrefixStore for MapStore {
    fn load_all(&self, limit: usize) -> BoxFuture<'_, Result<Vec<(GuildId, String)>, DbError>> {
        Box::pin(async move {
            self.reached().await?;
            let prefixes = self.prefixes.lock().unwrap();
            Ok(prefixes.iter().take(limit).map(|(guild, prefix)| (*guild, prefix.clone())).collect())
        })
    }

    fn load(&self, guild: GuildId) -> BoxFuture<'_, Result<Option<String>, DbError>> {
        Box::pin(async move { self.reached().await.map(|()| self.saved(guild)) })
    }

    fn save(&self, guild: GuildId, prefix: Option<String>) -> BoxFuture<'_, Result<(), DbError>> {
        Box::pin(async move {
            self.reached().await?;
            let mut prefixes = self.prefixes.lock().unwrap();
            match prefix {
                Some(prefix) => drop(prefixes.insert(guild, prefix)),
                None => drop(prefixes.remove(&guild)),
            }
            Ok(())
        })
    }
}
