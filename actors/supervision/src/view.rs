//! What a supervisor publishes about itself and its children: read by anyone, asking nobody.

use crate::{
    core::{
        Budget, Life, Place, Time,
        policy::{Criticality, Flags, Kind},
        probe::{self, Activity},
        state::{Child, Phase, Stage},
    },
    exit::Exit,
    mailbox::{Mailbox, MailboxReading},
    path::ActorPath,
    world::{Dial, World},
};
use serde::Serialize;
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// Progress that is missing for so long shows in what an actor without a probe is said to do.
const PATIENCE: Duration = Duration::from_secs(1);

/// An actor's state in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Coming up.
    Starting,
    /// Up.
    Running,
    /// Up, and waiting for something it needs.
    Suspended,
    /// Between two incarnations.
    Waiting,
    /// On its way down.
    Stopping,
    /// Down, by order or because it ended.
    Down,
    /// Out of budget or beyond help.
    Parked,
    /// Could not be ended.
    Quarantined,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Starting,
        Self::Running,
        Self::Suspended,
        Self::Waiting,
        Self::Stopping,
        Self::Down,
        Self::Parked,
        Self::Quarantined,
    ];

    /// The word itself.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Waiting => "waiting",
            Self::Stopping => "stopping",
            Self::Down => "down",
            Self::Parked => "parked",
            Self::Quarantined => "quarantined",
        }
    }
}

/// One actor in the tree.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it stands.
    pub path: ActorPath,
    /// Worker or supervisor.
    pub kind: Kind,
    /// A supervisor's rules.
    pub flags: Option<Flags>,
    /// What it is doing.
    pub status: Status,
    /// Why, where the status alone does not say it.
    pub reason: Option<String>,
    /// Its newest incarnation.
    pub incarnation: u64,
    /// How long it has been in this status.
    pub for_: Duration,
    /// How long until it is started again.
    pub until: Option<Duration>,
    /// The budget its failures count against.
    pub budget: Option<Budget>,
    /// Restarts ever.
    pub restarts_total: u64,
    /// What the tree does without it.
    pub criticality: Criticality,
    /// How it last ended.
    pub last_exit: Option<Exit>,
    /// What it needs and is missing.
    pub missing: Vec<String>,
    /// Its mailbox now; none for a supervisor.
    pub mailbox: Option<MailboxReading>,
    /// What it is doing; none for a supervisor, and while it is not up.
    pub activity: Option<Activity>,
    /// Incarnations of it that could not be ended and hold a thread still.
    pub left_behind: Vec<u64>,
}

impl Node {
    /// Whether it waits for what it needs and nothing else: it failed, or its restart was due, while that was missing.
    pub fn is_held(&self) -> bool {
        self.status == Status::Waiting && self.until.is_none() && !self.missing.is_empty()
    }
}

/// What one supervisor published last. Rows are shared with the publication before it where nothing changed.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) path: ActorPath,
    pub(crate) flags: Flags,
    pub(crate) phase: Phase,
    /// Restarts counted against the supervisor's own intensity.
    pub(crate) restarts: VecDeque<Time>,
    pub(crate) rows: Arc<[Arc<Row>]>,
}

#[derive(Debug)]
pub(crate) struct Row {
    /// Rows are ordered by it.
    pub(crate) place: Place,
    pub(crate) child: Child,
    pub(crate) flags: Option<Flags>,
    pub(crate) mailbox: Option<Arc<Mailbox>>,
}

impl Published {
    /// The supervisor's own budget. The window slides while nothing happens: it is counted when it is read.
    fn budget(&self, now: Time) -> Budget {
        Budget::of(&self.restarts, self.flags.intensity, now)
    }

    /// The root's own node: nobody supervises it, so it publishes itself.
    pub(crate) fn root_node(&self, dial: Dial) -> Node {
        let (status, reason) = match &self.phase {
            Phase::Idle | Phase::Starting => (Status::Starting, None),
            Phase::Running => (Status::Running, None),
            Phase::Stopping { exit, .. } => (Status::Stopping, Some(exit.to_string())),
            Phase::Done => (Status::Down, None),
        };
        Node {
            path: self.path.clone(),
            kind: Kind::Supervisor,
            flags: Some(self.flags),
            status,
            reason,
            incarnation: 1,
            for_: dial.age(),
            until: None,
            budget: Some(self.budget(dial.now())),
            restarts_total: 0,
            criticality: Criticality::Vital,
            last_exit: None,
            missing: Vec::new(),
            mailbox: None,
            activity: None,
            left_behind: Vec::new(),
        }
    }
}

impl Row {
    pub(crate) fn node(&self, view: &Published, world: &World) -> Node {
        let (child, now) = (&self.child, world.now());
        let path = view.path.child(child.id());
        let patience = child.policy.probe.map_or(PATIENCE, |probe| probe.noted_from());
        let doing = |mailbox: &Arc<Mailbox>| probe::activity(&mailbox.pulse(world.late())?, patience).0.into();
        let up = matches!(child.life, Life::Running | Life::Stopping { .. } | Life::Quarantined);
        let mailbox = self.mailbox.as_ref().map(|mailbox| mailbox.read());
        let (status, reason, until) = status(child, mailbox.as_ref(), now);
        let own = child.policy.budget.map(|own| Budget::of(&child.restarts, own, now));
        Node {
            left_behind: world.left_behind.of(&path),
            activity: self.mailbox.as_ref().filter(|_| up).and_then(doing),
            path,
            kind: child.policy.kind,
            flags: self.flags,
            status,
            reason,
            incarnation: child.incarnation,
            for_: now.saturating_sub(child.since),
            until,
            budget: Some(own.unwrap_or_else(|| view.budget(now))),
            restarts_total: child.restarts_total,
            criticality: child.policy.criticality,
            last_exit: child.last_exit.clone(),
            missing: child.missing(),
            mailbox,
        }
    }
}

fn status(child: &Child, mailbox: Option<&MailboxReading>, now: Time) -> (Status, Option<String>, Option<Duration>) {
    match &child.life {
        Life::Down if child.due => (Status::Waiting, Some("its turn".to_owned()), None),
        Life::Down => (Status::Down, None, None),
        Life::Starting => (Status::Starting, None, None),
        Life::Running if !child.missing.is_empty() => {
            (Status::Suspended, Some(format!("needs {}", child.missing().join(", "))), None)
        }
        Life::Running => (Status::Running, mailbox.and_then(|mailbox| mailbox.unavailable.clone()), None),
        Life::Waiting { until, why } => (Status::Waiting, Some(why.clone()), Some(until.saturating_sub(now))),
        Life::Held => (Status::Waiting, Some(format!("needs {}", child.missing().join(", "))), None),
        Life::Stopping { stage } => {
            let how = match stage {
                Stage::Asked => "asked",
                Stage::Killed => "killed",
                Stage::Aborted => "aborted",
            };
            (Status::Stopping, Some(how.to_owned()), None)
        }
        Life::Parked { reason, retry_at } => {
            (Status::Parked, Some(reason.clone()), retry_at.map(|retry| retry.saturating_sub(now)))
        }
        Life::Quarantined => (Status::Quarantined, Some("its last incarnation could not be ended".to_owned()), None),
    }
}
