//! What Discord said "no" to, for a while and of bounded size: so that nobody keeps on asking. Pure.

use std::{borrow::Borrow, collections::HashMap, hash::Hash, time::Duration};
use tokio::time::Instant;

/// Answers by key. When it is full, the one that expires first goes.
pub(super) struct Memory<K> {
    believed: Duration,
    max: usize,
    known: HashMap<K, Said>,
}

struct Said {
    code: u32,
    message: String,
    until: Instant,
}

impl<K: Hash + Eq + Clone> Memory<K> {
    /// An empty memory that believes an answer for a time, and holds so many.
    pub(super) fn new(believed: Duration, max: usize) -> Self {
        Self { believed, max, known: HashMap::new() }
    }

    /// What Discord said, code and message, when it is still believed.
    pub(super) fn recall<Q: Hash + Eq + ?Sized>(&self, now: Instant, key: &Q) -> Option<(u32, String)>
    where
        K: Borrow<Q>,
    {
        let said = self.known.get(key).filter(|said| said.until > now)?;
        Some((said.code, said.message.clone()))
    }

    /// Notes what Discord says now.
    pub(super) fn note(&mut self, now: Instant, key: K, code: u32, message: &str) {
        if self.known.len() >= self.max {
            self.known.retain(|_, said| said.until > now);
        }
        if self.known.len() >= self.max {
            let oldest = self.known.iter().min_by_key(|(_, said)| said.until).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.known.remove(&oldest);
            }
        }
        self.known.insert(key, Said { code, message: message.to_owned(), until: now + self.believed });
    }

    /// Forgets all but what `keep` says.
    pub(super) fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        self.known.retain(|key, _| keep(key));
    }

    /// Forgets everything.
    pub(super) fn reset(&mut self) {
        self.known.clear();
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}
