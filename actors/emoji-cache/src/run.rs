//! One refresh while it is under way.

use crate::{actor::Refreshed, load::Work};
use metering::emoji::RefreshOutcome;
use rest::RestError;
use serenity::model::id::GuildId;
use std::{collections::BTreeSet, time::Duration};
use supervision::Reply;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The first wait before what failed is tried again; it doubles.
const RETRY_FIRST: Duration = Duration::from_secs(5);
/// The longest such wait.
const RETRY_MAX: Duration = Duration::from_secs(300);

type Replies = Vec<Reply<Result<Refreshed, String>>>;

/// A refresh under way.
pub(crate) struct Run {
    pub(crate) id: u64,
    pub(crate) began: Instant,
    /// The guilds to be read that have not gone meanwhile.
    pub(crate) wanted: BTreeSet<GuildId>,
    pub(crate) read: usize,
    pub(crate) failed: Work,
    pub(crate) error: Option<RestError>,
    pub(crate) replies: Replies,
    pub(crate) cancelled: CancellationToken,
}

impl Run {
    pub(crate) fn new(id: u64, work: &Work) -> Self {
        Self {
            id,
            began: Instant::now(),
            wanted: work.guilds.iter().copied().collect(),
            read: 0,
            failed: Work::default(),
            error: None,
            replies: Vec::new(),
            cancelled: CancellationToken::new(),
        }
    }

    /// Ends it for another that does its work too, and hands over who waits for it.
    pub(crate) fn cancel(mut self) -> Replies {
        self.cancelled.cancel();
        std::mem::take(&mut self.replies)
    }

    pub(crate) fn application_failed(&mut self, error: RestError) {
        self.failed.application = true;
        self.error = Some(error);
    }

    pub(crate) fn guild_failed(&mut self, id: GuildId, error: RestError) {
        self.failed.guilds.push(id);
        self.error = Some(error);
    }

    pub(crate) fn outcome(&self) -> RefreshOutcome {
        match (&self.error, self.read) {
            (None, _) => RefreshOutcome::Done,
            (Some(_), 0) => RefreshOutcome::Failed,
            (Some(_), _) => RefreshOutcome::Partial,
        }
    }
}

/// How long to wait after so many failures in a row. `dice` is in 0.0..1.0.
pub(crate) fn retry_after(failures: u32, dice: f64) -> Duration {
    let doubled = RETRY_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(RETRY_MAX);
    doubled.mul_f64(0.5 + dice.clamp(0.0, 1.0) / 2.0)
}
