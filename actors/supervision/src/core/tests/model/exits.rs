//! A child came up, did not, or ended: restart types, intensity, strategies, significant children.

use super::{Auto, Caller, Child, How, Id, Kind, Model, Phase, Proc, Said, Then, Type, Why};

impl Model {
    pub(super) fn came_up(&mut self, id: Id) {
        let Some(child) = self.find(id).filter(|child| child.proc == Proc::Starting) else { return };
        child.proc = Proc::Up;
        child.caller = Caller::Nobody;
        let tickets = std::mem::take(&mut child.wait_for_start);
        self.answer(tickets, Said::Ok);
    }

    pub(super) fn ended(&mut self, id: Id, how: How) {
        let Some(child) = self.find(id) else { return };
        let was = std::mem::replace(&mut child.proc, Proc::None);
        if let Some(then) = child.then.take() {
            return self.has_gone(id, then);
        }
        let (restart, significant) = (child.spec.restart, child.spec.significant);
        match (was, restart) {
            (Proc::None, _) => {}
            (Proc::Starting, _) if how == How::Ignore => self.ignored(id),
            (Proc::Starting, _) => self.did_not_start(id),
            (_, Type::Permanent) => self.failed(id),
            (_, Type::Transient) if matches!(how, How::Error | How::Killed) => self.failed(id),
            (_, Type::Transient | Type::Temporary) => {
                if restart == Type::Temporary || self.forgets_the_dead() {
                    self.forget(id);
                }
                if significant {
                    self.auto_shutdown();
                }
            }
        }
    }

    fn has_gone(&mut self, id: Id, then: Then) {
        self.going.retain(|going| *going != id);
        let temporary = self.child(id).is_some_and(|child| child.spec.restart == Type::Temporary);
        if then == Then::ComeAgain {
            let tickets = self.find(id).map(|child| std::mem::take(&mut child.wait_for_end));
            self.answer(tickets.unwrap_or_default(), Said::Ok);
            self.coming.push(id);
        } else {
            self.let_go(id);
            if then == Then::BeForgotten || temporary || self.forgets_the_dead() {
                self.forget(id);
            }
        }
    }

    /// `ignore` is no failure. What is not kept in a list of specs, or not for long, is forgotten.
    fn ignored(&mut self, id: Id) {
        let simple = self.flags.kind == Kind::Simple;
        let Some(child) = self.find(id) else { return };
        child.caller = Caller::Nobody;
        let forgets = simple || child.spec.restart == Type::Temporary;
        let tickets = std::mem::take(&mut child.wait_for_start);
        self.answer(tickets, Said::Undefined);
        if forgets {
            self.forget(id);
        }
    }

    /// A start failed: it is the failure of whoever asked for it.
    fn did_not_start(&mut self, id: Id) {
        let Some(child) = self.find(id) else { return };
        let tickets = std::mem::take(&mut child.wait_for_start);
        let caller = std::mem::replace(&mut child.caller, Caller::Nobody);
        let temporary = child.spec.restart == Type::Temporary;
        self.answer(tickets, Said::StartFailed);
        match caller {
            Caller::Init if self.phase == Phase::Init => self.end(Why::FailedToStart(id)),
            Caller::StartChild => self.forget(id),
            Caller::RestartChild => {} // stays, undefined
            Caller::Init | Caller::Nobody if temporary => self.forget(id),
            Caller::Init | Caller::Nobody => self.failed(id),
        }
    }

    /// The restart rule: one restart more, whatever it takes along.
    fn failed(&mut self, id: Id) {
        self.restarts = self.fresh_restarts();
        self.restarts.push(self.now);
        if self.restarts.len() > self.flags.intensity {
            return self.end(Why::Intensity);
        }
        self.coming.push(id);
        let Some(at) = self.children.iter().position(|child| child.spec.id == id) else { return };
        let from = match self.flags.kind {
            Kind::OneForOne | Kind::Simple => return,
            Kind::OneForAll => 0,
            Kind::RestForOne => at,
        };
        self.join(id);
        for other in (from..self.children.len()).filter(|other| *other != at) {
            self.take_along(self.children[other].spec.id);
        }
    }

    fn take_along(&mut self, id: Id) {
        let holds = self.departures.orders_under_way_hold;
        let Some(child) = self.find(id) else { return };
        if matches!(child.then, Some(Then::StayDown | Then::BeForgotten)) && holds {
            return;
        }
        if child.caller != Caller::Init {
            child.caller = Caller::Nobody; // a start that is interrupted goes on by the rule
        }
        let temporary = child.spec.restart == Type::Temporary;
        if child.proc != Proc::None {
            child.then = Some(if temporary { Then::BeForgotten } else { Then::ComeAgain });
            self.going.push(id);
        } else if !temporary {
            self.coming.push(id); // also one that had ended, or was terminated
        }
        self.join(id);
    }

    fn auto_shutdown(&mut self) {
        let there = |child: &Child| child.proc != Proc::None || self.coming.contains(&child.spec.id);
        let left = self.children.iter().any(|child| child.spec.significant && there(child));
        match self.flags.auto {
            Auto::Any => self.end(Why::Shutdown),
            Auto::All if !left => self.end(Why::Shutdown),
            Auto::All | Auto::Never => {}
        }
    }
}
