//! A request on its way: serenity's route, method and body, in a form that can be inspected, closed and repeated.

use crate::{
    conduct::refusals::Place,
    error::RestError,
    pattern::{bucket_path, major, pattern},
};
use reqwest::{
    Client, Method,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, USER_AGENT},
};
use serde::{Serialize, de::IgnoredAny};
use serenity::http::{LightMethod, Request, Route};
use std::sync::Arc;

/// What serenity puts before every API path.
const SERENITY_BASE: &str = "https://discord.com/api/v10/";

/// One request. Not `Debug`: its path may hold a token, its body what people wrote.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Below the API's base, without a leading slash.
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    /// JSON.
    pub(crate) body: Option<Vec<u8>>,
    /// Whether Discord recognises a repetition by the nonce in the body.
    pub(crate) nonced: bool,
    /// The path without ids and tokens.
    pub(crate) pattern: String,
    /// Whether the token in its path is an interaction's.
    of_interaction: bool,
}

impl Call {
    /// A request to `route`, without a body.
    pub(crate) fn new(method: LightMethod, route: Route<'_>) -> Result<Self, RestError> {
        Self::at(method.reqwest_method(), &route)
    }

    fn at(method: Method, route: &Route<'_>) -> Result<Self, RestError> {
        let url = route.path();
        let path = url
            .strip_prefix(SERENITY_BASE)
            .ok_or_else(|| RestError::refused_here("the route is not one of Discord's API"))?;
        // Names and emojis reach paths as they are; none of them may lead to another route.
        let strays = path.contains(['?', '#', '\\']) || hides_a_separator(path);
        if strays || path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(RestError::refused_here("a parameter of the route holds what does not belong there"));
        }
        let path = path.to_owned();
        let pattern = pattern(&path);
        let of_interaction = matches!(
            route,
            Route::InteractionResponse { .. }
                | Route::WebhookOriginalInteractionResponse { .. }
                | Route::WebhookFollowupMessage { .. }
                | Route::WebhookFollowupMessages { .. }
        );
        let (query, headers, body) = (None, HeaderMap::new(), None);
        Ok(Self { method, path, query, headers, body, nonced: false, pattern, of_interaction })
    }

    /// Adds a JSON body.
    pub(crate) fn json(mut self, body: &impl Serialize) -> Result<Self, RestError> {
        let body = serde_json::to_vec(body).map_err(|_never| RestError::refused_here("the body is no JSON"))?;
        self.body = Some(body);
        Ok(self)
    }

    /// Takes over a request that serenity made. Attachments travel as a form whose JSON part cannot be seen here, so
    /// mentions could not be closed in it: such a request is refused.
    pub(crate) fn of(request: Request<'_>, client: &Client) -> Result<Self, RestError> {
        let mut call = Self::at(request.method_ref().reqwest_method(), request.route_ref())?;
        if let Some(body) = request.body_ref() {
            let _: IgnoredAny = serde_json::from_slice(body)
                .map_err(|_never| RestError::refused_here("the request's body is no JSON"))?;
            call.body = Some(body.to_vec());
        }
        // serenity's builder records the whole request, interaction token and text included, in a tracing span.
        let silent = tracing::Dispatch::none();
        let built = tracing::dispatcher::with_default(&silent, || request.build(client, "", None))
            .ok()
            .and_then(|builder| builder.build().ok())
            .ok_or_else(|| RestError::refused_here("the request cannot be built"))?;
        let form = |value: &reqwest::header::HeaderValue| value.as_bytes().starts_with(b"multipart/");
        if built.headers().get(CONTENT_TYPE).is_some_and(form) {
            return Err(RestError::refused_here("requests with attachments are not supported here"));
        }
        call.query = built.url().query().map(str::to_owned);
        call.headers = built.headers().clone();
        for ours in [AUTHORIZATION, USER_AGENT, CONTENT_LENGTH, CONTENT_TYPE] {
            call.headers.remove(ours);
        }
        Ok(call)
    }

    /// Whether the route carries its own token: outside the global limit, unauthenticated, limited per token.
    pub(crate) fn has_own_token(&self) -> bool {
        self.pattern.starts_with("interactions/{id}/{token}") || self.pattern.starts_with("webhooks/{id}/{token}")
    }

    /// Whether it answers an interaction for the first time.
    pub(crate) fn is_interaction(&self) -> bool {
        self.pattern.starts_with("interactions/")
    }

    /// The route whose bucket limits it, major parameter included. May hold a token: never print it.
    pub(crate) fn lane(&self) -> LaneKey {
        let path = if self.has_own_token() { self.path.as_str().into() } else { bucket_path(&self.path).into() };
        LaneKey { method: self.method.clone(), path }
    }

    /// What has to be carried out one after another, in the order in which it was asked for; none for reading. `lane` is
    /// its own.
    ///
    /// People see messages of a channel in the order in which Discord took them, and requests on two connections overtake
    /// each other: so posts to one channel go one at a time, and a slow answer holds those behind it in that channel, but
    /// nothing else. The same goes for whatever changes one and the same thing (edit, then delete; ban, then unban; a
    /// role given, then taken) and for the reactions of one message, which stand in the order in which they came. All
    /// else goes side by side as far as its bucket has room: 200 bans of a raid do not wait for each other's answers.
    pub(crate) fn order(&self, lane: &LaneKey) -> Option<Arc<str>> {
        if self.method == Method::GET {
            return None;
        }
        if let Some(end) = self.path.find("/reactions/") {
            return Some(self.path[..end + "/reactions".len()].into());
        }
        Some(if self.method == Method::POST { Arc::clone(&lane.path) } else { self.path.as_str().into() })
    }

    /// The channel or webhook that it is about, should Discord say that there is no such thing. None for interactions:
    /// their webhook is unknown before the first answer too, and to follow a channel is about another one.
    pub(crate) fn about(&self) -> Option<&str> {
        let about = major(&self.path);
        let kind = about.starts_with("channels/") || about.starts_with("webhooks/");
        (kind && !self.of_interaction && !self.pattern.ends_with("/followers")).then_some(about)
    }

    /// Where a refusal of this request would apply again: the whole path for routes of a guild (who stands above whom decides
    /// there), and, should it be the permission that is missing, the route in its guild; for those of a channel the channel
    /// and the route, as each channel has overwrites of its own. `lane` is its own.
    ///
    /// To ban and to end a ban takes the same permission. No other routes share one for sure: which one a change of a member
    /// takes hangs on its fields, and a ban of many at once takes two.
    pub(crate) fn place(&self, lane: &LaneKey) -> Option<Place> {
        if self.pattern.starts_with("guilds/{id}") {
            let itself = LaneKey { method: self.method.clone(), path: self.path.as_str().into() };
            let unban = self.method == Method::DELETE && self.pattern == "guilds/{id}/bans/{id}";
            let method = if unban { Method::PUT } else { lane.method.clone() };
            return Some(Place { itself, permission: Some(LaneKey { method, path: Arc::clone(&lane.path) }) });
        }
        self.pattern.starts_with("channels/{id}").then(|| Place { itself: lane.clone(), permission: None })
    }
}

/// Whether a segment holds an escaped dot, slash or backslash.
fn hides_a_separator(path: &str) -> bool {
    let escapes = path.match_indices('%').filter_map(|(at, _)| path.get(at..at + 3));
    escapes.into_iter().any(|escape| ["%2e", "%2f", "%5c"].iter().any(|code| escape.eq_ignore_ascii_case(code)))
}

/// A route as its limits and refusals see it. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct LaneKey {
    pub(crate) method: Method,
    pub(crate) path: Arc<str>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serenity::model::id::{ChannelId, InteractionId, MessageId};

    #[test]
    fn a_parameter_cannot_lead_to_another_route() {
        let channel_id = ChannelId::new(1);
        let message_id = MessageId::new(2);
        for reaction in ["../../..", "a/../b", "x?y", "x#y", "..%2f..", ""] {
            let route = Route::ChannelMessageReactionMe { channel_id, message_id, reaction };
            assert!(Call::new(LightMethod::Put, route).is_err(), "{reaction:?} passed");
        }
        for reaction in ["party:42", "🎉", "%F0%9F%8E%89"] {
            let route = Route::ChannelMessageReactionMe { channel_id, message_id, reaction };
            assert!(Call::new(LightMethod::Put, route).is_ok(), "{reaction:?} was refused");
        }
    }

    #[test]
    fn interaction_routes_carry_their_own_token_and_their_pattern_hides_it() {
        let route = Route::InteractionResponse { interaction_id: InteractionId::new(7), token: "hunter2" };
        let call = Call::new(LightMethod::Post, route).unwrap();
        assert!(call.has_own_token() && call.is_interaction());
        assert!(!call.pattern.contains("hunter2"), "{}", call.pattern);
    }

    #[test]
    fn query_and_audit_log_reason_survive_the_takeover() {
        let mut headers = HeaderMap::new();
        headers.insert("x-audit-log-reason", "case%201".parse().unwrap());
        let request = Request::new(Route::ChannelMessages { channel_id: ChannelId::new(1) }, LightMethod::Get)
            .params(Some(vec![("limit", "5".to_owned())]))
            .headers(Some(headers));
        let call = Call::of(request, &Client::new()).unwrap();
        assert!(call.query.is_some_and(|query| query.contains("limit=5")));
        assert_eq!(call.headers.get("x-audit-log-reason").map(|v| v.as_bytes()), Some(&b"case%201"[..]));
        assert!(!call.headers.contains_key(AUTHORIZATION));
    }

    #[test]
    fn attachments_are_refused_rather_than_sent_with_open_mentions() {
        use serenity::{
            builder::CreateAttachment,
            http::{Multipart, MultipartUpload},
        };
        let upload = MultipartUpload::Attachments(vec![CreateAttachment::bytes(b"x".to_vec(), "x.txt")]);
        let form =
            Multipart { upload, fields: Vec::new(), payload_json: Some(r#"{"content":"@everyone"}"#.to_owned()) };
        let request = Request::new(Route::ChannelMessages { channel_id: ChannelId::new(1) }, LightMethod::Post)
            .multipart(Some(form));
        assert!(matches!(Call::of(request, &Client::new()), Err(RestError::Rejected { status: 0, .. })));
    }
}
