use super::*;
use crate::testing::MapStore;

fn guild(id: u64) -> GuildId {
    GuildId::new(id)
}

#[tokio::test(start_paused = true)]
async fn a_set_prefix_is_committed_before_it_holds_and_a_reset_brings_the_default_back() {
    let store = MapStore::new();
    let prefixes = Prefixes::new("!", 10, store.clone());
    assert_eq!(&*prefixes.of(guild(1)).await, "!");
    assert_eq!(&*prefixes.set(guild(1), Some(" ? ")).await.unwrap(), "?");
    assert_eq!(store.saved(guild(1)), Some("?".to_owned()));
    assert_eq!(prefixes.peek(guild(1)).as_deref(), Some("?"));
    assert_eq!(&*Prefixes::new("!", 10, store.clone()).of(guild(1)).await, "?", "another process reads it");
    prefixes.set(guild(1), None).await.unwrap();
    assert_eq!((store.saved(guild(1)), &*prefixes.of(guild(1)).await), (None, "!"));
    assert_eq!(prefixes.set(guild(1), Some("@here")).await, Err(SetPrefixError::Bad(PrefixError::Mention)));
}

#[tokio::test(start_paused = true)]
async fn without_a_database_the_default_stands_in_and_the_real_prefix_returns_with_it() {
    let store = MapStore::new();
    store.put(guild(1), "?");
    store.fail(true);
    let prefixes = Prefixes::new("!", 10, store.clone());
    assert_eq!(&*prefixes.of(guild(1)).await, "!");
    assert!(prefixes.set(guild(1), Some("$")).await.is_err());
    store.fail(false);
    assert_eq!(&*prefixes.of(guild(1)).await, "?", "the failed write forgot the stand-in");
    store.fail(true);
    assert_eq!(&*prefixes.of(guild(2)).await, "!");
    store.fail(false);
    store.put(guild(2), "%");
    assert_eq!(prefixes.peek(guild(2)).as_deref(), Some("!"));
    tokio::time::advance(FALLBACK_FOR).await;
    assert_eq!(prefixes.peek(guild(2)), None);
    assert_eq!(&*prefixes.of(guild(2)).await, "%");
}

#[tokio::test(start_paused = true)]
async fn once_all_have_been_read_no_message_waits_for_the_database() {
    let store = MapStore::new();
    store.put(guild(1), "?");
    let prefixes = Prefixes::new("!", 10, store.clone());
    assert_eq!(prefixes.read_all().await.unwrap(), PrefixReading::Done);
    store.fail(true);
    assert_eq!(prefixes.peek(guild(1)).as_deref(), Some("?"));
    assert_eq!(prefixes.peek(guild(2)).as_deref(), Some("!"), "it has set none");
    store.fail(false);
    prefixes.set(guild(2), Some("$")).await.unwrap();
    prefixes.set(guild(1), None).await.unwrap();
    assert_eq!(prefixes.peek(guild(2)).as_deref(), Some("$"));
    assert_eq!(prefixes.peek(guild(1)).as_deref(), Some("!"));
    store.fail(true);
    assert!(prefixes.set(guild(2), Some("%")).await.is_err());
    assert_eq!(prefixes.peek(guild(2)), None, "whether that was written is unknown: it is read again");
    assert_eq!(prefixes.peek(guild(3)).as_deref(), Some("!"), "of the others nothing has changed");
    store.fail(false);
    assert_eq!(&*prefixes.of(guild(2)).await, "$");
    assert_eq!(prefixes.peek(guild(2)).as_deref(), Some("$"));
}

/// A store whose reading of all takes a second, from what it finds to when it is there.
struct Slow(Arc<MapStore>);

const SLOW: Duration = Duration::from_secs(1);

impl PrefixStore for Slow {
    fn load_all(&self, limit: usize) -> BoxFuture<'_, Result<Vec<(GuildId, String)>, DbError>> {
        Box::pin(async move {
            let found = self.0.load_all(limit).await;
            tokio::time::sleep(SLOW).await;
            found
        })
    }

    fn load(&self, guild: GuildId) -> BoxFuture<'_, Result<Option<String>, DbError>> {
        self.0.load(guild)
    }

    fn save(&self, guild: GuildId, prefix: Option<String>) -> BoxFuture<'_, Result<(), DbError>> {
        self.0.save(guild, prefix)
    }
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_read_at_boot_is_read_once_the_database_is_back() {
    let store = MapStore::new();
    (1..=3).for_each(|id| store.put(guild(id), "?"));
    store.fail(true);
    let prefixes = Prefixes::new("!", 10, Arc::new(Slow(store.clone())));
    assert!(prefixes.read_all().await.is_err());
    let later = tokio::spawn({
        let prefixes = Arc::clone(&prefixes);
        async move { prefixes.read_all_later().await }
    });
    tokio::time::sleep((READ_ALL_EVERY + SLOW) * 5 / 2).await;
    assert!(prefixes.set(guild(1), Some("$")).await.is_err());
    store.fail(false);
    tokio::time::sleep((READ_ALL_EVERY + SLOW) / 2 - SLOW / 2).await;
    prefixes.set(guild(2), Some("%")).await.unwrap(); // what is being read does not know of it
    later.await.unwrap();
    assert_eq!(prefixes.peek(guild(1)), None, "its outcome is unknown still");
    assert_eq!(prefixes.peek(guild(2)).as_deref(), Some("%"));
    assert_eq!(prefixes.peek(guild(3)).as_deref(), Some("?"));
    assert_eq!(prefixes.peek(guild(4)).as_deref(), Some("!"));
    assert_eq!(&*prefixes.of(guild(1)).await, "?");
}

/// More guilds than memory holds speak in the middle of each of the first `times` readings of all.
async fn many_speak(prefixes: Arc<Prefixes>, times: u32) {
    for reading in 1..=times {
        tokio::time::sleep(READ_ALL_EVERY + SLOW / 2).await;
        for id in 1..=30 {
            prefixes.of(guild(u64::from(reading) * 1_000 + id)).await;
        }
        tokio::time::sleep(SLOW / 2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_many_guilds_disturb_is_done_again_when_it_is_calmer() {
    let store = MapStore::new();
    (1..=3).for_each(|id| store.put(guild(id), "?"));
    let prefixes = Prefixes::new("!", 10, Arc::new(Slow(store.clone())));
    let began = Instant::now();
    let later = prefixes.read_all_later();
    tokio::join!(later, many_speak(Arc::clone(&prefixes), 2));
    assert_eq!(began.elapsed(), (READ_ALL_EVERY + SLOW) * 3);
    store.fail(true);
    assert_eq!(prefixes.peek(guild(1)).as_deref(), Some("?"));
    assert_eq!(prefixes.peek(guild(7_777)).as_deref(), Some("!"), "it is not known that it has set none");
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_is_always_disturbed_is_left_at_that() {
    let prefixes = Prefixes::new("!", 10, Arc::new(Slow(MapStore::new())));
    let began = Instant::now();
    let later = prefixes.read_all_later();
    tokio::join!(later, many_speak(Arc::clone(&prefixes), DISTURBED_MAX));
    assert_eq!(began.elapsed(), (READ_ALL_EVERY + SLOW) * DISTURBED_MAX);
    assert_eq!(prefixes.peek(guild(7_777)), None);
    assert_eq!(&*prefixes.of(guild(7_777)).await, "!", "each is read when its guild speaks");
}

#[tokio::test(start_paused = true)]
async fn thousands_of_guilds_that_speak_without_a_database_do_not_keep_it_from_being_read_after() {
    let store = MapStore::new();
    (1..=5).for_each(|id| store.put(guild(id), "?"));
    store.fail(true);
    let prefixes = Prefixes::new("!", 10, store.clone());
    for id in 1..=5_000 {
        assert_eq!(&*prefixes.of(guild(id)).await, "!");
    }
    store.fail(false);
    assert_eq!(prefixes.read_all().await.unwrap(), PrefixReading::Done);
    assert_eq!(prefixes.peek(guild(5)).as_deref(), Some("?"));
}

#[tokio::test(start_paused = true)]
async fn prefixes_that_do_not_fit_into_memory_are_read_guild_by_guild() {
    let store = MapStore::new();
    (1..=6).for_each(|id| store.put(guild(id), "?"));
    let prefixes = Prefixes::new("!", 10, store.clone());
    assert_eq!(prefixes.read_all().await.unwrap(), PrefixReading::TooMany);
    assert_eq!(prefixes.peek(guild(1)), None);
    assert_eq!(&*prefixes.of(guild(1)).await, "?");
    // They fit at first, then one more is set after the other.
    let prefixes = Prefixes::new("!", 14, store);
    assert_eq!(prefixes.read_all().await.unwrap(), PrefixReading::Done);
    assert_eq!(prefixes.peek(guild(100)).as_deref(), Some("!"));
    for id in 7..=30 {
        prefixes.set(guild(id), Some("?")).await.unwrap();
    }
    for id in 1..=30 {
        assert_ne!(prefixes.peek(guild(id)).as_deref(), Some("!"), "guild {id}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_database_that_hangs_delays_a_message_by_half_a_second_at_most() {
    let store = MapStore::new();
    store.hang(true);
    let prefixes = Prefixes::new("!", 10, store);
    let asked = Instant::now();
    assert_eq!(&*prefixes.of(guild(1)).await, "!");
    assert_eq!(asked.elapsed(), LOOKUP_DEADLINE);
}
