//! Whose turn it is: last first down, first first up.

use super::{Child, Deed, Happening, Id, Kind, Model, Phase, Proc, Said, Then, Why};

impl Model {
    /// The supervisor ends: every child goes, last first.
    pub(super) fn end(&mut self, why: Why) {
        if self.is_ending() {
            return;
        }
        self.phase = Phase::Ending(why);
        self.coming.clear();
        self.round = self.children.iter().map(|child| child.spec.id).collect();
        let there = |child: &&Child| child.proc != Proc::None;
        self.going = self.children.iter().filter(there).map(|child| child.spec.id).collect();
        let mut tickets = Vec::new();
        for child in &mut self.children {
            tickets.append(&mut child.wait_for_start);
            if child.proc != Proc::None && child.then != Some(Then::BeForgotten) {
                child.then = Some(Then::StayDown);
            }
        }
        self.answer(tickets, Said::ShuttingDown);
    }

    /// Stops what has to go, last first; then starts what has to come, first first.
    pub(super) fn proceed(&mut self) {
        self.sort();
        let to_ask: Vec<Id> = match self.flags.kind {
            Kind::Simple => self.going.iter().rev().copied().collect(), // all at the same time
            _ => self.going.last().copied().into_iter().collect(),
        };
        for id in to_ask {
            if self.child(id).is_some_and(|child| matches!(child.proc, Proc::Starting | Proc::Up)) {
                self.ask(id);
            }
        }
        let (turn, aside): (Vec<Id>, Vec<Id>) = self.coming.iter().partition(|id| self.round.contains(id));
        for id in aside {
            self.start(id);
        }
        if !self.going.is_empty() {
            return;
        }
        let is_starting = |id: &Id| self.child(*id).is_some_and(|child| child.proc == Proc::Starting);
        let first = self.round.iter().copied().find(|id| turn.contains(id) || is_starting(id));
        match (first, self.phase) {
            (Some(id), _) if turn.contains(&id) => self.start(id),
            (Some(_), _) => {}
            (None, Phase::Ending(why)) => {
                self.phase = Phase::Gone;
                self.deeds.push(Deed::Exit(why));
            }
            (None, phase) => {
                self.round.clear();
                if phase == Phase::Init {
                    self.phase = Phase::Running;
                    self.deeds.push(Deed::Ready);
                }
            }
        }
    }

    pub(super) fn ask(&mut self, id: Id) {
        let dead = self.mailbox.iter().position(|waits| matches!(waits, Happening::Ended(of, _) if *of == id));
        let Some(child) = self.find(id) else { return };
        let (proc, deed) = match child.spec.brutal {
            true => (Proc::Killed, Deed::Kill(id)),
            false => (Proc::Asked, Deed::Ask(id)),
        };
        child.proc = proc;
        self.deeds.push(deed);
        if let Some(dead) = dead {
            let exit = self.mailbox.remove(dead); // it finds it dead already
            self.take(exit);
        }
    }

    pub(super) fn start(&mut self, id: Id) {
        self.coming.retain(|coming| *coming != id);
        if let Some(child) = self.find(id) {
            child.proc = Proc::Starting;
            self.deeds.push(Deed::Spawn(id));
        }
    }

    /// Both lists in start order, nobody twice.
    fn sort(&mut self) {
        let order: Vec<Id> = self.children.iter().map(|child| child.spec.id).collect();
        for list in [&mut self.round, &mut self.going, &mut self.coming] {
            *list = order.iter().copied().filter(|id| list.contains(id)).collect();
        }
    }

    pub(super) fn join(&mut self, id: Id) {
        self.round.push(id);
        self.sort();
    }

    pub(super) fn forget(&mut self, id: Id) {
        self.let_go(id);
        self.children.retain(|child| child.spec.id != id);
        for list in [&mut self.round, &mut self.going, &mut self.coming] {
            list.retain(|member| *member != id);
        }
    }

    /// Nobody waits any more for one that is down.
    pub(super) fn let_go(&mut self, id: Id) {
        let Some(child) = self.find(id) else { return };
        let (start, end) = (std::mem::take(&mut child.wait_for_start), std::mem::take(&mut child.wait_for_end));
        self.answer(start, Said::NotRunning);
        self.answer(end, Said::Ok);
    }

    pub(super) fn answer(&mut self, tickets: Vec<u64>, said: Said) {
        self.deeds.extend(tickets.into_iter().map(|ticket| Deed::Answer(ticket, said)));
    }

    pub(super) fn forgets_the_dead(&self) -> bool {
        self.flags.kind == Kind::Simple && !self.departures.dynamic_children_have_names
    }

    pub(super) fn find(&mut self, id: Id) -> Option<&mut Child> {
        self.children.iter_mut().find(|child| child.spec.id == id)
    }
}
