//! What follows when Discord refuses: a token that is no longer good stops the gateway, and a permission that has changed
//! is tried again.

use crate::status::Status;
use gateway::Cache;
use protocol::{
    Delivery, Dispatch, EventSink, KindSet,
    cache::CacheView,
    id::GuildId,
    ports::{Capture, Report, ReportLevel},
};
use rest::Rest;
use std::sync::Arc;
use supervision::{ActorPath, Tree, Verb};

pub(crate) const GATEWAY: &str = "gateway";
/// What `status` and the log say of a token that was refused.
pub(crate) const TOKEN_REFUSED: &str = "Discord refuses the token (401), so nothing is sent and the gateway is stopped: \
     make a new one on the application's Bot page, put it where the old one was, and restart the bot";
/// The same once somebody has started the gateway all the same.
pub(crate) const STARTED_AGAIN: &str = "Discord refuses the token (401), so no request is sent and nothing is answered, \
     though the gateway was started again: make a new one on the application's Bot page, put it where the old one was, and \
     restart the bot";

/// Stops the gateway while Discord refuses the token, and starts it when the HTTP client has begun anew: with a dead token
/// every further request or IDENTIFY only counts against the bot.
pub(crate) async fn follow_token(rest: Rest, tree: Tree, status: Arc<Status>, capture: Arc<dyn Capture>) {
    let (mut refused, path) = (rest.token_refused(), ActorPath::from(GATEWAY));
    loop {
        if refused.wait_for(|refused| *refused).await.is_err() {
            return; // there is no client any more
        }
        tracing::error!("{TOKEN_REFUSED}");
        status.token_refused(true);
        capture.capture(Report {
            level: ReportLevel::Error,
            message: TOKEN_REFUSED.to_owned(),
            fingerprint: vec!["token".into(), "refused".into()],
            tags: Vec::new(),
        });
        order(&tree, &path, Verb::Stop).await;
        if refused.wait_for(|refused| !*refused).await.is_err() {
            return;
        }
        status.token_refused(false);
        order(&tree, &path, Verb::Start).await;
    }
}

async fn order(tree: &Tree, path: &ActorPath, verb: Verb) {
    if let Err(error) = tree.order(path, verb, None, false).await {
        tracing::warn!("{path}: {error}");
    }
}

/// Lets what was forbidden in a guild be tried again once its permissions have changed.
pub(crate) struct ForgetRefusals {
    pub(crate) rest: Rest,
    pub(crate) cache: Arc<Cache>,
}

impl EventSink for ForgetRefusals {
    fn wants(&self) -> KindSet {
        KindSet::default()
    }

    fn permissions_changed(&self, guild: GuildId) {
        let known = self.cache.guild(guild);
        let channels = known.iter().flat_map(|guild| guild.channels.iter().map(|channel| channel.id));
        self.rest.permissions_changed(guild, channels);
    }

    fn deliver(&self, _: Dispatch) -> Delivery<'_> {
        None
    }
}
