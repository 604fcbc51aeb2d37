//! What is renamed on Discord is renamed here: by event, or when asked to look.

use crate::harness::{Bot, Home, discord, until};

fn names(bot: &Bot<'_>) -> Vec<String> {
    let listed = bot.json(&["emoji", "list"]);
    let list = listed.as_array().or_else(|| listed["emojis"].as_array()).cloned().unwrap();
    list.iter().map(|emoji| emoji["name"].as_str().unwrap().to_owned()).collect()
}

fn knows(bot: &Bot<'_>, name: &str) -> bool {
    names(bot).iter().any(|known| known == name)
}

#[test]
fn a_renamed_emoji_is_seen_by_refresh_by_tell_and_by_event() {
    let discord = discord();
    let guild = discord.guild_id();
    let application = discord.upload_emoji(None, "first_name").unwrap();
    let home = Home::new(&discord);
    let bot = home.start();
    until("everything is loaded", || knows(&bot, "first_name").then_some(()));

    // Discord sends no event for the application's own emojis.
    discord.rename_emoji(None, application, "second_name").unwrap();
    bot.cli(&["emoji", "refresh"]).exits(0);
    assert!(knows(&bot, "second_name") && !knows(&bot, "first_name"), "{:?}", names(&bot));
    discord.rename_emoji(None, application, "third_name").unwrap();
    bot.json(&["tell", "emoji-cache", "refresh"]);
    assert!(knows(&bot, "third_name") && !knows(&bot, "second_name"), "{:?}", names(&bot));

    let of_guild = discord.upload_emoji(Some(guild), "guild_name").unwrap();
    until("the new emoji is there by event", || knows(&bot, "guild_name").then_some(()));
    discord.rename_emoji(Some(guild), of_guild, "other_name").unwrap();
    until("it is renamed by event", || (knows(&bot, "other_name") && !knows(&bot, "guild_name")).then_some(()));
    discord.delete_emoji(Some(guild), of_guild).unwrap();
    until("it is gone by event", || (!knows(&bot, "other_name")).then_some(()));
    assert_eq!(bot.terminate(), 0);
}
