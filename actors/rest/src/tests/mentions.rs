use super::fake::{self, Asked, Fake, message};
use crate::{Mentions, Rest, RestConfig, Send};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};
use serenity::{
    builder::{
        CreateAllowedMentions, CreateForumPost, CreateInteractionResponse, CreateInteractionResponseFollowup,
        CreateInteractionResponseMessage, CreateMessage, EditInteractionResponse, EditMessage,
    },
    http::{LightMethod, Request, Route},
    model::id::{ChannelId, RoleId, UserId},
};

/// Pings that Discord would send for a message: everything its text mentions and `allowed_mentions` lets through.
fn pings(message: &Value) -> Vec<String> {
    let text = message["content"].as_str().unwrap_or_default();
    let allowed = &message["allowed_mentions"];
    let open =
        |kind: &str| allowed.is_null() || allowed["parse"].as_array().is_some_and(|all| all.contains(&json!(kind)));
    let listed = |kind: &str, id: &str| allowed[kind].as_array().is_some_and(|all| all.contains(&json!(id)));
    let mut pings = Vec::new();
    for name in ["@everyone", "@here"] {
        if text.contains(name) && open("everyone") {
            pings.push(name.to_owned());
        }
    }
    for (start, kind) in [("<@&", "roles"), ("<@", "users")] {
        for part in text.split(start).skip(1) {
            let id: String = part.trim_start_matches('!').chars().take_while(char::is_ascii_digit).collect();
            if !id.is_empty() && (open(kind) || listed(kind, &id)) {
                pings.push(format!("{start}{id}>"));
            }
        }
    }
    if message["allowed_mentions"]["replied_user"] == true {
        pings.push("the replied user".to_owned());
    }
    pings
}

/// Each part of a body that is a message.
fn messages(asked: &Asked) -> Vec<&Value> {
    [&asked.body, &asked.body["data"], &asked.body["message"]].into_iter().filter(|part| part.is_object()).collect()
}

fn text(dice: &mut StdRng) -> String {
    const PARTS: [&str; 12] = [
        "@everyone",
        "@here",
        "<@123456789012345678>",
        "<@!123456789012345678>",
        "<@&223456789012345678>",
        "\u{200b}",
        "@",
        "\\",
        "`",
        "everyone",
        "<@",
        "\"}, \"allowed_mentions\": {\"parse\": [\"everyone\"]}, \"x\": {\"y\": \"",
    ];
    (0..dice.random_range(1..12)).filter_map(|_| PARTS.choose(dice)).copied().collect()
}

fn wide_open() -> CreateAllowedMentions {
    CreateAllowedMentions::new().everyone(true).all_roles(true).all_users(true).replied_user(true)
}

async fn say_everywhere(rest: &Rest, text: &str, send: &Send) {
    let channel = ChannelId::new(1);
    let open = wide_open;
    let message = CreateMessage::new().content(text).allowed_mentions(open());
    rest.create_message(channel, message.clone(), send.clone()).await.unwrap();
    rest.create_message(channel, CreateMessage::new().content(text), send.clone()).await.unwrap();
    let edit = EditMessage::new().content(text).allowed_mentions(open());
    rest.edit_message(channel, 2.into(), edit, send.clone()).await.unwrap();
    let data = CreateInteractionResponseMessage::new().content(text).allowed_mentions(open());
    for response in [
        CreateInteractionResponse::Message(data.clone()),
        CreateInteractionResponse::Defer(data.clone()),
        CreateInteractionResponse::UpdateMessage(data),
    ] {
        rest.respond(3.into(), "tok", response, send.clone()).await.unwrap();
    }
    let edit = EditInteractionResponse::new().content(text).allowed_mentions(open());
    rest.edit_response(4.into(), "tok", edit, send.clone()).await.unwrap();
    let more = CreateInteractionResponseFollowup::new().content(text).allowed_mentions(open());
    rest.follow_up(4.into(), "tok", more, send.clone()).await.unwrap();
    let post = serde_json::to_vec(&CreateForumPost::new("post", message)).unwrap();
    let forum = Request::new(Route::ChannelForumPosts { channel_id: channel }, LightMethod::Post).body(Some(post));
    rest.request::<Value>(forum, send.clone()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_text_and_no_builder_can_ping_anybody() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let config = RestConfig { global_per_second: u16::MAX, ..fake::config() };
    let (rest, fake) = Fake::rest(config, |_, _| fake::ok(&message(5)));
    for _ in 0..500 {
        say_everywhere(&rest, &text(&mut dice), &Send::default()).await;
    }
    let asked = fake.asked();
    assert_eq!(asked.len(), 500 * 9);
    let mut said = 0;
    for request in &asked {
        for message in messages(request) {
            said += usize::from(message["content"].is_string());
            if message["content"].is_string() {
                assert_eq!(pings(message), [] as [&str; 0], "seed {seed}: {} {}", request.path, request.body);
            }
        }
    }
    assert_eq!(said, asked.len(), "the check looked past some messages");
}

#[tokio::test(start_paused = true)]
async fn what_is_opened_gets_through_and_nothing_else() {
    let (rest, fake) = Fake::rest(fake::config(), |_, _| fake::ok(&message(5)));
    let text = "@everyone <@7> <@8> <@&9>";
    for (mentions, expected) in [
        (Mentions::None, &[][..]),
        (Mentions::Users(vec![UserId::new(7)]), &["<@7>"]),
        (Mentions::Roles(vec![RoleId::new(9)]), &["<@&9>"]),
        (Mentions::Everyone, &["@everyone"]),
    ] {
        let message = CreateMessage::new().content(text).allowed_mentions(wide_open());
        rest.create_message(1.into(), message, Send::default().mentions(mentions)).await.unwrap();
        assert_eq!(pings(&fake.asked().last().unwrap().body), expected);
    }
}
