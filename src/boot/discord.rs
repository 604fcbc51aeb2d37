//! What boot learns from Discord and asks of it: whose token it is, how many shards to run, which intents.

use crate::{
    config::{Intents, SHARDS_MAX, Shards},
    exit::{Code, Fatal},
    sharding::Sharding,
    status::Status,
};
use cog_host::Owners;
use gateway::ShardPlan;
use protocol::{
    id::UserId,
    ports::{GatewayDirectory, NotNow},
};
use rest::{Preflight, Rest};
use serenity::model::gateway::GatewayIntents;
use std::time::Duration;

/// How long boot waits for Discord's word on the number of shards, when it may choose.
const SHARDS_DEADLINE: Duration = Duration::from_secs(10);
/// When it did not say and nothing else is known, Discord is asked again after this time, which doubles up to the longest.
const ASK_AGAIN_MIN: Duration = Duration::from_secs(1);
const ASK_AGAIN_MAX: Duration = Duration::from_secs(60);

/// Whose token it is. Only a refusal ends boot; the owners are the configured ones, else the application's. Where nobody is
/// configured and Discord does not say (it does not answer, or the process before has left a silence), it is asked again
/// beside everything else until it does.
pub(super) async fn preflight(rest: &Rest, access: &rest::Access, configured: &[u64]) -> Result<Owners, Fatal> {
    let configured: Vec<UserId> = configured.iter().filter(|id| **id != 0).map(|id| UserId::new(*id)).collect();
    match rest.preflight(access).await {
        Preflight::Refused => Err(token_refused()),
        Preflight::Accepted { application } => {
            tracing::info!(application.id = application.id.get(), name = application.name, "the token is good");
            Ok(if configured.is_empty() { application.owners } else { configured }.into())
        }
        Preflight::Unknown(reason) => {
            tracing::warn!(reason, "the token could not be checked; boot goes on");
            if !configured.is_empty() {
                return Ok(configured.into());
            }
            tracing::warn!(
                "no owners are known, so nobody can use owner commands until Discord says who they are: it is asked again \
                 every minute, once no silence holds; discord.owners names them without it"
            );
            let owners = Owners::default();
            tokio::spawn(learn_owners(rest.clone(), access.clone(), owners.clone(), ASK_AGAIN_MAX));
            Ok(owners)
        }
    }
}

/// Asks who the owners are after each `pause`, until Discord says so or refuses the token. In a silence nothing is sent.
async fn learn_owners(rest: Rest, access: rest::Access, owners: Owners, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        match rest.preflight(&access).await {
            Preflight::Accepted { application } => {
                tracing::info!(owners = application.owners.len(), "Discord has said who the bot's owners are");
                return owners.are(application.owners);
            }
            Preflight::Refused => return, // the client finds that out by itself and tells
            Preflight::Unknown(reason) => tracing::debug!(reason, "no owners are known yet"),
        }
    }
}

/// Which shards run here. Where Discord has to say how many and does not, there are as many as the last process had that
/// came up with them: its sessions can be resumed by no other number. Without such a number it waits, asks again and says
/// so: one shard is too few for a large bot, and Discord would close it for good (4011).
///
/// # Errors
/// Exit 77 when Discord refuses the token meanwhile.
pub(super) async fn plan(
    configured: Shards,
    rest: &Rest,
    before: &Sharding,
    status: &Status,
) -> Result<ShardPlan, Fatal> {
    match configured {
        Shards::Count(total) => return Ok(ShardPlan::all(total)),
        Shards::Share { total, first, last } => return Ok(ShardPlan { total, first, last }),
        Shards::Auto => {}
    }
    let mut wait = ASK_AGAIN_MIN;
    loop {
        let NotNow { what: reason, retry_after } = match recommended(rest).await {
            Ok(shards) => {
                status.waits_for(None);
                return Ok(ShardPlan::all(shards));
            }
            Err(not_now) => not_now,
        };
        if *rest.token_refused().borrow() {
            return Err(token_refused());
        }
        if let Some(total) = before.last_known().await {
            tracing::warn!("Discord did not say how many shards to run ({reason}): {total}, as before");
            status.waits_for(None); // its file may not have been readable at the first try
            return Ok(ShardPlan::all(total.min(SHARDS_MAX)));
        }
        let pause = wait.max(retry_after).min(ASK_AGAIN_MAX);
        let wait_s = pause.as_secs();
        let sentence = format!(
            "Discord did not say how many shards to run ({reason}): it is asked again in {wait_s} s, and the gateway \
             begins with its answer; to begin without it set discord.shards to a number and restart the bot"
        );
        tracing::warn!("{sentence}");
        status.waits_for(Some(sentence));
        tokio::time::sleep(pause).await;
        wait = (wait * 2).min(ASK_AGAIN_MAX);
    }
}

/// How many shards Discord recommends, as far as one process runs so many; why it is not known.
async fn recommended(rest: &Rest) -> Result<u32, NotNow> {
    let asked = tokio::time::timeout(SHARDS_DEADLINE, GatewayDirectory::gateway_bot(rest)).await;
    let bot = asked.unwrap_or_else(|_elapsed| {
        let what = format!("no answer within {} s", SHARDS_DEADLINE.as_secs());
        Err(NotNow { what, retry_after: ASK_AGAIN_MIN })
    })?;
    let here = bot.shards.clamp(1, SHARDS_MAX);
    if here != bot.shards {
        tracing::error!(
            wanted = bot.shards,
            here,
            "Discord wants another number of shards than one process runs: set discord.shards to the share of this one, \
             {{ total, first, last }}"
        );
    }
    Ok(here)
}

fn token_refused() -> Fatal {
    Fatal::new(
        Code::TokenRefused,
        "Discord refuses the token (401): make a new one on the application's Bot page and set DISCORD_TOKEN to it",
    )
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

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Secret;
    use sandbox::{Fault, SandboxConfig, Strict};

    #[tokio::test(flavor = "multi_thread")]
    async fn owners_that_discord_does_not_name_at_boot_are_asked_for_until_it_does() {
        let discord = Strict::start(SandboxConfig::default()).unwrap();
        let access = rest::Access {
            api_base: discord.api_base(),
            token: Secret::new(discord.token()),
            allow_hosts: vec!["127.0.0.1".to_owned()],
        };
        let config = rest::RestConfig { global_per_second: 50, deadline_ms: 15_000, attempts: 3, invalid_limit: 5_000 };
        let rest = Rest::standalone(config, &access).unwrap();
        let route = "GET /oauth2/applications/@me".to_owned();
        discord.fault(Fault::RestStatus { route, status: 500, body: "{}".to_owned(), times: 3 });
        let owners = preflight(&rest, &access, &[]).await.map_err(|_| "it ends boot").unwrap();
        let owner = UserId::new(discord.owner_id());
        assert!(!owners.contains(&owner));
        learn_owners(rest, access, owners.clone(), Duration::from_millis(5)).await;
        assert!(owners.contains(&owner));
        assert_eq!(discord.stats().requests_by_route["GET /oauth2/applications/@me"], 4);
    }
}
