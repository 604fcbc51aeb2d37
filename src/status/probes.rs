//! The process as probes and metrics see it.

use super::Status;
use crate::wire::millis;
use metering::{Collector, PathPattern, Scrape};
use serde_json::json;
use std::{collections::BTreeMap, sync::PoisonError};
use supervision::{Recorder, Status as State};
use telemetry::{Health, Verdict};

impl Health for Status {
    fn live(&self) -> Verdict {
        // Answered on the control plane from snapshots: that it answers is the proof.
        Verdict::pass(json!({ "uptime_ms": millis(self.began.elapsed()) }))
    }

    fn ready(&self) -> Verdict {
        let (ready, degraded) = self.look();
        let detail = json!({ "degraded": degraded, "flags": self.flags.read() });
        if ready { Verdict::pass(detail) } else { Verdict::fail(detail) }
    }

    fn started(&self) -> Verdict {
        let detail = json!({ "phases": self.phases().len() });
        if self.flags.read().setup_complete { Verdict::pass(detail) } else { Verdict::fail(detail) }
    }
}

impl Collector for Status {
    fn name(&self) -> &'static str {
        "supervision"
    }

    fn collect(&self, scrape: &Scrape) {
        let nodes = self.nodes();
        // Every state is set, those that nobody is in with 0: a gauge keeps what it was told last.
        let mut states: BTreeMap<&'static str, usize> = State::ALL.iter().map(|state| (state.name(), 0)).collect();
        let mut depths: BTreeMap<PathPattern, usize> = BTreeMap::new();
        let mut lost = 0;
        for node in &nodes {
            *states.entry(node.status.name()).or_default() += 1;
            if let Some(mailbox) = &node.mailbox {
                *depths.entry(PathPattern::from(node.path.as_str())).or_default() += mailbox.depth;
                lost += mailbox.lost;
            }
        }
        for (state, count) in states {
            metering::supervision::in_state(scrape, state, count);
        }
        for (path, depth) in depths {
            metering::supervision::mailbox_depth(scrape, path, depth);
        }
        let mut told = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        metering::supervision::lost(lost.saturating_sub(*told));
        *told = lost;
        let unwritten = self.recorder().map_or(0, Recorder::lost);
        let mut told = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        metering::supervision::unwritten(unwritten.saturating_sub(*told));
        *told = unwritten;
    }
}
