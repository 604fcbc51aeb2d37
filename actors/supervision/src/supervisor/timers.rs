//! One timer per child, one sleeping task for the earliest of them.

use super::Message;
use crate::{
    core::{Time, Timer},
    life::Life,
    world::Dial,
};
use ractor::ActorRef;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;

type Key = (Time, u64);

#[derive(Default)]
pub(super) struct Timers {
    queue: BTreeMap<Key, (String, u64, Timer)>,
    of_child: HashMap<String, Key>,
    serial: u64,
    alarm: Option<watch::Sender<Option<Time>>>,
}

impl Timers {
    /// Sets the child's timer; the one before it is forgotten.
    pub(super) fn set(&mut self, id: String, incarnation: u64, timer: Timer, at: Time) {
        self.cancel(&id);
        self.serial += 1;
        let key = (at, self.serial);
        self.of_child.insert(id.clone(), key);
        self.queue.insert(key, (id, incarnation, timer));
    }

    pub(super) fn cancel(&mut self, id: &str) {
        if let Some(key) = self.of_child.remove(id) {
            self.queue.remove(&key);
        }
    }

    /// Takes out what is due at `now`.
    pub(super) fn due(&mut self, now: Time) -> Vec<(String, u64, Timer)> {
        let mut due = Vec::new();
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let (id, incarnation, timer) = entry.remove();
            self.of_child.remove(&id);
            due.push((id, incarnation, timer));
        }
        due
    }

    /// Sees to it that [`Message::Alarm`] comes when the earliest timer is due.
    pub(super) fn arm(&mut self, life: &Arc<Life>, me: &ActorRef<Message>, dial: Dial) {
        let next = self.queue.first_key_value().map(|((at, _), _)| *at);
        if let Some(alarm) = &self.alarm {
            alarm.send_if_modified(|set| std::mem::replace(set, next) != next);
            return;
        }
        let Some(first) = next else { return };
        let (alarm, mut set) = watch::channel(Some(first));
        self.alarm = Some(alarm);
        let me = me.clone();
        life.spawn(async move {
            loop {
                let wait = *set.borrow_and_update();
                let asleep = async {
                    match wait {
                        Some(at) => tokio::time::sleep_until(dial.instant(at) + Duration::from_millis(1)).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    changed = set.changed() => if changed.is_err() { return },
                    () = asleep => {
                        me.cast(Message::Alarm).ok(); // the supervisor is gone: this task goes with it
                        if set.changed().await.is_err() { return }
                    }
                }
            }
        });
    }
}
