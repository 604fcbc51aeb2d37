//! What a bot may say on the gateway, and what it is told (Discord documentation, "Gateway Events").

use serde_json::{Value, json};

use super::hub::op_frame;
use super::line::{Later, Outgoing};
use crate::events::SandboxEvent;
use crate::shared::State;
use crate::world::ids::Id;

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
    pub(crate) const SHARDING_REQUIRED: u16 = 4011;
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
            SHARDING_REQUIRED => "Sharding required.",
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
            (4, Some(_)) => {
                if !self.voice_state(connection, data) {
                    self.close(connection, close::DECODE_ERROR);
                }
            }
            (31, Some(session)) => {
                if !self.soundboard_sounds(connection, &session, data) {
                    self.close(connection, close::DECODE_ERROR);
                }
            }
            _ => self.close(connection, close::UNKNOWN_OPCODE),
        }
    }

    pub(crate) fn close(&mut self, connection: u64, code: u16) {
        self.hub.close(connection, Some(code), &mut self.journal, self.now_ms);
    }

    fn heartbeat(&mut self, connection: u64, data: &Value) {
        let shard = self.hub.lines.get(&connection).and_then(|line| line.shard);
        self.journal.record(SandboxEvent::Heartbeat { shard, seq: data.as_u64() });
        match self.standing.ack_delay_ms {
            _ if self.standing.acks_stopped => {}
            0 => self.hub.send_op(connection, 11, &Value::Null),
            millis => {
                let ack = Later::Frame(Outgoing::Text(op_frame(11, &Value::Null)));
                self.hub.send_later(connection, self.now_ms + millis, ack);
            }
        }
    }

    /// Opcode 3; false when it does not fit the documentation.
    pub(crate) fn presence(&mut self, connection: u64, data: &Value) -> bool {
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

    /// Opcode 31: the sounds of guilds, none of which has any here; false when it does not fit the documentation. A guild
    /// that the session does not hear of gets no answer.
    fn soundboard_sounds(&mut self, connection: u64, session: &str, data: &Value) -> bool {
        let ids =
            data["guild_ids"].as_array().and_then(|ids| ids.iter().map(Id::from_json).collect::<Option<Vec<Id>>>());
        let Some(ids) = ids else { return false };
        for guild in ids {
            let covered = self.hub.sessions.get(session).is_some_and(|session| session.covers(Some(guild)));
            if covered && self.world.guild(guild).is_ok() {
                let body = json!({ "guild_id": guild, "soundboard_sounds": [] });
                self.send_event(connection, "SOUNDBOARD_SOUNDS", &body.to_string());
            }
        }
        true
    }

    /// Opcode 4: the bot joins, changes or (without a channel) leaves a voice channel; false when it does not
    /// fit the documentation. There is no voice server, which is what an address of null says.
    fn voice_state(&mut self, connection: u64, data: &Value) -> bool {
        let session = self.hub.lines.get(&connection).and_then(|line| line.session.clone());
        let Some(session) = session.and_then(|id| self.hub.sessions.get(&id)) else { return true };
        let Some(guild) = Id::from_json(&data["guild_id"]).filter(|guild| session.covers(Some(*guild))) else {
            return false;
        };
        let (Some(mute), Some(deaf)) = (data["self_mute"].as_bool(), data["self_deaf"].as_bool()) else { return false };
        let wanted = Id::from_json(&data["channel_id"]);
        if wanted.is_none() && !data["channel_id"].is_null() {
            return false;
        }
        // What is unknown here, or cannot be joined, is passed over in silence.
        let Ok(home) = self.world.guild(guild) else { return true };
        let Some(channel) = wanted
            .map(|id| home.channel(id).filter(|channel| channel.is_voice()))
            .map_or(Some(None), |found| found.map(|channel| Some(channel.id)))
        else {
            return true;
        };
        let state = json!({
            "guild_id": guild, "channel_id": channel, "user_id": self.world.bot,
            "member": home.members.get(&self.world.bot), "session_id": session.id, "deaf": false, "mute": false,
            "self_deaf": deaf, "self_mute": mute, "self_video": false, "suppress": false,
            "request_to_speak_timestamp": null,
        });
        self.world.outbox.bot_event("VOICE_STATE_UPDATE", guild, &state);
        if channel.is_some() {
            let token = format!("{:016x}", guild.0);
            let server = json!({ "token": token, "guild_id": guild, "endpoint": null });
            self.world.outbox.guild_event("VOICE_SERVER_UPDATE", guild, &server);
        }
        let channel = channel.map(|channel| channel.0);
        self.journal.record(SandboxEvent::VoiceState { guild: guild.0, channel, self_mute: mute, self_deaf: deaf });
        true
    }
}
