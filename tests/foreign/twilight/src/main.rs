//! A bot of twilight that does what tests/it/foreign.rs asks: it talks to the stand-in that the environment names.
//!
//! API_BASE is the only address it is given; the gateway's comes from GET /gateway/bot. It is built without TLS, so that
//! it can reach nothing but a plain socket. It ends when its input ends.

use serde_json::{Value, json};
use std::{env, error::Error, io::Read as _, sync::Arc};
use twilight_gateway::{CloseFrame, ConfigBuilder, Event, EventTypeFlags, Intents, Shard, ShardId, StreamExt as _};
use twilight_http::{Client, client::InteractionClient, request::channel::reaction::RequestReactionType};
use twilight_model::{
    application::interaction::{Interaction, InteractionData, application_command::CommandOptionValue},
    channel::{
        Message,
        message::{Embed, MessageFlags},
    },
    http::interaction::{InteractionResponse, InteractionResponseData, InteractionResponseType},
    id::{Id, marker::ApplicationMarker},
};

type Failure = Box<dyn Error + Send + Sync>;

fn tell(what: &str, mut more: Value) {
    more["tell"] = what.into();
    println!("{more}");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let (token, api) = (env::var("TOKEN")?, env::var("API_BASE")?);
    let proxy = api.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/api/v10")).ok_or("API_BASE")?;
    assert!(proxy.starts_with("127.0.0.1:"), "{proxy} is not loopback");
    let http = Arc::new(Client::builder().token(token.clone()).proxy(proxy.to_owned(), true).build());
    let gateway = http.gateway().authed().await?.model().await?;
    assert!(gateway.url.starts_with("ws://127.0.0.1:"), "{} is not loopback", gateway.url);
    let application = http.current_user_application().await?.model().await?.id;
    let config = ConfigBuilder::new(token, Intents::all()).proxy_url(gateway.url).build();
    let mut shard = Shard::with_config(ShardId::ONE, config);

    let mut ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let mut closing = false;
    loop {
        let item = tokio::select! {
            item = shard.next_event(EventTypeFlags::all()) => item,
            _ = &mut ended, if !closing => {
                closing = true;
                shard.close(CloseFrame::NORMAL);
                continue;
            }
        };
        match item {
            Some(Ok(Event::GatewayClose(_))) if closing => return Ok(()),
            Some(Ok(event)) => {
                let http = Arc::clone(&http);
                tokio::spawn(async move {
                    let kind = event.kind();
                    if let Err(error) = on(event, &http, application).await {
                        tell("failed", json!({"at": format!("{kind:?}"), "error": error.to_string()}));
                    }
                });
            }
            Some(Err(error)) if error.to_string().contains("deserialized") => {
                tell("failed", json!({"at": "gateway", "error": format!("{error}: {:?}", error.source())}));
            }
            Some(Err(error)) => eprintln!("{error}: {:?}", error.source()), // a connection that was cut
            None => return Ok(()),
        }
    }
}

async fn on(event: Event, http: &Client, application: Id<ApplicationMarker>) -> Result<(), Failure> {
    match event {
        Event::Ready(ready) => register(&http.interaction(application), ready.user.id.to_string()).await,
        Event::GuildCreate(guild) => {
            if let twilight_model::gateway::payload::incoming::GuildCreate::Available(guild) = *guild {
                let (id, members) = (guild.id.to_string(), guild.member_count);
                tell("guild", json!({"guild": id, "name": guild.name, "members": members}));
            }
            Ok(())
        }
        Event::Resumed => {
            tell("resumed", json!({}));
            Ok(())
        }
        Event::MessageCreate(message) if !message.author.bot => {
            if let Some(text) = message.content.strip_prefix("!echo ") {
                tell("heard", json!({"author": message.author.name, "content": message.content}));
                http.create_message(message.channel_id).reply(message.id).content(text).await?;
            } else if message.content == "!tour" {
                tour(&message, http).await?;
            }
            Ok(())
        }
        Event::InteractionCreate(interaction) => answer(&interaction, &http.interaction(application)).await,
        _ => Ok(()),
    }
}

async fn register(interactions: &InteractionClient<'_>, user: String) -> Result<(), Failure> {
    use twilight_model::application::command::{Command, CommandOption, CommandOptionType, CommandType};
    let option =
        json!({"type": CommandOptionType::String as u8, "name": "name", "description": "Whom", "required": true});
    let option: CommandOption = serde_json::from_value(option)?;
    let command = |name: &str, description: &str, options| -> Result<Command, serde_json::Error> {
        let chat = u8::from(CommandType::ChatInput);
        let json = json!({"name": name, "description": description, "type": chat, "version": "1"});
        serde_json::from_value(json).map(|command: Command| Command { options, ..command })
    };
    let commands =
        [command("greet", "Says hello", vec![option])?, command("later", "Answers later, to one person", vec![])?];
    let known = interactions.set_global_commands(&commands).await?.model().await?;
    assert_eq!(known.len(), 2);
    tell("ready", json!({"user": user}));
    Ok(())
}

/// The everyday requests, each read back.
async fn tour(message: &Message, http: &Client) -> Result<(), Failure> {
    let (channel, guild) = (message.channel_id, message.guild_id.ok_or("no guild")?);
    http.create_reaction(channel, message.id, &RequestReactionType::Unicode { name: "✅" }).await?;
    http.create_typing_trigger(channel).await?;
    let embed: Embed = serde_json::from_value(json!({"type": "rich", "title": "Tour", "description": "An embed"}))?;
    let sent = http.create_message(channel).content("one").embeds(&[embed]).await?.model().await?;
    http.update_message(channel, sent.id).content(Some("two")).await?.model().await?;
    assert_eq!(http.message(channel, sent.id).await?.model().await?.content, "two");
    let newest = http.channel_messages(channel).limit(2).await?.models().await?;
    assert_eq!(newest.iter().map(|one| one.id).collect::<Vec<_>>(), [sent.id, message.id]);
    assert_eq!(http.guild_member(guild, message.author.id).await?.model().await?.user.name, message.author.name);
    assert_eq!(http.user(message.author.id).await?.model().await?.name, message.author.name);
    assert!(http.guild_channels(guild).await?.models().await?.iter().any(|one| one.id == channel));
    assert_eq!(http.guild(guild).await?.model().await?.id, guild);
    http.delete_message(channel, sent.id).await?;
    http.create_message(channel).reply(message.id).content("toured").await?.model().await?;
    Ok(())
}

async fn answer(interaction: &Interaction, interactions: &InteractionClient<'_>) -> Result<(), Failure> {
    let Some(InteractionData::ApplicationCommand(command)) = &interaction.data else { return Ok(()) };
    let respond = |kind, data| InteractionResponse { kind, data: Some(data) };
    let (id, token) = (interaction.id, interaction.token.as_str());
    if command.name == "greet" {
        let Some(CommandOptionValue::String(name)) = command.options.first().map(|option| &option.value) else {
            return Err("no name".into());
        };
        let data = InteractionResponseData { content: Some(format!("Hello, {name}!")), ..Default::default() };
        let response = respond(InteractionResponseType::ChannelMessageWithSource, data);
        interactions.create_response(id, token, &response).await?;
        return Ok(());
    }
    let data = InteractionResponseData { flags: Some(MessageFlags::EPHEMERAL), ..Default::default() };
    let response = respond(InteractionResponseType::DeferredChannelMessageWithSource, data);
    interactions.create_response(id, token, &response).await?;
    interactions.update_response(token).content(Some("It is later.")).await?.model().await?;
    let further = interactions.create_followup(token).content("And later still.").flags(MessageFlags::EPHEMERAL);
    further.await?.model().await?;
    Ok(())
}
