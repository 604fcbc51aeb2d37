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
use serde_json::Value;
use serenity::http::{LightMethod, Request, Route};
use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

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

    /// Where a refusal of this request would apply again: the whole path where the target decides as well (who stands above
    /// whom in a guild, whose message it is), and, should it be the permission that is missing, what [`permission_of`] says;
    /// for the other routes of a channel the channel and the route, as each channel has overwrites of its own. `lane` is its
    /// own.
    pub(crate) fn place(&self, lane: &LaneKey) -> Option<Place> {
        // First what most requests are, a message in a channel: nothing of it has to be made.
        if !by_target(&self.method, &self.pattern) {
            return self.pattern.starts_with("channels/{id}").then(|| Place::new(lane.clone(), None));
        }
        let of_member = self.method == Method::PATCH && self.pattern == "guilds/{id}/members/{id}";
        let fields = if of_member { self.fields() } else { String::new() };
        let itself = LaneKey { method: self.method.clone(), path: format!("{}{fields}", self.path).into() };
        let permission = permission_of(&itself);
        Some(Place::new(itself, permission))
    }

    /// The names of the body's fields as `?a,b`: which permissions a change of a member takes hangs on them. Of `roles` and
    /// `channel_id` the value says which roles and which channel, so that a number made of it stands with them.
    fn fields(&self) -> String {
        let body: BTreeMap<String, Value> =
            self.body.as_deref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
        let named = body.iter().map(|(name, value)| match name.as_str() {
            "roles" | "channel_id" => {
                let mut hasher = DefaultHasher::new();
                value.hash(&mut hasher);
                format!("{name}:{:08x}", hasher.finish() >> 32)
            }
            _ => name.clone(),
        });
        format!("?{}", named.collect::<Vec<_>>().join(","))
    }
}

/// What may be missing where `itself` (method, and path with the fields of its body where they matter) was refused: its
/// route in its guild, or in its channel for one message to be deleted, as others' messages take a permission and one's own
/// none. None where refusals are not remembered by target.
///
/// Which role is given or taken stays in it, since the role's rank decides. To ban and to end a ban takes the same permission.
/// No other routes share one for sure: a ban of many at once takes two.
pub(crate) fn permission_of(itself: &LaneKey) -> Option<LaneKey> {
    let (path, fields) = itself.path.split_at(itself.path.find('?').unwrap_or(itself.path.len()));
    let pattern = pattern(path);
    if !by_target(&itself.method, &pattern) {
        return None;
    }
    let mut route = bucket_path(path);
    if pattern == "guilds/{id}/members/{id}/roles/{id}"
        && let (Some((route_above, _)), Some((_, role))) = (route.rsplit_once('/'), path.rsplit_once('/'))
    {
        route = format!("{route_above}/{role}");
    }
    let unban = itself.method == Method::DELETE && pattern == "guilds/{id}/bans/{id}";
    let method = if unban { Method::PUT } else { itself.method.clone() };
    Some(LaneKey { method, path: format!("{route}{fields}").into() })
}

/// Whether the target of a route decides as well as the permission.
fn by_target(method: &Method, pattern: &str) -> bool {
    pattern.starts_with("guilds/{id}") || *method == Method::DELETE && pattern == "channels/{id}/messages/{id}"
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
    fn what_takes_another_permission_or_another_rank_is_another_place() {
        let permission = |method: Method, path: &str, body: &str| {
            let call = Call { method, ..at(path) };
            let call = Call { body: (!body.is_empty()).then(|| body.as_bytes().to_vec()), ..call };
            call.place(&call.lane()).unwrap().permission().unwrap().clone()
        };
        let edit = |member: u64, body: &str| permission(Method::PATCH, &format!("guilds/1/members/{member}"), body);
        let (nick, timeout) = (r#"{"nick":"x"}"#, r#"{"communication_disabled_until":"2030-01-01T00:00:00Z"}"#);
        assert!(edit(5, nick) == edit(6, r#"{"nick":"y"}"#) && edit(5, nick) != edit(5, timeout));
        assert!(edit(5, r#"{"mute":true,"deaf":true}"#) == edit(6, r#"{"deaf":false,"mute":true}"#));
        assert!(edit(5, r#"{"roles":["1"]}"#) != edit(5, r#"{"roles":["2"]}"#), "another role, another rank");
        let role =
            |member: u64, role: u64| permission(Method::PUT, &format!("guilds/1/members/{member}/roles/{role}"), "");
        assert!(role(5, 7) == role(6, 7) && role(5, 7) != role(5, 8));
        let delete = |message: u64| permission(Method::DELETE, &format!("channels/1/messages/{message}"), "");
        assert!(delete(1) == delete(2));
        let ban = permission(Method::PUT, "guilds/1/bans/3", "");
        assert!(ban == permission(Method::DELETE, "guilds/1/bans/4", "") && &*ban.path == "guilds/1/bans/{id}");
    }

    fn at(path: &str) -> Call {
        let mut call = Call::new(LightMethod::Get, Route::Gateway).unwrap();
        (call.path, call.pattern) = (path.to_owned(), pattern(path));
        call
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
