//! The core and the model of OTP, told the same things: they must do the same and think the same.

use super::{
    super::model::{
        Auto, Deed, Departures, Flags, Happening, How, Id, Kind, Model, Phase, Proc, Said, Spec, Then, Type, Why,
    },
    Subject, hash,
};
use crate::{
    core::{
        self, Action, Event, Life, Order, Outcome, Refusal, State, Time, Timer,
        policy::{self, AutoShutdown, Intensity, Policy, Restart, Shutdown, Strategy},
        state::{Asked, Goal, Stage},
    },
    exit::Exit,
};
use std::{sync::Arc, time::Duration};

/// Restarts within this count.
pub(super) const PERIOD: Duration = Duration::from_secs(5);
/// Time passes by this much: once within the period, twice beyond it.
const STEP: Duration = Duration::from_secs(3);

/// What is explored.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) flags: Flags,
    pub(super) specs: Vec<Spec>,
    /// One that may be added while it runs.
    pub(super) spare: Option<Spec>,
    /// How often callers start, terminate, restart or delete a child, at most; none: as often as they like.
    pub(super) calls: Option<usize>,
    /// Only what the supervisor waits for happens while it waits: OTP's own schedule, where nothing is decided early.
    pub(super) in_turn: bool,
    /// Nobody shuts it down.
    pub(super) endless: bool,
    pub(super) departures: Departures,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Move {
    Happens(Happening),
    TimePasses,
}

#[derive(Clone)]
pub(super) struct Duo {
    case: Arc<Case>,
    core: State,
    model: Model,
    now: Time,
    tickets: u64,
    /// Calls that are still made.
    calls: Option<usize>,
}

impl Case {
    /// Both, told to begin.
    pub(super) fn begin(self) -> Result<Duo, String> {
        let mut flags = policy::Flags::new(match self.flags.kind {
            Kind::OneForOne => Strategy::OneForOne,
            Kind::OneForAll => Strategy::OneForAll,
            Kind::RestForOne => Strategy::RestForOne,
            Kind::Simple => Strategy::Dynamic,
        });
        flags.intensity = Intensity::new(u32::try_from(self.flags.intensity).unwrap(), self.flags.period);
        flags.auto_shutdown = match self.flags.auto {
            Auto::Never => AutoShutdown::Never,
            Auto::Any => AutoShutdown::AnySignificant,
            Auto::All => AutoShutdown::AllSignificant,
        };
        let mut duo = Duo {
            core: State::new(flags, self.specs.iter().map(rules).collect(), |_| true, 1),
            model: Model::new(self.flags, &self.specs, self.departures),
            now: Duration::from_secs(100),
            tickets: 0,
            calls: self.calls,
            case: Arc::new(self),
        };
        duo.happens(Happening::Begin)?;
        Ok(duo)
    }
}

/// A child specification as OTP has them: no delays, no budget of its own, no limit to its start.
fn rules(spec: &Spec) -> Policy {
    let mut rules = Policy::new(name(spec.id), policy::Kind::Worker);
    rules.restart = match spec.restart {
        Type::Permanent => Restart::Permanent,
        Type::Transient => Restart::Transient,
        Type::Temporary => Restart::Temporary,
    };
    rules.significant = spec.significant;
    // No time at all, so that it is over whenever somebody says so.
    rules.shutdown = if spec.brutal { Shutdown::Brutal } else { Shutdown::Within(Duration::ZERO) };
    rules
}

fn name(id: Id) -> String {
    char::from(b'a' + u8::try_from(id).unwrap()).to_string()
}

fn id(name: &str) -> Id {
    usize::from(name.as_bytes()[0] - b'a')
}

impl Subject for Duo {
    type Move = Move;

    fn moves(&self) -> Vec<Move> {
        let mut happenings = Vec::new();
        if matches!(self.model.phase, Phase::Gone) {
            return Vec::new();
        }
        for child in &self.model.children {
            let id = child.spec.id;
            match child.proc {
                Proc::None => {}
                Proc::Starting => {
                    happenings.push(Happening::CameUp(id));
                    happenings.extend([How::Error, How::Ignore].map(|how| Happening::Ended(id, how)));
                }
                Proc::Up => {
                    let how = [How::Normal, How::Shutdown, How::Error, How::Killed];
                    happenings.extend(how.map(|how| Happening::Ended(id, how)));
                }
                // It may come up after it was asked to stop while it started.
                Proc::Asked => happenings.extend([
                    Happening::CameUp(id),
                    Happening::Ended(id, How::Shutdown),
                    Happening::Ended(id, How::Error),
                    Happening::StopDue(id),
                ]),
                Proc::Killed => happenings.push(Happening::Ended(id, How::Killed)),
            }
        }
        let ticket = self.tickets;
        if self.calls != Some(0) && !matches!(self.model.phase, Phase::Ending(_)) {
            for spec in self.case.specs.iter().chain(&self.case.spare) {
                let id = spec.id;
                happenings.extend([
                    Happening::Terminate(id, ticket),
                    Happening::Restart(id, ticket),
                    Happening::Delete(id, ticket),
                    Happening::StartChild(*spec, ticket),
                ]);
            }
        }
        if !matches!(self.model.phase, Phase::Ending(_)) && !self.case.endless {
            happenings.push(Happening::Shutdown);
        }
        if self.case.in_turn && self.model.is_busy() {
            happenings.retain(|happening| self.model.awaits(*happening));
        }
        let mut moves: Vec<Move> = happenings.into_iter().map(Move::Happens).collect();
        if !self.model.fresh_restarts().is_empty() {
            moves.push(Move::TimePasses);
        }
        moves
    }

    fn take(&mut self, next: Move) -> Result<(), String> {
        match next {
            Move::TimePasses => {
                self.now += STEP;
                self.model.pass(self.now);
                Ok(())
            }
            Move::Happens(happening) => {
                if let (Some(left), true) = (&mut self.calls, happening.is_call()) {
                    *left -= 1;
                }
                self.happens(happening)
            }
        }
    }

    fn essence(&self) -> u64 {
        let of_core = self.core.children.iter().map(|child| {
            let asked = match child.asked {
                Asked::Boot => 0,
                Asked::Start => 1,
                Asked::Restart | Asked::Cycle => 2,
                Asked::Rule => 3,
            };
            (child.id(), proc(&child.life), then(child.goal), child.due, child.in_round, asked)
        });
        hash((self.model.essence(), of_core.collect::<Vec<_>>(), self.calls))
    }

    fn check(&mut self) -> Result<(), String> {
        if self.core.children.are_marked_right() {
            Ok(())
        } else {
            Err("the sets do not say what the children say".into())
        }
    }
}

impl Duo {
    fn happens(&mut self, happening: Happening) -> Result<(), String> {
        self.tickets += 1;
        let mut expected = self.model.step(happening, self.now);
        let event = self.event(happening);
        let step = core::decide(&mut self.core, event, self.now);
        let mut done = deeds(&step.actions)?;
        if self.case.flags.kind == Kind::Simple {
            // They go at the same time: who is told first means nothing.
            expected.sort();
            done.sort();
        }
        let answers = |deeds: &mut Vec<Deed>| {
            let (mut answers, rest) = deeds.iter().partition::<Vec<_>, _>(|deed| matches!(deed, Deed::Answer(..)));
            *deeds = rest;
            answers.sort();
            answers
        };
        let (told, should_tell) = (answers(&mut done), answers(&mut expected));
        differ("does", &expected, &done)?;
        differ("answers", &should_tell, &told)?;
        self.compare()
    }

    /// Whether both think the same.
    fn compare(&self) -> Result<(), String> {
        let coming = |id: &Id| self.model.coming.contains(id);
        let modelled =
            self.model.children.iter().map(|child| (child.spec.id, child.proc, child.then, coming(&child.spec.id)));
        let there = self.core.children.iter().map(|child| {
            let then = if child.is_alive() { then(child.goal) } else { None };
            (id(child.id()), proc(&child.life), then, child.due)
        });
        differ("thinks", &modelled.collect::<Vec<_>>(), &there.collect::<Vec<_>>())?;
        if !matches!(self.model.phase, Phase::Ending(_) | Phase::Gone) {
            let fresh = self.core.restarts.iter().copied().filter(|at| self.now - *at <= PERIOD);
            differ("counts", &self.model.fresh_restarts(), &fresh.collect::<Vec<_>>())?;
        }
        let phase = |ending: bool, gone: bool| (ending, gone);
        let modelled = phase(matches!(self.model.phase, Phase::Ending(_)), self.model.phase == Phase::Gone);
        let there = phase(
            matches!(self.core.phase, core::state::Phase::Stopping { .. }),
            self.core.phase == core::state::Phase::Done,
        );
        differ("is ending, gone", &modelled, &there)
    }

    fn event(&self, happening: Happening) -> Event {
        let incarnation = |id: Id| self.core.child(&name(id)).map_or(0, |child| child.incarnation);
        let order = |ticket: u64, order: Order| Event::Order { ticket, order };
        match happening {
            Happening::Begin => Event::Begin,
            Happening::CameUp(id) => Event::Started { id: name(id), incarnation: incarnation(id) },
            Happening::Ended(id, how) => Event::Exited { id: name(id), incarnation: incarnation(id), exit: exit(how) },
            Happening::StopDue(id) => Event::Elapsed { id: name(id), incarnation: incarnation(id), timer: Timer::Stop },
            Happening::StartChild(spec, ticket) => {
                order(ticket, Order::StartChild { policy: Box::new(rules(&spec)), missing: Vec::new() })
            }
            Happening::Terminate(id, ticket) => order(ticket, Order::TerminateChild { id: name(id) }),
            Happening::Restart(id, ticket) => order(ticket, Order::RestartChild { id: name(id) }),
            Happening::Delete(id, ticket) => order(ticket, Order::DeleteChild { id: name(id) }),
            Happening::Shutdown => Event::Shutdown { exit: Exit::shutdown(), within: None },
        }
    }
}

fn differ<T: PartialEq + std::fmt::Debug>(what: &str, model: &T, core: &T) -> Result<(), String> {
    if model == core { Ok(()) } else { Err(format!("OTP {what} {model:?}\nthe core {what} {core:?}")) }
}

fn exit(how: How) -> Exit {
    match how {
        How::Normal => Exit::Normal,
        How::Shutdown => Exit::shutdown(),
        How::Error => Exit::Error { message: "boom".into() },
        How::Killed => Exit::Killed { by: "somebody".into() },
        How::Ignore => Exit::Ignored { why: "no need".into() },
    }
}

fn proc(life: &Life) -> Proc {
    match life {
        Life::Starting => Proc::Starting,
        Life::Running => Proc::Up,
        Life::Stopping { stage: Stage::Asked } => Proc::Asked,
        Life::Stopping { .. } => Proc::Killed,
        _ => Proc::None,
    }
}

fn then(goal: Goal) -> Option<Then> {
    match goal {
        Goal::Up => None,
        Goal::Down => Some(Then::StayDown),
        Goal::Again => Some(Then::ComeAgain),
        Goal::Gone => Some(Then::BeForgotten),
    }
}

/// What the core wants done. That it is asked to stop must come with a timer, unless it is killed at once.
fn deeds(actions: &[Action]) -> Result<Vec<Deed>, String> {
    let mut deeds = Vec::new();
    for action in actions {
        let timed = |of: &str, which: Timer| {
            actions.iter().any(|set| matches!(set, Action::SetTimer { id, timer, .. } if id == of && *timer == which))
        };
        deeds.push(match action {
            Action::Spawn { id: of, .. } => Deed::Spawn(id(of)),
            Action::AskStop { id: of, .. } if timed(of, Timer::Stop) => Deed::Ask(id(of)),
            Action::Kill { id: of, .. } if timed(of, Timer::Killed) => Deed::Kill(id(of)),
            Action::AskStop { .. } | Action::Kill { .. } => return Err(format!("nobody looks after {action:?}")),
            Action::Ready => Deed::Ready,
            Action::Exit { exit } => Deed::Exit(why(exit)?),
            Action::Answer { ticket, answer } => Deed::Answer(*ticket, said(answer)?),
            _ => continue,
        });
    }
    Ok(deeds)
}

fn why(exit: &Exit) -> Result<Why, String> {
    Ok(match exit {
        Exit::Shutdown { info: None } => Why::Shutdown,
        // During the first start as its failure, as for any other supervisor that does not come up.
        Exit::Shutdown { info: Some(_) } | Exit::StartFailed { child: None, .. } => Why::Intensity,
        Exit::StartFailed { child: Some(child), .. } => Why::FailedToStart(id(child)),
        exit => return Err(format!("it exits with {exit}")),
    })
}

fn said(answer: &Result<Outcome, Refusal>) -> Result<Said, String> {
    let refusal = match answer {
        Ok(Outcome::Ignored { .. }) => return Ok(Said::Undefined),
        Ok(_) => return Ok(Said::Ok),
        Err(refusal) => refusal,
    };
    Ok(match refusal {
        Refusal::AlreadyStarted => Said::AlreadyStarted,
        Refusal::AlreadyPresent => Said::AlreadyPresent,
        Refusal::NotFound => Said::NotFound,
        Refusal::Running => Said::Running,
        Refusal::Restarting => Said::Restarting,
        Refusal::Stopping => Said::Stopping,
        Refusal::NotRunning => Said::NotRunning,
        Refusal::StartFailed { .. } => Said::StartFailed,
        Refusal::ShuttingDown => Said::ShuttingDown,
        refusal => return Err(format!("it says {refusal}")),
    })
}
