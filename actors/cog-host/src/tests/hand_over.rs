//! What has not begun when the process ends is left to the next one, and nothing else is.

use super::{gated, tool, weak};
use crate::{
    Cog, Command,
    testing::{World, config},
};
use protocol::{EventKind, Unfinished};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use supervision::{ActorPath, Verb};
use tokio::sync::Semaphore;

/// A lane whose places are all taken by commands that wait at the gate.
async fn busy(gate: &Arc<Semaphore>) -> World {
    let world = World::new(vec![tool(), weak(gate)]).await;
    for _ in 0..config().lane_commands {
        world.say(Some(10), 5, "!gated").await;
    }
    settle().await;
    assert_eq!(world.backlog.unfinished(), left(&[], config().lane_commands));
    world
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

fn left(waiting: &[u64], running: usize) -> Unfinished {
    Unfinished { waiting: waiting.to_vec(), running }
}

async fn say(world: &World, text: &str) -> u64 {
    let dispatch = world.message(Some(10), 6, text);
    let seq = dispatch.seq;
    if let Some(wait) = world.sink.deliver(dispatch) {
        wait.await;
    }
    seq
}

#[tokio::test(start_paused = true)]
async fn a_drain_finishes_what_runs_and_leaves_what_waits_whatever_time_there_is() {
    let gate = Arc::new(Semaphore::new(0));
    let world = busy(&gate).await;
    let waiting = [say(&world, "!ping").await, say(&world, "!echo twice").await];
    world.slash(6, json!({"id": "1", "name": "ping", "type": 1})).await;
    settle().await;
    assert_eq!(world.backlog.unfinished().waiting.len(), 3);
    let tree = world.tree.clone();
    let drain = tokio::spawn(async move { tree.drain(&["cog-host".into()], Duration::from_secs(30)).await });
    // Its three seconds would be over in the next process.
    assert_eq!(world.next().await.text(), "I am restarting; try again in a moment.");
    settle().await;
    assert_eq!(world.backlog.unfinished(), left(&waiting, config().lane_commands));
    gate.add_permits(config().lane_commands);
    assert_eq!(drain.await.unwrap(), [] as [ActorPath; 0]);
    let sent: Vec<String> = world.settled().await.iter().map(|sent| sent.text().to_owned()).collect();
    assert_eq!(sent, vec!["through"; config().lane_commands], "what ran was answered, and nothing more began");
    assert_eq!(world.backlog.seal(), left(&waiting, 0));
}

#[tokio::test(start_paused = true)]
async fn what_ran_when_the_time_was_over_is_not_left_to_be_done_again() {
    let gate = Arc::new(Semaphore::new(0));
    let world = busy(&gate).await;
    let waiting = say(&world, "!ping").await;
    assert_eq!(world.tree.drain(&["cog-host".into()], Duration::from_secs(1)).await.len(), 1);
    assert_eq!(world.backlog.seal(), left(&[waiting], config().lane_commands));
    world.tree.shutdown(Some(Duration::from_secs(5)));
    world.tree.ended().await;
    assert_eq!(world.backlog.unfinished(), left(&[waiting], config().lane_commands), "cut off in the middle");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_gives_up_tells_whoever_waits_with_a_slash_command_and_leaves_the_rest() {
    let gate = Arc::new(Semaphore::new(0));
    let world = busy(&gate).await;
    let waiting = say(&world, "!ping").await;
    world.slash(6, json!({"id": "1", "name": "ping", "type": 1})).await;
    settle().await;
    assert_eq!(world.backlog.unfinished().waiting.len(), 2);
    world.host.hand_on();
    assert_eq!(world.next().await.text(), "I am restarting; try again in a moment.");
    world.tree.shutdown(Some(Duration::from_secs(5)));
    world.tree.ended().await;
    assert_eq!(world.backlog.seal(), left(&[waiting], config().lane_commands));
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_with_its_dispatcher_or_concerns_nobody_is_not_left_to_anybody() {
    let gate = Arc::new(Semaphore::new(0));
    let world = busy(&gate).await;
    say(&world, "!ping").await;
    say(&world, "!nosuchcommand").await;
    world.tree.order(&"cog-host/dispatch".into(), Verb::Kill, None, false).await.unwrap();
    settle().await;
    assert_eq!(world.backlog.unfinished(), left(&[], 0), "the process goes on: nobody sends it again");
    say(&world, "!nosuchcommand").await;
    say(&world, "!ping").await;
    assert_eq!(world.next().await.text(), "pong");
    settle().await;
    assert_eq!(world.backlog.unfinished(), left(&[], 0));
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_hook_is_over_and_whose_command_waits_counts_as_cut_off_and_a_slash_command_is_told() {
    let gate = Arc::new(Semaphore::new(0));
    let state = Arc::clone(&gate);
    let line = Cog::new("line", "One at a time")
        .state(move || Arc::clone(&state))
        .command(Command::new("line", "Waits at the gate", gated).serial())
        .on_events(&[EventKind::MessageCreate, EventKind::InteractionCreate], |_, _| Box::pin(async { Ok(()) }));
    let world = World::new(vec![tool(), line]).await;
    say(&world, "!line").await;
    say(&world, "!line").await;
    world.slash(6, json!({"id": "1", "name": "line", "type": 1})).await;
    settle().await;
    assert_eq!(world.backlog.unfinished(), left(&[], 3), "their hooks are over, they are not");
    let tree = world.tree.clone();
    let drain = tokio::spawn(async move { tree.drain(&["cog-host".into()], Duration::from_secs(30)).await });
    assert_eq!(world.next().await.text(), "I am restarting; try again in a moment.");
    settle().await;
    gate.add_permits(3);
    assert_eq!(drain.await.unwrap(), [] as [ActorPath; 0]);
    assert_eq!(world.settled().await.len(), 1, "the one that ran was answered");
    assert_eq!(world.backlog.seal(), left(&[], 1), "the second of the messages is neither done nor handed on");
}

#[tokio::test(start_paused = true)]
async fn an_event_with_nothing_but_a_hook_runs_until_the_hook_is_over() {
    let gate = Arc::new(Semaphore::new(0));
    let waits = Arc::clone(&gate);
    let listener = Cog::new("listener", "Listens").on_events(&[EventKind::MessageCreate], move |_, _| {
        let waits = Arc::clone(&waits);
        Box::pin(async move {
            waits.acquire().await.unwrap().forget();
            Ok(())
        })
    });
    let world = World::new(vec![tool(), listener]).await;
    say(&world, "nothing in particular").await;
    settle().await;
    assert_eq!(world.backlog.unfinished(), left(&[], 1));
    gate.add_permits(1);
    settle().await;
    assert_eq!(world.backlog.unfinished(), left(&[], 0));
    let begun: Vec<u64> = vec![say(&world, "one").await, say(&world, "two").await];
    settle().await;
    assert_eq!(world.tree.drain(&["cog-host".into()], Duration::from_secs(1)).await.len(), 1);
    assert_eq!(world.backlog.seal(), left(&[], begun.len()), "cut off in the middle");
}
