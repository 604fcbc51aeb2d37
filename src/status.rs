//! Is it up, is it well, and what is wrong: one answer for the control channel and the probes.

use crate::{VERSION, admin::SharedTree, flags::Flags, refused, wire::millis};
use cog_host::CogHost;
use gateway::{Gateway, Phase};
use metering::{Collector, PathPattern, Scrape};
use protocol::method::{Method, NoParams};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use supervision::{Criticality, Exit, Node, Status as State};
use telemetry::{Health, Verdict};

/// How long boot's phases took; what the process knows about itself. Read by anyone, from snapshots.
pub struct Status {
    pub(crate) flags: Arc<Flags>,
    pub(crate) tree: SharedTree,
    pub(crate) gateway: Arc<OnceLock<Gateway>>,
    pub(crate) cogs: OnceLock<CogHost>,
    pub(crate) began: Instant,
    phases: Mutex<Vec<(&'static str, Duration)>>,
    lost: Mutex<u64>,
    token_refused: AtomicBool,
}

impl Status {
    /// A process that has just begun.
    pub fn new(flags: Arc<Flags>, tree: SharedTree, gateway: Arc<OnceLock<Gateway>>) -> Arc<Self> {
        Arc::new(Self {
            flags,
            tree,
            gateway,
            cogs: OnceLock::new(),
            began: Instant::now(),
            phases: Mutex::default(),
            lost: Mutex::default(),
            token_refused: AtomicBool::new(false),
        })
    }

    /// Notes whether Discord refuses the token.
    pub(crate) fn token_refused(&self, refused: bool) {
        self.token_refused.store(refused, Relaxed);
    }

    /// Notes how long a phase of boot took.
    pub(crate) fn phase(&self, name: &'static str, took: Duration) {
        self.phases.lock().unwrap_or_else(PoisonError::into_inner).push((name, took));
    }

    /// The phases so far.
    pub fn phases(&self) -> Vec<(&'static str, Duration)> {
        self.phases.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn nodes(&self) -> Vec<Node> {
        self.tree.get().map(supervision::Tree::nodes).unwrap_or_default()
    }

    /// What is not as it should be, each as one sentence. An optional actor that is down degrades nothing; `tree` shows it.
    pub fn degraded(&self) -> Vec<String> {
        self.look().1
    }

    fn wrong(&self) -> Vec<Wrong> {
        let nodes = self.nodes();
        let mut wrong: Vec<Wrong> = nodes.iter().filter_map(complaint).collect();
        let mut blocks = |sentence| wrong.push(Wrong { sentence, blocks: true });
        // An actor that is not there, or says itself what is wrong, has spoken for its shard.
        let speaks = |shard| {
            nodes.iter().any(|node| node.path.as_str() == format!("gateway/shard-{shard}") && complaint(node).is_some())
        };
        if self.token_refused.load(Relaxed) {
            blocks(refused::TOKEN_REFUSED.to_owned());
        }
        if let Some(gateway) = self.gateway.get() {
            let unstable = |status: &gateway::ShardStatus| Some((status.shard, status.unstable.clone()?));
            for (shard, reason) in gateway.statuses().iter().filter_map(unstable) {
                blocks(format!("shard {shard} is unstable: {reason}"));
            }
            for status in
                gateway.statuses().iter().filter(|status| status.state != Phase::Online && !speaks(status.shard))
            {
                blocks(match &status.parked {
                    Some(reason) => format!("shard {}: {reason}", status.shard),
                    None => format!("shard {} is not connected", status.shard),
                });
            }
        }
        let flags = self.flags.read();
        if flags.setup_complete && !flags.first_ready {
            blocks("the gateway has not been ready yet: slash commands and tasks wait for it".to_owned());
        }
        wrong
    }

    /// Ready: boot is over, the gateway is connected, nothing that matters is missing, and nobody shuts down. What an
    /// operator stopped on purpose degrades, but leaves the rest ready: traffic should not be taken from a bot because
    /// one of its cogs was switched off.
    pub fn is_ready(&self) -> bool {
        self.look().0
    }

    /// Whether it is ready and what is wrong, of one moment.
    fn look(&self) -> (bool, Vec<String>) {
        let (flags, wrong) = (self.flags.read(), self.wrong());
        let up = flags.setup_complete && flags.first_ready && !flags.shutting_down;
        let ready = up && !wrong.iter().any(|wrong| wrong.blocks);
        (ready, wrong.into_iter().map(|wrong| wrong.sentence).collect())
    }

    /// `status.get`
    pub fn json(&self) -> Value {
        let nodes = self.nodes();
        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        for node in &nodes {
            *states.entry(node.status.name()).or_default() += 1;
        }
        let (ready, degraded) = self.look();
        json!({
            "ready": ready,
            "degraded": degraded,
            "flags": self.flags.read(),
            "version": VERSION,
            "pid": std::process::id(),
            "uptime_ms": millis(self.began.elapsed()),
            "actors": states,
            "shards": self.gateway.get().map(Gateway::statuses),
            "cache": self.gateway.get().map(Gateway::counts),
            "guilds": self.gateway.get().map(|gateway| gateway.counts().guilds),
            "identify": self.gateway.get().map(Gateway::budget),
            "cogs": self.cogs.get().map(CogHost::counts),
            "boot": self.phases().iter().map(|(name, took)| json!({ "phase": name, "took_ms": millis(*took) }))
                .collect::<Vec<_>>(),
        })
    }

    /// `status.get`
    pub fn methods(self: &Arc<Self>) -> Vec<Method> {
        let status = Arc::clone(self);
        vec![Method::read("status.get", "Whether the bot is up and well, and what is not.", move |_: NoParams, _| {
            let shown = status.json();
            async move { Ok(shown) }
        })]
    }
}

/// One thing that is not as it should be.
struct Wrong {
    sentence: String,
    /// Whether the bot is not ready because of it.
    blocks: bool,
}

/// What is wrong with an actor, if that matters.
fn complaint(node: &Node) -> Option<Wrong> {
    if node.criticality == Criticality::Optional {
        return None;
    }
    let on_purpose = is_stopped_on_purpose(node);
    let sentence = match (node.status, &node.reason) {
        (State::Running, None) => return None,
        (State::Running, Some(reason)) => format!("{}: {reason}", node.path),
        (state, Some(reason)) => format!("{} is {}: {reason}", node.path, state.name()),
        (_, None) if on_purpose => format!("{0} is stopped by order; `start {0}` brings it back", node.path),
        (state, None) => format!("{} is {}", node.path, state.name()),
    };
    Some(Wrong { sentence, blocks: !on_purpose })
}

/// One actor of a room that somebody stopped. A whole room stands for what all of the bot rests on.
fn is_stopped_on_purpose(node: &Node) -> bool {
    node.status == State::Down && node.path.depth() > 1 && matches!(node.last_exit, Some(Exit::Shutdown { .. }))
}

impl Health for Status {
    fn live(&self) -> Verdict {
        // Answered on the control plane from snapshots: that it answers is the proof.
        Verdict::pass(json!({ "uptime_ms": millis(self.began.elapsed()) }))
    }

    fn ready(&self) -> Verdict {
        let (ready, degraded) = self.look();
        let detail = json!({ "degraded": degraded, "flags": self.flags.read() });
        if ready { Verdict::pass(detail) } else { Verdict::fail(detail) }
    }

    fn started(&self) -> Verdict {
        let detail = json!({ "phases": self.phases().len() });
        if self.flags.read().setup_complete { Verdict::pass(detail) } else { Verdict::fail(detail) }
    }
}

impl Collector for Status {
    fn name(&self) -> &'static str {
        "supervision"
    }

    fn collect(&self, scrape: &Scrape) {
        let nodes = self.nodes();
        // Every state is set, those that nobody is in with 0: a gauge keeps what it was told last.
        let mut states: BTreeMap<&'static str, usize> = State::ALL.iter().map(|state| (state.name(), 0)).collect();
        let mut depths: BTreeMap<PathPattern, usize> = BTreeMap::new();
        let mut lost = 0;
        for node in &nodes {
            *states.entry(node.status.name()).or_default() += 1;
            if let Some(mailbox) = &node.mailbox {
                *depths.entry(PathPattern::from(node.path.as_str())).or_default() += mailbox.depth;
                lost += mailbox.lost;
            }
        }
        for (state, count) in states {
            metering::supervision::in_state(scrape, state, count);
        }
        for (path, depth) in depths {
            metering::supervision::mailbox_depth(scrape, path, depth);
        }
        let mut told = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        metering::supervision::lost(lost.saturating_sub(*told));
        *told = lost;
    }
}
