//! The least bot of poise: default cache, all intents, `!ping`. `peer-poise GATEWAY API`.

use poise::serenity_prelude as serenity;
use serenity::http::HttpBuilder;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Answers.
#[poise::command(prefix_command)]
async fn ping(ctx: poise::Context<'_, (), Error>) -> Result<(), Error> {
    ctx.say("Pong!").await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    // The library takes the gateway's address from GET /gateway, which answers with the one given here.
    let (_gateway, api) = (std::env::args().nth(1).ok_or("GATEWAY")?, std::env::args().nth(2).ok_or("API")?);
    // Its rate limiter knows no other address than Discord's, so that has to go too.
    let origin = api.strip_suffix("/api/v10").ok_or("API ends with /api/v10")?;
    let http = HttpBuilder::new("benchmark.bot.token").proxy(origin).ratelimiter_disabled(true).build();
    if !http.get_gateway().await?.url.starts_with("ws://127.0.0.1:") {
        return Err("the gateway is not on loopback".into());
    }
    let framework = poise::Framework::builder()
        .options(poise::FrameworkOptions {
            commands: vec![ping()],
            prefix_options: poise::PrefixFrameworkOptions { prefix: Some("!".into()), ..Default::default() },
            ..Default::default()
        })
        .setup(|_, _, _| Box::pin(async { Ok(()) }))
        .build();
    let intents = serenity::GatewayIntents::all();
    let mut client = serenity::ClientBuilder::new_with_http(http, intents).framework(framework).await?;
    Ok(client.start().await?)
}
