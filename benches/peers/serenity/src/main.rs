//! The least bot of serenity: default cache, all intents, `!ping`. `peer-serenity GATEWAY API`.

use serenity::{
    all::GatewayIntents, async_trait, client::ClientBuilder, http::HttpBuilder, model::channel::Message, prelude::*,
};

struct Handler;

#[async_trait]
impl EventHandler for Handler {
    async fn message(&self, ctx: Context, message: Message) {
        if message.content == "!ping"
            && let Err(error) = message.channel_id.say(&ctx.http, "Pong!").await
        {
            eprintln!("{error}");
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The library takes the gateway's address from GET /gateway, which answers with the one given here.
    let (_gateway, api) = (std::env::args().nth(1).ok_or("GATEWAY")?, std::env::args().nth(2).ok_or("API")?);
    // Its rate limiter knows no other address than Discord's, so that has to go too.
    let origin = api.strip_suffix("/api/v10").ok_or("API ends with /api/v10")?;
    let http = HttpBuilder::new("benchmark.bot.token").proxy(origin).ratelimiter_disabled(true).build();
    if !http.get_gateway().await?.url.starts_with("ws://127.0.0.1:") {
        return Err("the gateway is not on loopback".into());
    }
    let mut client = ClientBuilder::new_with_http(http, GatewayIntents::all()).event_handler(Handler).await?;
    Ok(client.start().await?)
}
