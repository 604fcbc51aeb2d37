//! What happened, kept for onlookers: a bounded history, counters that never forget, a live stream.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::broadcast;

use crate::events::{BotMessage, SandboxEvent, Side};

/// Events that a subscriber may lag behind.
const LIVE_MAX: usize = 4_096;

/// Counters since the start; none is ever cut short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxStats {
    /// Gateway connections accepted.
    pub connections: u64,
    /// IDENTIFYs accepted.
    pub identifies: u64,
    /// IDENTIFYs answered with opcode 9 because they came too soon.
    pub identifies_too_soon: u64,
    /// IDENTIFYs answered with opcode 9 on order.
    pub identifies_refused: u64,
    /// RESUMEs accepted.
    pub resumes: u64,
    /// RESUMEs refused.
    pub resumes_refused: u64,
    /// Requests for all members of a guild that were answered with RATE_LIMITED.
    pub member_requests_refused: u64,
    /// Heartbeats received.
    pub heartbeats: u64,
    /// Frames received on the gateway.
    pub frames_received: u64,
    /// Events given to sessions, replays not counted.
    pub dispatches: u64,
    /// Events sent again by RESUMEs.
    pub replayed: u64,
    /// Connections ended, by close code (`None`: no close frame) and by whom.
    pub disconnects: BTreeMap<(Option<u16>, Side), u64>,
    /// Messages that the bot created in channels; answers to interactions are not among them.
    pub messages_received_from_bot: u64,
    /// First answers to interactions.
    pub interactions_answered: u64,
    /// REST requests, faults and refusals included.
    pub requests: u64,
    /// REST requests by `METHOD /path/template`; unknown routes count as `unimplemented`.
    pub requests_by_route: BTreeMap<String, u64>,
    /// REST answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// 429s that the sandbox's own limits caused, faults on order not counted.
    pub rate_limited: u64,
    /// The same by scope: `user`, `shared`, `global`, and `banned` once there were too many invalid requests.
    pub rate_limited_by_scope: BTreeMap<&'static str, u64>,
    /// Events that floods, traffic and mutations sent, by name; each once, however often a RESUME repeats it.
    pub streamed: BTreeMap<String, u64>,
    /// Requests answered 501.
    pub unimplemented: u64,
    /// Events dropped from the history because it was full.
    pub events_forgotten: u64,
}

/// History, counters and stream.
pub(crate) struct Journal {
    log: VecDeque<SandboxEvent>,
    messages: VecDeque<BotMessage>,
    kept: usize,
    pub stats: SandboxStats,
    live: broadcast::Sender<SandboxEvent>,
    /// Events recorded since the start.
    pub recorded: u64,
}

impl Journal {
    pub(crate) fn new(kept: usize) -> Journal {
        let kept = kept.max(1);
        let (live, _) = broadcast::channel(LIVE_MAX);
        Journal {
            log: VecDeque::new(),
            messages: VecDeque::new(),
            kept,
            stats: SandboxStats::default(),
            live,
            recorded: 0,
        }
    }

    pub(crate) fn record(&mut self, event: SandboxEvent) {
        self.count(&event);
        self.recorded += 1;
        if self.live.receiver_count() > 0 {
            // Fails only when the last receiver left in this instant, and then nobody misses it.
            self.live.send(event.clone()).ok();
        }
        if self.log.len() == self.kept {
            self.log.pop_front();
            self.stats.events_forgotten += 1;
        }
        self.log.push_back(event);
    }

    pub(crate) fn record_message(&mut self, message: BotMessage, author: u64) {
        self.stats.messages_received_from_bot += 1;
        let seen = message.clone();
        self.record(SandboxEvent::BotMessage {
            message: seen.message,
            channel: seen.channel,
            author,
            content: seen.content,
            reply_to: seen.reply_to,
            embeds: seen.embeds,
            pings: seen.pings,
        });
        if self.messages.len() == self.kept {
            self.messages.pop_front();
        }
        self.messages.push_back(message);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<SandboxEvent> {
        self.live.subscribe()
    }

    /// The kept events, oldest first.
    pub(crate) fn log(&self) -> &VecDeque<SandboxEvent> {
        &self.log
    }

    /// The kept messages of the bot, oldest first.
    pub(crate) fn messages(&self) -> &VecDeque<BotMessage> {
        &self.messages
    }

    fn count(&mut self, event: &SandboxEvent) {
        use crate::events::ReplyKind::{Delete, Edit, Followup};
        let stats = &mut self.stats;
        match event {
            SandboxEvent::Connected { .. } => stats.connections += 1,
            SandboxEvent::Identify { .. } => stats.identifies += 1,
            SandboxEvent::IdentifyTooSoon { .. } => stats.identifies_too_soon += 1,
            SandboxEvent::IdentifyRefused { .. } => stats.identifies_refused += 1,
            SandboxEvent::Resume { replayed, .. } => {
                stats.resumes += 1;
                stats.replayed += replayed;
            }
            SandboxEvent::ResumeRefused { .. } => stats.resumes_refused += 1,
            SandboxEvent::MembersRefused { .. } => stats.member_requests_refused += 1,
            SandboxEvent::Heartbeat { .. } => stats.heartbeats += 1,
            SandboxEvent::Disconnected { code, by, .. } => count_up(&mut stats.disconnects, (*code, *by)),
            SandboxEvent::InteractionReply { kind, .. } if !matches!(kind, Edit | Delete | Followup) => {
                stats.interactions_answered += 1;
            }
            SandboxEvent::Request { status, .. } => {
                stats.requests += 1;
                count_up(&mut stats.statuses, *status);
            }
            SandboxEvent::Unimplemented { .. } => stats.unimplemented += 1,
            _ => {}
        }
    }

    /// Counts an event that a fault has sent.
    pub(crate) fn count_streamed(&mut self, name: &str) {
        match self.stats.streamed.get_mut(name) {
            Some(count) => *count += 1,
            None => count_up(&mut self.stats.streamed, name.to_owned()),
        }
    }

    /// Counts a 429 of the sandbox's own limits.
    pub(crate) fn count_limited(&mut self, scope: &'static str) {
        self.stats.rate_limited += 1;
        count_up(&mut self.stats.rate_limited_by_scope, scope);
    }

    pub(crate) fn count_route(&mut self, method: &str, template: &str) {
        let routes = &mut self.stats.requests_by_route;
        count_up(routes, format!("{method} {template}"));
    }
}

/// One more of `key`.
fn count_up<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) {
    *counts.entry(key).or_default() += 1;
}

impl Side {
    /// A word for tables and logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Side::Peer => "bot",
            Side::Sandbox => "sandbox",
        }
    }
}
