//! A running tree: what boot, the control channel and tests hold.

mod nearest;
mod orders;
mod poison;
mod reads;
mod respec;
mod rules;

pub use nearest::nearest;
pub use orders::{OrderError, Verb};
pub use reads::Counts;
pub use respec::Respec;
pub use rules::Amendment;

use crate::{
    admin::{AdminCall, AdminEnvelope, AdminError, AdminSpec},
    core::policy::Flags,
    crash::Crash,
    exit::Exit,
    journal::{Entry, Observer},
    life::{Notify, Signal},
    message::Reply,
    path::ActorPath,
    planes::Planes,
    record::{Past, Recorder},
    spec::ChildSpec,
    starter::{Lever, StartRequest, Starter},
    supervisor::{Message, SupervisorStarter},
    view::{Node, Published, Row},
    world::{Limits, World},
};
use futures_util::future::join_all;
use serde_json::Value;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::{broadcast, watch};

/// A tree of supervised actors. Cloning shares it; dropping the last handle does not stop it.
#[derive(Clone)]
pub struct Tree {
    world: Arc<World>,
    root: Arc<dyn Lever>,
    phase: watch::Receiver<RootPhase>,
}

#[derive(Debug, Clone, PartialEq)]
enum RootPhase {
    Starting,
    Up,
    Ended(Exit),
}

impl Tree {
    /// Starts a tree with `children` under a root supervisor. Returns at once; [`Tree::started`] tells when it is up.
    ///
    /// # Errors
    /// Only when the root itself cannot be made.
    pub async fn start(
        planes: Planes,
        flags: Flags,
        children: Vec<ChildSpec>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, Exit> {
        Self::start_within(planes, flags, children, observer, Limits::default(), None).await
    }

    /// The same with limits of its own, and with what an earlier process left, written down for the next one.
    ///
    /// # Errors
    /// As [`Tree::start`].
    pub async fn start_within(
        planes: Planes,
        flags: Flags,
        children: Vec<ChildSpec>,
        observer: Arc<dyn Observer>,
        limits: Limits,
        record: Option<(Past, Recorder)>,
    ) -> Result<Self, Exit> {
        let world = Arc::new(World::new(planes, observer, limits, record));
        let (tell, phase) = watch::channel(RootPhase::Starting);
        let notify: Notify = Arc::new(move |signal| match signal {
            Signal::Started => {
                tell.send_replace(RootPhase::Up);
            }
            Signal::Exited(exit) => {
                tell.send_replace(RootPhase::Ended(exit));
            }
            Signal::Available(_) => {}
        });
        let starter = SupervisorStarter::new(flags, children);
        let request = StartRequest {
            path: ActorPath::root(),
            incarnation: 1,
            parent: None,
            notify,
            missing: Arc::from([]),
            world: Arc::clone(&world),
        };
        let control = world.planes.control.clone();
        let root = control.spawn(async move { starter.start(request).await });
        let root = root.await.map_err(|_cancelled| Exit::Aborted)??;
        Ok(Self { world, root, phase })
    }

    /// Waits until the first start is over.
    ///
    /// # Errors
    /// What ended the tree, when a required child did not start or the tree was shut down meanwhile.
    pub async fn started(&self) -> Result<(), Exit> {
        let mut phase = self.phase.clone();
        let over = phase.wait_for(|phase| *phase != RootPhase::Starting).await;
        match over.map(|phase| phase.clone()) {
            Ok(RootPhase::Ended(exit)) => Err(exit),
            Ok(_) => Ok(()),
            Err(_) => Err(Exit::Aborted),
        }
    }

    /// Waits until the tree is gone.
    pub async fn ended(&self) -> Exit {
        let mut phase = self.phase.clone();
        match phase.wait_for(|phase| matches!(phase, RootPhase::Ended(_))).await.map(|phase| phase.clone()) {
            Ok(RootPhase::Ended(exit)) => exit,
            _ => Exit::Aborted,
        }
    }

    /// Whether the tree is gone.
    pub fn has_ended(&self) -> bool {
        matches!(*self.phase.borrow(), RootPhase::Ended(_))
    }

    /// Stops everything in reverse order and then the root. Asked again, it only gets less time.
    pub fn shutdown(&self, within: Option<Duration>) {
        self.root.stop(within);
    }

    /// Asks the actors at `paths` (and everything below them) to finish what is under way, for `within` at most. It is the
    /// first phase of a shutdown: from now on nothing of them is started or restarted.
    /// Returns the paths that did not answer in time.
    pub async fn drain(&self, paths: &[ActorPath], within: Duration) -> Vec<ActorPath> {
        let drains = paths.iter().map(|path| async move {
            if let Some(office) = path.parent().and_then(|supervisor| self.world.office(&supervisor)) {
                office.handle.send(Message::Draining(path.id().to_owned())); // whatever becomes of it now is not restarted
            }
            let lever = if path.is_root() { Arc::clone(&self.root) } else { self.world.lever(path)? };
            let (reply, answer) = Reply::channel();
            lever.drain(reply);
            match tokio::time::timeout(within, answer).await {
                Ok(_) => None,
                Err(_) => Some(path.clone()),
            }
        });
        join_all(drains).await.into_iter().flatten().collect()
    }

    /// Sends an admin message through the mailbox of the actor at `path` and waits for its answer. A parameter that the
    /// message's schema does not know is refused before the actor is asked.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn tell(
        &self,
        path: &ActorPath,
        name: &str,
        params: Value,
        deadline: Duration,
        if_incarnation: Option<u64>,
    ) -> Result<Value, AdminError> {
        let unknown = || AdminError::UnknownPath { path: path.to_string(), suggestion: self.nearest(path) };
        let node = self.node(path).ok_or_else(unknown)?;
        if let Some(wanted) = if_incarnation.filter(|wanted| *wanted != node.incarnation) {
            let (path, actual) = (path.to_string(), node.incarnation);
            return Err(AdminError::StaleIncarnation { path, wanted, actual });
        }
        let specs = self.world.messages(path).unwrap_or_default();
        let Some(spec) = specs.iter().find(|spec| spec.name == name) else {
            return Err(AdminCall { name: name.to_owned(), params }.unknown(&specs));
        };
        let (name, call) = (spec.name, AdminCall { name: name.to_owned(), params: spec.admit(params)? });
        let down = || AdminError::NotRunning {
            path: path.to_string(),
            state: self.node(path).map_or("gone", |node| node.status.name()).to_owned(),
        };
        let lever = self.world.lever(path).ok_or_else(down)?;
        let (reply, answer) = Reply::channel();
        let envelope = AdminEnvelope { name, call, reply, permit: None };
        if let Some(wanted) = if_incarnation.filter(|wanted| *wanted != lever.incarnation()) {
            let (path, actual) = (path.to_string(), lever.incarnation());
            return Err(AdminError::StaleIncarnation { path, wanted, actual });
        }
        lever.admin(envelope);
        match tokio::time::timeout(deadline, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_dropped)) => Err(down()),
            Err(_) => Err(AdminError::Deadline { millis: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX) }),
        }
    }

    /// The admin messages that the actor at `path` understands; none when there is no such actor.
    pub fn messages(&self, path: &ActorPath) -> Option<Arc<[AdminSpec]>> {
        self.world.messages(path)
    }

    /// Every actor: a supervisor before its children, children in start order.
    pub fn nodes(&self) -> Vec<Node> {
        let mut nodes = Vec::new();
        if let Some(office) = self.world.office(&ActorPath::root()) {
            nodes.push(office.view.load().root_node(self.world.dial));
            self.below(&ActorPath::root(), &mut nodes);
        }
        nodes
    }

    fn below(&self, supervisor: &ActorPath, nodes: &mut Vec<Node>) {
        let Some(office) = self.world.office(supervisor) else { return };
        let view = office.view.load();
        for row in view.rows.iter() {
            let node = self.row(row, &view);
            let path = node.flags.is_some().then(|| node.path.clone());
            nodes.push(node);
            if let Some(path) = path {
                self.below(&path, nodes);
            }
        }
    }

    /// The actor at `path`.
    pub fn node(&self, path: &ActorPath) -> Option<Node> {
        let Some(parent) = path.parent() else {
            return self.world.office(path).map(|office| office.view.load().root_node(self.world.dial));
        };
        let office = self.world.office(&parent)?;
        let view = office.view.load();
        view.rows.iter().find(|row| row.child.id() == path.id()).map(|row| self.row(row, &view))
    }

    /// A child as its supervisor shows it. What the rules of a supervisor are it knows itself, once it runs.
    fn row(&self, row: &Row, view: &Published) -> Node {
        let mut node = row.node(view, &self.world);
        if node.flags.is_some()
            && let Some(office) = self.world.office(&node.path)
        {
            node.flags = Some(office.view.load().flags);
        }
        node
    }

    /// The existing path that `path` may have been meant to be.
    pub fn nearest(&self, path: &ActorPath) -> Option<String> {
        nearest::nearest(path.as_str(), self.nodes().into_iter().map(|node| node.path.to_string()))
    }

    /// The last `max` decisions about `path` and what stands below it, oldest first.
    pub fn explain(&self, path: &ActorPath, max: usize) -> Vec<Arc<Entry>> {
        self.world.journal.last(max, |entry| entry.path == *path)
    }

    /// The crash records of `path`, the oldest first; at most [`crate::CRASHES_PER_PATH`].
    pub fn crashes(&self, path: &ActorPath) -> Vec<Arc<Crash>> {
        self.world.crashes.to_show(path)
    }

    /// The last `max` decisions after number `after`, oldest first.
    pub fn decisions(&self, after: u64, max: usize) -> Vec<Arc<Entry>> {
        self.world.journal.last(max, |entry| entry.seq > after)
    }

    /// Decisions as they are made. A listener that falls behind loses the oldest and is told how many.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.world.journal.subscribe()
    }

    /// Where its supervisors and its actors run.
    pub fn planes(&self) -> &Planes {
        &self.world.planes
    }

    /// Tokio tasks that are alive on both planes, and how many of them actors own. What is left belongs to libraries, to
    /// boot, or to nobody.
    pub fn work(&self) -> (usize, usize) {
        let Planes { control, data } = &self.world.planes;
        let alive = data.metrics().num_alive_tasks();
        let more = if control.id() == data.id() { 0 } else { control.metrics().num_alive_tasks() };
        (alive + more, self.world.tasks_owned())
    }

    /// Where the tree is written down, if it is.
    pub fn recorder(&self) -> Option<&Recorder> {
        self.world.recorder()
    }

    /// Each path's restarts ever, for metrics.
    pub fn restarts(&self) -> HashMap<ActorPath, u64> {
        self.nodes().into_iter().map(|node| (node.path, node.restarts_total)).collect()
    }
}
