//! REST: token, errors, messages, limits, what is not there.

use reqwest::Method;
use sandbox::{Fault, Limit, Pings, Rate, SandboxEvent};
use serde_json::{Value, json};

use crate::client::{ALL, Line, call, get, messages, post, start, start_with};

#[tokio::test]
async fn a_wrong_or_missing_token_is_answered_401() {
    let sandbox = start();
    for header in [None, Some("Bot wrong".to_owned()), Some(sandbox.token())] {
        let mut request = reqwest::Client::new().get(format!("{}/users/@me", sandbox.api_base()));
        if let Some(header) = header {
            request = request.header("Authorization", header);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "message": "401: Unauthorized", "code": 0 }));
    }
}

#[tokio::test]
async fn a_route_that_is_not_there_is_answered_501_and_listed() {
    let sandbox = start();
    let lacking = json!({ "message": "not implemented by the sandbox", "code": 0 });
    assert_eq!(get(&sandbox, "/voice/regions").await, (501, lacking.clone()));
    assert_eq!(call(&sandbox, Method::PATCH, "/users/@me", Some(json!({}))).await, (501, lacking));
    let listed = |wanted: (&str, &str)| {
        sandbox.log().iter().any(|event| {
            matches!(event, SandboxEvent::Unimplemented { method, path } if (method.as_str(), path.as_str()) == wanted)
        })
    };
    assert!(listed(("GET", "/voice/regions")) && listed(("PATCH", "/users/@me")));
    assert_eq!(sandbox.stats().unimplemented, 2);
    let root = sandbox.api_base().replace("/api/v10", "");
    assert_eq!(reqwest::get(format!("{root}/elsewhere")).await.unwrap().status(), 404);
    assert_eq!(reqwest::get(format!("{root}/api/v9/gateway")).await.unwrap().status(), 400);
}

#[tokio::test]
async fn messages_are_created_read_edited_and_deleted() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, ALL).await;
    let path = messages(&sandbox);
    let (status, made) = post(&sandbox, &path, json!({ "content": "hello", "embeds": [{ "title": "t" }] })).await;
    assert_eq!((status, &made["content"], &made["embeds"][0]["type"]), (200, &json!("hello"), &json!("rich")));
    let event = line.event("MESSAGE_CREATE").await;
    assert_eq!((&event["id"], &event["guild_id"]), (&made["id"], &json!(sandbox.guild_id().to_string())));
    let one = format!("{path}/{}", made["id"].as_str().unwrap());
    let (status, edited) = call(&sandbox, Method::PATCH, &one, Some(json!({ "content": "bye" }))).await;
    assert_eq!((status, &edited["content"], edited["edited_timestamp"].is_string()), (200, &json!("bye"), true));
    assert_eq!(line.event("MESSAGE_UPDATE").await["content"], "bye");
    assert_eq!(get(&sandbox, &one).await.1["content"], "bye");
    assert_eq!(call(&sandbox, Method::DELETE, &one, None).await, (204, Value::Null));
    assert_eq!(line.event("MESSAGE_DELETE").await["id"], made["id"]);
    let (status, gone) = get(&sandbox, &one).await;
    assert_eq!((status, &gone["code"]), (404, &json!(10008)));
    assert_eq!(sandbox.bot_messages().len(), 1);
}

#[tokio::test]
async fn pages_of_messages_go_back_forward_and_around() {
    let sandbox = start();
    let ids: Vec<String> = (0..9).map(|n| sandbox.say("alice", &n.to_string()).0.to_string()).collect();
    let page = async |query: &str| -> String {
        let (_, page) = get(&sandbox, &format!("{}?{query}", messages(&sandbox))).await;
        page.as_array().unwrap().iter().map(|message| message["content"].as_str().unwrap()).collect()
    };
    assert_eq!(page("limit=3").await, "876");
    assert_eq!(page(&format!("limit=3&before={}", ids[4])).await, "321");
    assert_eq!(page(&format!("limit=3&after={}", ids[4])).await, "765");
    assert_eq!(page(&format!("limit=3&around={}", ids[4])).await, "543");
}

#[tokio::test]
async fn refusals_carry_discords_codes() {
    let sandbox = start();
    let path = messages(&sandbox);
    let mine = sandbox.say("alice", "mine");
    let nowhere = "/channels/1/messages";
    let alices = format!("{path}/{}", mine.0);
    let cases = [
        (Method::POST, path.as_str(), Some(json!({ "content": "" })), 400, 50006),
        (Method::POST, path.as_str(), Some(json!({})), 400, 50006),
        (Method::POST, path.as_str(), Some(json!({ "content": "x".repeat(2_001) })), 400, 50035),
        (
            Method::POST,
            path.as_str(),
            Some(json!({ "content": "x", "message_reference": { "message_id": "1" } })),
            400,
            50035,
        ),
        (Method::POST, path.as_str(), Some(json!({ "content": "x", "tts": "yes", "flags": -1 })), 400, 50035),
        (Method::POST, nowhere, Some(json!({ "content": "x" })), 404, 10003),
        (Method::PATCH, alices.as_str(), Some(json!({ "content": "x" })), 403, 50005),
        (Method::GET, "/guilds/1", None, 404, 10004),
        (Method::GET, "/users/1", None, 404, 10013),
        (Method::GET, "/channels/abc", None, 400, 50035),
    ];
    for (method, path, body, status, code) in cases {
        let (got, answer) = call(&sandbox, method, path, body).await;
        assert_eq!((got, &answer["code"]), (status, &json!(code)), "{path}: {answer}");
    }
}

#[tokio::test]
async fn without_permission_a_message_is_refused() {
    let sandbox = start();
    let (guild, path) = (sandbox.guild_id(), messages(&sandbox));
    let (role, everyone) = (sandbox.role_id(guild, "impresario").unwrap(), guild);
    sandbox.set_role_permissions(guild, role, 0).unwrap();
    sandbox.set_role_permissions(guild, everyone, 1 << 10).unwrap();
    assert_eq!(post(&sandbox, &path, json!({ "content": "x" })).await.1["code"], 50013);
    sandbox.set_role_permissions(guild, everyone, 0).unwrap();
    assert_eq!(post(&sandbox, &path, json!({ "content": "x" })).await.1["code"], 50001);
}

#[tokio::test]
async fn enforce_nonce_returns_the_earlier_message() {
    let sandbox = start();
    let path = messages(&sandbox);
    let enforced = json!({ "content": "once", "nonce": "n", "enforce_nonce": true });
    let first = post(&sandbox, &path, enforced.clone()).await;
    assert_eq!(first.1["nonce"], "n");
    assert_eq!(post(&sandbox, &path, enforced).await, first);
    assert_eq!(sandbox.stats().messages_received_from_bot, 1);
    let again = post(&sandbox, &path, json!({ "content": "once", "nonce": "n" })).await;
    assert_ne!(again.1["id"], first.1["id"], "without enforce_nonce nothing is deduplicated");
}

#[tokio::test]
async fn allowed_mentions_decide_whom_a_message_notifies() {
    let sandbox = start();
    let (alice, bob) = (sandbox.user_id("alice").unwrap(), sandbox.user_id("bob").unwrap());
    let role = sandbox.role_id(sandbox.guild_id(), "moderators").unwrap();
    let said = sandbox.say("alice", "question");
    let text = format!("@everyone <@{alice}> <@!{bob}> <@&{role}>");
    let reply = json!({ "message_id": said.0.to_string() });
    let cases = [
        (None, Pings { users: vec![alice, bob], roles: vec![role], everyone: true }),
        (Some(json!({ "parse": [] })), Pings::default()),
        (
            Some(json!({ "parse": ["roles"], "users": [bob.to_string()] })),
            Pings { users: vec![bob], roles: vec![role], everyone: false },
        ),
        (Some(json!({ "parse": [], "replied_user": true })), Pings { users: vec![alice], ..Pings::default() }),
    ];
    for (allowed, pings) in cases {
        let mut body = json!({ "content": text, "message_reference": reply });
        if let Some(allowed) = &allowed {
            body["allowed_mentions"] = allowed.clone();
        }
        let (_, message) = post(&sandbox, &messages(&sandbox), body).await;
        let seen = sandbox.bot_messages().pop().unwrap();
        assert_eq!((&seen.pings, seen.reply_to), (&pings, Some(said.0)), "{allowed:?}");
        assert_eq!(message["mentions"].as_array().unwrap().len(), pings.users.len());
        assert_eq!(message["mention_everyone"], pings.everyone);
    }
    let both = json!({ "content": "x", "allowed_mentions": { "parse": ["users"], "users": [bob.to_string()] } });
    assert_eq!(post(&sandbox, &messages(&sandbox), both).await.1["code"], 50035);
}

#[tokio::test]
async fn a_bucket_tells_its_limit_and_answers_429_beyond_it() {
    let sandbox = start_with(|config| config.message_bucket = Rate { requests: 2, window_ms: 60_000 });
    let send = async || {
        let url = format!("{}{}", sandbox.api_base(), messages(&sandbox));
        let token = format!("Bot {}", sandbox.token());
        let body = json!({ "content": "x" });
        reqwest::Client::new().post(url).header("Authorization", token).json(&body).send().await.unwrap()
    };
    let header =
        |answer: &reqwest::Response, name: &str| answer.headers().get(name).unwrap().to_str().unwrap().to_owned();
    let first = send().await;
    assert_eq!(
        (header(&first, "x-ratelimit-limit"), header(&first, "x-ratelimit-remaining")),
        ("2".into(), "1".into())
    );
    assert!(header(&first, "x-ratelimit-reset-after").parse::<f64>().unwrap() <= 60.0);
    send().await;
    let third = send().await;
    assert_eq!((third.status().as_u16(), header(&third, "x-ratelimit-scope")), (429, "user".into()));
    assert_eq!(header(&third, "x-ratelimit-bucket"), header(&first, "x-ratelimit-bucket"));
    let wait: u64 = header(&third, "retry-after").parse().unwrap();
    let body: Value = third.json().await.unwrap();
    assert!(wait <= 60 && body["retry_after"].as_f64().unwrap() <= 60.0);
    assert_eq!((&body["global"], sandbox.bot_messages().len()), (&json!(false), 2));
}

#[tokio::test]
async fn a_shared_limit_is_nobodys_fault_and_the_others_count_as_invalid() {
    let rate = Rate { requests: 1, window_ms: 60_000 };
    let reactions = Limit::new("/channels/{channel_id}/messages/{message_id}/reactions/*", rate);
    let sandbox = start_with(|config| config.limits = vec![reactions.in_bucket("reactions").shared()]);
    let message = sandbox.say("alice", "x").0;
    let path = format!("{}/{message}/reactions/%F0%9F%94%A5/@me", messages(&sandbox));
    assert_eq!(call(&sandbox, Method::PUT, &path, None).await.0, 204);
    assert_eq!(call(&sandbox, Method::DELETE, &path, None).await.0, 429, "one bucket for both");
    assert_eq!((sandbox.invalid_requests(), sandbox.stats().rate_limited_by_scope["shared"]), (0, 1));
    sandbox.set_limits(vec![Limit::new("GET /users/@me", rate)]);
    assert_eq!(call(&sandbox, Method::DELETE, &path, None).await.0, 204, "the bucket is another one now");
    get(&sandbox, "/users/@me").await;
    assert_eq!(get(&sandbox, "/users/@me").await.0, 429);
    assert_eq!((sandbox.invalid_requests(), sandbox.stats().rate_limited_by_scope["user"]), (1, 1));
}

#[tokio::test]
async fn after_too_many_invalid_requests_everything_is_a_page_of_html() {
    let sandbox = start_with(|config| config.invalid_max = 2);
    sandbox.fault(Fault::Unauthorized(true));
    for _ in 0..2 {
        assert_eq!(get(&sandbox, "/users/@me").await.0, 401);
    }
    sandbox.fault(Fault::Unauthorized(false));
    let request = reqwest::Client::new().get(format!("{}/users/@me", sandbox.api_base()));
    let answer = request.header("Authorization", format!("Bot {}", sandbox.token())).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().get("x-ratelimit-scope")), (429, None));
    assert!(answer.text().await.unwrap().contains("1015"));
}

#[tokio::test]
async fn reactions_count_users_and_tell_the_gateway() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, 1 << 10).await;
    let message = sandbox.say("alice", "like this");
    sandbox.react("alice", message, "🔥").unwrap();
    assert_eq!(line.event("MESSAGE_REACTION_ADD").await["emoji"]["name"], "🔥");
    let path = format!("{}/{}/reactions/%F0%9F%94%A5/@me", messages(&sandbox), message.0);
    assert_eq!(call(&sandbox, Method::PUT, &path, None).await.0, 204);
    assert_eq!(call(&sandbox, Method::PUT, &path, None).await.0, 204);
    line.event("MESSAGE_REACTION_ADD").await;
    let one = get(&sandbox, &format!("{}/{}", messages(&sandbox), message.0)).await.1;
    assert_eq!((&one["reactions"][0]["count"], &one["reactions"][0]["me"]), (&json!(2), &json!(true)));
    assert_eq!(call(&sandbox, Method::DELETE, &path, None).await.0, 204);
    line.event("MESSAGE_REACTION_REMOVE").await;
    let unknown = format!("{}/{}/reactions/nothing:1/@me", messages(&sandbox), message.0);
    assert_eq!(call(&sandbox, Method::PUT, &unknown, None).await.1["code"], 10014);
}

#[tokio::test]
async fn a_file_comes_as_an_attachment_of_the_message() {
    let sandbox = start();
    let boundary = "sandbox-boundary";
    let form = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\r\n{{\"content\":\"see\"}}\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"files[0]\"; filename=\"a.txt\"\r\n\r\nabc\r\n--{boundary}--\r\n"
    );
    let answer = reqwest::Client::new()
        .post(format!("{}{}", sandbox.api_base(), messages(&sandbox)))
        .header("Authorization", format!("Bot {}", sandbox.token()))
        .header("Content-Type", format!("multipart/form-data; boundary={boundary}"))
        .body(form)
        .send()
        .await
        .unwrap();
    let message: Value = answer.json().await.unwrap();
    assert_eq!((&message["content"], &message["attachments"][0]["size"]), (&json!("see"), &json!(3)));
    assert_eq!(message["attachments"][0]["filename"], "a.txt");
}

#[tokio::test]
async fn while_unauthorized_every_request_is_401() {
    let sandbox = start();
    sandbox.fault(Fault::Unauthorized(true));
    assert_eq!(get(&sandbox, "/users/@me").await.0, 401);
    assert_eq!(get(&sandbox, "/gateway").await.0, 401);
    sandbox.fault(Fault::Unauthorized(false));
    assert_eq!(get(&sandbox, "/users/@me").await.0, 200);
}
