//! What tasks are given from outside: time, readiness, the cache, and who hears of trouble.

use crate::{config::TaskRules, rules::Rulebook, schedule::Moment};
use protocol::{
    Clock, SystemClock,
    cache::CacheView,
    ports::{Actors, Capture, NoCapture},
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::{sync::watch, time::Instant};

/// What tasks are given from outside.
pub struct Surroundings {
    /// What the configuration says at first; new rules come by [`crate::TaskRegistry::adopt`].
    pub book: Rulebook,
    /// Whether scheduled runs check in.
    pub check_ins: bool,
    /// Tells when the bot is ready.
    pub ready: watch::Receiver<bool>,
    /// Wall time for calendars; periods go by tokio's clock.
    pub clock: Arc<dyn Clock>,
    /// Hears when a task is given up on, and of scheduled runs.
    pub capture: Arc<dyn Capture>,
    /// What is known of guilds.
    pub cache: Option<Arc<dyn CacheView>>,
    /// Which actors there can be; without it a task may need any path.
    pub actors: Option<Arc<dyn Actors>>,
    epoch: Instant,
}

impl Surroundings {
    /// Nothing but rules and readiness: the machine's clock, nobody to tell, no guilds.
    pub fn new(rules: BTreeMap<String, TaskRules>, ready: watch::Receiver<bool>) -> Self {
        Self {
            book: Rulebook { rules, zone: "UTC".to_owned() },
            check_ins: false,
            ready,
            clock: Arc::new(SystemClock),
            capture: Arc::new(NoCapture),
            cache: None,
            actors: None,
            epoch: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment { mono: self.epoch.elapsed(), wall: self.clock.now() }
    }
}
