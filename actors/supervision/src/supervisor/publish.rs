//! Publishing a supervisor's view: at once while it is small, at most every 5 ms while many children change.

use super::{Desk, Handle, Message};
use crate::{
    core::policy::Flags,
    core::state::Phase,
    core::{Budget, Time},
    path::ActorPath,
    view::{Published, Row},
    world::{Office, World},
};
use arc_swap::ArcSwap;
use std::{collections::HashMap, sync::Arc, time::Duration};

/// A view with at most this many rows is published after every message.
const SMALL: usize = 64;
/// A larger one no more often than this.
const EVERY: Duration = Duration::from_millis(5);

pub(super) struct Publisher {
    view: Arc<ArcSwap<Published>>,
    last: Time,
    waiting: bool,
}

impl Publisher {
    /// Opens the supervisor's office in the tree, with an empty view.
    pub(super) fn open(path: &ActorPath, world: &World, handle: Handle, flags: Flags) -> Self {
        let used = Budget { used: 0, allowed: flags.intensity.restarts, window: flags.intensity.window };
        let empty = Published { path: path.clone(), flags, phase: Phase::Idle, used, rows: Arc::from([]) };
        let view = Arc::new(ArcSwap::from_pointee(empty));
        world.open_office(path.clone(), Office { handle, view: Arc::clone(&view) });
        Self { view, last: Time::ZERO, waiting: false }
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

    pub(super) fn publish_now(&mut self) {
        let now = self.world.now();
        self.publisher.last = now;
        self.publisher.waiting = false;
        let before = self.publisher.view.load();
        let old: HashMap<&str, &Arc<Row>> = before.rows.iter().map(|row| (row.child.id(), row)).collect();
        let rows: Vec<Arc<Row>> = (0..self.state.children.len())
            .map(|at| {
                let id = self.state.children[at].id();
                let spec = self.specs.get(id);
                let (flags, mailbox) = spec.map_or((None, None), |spec| (spec.starter.flags(), spec.starter.mailbox()));
                let row = Row::of(&self.state, at, now, flags, mailbox);
                match old.get(id) {
                    Some(same) if ***same == row => Arc::clone(same),
                    _ => Arc::new(row),
                }
            })
            .collect();
        let intensity = self.state.flags.intensity;
        let young = self.state.restarts.iter().filter(|at| now.saturating_sub(**at) <= intensity.window).count();
        let published = Published {
            path: self.path.clone(),
            flags: self.state.flags,
            phase: self.state.phase.clone(),
            used: Budget {
                used: u32::try_from(young).unwrap_or(u32::MAX),
                allowed: intensity.restarts,
                window: intensity.window,
            },
            rows: rows.into(),
        };
        drop(old);
        drop(before);
        self.publisher.view.store(Arc::new(published));
    }
}
