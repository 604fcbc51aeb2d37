//! Opcode 8: a bot asking for the members of a guild.

use serde_json::{Value, json};

use super::frames::close;
use super::hub::Outgoing;
use super::intents;
use crate::events::SandboxEvent;
use crate::shared::State;
use crate::world::World;
use crate::world::guild::Member;
use crate::world::ids::Id;

/// Members of one chunk, and user ids of one request.
const CHUNK_MAX: usize = 1_000;
const USER_IDS_MAX: usize = 100;
/// Bytes of a nonce; a longer one is left out of the answer.
const NONCE_MAX: usize = 32;

impl State {
    pub(crate) fn request_members(&mut self, connection: u64, session: &str, data: &Value) {
        let guild = Id::from_json(&data["guild_id"]);
        let Some(session) = self.hub.sessions.get_mut(session) else { return };
        let Some(guild) = guild.filter(|guild| session.covers(Some(*guild))) else {
            return self.close(connection, close::DECODE_ERROR);
        };
        let Ok(guild) = self.world.guild(guild) else { return };
        let ids = match &data["user_ids"] {
            Value::Null => None,
            Value::Array(ids) => Some(ids.iter().filter_map(Id::from_json).collect::<Vec<_>>()),
            one => Some(Id::from_json(one).into_iter().collect()),
        };
        let query = data["query"].as_str();
        let limit = data["limit"].as_u64().unwrap_or(0) as usize;
        let full = query == Some("") && limit == 0;
        let allowed = !full || session.intents & intents::MEMBERS != 0;
        let (members, not_found): (Vec<&Member>, Vec<Id>) = match (ids, query) {
            (Some(ids), _) if ids.len() <= USER_IDS_MAX => {
                let find = |id: &Id| guild.members.get(id);
                (ids.iter().filter_map(find).collect(), ids.iter().filter(|id| find(id).is_none()).copied().collect())
            }
            (None, Some(query)) if allowed => {
                let query = query.to_lowercase();
                let fits = |member: &&Member| {
                    let nick = member.nick.as_deref().unwrap_or_default().to_lowercase();
                    member.user.username.starts_with(&query) || !query.is_empty() && nick.starts_with(&query)
                };
                let most = if full { usize::MAX } else { limit.clamp(1, 100) };
                (guild.members.values().filter(fits).take(most).collect(), Vec::new())
            }
            _ => return self.close(connection, close::DECODE_ERROR),
        };
        let presences = data["presences"].as_bool().unwrap_or(false);
        let nonce = data["nonce"].as_str().filter(|nonce| nonce.len() <= NONCE_MAX);
        let empty = [].as_slice();
        let chunks: Vec<&[&Member]> =
            if members.is_empty() { vec![empty] } else { members.chunks(CHUNK_MAX).collect() };
        let mut frames = Vec::with_capacity(chunks.len());
        for (index, chunk) in chunks.iter().enumerate() {
            let mut body = json!({
                "guild_id": guild.id, "members": chunk, "chunk_index": index, "chunk_count": chunks.len(),
                "not_found": not_found,
            });
            if presences {
                let here = |presence: &Value| chunk.iter().any(|m| presence["user"]["id"] == m.user.id.to_string());
                body["presences"] = World::presences(guild).into_iter().filter(here).collect();
            }
            if let Some(nonce) = nonce {
                body["nonce"] = json!(nonce);
            }
            frames.push(session.push("GUILD_MEMBERS_CHUNK", &body.to_string()));
        }
        let (guild, sent) = (guild.id.0, members.len() as u64);
        self.journal.stats.dispatches += frames.len() as u64;
        for frame in frames {
            self.hub.send(connection, Outgoing::Text(frame));
        }
        self.journal.record(SandboxEvent::MembersRequested { guild, sent });
    }
}
