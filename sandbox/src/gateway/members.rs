//! Opcode 8: a bot asking for the members of a guild.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::frames::close;
use super::intents;
use super::line::Outgoing;
use crate::events::SandboxEvent;
use crate::faults::{ChunkTrouble, take};
use crate::shared::State;
use crate::world::World;
use crate::world::guild::{Guild, Member};
use crate::world::ids::Id;
use crate::world::outbox::to_json;

/// Members of one chunk, and user ids of one request.
const CHUNK_MAX: usize = 1_000;
const USER_IDS_MAX: usize = 100;
/// Bytes of a nonce; a longer one is left out of the answer.
const NONCE_MAX: usize = 32;
pub(crate) const EVENT: &str = "GUILD_MEMBERS_CHUNK";

/// When all members of each guild were last asked for (Unix milliseconds). Pure.
#[derive(Debug, Default)]
pub(crate) struct MemberRequests {
    last_ms: BTreeMap<Id, u64>,
}

impl MemberRequests {
    /// Lets a request for all members of a guild pass, or says how many milliseconds it comes too soon.
    pub(crate) fn admit(&mut self, guild: Id, interval_ms: u64, now_ms: u64) -> Result<(), u64> {
        let free_ms = self.last_ms.get(&guild).map_or(0, |last| last + interval_ms);
        if now_ms < free_ms {
            return Err(free_ms - now_ms);
        }
        self.last_ms.insert(guild, now_ms);
        Ok(())
    }
}

/// A request as far as it could be understood.
struct Request {
    ids: Option<Vec<Id>>,
    query: Option<String>,
    limit: usize,
    presences: bool,
    nonce: Option<String>,
}

impl Request {
    fn read(data: &Value) -> Request {
        Request {
            ids: match &data["user_ids"] {
                Value::Null => None,
                Value::Array(ids) => Some(ids.iter().filter_map(Id::from_json).collect()),
                one => Some(Id::from_json(one).into_iter().collect()),
            },
            query: data["query"].as_str().map(str::to_lowercase),
            limit: usize::try_from(data["limit"].as_u64().unwrap_or(0)).unwrap_or(usize::MAX),
            presences: data["presences"].as_bool().unwrap_or(false),
            nonce: data["nonce"].as_str().filter(|nonce| nonce.len() <= NONCE_MAX).map(str::to_owned),
        }
    }

    /// All members, which needs the member intent and is limited in time.
    fn is_full(&self) -> bool {
        self.ids.is_none() && self.query.as_deref() == Some("") && self.limit == 0
    }

    /// The members asked for and the ids that nobody here has; `None` when it asks for nothing that can be had.
    fn find<'a>(&self, guild: &'a Guild) -> Option<(Vec<&'a Member>, Vec<Id>)> {
        match (&self.ids, &self.query) {
            (Some(ids), _) if ids.len() <= USER_IDS_MAX => {
                let known = |id: &Id| guild.members.get(id);
                let unknown = ids.iter().filter(|id| known(id).is_none()).copied().collect();
                Some((ids.iter().filter_map(known).collect(), unknown))
            }
            (None, Some(_)) if self.is_full() => Some((guild.members.values().collect(), Vec::new())),
            (None, Some(query)) => {
                let fits = |member: &&Member| {
                    let nick = member.nick.as_deref().unwrap_or_default().to_lowercase();
                    member.user.username.starts_with(query.as_str()) || !query.is_empty() && nick.starts_with(query)
                };
                let most = self.limit.clamp(1, 100);
                Some((guild.members.values().filter(fits).take(most).collect(), Vec::new()))
            }
            _ => None,
        }
    }

    /// The parts of the answer: at least one.
    fn chunks(&self, guild: Id, members: &[&Member], not_found: &[Id]) -> Vec<Chunk> {
        let ids: Vec<Id> = members.iter().map(|member| member.user.id).collect();
        let parts: Vec<&[Id]> = if ids.is_empty() { vec![&[]] } else { ids.chunks(CHUNK_MAX).collect() };
        let chunk = |(index, part): (usize, &&[Id])| Chunk {
            guild,
            members: part.to_vec(),
            index,
            count: parts.len(),
            not_found: not_found.to_vec(),
            presences: self.presences,
            nonce: self.nonce.clone(),
            late_ms: None,
        };
        parts.iter().enumerate().map(chunk).collect()
    }
}

/// One event of an answer. Its text is made when it is sent: a large guild must not keep all others waiting.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    guild: Id,
    members: Vec<Id>,
    index: usize,
    count: usize,
    not_found: Vec<Id>,
    presences: bool,
    nonce: Option<String>,
    /// It is held back for so many milliseconds when its turn comes.
    pub late_ms: Option<u64>,
}

impl Chunk {
    /// The data; `None` when the guild is gone meanwhile. Members who left meanwhile are not in it.
    pub(crate) fn body(&self, world: &World) -> Option<String> {
        let guild = world.guild(self.guild).ok()?;
        let members: Vec<&Member> = self.members.iter().filter_map(|id| guild.members.get(id)).collect();
        let presences: Option<Vec<Value>> =
            self.presences.then(|| members.iter().map(|member| World::presence(guild, member)).collect());
        Some(
            to_json(&ChunkData {
                guild_id: self.guild,
                members,
                chunk_index: self.index,
                chunk_count: self.count,
                not_found: &self.not_found,
                presences,
                nonce: self.nonce.as_deref(),
            })
            .to_string(),
        )
    }
}

/// The data of GUILD_MEMBERS_CHUNK (Discord documentation, "Guild Members Chunk").
#[derive(Serialize)]
struct ChunkData<'a> {
    guild_id: Id,
    members: Vec<&'a Member>,
    chunk_index: usize,
    chunk_count: usize,
    not_found: &'a [Id],
    #[serde(skip_serializing_if = "Option::is_none")]
    presences: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

impl State {
    pub(crate) fn request_members(&mut self, connection: u64, session: &str, data: &Value) {
        let Some(open) = self.hub.sessions.get(session) else { return };
        let (intents, covered) = (open.intents, |guild: &Id| open.covers(Some(*guild)));
        let Some(id) = Id::from_json(&data["guild_id"]).filter(covered) else {
            return self.close(connection, close::DECODE_ERROR);
        };
        let request = Request::read(data);
        let allowed = (!request.is_full() || intents & intents::MEMBERS != 0)
            && (!request.presences || intents & intents::GUILD_PRESENCES != 0);
        if !allowed {
            return self.close(connection, close::DISALLOWED_INTENTS);
        }
        // A guild that is not there is not answered for.
        let Ok(guild) = self.world.guild(id) else { return };
        let Some((members, not_found)) = request.find(guild) else {
            return self.close(connection, close::DECODE_ERROR);
        };
        let interval_ms = self.config.member_request_interval_ms;
        if request.is_full()
            && let Err(wait_ms) = self.hub.member_requests.admit(id, interval_ms, self.now_ms)
        {
            return self.refuse_members(connection, id, request.nonce.as_deref(), wait_ms);
        }
        let (sent, chunks) = (members.len() as u64, request.chunks(id, &members, &not_found));
        self.journal.record(SandboxEvent::MembersRequested { guild: id.0, sent });
        self.send_chunks(connection, session, chunks);
    }

    /// A request for all members came too soon (Discord documentation, "Rate Limited").
    fn refuse_members(&mut self, connection: u64, guild: Id, nonce: Option<&str>, wait_ms: u64) {
        let mut meta = json!({ "guild_id": guild });
        if let Some(nonce) = nonce {
            meta["nonce"] = json!(nonce);
        }
        let body = json!({ "opcode": 8, "retry_after": wait_ms as f64 / 1_000.0, "meta": meta });
        self.send_event(connection, "RATE_LIMITED", &body.to_string());
        self.journal.record(SandboxEvent::MembersRefused { guild: guild.0, retry_after_ms: wait_ms });
    }

    fn send_chunks(&mut self, connection: u64, session: &str, mut chunks: Vec<Chunk>) {
        match take(&mut self.standing.chunks) {
            None => {}
            Some(ChunkTrouble::Reversed) => chunks.reverse(),
            Some(ChunkTrouble::Missing { index }) if index < chunks.len() => drop(chunks.remove(index)),
            Some(ChunkTrouble::Late { index, millis }) if index < chunks.len() => {
                let late = chunks.remove(index);
                chunks.push(Chunk { late_ms: Some(millis), ..late });
            }
            Some(ChunkTrouble::Missing { .. } | ChunkTrouble::Late { .. }) => {}
        }
        if let Some(session) = self.hub.sessions.get_mut(session) {
            session.chunks.extend(chunks);
        }
        if let Some(line) = self.hub.lines.get(&connection) {
            line.wake.notify_one();
        }
    }

    /// An event of the session of one connection alone.
    pub(crate) fn send_event(&mut self, connection: u64, name: &str, data: &str) {
        let session = self.hub.lines.get(&connection).and_then(|line| line.session.clone());
        if let Some(session) = session.and_then(|id| self.hub.sessions.get_mut(&id)) {
            let frame = session.push(name, data);
            self.journal.stats.dispatches += 1;
            self.hub.send(connection, Outgoing::Text(frame));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_members_of_a_guild_are_had_once_in_the_interval() {
        let mut requests = MemberRequests::default();
        assert_eq!(requests.admit(Id(1), 30_000, 1_000), Ok(()));
        assert_eq!(requests.admit(Id(1), 30_000, 11_000), Err(20_000));
        assert_eq!(requests.admit(Id(2), 30_000, 11_000), Ok(()), "another guild has its own time");
        assert_eq!(requests.admit(Id(1), 30_000, 31_000), Ok(()));
    }
}
