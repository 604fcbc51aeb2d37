//! Publishing a supervisor's view: at once while it is small, at most every 5 ms while many children change.

use super::{Desk, Handle, Message};
use crate::{
    core::{Place, Time, policy::Flags, state::Phase},
    path::ActorPath,
    view::{Published, Row},
    world::{Office, World},
};
use arc_swap::ArcSwap;
use std::{
    collections::{HashMap, HashSet, VecDeque},
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
    /// Where the published rows stand.
    places: HashMap<String, Place>,
    /// Whether the children stand elsewhere than they did: all rows are made anew.
    anew: bool,
}

impl Publisher {
    /// Opens the supervisor's office in the tree, with an empty view.
    pub(super) fn open(path: &ActorPath, world: &World, handle: Handle, flags: Flags) -> Self {
        let (path, restarts) = (path.clone(), VecDeque::new());
        let empty = Published { path: path.clone(), flags, phase: Phase::Idle, restarts, rows: Arc::from([]) };
        let view = Arc::new(ArcSwap::from_pointee(empty));
        world.open_office(path, Office { handle, view: Arc::clone(&view) });
        Self { view, last: Time::ZERO, waiting: false, stale: HashSet::new(), places: HashMap::new(), anew: false }
    }

    /// The children are put into another order, which touches all of them.
    pub(super) fn begin_anew(&mut self) {
        self.anew = true;
    }

    /// The row of the child called `id` is out of date, or it has none any more or none yet.
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

    /// Rows of children that did not change are taken over as they are: of thousands of children nothing but those that
    /// changed is looked at.
    pub(super) fn publish_now(&mut self) {
        self.publisher.last = self.world.now();
        self.publisher.waiting = false;
        let mut rows = self.publisher.view.load().rows.to_vec();
        if std::mem::take(&mut self.publisher.anew) {
            rows.clear();
            self.publisher.places.clear();
        }
        for id in std::mem::take(&mut self.publisher.stale) {
            let at = |place| rows.binary_search_by_key(&place, |row: &Arc<Row>| row.place);
            let before = self.publisher.places.get(&id).and_then(|place| at(*place).ok());
            let Some(row) = self.row(&id) else {
                before.map(|at| rows.remove(at));
                self.publisher.places.remove(&id);
                continue;
            };
            match before {
                Some(before) if rows[before].place == row.place => rows[before] = row,
                before => {
                    before.map(|at| rows.remove(at));
                    let at = rows.partition_point(|other| other.place < row.place);
                    self.publisher.places.insert(id, row.place);
                    rows.insert(at, row);
                }
            }
        }
        let published = Published {
            path: self.path.clone(),
            flags: self.state.flags,
            phase: self.state.phase.clone(),
            restarts: self.state.restarts.clone(),
            rows: rows.into(),
        };
        self.publisher.view.store(Arc::new(published));
    }
    /// What there is to say about the child called `id` now.
    fn row(&self, id: &str) -> Option<Arc<Row>> {
        let at = self.state.find(id)?;
        let spec = self.specs.get(id);
        let (flags, mailbox) = spec.map_or((None, None), |spec| (spec.starter.flags(), spec.starter.mailbox()));
        let (place, child) = (self.state.children.place(at), self.state.children[at].clone());
        Some(Arc::new(Row { place, child, flags, mailbox }))
    }
}
