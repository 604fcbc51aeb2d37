//! Members of a guild, asked for over the gateway (op 8) and answered in chunks.
//!
//! The answer is bounded in members, time and requests under way. Discord answers a request for all members of a guild
//! at most once in 30 seconds, and a faster one with RATE_LIMITED; so does this, without asking.

mod pending;

pub(crate) use pending::Pending;

use crate::{cache::shard_of, handle::Gateway, payload, shard::ShardMsg};
use pending::Told;
use protocol::id::{GuildId, RoleId, UserId};
use serenity::model::gateway::GatewayIntents;
use std::{sync::atomic::Ordering, time::Duration};
use supervision::CallError;
use tokio::time::Instant;

/// No request is waited for longer than this.
pub const WITHIN_MAX: Duration = Duration::from_secs(120);
/// Members that are kept of one answer; the largest guilds have more, and nobody should hold them all.
pub const MEMBERS_MAX: usize = 250_000;
/// Discord takes at most this many ids, and gives at most this many matches of a name.
pub const FEW_MAX: usize = 100;
/// Discord's limit for the request of all members, per guild.
const ALL_EVERY: Duration = Duration::from_secs(30);
/// How long the shard may take to put the request on its way.
const SEND_LIMIT: Duration = Duration::from_secs(5);

/// Which members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// All of them; takes the privileged intent for members, and is answered once in 30 s per guild.
    All,
    /// Those whose name or nickname begins with `prefix`, [`FEW_MAX`] at most.
    Named {
        /// What it begins with; not empty.
        prefix: String,
        /// How many.
        limit: u16,
    },
    /// These, [`FEW_MAX`] at most.
    Ids(Vec<UserId>),
}

/// A member as the answer is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuildMember {
    /// The user.
    pub id: UserId,
    /// The user's name.
    pub name: Box<str>,
    /// The nickname in this guild.
    pub nick: Option<Box<str>>,
    /// Whether it is a bot.
    pub bot: bool,
    /// The roles in this guild.
    pub roles: Box<[RoleId]>,
}

/// What came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// In Discord's order.
    pub members: Vec<GuildMember>,
    /// Of the ids that were asked for: those that are no members.
    pub not_found: Vec<UserId>,
    /// Whether every chunk came in time and fitted.
    pub complete: bool,
}

/// Why there are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembersError {
    /// Another process runs that guild's shard.
    #[error("guild {0} is on a shard that does not run here")]
    NotHere(GuildId),
    /// Discord would refuse the request.
    #[error("{0}")]
    Refused(&'static str),
    /// The process is above the soft mark of its memory (`[memory].soft_mb`).
    #[error("memory is short: members are not asked for until there is some again")]
    Short,
    /// Asked again too soon, or too much is under way.
    #[error("members were asked for too often: try again in {} ms", retry_after.as_millis())]
    TooSoon {
        /// When it makes sense again.
        retry_after: Duration,
    },
    /// The shard has no session at the moment, or lost it meanwhile.
    #[error("the shard is not connected")]
    NotConnected,
    /// The shard did not take it.
    #[error("the shard did not take the request: {0}")]
    Call(#[from] CallError),
    /// Nothing came in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
}

/// Why a shard did not send what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// It is not online.
    Offline,
    /// It is longer than Discord takes.
    TooLarge,
    /// There is room for it after this long.
    Wait(Duration),
}

impl Gateway {
    /// Asks for members of `guild` and waits for them, `within` (at most [`WITHIN_MAX`]). What came until then is given
    /// as incomplete. If Discord says that it was asked too often, it is asked once more when it said.
    ///
    /// # Errors
    /// When nothing can be asked or nothing came.
    pub async fn request_members(
        &self,
        guild: GuildId,
        want: &Want,
        within: Duration,
    ) -> Result<Members, MembersError> {
        let shard = shard_of(guild, self.inner.total);
        let found = self.inner.shards.iter().find(|(keeper, _)| keeper.shard().0 == shard);
        let (keeper, addr) = found.ok_or(MembersError::NotHere(guild))?;
        let clock = &self.inner.shard.clock;
        let (start, within) = (clock.monotonic(), within.min(WITHIN_MAX));
        let deadline = start + within;
        want.check(keeper.intents())?;
        if self.inner.short.load(Ordering::Relaxed) {
            return Err(MembersError::Short);
        }
        let all = (*want == Want::All).then_some(guild);
        let request = keeper.members.begin(all, start).map_err(|retry_after| MembersError::TooSoon { retry_after })?;
        let text = payload::members(guild, want, request.nonce());
        for again in [false, true] {
            while let Err(unsent) = addr.call(SEND_LIMIT, |reply| ShardMsg::Send { text: text.clone(), reply }).await? {
                let wait = match unsent {
                    Unsent::Offline => return Err(MembersError::NotConnected),
                    Unsent::TooLarge => return Err(MembersError::Refused("the request is larger than Discord takes")),
                    Unsent::Wait(wait) => wait,
                };
                pause(wait, clock.monotonic(), deadline).await?;
            }
            match tokio::time::timeout_at(deadline, request.told()).await {
                Ok(Told::Complete) => return Ok(request.members(true)),
                Ok(Told::Limited(retry_after)) if again => return Err(MembersError::TooSoon { retry_after }),
                Ok(Told::Limited(wait)) => pause(wait, clock.monotonic(), deadline).await?,
                Err(_elapsed) => break,
            }
        }
        match request.members(false) {
            none if none.members.is_empty() && none.not_found.is_empty() => Err(MembersError::Timeout(within)),
            some => Ok(some),
        }
    }
}

/// Waits, unless that would be in vain.
async fn pause(wait: Duration, now: Instant, deadline: Instant) -> Result<(), MembersError> {
    if now + wait >= deadline {
        return Err(MembersError::TooSoon { retry_after: wait });
    }
    tokio::time::sleep(wait).await;
    Ok(())
}

impl Want {
    /// Discord closes a connection with a fatal code for some of these, and does not answer others.
    fn check(&self, intents: GatewayIntents) -> Result<(), MembersError> {
        match self {
            Self::All if !intents.contains(GatewayIntents::GUILD_MEMBERS) => {
                Err(MembersError::Refused("all members take the privileged intent GUILD_MEMBERS"))
            }
            Self::Named { prefix, limit } if prefix.is_empty() || !(1..=FEW_MAX).contains(&usize::from(*limit)) => {
                Err(MembersError::Refused("a name to search for is not empty, and gives 1 to 100 members"))
            }
            Self::Ids(ids) if ids.is_empty() || ids.len() > FEW_MAX => {
                Err(MembersError::Refused("1 to 100 ids can be asked for"))
            }
            _ => Ok(()),
        }
    }
}
