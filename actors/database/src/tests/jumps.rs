//! A wall clock that jumps, within a process and between two: the budget of IDENTIFYs holds, and nobody waits for ever.
//! SQLite runs each fact as a test; `server.rs` runs all of them on PostgreSQL.

use super::world::{TestClock, close, config, open};
use crate::{Db, IDENTIFY_WINDOW};
use chrono::TimeDelta;
use protocol::{
    Clock,
    ports::{IdentifyAsk, IdentifyGrant, IdentifyLedger},
};
use std::{path::PathBuf, sync::Arc, time::Duration};

const LIMIT: u32 = 3;

/// A database that nobody has used, for one process after the other.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) url: String,
    pub(super) folder: PathBuf,
}

async fn process(place: &Place, clock: &Arc<TestClock>) -> Db {
    let db = Db::new(config(&place.url), &place.folder, Arc::clone(clock) as Arc<dyn Clock>).unwrap();
    open(&db).await.unwrap();
    db
}

macro_rules! facts {
    ($($fact:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $fact() {
                let home = tempfile::tempdir().unwrap();
                let (url, folder) = ("sqlite://bot.db".to_owned(), home.path().to_owned());
                super::$fact(super::Place { url, folder }).await;
            })*
        }

        /// Every fact by name, for a server.
        pub(super) async fn all(fresh: impl AsyncFn() -> Place) {
            $(
                println!("postgres: {}", stringify!($fact));
                $fact(fresh().await).await;
            )*
        }
    };
}

facts![
    a_clock_that_is_set_changes_neither_the_budget_nor_the_wait,
    a_clock_that_is_set_forward_makes_nothing_old_enough_to_be_forgotten,
    a_machine_that_starts_in_the_past_waits_a_day_at_most_and_forgets_nothing,
    what_a_wrong_clock_wrote_makes_nothing_else_older,
    however_the_clock_jumps_no_day_has_more_than_its_budget_and_no_wait_is_longer_than_a_day,
];

async fn take(db: &Db, clock: &TestClock) -> IdentifyGrant {
    let ask = IdentifyAsk { shard: 0, limit: LIMIT, buckets: 1, spacing: Duration::ZERO };
    db.take(ask, clock.now()).await.unwrap()
}

/// How long a refused one is told to wait.
async fn refused(db: &Db, clock: &TestClock) -> TimeDelta {
    match take(db, clock).await {
        IdentifyGrant::Exhausted { retry_at, used: LIMIT } => retry_at - clock.now(),
        other => panic!("{other:?} beyond the budget"),
    }
}

/// As the hourly task does it.
async fn prune(db: &Db, clock: &TestClock) -> u64 {
    db.prune_identifies(clock.now() - TimeDelta::hours(25)).await.unwrap()
}

async fn spend(db: &Db, clock: &TestClock) {
    for used in 1..=LIMIT {
        assert_eq!(take(db, clock).await, IdentifyGrant::Granted { used });
        clock.pass(TimeDelta::minutes(1));
    }
}

async fn a_clock_that_is_set_changes_neither_the_budget_nor_the_wait(place: Place) {
    let clock = Arc::new(TestClock::new());
    let mut db = process(&place, &clock).await;
    for (years, restarts) in [(1, false), (-10, false), (1, true), (-10, true)] {
        spend(&db, &clock).await;
        clock.pass(TimeDelta::hours(1));
        let before = refused(&db, &clock).await;
        clock.jump(TimeDelta::days(365 * years));
        if restarts {
            close(&db).await;
            db = process(&place, &clock).await;
        }
        let wait = refused(&db, &clock).await;
        assert_eq!(wait, before, "{years} years, another process: {restarts}");
        clock.jump(TimeDelta::days(-365 * years)); // somebody notices
        assert_eq!(refused(&db, &clock).await, before);
        clock.pass(before);
        assert_eq!(take(&db, &clock).await, IdentifyGrant::Granted { used: LIMIT });
        clock.pass(IDENTIFY_WINDOW); // a fresh budget
    }
}

async fn a_clock_that_is_set_forward_makes_nothing_old_enough_to_be_forgotten(place: Place) {
    let clock = Arc::new(TestClock::new());
    let db = process(&place, &clock).await;
    spend(&db, &clock).await;
    clock.jump(TimeDelta::days(365));
    assert_eq!(prune(&db, &clock).await, 0);
    let wait = refused(&db, &clock).await;
    assert!(wait > TimeDelta::hours(23), "{wait}");
    clock.pass(TimeDelta::hours(26));
    assert_eq!(prune(&db, &clock).await, u64::from(LIMIT), "what is really old goes");
}

/// A machine without a clock of its own: it starts in the past, and learns the time later.
async fn a_machine_that_starts_in_the_past_waits_a_day_at_most_and_forgets_nothing(place: Place) {
    let clock = Arc::new(TestClock::new());
    let db = process(&place, &clock).await;
    spend(&db, &clock).await;
    close(&db).await;
    clock.reboot();
    clock.jump(TimeDelta::days(-20_000));
    let db = process(&place, &clock).await;
    let wait = refused(&db, &clock).await;
    assert!(wait <= IDENTIFY_WINDOW && wait > TimeDelta::hours(23), "{wait}");
    clock.pass(TimeDelta::minutes(5));
    clock.jump(TimeDelta::days(20_000));
    assert_eq!(refused(&db, &clock).await, wait - TimeDelta::minutes(5), "the time is right now, and nothing is older");
    clock.pass(wait);
    assert_eq!(take(&db, &clock).await, IdentifyGrant::Granted { used: 1 });
}

/// Two were written while the time was right, one after a start with a clock that was years on.
async fn what_a_wrong_clock_wrote_makes_nothing_else_older(place: Place) {
    let clock = Arc::new(TestClock::new());
    let db = process(&place, &clock).await;
    for used in 1..LIMIT {
        assert_eq!(take(&db, &clock).await, IdentifyGrant::Granted { used });
    }
    close(&db).await;
    clock.reboot();
    clock.jump(TimeDelta::hours(12));
    let db = process(&place, &clock).await;
    assert_eq!(take(&db, &clock).await, IdentifyGrant::Granted { used: LIMIT });
    close(&db).await;
    clock.reboot();
    clock.jump(TimeDelta::hours(-12));
    clock.pass(TimeDelta::hours(1));
    let db = process(&place, &clock).await;
    assert_eq!(refused(&db, &clock).await, TimeDelta::hours(23), "the first two are an hour old and not twelve");
}

async fn however_the_clock_jumps_no_day_has_more_than_its_budget_and_no_wait_is_longer_than_a_day(place: Place) {
    let seed = 1_313_u64;
    let mut state = seed;
    let mut below = move |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let clock = Arc::new(TestClock::new());
    let mut db = process(&place, &clock).await;
    // Time as it really passes, which no clock shows.
    let (mut real, mut granted, mut jumps) = (TimeDelta::zero(), Vec::new(), 0);
    let mut longest = TimeDelta::zero();
    for _ in 0..600 {
        let passes = TimeDelta::minutes(below(400) as i64);
        clock.pass(passes);
        real += passes;
        match below(10) {
            0 | 1 => {
                clock.jump(TimeDelta::minutes(below(2_000_000) as i64 - 1_000_000));
                jumps += 1;
            }
            2 => {
                close(&db).await;
                db = process(&place, &clock).await;
            }
            3 => {
                // The clock of a machine that starts anew may be behind, as after an empty battery.
                clock.reboot();
                clock.jump(TimeDelta::minutes(-(below(100_000) as i64)));
                close(&db).await;
                db = process(&place, &clock).await;
            }
            _ => {}
        }
        if below(2) == 0 {
            prune(&db, &clock).await; // hourly, whether or not a jump has been seen
        }
        match take(&db, &clock).await {
            IdentifyGrant::Granted { .. } => granted.push(real),
            IdentifyGrant::Exhausted { retry_at, .. } => {
                let wait = retry_at - clock.now();
                longest = longest.max(wait);
                if below(3) == 0 {
                    clock.pass(wait);
                    real += wait;
                    let after = take(&db, &clock).await;
                    assert!(matches!(after, IdentifyGrant::Granted { .. }), "seed {seed}: {after:?} after {wait}");
                    granted.push(real);
                }
            }
            IdentifyGrant::TooSoon { retry_after } => panic!("there is no distance: {retry_after:?}"),
        }
    }
    let most = granted.iter().map(|at| granted.iter().filter(|it| **it <= *at && **it + IDENTIFY_WINDOW > *at).count());
    let most = most.max().unwrap();
    println!(
        "ledger seed={seed} jumps={jumps} granted={} most_in_24h={most} limit={LIMIT} longest_wait_h={}",
        granted.len(),
        longest.num_hours()
    );
    assert!(most <= LIMIT as usize && granted.len() > 50 && longest <= IDENTIFY_WINDOW);
}
