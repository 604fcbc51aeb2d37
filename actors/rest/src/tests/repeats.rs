use super::fake::{self, Fake, answer, message};
use crate::{RestError, Send, transport::Broken};
use futures_util::future::join_all;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use serenity::{
    builder::{CreateInteractionResponse, CreateInteractionResponseFollowup, CreateMessage, EditMessage},
    model::id::ChannelId,
};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

const CHANNEL: ChannelId = ChannelId::new(1);

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_again_and_makes_no_second_message() {
    // Discord keeps the first message of a nonce; the connection breaks after it did so.
    let kept = Mutex::new(HashMap::<String, u64>::new());
    let (rest, fake) = Fake::rest(fake::config(), move |number, asked| {
        assert_eq!(asked.body["enforce_nonce"], json!(true));
        let mut kept = kept.lock().unwrap();
        let next = 100 + kept.len() as u64;
        let id = *kept.entry(asked.body["nonce"].as_str().unwrap().to_owned()).or_insert(next);
        if number == 0 { Err(Broken::Lost("reset".to_owned())) } else { fake::ok(&message(id)) }
    });
    let hello = || CreateMessage::new().content("hello");
    let first = rest.create_message(CHANNEL, hello(), Send::default()).await.unwrap();
    assert_eq!((first.id.get(), fake.asked().len()), (100, 2), "it was not recognised as a repetition");
    let second = rest.create_message(CHANNEL, hello(), Send::default()).await.unwrap();
    assert_eq!(second.id.get(), 101, "two messages share a nonce");
    let own = rest.create_message(CHANNEL, hello(), Send::default().nonce("case-1")).await.unwrap();
    assert_eq!(fake.asked().last().unwrap().body["nonce"], "case-1");
    let again = rest.create_message(CHANNEL, hello(), Send::default().nonce("case-1")).await.unwrap();
    assert_eq!(own.id, again.id);
}

#[tokio::test(start_paused = true)]
async fn what_may_have_happened_is_repeated_only_when_that_is_harmless() {
    let (rest, fake) = Fake::rest(fake::config(), |_, _| answer(503, &[], &Value::Null));
    let sent = |before: usize| fake.asked().len() - before;
    let unreachable = |error| matches!(error, RestError::Unreachable(_));
    assert!(unreachable(rest.create_message(CHANNEL, CreateMessage::new(), Send::default()).await.unwrap_err()));
    assert_eq!(sent(0), 3, "creates carry a nonce");
    assert!(unreachable(rest.delete_message(CHANNEL, 2.into(), Send::default()).await.unwrap_err()));
    assert_eq!(sent(3), 3, "deletes are idempotent");
    let respond = rest.respond(3.into(), "tok", CreateInteractionResponse::Acknowledge, Send::interaction());
    assert!(unreachable(respond.await.unwrap_err()));
    assert_eq!(sent(6), 1, "interactions are never repeated");
    assert!(unreachable(rest.edit_message(CHANNEL, 2.into(), EditMessage::new(), Send::default()).await.unwrap_err()));
    assert_eq!(sent(7), 1, "edits are not");
}

#[tokio::test(start_paused = true)]
async fn what_never_left_is_sent_again() {
    let (rest, fake) = Fake::rest(fake::config(), |number, _| match number {
        0 => Err(Broken::NotSent("refused".to_owned())),
        _ => answer(204, &[], &Value::Null),
    });
    rest.respond(3.into(), "tok", CreateInteractionResponse::Acknowledge, Send::interaction()).await.unwrap();
    assert_eq!(fake.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn repeating_ends_at_the_deadline() {
    let config = crate::RestConfig { attempts: 1_000, ..fake::config() };
    let (rest, fake) = Fake::rest(config, |_, _| answer(500, &[], &Value::Null));
    let began = tokio::time::Instant::now();
    let send = Send::default().within(Duration::from_secs(3));
    assert!(rest.delete_message(CHANNEL, 2.into(), send).await.is_err());
    assert!(began.elapsed() <= Duration::from_secs(3), "{:?}", began.elapsed());
    assert!((2..20).contains(&fake.asked().len()), "{} attempts", fake.asked().len());
}

#[tokio::test(start_paused = true)]
async fn too_long_a_nonce_is_refused_before_anything_is_sent() {
    let (rest, fake) = Fake::rest(fake::config(), |_, _| fake::ok(&message(1)));
    let send = Send::default().nonce("x".repeat(26));
    let error = rest.create_message(CHANNEL, CreateMessage::new(), send).await.unwrap_err();
    assert!(matches!(error, RestError::Rejected { status: 0, .. }), "{error}");
    assert!(fake.asked().is_empty());
}

/// What breaks, and whether Discord had carried the request out by then.
#[derive(Clone, Copy, PartialEq)]
enum Break {
    Reset { carried_out: bool },
    Failed { carried_out: bool },
    Nothing,
}

fn thrown(dice: &mut StdRng) -> Break {
    match dice.random_range(0..10) {
        0 => Break::Reset { carried_out: false },
        1 | 2 => Break::Reset { carried_out: true },
        3 => Break::Failed { carried_out: false },
        4 => Break::Failed { carried_out: true },
        _ => Break::Nothing,
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_breaks_no_message_is_there_twice() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let dice = Mutex::new(StdRng::seed_from_u64(seed));
    let made = Arc::new(Mutex::new(Vec::<String>::new()));
    let config = crate::RestConfig { attempts: 5, deadline_ms: 600_000, ..fake::config() };
    let (rest, fake) = Fake::rest(config, {
        let (made, nonces) = (Arc::clone(&made), Mutex::new(HashSet::<String>::new()));
        move |_, asked| {
            let broken = thrown(&mut dice.lock().unwrap());
            if !matches!(broken, Break::Reset { carried_out: false } | Break::Failed { carried_out: false }) {
                let fresh =
                    asked.body["nonce"].as_str().is_none_or(|nonce| nonces.lock().unwrap().insert(nonce.to_owned()));
                if fresh {
                    made.lock().unwrap().push(asked.body["content"].as_str().unwrap().to_owned());
                }
            }
            match broken {
                Break::Reset { .. } => Err(Broken::Lost("reset".to_owned())),
                Break::Failed { .. } => answer(502, &[], &Value::Null),
                Break::Nothing => fake::ok(&message(1)),
            }
        }
    });
    let twice = |made: &[String]| made.len() - made.iter().collect::<HashSet<_>>().len();
    let texts: Vec<String> = (0..400).map(|n| n.to_string()).collect();
    let posts = texts.iter().enumerate().map(|(n, text)| {
        let channel = ChannelId::new(n as u64 % 20 + 1);
        rest.create_message(channel, CreateMessage::new().content(text), Send::default())
    });
    let done = join_all(posts).await;
    let (failed, sent) = (done.iter().filter(|done| done.is_err()).count(), fake.asked().len());
    let lost =
        done.iter().zip(&texts).filter(|(done, text)| done.is_ok() && !made.lock().unwrap().contains(text)).count();
    let doubled = twice(&made.lock().unwrap());
    println!(
        "R11 with nonce: creates=400 sent={sent} failed_for_the_caller={failed} doubled={doubled} told_done_but_lost={lost}"
    );
    assert!((doubled, lost) == (0, 0) && sent > 500);
    // Follow-ups know no nonce: what may have happened is not tried again.
    made.lock().unwrap().clear();
    let follow_ups = texts.iter().map(|text| {
        let follow_up = CreateInteractionResponseFollowup::new().content(text);
        rest.follow_up(4.into(), "tok", follow_up, Send::interaction())
    });
    let failed = join_all(follow_ups).await.iter().filter(|done| done.is_err()).count();
    let doubled = twice(&made.lock().unwrap());
    println!(
        "R11 without nonce: follow_ups=400 sent={} failed_for_the_caller={failed} doubled={doubled}",
        fake.asked().len() - sent
    );
    assert!(doubled == 0 && fake.asked().len() - sent == 400);
}
