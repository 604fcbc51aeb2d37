//! `start_child`, `terminate_child`, `restart_child`, `delete_child`.

use super::{Caller, Child, Happening, Id, Kind, Model, Proc, Said, Then, Type};

impl Model {
    pub(super) fn call(&mut self, call: Happening) -> Option<Said> {
        match call {
            Happening::StartChild(spec, ticket) => match self.child(spec.id) {
                Some(child) if child.proc != Proc::None => Some(Said::AlreadyStarted),
                Some(_) => Some(Said::AlreadyPresent),
                None => {
                    let mut child = Child::new(spec, Caller::StartChild);
                    child.wait_for_start.push(ticket);
                    self.children.push(child);
                    self.come(spec.id);
                    None
                }
            },
            Happening::Terminate(id, ticket) => self.terminate(id, ticket),
            Happening::Restart(id, ticket) => {
                let Some(child) = self.child(id) else { return Some(Said::NotFound) };
                match child.proc {
                    _ if self.forgets_the_dead() => Some(Said::Simple),
                    Proc::Up | Proc::Starting => Some(Said::Running),
                    Proc::Asked | Proc::Killed => Some(Said::Stopping),
                    Proc::None if self.coming.contains(&id) => Some(Said::Restarting),
                    Proc::None => {
                        if let Some(child) = self.find(id) {
                            child.caller = Caller::RestartChild;
                            child.wait_for_start.push(ticket);
                        }
                        self.come(id);
                        None
                    }
                }
            }
            Happening::Delete(id, _) => match self.child(id) {
                None => Some(Said::NotFound),
                Some(_) if self.forgets_the_dead() => Some(Said::Simple),
                Some(child) if child.proc != Proc::None => Some(Said::Running),
                Some(_) if self.coming.contains(&id) => Some(Said::Restarting),
                Some(_) => {
                    self.forget(id);
                    Some(Said::Ok)
                }
            },
            _ => None,
        }
    }

    fn terminate(&mut self, id: Id, ticket: u64) -> Option<Said> {
        let in_round = self.round.contains(&id);
        let Some(child) = self.find(id) else { return Some(Said::NotFound) };
        let tickets = std::mem::take(&mut child.wait_for_start);
        let forgets = child.spec.restart == Type::Temporary || child.then == Some(Then::BeForgotten);
        let there = child.proc != Proc::None;
        let asked = matches!(child.proc, Proc::Asked | Proc::Killed);
        if there {
            child.then = Some(if forgets { Then::BeForgotten } else { Then::StayDown });
            child.wait_for_end.push(ticket);
        }
        self.answer(tickets, Said::Stopping);
        self.coming.retain(|coming| *coming != id);
        match (there, in_round) {
            (true, true) => self.going.push(id), // in its turn
            (true, false) if asked => {}
            (true, false) => self.ask(id),
            (false, _) => {
                if forgets || self.forgets_the_dead() {
                    self.forget(id);
                }
                return Some(Said::Ok);
            }
        }
        None
    }

    /// It is to be started: behind those whose turn is before its own, where there is an order to keep.
    pub(super) fn come(&mut self, id: Id) {
        self.coming.push(id);
        if matches!(self.flags.kind, Kind::OneForAll | Kind::RestForOne) && !self.round.is_empty() {
            self.join(id);
        } else {
            self.round.retain(|member| *member != id);
        }
    }
}
