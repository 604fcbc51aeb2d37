//! What lower rooms need from this crate: adapters over the tree, the gateway and the process.

use crate::{VERSION, admin::SharedTree, wire};
use chrono::{DateTime, Utc};
use cog_host::{BotInfo, Presence, TreeOps};
use gateway::{Activity, ActivityKind, Gateway, PresenceData};
use metering::{Collector, Scrape};
use protocol::{
    BoxFuture, Clock, ShardId,
    ports::{AuditLog, AuditRow},
};
use serde_json::Value;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use supervision::{ADMIN_DEADLINE, ActorPath};
use telemetry::Relief;

/// The tree for owners on Discord; every message they send leaves an audit row.
pub struct TreePort {
    /// Filled when the tree has been made.
    pub tree: SharedTree,
    /// Keeps the rows.
    pub audit: Arc<dyn AuditLog>,
    /// Wall time for the rows.
    pub clock: Arc<dyn Clock>,
}

impl TreeOps for TreePort {
    fn text(&self) -> BoxFuture<'_, Result<String, String>> {
        Box::pin(async move {
            let tree = self.tree.get().ok_or("the tree is not up yet")?;
            Ok(crate::cli::draw_tree(&wire::tree(&tree.nodes(), self.clock.now())))
        })
    }

    fn tell<'a>(
        &'a self,
        path: &'a str,
        message: &'a str,
        params: Value,
        by: &'a str,
    ) -> BoxFuture<'a, Result<Value, String>> {
        Box::pin(async move {
            let tree = self.tree.get().ok_or("the tree is not up yet")?;
            let answer = tree.tell(&ActorPath::from(path), message, params.clone(), ADMIN_DEADLINE, None).await;
            let outcome = match &answer {
                Ok(_) => "done".to_owned(),
                Err(error) => error.to_string(),
            };
            self.audit
                .record(AuditRow {
                    at: self.clock.now(),
                    actor: by.to_owned(),
                    action: format!("tell {message}"),
                    target: path.to_owned(),
                    detail: params,
                    outcome,
                })
                .await;
            answer.map_err(|error| error.to_string())
        })
    }
}

/// The presence of every shard.
pub struct PresencePort {
    /// Filled when the gateway has been made: cogs are made before it.
    pub gateway: Arc<OnceLock<Gateway>>,
}

impl Presence for PresencePort {
    fn show<'a>(&'a self, activity: &'a str) -> BoxFuture<'a, Result<u32, String>> {
        Box::pin(async move {
            let gateway = self.gateway.get().ok_or("the gateway is not up yet")?;
            let activity = Activity { kind: ActivityKind::Playing, name: activity.to_owned(), url: None };
            let presence = PresenceData { activity: Some(activity), ..gateway.presence().current() };
            gateway.presence().set(presence).map_err(|error| error.to_string())?;
            let online = gateway.statuses().iter().filter(|status| status.state == gateway::Phase::Online).count();
            Ok(u32::try_from(online).unwrap_or(u32::MAX))
        })
    }
}

/// Facts about the process.
pub struct ProcessFacts {
    /// When it began.
    pub started: DateTime<Utc>,
    /// Filled when the gateway has been made.
    pub gateway: Arc<OnceLock<Gateway>>,
}

impl BotInfo for ProcessFacts {
    fn version(&self) -> String {
        VERSION.to_owned()
    }

    fn started(&self) -> DateTime<Utc> {
        self.started
    }

    fn shards(&self) -> u32 {
        self.gateway.get().map_or(0, |gateway| u32::try_from(gateway.statuses().len()).unwrap_or(u32::MAX))
    }

    fn heartbeat(&self, shard: ShardId) -> Option<Duration> {
        let statuses = self.gateway.get()?.statuses();
        let status = statuses.iter().find(|status| status.shard == shard)?;
        status.latency_ms.map(|ms| Duration::from_secs_f64(ms / 1e3))
    }
}

/// The gateway's gauges: the metrics listener is made before the gateway is.
pub struct GatewayGauges(pub Arc<OnceLock<Gateway>>);

impl Collector for GatewayGauges {
    fn name(&self) -> &'static str {
        "gateway"
    }

    fn collect(&self, scrape: &Scrape) {
        if let Some(gateway) = self.0.get() {
            gateway.collect(scrape);
        }
    }
}

/// The caches, which shrink when memory is short.
pub struct Caches(pub Arc<OnceLock<Gateway>>);

impl Relief for Caches {
    fn relieve(&self) -> String {
        match self.0.get().map(Gateway::relieve) {
            None => "nothing is cached yet".to_owned(),
            Some(None) => "there is no cache that could shrink, and members are not asked for".to_owned(),
            Some(Some(known)) => format!("{known} members stay in the cache, and members are not asked for"),
        }
    }

    fn ease(&self) {
        if let Some(gateway) = self.0.get() {
            gateway.ease();
        }
    }
}
