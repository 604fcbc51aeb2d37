//! Signs of life for the service manager, and what the process is doing, in one line.
//!
//! WATCHDOG is told at half of the manager's interval, and only after the root and the database have answered a question
//! of that moment and a shard's heartbeat was answered in time. The same proof keeps a start that takes long (Discord may
//! be away) from being taken for one that hangs.

use super::{
    Notifier, Word,
    signs::{Shard, Signs},
};
use crate::status::Status;
use std::{sync::Arc, time::Duration};
use supervision::{OrderError, Tree, Verb};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// How often is looked when nobody waits for a sign of life.
const LOOK: Duration = Duration::from_secs(15);
/// How much longer than until the next look a start asks for.
const START_SLACK: Duration = Duration::from_secs(30);
/// How often the line for people is looked at.
const STATUS: Duration = Duration::from_secs(2);
/// The longest that a question waits for its answer.
const ASK_MAX: Duration = Duration::from_secs(10);

/// Tells until it is dropped, which the way down does. It runs on the control plane.
pub(crate) async fn follow(notifier: Arc<Notifier>, status: Arc<Status>) {
    if !notifier.is_on() {
        return;
    }
    let every = notifier.watchdog().map_or(LOOK, |within| within / 2);
    tokio::join!(beat(&notifier, &status, every), line(&notifier, &status));
}

async fn beat(notifier: &Notifier, status: &Status, every: Duration) {
    let within = notifier.watchdog().unwrap_or(every * 2);
    // Asking must not take so long that a good answer comes too late to be told.
    let ask = (every / 2).min(ASK_MAX);
    let mut looks = interval(every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut fed = true;
    loop {
        looks.tick().await;
        match look(status, ask).await.judge(within) {
            Ok(()) => {
                let mut words = Vec::new();
                if notifier.watchdog().is_some() {
                    words.push(Word::Watchdog);
                }
                if !notifier.is_ready() {
                    words.push(Word::Extend(every * 2 + START_SLACK));
                }
                if !words.is_empty() {
                    notifier.tell(&words);
                }
                if !std::mem::replace(&mut fed, true) {
                    tracing::info!("there are signs of life again: the service manager is told");
                }
            }
            Err(missing) => {
                if std::mem::replace(&mut fed, false) {
                    tracing::warn!(missing, "no sign of life for the service manager: {missing}");
                }
            }
        }
    }
}

async fn look(status: &Status, ask: Duration) -> Signs {
    let root = async {
        match status.tree.get() {
            Some(tree) => answers(tree, ask).await,
            None => None,
        }
    };
    let database = async {
        let db = status.db.get()?;
        Some(match timeout(ask, db.health()).await {
            Ok(answer) => answer.map(drop).map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} ms", ask.as_millis())),
        })
    };
    let (root, database) = tokio::join!(root, database);
    let now = Instant::now();
    let shards = status.shards();
    Signs {
        root,
        database,
        phase: status.phase_under_way(),
        ready: status.ready_since(),
        shards: shards
            .iter()
            .map(|shard| Shard {
                answered: shard.pulse.answered.map(|at| now.saturating_duration_since(at)),
                every: shard.pulse.every,
                parked: shard.parked.is_some(),
            })
            .collect(),
    }
}

/// Whether the root answers a question through its mailbox. What it answers does not matter; it changes nothing.
async fn answers(tree: &Tree, within: Duration) -> Option<bool> {
    let child = tree.nodes().into_iter().find(|node| node.path.depth() == 1)?;
    Some(match timeout(within, tree.order(&child.path, Verb::Kill, None, true)).await {
        Ok(Err(OrderError::NoSupervisor { .. })) | Err(_) => false,
        Ok(_) => true,
    })
}

/// Keeps the manager's line for people up to date once boot is over; until then boot tells its phases. Tells again what the
/// manager has not taken.
async fn line(notifier: &Notifier, status: &Status) {
    let mut looks = interval(STATUS);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        notifier.again();
        if status.phase_under_way().is_none() {
            notifier.status(&status.line());
        }
    }
}
