//! Making trouble: what each fault does to the state.

use serde_json::json;

use crate::events::Side;
use crate::faults::{Fault, RestFault, Standing};
use crate::gateway::line::Outgoing;
use crate::gateway::session::{Frame, Session};
use crate::gateway::stream::Stream;
use crate::handle::Sandbox;
use crate::shared::State;
use crate::world::ids::{Id, shard_of};

impl Sandbox {
    /// Makes trouble as told. It has begun when this returns: events from now on find it.
    pub fn fault(&self, fault: Fault) {
        self.shared.with(|state| state.make(fault, None));
    }
}

impl State {
    pub(crate) fn make(&mut self, fault: Fault, shard: Option<u32>) {
        let now_ms = self.now_ms;
        let standing = &mut self.standing;
        match fault {
            Fault::OnShard { shard, fault } => return self.make(*fault, Some(shard)),
            Fault::CutConnection { shard: only } => self.each_line(shard.or(only), |state, line| {
                state.hub.cut(line, &mut state.journal, now_ms);
            }),
            Fault::ResetConnection { shard: only } => self.each_line(shard.or(only), |state, line| {
                state.hub.reset(line, &mut state.journal, now_ms);
            }),
            Fault::CutEvery { events, times } => standing.cut_every = some(times, events),
            Fault::CloseEmpty => self.each_line(shard, |state, line| {
                state.hub.close(line, None, &mut state.journal, now_ms);
            }),
            Fault::CloseWith { code } => self.each_line(shard, |state, line| state.close(line, code)),
            Fault::Reconnect => self.each_line(shard, |state, line| state.hub.send_op(line, 7, &json!(null))),
            Fault::InvalidSession { resumable } => self.each_line(shard, |state, line| {
                state.hub.send_op(line, 9, &json!(resumable));
                state.hub.detach(line, !resumable, now_ms);
            }),
            Fault::StopAcks => standing.acks_stopped = true,
            Fault::ResumeAcks => standing.acks_stopped = false,
            Fault::AskHeartbeat => self.each_line(shard, |state, line| state.hub.send_op(line, 1, &json!(null))),
            Fault::SendRaw { text } => {
                let frame = Frame::new(text).odd();
                self.each_line(shard, |state, line| state.hub.send(line, Outgoing::Text(frame.clone())));
            }
            Fault::SendBinary { bytes } => {
                self.each_line(shard, |state, line| state.hub.send(line, Outgoing::Binary(bytes.clone().into())));
            }
            Fault::Dispatch { name, data } => {
                self.each_line(shard, |state, line| state.dispatch_raw(line, &name, &data));
            }
            Fault::Flood { name, data, events } => self.each_line(shard, |state, line| {
                state.stream(line, Stream::flood(name.clone(), data.clone(), events));
            }),
            Fault::Traffic { mix, per_second, events } => self.each_line(shard, |state, line| {
                state.stream(line, Stream::traffic(mix.clone(), per_second, events));
            }),
            Fault::Mutated { seed, events } => self.each_line(shard, |state, line| {
                state.stream(line, Stream::mutated(seed, events));
            }),
            Fault::HugeGuild { bytes } => self.each_line(shard, |state, line| state.huge_guild(line, bytes)),
            Fault::MemberChunks { trouble, times } => standing.chunks = some(times, trouble),
            Fault::ResumeUrl { url } => standing.resume_url = url,
            Fault::DelayAcks { millis } => standing.ack_delay_ms = millis,
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
            Fault::ClockSkew { millis } => standing.skew_ms = millis,
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

    fn each_line(&mut self, shard: Option<u32>, act: impl Fn(&mut State, u64)) {
        for line in self.hub.open_lines(shard) {
            act(self, line);
        }
    }

    fn session_of(&mut self, connection: u64) -> Option<&mut Session> {
        let id = self.hub.lines.get(&connection)?.session.as_ref()?;
        self.hub.sessions.get_mut(id)
    }

    fn dispatch_raw(&mut self, connection: u64, name: &str, data: &str) {
        if let Some(frame) = self.session_of(connection).map(|session| session.push_odd(name, data)) {
            self.journal.stats.dispatches += 1;
            self.hub.send(connection, Outgoing::Text(frame));
        }
    }

    fn stream(&mut self, connection: u64, stream: Stream) {
        if let Some(session) = self.session_of(connection) {
            session.stream = Some(stream);
        }
        if let Some(line) = self.hub.lines.get(&connection) {
            line.wake.notify_one();
        }
    }

    fn huge_guild(&mut self, connection: u64, bytes: usize) {
        let Some(shard) = self.session_of(connection).map(|session| (session.shard, session.shards)) else { return };
        // An id of the next moment that falls to the session's shard.
        let mut id = self.world.ids.next(self.now_ms);
        while shard_of(id, shard.1) != shard.0 {
            id = Id(id.0 + (1 << 22));
        }
        if let Ok(body) = self.world.huge_guild(id, bytes) {
            self.send_event(connection, "GUILD_CREATE", &body);
        }
    }
}

fn some<T>(times: u32, value: T) -> Option<(u32, T)> {
    (times > 0).then_some((times, value))
}
