//! The world at the start: one guild that people talk in, and synthetic ones for benchmarks.

use std::sync::Arc;

use crate::api_error::ApiError;
use crate::config::SandboxConfig;
use crate::world::World;
use crate::world::expressions::Shelf;
use crate::world::guild::Member;
use crate::world::ids::{Id, Stamp};

/// Ids of the first things are the same in every run, so that what a bot stored about them still fits.
/// The first of January 2024 in Unix milliseconds.
const BEGINNING_MS: u64 = 1_704_067_200_000;

/// Builds the world that `config` describes.
pub(crate) fn world(config: &SandboxConfig) -> Result<World, ApiError> {
    let mut world = World::new(config.seed, config.messages_kept);
    let mut time_ms = BEGINNING_MS;
    let mut next = |world: &mut World| {
        time_ms += 1;
        world.ids.next(time_ms)
    };
    // Two ids, as bots made before 2016 have, so that mixing them up shows.
    world.application = next(&mut world);
    world.bot = next(&mut world);
    let bot = world.bot;
    world.add_user(bot, "impresario", true);
    let people = ["alice", "bob", "carol"].map(|name| {
        let id = next(&mut world);
        world.add_user(id, name, false);
        id
    });
    let [alice, bob, carol] = people;
    world.owner = alice;
    let guild = next(&mut world);
    world.default_guild = guild;
    world.found_guild(guild, "Sandbox", alice, BEGINNING_MS)?;
    let moderators = world.guild(guild)?.role_named("moderators").map(|role| role.id);
    world.join(guild, bob, moderators.into_iter().collect(), BEGINNING_MS)?;
    world.join(guild, carol, Vec::new(), BEGINNING_MS)?;
    world.default_channel = world.guild(guild)?.channel_named("general").map_or(Id(0), |channel| channel.id);
    world.add_emoji(Shelf::Guild(guild), "sandbox", alice, BEGINNING_MS)?;
    world.add_emoji(Shelf::Application, "impresario", bot, BEGINNING_MS)?;

    let extra = config.members_per_guild.saturating_sub(2);
    let crowd: Vec<Id> = (0..if config.guilds == 0 { 0 } else { extra })
        .map(|n| {
            let id = next(&mut world);
            world.add_user(id, &format!("member{n:05}"), false);
            id
        })
        .collect();
    for n in 0..config.guilds {
        let id = next(&mut world);
        world.found_guild(id, &format!("Guild {n}"), alice, BEGINNING_MS)?;
        for member in &crowd {
            let user = Arc::clone(world.user(*member)?);
            world.guild_mut(id)?.members.insert(*member, Member::new(user, Vec::new(), Stamp(BEGINNING_MS)));
        }
    }
    world.outbox.dispatches.clear();
    Ok(world)
}
