//! Who is answered, and how.

use super::tool;
use crate::testing::{MODERATOR, OWNER, World, author};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn one_command_answers_to_prefix_alias_mention_and_slash() {
    let world = World::new(vec![tool()]).await;
    for content in ["!ping", "!PING", "! ping", "!p", "<@99> ping", "<@!99> ping"] {
        world.say(Some(10), 5, content).await;
        let sent = world.next().await;
        assert_eq!((sent.how, sent.to, sent.text()), ("post", 5010, "pong"), "{content}");
        assert!(sent.nonce.is_some_and(|nonce| nonce.ends_with("-0")), "a second handling is dropped by Discord");
    }
    world.say(None, 5, "!ping").await;
    assert_eq!(world.next().await.to, 6000, "direct messages have the default prefix");
    world.slash(5, json!({"id": "1", "name": "ping", "type": 1})).await;
    let sent = world.next().await;
    assert_eq!((sent.how, sent.text(), sent.is_ephemeral()), ("respond", "pong", false));
}

#[tokio::test(start_paused = true)]
async fn what_speaks_to_nobody_takes_no_lane_and_gets_no_answer() {
    let world = World::new(vec![tool()]).await;
    world.say(Some(10), 5, "hello").await; // the first message looks the prefix up
    assert!(world.settled().await.is_empty());
    let lanes_before = world.host.shared.lanes.borrow().as_ref().unwrap().depth();
    for content in ["hello", "", "?ping", "ping", "look at <@99>"] {
        assert!(world.offer(Some(10), 5, content).is_none());
    }
    let mut bot = author(6);
    bot["bot"] = true.into();
    assert!(world.sink.deliver(world.message_by(Some(10), bot, "!ping")).is_none());
    assert_eq!(world.host.shared.lanes.borrow().as_ref().unwrap().depth(), lanes_before);
    world.say(Some(10), 5, "!nonsense").await;
    assert!(world.settled().await.is_empty(), "an unknown command is met with silence");
}

#[tokio::test(start_paused = true)]
async fn a_bare_mention_is_told_the_prefix() {
    let world = World::new(vec![tool()]).await;
    world.store.put(10.into(), "?");
    world.say(Some(10), 5, "<@99>").await;
    assert_eq!(world.next().await.text(), "My prefix here is `?`; `?help` lists what I can do.");
    world.say(Some(10), 5, "!ping").await;
    world.say(Some(10), 5, "?ping").await;
    let texts: Vec<String> = world.settled().await.iter().map(|sent| sent.text().to_owned()).collect();
    assert_eq!(texts, ["pong"], "the default no longer holds where another prefix is set");
}

#[tokio::test(start_paused = true)]
async fn a_groups_bare_name_its_subcommands_and_slash_find_the_same_functions() {
    let world = World::new(vec![tool()]).await;
    for content in ["!thing", "!thing show", "!thing SHOW"] {
        world.say(Some(10), 5, content).await;
        assert_eq!(world.next().await.text(), "pong", "{content}");
    }
    world.say(Some(10), MODERATOR, "!thing set  a \"b\" c").await;
    assert_eq!(world.next().await.text(), "a \"b\" c");
    let options = json!([{"name": "set", "type": 1, "options": [{"name": "text", "type": 3, "value": "x"}]}]);
    world.slash(OWNER, json!({"id": "1", "name": "thing", "type": 1, "options": options})).await;
    assert_eq!(world.next().await.text(), "x");
    world.say(Some(11), 6, "!thing what").await;
    assert_eq!(world.next().await.text(), "`!thing`: That must be followed by one of: show, set.");
}

#[tokio::test(start_paused = true)]
async fn permissions_come_from_the_members_roles_or_from_the_interaction() {
    let world = World::new(vec![tool()]).await;
    world.say(Some(10), 5, "!thing set x").await;
    assert_eq!(world.next().await.text(), "You need **Manage Server** here.");
    let options = json!([{"name": "set", "type": 1, "options": [{"name": "text", "type": 3, "value": "x"}]}]);
    world.slash(6, json!({"id": "1", "name": "thing", "type": 1, "options": options})).await;
    let sent = world.next().await;
    assert_eq!((sent.text(), sent.is_ephemeral()), ("You need **Manage Server** here.", true));
    world.say(None, 7, "!thing set x").await;
    assert_eq!(world.next().await.text(), "This command works only in a server, not in direct messages.");
    world.say(Some(2000), 8, "!thing set x").await;
    assert!(world.next().await.text().starts_with("I do not know your permissions"), "a guild that is not cached");
    world.say(Some(12), 9, "!owned").await;
    assert_eq!(world.next().await.text(), "Only the bot's owners may use this command.");
    world.say(Some(12), OWNER, "!owned").await;
    assert_eq!(world.next().await.text(), "pong");
}

#[tokio::test(start_paused = true)]
async fn a_bad_argument_is_answered_with_one_sentence_and_the_usage() {
    let world = World::new(vec![tool()]).await;
    world.say(Some(10), 5, "!sleep soon").await;
    assert_eq!(world.next().await.text(), "`seconds` must be a whole number from 0 to 60.\nUsage: `!sleep <seconds>`");
    world.slash(6, json!({"id": "1", "name": "sleep", "type": 1})).await;
    let sent = world.next().await;
    assert_eq!(sent.text(), "`seconds` is missing: Seconds to wait.\nUsage: `/sleep <seconds>`");
    assert!(sent.is_ephemeral());
}

#[tokio::test(start_paused = true)]
async fn a_slow_slash_command_is_deferred_once_and_then_edited() {
    let world = World::new(vec![tool()]).await;
    let options = json!([{"name": "seconds", "type": 4, "value": 5}]);
    world.slash(5, json!({"id": "1", "name": "sleep", "type": 1, "options": options})).await;
    let asked = tokio::time::Instant::now();
    let deferred = world.next().await;
    assert_eq!((deferred.how, &deferred.body["type"]), ("respond", &json!(5)));
    assert_eq!(asked.elapsed().as_secs(), 2);
    let sent = world.next().await;
    assert_eq!((sent.how, sent.to, sent.text()), ("edit", 98, "awake"));
    let options = json!([{"name": "seconds", "type": 4, "value": 1}]);
    world.slash(5, json!({"id": "1", "name": "sleep", "type": 1, "options": options})).await;
    tokio::time::sleep(std::time::Duration::from_secs(9)).await;
    let hows: Vec<&str> = world.settled().await.iter().map(|sent| sent.how).collect();
    assert_eq!(hows, ["respond"], "a quick one is not deferred");
}

#[tokio::test(start_paused = true)]
async fn what_was_answered_is_not_deferred_and_what_was_deferred_is_not_deferred_again() {
    let world = World::new(vec![tool()]).await;
    world.slash(5, json!({"id": "1", "name": "linger", "type": 1})).await;
    tokio::time::sleep(std::time::Duration::from_secs(9)).await;
    let hows: Vec<&str> = world.settled().await.iter().map(|sent| sent.how).collect();
    assert_eq!(hows, ["respond", "follow_up"]);
    world.slash(5, json!({"id": "1", "name": "early", "type": 1})).await;
    tokio::time::sleep(std::time::Duration::from_secs(9)).await;
    let sent = world.settled().await;
    assert_eq!(sent.iter().map(|sent| sent.how).collect::<Vec<_>>(), ["respond", "edit"]);
    assert!(sent[0].is_ephemeral(), "the deferral settles who sees the answer");
}

#[tokio::test(start_paused = true)]
async fn further_replies_are_follow_ups() {
    let world = World::new(vec![tool()]).await;
    world.slash(5, json!({"id": "1", "name": "twice", "type": 1})).await;
    let sent = [world.next().await, world.next().await];
    assert_eq!(sent.each_ref().map(|sent| (sent.how, sent.text())), [("respond", "one"), ("follow_up", "two")]);
    world.say(Some(10), 5, "!twice").await;
    let nonces = [world.next().await.nonce.unwrap(), world.next().await.nonce.unwrap()];
    assert_ne!(nonces[0], nonces[1]);
    assert!(nonces.iter().all(|nonce| nonce.len() <= 25), "Discord takes 25 characters");
}

#[tokio::test(start_paused = true)]
async fn a_slash_command_that_is_gone_is_said_to_be() {
    let world = World::new(vec![tool()]).await;
    world.slash(5, json!({"id": "1", "name": "removed", "type": 1})).await;
    let sent = world.next().await;
    assert!(sent.text().starts_with("I do not have that command any more") && sent.is_ephemeral());
}
