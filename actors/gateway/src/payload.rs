//! What the shard sends.

use crate::members::Want;
use protocol::{Secret, ShardId, id::GuildId};
use serde_json::{Value, json};
use serenity::model::gateway::GatewayIntents;

/// Discord closes a connection (4002) that sends a larger payload.
pub(crate) const PAYLOAD_MAX_BYTES: usize = 4096;

/// Op 1, with the last sequence number received.
pub(crate) fn heartbeat(received: Option<u64>) -> String {
    json!({"op": 1, "d": received}).to_string()
}

/// Op 2. Holds the token: for the socket alone.
pub(crate) fn identify(
    token: &Secret,
    shard: ShardId,
    total: u32,
    intents: GatewayIntents,
    presence: &Value,
) -> String {
    json!({
        "op": 2,
        "d": {
            "token": token.expose(),
            "intents": intents.bits(),
            "shard": [shard.0, total],
            "compress": false,
            // The least that Discord allows: offline members are not kept anyway.
            "large_threshold": 50,
            "properties": {"os": std::env::consts::OS, "browser": "impresario", "device": "impresario"},
            "presence": presence,
        },
    })
    .to_string()
}

/// Op 6, with the last sequence number accepted. Holds the token: for the socket alone.
pub(crate) fn resume(token: &Secret, session_id: &str, accepted: u64) -> String {
    json!({"op": 6, "d": {"token": token.expose(), "session_id": session_id, "seq": accepted}}).to_string()
}

/// Op 8.
pub(crate) fn members(guild: GuildId, want: &Want, nonce: &str) -> String {
    let mut data = json!({"guild_id": guild.to_string(), "presences": false, "nonce": nonce, "limit": 0});
    match want {
        Want::All => data["query"] = json!(""),
        Want::Named { prefix, limit } => (data["query"], data["limit"]) = (json!(prefix), json!(limit)),
        Want::Ids(ids) => data["user_ids"] = ids.iter().map(ToString::to_string).collect(),
    }
    json!({"op": 8, "d": data}).to_string()
}

/// Op 3.
pub(crate) fn presence(presence: &Value) -> String {
    json!({"op": 3, "d": presence}).to_string()
}
