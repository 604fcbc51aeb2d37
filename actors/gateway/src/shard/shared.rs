//! What all shards share.

use crate::{
    cache::Cache, directory::Directory, hosts::AllowHosts, identify::IdentifyMsg, presence::Presence, session::Timing,
    socket::Opening,
};
use protocol::{Clock, EventSink, KindSet, Secret, ports::Capture};
use serenity::model::gateway::GatewayIntents;
use std::sync::Arc;
use supervision::Addr;
use tokio::{runtime::Handle, sync::watch};

/// What all shards share, and what outlives their incarnations.
pub(crate) struct Shared {
    pub(crate) token: Secret,
    pub(crate) hosts: AllowHosts,
    pub(crate) directory: Arc<Directory>,
    pub(crate) timing: Timing,
    pub(crate) connect: Opening,
    pub(crate) intents: Option<GatewayIntents>,
    pub(crate) sink: Arc<dyn EventSink>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) capture: Arc<dyn Capture>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) presence: Presence,
    pub(crate) identify: Addr<IdentifyMsg>,
    /// Where heartbeats go out whatever holds up the rest.
    pub(crate) control: Handle,
    /// Whether Discord has found that there are too few shards.
    pub(crate) outgrown: watch::Sender<bool>,
}

impl Shared {
    /// The intents to ask for, for a sink that `wants` these events.
    pub(crate) fn intents(&self, wants: KindSet) -> GatewayIntents {
        self.intents.unwrap_or_else(|| wants.intents() | derived(wants)) | self.cache.intents()
    }
}

/// Message text needs an intent of its own, whatever the events that carry it.
fn derived(wants: KindSet) -> GatewayIntents {
    use protocol::EventKind::{MessageCreate, MessageUpdate};
    match wants.contains(MessageCreate) || wants.contains(MessageUpdate) {
        true => GatewayIntents::MESSAGE_CONTENT,
        false => GatewayIntents::empty(),
    }
}
