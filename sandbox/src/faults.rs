//! Trouble on order: what a test can make the sandbox do wrong.

/// One fault. Those of the gateway act on every open connection, unless they name a shard.
///
/// A REST `route` is `"POST /channels/{channel_id}/messages"` (method and path template as in the parity
/// table), a template alone (any method), a beginning followed by `*`, or `"*"` for every route.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// Makes a fault of the gateway act on one shard's connections only.
    OnShard {
        /// Shard number.
        shard: u32,
        /// The fault; one that stands for the future stands for all shards.
        fault: Box<Fault>,
    },
    /// Ends the TCP connection without a close frame; the session stays.
    CutConnection {
        /// Only this shard's; `None` for all.
        shard: Option<u32>,
    },
    /// As [`Fault::CutConnection`] by a TCP reset, which loses what is still on its way.
    ResetConnection {
        /// Only this shard's; `None` for all.
        shard: Option<u32>,
    },
    /// Ends each connection as [`Fault::CutConnection`] does once it has carried so many events, GUILD_CREATEs
    /// and replays among them: always after the same event, however fast the bot reads.
    CutEvery {
        /// Events of one connection; 0 ends it after HELLO.
        events: u64,
        /// How many connections.
        times: u32,
    },
    /// Closes with an empty close frame; the session stays.
    CloseEmpty,
    /// Closes with this code. 1000, 1001, 4004, 4007, 4009 and 4010 to 4014 end the session.
    CloseWith {
        /// WebSocket close code.
        code: u16,
    },
    /// Asks to reconnect (opcode 7).
    Reconnect,
    /// Says that the session is invalid (opcode 9); it ends unless `resumable`.
    InvalidSession {
        /// Whether the bot may resume.
        resumable: bool,
    },
    /// Answers no heartbeat any more.
    StopAcks,
    /// Answers heartbeats again.
    ResumeAcks,
    /// Answers heartbeats so much later from now on; events still flow. 0 ends it.
    DelayAcks {
        /// Delay in milliseconds.
        millis: u64,
    },
    /// Asks for a heartbeat (opcode 1).
    AskHeartbeat,
    /// Sends a text frame exactly as given, outside sequence numbers and replay.
    SendRaw {
        /// The frame.
        text: String,
    },
    /// Sends a binary frame exactly as given.
    SendBinary {
        /// The frame.
        bytes: Vec<u8>,
    },
    /// Sends an event with the next sequence number; it is replayed on RESUME like any other.
    Dispatch {
        /// Event name.
        name: String,
        /// The data, as JSON text, not checked.
        data: String,
    },
    /// Sends an event so many times, as fast as it is read, with `{n}` in the data replaced by 0, 1, 2 and so
    /// on. They are made one by one, outlive a lost connection and are replayed on RESUME like any other.
    Flood {
        /// Event name.
        name: String,
        /// The data, as JSON text, not checked.
        data: String,
        /// How many.
        events: u64,
    },
    /// Sends events in turn, as their names and data follow in the list, so many a second and so many in all, as a guild
    /// with much going on does. Otherwise as [`Fault::Flood`]; what a bot that reads too slowly has not taken in its
    /// second comes after it as fast as it is read.
    Traffic {
        /// Pairs of name and data, as JSON text, not checked.
        mix: Vec<(String, String)>,
        /// Events a second.
        per_second: u64,
        /// How many in all.
        events: u64,
    },
    /// Sends so many events whose data was changed at random ([`mutate`](crate::mutate())), with sequence numbers
    /// in order, as fast as they are read. A RESUME does not repeat them.
    Mutated {
        /// Seed of the changes.
        seed: u64,
        /// How many.
        events: u64,
    },
    /// Sends GUILD_CREATE of a guild with so many members that it has at least this size. No request finds
    /// the guild.
    HugeGuild {
        /// Size in bytes.
        bytes: usize,
    },
    /// What the next `times` requests for members get instead of their chunks in order.
    MemberChunks {
        /// What is wrong with them.
        trouble: ChunkTrouble,
        /// How many requests.
        times: u32,
    },
    /// READY tells this `resume_gateway_url` from now on; `None` tells the right one again.
    ResumeUrl {
        /// The address.
        url: Option<String>,
    },
    /// Drops the next `n` TCP connections to the gateway before the WebSocket handshake.
    RefuseConnections {
        /// How many.
        n: u32,
    },
    /// New connections get no HELLO until [`Fault::ReleaseHello`].
    HoldHello,
    /// New connections get HELLO again.
    ReleaseHello,
    /// The next `times` IDENTIFYs and RESUMEs are answered with opcode 9.
    RefuseSessions {
        /// How many; `u32::MAX` for ever.
        times: u32,
        /// The `d` of opcode 9.
        resumable: bool,
    },
    /// The next `times` IDENTIFYs are answered by closing with `code`.
    CloseOnIdentify {
        /// WebSocket close code.
        code: u16,
        /// How many.
        times: u32,
    },
    /// The next `times` RESUMEs succeed and are closed with `code` at once.
    CloseAfterResume {
        /// WebSocket close code.
        code: u16,
        /// How many.
        times: u32,
    },
    /// The next `times` RESUMEs replay `events` more events than were missed.
    ReplayOverlap {
        /// Events sent again though the bot has them.
        events: u64,
        /// How many resumes.
        times: u32,
    },
    /// Sets what `GET /gateway/bot` says of session starts.
    SessionStartLimit {
        /// Session starts left.
        remaining: u32,
        /// Time until they are 1,000 again, in milliseconds.
        reset_after_ms: u64,
    },
    /// REST answers tell a time of day (`Date`, `X-RateLimit-Reset`) that is off by so much; 0 ends it. What they say
    /// of durations stays true.
    ClockSkew {
        /// How far it is ahead, in milliseconds; less than 0: behind.
        millis: i64,
    },
    /// Answers with this status and body; the request has no effect.
    RestStatus {
        /// Route pattern.
        route: String,
        /// HTTP status.
        status: u16,
        /// Body as given.
        body: String,
        /// How many requests.
        times: u32,
    },
    /// Waits before the request is looked at.
    RestDelay {
        /// Route pattern.
        route: String,
        /// Wait in milliseconds.
        millis: u64,
        /// How many requests.
        times: u32,
    },
    /// Answers 429; the request has no effect.
    Rest429 {
        /// Route pattern.
        route: String,
        /// Time told in `Retry-After` and `retry_after`, in milliseconds.
        retry_after_ms: u64,
        /// The `global` flag and header.
        global: bool,
        /// `X-RateLimit-Scope`: `user`, `global` or `shared`.
        scope: String,
        /// A page of HTML without any rate-limit header, as a proxy in front of Discord sends.
        html: bool,
        /// How many requests.
        times: u32,
    },
    /// Carries the request out and answers 200 with JSON that breaks off.
    RestMalformed {
        /// Route pattern.
        route: String,
        /// How many requests.
        times: u32,
    },
    /// Carries the request out and breaks the connection in the middle of the answer.
    RestCutBody {
        /// Route pattern.
        route: String,
        /// How many requests.
        times: u32,
    },
    /// Carries the request out and sends the answer's body byte by byte.
    RestSlowBody {
        /// Route pattern.
        route: String,
        /// Wait before each byte, in milliseconds.
        millis: u64,
        /// How many requests.
        times: u32,
    },
    /// Carries the request out and sends a body of blanks that never ends.
    RestEndlessBody {
        /// Route pattern.
        route: String,
        /// How many requests.
        times: u32,
    },
    /// While true, every REST request is answered 401 and every IDENTIFY and RESUME closed with 4004.
    Unauthorized(bool),
    /// Ends every fault that still has times to go.
    Clear,
}

/// What is wrong with the chunks that answer a request for members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkTrouble {
    /// One is never sent.
    Missing {
        /// Its `chunk_index`.
        index: usize,
    },
    /// One comes after the others, so much later; it is lost with the connection.
    Late {
        /// Its `chunk_index`.
        index: usize,
        /// Delay in milliseconds.
        millis: u64,
    },
    /// The last comes first.
    Reversed,
}

/// Standing faults, with the times they have left.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    pub acks_stopped: bool,
    pub ack_delay_ms: u64,
    pub cut_every: Option<(u32, u64)>,
    pub resume_url: Option<String>,
    pub chunks: Option<(u32, ChunkTrouble)>,
    pub hello_held: bool,
    pub unauthorized: bool,
    pub skew_ms: i64,
    pub refuse_connections: u32,
    pub refuse_sessions: Option<(u32, bool)>,
    pub close_on_identify: Option<(u32, u16)>,
    pub close_after_resume: Option<(u32, u16)>,
    pub replay_overlap: Option<(u32, u64)>,
    rest: Vec<(String, u32, RestFault)>,
}

/// What to do to one REST request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RestFault {
    Status { status: u16, body: String },
    Delay { millis: u64 },
    Limited { retry_after_ms: u64, global: bool, scope: String, html: bool },
    Malformed,
    CutBody,
    SlowBody { millis: u64 },
    EndlessBody,
}

/// Faults of one request that stand at most; older ones are dropped.
const REST_FAULTS_MAX: usize = 1_024;

impl Standing {
    pub(crate) fn add_rest(&mut self, route: String, times: u32, fault: RestFault) {
        if self.rest.len() == REST_FAULTS_MAX {
            self.rest.remove(0);
        }
        self.rest.push((route, times, fault));
    }

    /// Takes the faults of one request, counting them down: at most one delay and one other.
    pub(crate) fn take_rest(&mut self, method: &str, template: &str) -> (Option<u64>, Option<RestFault>) {
        let (mut delay, mut other) = (None, None);
        for (route, times, fault) in &mut self.rest {
            if *times == 0 || !matches(route, method, template) {
                continue;
            }
            match fault {
                RestFault::Delay { millis } if delay.is_none() => delay = Some(*millis),
                RestFault::Delay { .. } => continue,
                fault if other.is_none() => other = Some(fault.clone()),
                _ => continue,
            }
            *times -= 1;
        }
        self.rest.retain(|(_, times, _)| *times > 0);
        (delay, other)
    }
}

/// Counts down a fault with times left and gives its parameter; `u32::MAX` times never end.
pub(crate) fn take<T: Copy>(slot: &mut Option<(u32, T)>) -> Option<T> {
    let (times, value) = slot.as_mut()?;
    let value = *value;
    if *times != u32::MAX {
        *times = times.saturating_sub(1);
    }
    if *times == 0 {
        *slot = None;
    }
    Some(value)
}

/// Whether a route pattern is about an operation.
pub(crate) fn matches(route: &str, method: &str, template: &str) -> bool {
    let (wanted_method, path) = route.split_once(' ').map_or((None, route), |(method, path)| (Some(method), path));
    if wanted_method.is_some_and(|wanted| !wanted.eq_ignore_ascii_case(method)) {
        return false;
    }
    match path.strip_suffix('*') {
        Some(beginning) => template.starts_with(beginning),
        None => template == path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_fault_acts_as_often_as_it_was_told() {
        let mut standing = Standing::default();
        standing.add_rest("POST /channels/*".into(), 2, RestFault::Malformed);
        standing.add_rest("*".into(), 1, RestFault::Delay { millis: 5 });
        let template = "/channels/{channel_id}/messages";
        assert_eq!(standing.take_rest("GET", template), (Some(5), None));
        assert_eq!(standing.take_rest("POST", template), (None, Some(RestFault::Malformed)));
        assert_eq!(standing.take_rest("POST", template), (None, Some(RestFault::Malformed)));
        assert_eq!(standing.take_rest("POST", template), (None, None));
    }
}
