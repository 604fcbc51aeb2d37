//! The judge is code that knows nothing of the sandbox: serenity's client and its strict types.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use serenity::all::{
    Channel, ChannelId, CreateCommand, CreateCommandOption, CreateEmbed, CreateInteractionResponse,
    CreateInteractionResponseFollowup, CreateInteractionResponseMessage, CreateMessage, EditInteractionResponse,
    EditMessage, GuildId, Http, HttpBuilder, Interaction, MessageId, ReactionType, UserId,
};
use serenity::model::application::CommandOptionType;
use serenity::model::event as events;

use sandbox::{Fault, Sandbox, SandboxEvent};

use crate::client::{ALL, Line, SOON, start, start_with};

fn client(sandbox: &Sandbox) -> Http {
    let root = sandbox.api_base().replace("/api/v10", "");
    let http = HttpBuilder::new(sandbox.token()).proxy(root).ratelimiter_disabled(true).build();
    http.set_application_id(sandbox.application_id().into());
    http
}

fn fits<T: DeserializeOwned>(event: &Value) {
    if let Err(error) = serde_json::from_value::<T>(event["d"].clone()) {
        panic!("{}: {error}\n{event:#}", event["t"]);
    }
}

/// Parses by the concrete type; serenity's own `Event` would hide a fault as "unknown".
fn check(event: &Value) -> String {
    let name = event["t"].as_str().unwrap();
    match name {
        "READY" => fits::<events::ReadyEvent>(event),
        "RESUMED" => fits::<events::ResumedEvent>(event),
        "GUILD_CREATE" => fits::<events::GuildCreateEvent>(event),
        "GUILD_DELETE" => fits::<events::GuildDeleteEvent>(event),
        "GUILD_ROLE_UPDATE" => fits::<events::GuildRoleUpdateEvent>(event),
        "GUILD_MEMBER_ADD" => fits::<events::GuildMemberAddEvent>(event),
        "GUILD_MEMBER_UPDATE" => fits::<events::GuildMemberUpdateEvent>(event),
        "GUILD_MEMBER_REMOVE" => fits::<events::GuildMemberRemoveEvent>(event),
        "GUILD_MEMBERS_CHUNK" => fits::<events::GuildMembersChunkEvent>(event),
        "GUILD_EMOJIS_UPDATE" => fits::<events::GuildEmojisUpdateEvent>(event),
        "PRESENCE_UPDATE" => fits::<events::PresenceUpdateEvent>(event),
        "TYPING_START" => fits::<events::TypingStartEvent>(event),
        "MESSAGE_CREATE" => fits::<events::MessageCreateEvent>(event),
        "MESSAGE_UPDATE" => fits::<events::MessageUpdateEvent>(event),
        "MESSAGE_DELETE" => fits::<events::MessageDeleteEvent>(event),
        "MESSAGE_REACTION_ADD" => fits::<events::ReactionAddEvent>(event),
        "MESSAGE_REACTION_REMOVE" => fits::<events::ReactionRemoveEvent>(event),
        "INTERACTION_CREATE" => fits::<events::InteractionCreateEvent>(event),
        other => panic!("no type is known for {other}"),
    }
    name.to_owned()
}

#[tokio::test]
async fn every_event_deserialises_into_serenitys_types() {
    let sandbox = start_with(|config| {
        config.guilds = 2;
        config.members_per_guild = 4;
    });
    let http = client(&sandbox);
    let (guild, general) = (sandbox.guild_id(), ChannelId::new(sandbox.general_id()));
    let mut line = Line::open(&sandbox).await;
    line.identify(ALL, json!([0, 1])).await;
    sandbox.wait_for(SOON, |event| matches!(event, SandboxEvent::Identify { .. })).unwrap();

    let said = sandbox.say("alice", "hello");
    sandbox.say("dave", "new here");
    sandbox.say_directly("carol", "direct").unwrap();
    sandbox.types("bob").unwrap();
    sandbox.react("alice", said, "🔥").unwrap();
    let reply = CreateMessage::new()
        .content("<@1> re")
        .embed(CreateEmbed::new().title("t"))
        .reference_message((general, MessageId::new(said.0)));
    let sent = http.send_message(general, Vec::new(), &reply).await.unwrap();
    http.edit_message(general, sent.id, &EditMessage::new().content("edited"), Vec::new()).await.unwrap();
    http.create_reaction(general, sent.id, &ReactionType::Unicode("👍".into())).await.unwrap();
    http.delete_reaction_me(general, sent.id, &ReactionType::Unicode("👍".into())).await.unwrap();
    http.delete_message(general, sent.id, None).await.unwrap();
    sandbox.upload_emoji(Some(guild), "party").unwrap();
    sandbox.set_presence(guild, "bob", "idle").unwrap();
    sandbox.set_roles(guild, "bob", &[]).unwrap();
    sandbox.set_role_permissions(guild, sandbox.role_id(guild, "moderators").unwrap(), 8).unwrap();
    sandbox.leave(guild, "dave").unwrap();
    line.say(json!({ "op": 8, "d": { "guild_id": guild.to_string(), "query": "", "limit": 0, "presences": true } }))
        .await;
    let user = CreateCommandOption::new(CommandOptionType::User, "who", "Whom").required(true);
    let command = CreateCommand::new("greet").description("Says hello").add_option(user);
    http.create_global_commands(&[command]).await.unwrap();
    let asked = sandbox.slash("alice", "greet", &[("who".to_owned(), json!("bob"))]).unwrap().to_string();
    sandbox.autocomplete("alice", "greet", &[], "who").unwrap();
    sandbox.wait_for(SOON, |event| matches!(event, SandboxEvent::MembersRequested { .. })).unwrap();
    sandbox.remove_guild(sandbox.guild_ids()[1], true).unwrap();

    let mut seen = Vec::new();
    while !(seen.contains(&"GUILD_DELETE".to_owned()) && seen.contains(&"GUILD_MEMBERS_CHUNK".to_owned())) {
        let frame = line.frame().await;
        if frame["t"] == "INTERACTION_CREATE" && frame["d"]["id"] == asked.as_str() {
            let Interaction::Command(command) = serde_json::from_value(frame["d"].clone()).unwrap() else { panic!() };
            assert_eq!(command.data.resolved.members.len(), 1);
            assert_eq!(command.user.name, "alice");
        }
        seen.push(check(&frame));
    }
    sandbox.fault(Fault::CutConnection { shard: None });
    let mut line = Line::resumed(&sandbox, &line).await;
    seen.push(check(&line.frame().await));
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 18, "{seen:?}");
}

#[tokio::test]
async fn serenitys_client_reads_every_answer() {
    let sandbox = start();
    let http = client(&sandbox);
    let (guild, general) = (GuildId::new(sandbox.guild_id()), ChannelId::new(sandbox.general_id()));
    let alice = UserId::new(sandbox.owner_id());
    assert_eq!(http.get_current_user().await.unwrap().id.get(), sandbox.bot_user_id());
    assert_eq!(http.get_current_application_info().await.unwrap().owner.unwrap().id, alice);
    assert_eq!(http.get_bot_gateway().await.unwrap().url, sandbox.gateway_url());
    assert_eq!(http.get_gateway().await.unwrap().url, sandbox.gateway_url());
    assert_eq!(http.get_user(alice).await.unwrap().name, "alice");
    assert_eq!(http.get_guild(guild).await.unwrap().owner_id, alice);
    assert_eq!(http.get_guild_with_counts(guild).await.unwrap().approximate_member_count, Some(4));
    assert_eq!(http.get_guilds(None, None).await.unwrap()[0].id, guild);
    assert_eq!(http.get_channels(guild).await.unwrap().len(), 5);
    assert_eq!(http.get_guild_roles(guild).await.unwrap().len(), 3);
    assert_eq!(http.get_guild_members(guild, Some(100), None).await.unwrap().len(), 4);
    assert_eq!(http.search_guild_members(guild, "al", Some(5)).await.unwrap().len(), 1);
    assert_eq!(http.get_member(guild, alice).await.unwrap().user.name, "alice");
    assert!(matches!(http.get_channel(general).await.unwrap(), Channel::Guild(channel) if channel.name == "general"));
    let direct = http.create_private_channel(&json!({ "recipient_id": alice.to_string() })).await.unwrap();
    assert_eq!(direct.recipient.id, alice);

    let said = sandbox.say("alice", "hello");
    let sent = http.send_message(general, Vec::new(), &CreateMessage::new().content("hi")).await.unwrap();
    http.create_reaction(general, MessageId::new(said.0), &ReactionType::Unicode("👍".into())).await.unwrap();
    assert!(http.get_message(general, MessageId::new(said.0)).await.unwrap().reactions[0].me);
    assert_eq!(http.get_messages(general, None, Some(10)).await.unwrap()[0].id, sent.id);
    http.broadcast_typing(general).await.unwrap();

    let emoji = json!({ "name": "made", "image": "data:image/png;base64,AA" });
    let made = http.create_emoji(guild, &emoji, None).await.unwrap();
    assert_eq!(http.get_emoji(guild, made.id).await.unwrap().name, "made");
    assert_eq!(http.get_emojis(guild).await.unwrap().len(), 2);
    http.delete_emoji(guild, made.id, None).await.unwrap();
    http.create_application_emoji(&emoji).await.unwrap();
    assert_eq!(http.get_application_emojis().await.unwrap().len(), 2);
}

#[tokio::test]
async fn serenitys_client_registers_commands_and_answers_them() {
    let sandbox = start();
    let http = client(&sandbox);
    let guild = GuildId::new(sandbox.guild_id());
    let command = || CreateCommand::new("ping").description("Pong");
    http.create_guild_commands(guild, &[command()]).await.unwrap();
    assert_eq!(http.get_guild_commands(guild).await.unwrap()[0].name, "ping");
    http.create_global_commands(&[command()]).await.unwrap();
    assert_eq!(http.get_global_commands().await.unwrap().len(), 1);
    let mut line = Line::ready(&sandbox, 1).await;
    sandbox.slash("alice", "ping", &[]).unwrap();
    let event = line.event("INTERACTION_CREATE").await;
    let Interaction::Command(asked) = serde_json::from_value(event).unwrap() else { panic!() };
    let answer = CreateInteractionResponse::Defer(CreateInteractionResponseMessage::new().ephemeral(true));
    http.create_interaction_response(asked.id, &asked.token, &answer, Vec::new()).await.unwrap();
    let edit = EditInteractionResponse::new().content("pong");
    http.edit_original_interaction_response(&asked.token, &edit, Vec::new()).await.unwrap();
    let more = CreateInteractionResponseFollowup::new().content("more");
    http.create_followup_message(&asked.token, &more, Vec::new()).await.unwrap();
    assert_eq!(http.get_original_interaction_response(&asked.token).await.unwrap().content, "pong");
    let again = http.create_interaction_response(asked.id, &asked.token, &answer, Vec::new()).await.unwrap_err();
    assert!(again.to_string().contains("already been acknowledged"), "{again}");
}
