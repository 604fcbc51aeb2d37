//! What a connection has yet to send: answers, which are never dropped, and stream items, which a slow reader loses.

use crate::wire;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{Notify, OwnedSemaphorePermit};

/// Items of one subscription that wait for its reader; older ones are dropped then, and counted.
pub(crate) const STREAM_WAITING_MAX: usize = 256;

/// Lines on their way out. Answers are bounded by the call permits that they carry until they are written.
#[derive(Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    more: Notify,
}

#[derive(Default)]
struct State {
    answers: VecDeque<(String, Option<OwnedSemaphorePermit>)>,
    streams: BTreeMap<u64, Stream>,
    /// The subscription served last: the next one comes next.
    served: u64,
    opened: u64,
    closed: bool,
}

struct Stream {
    method: &'static str,
    items: VecDeque<Value>,
    lost: u64,
    ended: bool,
}

/// One line and the permit that is given back once it has been written.
pub(crate) type Line = (String, Option<OwnedSemaphorePermit>);

impl Outbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an answer.
    pub(crate) fn answer(&self, line: String, permit: Option<OwnedSemaphorePermit>) {
        self.state().answers.push_back((line, permit));
        self.more.notify_one();
    }

    /// Opens a subscription and queues its answer, in that order for the reader.
    pub(crate) fn subscribe(&self, id: Option<Value>, method: &'static str, permit: OwnedSemaphorePermit) -> u64 {
        let mut state = self.state();
        state.opened += 1;
        let number = state.opened;
        state.streams.insert(number, Stream { method, items: VecDeque::new(), lost: 0, ended: false });
        if let Some(id) = id {
            let answer = wire::success(id, json!({"subscribed": true, "subscription": number}));
            state.answers.push_back((answer, Some(permit)));
        }
        drop(state);
        self.more.notify_one();
        number
    }

    /// Queues an item of a subscription; the oldest one makes room.
    pub(crate) fn item(&self, number: u64, item: Value) {
        let mut state = self.state();
        let Some(stream) = state.streams.get_mut(&number) else { return };
        if stream.items.len() >= STREAM_WAITING_MAX {
            stream.items.pop_front();
            stream.lost += 1;
        }
        stream.items.push_back(item);
        drop(state);
        self.more.notify_one();
    }

    /// Says that nothing more follows in a subscription.
    pub(crate) fn end(&self, number: u64) {
        if let Some(stream) = self.state().streams.get_mut(&number) {
            stream.ended = true;
        }
        self.more.notify_one();
    }

    /// How many subscriptions are open.
    pub(crate) fn subscriptions(&self) -> usize {
        self.state().streams.len()
    }

    /// Forgets subscriptions, and lets [`Outbox::next`] end once the answers are out.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.streams.clear();
        drop(state);
        self.more.notify_one();
    }

    /// The next line: answers first, then subscriptions in turn. `None` once closed and empty.
    pub(crate) async fn next(&self) -> Option<Line> {
        loop {
            {
                let mut state = self.state();
                if let Some(line) = state.take() {
                    return Some(line);
                }
                if state.closed {
                    return None;
                }
            }
            self.more.notified().await;
        }
    }
}

impl State {
    fn take(&mut self) -> Option<Line> {
        if let Some(answer) = self.answers.pop_front() {
            return Some(answer);
        }
        let ready = |(_, stream): &(&u64, &Stream)| stream.lost > 0 || stream.ended || !stream.items.is_empty();
        let after = self.streams.range(self.served + 1..).find(ready);
        let number = after.or_else(|| self.streams.range(..=self.served).find(ready)).map(|(number, _)| *number)?;
        self.served = number;
        let stream = self.streams.get_mut(&number)?;
        // The lost items were older than those that wait: their count comes first.
        let params = if stream.lost > 0 {
            json!({"subscription": number, "lost": std::mem::take(&mut stream.lost)})
        } else if let Some(item) = stream.items.pop_front() {
            json!({"subscription": number, "item": item})
        } else {
            json!({"subscription": number, "ended": true})
        };
        let method = stream.method;
        if params.get("ended").is_some() {
            self.streams.remove(&number);
        }
        Some((wire::notification(method, params), None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::sync::Semaphore;

    async fn params(outbox: &Outbox) -> Value {
        let (line, _) = outbox.next().await.unwrap();
        serde_json::from_str::<Value>(&line).unwrap()["params"].clone()
    }

    fn permit() -> OwnedSemaphorePermit {
        Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap()
    }

    #[tokio::test]
    async fn a_slow_reader_loses_the_oldest_items_and_is_told_how_many() {
        let outbox = Outbox::default();
        let number = outbox.subscribe(None, "events.subscribe", permit());
        for item in 0..STREAM_WAITING_MAX + 10 {
            outbox.item(number, json!(item));
        }
        outbox.end(number);
        assert_eq!(params(&outbox).await, json!({"subscription": 1, "lost": 10}));
        for item in 10..STREAM_WAITING_MAX + 10 {
            assert_eq!(params(&outbox).await, json!({"subscription": 1, "item": item}));
        }
        assert_eq!(params(&outbox).await, json!({"subscription": 1, "ended": true}));
        assert_eq!(outbox.subscriptions(), 0);
    }

    #[tokio::test]
    async fn a_busy_subscription_starves_neither_answers_nor_another_subscription() {
        let outbox = Outbox::default();
        let (one, two) = (outbox.subscribe(None, "a", permit()), outbox.subscribe(None, "b", permit()));
        for _ in 0..3 {
            outbox.item(one, json!("x"));
        }
        outbox.item(two, json!("y"));
        outbox.answer("answer".to_owned(), None);
        assert_eq!(outbox.next().await.unwrap().0, "answer");
        assert_eq!(params(&outbox).await["item"], "x");
        assert_eq!(params(&outbox).await["item"], "y");
        assert_eq!(params(&outbox).await["item"], "x");
    }
}
