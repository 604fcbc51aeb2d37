//! The world at the start: one guild that people talk in, and synthetic ones for benchmarks.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::api_error::ApiError;
use crate::config::SandboxConfig;
use crate::world::World;
use crate::world::emoji::Emoji;
use crate::world::expressions::Shelf;
use crate::world::guild::{Channel, Member, Role, channel_type};
use crate::world::ids::{Id, Stamp};
use crate::world::permissions;

/// Ids of the first things are the same in every run, so that what a bot stored about them still fits.
/// The first of January 2024 in Unix milliseconds.
const BEGINNING_MS: u64 = 1_704_067_200_000;

/// Roles that one of the crowd has at most.
const ROLES_MAX: usize = 3;

/// Builds the world that `config` describes.
pub(crate) fn world(config: &SandboxConfig) -> Result<World, ApiError> {
    let mut world = World::new(config.seed, config.messages_kept);
    world.interactions.token_life_ms = config.interaction_token_ms;
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

    let extra = if config.guilds == 0 { 0 } else { config.members_per_guild.saturating_sub(2) };
    let crowd: Vec<Id> = (0..extra)
        .map(|n| {
            let id = next(&mut world);
            world.add_user(id, &format!("member{n:05}"), false);
            id
        })
        .collect();
    // A source of its own, so that session ids do not depend on how many guilds there are.
    let mut random = StdRng::seed_from_u64(config.seed);
    for n in 0..config.guilds {
        let id = next(&mut world);
        world.found_guild(id, &format!("Guild {n}"), alice, BEGINNING_MS)?;
        furnish(&mut world, id, config, &mut random)?;
        people_guild(&mut world, id, &crowd, &mut random)?;
    }
    world.outbox.dispatches.clear();
    Ok(world)
}

/// Gives a guild the roles, channels and emojis that are asked for.
fn furnish(world: &mut World, guild: Id, config: &SandboxConfig, random: &mut StdRng) -> Result<(), ApiError> {
    // Below the roles that every guild has, so that the bot stands above them.
    let below = config.roles_per_guild as u16;
    for role in world.guild_mut(guild)?.roles.iter_mut().filter(|role| role.position > 0) {
        role.position += below;
    }
    for n in 0..below {
        let mut role = Role::new(world.ids.next(BEGINNING_MS), &format!("role{n:03}"), n + 1, permissions::EVERYONE);
        role.color = random.random_range(0..0x100_0000);
        role.colors.primary_color = role.color;
        world.guild_mut(guild)?.roles.push(role);
    }
    for n in 0..config.channels_per_guild as u16 {
        let id = world.ids.next(BEGINNING_MS);
        let mut channel = Channel::new(id, guild, channel_type::TEXT, &format!("channel{n:03}"), n + 3, None);
        channel.nsfw = random.random_bool(0.1);
        channel.topic = random.random_bool(0.5).then(|| format!("Topic {}", random.random::<u32>()));
        world.add_channel(channel);
    }
    for n in 0..config.emojis_per_guild {
        let (id, by) = (world.ids.next(BEGINNING_MS), Arc::clone(world.user(world.owner)?));
        let emoji = Emoji::new(id, &format!("emoji{n:03}"), random.random_bool(0.2), by);
        world.guild_mut(guild)?.emojis.push(emoji);
    }
    Ok(())
}

/// Puts the crowd into a guild, some with roles and nicknames.
fn people_guild(world: &mut World, guild: Id, crowd: &[Id], random: &mut StdRng) -> Result<(), ApiError> {
    let roles: Vec<Id> = {
        let ordinary = |role: &&Role| role.id != guild && !role.managed;
        world.guild(guild)?.roles.iter().filter(ordinary).map(|role| role.id).collect()
    };
    for id in crowd {
        let user = Arc::clone(world.user(*id)?);
        let mut has: Vec<Id> = roles.iter().copied().filter(|_| random.random_bool(0.1)).collect();
        has.truncate(ROLES_MAX);
        let mut member = Member::new(user, has, Stamp(BEGINNING_MS));
        member.nick = random.random_bool(0.2).then(|| format!("Nick {}", random.random::<u16>()));
        world.guild_mut(guild)?.members.insert(*id, member);
    }
    Ok(())
}
