//! `gateway/identify`: decides which shard may IDENTIFY, and when none may.
//!
//! Discord resets the token of a bot that sends more than 1,000 IDENTIFYs in 24 hours, and answers those that come too
//! close together with an invalid session. So each one needs a grant: its bucket's turn, Discord's own count, and the
//! budget that is written down across processes. Without a database there is no grant; shards can still RESUME.

mod queue;

use crate::directory::Directory;
use arc_swap::ArcSwap;
use chrono::{DateTime, SecondsFormat, Utc};
use protocol::{
    Clock, millis,
    ports::{IdentifyAsk, IdentifyGrant, IdentifyLedger},
};
use queue::{Pace, Queue, SPACING};
use serde::Serialize;
use serde_json::Value;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use supervision::{Actor, AdminCall, AdminError, AdminSpec, Ctx, Failure, Message, Reply, Role};

/// IDENTIFYs of Discord's count, and beyond our own limit, that are left to the humans who run the bot: their orders use them.
const RESERVE: u32 = 100;
/// No order brings the last 24 hours beyond this: at 1,000 Discord resets the token, and may have counted more than we have.
const ORDERED_MAX: u32 = 990;
/// How long Discord may take to say what it allows, before an order goes by what it last said.
const ORDERED_ANSWER: Duration = Duration::from_secs(3);
/// Discord counts IDENTIFYs over so long.
const WINDOW: Duration = Duration::from_secs(24 * 3600);
/// A decision that takes longer than this (database, REST) is a refusal.
const DECISION: Duration = Duration::from_secs(20);
/// What a shard waits after a decision that took too long.
const RETRY: Duration = Duration::from_secs(5);

/// What the identify actor is told.
pub(crate) enum IdentifyMsg {
    /// A shard wants to IDENTIFY.
    Ask {
        /// Which.
        shard: u32,
        /// Whether an operator ordered what costs it: such a one may use the reserve.
        ordered: bool,
        /// The decision. Whoever drops the other end gives up its place.
        reply: Reply<Decision>,
    },
    /// A decision has been made.
    Decided {
        /// For which shard.
        shard: u32,
        /// What.
        outcome: Outcome,
        /// Discord's `max_concurrency`, if it said.
        concurrency: Option<u32>,
        /// The way back to the shard.
        ticket: Ticket,
    },
    /// An operator is about to order a new session.
    Room {
        /// Whether it can be begun; else why not, and when.
        reply: Reply<Result<(), String>>,
    },
    /// Discord's `max_concurrency` is known, or cannot be had.
    Sized(Option<u32>),
    /// A bucket has opened.
    Wake,
}

impl Message for IdentifyMsg {
    fn name(&self) -> &'static str {
        match self {
            Self::Ask { .. } => "ask",
            Self::Decided { .. } => "decided",
            Self::Room { .. } => "room",
            Self::Sized(_) => "sized",
            Self::Wake => "wake",
        }
    }
}

/// Whether a shard may IDENTIFY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Once, at once.
    Granted,
    /// Not for a while.
    Denied {
        /// How long.
        retry_after: Duration,
        /// Why, for an operator.
        why: String,
    },
}

/// A shard in the queue.
pub(crate) struct Ticket {
    ordered: bool,
    reply: Reply<Decision>,
}

/// What a decision comes to: the shard hears of it, or stays in the queue because its bucket is closed for so long.
type Outcome = Result<Decision, Duration>;

/// What outlives incarnations of the actor.
pub(crate) struct Shared {
    pub(crate) ledger: Arc<dyn IdentifyLedger>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Of 24 hours.
    pub(crate) limit: u32,
    pace: ArcSwap<Pace>,
    /// Whether the pace goes by what Discord said, or by its silence.
    sized: AtomicBool,
    budget: ArcSwap<Budget>,
}

impl Shared {
    pub(crate) fn new(
        ledger: Arc<dyn IdentifyLedger>,
        directory: Arc<Directory>,
        clock: Arc<dyn Clock>,
        limit: u32,
    ) -> Self {
        let budget = Budget { limit, ..Budget::default() };
        Self {
            ledger,
            directory,
            clock,
            limit,
            pace: ArcSwap::default(),
            sized: AtomicBool::new(false),
            budget: ArcSwap::from_pointee(budget),
        }
    }

    /// The limit of 24 hours for what comes by itself, or for what an operator has ordered.
    fn limit(&self, ordered: bool) -> u32 {
        match ordered {
            true => (self.limit + RESERVE).min(ORDERED_MAX).max(self.limit),
            false => self.limit,
        }
    }

    /// What is known of the budget.
    pub(crate) fn budget(&self) -> Budget {
        let mut budget = Budget::clone(&self.budget.load());
        let limits = self.directory.last_limits(self.clock.monotonic());
        budget.discord_remaining = limits.map(|limits| limits.remaining).filter(|remaining| *remaining != u32::MAX);
        budget
    }
}

/// The budget of IDENTIFYs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// Allowed in 24 hours.
    pub limit: u32,
    /// Used in the last 24 hours, as of the last grant or refusal; none before the first.
    pub used: Option<u32>,
    /// Left by Discord's own count, if it has been asked.
    pub discord_remaining: Option<u32>,
    /// Shards that wait for their turn.
    pub waiting: usize,
    /// IDENTIFYs at once every 5 seconds.
    pub concurrency: usize,
    /// Why the last shard that was refused may not.
    pub last_refusal: Option<String>,
}

/// The actor.
pub(crate) struct Identify {
    shared: Arc<Shared>,
    queue: Queue<Ticket>,
    /// Whether it has asked how many may IDENTIFY at once.
    asked: bool,
}

impl Identify {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let queue = Queue::new(Pace::clone(&shared.pace.load()));
        Self { shared, queue, asked: false }
    }

    /// Begins every decision whose turn it is.
    fn pump(&mut self, ctx: &Ctx<Self>) {
        let now = self.shared.clock.monotonic();
        self.queue.retain(|ticket| !ticket.reply.is_abandoned());
        if !self.shared.sized.load(Relaxed) {
            return self.size(ctx); // the first shard would otherwise close the buckets of all others
        }
        while let Some((shard, ticket)) = self.queue.next(now) {
            let (shared, me) = (Arc::clone(&self.shared), ctx.me());
            let buckets = u32::try_from(self.queue.concurrency()).unwrap_or(u32::MAX);
            ctx.spawn(async move {
                let (outcome, concurrency) = decide(&shared, shard, ticket.ordered, buckets).await;
                me.send(IdentifyMsg::Decided { shard, outcome, concurrency, ticket }).await.ok(); // it ends with us
            });
        }
        if let Some(after) = self.queue.wakes(now) {
            ctx.send_after(after, IdentifyMsg::Wake);
        }
        self.publish(|_| {});
    }

    /// Asks Discord once how many may IDENTIFY at once, before the first one does.
    fn size(&mut self, ctx: &Ctx<Self>) {
        self.publish(|_| {});
        if std::mem::replace(&mut self.asked, true) {
            return;
        }
        let (shared, me) = (Arc::clone(&self.shared), ctx.me());
        ctx.spawn(async move {
            let asked = shared.directory.limits(shared.clock.monotonic());
            let limits = tokio::time::timeout(DECISION, asked).await.ok().flatten();
            me.send(IdentifyMsg::Sized(limits.map(|limits| limits.max_concurrency))).await.ok(); // it ends with us
        });
    }

    fn settle(&mut self, shard: u32, outcome: Outcome, ticket: Ticket) {
        let now = self.shared.clock.monotonic();
        let decision = match outcome {
            Ok(decision) => decision,
            Err(closed) => {
                tracing::info!(shard.id = shard, wait_ms = millis(closed), "another IDENTIFY was sent a moment ago");
                self.queue.put_back(shard, ticket, now + closed);
                self.shared.pace.store(Arc::new(self.queue.pace().clone()));
                return;
            }
        };
        self.queue.settle(shard, decision == Decision::Granted, now);
        self.shared.pace.store(Arc::new(self.queue.pace().clone()));
        if let Decision::Denied { retry_after, why } = &decision {
            tracing::warn!(shard.id = shard, retry_after_ms = millis(*retry_after), "no IDENTIFY: {why}");
            self.publish(|budget| budget.last_refusal = Some(why.clone()));
        }
        ticket.reply.send(decision);
    }

    fn publish(&self, change: impl Fn(&mut Budget)) {
        self.shared.budget.rcu(|budget| {
            let mut budget = Budget::clone(budget);
            (budget.waiting, budget.concurrency) = (self.queue.len(), self.queue.concurrency());
            change(&mut budget);
            budget
        });
    }
}

impl Actor for Identify {
    type Msg = IdentifyMsg;

    async fn handle(&mut self, message: IdentifyMsg, ctx: &Ctx<Self>) -> Result<(), Failure> {
        match message {
            IdentifyMsg::Ask { shard, ordered, reply } => self.queue.ask(shard, Ticket { ordered, reply }),
            IdentifyMsg::Decided { shard, outcome, concurrency, ticket } => {
                self.settle(shard, outcome, ticket);
                if let Some(concurrency) = concurrency {
                    self.queue.set_concurrency(concurrency);
                }
            }
            IdentifyMsg::Sized(concurrency) => {
                self.shared.sized.store(true, Relaxed);
                self.queue.set_concurrency(concurrency.unwrap_or(1));
                self.shared.pace.store(Arc::new(self.queue.pace().clone()));
            }
            IdentifyMsg::Room { reply } => {
                let shared = Arc::clone(&self.shared);
                ctx.spawn(async move { reply.send(room(&shared).await) });
                return Ok(());
            }
            IdentifyMsg::Wake => {}
        }
        self.pump(ctx);
        Ok(())
    }

    fn admin_messages() -> Vec<AdminSpec> {
        vec![AdminSpec::new("budget", Role::Observe, "IDENTIFYs used and left, and who waits for one")]
    }

    async fn admin(&mut self, call: AdminCall, _: &Ctx<Self>) -> Result<Value, AdminError> {
        match call.name.as_str() {
            "budget" => serde_json::to_value(self.shared.budget()).map_err(AdminError::refused),
            _ => Err(call.unknown(&Self::admin_messages())),
        }
    }
}

/// Discord's count first: it costs nothing. The ledger last: what it grants is spent.
async fn decide(shared: &Shared, shard: u32, ordered: bool, buckets: u32) -> (Outcome, Option<u32>) {
    let work = async {
        let limits = shared.directory.limits(shared.clock.monotonic()).await;
        let concurrency = limits.map(|limits| limits.max_concurrency);
        let kept = if ordered { 0 } else { RESERVE };
        if let Some(limits) = limits.filter(|limits| limits.remaining <= kept) {
            let why = match limits.remaining {
                0 => {
                    format!("Discord allows no further one {}", until(shared, shared.clock.now() + limits.reset_after))
                }
                left => format!("Discord allows {left} more, and {kept} are kept for operators{}", by_order(shard)),
            };
            return (Ok(Decision::Denied { retry_after: limits.reset_after.max(RETRY), why }), concurrency);
        }
        let limit = shared.limit(ordered);
        let ask = IdentifyAsk { shard, limit, buckets: concurrency.unwrap_or(buckets), spacing: SPACING };
        let decision = match shared.ledger.take(ask, shared.clock.now()).await {
            Ok(IdentifyGrant::TooSoon { retry_after }) => return (Err(retry_after), concurrency),
            Ok(IdentifyGrant::Granted { used }) => {
                shared.directory.spend();
                note_used(shared, used);
                Decision::Granted
            }
            Ok(IdentifyGrant::Exhausted { retry_at, used }) => {
                note_used(shared, used);
                let left = (retry_at - shared.clock.now()).to_std().unwrap_or_default();
                let remedy = match used < shared.limit(true) {
                    true => by_order(shard),
                    // Nor does an operator's order find one now; the first that leaves the 24 hours is for those.
                    false => {
                        format!(", also those kept for operators, who have one again {}", sooner(shared, retry_at))
                    }
                };
                let why = format!("{used} of {limit} in 24 hours are used up{remedy}");
                Decision::Denied { retry_after: left.max(RETRY), why }
            }
            Err(not_now) => Decision::Denied {
                retry_after: not_now.retry_after.max(Duration::from_millis(100)),
                why: format!("its budget cannot be written down ({})", not_now.what),
            },
        };
        (Ok(decision), concurrency)
    };
    tokio::time::timeout(DECISION, work).await.unwrap_or_else(|_elapsed| {
        let why = format!("no decision within {} s", DECISION.as_secs());
        (Ok(Decision::Denied { retry_after: RETRY, why }), None)
    })
}

/// Whether an operator's order for a new session can be carried out; else a sentence that says why not, and when.
async fn room(shared: &Shared) -> Result<(), String> {
    let now = shared.clock.monotonic();
    let asked = tokio::time::timeout(ORDERED_ANSWER, shared.directory.limits(now)).await;
    let limits = asked.ok().flatten().or_else(|| shared.directory.last_limits(now));
    if let Some(limits) = limits.filter(|limits| limits.remaining == 0) {
        let at = shared.clock.now() + limits.reset_after;
        return Err(not_before(shared, at, "Discord allows no further IDENTIFY"));
    }
    let limit = shared.limit(true);
    let take = |limit| {
        // As far apart as the window is long: none is taken while another one is in it.
        let ask = IdentifyAsk { shard: 0, limit, buckets: 1, spacing: WINDOW };
        shared.ledger.take(ask, shared.clock.now())
    };
    let counted = match take(0).await {
        // The answer is when the next one will be, or that by now there is room: the oldest has left the window meanwhile.
        Ok(IdentifyGrant::Exhausted { used, .. }) if used >= limit => take(limit).await,
        counted => counted.map(|_room| IdentifyGrant::Granted { used: 0 }),
    };
    match counted {
        Ok(IdentifyGrant::Exhausted { retry_at, used }) => {
            Err(not_before(shared, retry_at, &format!("{used} IDENTIFYs of {limit} in 24 hours are used up")))
        }
        Ok(IdentifyGrant::Granted { .. } | IdentifyGrant::TooSoon { .. }) => Ok(()),
        Err(not_now) => Err(format!(
            "no new session can be begun: its IDENTIFY cannot be written down ({}); nothing was changed, try again in {} s",
            not_now.what,
            not_now.retry_after.as_secs().max(1)
        )),
    }
}

fn not_before(shared: &Shared, at: DateTime<Utc>, why: &str) -> String {
    format!("no new session can be begun {}: {why}; nothing was changed", until(shared, at))
}

/// What helps while some are kept for operators.
fn by_order(shard: u32) -> String {
    format!("; `impresario shards reconnect {shard}` uses one of those kept for operators")
}

/// When there is room again.
fn until(shared: &Shared, at: DateTime<Utc>) -> String {
    let left = (at - shared.clock.now()).num_seconds().max(0);
    format!("before {} (in {left} s)", at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// At `at` at the latest.
fn sooner(shared: &Shared, at: DateTime<Utc>) -> String {
    until(shared, at).replacen("before", "at the latest at", 1)
}

fn note_used(shared: &Shared, used: u32) {
    shared.budget.rcu(|budget| Budget { used: Some(used), ..Budget::clone(budget) });
}
