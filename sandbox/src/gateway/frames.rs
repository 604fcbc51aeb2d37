//! What a bot may say on the gateway, and what it is told (Discord documentation, "Gateway Events").

use rand::Rng;
use serde_json::{Value, json};

use super::hub::Outgoing;
use super::intents;
use super::session::{NoReplay, Session};
use crate::events::SandboxEvent;
use crate::faults::take;
use crate::shared::State;
use crate::world::APPLICATION_FLAGS;

/// Bytes of a frame that a bot may send; more closes with 4002.
const FRAME_MAX: usize = 4_096;
/// The time that `sends_per_minute` counts over.
const MINUTE_MS: u64 = 60_000;

/// Close codes (Discord documentation, "Gateway Close Event Codes").
pub(crate) mod close {
    pub(crate) const UNKNOWN_OPCODE: u16 = 4001;
    pub(crate) const DECODE_ERROR: u16 = 4002;
    pub(crate) const NOT_AUTHENTICATED: u16 = 4003;
    pub(crate) const AUTHENTICATION_FAILED: u16 = 4004;
    pub(crate) const ALREADY_AUTHENTICATED: u16 = 4005;
    pub(crate) const RATE_LIMITED: u16 = 4008;
    pub(crate) const INVALID_SHARD: u16 = 4010;
    pub(crate) const INVALID_VERSION: u16 = 4012;
    pub(crate) const INVALID_INTENTS: u16 = 4013;
    pub(crate) const DISALLOWED_INTENTS: u16 = 4014;

    /// Discord's words for a code.
    pub(crate) fn reason(code: u16) -> &'static str {
        match code {
            4000 => "Unknown error",
            UNKNOWN_OPCODE => "Unknown opcode",
            DECODE_ERROR => "Error while decoding payload.",
            NOT_AUTHENTICATED => "Not authenticated.",
            AUTHENTICATION_FAILED => "Authentication failed.",
            ALREADY_AUTHENTICATED => "Already authenticated.",
            4007 => "Invalid seq",
            RATE_LIMITED => "You are being rate limited.",
            4009 => "Session timed out",
            INVALID_SHARD => "Invalid shard.",
            4011 => "Sharding required.",
            INVALID_VERSION => "Invalid API version.",
            INVALID_INTENTS => "Invalid intent(s).",
            DISALLOWED_INTENTS => "Disallowed intent(s).",
            _ => "",
        }
    }
}

impl State {
    /// Greets a new connection, unless HELLO is held back.
    pub(crate) fn hello(&mut self, connection: u64) {
        self.journal.record(SandboxEvent::Connected { connection });
        if !self.standing.hello_held {
            let interval = self.config.heartbeat_interval_ms;
            let trace = json!(["[\"sandbox\",{}]"]);
            self.hub.send_op(connection, 10, &json!({ "heartbeat_interval": interval, "_trace": trace }));
        }
    }

    /// Takes one text frame from a bot.
    pub(crate) fn frame(&mut self, connection: u64, text: &str) {
        self.journal.stats.frames_received += 1;
        let now_ms = self.now_ms;
        let Some(line) = self.hub.lines.get_mut(&connection).filter(|line| !line.ended) else { return };
        line.received_ms.push_back(now_ms);
        while line.received_ms.front().is_some_and(|at| at + MINUTE_MS <= now_ms) {
            line.received_ms.pop_front();
        }
        let (too_many, session) =
            (line.received_ms.len() > self.config.sends_per_minute as usize, line.session.clone());
        if too_many {
            return self.close(connection, close::RATE_LIMITED);
        }
        let parsed = if text.len() > FRAME_MAX { None } else { serde_json::from_str::<Value>(text).ok() };
        let Some((frame, op)) = parsed.and_then(|frame| frame["op"].as_u64().map(|op| (frame, op))) else {
            return self.close(connection, close::DECODE_ERROR);
        };
        let data = &frame["d"];
        match (op, session) {
            (1, _) => self.heartbeat(connection, data),
            (2, None) => self.identify(connection, data),
            (6, None) => self.resume(connection, data),
            (2 | 6, Some(_)) => self.close(connection, close::ALREADY_AUTHENTICATED),
            (3 | 4 | 8 | 31, None) => self.close(connection, close::NOT_AUTHENTICATED),
            (3, Some(_)) => {
                if !self.presence(connection, data) {
                    self.close(connection, close::DECODE_ERROR);
                }
            }
            (8, Some(session)) => self.request_members(connection, &session, data),
            (4 | 31, Some(_)) => {
                let method = "GATEWAY".to_owned();
                self.journal.record(SandboxEvent::Unimplemented { method, path: format!("opcode {op}") });
            }
            _ => self.close(connection, close::UNKNOWN_OPCODE),
        }
    }

    pub(crate) fn close(&mut self, connection: u64, code: u16) {
        self.hub.close(connection, code, &mut self.journal, self.now_ms);
    }

    fn heartbeat(&mut self, connection: u64, data: &Value) {
        let shard = self.hub.lines.get(&connection).and_then(|line| line.shard);
        self.journal.record(SandboxEvent::Heartbeat { shard, seq: data.as_u64() });
        if !self.standing.acks_stopped {
            self.hub.send_op(connection, 11, &Value::Null);
        }
    }

    fn identify(&mut self, connection: u64, data: &Value) {
        if let Some(code) = take(&mut self.standing.close_on_identify) {
            return self.close(connection, code);
        }
        if let Some(resumable) = take(&mut self.standing.refuse_sessions) {
            return self.hub.send_op(connection, 9, &json!(resumable));
        }
        let (shard, shards) = match data.get("shard") {
            None | Some(Value::Null) => (0, 1),
            Some(pair) => match (pair[0].as_u64(), pair[1].as_u64()) {
                (Some(shard), Some(shards)) if shard < shards && shards <= 65_536 => (shard as u32, shards as u32),
                _ => return self.close(connection, close::INVALID_SHARD),
            },
        };
        let Some(token) = data["token"].as_str().filter(|_| data["properties"].is_object()) else {
            return self.close(connection, close::DECODE_ERROR);
        };
        if !self.accepts_token(token) {
            return self.close(connection, close::AUTHENTICATION_FAILED);
        }
        let Some(wanted) = data["intents"].as_u64().filter(|bits| bits & !intents::ALL == 0) else {
            return self.close(connection, close::INVALID_INTENTS);
        };
        if wanted & !self.config.allowed_intents != 0 {
            return self.close(connection, close::DISALLOWED_INTENTS);
        }
        if !self.starts.identify_due(shard, self.now_ms) {
            return self.hub.send_op(connection, 9, &json!(false));
        }
        if !self.starts.spend(self.now_ms) {
            // Discord ends all sessions and resets the token of a bot that identifies too often.
            self.standing.unauthorized = true;
            for open in self.hub.open_lines(None) {
                self.close(open, close::AUTHENTICATION_FAILED);
            }
            return;
        }
        let compressed = data["compress"].as_bool().unwrap_or(false);
        self.begin_session(connection, shard, shards, wanted, compressed);
        if data["presence"].is_object() && !self.presence(connection, &data["presence"]) {
            self.close(connection, close::DECODE_ERROR);
        }
    }

    fn begin_session(&mut self, connection: u64, shard: u32, shards: u32, wanted: u64, compressed: bool) {
        let id = format!("{:032x}", self.world.random.random::<u128>());
        let mut session = Session::new(id.clone(), shard, shards, wanted, self.config.replay_events);
        let world = &self.world;
        let guilds = || world.guilds.values().filter(|guild| session.covers(Some(guild.id)));
        let listed: Vec<Value> = guilds().map(|guild| json!({ "id": guild.id, "unavailable": true })).collect();
        let awaiting = guilds().filter(|guild| !guild.unavailable).map(|guild| guild.id).collect();
        let ready = json!({
            "v": 10, "user": world.users.get(&world.bot).map(|bot| bot.as_current()), "guilds": listed,
            "session_id": id, "session_type": "normal", "resume_gateway_url": self.gateway_url,
            "shard": [shard, shards], "application": { "id": world.application, "flags": APPLICATION_FLAGS },
            "private_channels": [], "presences": [], "relationships": [], "guild_join_requests": [],
            "user_settings": {}, "geo_ordered_rtc_regions": [], "auth": {}, "_trace": ["[\"sandbox\",{}]"],
        });
        session.awaiting = awaiting;
        session.compressed = compressed;
        self.world.outbox.blind_listeners |= wanted & intents::MESSAGE_CONTENT == 0;
        let frame = session.push("READY", &ready.to_string());
        self.journal.stats.dispatches += 1;
        self.hub.sessions.insert(id.clone(), session);
        self.hub.send(connection, Outgoing::Text(frame));
        self.hub.attach(connection, &id);
        self.journal.record(SandboxEvent::Identify { shard, shards, session: id, intents: wanted });
    }

    fn resume(&mut self, connection: u64, data: &Value) {
        let (Some(id), Some(seq), Some(token)) =
            (data["session_id"].as_str(), data["seq"].as_u64(), data["token"].as_str())
        else {
            return self.close(connection, close::DECODE_ERROR);
        };
        if !self.accepts_token(token) {
            return self.close(connection, close::AUTHENTICATION_FAILED);
        }
        if let Some(resumable) = take(&mut self.standing.refuse_sessions) {
            return self.refuse_resume(connection, id, "on order", resumable);
        }
        self.hub.forget_old(self.now_ms);
        let Some(session) = self.hub.sessions.get(id) else {
            return self.refuse_resume(connection, id, "unknown or expired session", false);
        };
        let missed = session.replay(seq).map(|frames| frames.len() as u64);
        let overlap = take(&mut self.standing.replay_overlap).unwrap_or(0);
        let replay = missed.and_then(|_| session.replay(seq.saturating_sub(overlap)).or_else(|_| session.replay(seq)));
        let frames = match replay {
            Ok(frames) => frames,
            Err(NoReplay::TooNew) => return self.refuse_resume(connection, id, "seq was never sent", false),
            Err(NoReplay::TooOld) => return self.refuse_resume(connection, id, "seq is no longer kept", false),
        };
        if let Some(old) = session.connection {
            // A session has one connection: the newcomer takes it over.
            self.hub.cut(old, &mut self.journal, self.now_ms);
        }
        let replayed = frames.len() as u64;
        for frame in frames {
            self.hub.send(connection, Outgoing::Text(frame));
        }
        if let Some(session) = self.hub.sessions.get_mut(id) {
            let frame = session.push_unkept("RESUMED", "{\"_trace\":[\"[\\\"sandbox\\\",{}]\"]}");
            self.hub.send(connection, Outgoing::Text(frame));
        }
        self.hub.attach(connection, id);
        self.journal.record(SandboxEvent::Resume { session: id.to_owned(), seq, replayed });
        if let Some(code) = take(&mut self.standing.close_after_resume) {
            self.close(connection, code);
        }
    }

    fn refuse_resume(&mut self, connection: u64, session: &str, reason: &'static str, resumable: bool) {
        if !resumable {
            self.hub.sessions.remove(session);
        }
        self.hub.send_op(connection, 9, &json!(resumable));
        self.journal.record(SandboxEvent::ResumeRefused { session: session.to_owned(), reason });
    }

    /// Opcode 3; false when it does not fit the documentation.
    fn presence(&mut self, connection: u64, data: &Value) -> bool {
        let status = data["status"].as_str().unwrap_or_default();
        let known = matches!(status, "online" | "idle" | "dnd" | "invisible" | "offline");
        let Some(activities) = data["activities"].as_array().filter(|_| known) else { return false };
        let name = |activity: &Value| {
            let shown = if activity["type"] == 4 { &activity["state"] } else { &activity["name"] };
            shown.as_str().map(str::to_owned)
        };
        let Some(activities) = activities.iter().map(name).collect::<Option<Vec<_>>>() else { return false };
        let shard = self.hub.lines.get(&connection).and_then(|line| line.shard).unwrap_or(0);
        self.journal.record(SandboxEvent::Presence { shard, status: status.to_owned(), activities });
        true
    }
}
