//! What is known, and how it is found. Pure: the actor edits a [`Model`], readers hold a [`Snapshot`] of it.

use crate::emoji::{CachedEmoji, Origin, Set};
use serde::Serialize;
use serenity::model::id::{EmojiId, GuildId};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

/// How much is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct EmojiCounts {
    /// Emojis of the application.
    pub application: usize,
    /// Guilds whose emojis are known.
    pub guilds: usize,
    /// Emojis in all, the application's included.
    pub emojis: usize,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// A custom emoji.
    Custom(Arc<CachedEmoji>),
    /// A character of Unicode.
    Unicode(&'static str),
}

impl fmt::Display for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Custom(emoji) => emoji.fmt(f),
            Self::Unicode(glyph) => f.write_str(glyph),
        }
    }
}

/// Everything that is known, by origin.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    application: Set,
    guilds: BTreeMap<GuildId, Guild>,
}

#[derive(Debug, Clone)]
struct Guild {
    emojis: Set,
    /// The number of the last event about it.
    event: u64,
}

impl Model {
    /// Replaces the application's emojis.
    pub(crate) fn set_application(&mut self, emojis: Set) {
        self.application = emojis;
    }

    /// Takes what the event with number `event` says of a guild.
    pub(crate) fn event(&mut self, id: GuildId, emojis: Set, event: u64) {
        self.guilds.insert(id, Guild { emojis, event });
    }

    /// Takes what was read of a guild, unless an event later than `since` (the last one when reading began) has said
    /// more since, or the guild has gone meanwhile.
    pub(crate) fn read(&mut self, id: GuildId, emojis: Set, since: u64, gone: bool) {
        if gone || self.guilds.get(&id).is_some_and(|guild| guild.event > since) {
            return;
        }
        self.guilds.insert(id, Guild { emojis, event: since });
    }

    /// Forgets a guild.
    pub(crate) fn remove(&mut self, id: GuildId) {
        self.guilds.remove(&id);
    }

    /// Every known guild.
    pub(crate) fn guild_ids(&self) -> impl Iterator<Item = GuildId> {
        self.guilds.keys().copied()
    }

    pub(crate) fn counts(&self) -> EmojiCounts {
        let in_guilds: usize = self.guilds.values().map(|guild| guild.emojis.len()).sum();
        EmojiCounts {
            application: self.application.len(),
            guilds: self.guilds.len(),
            emojis: self.application.len() + in_guilds,
        }
    }
}

/// A [`Model`] at one moment, indexed for reading.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) model: Model,
    by_id: HashMap<EmojiId, Arc<CachedEmoji>>,
    /// Usable emojis of a name: the application's first, then by guild and id.
    by_name: HashMap<Box<str>, Vec<Arc<CachedEmoji>>>,
}

impl Snapshot {
    /// Indexes `model`: O(emojis).
    pub(crate) fn of(model: Model) -> Self {
        let size = model.counts().emojis;
        let mut by_id = HashMap::with_capacity(size);
        let mut by_name: HashMap<Box<str>, Vec<Arc<CachedEmoji>>> = HashMap::with_capacity(size);
        for emoji in model.application.iter().chain(model.guilds.values().flat_map(|guild| guild.emojis.iter())) {
            by_id.insert(emoji.id, Arc::clone(emoji));
            if !emoji.available {
                continue;
            }
            match by_name.get_mut(&emoji.name) {
                Some(same) => same.push(Arc::clone(emoji)),
                None => {
                    by_name.insert(emoji.name.clone(), vec![Arc::clone(emoji)]);
                }
            }
        }
        Self { model, by_id, by_name }
    }

    pub(crate) fn get(&self, id: EmojiId) -> Option<Arc<CachedEmoji>> {
        self.by_id.get(&id).cloned()
    }

    /// The emoji that `name` stands for in `guild`: that guild's, else the application's, else another guild's (the
    /// lowest id), else Unicode's. `name` may be a shortcode with or without colons, a mention or a glyph.
    pub(crate) fn resolve(&self, name: &str, guild: Option<GuildId>) -> Option<Resolved> {
        let name = name.trim();
        if let Some(id) = mentioned(name) {
            return self.get(id).map(Resolved::Custom);
        }
        let word = name.strip_prefix(':').and_then(|word| word.strip_suffix(':')).unwrap_or(name);
        let same = self.by_name.get(word).map_or(&[][..], Vec::as_slice);
        let own = guild.and_then(|guild| same.iter().find(|emoji| emoji.origin == Origin::Guild(guild)));
        if let Some(emoji) = own.or_else(|| same.first()) {
            return Some(Resolved::Custom(Arc::clone(emoji)));
        }
        let unicode = emojis::get(word).or_else(|| emojis::get_by_shortcode(word));
        unicode.map(|emoji| Resolved::Unicode(emoji.as_str()))
    }

    /// The emojis of one origin; all of them when none is given.
    pub(crate) fn list(&self, origin: Option<Origin>) -> Vec<Arc<CachedEmoji>> {
        match origin {
            Some(Origin::Application) => self.model.application.to_vec(),
            Some(Origin::Guild(id)) => self.model.guilds.get(&id).map_or(Vec::new(), |guild| guild.emojis.to_vec()),
            None => {
                let in_guilds = self.model.guilds.values().flat_map(|guild| guild.emojis.iter());
                self.model.application.iter().chain(in_guilds).cloned().collect()
            }
        }
    }
}

/// The id in `<:name:id>` or `<a:name:id>`.
fn mentioned(text: &str) -> Option<EmojiId> {
    let inner = text.strip_prefix('<')?.strip_suffix('>')?;
    let (animated, rest) = inner.split_once(':')?;
    let (_, id) = rest.split_once(':').filter(|_| matches!(animated, "" | "a"))?;
    id.parse().ok().filter(|id| *id > 0).map(EmojiId::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emoji(id: u64, name: &str, origin: Origin) -> Arc<CachedEmoji> {
        Arc::new(CachedEmoji { id: EmojiId::new(id), name: name.into(), animated: false, available: true, origin })
    }

    fn guild(id: u64) -> GuildId {
        GuildId::new(id)
    }

    fn snapshot() -> Snapshot {
        let mut model = Model::default();
        model.set_application([emoji(1, "wave", Origin::Application), emoji(2, "app", Origin::Application)].into());
        let of = |guild: GuildId, all: &[(u64, &str)]| -> Set {
            all.iter().map(|&(id, name)| emoji(id, name, Origin::Guild(guild))).collect()
        };
        model.event(guild(20), of(guild(20), &[(21, "wave"), (22, "rare"), (23, "tada")]), 1);
        model.event(guild(10), of(guild(10), &[(11, "rare"), (12, "app")]), 2);
        Snapshot::of(model)
    }

    fn resolved(name: &str, id: Option<u64>) -> String {
        snapshot().resolve(name, id.map(guild)).map_or_else(|| "nothing".to_owned(), |found| found.to_string())
    }

    #[test]
    fn the_guild_comes_first_then_the_application_then_other_guilds_then_unicode() {
        assert_eq!(resolved("wave", Some(20)), "<:wave:21>");
        assert_eq!(resolved("wave", Some(10)), "<:wave:1>", "the application's before another guild's");
        assert_eq!(resolved("wave", None), "<:wave:1>");
        assert_eq!(resolved("app", Some(10)), "<:app:12>");
        assert_eq!(resolved("rare", Some(30)), "<:rare:11>", "of other guilds the lowest");
        assert_eq!(resolved("tada", Some(10)), "<:tada:23>", "a custom emoji before Unicode's");
        assert_eq!(resolved("rocket", Some(10)), "🚀");
        assert_eq!(resolved("🚀", None), "🚀");
        assert_eq!(resolved(":rocket:", None), "🚀");
        assert_eq!(resolved(":wave:", Some(20)), "<:wave:21>");
        assert_eq!(resolved("<:anything:22>", None), "<:rare:22>");
        for unknown in ["<:x:999>", "<:x:0>", "<a:x>", "no-such-emoji", "", "::", ":", "<", "<>", "<::>"] {
            assert_eq!(resolved(unknown, Some(10)), "nothing", "{unknown:?}");
        }
    }

    #[test]
    fn an_unavailable_emoji_is_known_but_does_not_resolve() {
        let mut model = Model::default();
        let gone = Arc::new(CachedEmoji { available: false, ..(*emoji(5, "gone", Origin::Guild(guild(1)))).clone() });
        model.event(guild(1), [gone].into(), 1);
        let snapshot = Snapshot::of(model);
        assert!(snapshot.get(EmojiId::new(5)).is_some());
        assert_eq!(snapshot.resolve("gone", Some(guild(1))), None);
    }

    #[test]
    fn what_was_read_does_not_undo_a_later_event() {
        let mut model = Model::default();
        let of = |id| -> Set { [emoji(id, "x", Origin::Guild(guild(1)))].into() };
        model.event(guild(1), of(5), 7);
        model.read(guild(1), of(6), 6, false);
        assert_eq!(model.guilds[&guild(1)].emojis[0].id, EmojiId::new(5), "reading began before the event");
        model.read(guild(1), of(6), 7, false);
        assert_eq!(model.guilds[&guild(1)].emojis[0].id, EmojiId::new(6));
        model.read(guild(2), of(7), 7, true);
        assert_eq!(model.guild_ids().collect::<Vec<_>>(), [guild(1)], "a guild that has gone came back");
    }
}
