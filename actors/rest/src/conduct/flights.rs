//! Which requests are under way, and since when: what was sent before permissions changed says nothing about those that hold
//! now. Pure.

use crate::call::LaneKey;
use std::collections::HashMap;
use tokio::time::Instant;

/// By where a refusal would apply; as many as are under way.
#[derive(Default)]
pub(super) struct Flights(HashMap<LaneKey, Vec<(u64, Instant)>>);

impl Flights {
    /// `request` is sent.
    pub(super) fn began(&mut self, now: Instant, key: &LaneKey, request: u64) {
        self.0.entry(key.clone()).or_default().push((request, now));
    }

    /// `request` has ended.
    pub(super) fn ended(&mut self, key: &LaneKey, request: u64) {
        let Some(flights) = self.0.get_mut(key) else { return };
        flights.retain(|(id, _)| *id != request);
        if flights.is_empty() {
            self.0.remove(key);
        }
    }

    /// When `request` was sent; none once permissions have changed since.
    pub(super) fn sent(&self, key: &LaneKey, request: u64) -> Option<Instant> {
        self.0.get(key)?.iter().find(|(id, _)| *id == request).map(|(_, sent)| *sent)
    }

    /// All but `request`.
    pub(super) fn beside(&self, key: &LaneKey, request: u64) -> Vec<u64> {
        let flights = self.0.get(key).into_iter().flatten();
        flights.map(|(id, _)| *id).filter(|id| *id != request).collect()
    }

    /// What these may be answered counts no more, but where `keep` says so.
    pub(super) fn retain(&mut self, keep: impl Fn(&LaneKey) -> bool) {
        self.0.retain(|key, _| keep(key));
    }

    /// What all may be answered counts no more.
    pub(super) fn reset(&mut self) {
        self.0.clear();
    }
}
