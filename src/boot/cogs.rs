//! The cog host, put together from the other rooms.

use crate::{
    admin::SharedTree,
    config::Loaded,
    exit::{Code, Fatal},
    ports::{PresencePort, ProcessFacts, TreePort},
};
use cog_host::{Access, Cog, CogHost, CogSettings, Owners, Prefixes, Services};
use database::Db;
use emoji_cache::Emojis;
use gateway::{Cache, Gateway};
use protocol::{Clock, id::UserId, ports::Capture};
use rest::Rest;
use std::sync::{Arc, OnceLock};
use task_supervisor::TaskRegistry;

/// What the cogs are made from.
pub(super) struct CogRoom<'a> {
    pub(super) loaded: &'a Loaded,
    /// Cogs beside the built-in ones.
    pub(super) more: Vec<Cog>,
    pub(super) owners: Owners,
    pub(super) sandbox: bool,
    pub(super) db: &'a Db,
    pub(super) rest: &'a Rest,
    pub(super) emojis: &'a Emojis,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) reports: &'a Arc<dyn Capture>,
    pub(super) tree: &'a SharedTree,
    pub(super) gateway: &'a Arc<OnceLock<Gateway>>,
    pub(super) registry: &'a Arc<TaskRegistry>,
    pub(super) cache: &'a Arc<Cache>,
}

/// The cog host with everything its cogs may use.
pub(super) fn cog_room(room: CogRoom<'_>) -> Result<CogHost, Fatal> {
    let config = &room.loaded.config;
    let operators: Vec<UserId> =
        config.discord.operators.iter().filter(|id| **id != 0).map(|id| UserId::new(*id)).collect();
    if !operators.is_empty() {
        tracing::warn!(operators = operators.len(), "operators pass every permission check in every guild");
    }
    let store = Arc::new(room.db.clone());
    let services = Arc::new(Services {
        db: room.db.clone(),
        rest: room.rest.clone(),
        emoji: room.emojis.clone(),
        cache: Arc::clone(room.cache) as _,
        clock: Arc::clone(room.clock),
        capture: Arc::clone(room.reports),
        tree: Arc::new(TreePort {
            tree: Arc::clone(room.tree),
            audit: Arc::new(room.db.clone()),
            clock: Arc::clone(room.clock),
        }),
        presence: Arc::new(PresencePort { gateway: Arc::clone(room.gateway) }),
        bot: Arc::new(ProcessFacts { started: room.clock.now(), gateway: Arc::clone(room.gateway) }),
        prefixes: Prefixes::new(&config.discord.prefix, config.cog_host.prefix_cache, store),
        background: Arc::clone(room.registry) as _,
    });
    let settings = config
        .cogs
        .iter()
        .map(|(name, cog)| {
            let values = serde_json::to_value(&cog.settings).unwrap_or_default();
            let values = values.as_object().cloned().unwrap_or_default();
            (name.clone(), CogSettings { disabled: cog.enabled == Some(false), values })
        })
        .collect();
    let access = Access { owners: room.owners, operators, sandbox: room.sandbox };
    let outbox = Arc::new(room.rest.clone());
    let cogs = cogs::builtin().into_iter().chain(room.more).collect();
    CogHost::new(config.cog_host.clone(), services, outbox, access, cogs, &settings)
        .map_err(|error| Fatal::new(Code::Internal, error))
}
