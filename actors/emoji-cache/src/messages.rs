//! What an operator may ask of the cache: by `tell`, and over the control channel.

use crate::{
    actor::Refreshed,
    emoji::{CachedEmoji, Origin},
    handle::Emojis,
};
use metering::{Collector, Scrape, emoji::Origin as MetricOrigin};
use protocol::method::{Checked, Method, MethodError, NoParams};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serenity::model::id::{EmojiId, GuildId};
use std::{sync::Arc, time::Duration};
use supervision::{AdminCall, AdminError, AdminSpec, Role};

/// The message that reads everything anew.
pub(crate) const REFRESH: &str = "refresh";
/// Emojis that one answer lists.
const LIST_MAX: usize = 1_000;
/// How long `emoji.refresh` waits for the end of the refresh.
const REFRESH_DEADLINE: Duration = Duration::from_secs(60);

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListParams {
    /// Only this guild's.
    #[schemars(with = "Option<String>")]
    #[serde(default)]
    guild: Option<GuildId>,
    /// Only the application's.
    #[serde(default)]
    application: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GetParams {
    /// The emoji's id.
    #[schemars(with = "String")]
    id: EmojiId,
}

#[derive(Serialize)]
struct Listing {
    emojis: Vec<Arc<CachedEmoji>>,
    total: usize,
    truncated: bool,
}

pub(crate) fn specs() -> Vec<AdminSpec> {
    vec![
        AdminSpec::new(REFRESH, Role::Operate, "reads every emoji anew"),
        AdminSpec::with::<ListParams>("list", Role::Observe, "lists emojis, of one guild or all"),
        AdminSpec::new("stats", Role::Observe, "shows how much is cached and how fresh it is"),
        AdminSpec::with::<GetParams>("get", Role::Observe, "shows one emoji"),
    ]
}

/// Answers what needs only the snapshot.
pub(crate) fn answer(emojis: &Emojis, call: &AdminCall) -> Result<Value, AdminError> {
    let json = match call.name.as_str() {
        "list" => serde_json::to_value(list(emojis, call.params()?)),
        "stats" => serde_json::to_value(emojis.status()),
        "get" => {
            let GetParams { id } = call.params()?;
            let unknown = || AdminError::refused(format!("no emoji with id {id} is known; `refresh` reads all anew"));
            serde_json::to_value(emojis.get(id).ok_or_else(unknown)?)
        }
        _ => return Err(call.unknown(&specs())),
    };
    json.map_err(AdminError::refused)
}

fn list(emojis: &Emojis, params: ListParams) -> Listing {
    let origin = match params {
        ListParams { application: true, .. } => Some(Origin::Application),
        ListParams { guild, .. } => guild.map(Origin::Guild),
    };
    let mut emojis = emojis.list(origin);
    let total = emojis.len();
    emojis.truncate(LIST_MAX);
    Listing { truncated: emojis.len() < total, emojis, total }
}

/// The cache's methods on the control channel.
pub fn methods(emojis: &Emojis) -> Vec<Method> {
    let (listed, checked, refreshed) = (emojis.clone(), emojis.clone(), emojis.clone());
    vec![
        Method::read("emoji.list", "lists emojis, of one guild or all", move |params: ListParams, _| {
            let listing = list(&listed, params);
            async move { Ok(listing) }
        }),
        Method::write(
            "emoji.refresh",
            Role::Operate,
            "reads every emoji anew",
            |NoParams {}| crate::PATH.into(),
            move |NoParams {}, _| {
                let would = serde_json::json!({ "status": checked.status() });
                async move { Ok(Checked::new(()).telling(would)) }
            },
            move |(), _| {
                let emojis = refreshed.clone();
                async move {
                    let done: Result<Refreshed, String> = emojis.refresh(REFRESH_DEADLINE).await;
                    done.map_err(MethodError::refused)
                }
            },
        ),
    ]
}

/// Sets the cache's gauges when a scrape asks.
pub fn collector(emojis: &Emojis) -> Arc<dyn Collector> {
    Arc::new(Gauges(emojis.clone()))
}

struct Gauges(Emojis);

impl Collector for Gauges {
    fn name(&self) -> &'static str {
        "emoji-cache"
    }

    fn collect(&self, scrape: &Scrape) {
        let counts = self.0.counts();
        metering::emoji::size(scrape, MetricOrigin::Application, counts.application);
        metering::emoji::size(scrape, MetricOrigin::Guild, counts.emojis - counts.application);
    }
}
