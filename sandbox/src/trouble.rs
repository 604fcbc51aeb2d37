//! Making trouble: what each fault does to the state.

use serde_json::json;

use crate::events::Side;
use crate::faults::{Fault, RestFault, Standing};
use crate::gateway::hub::Outgoing;
use crate::handle::Sandbox;
use crate::shared::State;

impl Sandbox {
    /// Makes trouble as told. It has begun when this returns: events from now on find it.
    pub fn fault(&self, fault: Fault) {
        self.shared.with(|state| state.make(fault));
    }
}

impl State {
    fn make(&mut self, fault: Fault) {
        let now_ms = self.now_ms;
        let standing = &mut self.standing;
        match fault {
            Fault::CutConnection { shard } => {
                for line in self.hub.open_lines(shard) {
                    self.hub.cut(line, &mut self.journal, now_ms);
                }
            }
            Fault::CloseWith { code } => self.each_line(|state, line| state.close(line, code)),
            Fault::Reconnect => self.each_line(|state, line| state.hub.send_op(line, 7, &json!(null))),
            Fault::InvalidSession { resumable } => self.each_line(|state, line| {
                state.hub.send_op(line, 9, &json!(resumable));
                state.hub.detach(line, !resumable, now_ms);
            }),
            Fault::StopAcks => standing.acks_stopped = true,
            Fault::ResumeAcks => standing.acks_stopped = false,
            Fault::AskHeartbeat => self.each_line(|state, line| state.hub.send_op(line, 1, &json!(null))),
            Fault::SendRaw { text } => {
                self.each_line(|state, line| state.hub.send(line, Outgoing::Text(text.as_str().into())));
            }
            Fault::SendBinary { bytes } => {
                self.each_line(|state, line| state.hub.send(line, Outgoing::Binary(bytes.clone().into())));
            }
            Fault::Dispatch { name, data } => self.each_line(|state, line| state.dispatch_raw(line, &name, &data)),
            Fault::RefuseConnections { n } => standing.refuse_connections = n,
            Fault::HoldHello => standing.hello_held = true,
            Fault::ReleaseHello => standing.hello_held = false,
            Fault::RefuseSessions { times, resumable } => standing.refuse_sessions = some(times, resumable),
            Fault::CloseOnIdentify { code, times } => standing.close_on_identify = some(times, code),
            Fault::CloseAfterResume { code, times } => standing.close_after_resume = some(times, code),
            Fault::ReplayOverlap { events, times } => standing.replay_overlap = some(times, events),
            Fault::SessionStartLimit { remaining, reset_after_ms } => {
                self.starts.set(remaining, reset_after_ms, now_ms);
            }
            Fault::RestStatus { route, status, body, times } => {
                standing.add_rest(route, times, RestFault::Status { status, body });
            }
            Fault::RestDelay { route, millis, times } => standing.add_rest(route, times, RestFault::Delay { millis }),
            Fault::Rest429 { route, retry_after_ms, global, scope, html, times } => {
                standing.add_rest(route, times, RestFault::Limited { retry_after_ms, global, scope, html });
            }
            Fault::RestMalformed { route, times } => standing.add_rest(route, times, RestFault::Malformed),
            Fault::RestCutBody { route, times } => standing.add_rest(route, times, RestFault::CutBody),
            Fault::RestSlowBody { route, millis, times } => {
                standing.add_rest(route, times, RestFault::SlowBody { millis });
            }
            Fault::RestEndlessBody { route, times } => standing.add_rest(route, times, RestFault::EndlessBody),
            Fault::Unauthorized(unauthorized) => standing.unauthorized = unauthorized,
            Fault::Clear => *standing = Standing::default(),
        }
        tracing::debug!(by = Side::Sandbox.name(), "a fault was made");
    }

    fn each_line(&mut self, act: impl Fn(&mut State, u64)) {
        for line in self.hub.open_lines(None) {
            act(self, line);
        }
    }

    fn dispatch_raw(&mut self, connection: u64, name: &str, data: &str) {
        let session = self.hub.lines.get(&connection).and_then(|line| line.session.clone());
        if let Some(session) = session.and_then(|id| self.hub.sessions.get_mut(&id)) {
            let frame = session.push(name, data);
            self.journal.stats.dispatches += 1;
            self.hub.send(connection, Outgoing::Text(frame));
        }
    }
}

fn some<T>(times: u32, value: T) -> Option<(u32, T)> {
    (times > 0).then_some((times, value))
}
