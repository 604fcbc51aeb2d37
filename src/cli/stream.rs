//! Commands that go on: until Ctrl-C, or the end of the connection.

use super::{Exit, Output, args::EventsArgs, remote, render};
use control::{Client, StreamItem};
use serde_json::{Value, json};
use std::{path::Path, time::Duration};
use tokio::time::MissedTickBehavior;

/// How often `tree --watch` draws.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// `tree --watch`
pub(super) async fn watch_tree(socket: &Path, output: &mut Output) -> Exit {
    let mut client = match Client::connect(socket).await {
        Ok(client) => client,
        Err(error) => return remote::failed(&error, output),
    };
    let mut every = tokio::time::interval(WATCH_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    if output.terminal && !output.json {
        output.text("\x1b[2J"); // whatever stood there before
    }
    loop {
        tokio::select! {
            _ = every.tick() => {}
            _ = tokio::signal::ctrl_c() => return Exit::Done,
        }
        let answer = match client.call("tree.get", Value::Null).await {
            Ok(answer) => answer,
            Err(error) => return remote::failed(&error, output),
        };
        let shown = if output.json {
            output.value(&answer)
        } else {
            // Home, draw, clear what is left of the picture before: no flicker.
            let frame = render::tree(&answer, output);
            let frame = if output.terminal {
                format!("\x1b[H{}\x1b[J", frame.replace('\n', "\x1b[K\n"))
            } else {
                format!("{frame}\n")
            };
            output.text(&frame)
        };
        if !shown {
            return Exit::Done; // nobody reads any more
        }
    }
}

/// `events`
pub(super) async fn events(socket: &Path, args: &EventsArgs, output: &mut Output) -> Exit {
    let mut recent = json!({"limit": args.last, "after": args.after.unwrap_or_default()});
    let mut filter = json!({});
    if let Some(path) = &args.path {
        recent["path"] = path.as_str().into();
        filter["path"] = path.as_str().into();
    }
    // Subscribed before the past is read: what happens in between is seen twice and shown once, by its number.
    let subscription = if args.follow {
        match Client::connect(socket).await {
            Ok(client) => match client.subscribe("events.subscribe", filter).await {
                Ok(subscription) => Some(subscription),
                Err(error) => return remote::failed(&error, output),
            },
            Err(error) => return remote::failed(&error, output),
        }
    } else {
        None
    };
    let answer = match remote::ask(socket, "events.recent", recent).await {
        Ok(answer) => answer,
        Err(error) => return remote::failed(&error, output),
    };
    let mut newest = args.after.unwrap_or_default();
    let past = answer["events"].as_array().cloned().unwrap_or_default();
    for event in &past {
        newest = newest.max(event["seq"].as_u64().unwrap_or_default());
        if !show(event, output) {
            return Exit::Done;
        }
    }
    let Some(mut subscription) = subscription else { return Exit::Done };
    loop {
        let item = tokio::select! {
            item = subscription.next() => item,
            _ = tokio::signal::ctrl_c() => return Exit::Done,
        };
        let shown = match item {
            Ok(Some(StreamItem::Item(event))) if event["seq"].as_u64().is_some_and(|seq| seq <= newest) => true,
            Ok(Some(StreamItem::Item(event))) => show(&event, output),
            Ok(Some(StreamItem::Lost(lost))) => show(&json!({"lost": lost}), output),
            Ok(None) => {
                output.remark("the stream has ended: the instance has gone, or its control channel was restarted");
                return Exit::Done;
            }
            Err(error) => return remote::failed(&error, output),
        };
        if !shown {
            return Exit::Done;
        }
    }
}

fn show(event: &Value, output: &mut Output) -> bool {
    // One object a line, on a terminal too: that is what a stream of JSON is.
    let text = if output.json { event.to_string() } else { render::event(event, output) };
    output.text(&text)
}
