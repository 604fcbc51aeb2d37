//! Where the gateway is and what it allows, remembered: a REST failure must not keep a shard from coming back.

use arc_swap::ArcSwapOption;
use protocol::ports::{GatewayBot, GatewayDirectory, NotNow};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{sync::Mutex, time::Instant};

/// An answer this young is used without asking again.
const FRESH: Duration = Duration::from_secs(60);
/// An answer that takes longer is none: a decision on an IDENTIFY waits for it, and so does a connection.
const ANSWER: Duration = Duration::from_secs(8);
/// After a failure all shards that ask are told the same for this long.
const QUIET: Duration = Duration::from_secs(1);

/// `GET /gateway/bot`, remembered.
pub(crate) struct Directory {
    configured: Option<String>,
    port: Arc<dyn GatewayDirectory>,
    known: ArcSwapOption<Known>,
    /// One request at a time, however many shards ask; the last failure, and until when it stands for the next.
    asking: Mutex<Option<(Instant, NotNow)>>,
}

struct Known {
    bot: GatewayBot,
    at: Instant,
    /// IDENTIFYs since then.
    spent: AtomicU32,
}

/// What Discord allows at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// IDENTIFYs left.
    pub(crate) remaining: u32,
    /// Until the count begins anew.
    pub(crate) reset_after: Duration,
    /// IDENTIFYs at once every 5 seconds.
    pub(crate) max_concurrency: u32,
}

impl Directory {
    /// A directory that asks `port`; `configured` takes the place of the address it gives.
    pub(crate) fn new(configured: Option<String>, port: Arc<dyn GatewayDirectory>) -> Self {
        let configured = configured.filter(|url| !url.trim().is_empty());
        Self { configured, port, known: ArcSwapOption::empty(), asking: Mutex::new(None) }
    }

    /// The gateway's general address: as configured, else as Discord says, else as it last said.
    pub(crate) async fn address(&self, now: Instant) -> Result<String, NotNow> {
        match &self.configured {
            Some(url) => Ok(url.clone()),
            None => self.ask(now).await.map(|known| known.bot.url.clone()),
        }
    }

    /// What Discord allows; `None` when it cannot be asked and has not been yet.
    pub(crate) async fn limits(&self, now: Instant) -> Option<Limits> {
        self.ask(now).await.ok().map(|known| known.limits(now))
    }

    /// What Discord allowed when it was last asked.
    pub(crate) fn last_limits(&self, now: Instant) -> Option<Limits> {
        self.known.load().as_ref().map(|known| known.limits(now))
    }

    /// Books one IDENTIFY against the remembered count.
    pub(crate) fn spend(&self) {
        if let Some(known) = self.known.load().as_ref() {
            known.spent.fetch_add(1, Relaxed);
        }
    }

    async fn ask(&self, now: Instant) -> Result<Arc<Known>, NotNow> {
        let mut failed = self.asking.lock().await;
        let last = self.known.load_full();
        if let Some(known) = last.as_ref().filter(|known| now.saturating_duration_since(known.at) < FRESH) {
            return Ok(Arc::clone(known));
        }
        let answer = match failed.as_ref().filter(|(until, _)| now < *until) {
            Some((_, not_now)) => Err((None, not_now.clone())),
            None => match tokio::time::timeout(ANSWER, self.port.gateway_bot()).await {
                Ok(answer) => answer.map_err(|not_now| (Some(now + QUIET), not_now)),
                Err(_elapsed) => {
                    let what = format!("Discord did not say within {} s where the gateway is", ANSWER.as_secs());
                    Err((Some(now + ANSWER + QUIET), NotNow { what, retry_after: QUIET }))
                }
            },
        };
        match (answer, last) {
            (Ok(bot), _) => {
                *failed = None;
                let known = Arc::new(Known { bot, at: now, spent: AtomicU32::new(0) });
                self.known.store(Some(Arc::clone(&known)));
                Ok(known)
            }
            (Err((until, not_now)), last) => {
                if let Some(until) = until {
                    *failed = Some((until, not_now.clone()));
                }
                last.ok_or(not_now)
            }
        }
    }
}

impl Known {
    fn limits(&self, now: Instant) -> Limits {
        let since = now.saturating_duration_since(self.at);
        let reset_after = Duration::from_millis(self.bot.reset_after_ms);
        // Past its reset a remembered count of nothing left would hold the shard for ever.
        let remaining = match since > reset_after {
            true => u32::MAX,
            false => self.bot.remaining.saturating_sub(self.spent.load(Relaxed)),
        };
        let max_concurrency = self.bot.max_concurrency.max(1);
        Limits { remaining, reset_after: reset_after.saturating_sub(since), max_concurrency }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::BoxFuture;
    use std::sync::atomic::AtomicBool;

    struct Port {
        down: AtomicBool,
        asked: AtomicU32,
    }

    impl GatewayDirectory for Port {
        fn gateway_bot(&self) -> BoxFuture<'_, Result<GatewayBot, NotNow>> {
            self.asked.fetch_add(1, Relaxed);
            let answer = match self.down.load(Relaxed) {
                true => Err(NotNow { what: "REST".into(), retry_after: Duration::from_secs(1) }),
                false => Ok(GatewayBot {
                    url: "wss://gateway.discord.gg".into(),
                    shards: 1,
                    remaining: 500,
                    reset_after_ms: 3_600_000,
                    max_concurrency: 2,
                }),
            };
            Box::pin(async move { answer })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_answer_serves_while_discord_cannot_be_asked() {
        let port = Arc::new(Port { down: AtomicBool::new(true), asked: AtomicU32::new(0) });
        let directory = Directory::new(Some(" ".into()), port.clone());
        let start = Instant::now();
        assert!(directory.address(start).await.is_err());
        port.down.store(false, Relaxed);
        assert!(directory.address(start).await.is_err(), "shards that ask together are told the same");
        let start = start + QUIET;
        assert_eq!(directory.address(start).await.as_deref(), Ok("wss://gateway.discord.gg"));
        directory.spend();
        assert_eq!(directory.limits(start).await.map(|limits| limits.remaining), Some(499));
        assert_eq!(port.asked.load(Relaxed), 2, "a fresh answer is used again");
        port.down.store(true, Relaxed);
        let later = start + Duration::from_secs(600);
        assert_eq!(directory.address(later).await.as_deref(), Ok("wss://gateway.discord.gg"));
        let limits = directory.limits(later).await.unwrap();
        assert_eq!((limits.remaining, limits.reset_after), (499, Duration::from_secs(3000)));
        let reset = directory.limits(start + Duration::from_secs(3700)).await.unwrap();
        assert_eq!(reset.remaining, u32::MAX, "after the reset the old count says nothing");
    }

    struct Silent(AtomicU32);

    impl GatewayDirectory for Silent {
        fn gateway_bot(&self) -> BoxFuture<'_, Result<GatewayBot, NotNow>> {
            self.0.fetch_add(1, Relaxed);
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_discord_that_never_answers_holds_nobody_up_for_long() {
        let port = Arc::new(Silent(AtomicU32::new(0)));
        let directory = Directory::new(Some("wss://configured".into()), port.clone());
        let start = Instant::now();
        let asked = futures_util::future::join_all((0..16).map(|_| directory.limits(start)));
        assert!(asked.await.iter().all(Option::is_none));
        assert_eq!((Instant::now() - start, port.0.load(Relaxed)), (ANSWER, 1), "sixteen shards, one request");
        assert_eq!(directory.address(start).await.as_deref(), Ok("wss://configured"));
    }
}
