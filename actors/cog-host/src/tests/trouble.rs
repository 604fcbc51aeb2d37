//! What goes wrong in one invocation stays there.

use super::{tool, weak};
use crate::{PER_CHANNEL, PER_USER, testing::World};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

fn closed() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}

#[tokio::test(start_paused = true)]
async fn a_panicking_command_tells_its_user_and_hurts_nobody_else() {
    supervision::install_panic_hook();
    let world = World::new(vec![tool(), weak(&closed())]).await;
    world.say(Some(10), 1, "!gated").await;
    world.say(Some(10), 2, "!sleep 3").await;
    world.say(Some(10), 3, "!boom").await;
    let sent = world.next().await;
    assert!(sent.text().starts_with("Something went wrong; the incident is `"), "{}", sent.text());
    world.say(Some(10), 4, "!ping").await;
    assert_eq!(world.next().await.text(), "pong");
    assert_eq!(world.next().await.text(), "awake", "what ran beside it goes on");
    world.slash(5, json!({"id": "1", "name": "boom", "type": 1})).await;
    assert!(world.next().await.is_ephemeral());
    let reports = world.nothing.reports.lock().unwrap();
    assert_eq!(reports.len(), 1, "the same panic is one problem");
    assert!(reports[0].fingerprint.contains(&"boom".to_owned()));
    assert!(reports[0].tags.iter().any(|(name, incident)| *name == "incident" && sent.text().contains(incident)));
}

#[tokio::test(start_paused = true)]
async fn an_internal_failure_shows_an_incident_and_not_its_cause() {
    let world = World::new(vec![weak(&closed())]).await;
    world.say(Some(10), 3, "!broken").await;
    let sent = world.next().await;
    assert!(sent.text().contains("incident") && !sent.text().contains("secret"), "{}", sent.text());
    assert_eq!(world.nothing.reports.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_command_past_its_deadline_is_cut_off_and_said_to_be() {
    let world = World::new(vec![tool()]).await;
    world.say(Some(10), 3, "!sleep 60").await;
    let asked = tokio::time::Instant::now();
    assert_eq!(world.next().await.text(), "`sleep` took longer than 15 s and was cut off.");
    assert_eq!(asked.elapsed().as_secs(), 15);
    assert!(world.settled().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_away_is_said_to_be_and_does_not_silence_the_rest() {
    let world = World::new(vec![tool()]).await;
    world.store.fail(true);
    world.say(Some(10), 3, "!database").await;
    assert_eq!(world.next().await.text(), "My database is not available. Try again in 1 s.");
    world.say(Some(10), 3, "!ping").await;
    assert_eq!(world.next().await.text(), "pong");
}

#[tokio::test(start_paused = true)]
async fn on_the_stand_in_every_bad_command_is_answered() {
    let world = World::of_the_stand_in(vec![tool()]).await;
    for _ in 0..5 {
        world.say(Some(10), 7, "!refuse").await;
    }
    assert_eq!(world.settled().await.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_bad_commands_makes_no_storm_of_answers() {
    let world = World::new(vec![tool()]).await;
    for user in 100..150 {
        world.say(Some(10), user, "!refuse").await;
    }
    assert_eq!(world.settled().await.len(), 1, "one per channel");
    tokio::time::sleep(PER_CHANNEL).await;
    let mut last = None;
    for guild in 20..40 {
        world.say(Some(guild), 7, "!refuse").await;
        last = Some(guild);
    }
    assert_eq!((world.settled().await.len(), last), (1, Some(39)), "one per user");
    tokio::time::sleep(PER_USER).await;
    world.say(Some(10), 7, "!refuse").await;
    assert_eq!(world.next().await.text(), "That cannot be.");
    for _ in 0..5 {
        world.slash(8, json!({"id": "1", "name": "refuse", "type": 1})).await;
    }
    let answers = world.settled().await;
    assert!(answers.len() == 5 && answers.iter().all(|sent| sent.is_ephemeral()), "an interaction is always answered");
}

#[tokio::test(start_paused = true)]
async fn a_full_lane_pushes_back_on_its_shard_only_until_there_is_room() {
    let gate = closed();
    let world = World::new(vec![tool(), weak(&gate)]).await;
    let mut offered = 0;
    let wait = loop {
        match world.offer(Some(10), 5, "!gated") {
            None => offered += 1,
            Some(wait) => break wait,
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(offered < 100, "a full lane must push back");
    };
    assert_eq!(offered, 4 + 1 + 4, "running, next in line, waiting");
    world.say(Some(11), 6, "!ping").await;
    assert_eq!(world.next().await.text(), "pong", "another guild is not held up");
    gate.add_permits(1);
    wait.await;
    gate.add_permits(100);
    assert_eq!(world.settled().await.len(), offered + 1, "nothing is lost");
}
