//! OTP's supervisor, written down anew from its documentation: what the core is held against.
//!
//! Nothing here is the core's: plain vectors, each question answered by a look at every child, no timers but the clock
//! that the caller moves. With every switch of [`Departures`] off it is OTP; each switch is one thing that the core does
//! otherwise on purpose, with the reason.

mod calls;
mod exits;
mod turns;

use std::time::Duration;

/// A child's name.
pub(super) type Id = usize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    OneForOne,
    OneForAll,
    RestForOne,
    /// `simple_one_for_one`.
    Simple,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Type {
    Permanent,
    Transient,
    Temporary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Auto {
    Never,
    Any,
    All,
}

/// A child specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Spec {
    pub(super) id: Id,
    pub(super) restart: Type,
    pub(super) significant: bool,
    /// `brutal_kill`; else it is asked and, when its time is over, killed.
    pub(super) brutal: bool,
}

/// The supervisor flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Flags {
    pub(super) kind: Kind,
    pub(super) auto: Auto,
    pub(super) intensity: usize,
    pub(super) period: Duration,
}

/// What the core does otherwise than OTP on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Departures {
    /// OTP's supervisor waits for the child that it starts or stops, and what happens meanwhile waits in its mailbox. The
    /// core starts and stops by messages: a child that migrates a database for a minute must not make its supervisor deaf
    /// to orders, exits and the shutdown. What would have waited is decided at once, by the same rules.
    pub(super) serves_meanwhile: bool,
    /// OTP ends a `terminate_child` before it looks at anything else, and a sibling's failure right after it starts the
    /// child again. Here that failure may come while the child is still on its way down; whoever ordered it down is not
    /// answered with a child that comes up.
    pub(super) orders_under_way_hold: bool,
    /// OTP knows the children of a `simple_one_for_one` by pid alone and forgets one that is gone. Here they have paths,
    /// so that they can be looked at, ordered down and up like any other.
    pub(super) dynamic_children_have_names: bool,
}

impl Departures {
    pub(super) const NONE: Self =
        Self { serves_meanwhile: false, orders_under_way_hold: false, dynamic_children_have_names: false };
    pub(super) const OURS: Self =
        Self { serves_meanwhile: true, orders_under_way_hold: true, dynamic_children_have_names: true };
}

/// Why a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum How {
    Normal,
    Shutdown,
    Error,
    Killed,
    /// Its start returned `ignore`.
    Ignore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Happening {
    Begin,
    CameUp(Id),
    Ended(Id, How),
    /// The time that a child has to stop is over.
    StopDue(Id),
    StartChild(Spec, u64),
    Terminate(Id, u64),
    Restart(Id, u64),
    Delete(Id, u64),
    Shutdown,
}

impl Happening {
    /// Whether a caller asks for it.
    pub(super) fn is_call(self) -> bool {
        matches!(self, Self::StartChild(..) | Self::Terminate(..) | Self::Restart(..) | Self::Delete(..))
    }
}

/// What the supervisor asks of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Deed {
    Spawn(Id),
    Ask(Id),
    Kill(Id),
    Ready,
    Exit(Why),
    Answer(u64, Said),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Why {
    /// It was told to, or its significant children ended.
    Shutdown,
    /// `reached_max_restart_intensity`.
    Intensity,
    /// `failed_to_start_child`.
    FailedToStart(Id),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Said {
    Ok,
    /// `{ok, undefined}`.
    Undefined,
    AlreadyStarted,
    AlreadyPresent,
    NotFound,
    Running,
    Restarting,
    Stopping,
    NotRunning,
    StartFailed,
    ShuttingDown,
    /// `{error, simple_one_for_one}`.
    Simple,
}

/// The process of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Proc {
    /// `undefined`.
    None,
    Starting,
    Up,
    Asked,
    Killed,
}

/// What follows when a child that was told to go has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Then {
    StayDown,
    ComeAgain,
    BeForgotten,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Caller {
    Nobody,
    /// The supervisor's own start.
    Init,
    StartChild,
    RestartChild,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Child {
    pub(super) spec: Spec,
    pub(super) proc: Proc,
    /// Set while it is told to go.
    pub(super) then: Option<Then>,
    caller: Caller,
    wait_for_start: Vec<u64>,
    wait_for_end: Vec<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    Init,
    Running,
    Ending(Why),
    Gone,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Model {
    flags: Flags,
    departures: Departures,
    /// In start order.
    pub(super) children: Vec<Child>,
    /// Who takes part in the ordered round (the first start, a restart of several, the end).
    round: Vec<Id>,
    /// Who of it has to go first, in start order.
    going: Vec<Id>,
    /// Who is to be started.
    pub(super) coming: Vec<Id>,
    /// When it restarted.
    pub(super) restarts: Vec<Duration>,
    pub(super) phase: Phase,
    mailbox: Vec<Happening>,
    deeds: Vec<Deed>,
    now: Duration,
}

impl Model {
    pub(super) fn new(flags: Flags, specs: &[Spec], departures: Departures) -> Self {
        let child = |spec: &Spec| Child::new(*spec, Caller::Init);
        Self {
            flags,
            departures,
            children: specs.iter().map(child).collect(),
            round: Vec::new(),
            going: Vec::new(),
            coming: Vec::new(),
            restarts: Vec::new(),
            phase: Phase::Init,
            mailbox: Vec::new(),
            deeds: Vec::new(),
            now: Duration::ZERO,
        }
    }

    /// What the supervisor does about `happening`, in order.
    pub(super) fn step(&mut self, happening: Happening, now: Duration) -> Vec<Deed> {
        self.now = now;
        if self.departures.serves_meanwhile || !self.is_busy() || self.awaits(happening) {
            self.take(happening);
        } else {
            self.mailbox.push(happening);
        }
        while !self.mailbox.is_empty() && !self.is_busy() {
            let next = self.mailbox.remove(0);
            self.take(next);
        }
        std::mem::take(&mut self.deeds)
    }

    /// Time passes, and nothing happens.
    pub(super) fn pass(&mut self, now: Duration) {
        self.now = now;
    }

    /// The same state with everything left out that later steps do not depend on.
    pub(super) fn essence(&self) -> Self {
        let mut essence = self.clone();
        essence.restarts = self.fresh_restarts().iter().map(|at| self.now - *at).collect();
        essence.now = Duration::ZERO;
        for child in &mut essence.children {
            child.wait_for_start = child.wait_for_start.first().map(|_| 0).into_iter().collect();
            child.wait_for_end = child.wait_for_end.first().map(|_| 0).into_iter().collect();
        }
        essence
    }

    pub(super) fn child(&self, id: Id) -> Option<&Child> {
        self.children.iter().find(|child| child.spec.id == id)
    }

    /// Whether it waits for a child to start or to stop.
    pub(super) fn is_busy(&self) -> bool {
        self.children.iter().any(|child| matches!(child.proc, Proc::Starting | Proc::Asked | Proc::Killed))
    }

    /// Whether that is what it waits for.
    pub(super) fn awaits(&self, happening: Happening) -> bool {
        match happening {
            Happening::CameUp(id) | Happening::Ended(id, _) | Happening::StopDue(id) => {
                self.child(id).is_some_and(|child| !matches!(child.proc, Proc::None | Proc::Up))
            }
            _ => false,
        }
    }

    pub(super) fn fresh_restarts(&self) -> Vec<Duration> {
        // One that is exactly as old as the period still counts.
        self.restarts.iter().copied().filter(|at| self.now - *at <= self.flags.period).collect()
    }

    fn take(&mut self, happening: Happening) {
        match happening {
            Happening::Begin => {
                self.coming = self.children.iter().map(|child| child.spec.id).collect();
                self.round = self.coming.clone();
            }
            Happening::CameUp(id) => self.came_up(id),
            Happening::Ended(id, how) => self.ended(id, how),
            Happening::StopDue(id) => {
                if let Some(child) = self.find(id).filter(|child| child.proc == Proc::Asked) {
                    child.proc = Proc::Killed;
                    self.deeds.push(Deed::Kill(id));
                }
            }
            Happening::Shutdown => self.end(Why::Shutdown),
            Happening::StartChild(_, ticket)
            | Happening::Terminate(_, ticket)
            | Happening::Restart(_, ticket)
            | Happening::Delete(_, ticket) => {
                let answer = if self.is_ending() { Some(Said::ShuttingDown) } else { self.call(happening) };
                self.deeds.extend(answer.map(|said| Deed::Answer(ticket, said)));
            }
        }
        self.proceed();
    }

    fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending(_) | Phase::Gone)
    }
}

impl Child {
    fn new(spec: Spec, caller: Caller) -> Self {
        Self { spec, proc: Proc::None, then: None, caller, wait_for_start: Vec::new(), wait_for_end: Vec::new() }
    }
}
