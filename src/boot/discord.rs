//! What boot learns from Discord and asks of it: whose token it is, how many shards to run, which intents.

use crate::{
    config::{Intents, SHARDS_MAX, Shards},
    exit::{Code, Fatal},
};
use gateway::ShardPlan;
use protocol::{id::UserId, ports::GatewayDirectory};
use rest::{Preflight, Rest};
use serenity::model::gateway::GatewayIntents;
use std::time::Duration;

/// How long boot waits for Discord's word on the number of shards, when it may choose.
const SHARDS_DEADLINE: Duration = Duration::from_secs(10);

/// Whose token it is. Only a refusal ends boot; the owners are the configured ones, else the application's.
pub(super) async fn preflight(access: &rest::Access, configured: &[u64]) -> Result<Vec<UserId>, Fatal> {
    let configured: Vec<UserId> = configured.iter().filter(|id| **id != 0).map(|id| UserId::new(*id)).collect();
    match rest::preflight(access).await {
        Preflight::Refused => Err(Fatal::new(
            Code::TokenRefused,
            "Discord refuses the token (401): make a new one on the application's Bot page and set DISCORD_TOKEN to it",
        )),
        Preflight::Accepted { application } => {
            tracing::info!(application.id = application.id.get(), name = application.name, "the token is good");
            Ok(if configured.is_empty() { application.owners } else { configured })
        }
        Preflight::Unknown(reason) => {
            tracing::warn!(reason, "the token could not be checked; boot goes on");
            if configured.is_empty() {
                tracing::warn!("no owners are known: set discord.owners to use owner commands");
            }
            Ok(configured)
        }
    }
}

/// Which shards run here.
pub(super) async fn plan(configured: Shards, rest: &Rest) -> ShardPlan {
    match configured {
        Shards::Count(total) => ShardPlan::all(total),
        Shards::Share { total, first, last } => ShardPlan { total, first, last },
        Shards::Auto => match tokio::time::timeout(SHARDS_DEADLINE, GatewayDirectory::gateway_bot(rest)).await {
            Ok(Ok(bot)) => {
                let here = bot.shards.clamp(1, SHARDS_MAX);
                if here != bot.shards {
                    tracing::error!(
                        wanted = bot.shards,
                        here,
                        "Discord wants another number of shards than one process runs: set discord.shards to the share \
                         of this one, {{ total, first, last }}"
                    );
                }
                ShardPlan::all(here)
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "Discord did not say how many shards to run: one, until the next start");
                ShardPlan::all(1)
            }
            Err(_) => {
                tracing::warn!("Discord did not say in time how many shards to run: one, until the next start");
                ShardPlan::all(1)
            }
        },
    }
}

pub(super) fn intents(configured: &Intents) -> Result<gateway::Intents, Fatal> {
    let Intents::List(names) = configured else { return Ok(gateway::Intents::Auto) };
    let mut all = GatewayIntents::empty();
    for name in names {
        let known = GatewayIntents::from_name(name);
        all |=
            known.ok_or_else(|| Fatal::new(Code::Config, format!("discord.intents: there is no intent {name:?}")))?;
    }
    Ok(gateway::Intents::Exactly(all))
}
