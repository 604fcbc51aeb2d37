//! Row G19: a guild that has an outage. What it has set for itself is the same before, during and after it.

use crate::harness::{Home, PATIENCE, ask, discord_with, reply_to, set_by};
use sandbox::{Fault, Sandbox};

/// Talks to the bot in the guild that is there all the time: what came before on the same connection is dealt with then.
fn talk_elsewhere(discord: &Sandbox, guild: u64) {
    let channel = discord.channel_id(guild, "general").unwrap();
    let asked = discord.say_in(guild, channel, "bob", "!ping").unwrap();
    assert!(reply_to(discord, asked).is_some_and(|reply| reply.starts_with("Pong!")));
}

#[test]
fn an_outage_changes_no_row_of_the_database() {
    let discord = discord_with(|config| config.guilds = 1);
    let home = Home::new(&discord);
    let bot = home.start();
    let guild = discord.guild_id();
    let elsewhere = discord.guild_ids().into_iter().find(|id| *id != guild).unwrap();
    let rows = || set_by(&home, &[guild, elsewhere]);
    assert_eq!(ask(&discord, "alice", "!prefix set ?"), "My prefix here is now `?`.");
    let before = rows();
    assert!(before.0[0].as_ref().is_some_and(|row| row.prefix.as_deref() == Some("?")) && before.0[1].is_none());

    discord.remove_guild(guild, true).unwrap();
    talk_elsewhere(&discord, elsewhere);
    assert_eq!(rows(), before, "during the outage");
    // A session that begins in an outage knows the guild by its id alone.
    discord.fault(Fault::InvalidSession { resumable: false });
    assert!(discord.wait_until(PATIENCE, |stats, _| stats.identifies == 2), "{:?}", discord.stats());
    talk_elsewhere(&discord, elsewhere);
    assert_eq!(rows(), before, "in a new session during the outage");

    assert!(discord.restore_guild(guild));
    assert_eq!(ask(&discord, "bob", "?prefix"), "My prefix here is `?`; a mention works as well.");
    assert_eq!(rows(), before, "after the outage");
    println!("G19 rows={} changed_during=0 changed_after=0", before.1.len());
    assert!(discord.judgement().payloads > 10, "the stand-in's payloads are judged here too");
    assert_eq!(bot.terminate(), 0);
    assert_eq!(rows(), before, "after its end");
}
