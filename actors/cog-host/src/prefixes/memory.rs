//! What is remembered of prefixes: bounded, and never older than what somebody has set.

use serenity::model::id::GuildId;
use std::{collections::HashMap, sync::Arc};
use tokio::time::Instant;

/// What came of reading all prefixes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum PrefixReading {
    /// All are in memory: no message waits for the database.
    Done,
    /// So many guilds spoke meanwhile that memory has forgotten what may be newer than what was read: the next try may do.
    Disturbed,
    /// More are set than fit into memory: each is read when its guild speaks.
    TooMany,
}

/// What is known of a guild's prefix.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    /// It was read, or committed.
    Lasting(Arc<str>),
    /// The default, for one that could not be read.
    StandIn { prefix: Arc<str>, until: Instant },
    /// The default, for one that was written with an unknown outcome: a reading of all that began before does not know of it.
    Unsure { prefix: Arc<str>, until: Instant },
}

impl Entry {
    /// The prefix, as long as it holds.
    pub(super) fn valid(&self, now: Instant) -> Option<Arc<str>> {
        match self {
            Self::Lasting(prefix) => Some(Arc::clone(prefix)),
            Self::StandIn { prefix, until } | Self::Unsure { prefix, until } => {
                (now < *until).then(|| Arc::clone(prefix))
            }
        }
    }
}

/// Two generations of at most half the capacity each: when the young one is full it becomes the old one, and the old one
/// is dropped. Bounded, and O(1) without a list; what is dropped too early is read again.
pub(super) struct Generations {
    half: usize,
    /// The prefix of every guild that is in neither generation; none: those have yet to be read.
    others: Option<Arc<str>>,
    /// How often entries were dropped.
    dropped: u64,
    /// How many readings of all have begun.
    readings: u64,
    young: HashMap<GuildId, Noted>,
    old: HashMap<GuildId, Noted>,
}

#[derive(Clone)]
struct Noted {
    entry: Entry,
    /// How many readings of all had begun by then.
    reading: u64,
}

/// A reading of all prefixes that has begun.
pub(super) struct Begun {
    /// How many of them fit.
    pub(super) fit: usize,
    reading: u64,
    dropped: u64,
}

impl Generations {
    pub(super) fn new(capacity: usize) -> Self {
        let (young, old) = (HashMap::new(), HashMap::new());
        Self { half: (capacity / 2).max(1), others: None, dropped: 0, readings: 0, young, old }
    }

    pub(super) fn get(&self, guild: GuildId) -> Option<Entry> {
        let known = self.young.get(&guild).or_else(|| self.old.get(&guild)).map(|noted| noted.entry.clone());
        known.or_else(|| self.others.clone().map(Entry::Lasting))
    }

    pub(super) fn put(&mut self, guild: GuildId, entry: Entry) {
        if self.young.len() >= self.half && !self.young.contains_key(&guild) {
            let dropped = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            if !dropped.is_empty() {
                self.others = None;
                self.dropped += 1;
            }
        }
        self.old.remove(&guild);
        self.young.insert(guild, Noted { entry, reading: self.readings });
    }

    /// Puts `entry` unless a lasting one is there; gives the prefix that holds.
    pub(super) fn fill(&mut self, guild: GuildId, entry: Entry) -> Arc<str> {
        let entry = match (self.get(guild), entry) {
            (Some(Entry::Lasting(prefix)), _) => return prefix,
            // That it cannot be read either makes nobody surer of it.
            (Some(Entry::Unsure { .. }), Entry::StandIn { prefix, until }) => Entry::Unsure { prefix, until },
            (_, entry) => entry,
        };
        let (Entry::Lasting(prefix) | Entry::StandIn { prefix, .. } | Entry::Unsure { prefix, .. }) = &entry;
        let prefix = Arc::clone(prefix);
        self.put(guild, entry);
        prefix
    }

    /// To be called before all prefixes are read.
    pub(super) fn begin_reading(&mut self) -> Begun {
        self.readings += 1;
        Begun { fit: self.half, reading: self.readings, dropped: self.dropped }
    }

    /// Takes all prefixes that are set, `begun.fit` at most, as the reading found them; every other guild has `default`.
    pub(super) fn take_all(
        &mut self,
        begun: &Begun,
        set: Vec<(GuildId, Arc<str>)>,
        default: &Arc<str>,
    ) -> PrefixReading {
        // What memory holds, or has dropped, may be newer than what was read: set meanwhile, or with an unknown outcome. What
        // was known for certain before the reading began, it has found as well; and where the default stood in, it need not.
        let is_newer = |noted: &Noted| match noted.entry {
            Entry::Lasting(_) => noted.reading >= begun.reading,
            Entry::StandIn { .. } => false,
            Entry::Unsure { .. } => true,
        };
        let newer = self.young.values().chain(self.old.values()).filter(|noted| is_newer(noted)).count();
        if self.dropped != begun.dropped || newer > self.half {
            return PrefixReading::Disturbed;
        }
        let earlier = std::mem::take(&mut self.old);
        self.young.extend(earlier);
        self.young.retain(|_, noted| is_newer(noted));
        let read = set.into_iter().filter(|(guild, _)| !self.young.contains_key(guild));
        self.old = read
            .map(|(guild, prefix)| (guild, Noted { entry: Entry::Lasting(prefix), reading: begun.reading }))
            .collect();
        self.others = Some(Arc::clone(default));
        PrefixReading::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guild(id: u64) -> GuildId {
        GuildId::new(id)
    }

    fn holds(generations: &Generations, id: u64) -> Option<Arc<str>> {
        generations.get(guild(id))?.valid(Instant::now())
    }

    /// The guilds of `ids` have set `prefix`.
    fn set(ids: std::ops::RangeInclusive<u64>, prefix: &str) -> Vec<(GuildId, Arc<str>)> {
        ids.map(|id| (guild(id), prefix.into())).collect()
    }

    #[test]
    fn a_read_that_began_before_a_change_does_not_undo_it() {
        let mut generations = Generations::new(10);
        generations.put(guild(1), Entry::Lasting("new".into()));
        assert_eq!(&*generations.fill(guild(1), Entry::Lasting("old".into())), "new");
        assert_eq!(holds(&generations, 1).as_deref(), Some("new"));
        generations.put(guild(2), Entry::StandIn { prefix: "stand-in".into(), until: Instant::now() });
        assert_eq!(&*generations.fill(guild(2), Entry::Lasting("real".into())), "real");
    }

    #[test]
    fn memory_never_holds_more_than_its_capacity_and_keeps_the_newest() {
        let mut generations = Generations::new(100);
        for id in 1..=1000 {
            generations.put(guild(id), Entry::Lasting("!".into()));
            assert!(generations.young.len() + generations.old.len() <= 100);
            assert!(generations.get(guild(id)).is_some());
        }
        assert!(generations.get(guild(960)).is_some() && generations.get(guild(1)).is_none());
    }

    #[test]
    fn a_memory_full_of_guilds_that_spoke_before_takes_all_that_fit() {
        let mut generations = Generations::new(10);
        (1..=58).for_each(|id| generations.put(guild(id), Entry::Lasting("!".into())));
        let begun = generations.begin_reading();
        generations.put(guild(99), Entry::Lasting("newer".into()));
        assert_eq!(generations.take_all(&begun, set(58..=62, "?"), &"!".into()), PrefixReading::Done);
        let of = |id| holds(&generations, id);
        assert_eq!((of(58).as_deref(), of(62).as_deref()), (Some("?"), Some("?")));
        assert_eq!((of(99).as_deref(), of(1).as_deref()), (Some("newer"), Some("!")));
        assert!(generations.young.len() + generations.old.len() <= 10);
    }

    #[test]
    fn what_was_dropped_during_a_reading_disturbs_it_and_changes_nothing() {
        let mut generations = Generations::new(10);
        let begun = generations.begin_reading();
        (1..=11).for_each(|id| generations.put(guild(id), Entry::Lasting("new".into())));
        assert_eq!(generations.take_all(&begun, set(1..=1, "old"), &"!".into()), PrefixReading::Disturbed);
        assert_eq!((holds(&generations, 1), holds(&generations, 11).as_deref()), (None, Some("new")));
        // Nothing is dropped yet, but for what was read there is no room.
        let mut generations = Generations::new(10);
        let begun = generations.begin_reading();
        (1..=6).for_each(|id| generations.put(guild(id), Entry::Lasting("new".into())));
        assert_eq!(generations.take_all(&begun, set(7..=11, "old"), &"!".into()), PrefixReading::Disturbed);
        assert_eq!((holds(&generations, 1).as_deref(), holds(&generations, 7)), (Some("new"), None));
    }

    #[test]
    fn a_reading_replaces_stand_ins_but_nothing_of_which_the_outcome_is_unknown() {
        let mut generations = Generations::new(10);
        let until = Instant::now() + std::time::Duration::from_secs(60);
        let stand_in = || Entry::StandIn { prefix: "!".into(), until };
        let begun = generations.begin_reading();
        generations.put(guild(1), stand_in());
        generations.put(guild(2), Entry::Unsure { prefix: "!".into(), until: Instant::now() });
        generations.put(guild(3), Entry::Unsure { prefix: "!".into(), until: Instant::now() });
        generations.fill(guild(3), stand_in());
        assert_eq!(generations.take_all(&begun, set(1..=3, "old"), &"!".into()), PrefixReading::Done);
        assert_eq!(holds(&generations, 1).as_deref(), Some("old"), "nobody has set another");
        assert!(matches!(generations.get(guild(2)), Some(Entry::Unsure { .. })), "it may have been set to another");
        assert!(matches!(generations.get(guild(3)), Some(Entry::Unsure { .. })), "nor does a failed read tell");
    }
}
