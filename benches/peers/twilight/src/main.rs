//! The least bot of twilight: default cache, all intents, `!ping`. `peer-twilight GATEWAY API`.

use std::{error::Error, sync::Arc};
use twilight_cache_inmemory::DefaultInMemoryCache;
use twilight_gateway::{ConfigBuilder, Event, EventTypeFlags, Intents, Shard, ShardId, StreamExt as _};
use twilight_http::Client;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let (gateway, api) = (std::env::args().nth(1).ok_or("GATEWAY")?, std::env::args().nth(2).ok_or("API")?);
    let proxy = api.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/api/v10")).ok_or("API")?;
    let token = "benchmark.bot.token".to_owned();
    let config = ConfigBuilder::new(token.clone(), Intents::all()).proxy_url(gateway).build();
    let mut shard = Shard::with_config(ShardId::ONE, config);
    let http = Arc::new(Client::builder().token(token).proxy(proxy.to_owned(), true).build());
    let cache = DefaultInMemoryCache::new();

    while let Some(item) = shard.next_event(EventTypeFlags::all()).await {
        let event = match item {
            Ok(event) => event,
            Err(error) => {
                eprintln!("{error}: {:?}", error.source());
                continue;
            }
        };
        cache.update(&event);
        tokio::spawn(handle(event, Arc::clone(&http)));
    }
    Ok(())
}

async fn handle(event: Event, http: Arc<Client>) {
    if let Event::MessageCreate(message) = event
        && message.content == "!ping"
        && let Err(error) = http.create_message(message.channel_id).content("Pong!").await
    {
        eprintln!("{error}");
    }
}
