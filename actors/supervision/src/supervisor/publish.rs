//! Publishing a supervisor's view: at once while it is small, at most every 5 ms while many children change.

use super::{Desk, Handle, Message};
use crate::{
    core::Time,
    core::policy::Flags,
    core::state::Phase,
    path::ActorPath,
    view::{Published, Row},
    world::{Office, World},
};
use arc_swap::ArcSwap;
use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

/// A view with at most this many rows is published after every message.
const SMALL: usize = 64;
/// A larger one no more often than this.
const EVERY: Duration = Duration::from_millis(5);

pub(super) struct Publisher {
    view: Arc<ArcSwap<Published>>,
    last: Time,
    waiting: bool,
    /// Children whose rows are out of date.
    stale: HashSet<String>,
}

impl Publisher {
    /// Opens the supervisor's office in the tree, with an empty view.
    pub(super) fn open(path: &ActorPath, world: &World, handle: Handle, flags: Flags) -> Self {
        let (path, restarts) = (path.clone(), VecDeque::new());
        let empty = Published { path: path.clone(), flags, phase: Phase::Idle, restarts, rows: Arc::from([]) };
        let view = Arc::new(ArcSwap::from_pointee(empty));
        world.open_office(path, Office { handle, view: Arc::clone(&view) });
        Self { view, last: Time::ZERO, waiting: false, stale: HashSet::new() }
    }

    /// The row of the child called `id` is out of date.
    pub(super) fn note(&mut self, id: &str) {
        self.stale.insert(id.to_owned());
    }
}

impl Desk {
    /// Publishes now, or soon when there is much to publish and it was done a moment ago.
    pub(super) fn publish(&mut self) {
        let now = self.world.now();
        let early = now.saturating_sub(self.publisher.last) < EVERY;
        if self.state.children.len() <= SMALL || !early {
            return self.publish_now();
        }
        if !std::mem::replace(&mut self.publisher.waiting, true) {
            let me = self.me.clone();
            self.life.spawn(async move {
                tokio::time::sleep(EVERY).await;
                me.cast(Message::Publish).ok(); // the supervisor is gone, and its view with it
            });
        }
    }

    /// Rows of children that did not change are taken over. Children never change places, so the old rows are met in
    /// the order of the new ones.
    pub(super) fn publish_now(&mut self) {
        self.publisher.last = self.world.now();
        self.publisher.waiting = false;
        let stale = std::mem::take(&mut self.publisher.stale);
        let before = self.publisher.view.load();
        let mut old = before.rows.iter();
        let rows = self.state.children.iter().map(|child| {
            let mut unchanged = || old.find(|row| row.child.id() == child.id());
            if !stale.contains(child.id())
                && let Some(row) = unchanged()
            {
                return Arc::clone(row);
            }
            let spec = self.specs.get(child.id());
            let (flags, mailbox) = spec.map_or((None, None), |spec| (spec.starter.flags(), spec.starter.mailbox()));
            Arc::new(Row { child: child.clone(), flags, mailbox })
        });
        let published = Published {
            path: self.path.clone(),
            flags: self.state.flags,
            phase: self.state.phase.clone(),
            restarts: self.state.restarts.clone(),
            rows: rows.collect(),
        };
        drop(before);
        self.publisher.view.store(Arc::new(published));
    }
}
