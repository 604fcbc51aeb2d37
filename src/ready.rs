//! What happens once, after the gateway's first READY: registration of commands, the banner.

use crate::{
    LIBRARY, VERSION,
    boot::phases::{Phase, Phases},
    flags::{Flags, Step},
    status::Status,
    wire::millis,
};
use cog_host::CogHost;
use gateway::{Gateway, ShardStatus};
use protocol::{ShardId, id::GuildId};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use telemetry::reports::SentryCapture;
use tokio::time::Instant;

/// First wait after a failed registration; it doubles up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(300);
/// What a shard needs may be back in a moment: restarts after a failure take no longer than this as a rule.
const NEED_IS_AWAY: Duration = Duration::from_secs(5);
/// How often parked and held shards are looked for while not all shards are ready.
const LOOK: Duration = Duration::from_secs(1);

/// What the steps after READY work on.
pub struct PostReady {
    /// Marks what has happened.
    pub flags: Arc<Flags>,
    /// The process's own account.
    pub status: Arc<Status>,
    /// The gateway.
    pub gateway: Gateway,
    /// The cogs.
    pub cogs: CogHost,
    /// `[discord].guild`; none: everywhere.
    pub guild: Option<GuildId>,
    /// Where the database is, for people.
    pub database: String,
    /// The prefix where a guild has none.
    pub prefix: String,
    /// Failure reports: they say what the banner says.
    pub reports: SentryCapture,
    /// What takes longer is warned about.
    pub slow: Duration,
}

/// Waits for the first READY of every shard that can have one and does what follows from it, once.
pub async fn follow(post: PostReady) {
    tokio::select! {
        () = post.gateway.wait_ready() => {}
        () = rest_is_settled(&post.status) => {
            tracing::warn!(
                "a shard is parked, or waits for what it needs: the bot goes on with the others; `impresario status` says why"
            );
        }
    }
    let phases = Phases { status: &post.status, slow: post.slow };
    phases.behind(Phase::PostReady, once(&post)).await;
    let mut wait = RETRY_MIN;
    while !post.flags.read().guilds_registered {
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY_MAX);
        register(&post, wait).await;
    }
}

/// What happens once, whether Discord takes the commands or not: the bot answers prefix commands, and tasks may begin. Says
/// what has not come about.
async fn once(post: &PostReady) -> Option<String> {
    let missing = register(post, RETRY_MIN).await;
    if post.flags.mark(Step::FirstReady) {
        post.status.first_ready();
        banner(post);
        // Commands are counted and timed where they are invoked, from the first one on.
        post.flags.mark(Step::Instrumented);
    }
    missing
}

/// Registers slash commands, or says why that could not be; the next try is in `again`.
async fn register(post: &PostReady, again: Duration) -> Option<String> {
    let Err(error) = post.cogs.register_commands(post.guild).await else {
        post.flags.mark(Step::GuildsRegistered);
        return None;
    };
    let retry_ms = millis(again);
    tracing::warn!(%error, retry_ms, "slash commands could not be registered; prefix commands work");
    Some(format!("slash commands could not be registered: {error}"))
}

/// Waits until some shards have been ready and all others are parked or held: those come back when an operator acts, or when
/// what they need does, and neither slash commands nor tasks wait for that.
async fn rest_is_settled(status: &Status) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut waits = Waits::default();
    loop {
        let now = look.tick().await;
        let shards = status.shards();
        let mut away = |shard: &ShardStatus| {
            waits.for_long(shard.shard, status.shard_waits(shard.shard), now) || shard.parked.is_some()
        };
        // Each of them is looked at: how long one has waited is known of those that were seen each time.
        let seen: Vec<_> = shards.iter().map(|shard| (shard.session_since.is_some(), away(shard))).collect();
        if settled(seen.into_iter()) {
            return;
        }
    }
}

/// Since when each shard has been seen to wait for what it needs.
#[derive(Default)]
struct Waits(BTreeMap<u32, Instant>);

impl Waits {
    /// Whether a shard that waits at `now`, or does not, has waited so long that nobody should wait for it.
    fn for_long(&mut self, shard: ShardId, waits: bool, now: Instant) -> bool {
        if !waits {
            self.0.remove(&shard.0);
            return false;
        }
        now.duration_since(*self.0.entry(shard.0).or_insert(now)) >= NEED_IS_AWAY
    }
}

/// Of shards as (has a session, is parked or held): some are up, none is still on its way.
fn settled(mut shards: impl Iterator<Item = (bool, bool)>) -> bool {
    let mut some = false;
    shards.all(|(up, away)| {
        some |= up;
        up || away
    }) && some
}

fn banner(post: &PostReady) {
    let (cogs, guilds) = (post.cogs.counts(), post.gateway.counts().guilds);
    let shards = post.gateway.statuses().len();
    let boot_ms = millis(post.status.began.elapsed());
    let facts = json!({
        "version": VERSION,
        "library": LIBRARY,
        "shards": shards,
        "guilds": guilds,
        "cogs_loaded": cogs.loaded,
        "cogs_skipped": cogs.skipped,
        "cogs_failed": cogs.failed,
        "boot_ms": boot_ms,
    });
    post.reports.describe(facts.as_object().cloned().unwrap_or_default().into_iter().collect());
    tracing::info!(
        version = VERSION,
        library = LIBRARY,
        database = post.database,
        shards,
        guilds,
        cogs.loaded = cogs.loaded,
        cogs.skipped = cogs.skipped,
        cogs.failed = cogs.failed,
        prefix = post.prefix,
        boot_ms,
        "Impresario {VERSION} is ready: {shards} shard(s), {guilds} guild(s), {} cog(s) ({} skipped, {} failed), prefix {}, \
         in {boot_ms} ms",
        cogs.loaded,
        cogs.skipped,
        cogs.failed,
        post.prefix,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_has_waited_for_long_when_it_was_seen_to_for_five_seconds_without_a_break() {
        let (began, mut waits) = (Instant::now(), Waits::default());
        let mut looks = |waited: &[bool]| -> Vec<bool> {
            let at = |s: usize| began + LOOK * u32::try_from(s).unwrap();
            waited.iter().enumerate().map(|(s, waited)| waits.for_long(ShardId(3), *waited, at(s))).collect()
        };
        assert_eq!(
            looks(&[true, true, true, true, true, true, false]),
            [false, false, false, false, false, true, false]
        );
        assert_eq!(looks(&[true, true, true, false, true, true, true, true]), [false; 8], "back in between");
    }

    #[test]
    fn a_parked_shard_is_not_waited_for_but_one_that_is_up_is_needed() {
        let (up, parked, coming) = ((true, false), (false, true), (false, false));
        assert!(settled([up, parked].into_iter()));
        assert!(!settled([up, parked, coming].into_iter()));
        assert!(!settled([parked, parked].into_iter()), "nobody is connected");
        assert!(!settled(std::iter::empty()));
    }
}
