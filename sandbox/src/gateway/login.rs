//! How a session begins (IDENTIFY) and comes back (RESUME).

use rand::Rng;
use serde_json::{Value, json};

use super::frames::close;
use super::intents;
use super::line::Outgoing;
use super::session::{LARGE_THRESHOLD, NoReplay, Session};
use crate::events::SandboxEvent;
use crate::faults::take;
use crate::shared::State;
use crate::world::APPLICATION_FLAGS;
use crate::world::ids::shard_of;

impl State {
    pub(crate) fn identify(&mut self, connection: u64, data: &Value) {
        if let Some(code) = take(&mut self.standing.close_on_identify) {
            return self.close(connection, code);
        }
        if let Some(resumable) = take(&mut self.standing.refuse_sessions) {
            self.journal.record(SandboxEvent::IdentifyRefused { resumable });
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
        if self.world.guilds.keys().filter(|guild| shard_of(**guild, shards) == shard).count()
            > self.config.guilds_per_shard_max as usize
        {
            return self.close(connection, close::SHARDING_REQUIRED);
        }
        if !self.starts.identify_due(shard, self.now_ms) {
            self.journal.record(SandboxEvent::IdentifyTooSoon { shard, shards });
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
        let threshold = data["large_threshold"].as_u64().map_or(LARGE_THRESHOLD, |n| n.clamp(50, 250) as usize);
        self.begin_session(connection, (shard, shards), wanted, compressed, threshold);
        if data["presence"].is_object() && !self.presence(connection, &data["presence"]) {
            self.close(connection, close::DECODE_ERROR);
        }
    }

    fn begin_session(
        &mut self,
        connection: u64,
        (shard, shards): (u32, u32),
        wanted: u64,
        compressed: bool,
        large_threshold: usize,
    ) {
        let id = format!("{:032x}", self.world.random.random::<u128>());
        let mut session = Session::new(id.clone(), shard, shards, wanted, self.config.replay_events);
        let world = &self.world;
        let guilds = || world.guilds.values().filter(|guild| session.covers(Some(guild.id)));
        let listed: Vec<Value> = guilds().map(|guild| json!({ "id": guild.id, "unavailable": true })).collect();
        let awaiting = guilds().filter(|guild| !guild.unavailable).map(|guild| guild.id).collect();
        let resume_url = self.standing.resume_url.as_ref().unwrap_or(&self.gateway_url);
        let ready = json!({
            "v": 10, "user": world.users.get(&world.bot).map(|bot| bot.as_current()), "guilds": listed,
            "session_id": id, "session_type": "normal", "resume_gateway_url": resume_url,
            "shard": [shard, shards], "application": { "id": world.application, "flags": APPLICATION_FLAGS },
            "private_channels": [], "presences": [], "relationships": [], "guild_join_requests": [],
            "user_settings": {}, "geo_ordered_rtc_regions": [], "auth": {}, "_trace": ["[\"sandbox\",{}]"],
        });
        session.awaiting = awaiting;
        session.compressed = compressed;
        session.large_threshold = large_threshold;
        self.world.outbox.blind_listeners |= wanted & intents::MESSAGE_CONTENT == 0;
        let frame = session.push("READY", &ready.to_string());
        self.journal.stats.dispatches += 1;
        self.hub.sessions.insert(id.clone(), session);
        self.hub.send(connection, Outgoing::Text(frame));
        self.hub.attach(connection, &id);
        self.journal.record(SandboxEvent::Identify { shard, shards, session: id, intents: wanted });
    }

    pub(crate) fn resume(&mut self, connection: u64, data: &Value) {
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
        let replayed = frames.len() as u64;
        if let Some(old) = session.connection {
            // A session has one connection: the newcomer takes it over.
            self.hub.cut(old, &mut self.journal, self.now_ms);
        }
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
}
