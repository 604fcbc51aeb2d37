//! Heartbeats while nothing else can run: a task on the control plane that stands in for a shard whose own runtime is held
//! up, by commands that block its threads or by a machine that is too busy.
//!
//! The session decides about heartbeats and sends them; this one looks a moment later whether it did. It does not judge
//! the connection: it cannot read it.

use super::{
    Shard,
    link::{Outgoing, Vitals},
};
use crate::{keeper::Keeper, payload, status::count};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// A heartbeat that is late by this share of its interval is sent by the pacemaker.
const PATIENCE_SHARE: u32 = 8;
/// But not before it is late by this.
const PATIENCE_LEAST: Duration = Duration::from_millis(10);
/// And not later than this: Discord's patience is not known.
const PATIENCE_MOST: Duration = Duration::from_secs(3);
/// Two clocks that are read one after the other differ by less without any sleep.
const SLEEP_LEAST: Duration = Duration::from_secs(1);

impl Shard {
    /// How long the machine has slept since the last heartbeat.
    pub(super) fn asleep(&self, now: Instant) -> Duration {
        let Some((then, at)) = &self.beaten else { return Duration::ZERO };
        let uptime = self.shared.clock.uptime();
        let passed = uptime.since.saturating_sub(then.since);
        let awake = now.saturating_duration_since(*at);
        let asleep = passed.saturating_sub(awake);
        if uptime.boot == then.boot && asleep >= SLEEP_LEAST { asleep } else { Duration::ZERO }
    }

    /// Sees to it that heartbeats go out also while this actor cannot run.
    pub(super) fn keep_beating(&mut self, interval: Duration) {
        self.beaten = Some((self.shared.clock.uptime(), self.shared.clock.monotonic()));
        let Some(link) = &self.link else { return };
        link.vitals.beat(); // the first one is due an interval from now at the latest
        let pacemaker = Pacemaker {
            keeper: Arc::clone(&self.keeper),
            vitals: Arc::clone(&link.vitals),
            out: link.out(),
            over: link.over.clone(),
            interval,
        };
        self.aside("pacemaker", pacemaker.run());
    }

    /// Runs `work` on the control plane. It ends with the connection that it belongs to.
    pub(super) fn aside(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let shard = self.id();
        self.shared.control.spawn(async move {
            if let Err(exit) = supervision::guarded(work).await {
                tracing::error!(shard.id = shard, task = name, cause = exit.to_string(), "{name} has ended: {exit}");
            }
        });
    }
}

/// What the pacemaker of one connection holds of it.
struct Pacemaker {
    keeper: Arc<Keeper>,
    vitals: Arc<Vitals>,
    /// The way out; it closes with the connection.
    out: mpsc::WeakSender<Outgoing>,
    over: CancellationToken,
    /// As HELLO told it, within bounds.
    interval: Duration,
}

impl Pacemaker {
    /// Watches until the connection is given up.
    async fn run(self) {
        let over = self.over.clone();
        over.run_until_cancelled(self.watch()).await;
    }

    async fn watch(self) {
        let patience = (self.interval / PATIENCE_SHARE).clamp(PATIENCE_LEAST, PATIENCE_MOST);
        loop {
            let last = self.vitals.beaten();
            sleep_until(last + self.interval + patience).await;
            if self.vitals.beaten() != last {
                continue;
            }
            match due(last, self.interval, patience, Instant::now()) {
                Due::Now => {
                    let Some(out) = self.out.upgrade() else { return };
                    let received = self.keeper.books().map(|books| books.received());
                    // A socket that takes nothing is found dead by the session, once that can run again.
                    if out.try_send(Outgoing::Text(payload::heartbeat(received))).is_ok() {
                        count(&self.keeper.tally.stood_in);
                        let shard = self.keeper.shard().0;
                        tracing::warn!(
                            shard.id = shard,
                            "the shard could not run in time: its heartbeat was sent for it"
                        );
                        self.vitals.stand_in();
                    } else {
                        sleep_until(Instant::now() + patience).await;
                    }
                }
                Due::TooLate => sleep_until(Instant::now() + self.interval).await,
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Due {
    /// The shard did not send it.
    Now,
    /// This task could not run either: the whole process was stopped, and the connection is for the session to give up.
    TooLate,
}

fn due(last: Instant, interval: Duration, patience: Duration, now: Instant) -> Due {
    if now.saturating_duration_since(last + interval + patience) >= interval { Due::TooLate } else { Due::Now }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_in_unless_it_was_stopped_itself() {
        let (last, interval, patience) = (Instant::now(), Duration::from_secs(40), Duration::from_secs(3));
        assert_eq!(due(last, interval, patience, last + Duration::from_secs(43)), Due::Now);
        assert_eq!(due(last, interval, patience, last + Duration::from_secs(82)), Due::Now);
        assert_eq!(due(last, interval, patience, last + Duration::from_secs(83)), Due::TooLate);
        assert_eq!(due(last, interval, patience, last + Duration::from_secs(300)), Due::TooLate);
    }
}
