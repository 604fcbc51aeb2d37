//! Registering commands with Discord. What it has is read first and replaced only if it differs: an operator can see what
//! would change, and a process that starts often does not write its commands each time (Discord takes 200 new ones a day).

mod diff;

pub use diff::{Changed, Difference, Field};

use crate::host::CogHost;
use protocol::method::{Checked, Method, MethodError, NoParams};
use rest::RestError;
use serde_json::{Value, json};
use serenity::model::id::GuildId;
use std::sync::atomic::Ordering::Relaxed;
use supervision::{ActorPath, Role};

/// Discord's code for a guild that the application may not act in.
const MISSING_ACCESS: u32 = 50001;

/// What is to be registered, and what that would change.
struct Plan {
    guild: Option<GuildId>,
    /// All commands, as Discord wants them.
    commands: Vec<Value>,
    difference: Difference,
}

impl CogHost {
    /// Registers the slash commands with Discord, in `guild` alone or everywhere, unless it has them already; gives how
    /// many Discord now has.
    ///
    /// # Errors
    /// Discord did not say what it has, or did not take them; the ones it had stay.
    pub async fn register_commands(&self, guild: Option<GuildId>) -> Result<usize, RestError> {
        let plan = self.plan(guild).await?;
        self.carry_out(plan).await
    }

    /// `commands.sync`: the same on order. `guild`: as configured.
    pub fn sync_method(&self, guild: Option<GuildId>) -> Method {
        let (planning, doing) = (self.clone(), self.clone());
        let about =
            "Compares the slash commands that Discord has with those of the loaded cogs; registers what differs";
        let target = |_: &NoParams| ActorPath::from(crate::host::PATH);
        let check = move |_: NoParams, _| {
            let host = planning.clone();
            async move {
                let plan = host.plan(guild).await.map_err(|error| refusal(&error, guild))?;
                let would = plan.told(None);
                Ok(Checked::new(plan).telling(would))
            }
        };
        Method::write("commands.sync", Role::Operate, about, target, check, move |plan: Plan, _| {
            let host = doing.clone();
            async move {
                let (mut told, differs) = (plan.told(None), !plan.difference.is_empty());
                let registered = host.carry_out(plan).await.map_err(|error| refusal(&error, guild))?;
                if differs {
                    told["registered"] = registered.into();
                }
                told["dry_run"] = false.into();
                told["path"] = crate::host::PATH.into();
                Ok(told)
            }
        })
    }

    async fn plan(&self, guild: Option<GuildId>) -> Result<Plan, RestError> {
        let unwritable = |_| RestError::Rejected { status: 0, code: 0, message: "a declaration is no JSON".to_owned() };
        let known = self.shared.outbox.commands(guild).await?;
        let declared = self.shared.catalogue.declared_commands();
        let mut commands: Vec<Value> =
            declared.iter().map(serde_json::to_value).collect::<Result<_, _>>().map_err(unwritable)?;
        let difference = diff::difference(&known, &commands, guild.is_none());
        commands.extend(known.into_iter().filter(diff::is_entry_point));
        Ok(Plan { guild, commands, difference })
    }

    async fn carry_out(&self, plan: Plan) -> Result<usize, RestError> {
        let id = plan.guild.map(GuildId::get);
        let registered = if plan.difference.is_empty() {
            tracing::info!(commands = plan.commands.len(), guild.id = id, "Discord has the slash commands already");
            plan.commands.len()
        } else {
            let Difference { added, changed, removed, .. } = &plan.difference;
            let (added, changed, removed) = (added.len(), changed.len(), removed.len());
            let registered = self.shared.outbox.set_commands(plan.guild, plan.commands).await?;
            tracing::info!(
                commands = registered,
                guild.id = id,
                added,
                changed,
                removed,
                "slash commands are registered"
            );
            registered
        };
        self.shared.registered.store(registered, Relaxed);
        Ok(registered)
    }
}

impl Plan {
    /// What `commands.sync` answers; `registered` is how many Discord has after a registration, null where there was none.
    fn told(&self, registered: Option<usize>) -> Value {
        let Difference { added, changed, removed, unchanged } = &self.difference;
        json!({
            "guild": self.guild.map(|guild| guild.to_string()),
            "added": added, "changed": changed, "removed": removed, "unchanged": unchanged,
            "registered": registered,
        })
    }
}

/// What an operator can do about it.
fn refusal(error: &RestError, guild: Option<GuildId>) -> MethodError {
    let message = match (error, guild) {
        (RestError::Unauthorized, _) => {
            "Discord refuses the bot's token, so commands are neither read nor registered: set a valid one and restart"
                .to_owned()
        }
        (RestError::Forbidden { .. } | RestError::NotFound { code: MISSING_ACCESS, .. }, Some(guild)) => format!(
            "Discord lets the bot have no commands in guild {guild} ({error}): invite it there with the scope \
             applications.commands, or set discord.guild to 0"
        ),
        (RestError::Forbidden { .. }, None) => format!(
            "Discord lets the bot have no commands ({error}): check in the developer portal that the token belongs to \
             this application"
        ),
        (RestError::RateLimited { retry_after } | RestError::Breaker { retry_after }, _) => {
            format!("Discord limits these requests ({error}): run sync again in {} s", seconds(*retry_after))
        }
        (RestError::Unavailable { .. }, _) => {
            "the HTTP client is not up: `impresario explain rest` says why; run sync again when it is".to_owned()
        }
        (RestError::Rejected { .. }, _) => {
            format!("Discord does not take the commands, those it had stay: {error}; correct the cog that declares it")
        }
        _ => format!("nothing was registered: {error}; run sync again in a moment"),
    };
    let retry_after_ms = error.retry_after().map(protocol::millis);
    MethodError::Refused { message, data: Some(json!({ "kind": error.kind(), "retry_after_ms": retry_after_ms })) }
}

/// Rounded up: who comes sooner is refused again.
fn seconds(time: std::time::Duration) -> u64 {
    protocol::millis(time).div_ceil(1_000)
}
