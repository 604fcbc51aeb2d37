//! One tour past every operation, each carried out at least once and judged by Discord's own description.

use reqwest::Method;
use sandbox::{Fault, Judgement, MessageId, Rate, Sandbox, SandboxConfig, Side};
use serde_json::{Value, json};

use crate::client::{ALL, Line, call, description, start_with};

/// A pixel.
const IMAGE: &str = "data:image/png;base64,AA";

/// Messages that the tour may post before the limit.
const MESSAGES: u32 = 20;

/// The sandbox on its tour.
struct Tour<'a>(&'a Sandbox);

impl Tour<'_> {
    /// Carries one operation out, which has to succeed; what it answers.
    async fn take(&self, method: &str, path: &str, body: Value) -> Value {
        let method: Method = method.parse().unwrap();
        let body = (!body.is_null()).then_some(body);
        let (status, answer) = call(self.0, method.clone(), path, body).await;
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer
    }

    /// As [`Tour::take`]; the id of what was made.
    async fn make(&self, method: &str, path: &str, body: Value) -> String {
        self.take(method, path, body).await["id"].as_str().unwrap().to_owned()
    }

    async fn get(&self, path: &str) -> Value {
        self.take("GET", path, Value::Null).await
    }

    async fn delete(&self, path: &str) {
        self.take("DELETE", path, Value::Null).await;
    }
}

/// What the judge says after the tour; `None` where there is no description.
pub(crate) async fn judgement() -> Option<Judgement> {
    let sandbox = start_with(|config| config.message_bucket = Rate { requests: MESSAGES, window_ms: 600_000 });
    let tour = Tour(&sandbox);
    whoami(&tour).await;
    messages(&tour).await;
    reactions_and_pins(&tour).await;
    emojis(&tour).await;
    guild(&tour).await;
    moderation(&tour).await;
    roles_and_channels(&tour).await;
    threads(&tour).await;
    webhooks(&tour).await;
    commands(&tour).await;
    interactions(&tour).await;
    limits(&tour).await;
    let guild = sandbox.guild_id();
    tour.delete(&format!("/users/@me/guilds/{guild}")).await;
    sandbox.is_judged().then(|| sandbox.judgement())
}

async fn threads(tour: &Tour<'_>) {
    let (general, bob) = (tour.0.general_id(), tour.0.user_id("bob").unwrap());
    let said = tour.0.say("alice", "begin here").0;
    let on_message = format!("/channels/{general}/messages/{said}/threads");
    let thread = tour.make("POST", &on_message, json!({ "name": "here" })).await;
    let path = format!("/channels/{thread}");
    tour.get(&path).await;
    let members = format!("{path}/thread-members");
    for who in [bob.to_string(), "@me".to_owned()] {
        tour.take("PUT", &format!("{members}/{who}"), Value::Null).await;
    }
    tour.get(&members).await;
    tour.get(&format!("{members}/{bob}")).await;
    for who in [bob.to_string(), "@me".to_owned()] {
        tour.delete(&format!("{members}/{who}")).await;
    }
    let alone = json!({ "name": "alone", "type": 12 });
    let private = tour.make("POST", &format!("/channels/{general}/threads"), alone).await;
    for id in [&thread, &private] {
        tour.take("PATCH", &format!("/channels/{id}"), json!({ "archived": true })).await;
    }
    for place in ["threads/archived/public", "threads/archived/private", "users/@me/threads/archived/private"] {
        let list = tour.get(&format!("/channels/{general}/{place}")).await;
        assert_eq!(list["threads"].as_array().unwrap().len(), 1, "{place}");
    }
    tour.take("PATCH", &path, json!({ "archived": false })).await;
    tour.get(&format!("/guilds/{}/threads/active", tour.0.guild_id())).await;
    tour.delete(&path).await;
}

async fn whoami(tour: &Tour<'_>) {
    for path in ["/gateway", "/gateway/bot", "/users/@me", "/users/@me/guilds", "/applications/@me"] {
        tour.get(path).await;
    }
    tour.get("/oauth2/applications/@me").await;
    let alice = tour.0.owner_id();
    tour.get(&format!("/users/{alice}")).await;
    tour.take("POST", "/users/@me/channels", json!({ "recipient_id": alice.to_string() })).await;
}

async fn messages(tour: &Tour<'_>) {
    let channel = format!("/channels/{}", tour.0.general_id());
    let path = format!("{channel}/messages");
    tour.get(&channel).await;
    tour.take("POST", &format!("{channel}/typing"), Value::Null).await;
    let said = tour.0.say("alice", "question <@1>");
    let button = json!({ "type": 2, "style": 1, "label": "go", "custom_id": "go" });
    let menu = json!({ "type": 3, "custom_id": "menu", "options": [{ "label": "one", "value": "1" }] });
    let full = json!({
        "content": "@everyone hi", "nonce": "n", "enforce_nonce": true, "tts": false, "flags": 4,
        "allowed_mentions": { "parse": [], "replied_user": false },
        "message_reference": { "message_id": said.0.to_string() },
        "embeds": [{ "title": "t", "description": "d", "color": 1, "url": "https://example.org/",
            "fields": [{ "name": "n", "value": "v" }], "footer": { "text": "f" }, "author": { "name": "a" } }],
        "components": [{ "type": 1, "components": [button] }, { "type": 1, "components": [menu] }],
    });
    let one = format!("{path}/{}", tour.make("POST", &path, full).await);
    tour.get(&one).await;
    tour.take("PATCH", &one, json!({ "content": "hi", "embeds": [] })).await;
    tour.get(&format!("{path}?limit=10")).await;
    tour.delete(&one).await;
    let ids = ["a", "b"].map(|text| tour.0.say("alice", text).0.to_string());
    tour.take("POST", &format!("{path}/bulk-delete"), json!({ "messages": ids })).await;
}

async fn reactions_and_pins(tour: &Tour<'_>) {
    let said = tour.0.say("alice", "like this").0;
    let channel = format!("/channels/{}", tour.0.general_id());
    let reactions = format!("{channel}/messages/{said}/reactions");
    let fire = format!("{reactions}/%F0%9F%94%A5");
    tour.take("PUT", &format!("{fire}/@me"), Value::Null).await;
    tour.get(&format!("{channel}/messages/{said}")).await;
    tour.get(&fire).await;
    tour.delete(&format!("{fire}/@me")).await;
    tour.0.react("bob", MessageId(said), "🔥").unwrap();
    tour.delete(&format!("{fire}/{}", tour.0.user_id("bob").unwrap())).await;
    tour.delete(&fire).await;
    tour.delete(&reactions).await;
    for pins in [format!("{channel}/messages/pins"), format!("{channel}/pins")] {
        tour.take("PUT", &format!("{pins}/{said}"), Value::Null).await;
        tour.get(&pins).await;
        tour.delete(&format!("{pins}/{said}")).await;
    }
}

async fn emojis(tour: &Tour<'_>) {
    let guild = format!("/guilds/{}/emojis", tour.0.guild_id());
    let application = format!("/applications/{}/emojis", tour.0.application_id());
    for shelf in [guild, application] {
        let one = format!("{shelf}/{}", tour.make("POST", &shelf, json!({ "name": "made", "image": IMAGE })).await);
        tour.get(&one).await;
        tour.take("PATCH", &one, json!({ "name": "renamed" })).await;
        tour.get(&shelf).await;
        tour.delete(&one).await;
    }
}

async fn guild(tour: &Tour<'_>) {
    let (guild, alice) = (format!("/guilds/{}", tour.0.guild_id()), tour.0.owner_id());
    tour.get(&format!("{guild}?with_counts=true")).await;
    for rest in ["channels", "roles", "roles/member-counts", "members?limit=5", "members/search?query=al"] {
        tour.get(&format!("{guild}/{rest}")).await;
    }
    tour.get(&format!("{guild}/members/{alice}")).await;
    tour.get(&format!("{guild}/roles/{}", tour.0.guild_id())).await;
}

async fn moderation(tour: &Tour<'_>) {
    let (guild, id) = (format!("/guilds/{}", tour.0.guild_id()), tour.0.guild_id());
    let own = tour.0.role_id(id, "impresario").unwrap();
    // All that the bot has by default, and MANAGE_GUILD.
    tour.0.set_role_permissions(id, own, (1 << 53) - 1 - (1 << 3)).unwrap();
    let carol = tour.0.user_id("carol").unwrap();
    let (member, ban) = (format!("{guild}/members/{carol}"), format!("{guild}/bans/{carol}"));
    let role = format!("{member}/roles/{}", tour.0.role_id(id, "moderators").unwrap());
    let until = chrono::Utc::now() + chrono::TimeDelta::hours(1);
    let edit = json!({ "nick": "C", "roles": [], "communication_disabled_until": until.to_rfc3339() });
    tour.take("PATCH", &member, edit).await;
    tour.take("PATCH", &format!("{guild}/members/@me"), json!({ "nick": "Bot" })).await;
    tour.take("PUT", &role, Value::Null).await;
    tour.delete(&role).await;
    tour.delete(&member).await;
    tour.take("PUT", &ban, json!({ "delete_message_seconds": 0 })).await;
    tour.get(&ban).await;
    tour.get(&format!("{guild}/bans")).await;
    tour.delete(&ban).await;
    tour.take("POST", &format!("{guild}/bulk-ban"), json!({ "user_ids": [carol.to_string()] })).await;
    tour.take("PATCH", &guild, json!({ "name": "Renamed" })).await;
    tour.get(&format!("{guild}/audit-logs")).await;
}

async fn roles_and_channels(tour: &Tour<'_>) {
    let guild = format!("/guilds/{}", tour.0.guild_id());
    let roles = format!("{guild}/roles");
    let role = tour.make("POST", &roles, json!({ "name": "made", "permissions": "1024", "color": 1 })).await;
    tour.take("PATCH", &format!("{roles}/{role}"), json!({ "hoist": true })).await;
    tour.take("PATCH", &roles, json!([{ "id": role, "position": 1 }])).await;
    let channels = format!("{guild}/channels");
    for kind in [0, 2, 4] {
        let allowed = json!([{ "id": role, "type": 0, "allow": "1024", "deny": "0" }]);
        let wanted = json!({ "name": "made", "type": kind, "permission_overwrites": allowed });
        let id = tour.make("POST", &channels, wanted).await;
        let channel = format!("/channels/{id}");
        tour.take("PATCH", &channel, json!({ "name": "renamed", "permission_overwrites": [] })).await;
        tour.take("PATCH", &channels, json!([{ "id": id, "position": 1 }])).await;
        let overwrite = format!("{channel}/permissions/{role}");
        tour.take("PUT", &overwrite, json!({ "type": 0, "allow": "1024", "deny": "2048" })).await;
        tour.get(&channel).await;
        tour.delete(&overwrite).await;
        tour.delete(&channel).await;
    }
    tour.delete(&format!("{roles}/{role}")).await;
}

async fn webhooks(tour: &Tour<'_>) {
    let of_channel = format!("/channels/{}/webhooks", tour.0.general_id());
    let hook = tour.take("POST", &of_channel, json!({ "name": "News" })).await;
    tour.get(&of_channel).await;
    tour.get(&format!("/guilds/{}/webhooks", tour.0.guild_id())).await;
    let by_id = format!("/webhooks/{}", hook["id"].as_str().unwrap());
    let door = format!("{by_id}/{}", hook["token"].as_str().unwrap());
    tour.get(&by_id).await;
    tour.get(&door).await;
    tour.take("PATCH", &by_id, json!({ "name": "Newer" })).await;
    tour.take("PATCH", &door, json!({ "name": "Newest" })).await;
    tour.take("POST", &door, json!({ "content": "quiet" })).await;
    tour.delete(&door).await;
    let again = tour.make("POST", &of_channel, json!({ "name": "Again" })).await;
    tour.delete(&format!("/webhooks/{again}")).await;
}

async fn commands(tour: &Tour<'_>) {
    let application = format!("/applications/{}", tour.0.application_id());
    let ping = json!({ "name": "ping", "description": "Pong", "default_member_permissions": "0" });
    let option = |kind: u8, name: &str| json!({ "type": kind, "name": name, "description": "d", "required": false });
    let rich = json!({ "name": "rich", "description": "d", "type": 1, "options": [
        { "type": 3, "name": "text", "description": "d", "required": true, "autocomplete": true },
        { "type": 4, "name": "whole", "description": "d", "min_value": 1, "choices": [{ "name": "two", "value": 2 }] },
        option(5, "flag"), option(6, "user"), option(7, "channel"), option(8, "role"), option(10, "number")] });
    for scope in [format!("{application}/guilds/{}", tour.0.guild_id()), application] {
        let commands = format!("{scope}/commands");
        let one = format!("{commands}/{}", tour.make("POST", &commands, ping.clone()).await);
        tour.take("PATCH", &one, json!({ "description": "New" })).await;
        tour.get(&one).await;
        tour.delete(&one).await;
        tour.take("PUT", &commands, json!([rich])).await;
        tour.get(&commands).await;
    }
}

async fn interactions(tour: &Tour<'_>) {
    let sandbox = tour.0;
    let mut line = Line::ready(sandbox, 1).await;
    let words = [("text".to_owned(), json!("hi")), ("user".to_owned(), json!("bob"))];
    let answers = [
        json!({ "type": 4, "data": { "content": "hi", "flags": 64, "embeds": [{ "title": "t" }] } }),
        json!({ "type": 9, "data": { "custom_id": "m", "title": "T", "components": [
            { "type": 1, "components": [{ "type": 4, "custom_id": "f", "style": 1, "label": "L" }] }] } }),
        json!({ "type": 5, "data": { "flags": 64 } }),
    ];
    for (at, answer) in answers.into_iter().enumerate() {
        sandbox.slash("alice", "rich", &words).unwrap();
        let event = line.event("INTERACTION_CREATE").await;
        let (id, token) = (event["id"].as_str().unwrap(), event["token"].as_str().unwrap());
        let callback = format!("/interactions/{id}/{token}/callback?with_response=true");
        tour.take("POST", &callback, answer).await;
        if at != 2 {
            continue;
        }
        let door = format!("/webhooks/{}/{token}", sandbox.application_id());
        let original = format!("{door}/messages/@original");
        tour.take("PATCH", &original, json!({ "content": "done" })).await;
        tour.get(&original).await;
        let more = tour.make("POST", &door, json!({ "content": "more", "flags": 64 })).await;
        let more = format!("{door}/messages/{more}");
        tour.take("PATCH", &more, json!({ "content": "less" })).await;
        tour.get(&more).await;
        tour.delete(&more).await;
        tour.delete(&original).await;
    }
    sandbox.autocomplete("alice", "rich", &[("text".to_owned(), json!("h"))], "text").unwrap();
    let event = line.event("INTERACTION_CREATE").await;
    let (id, token) = (event["id"].as_str().unwrap(), event["token"].as_str().unwrap());
    let choices = json!({ "type": 8, "data": { "choices": [{ "name": "hello", "value": "hello" }] } });
    tour.take("POST", &format!("/interactions/{id}/{token}/callback"), choices).await;
    line.close(1000).await;
}

/// The bodies of refusals are judged as well.
async fn limits(tour: &Tour<'_>) {
    let path = format!("/channels/{}/messages", tour.0.general_id());
    let wrong = json!({ "content": "x".repeat(2_001) });
    assert_eq!(call(tour.0, Method::POST, &path, Some(wrong)).await.0, 400);
    for _ in 0..=MESSAGES {
        if call(tour.0, Method::POST, &path, Some(json!({ "content": "x" }))).await.0 == 429 {
            return;
        }
    }
    panic!("the limit never came");
}

#[tokio::test]
async fn every_operation_fits_discords_own_description() {
    let Some(judgement) = judgement().await else { return };
    let missed: Vec<_> = sandbox::operations().filter(|operation| !judgement.answers.contains_key(operation)).collect();
    assert!(missed.is_empty(), "not on the tour: {missed:?}");
}

#[tokio::test]
async fn every_exception_is_needed() {
    let Some(judgement) = judgement().await else { return };
    let all = sandbox::exceptions().iter().enumerate();
    let idle: Vec<_> = all.filter(|(at, _)| !judgement.excused.contains(at)).map(|(_, exception)| exception).collect();
    assert!(idle.is_empty(), "nothing needs these any more: {idle:#?}");
}

#[tokio::test]
async fn a_request_that_does_not_fit_is_told_and_counted_once() {
    let config = SandboxConfig { description: Some(description()), ..SandboxConfig::default() };
    let sandbox = Sandbox::start(config).unwrap();
    if !sandbox.is_judged() {
        return;
    }
    for _ in 0..2 {
        let path = format!("/channels/{}/messages?wiat=true", sandbox.general_id());
        call(&sandbox, Method::POST, &path, Some(json!({ "content": "x" }))).await;
    }
    let found = sandbox.violations();
    let told: Vec<_> = found.iter().map(|one| (one.by, one.place.as_str(), one.status, one.times)).collect();
    assert_eq!(told, [(Side::Peer, "query/wiat", 200, 2)]);
}

#[tokio::test]
async fn every_payload_is_judged_but_what_faults_make_up() {
    let sandbox = start_with(|config| config.description = None);
    let mut line = Line::ready(&sandbox, ALL).await;
    let hello_ready_guild = 3;
    assert_eq!(sandbox.judgement().payloads, hello_ready_guild);
    sandbox.fault(Fault::Dispatch { name: "MESSAGE_DELETE".into(), data: r#"{"id":1}"#.into() });
    line.event("MESSAGE_DELETE").await;
    sandbox.say("alice", "hello");
    line.event("MESSAGE_CREATE").await;
    assert_eq!(sandbox.judgement().payloads, hello_ready_guild + 1);
    assert!(sandbox.violations().is_empty());
}

#[tokio::test]
async fn without_the_description_nothing_is_judged() {
    let sandbox = start_with(|config| config.description = Some("nowhere.json".into()));
    let path = format!("/channels/{}/messages?wiat=true", sandbox.general_id());
    assert_eq!(call(&sandbox, Method::POST, &path, Some(json!({ "content": "x" }))).await.0, 200);
    assert_eq!((sandbox.is_judged(), sandbox.violations().len()), (false, 0));
}
