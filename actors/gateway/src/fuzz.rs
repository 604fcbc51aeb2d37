//! What a shard does with a frame, without a shard: for the fuzz target and its test.

use crate::{Cache, decode::decode, scan::scan};
use protocol::EventKind;

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// It is no payload.
    Unreadable,
    /// It is an event of an unknown kind, or no event.
    Unknown,
    /// Its data is not what Discord documents.
    Refused,
    /// The cache took it and a sink could have it.
    Decoded,
}

/// Members that a cache made here keeps: few, so that frames reach what makes room.
const MEMBERS: usize = 64;

/// An empty cache that keeps members.
pub fn cache() -> Cache {
    let cache = Cache::default();
    cache.keep_members(MEMBERS);
    cache
}

/// Reads `frame` as a shard does whose cache and sink want every event.
pub fn read(cache: &Cache, frame: &str) -> Read {
    let Ok(header) = scan(frame) else { return Read::Unreadable };
    let Some(kind) = header.kind.as_deref().and_then(EventKind::from_name) else { return Read::Unknown };
    let kept = header.decode_with(|data| cache.apply(kind, data)).is_ok();
    let decoded = header.decode_with(|data| decode(kind, data));
    if let Ok((event, _)) = &decoded {
        cache.met(event);
    }
    if kept && decoded.is_ok() { Read::Decoded } else { Read::Refused }
}
