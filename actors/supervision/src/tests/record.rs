//! The record: what the next process reads, and deciding everything again.

mod anything;
mod between;
mod disk;

use super::{busy, probe::*};
use crate::{
    ActorPath, Backoff, ChildSpec, Criticality, Exit, Flags, Limits, NoObserver, Past, Planes, Recorder, ReplayError,
    Status, Strategy, Tree, Verb,
    core::Rule,
    record::{
        FILE, OLDER,
        format::{self, Record},
        segment::Segment,
    },
    replay,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

fn flags() -> Flags {
    let mut flags = Flags::new(Strategy::OneForOne);
    flags.intensity.restarts = 1_000;
    flags
}

fn read(folder: &Path) -> Past {
    Past::read(folder, SystemTime::now())
}

/// A recorded tree that is up; the record is written from its first decision on.
async fn recorded(past: Past, recorder: Recorder, flags: Flags, children: Vec<ChildSpec>) -> Tree {
    crate::install_panic_hook();
    recorder.keep();
    let tree = Tree::start_within(
        Planes::single(),
        flags,
        children,
        Arc::new(NoObserver),
        Limits::default(),
        Some((past, recorder)),
    )
    .await;
    let tree = tree.expect("the root is made");
    tree.started().await.expect("it starts");
    tree
}

async fn next_process(folder: &Path, children: Vec<ChildSpec>) -> Tree {
    let past = read(folder);
    let recorder = Recorder::begin(&past).expect("a thread");
    recorded(past, recorder, flags(), children).await
}

/// The tree ends and its record with it; `orderly` as an operator asked for it, else as if it were killed now.
async fn end(tree: Tree, orderly: bool) {
    let recorder = tree.recorder().expect("it is recorded").clone();
    if orderly {
        tree.shutdown(Some(Duration::from_secs(10)));
        tree.ended().await;
        assert!(recorder.seal(true, PATIENCE).await);
    } else {
        assert!(recorder.seal(false, PATIENCE).await);
        tree.shutdown(None);
        tree.ended().await;
    }
}

fn frail(spec: ChildSpec) -> ChildSpec {
    let retry = Backoff::doubling(Duration::from_secs(30), Duration::from_secs(300));
    spec.criticality(Criticality::Important).budget(2, Duration::from_secs(3_600)).retry_parked(retry)
}

/// Seeded trouble for actors of all kinds; returns how many decisions there were.
async fn storm(tree: &Tree, actors: &[crate::Addr<Say>], rng: &mut StdRng, rounds: u32) {
    for _ in 0..rounds {
        let actor = &actors[rng.random_range(0..actors.len())];
        let say = match rng.random_range(0..8) {
            0 => Say::Panic,
            1 | 2 => Say::Fail,
            3 => Say::Fatal,
            4 => Say::Finish,
            5 => Say::PanicInTask,
            6 => Say::Unavailable,
            _ => Say::Available,
        };
        actor.try_send(say).ok(); // it may be away
        if rng.random_bool(0.4) {
            let nodes = tree.nodes();
            let path = nodes[rng.random_range(0..nodes.len())].path.clone();
            let verbs = [Verb::Restart { force: rng.random_bool(0.5) }, Verb::Stop, Verb::Start, Verb::Kill];
            let order = tree.order(&path, verbs[rng.random_range(0..4)], None, false);
            tokio::time::timeout(Duration::from_secs(5), order).await.ok(); // answered later, or never: another start came
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..3_000))).await;
    }
}

fn stormy(log: &Log) -> (Vec<crate::Addr<Say>>, Vec<ChildSpec>) {
    let backoff = Backoff::doubling(Duration::from_millis(50), Duration::from_secs(7));
    let (a, first) = probe("a", log, Plan::default());
    let (b, second) = probe("b", log, Plan { fail_start: vec![3, 5], ..Plan::default() });
    let (x, inner) = probe("room/x", log, Plan::default());
    let (y, other) = probe("room/y", log, Plan { stop_takes: Duration::from_secs(7), ..Plan::default() });
    let mut room = Flags::new(Strategy::RestForOne);
    room.intensity.restarts = 2;
    let room = ChildSpec::supervisor("room", room, vec![inner.backoff(backoff), other.needs(["a"])]);
    let room = room.criticality(Criticality::Important).budget(3, Duration::from_secs(60));
    let first = frail(first).backoff(Backoff { factor: 1.7, jitter: 0.3, ..backoff });
    let second = frail(second).cooldown(Duration::from_secs(3));
    let retry = Backoff::doubling(Duration::from_secs(5), Duration::from_secs(50));
    (vec![a, b, x, y], vec![first, second, room.retry_parked(retry)])
}

#[tokio::test(start_paused = true)]
async fn every_decision_of_a_storm_is_made_again_from_the_record() {
    for seed in 0..6 {
        let folder = TempDir::new().unwrap();
        let log = Log::default();
        let (actors, children) = stormy(&log);
        let tree = next_process(folder.path(), children).await;
        storm(&tree, &actors, &mut StdRng::seed_from_u64(seed), 120).await;
        let made = tree.decisions(0, usize::MAX).len() as u64;
        end(tree, true).await;
        let compared = replay(&folder.path().join(FILE)).expect("a journal");
        println!("seed {seed}: {} decisions of {} supervisors", compared.decisions, compared.supervisors);
        assert_eq!(compared.difference, None, "seed {seed}");
        assert!(compared.decisions >= made && made > 100, "seed {seed}: {made} made, {compared:?}");
        assert_eq!((compared.lost, compared.unchecked, compared.supervisors), (0, 0, 2), "seed {seed}");
    }
}

/// Writes the journal anew with `change` made to each record's JSON, checksums and all.
fn rewrite(file: &Path, mut change: impl FnMut(usize, &mut serde_json::Value)) {
    let (mut out, mut sum, mut new_sum) = (Vec::new(), 0, 0);
    for (n, line) in fs::read(file).unwrap().split_inclusive(|byte| *byte == b'\n').enumerate() {
        let json = format::checked(line.strip_suffix(b"\n").unwrap(), &mut sum).expect("it was good");
        let mut value = serde_json::from_slice(json).unwrap();
        change(n, &mut value);
        let record: Record = serde_json::from_value(value).unwrap();
        format::write(&record, &mut out, &mut new_sum).unwrap();
    }
    fs::write(file, out).unwrap();
}

/// A journal of one tree with one failure in it.
async fn small(folder: &Path) -> std::path::PathBuf {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let tree = next_process(folder, vec![frail(spec)]).await;
    a.send(Say::Fail).await.unwrap();
    until_incarnation(&tree, "a", 2).await;
    end(tree, true).await;
    folder.join(FILE)
}

#[tokio::test(start_paused = true)]
async fn a_record_that_was_changed_is_named_with_both_sides() {
    let folder = TempDir::new().unwrap();
    let file = small(folder.path()).await;
    assert_eq!(replay(&file).unwrap().difference, None);
    let mut line = None;
    rewrite(&file, |n, record| {
        let told = record.pointer_mut("/step/told/0").filter(|told| told["rule"] == "restart");
        if let Some(told) = told {
            told["budget"]["used"] = 0.into();
            line = Some(n as u64 + 1);
        }
    });
    let difference = replay(&file).unwrap().difference.expect("one");
    assert_eq!((Some(difference.line), difference.supervisor.as_str()), (line, "root"));
    let (recorded, decided) = (difference.recorded.unwrap(), difference.decided.unwrap());
    assert!(recorded.contains("\"used\":0") && decided.contains("\"used\":1"), "{recorded}\n{decided}");
    assert!(difference.event.contains("exited"), "{}", difference.event);
}

#[tokio::test(start_paused = true)]
async fn a_journal_says_by_which_rules_it_was_decided_when_they_are_not_these() {
    let folder = TempDir::new().unwrap();
    let file = small(folder.path()).await;
    assert_eq!(replay(&file).unwrap().rules, None);
    let mut written = 0;
    rewrite(&file, |_, record| {
        if let Some(process) = record.pointer_mut("/process").and_then(serde_json::Value::as_object_mut) {
            written += process.remove("rules").and_then(|rules| rules.as_u64()).unwrap();
        }
    });
    assert_eq!(written, u64::from(crate::core::REVISION));
    assert_eq!(replay(&file).unwrap().rules, Some(0), "written before they were counted");
}

#[tokio::test(start_paused = true)]
async fn damaged_and_foreign_files_are_said_to_be_that() {
    let folder = TempDir::new().unwrap();
    let file = small(folder.path()).await;
    let whole = fs::read(&file).unwrap();
    let at = |line: usize| whole.split_inclusive(|byte| *byte == b'\n').take(line).map(<[u8]>::len).sum::<usize>();
    // A byte in the middle.
    let mut bytes = whole.clone();
    bytes[at(5) + 30] ^= 1;
    fs::write(&file, &bytes).unwrap();
    assert!(matches!(replay(&file), Err(ReplayError::Damaged { line: 6 })));
    let past = read(folder.path());
    assert!(past.problems()[0].contains("is damaged after 5 records: the rest of it is not used"), "{past:?}");
    // A line that is missing.
    fs::write(&file, [&whole[..at(4)], &whole[at(5)..]].concat()).unwrap();
    assert!(matches!(replay(&file), Err(ReplayError::Damaged { line: 5 })));
    // Not ours.
    for foreign in ["", "hello", "hello\n", "{}\n", "\0\0\0\0"] {
        fs::write(&file, foreign).unwrap();
        let refused = replay(&file);
        assert!(matches!(refused, Err(ReplayError::Foreign)), "{foreign:?}: {refused:?}");
        assert!(read(folder.path()).decisions().next().is_none());
    }
    // Another format.
    let mut lines = Vec::new();
    let head = format::Head { what: format::WHAT.to_owned(), format: 99 };
    format::write(&Record::Head(head), &mut lines, &mut 0).unwrap();
    fs::write(&file, lines).unwrap();
    assert!(matches!(replay(&file), Err(ReplayError::Format { found: 99 })));
    assert!(read(folder.path()).problems()[0].contains("format 99"));
    // It is gone on with in a new segment, and the damaged one stays for a look.
    let tree = next_process(folder.path(), Vec::new()).await;
    end(tree, true).await;
    assert!(replay(&file).is_ok() && folder.path().join(OLDER).exists());
}

#[tokio::test(start_paused = true)]
async fn a_torn_last_record_is_cut_off_and_the_journal_goes_on_behind_it() {
    let folder = TempDir::new().unwrap();
    let file = small(folder.path()).await;
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 7]).unwrap();
    assert!(replay(&file).unwrap().torn);
    let past = read(folder.path());
    assert!(past.problems().is_empty(), "it is what a kill leaves: {past:?}");
    drop(past);
    let tree = next_process(folder.path(), Vec::new()).await;
    end(tree, true).await;
    let compared = replay(&file).unwrap();
    assert_eq!((compared.processes, compared.torn, compared.difference), (2, false, None));
}

#[tokio::test(start_paused = true)]
async fn a_used_budget_and_what_was_decided_are_known_to_the_next_process() {
    let folder = TempDir::new().unwrap();
    let log = Log::default();
    let path = ActorPath::from("a");
    let (a, spec) = probe("a", &log, Plan::default());
    let tree = next_process(folder.path(), vec![frail(spec.clone())]).await;
    a.send(Say::Fail).await.unwrap();
    until_incarnation(&tree, "a", 2).await;
    let last = tree.decisions(0, 1)[0].seq;
    end(tree, false).await;

    let tree = next_process(folder.path(), vec![frail(spec)]).await;
    let node = tree.node(&path).unwrap();
    assert_eq!((node.budget.unwrap().used, node.restarts_total, node.incarnation), (1, 1, 1));
    assert!(tree.node(&ActorPath::root()).unwrap().for_ < Duration::from_secs(1), "its own time begins now");
    let explained = tree.explain(&path, 100);
    let (earlier, now): (Vec<_>, Vec<_>) = explained.iter().partition(|entry| entry.earlier);
    let rules = |entries: &[&Arc<crate::Entry>]| entries.iter().map(|it| it.decision.rule).collect::<Vec<_>>();
    assert_eq!(rules(&earlier), [Rule::Up, Rule::Restart, Rule::Up]);
    assert_eq!(rules(&now), [Rule::Carried, Rule::Up]);
    assert!(now[0].seq > last && earlier.iter().all(|entry| entry.seq <= last), "numbers go on");
    a.send(Say::Fail).await.unwrap();
    until_incarnation(&tree, "a", 2).await;
    a.send(Say::Fail).await.unwrap();
    until("a is parked", || tree.node(&path).is_some_and(|node| node.status == Status::Parked)).await;
    end(tree, true).await;
    assert_eq!(replay(&folder.path().join(FILE)).unwrap().difference, None);
}

#[tokio::test(start_paused = true)]
async fn parked_after_a_kill_and_not_after_an_end_in_order() {
    for orderly in [false, true] {
        let folder = TempDir::new().unwrap();
        let log = Log::default();
        let path = ActorPath::from("a");
        let (a, spec) = probe("a", &log, Plan::default());
        let (_b, other) = probe("b", &log, Plan::default());
        let spec = || vec![frail(spec.clone()).budget(0, Duration::from_secs(3_600)), other.clone()];
        let tree = next_process(folder.path(), spec()).await;
        a.send(Say::Panic).await.unwrap();
        until("a is parked", || tree.node(&path).is_some_and(|node| node.status == Status::Parked)).await;
        end(tree, orderly).await;

        let tree = next_process(folder.path(), spec()).await;
        let node = tree.node(&path).unwrap();
        if orderly {
            assert_eq!(node.status, Status::Running);
        } else {
            assert_eq!(node.status, Status::Parked);
            assert!(node.reason.unwrap().contains("told to panic") && node.until.is_some());
            assert!(matches!(node.last_exit, Some(Exit::Panic { .. })));
            // Parked still when it ends in this way once more, and then when it is started.
            end(tree, false).await;
            let tree = next_process(folder.path(), spec()).await;
            assert_eq!(tree.node(&path).unwrap().status, Status::Parked);
            tree.order(&path, Verb::Start, None, false).await.expect("an operator's start");
            end(tree, false).await;
            let tree = next_process(folder.path(), spec()).await;
            assert_eq!(tree.node(&path).unwrap().status, Status::Running);
            end(tree, true).await;
            continue;
        }
        end(tree, true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_tree_that_gave_up_is_withheld_until_its_window_ends_whatever_the_clock_says() {
    let folder = TempDir::new().unwrap();
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let spec = spec.criticality(Criticality::Vital).budget(1, Duration::from_secs(60));
    let tree = next_process(folder.path(), vec![spec]).await;
    a.send(Say::Fail).await.unwrap();
    until_incarnation(&tree, "a", 2).await;
    a.send(Say::Fail).await.unwrap();
    tree.ended().await;
    assert!(tree.recorder().unwrap().seal(false, PATIENCE).await);
    drop(tree);

    let now = SystemTime::now();
    let withheld = Past::read(folder.path(), now).withheld().expect("it is withheld");
    assert_eq!(withheld.child, "a");
    assert!(withheld.said.contains("a is vital and lost") && withheld.said.contains("told to fail"), "{withheld:?}");
    assert!(withheld.left <= Duration::from_secs(61) && withheld.left > Duration::from_secs(30), "{withheld:?}");
    assert!(Past::read(folder.path(), now + Duration::from_secs(62)).withheld().is_none());
    // A clock that is a year behind: one window, and only once when that is written down.
    let year = Duration::from_secs(365 * 24 * 3_600);
    let past = Past::read(folder.path(), now - year);
    assert!(past.withheld().is_some_and(|withheld| withheld.left <= Duration::from_secs(61)));
    assert!(past.keep_moved().is_ok_and(|written| written));
    assert!(Past::read(folder.path(), now - year + Duration::from_secs(62)).withheld().is_none());
    let mut past = Past::read(folder.path(), now - year);
    assert!(past.withheld().is_some());
    past.forget();
    assert!(past.withheld().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_full_segment_gives_way_and_each_one_can_be_replayed_alone() {
    let folder = TempDir::new().unwrap();
    let log = Log::default();
    let (actors, children) = stormy(&log);
    let past = read(folder.path());
    let recorder = Recorder::with(Segment::new(&past, 60_000)).unwrap();
    let tree = recorded(past, recorder.clone(), flags(), children).await;
    let mut rng = StdRng::seed_from_u64(3);
    for _ in 0..6 {
        storm(&tree, &actors, &mut rng, 40).await;
        written("all of it is written", || recorder.is_idle()).await; // by another thread
    }
    end(tree, true).await;
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    for file in files {
        let compared = replay(&file).unwrap();
        let length = fs::metadata(&file).unwrap().len();
        println!("{}: {length} bytes, {} decisions", file.display(), compared.decisions);
        assert_eq!((compared.difference, compared.unchecked, compared.lost), (None, 0, 0));
        assert!(compared.decisions > 0 && length < 200_000);
    }
}

/// Waits, in real time, until the writer has seen to it.
async fn written(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        real_time(Duration::from_millis(5)).await;
    }
    panic!("never came true: {what}");
}

/// Lets the writer's thread, which knows no paused time, catch up.
async fn real_time(time: Duration) {
    tokio::task::spawn_blocking(move || {
        let (_never, waits) = std::sync::mpsc::channel::<()>();
        waits.recv_timeout(time).ok();
    })
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_fails_before_it_is_kept_leaves_no_trace_unless_it_must_be_known() {
    let log = Log::default();
    for fails in [false, true] {
        let folder = TempDir::new().unwrap();
        let (a, spec) = probe("a", &log, Plan::default());
        let past = read(folder.path());
        let recorder = Recorder::begin(&past).unwrap();
        let record = (past, recorder.clone());
        let children = vec![frail(spec)];
        let tree = Tree::start_within(
            Planes::single(),
            flags(),
            children,
            Arc::new(NoObserver),
            Limits::default(),
            Some(record),
        )
        .await
        .unwrap();
        tree.started().await.unwrap();
        if fails {
            a.send(Say::Fail).await.unwrap();
            until_incarnation(&tree, "a", 2).await;
        }
        tree.shutdown(None);
        tree.ended().await;
        assert!(recorder.seal(false, PATIENCE).await);
        assert_eq!(folder.path().join(FILE).exists(), fails);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_any_length_makes_a_record_of_bounded_length() {
    let folder = TempDir::new().unwrap();
    let past = read(folder.path());
    let recorder = Recorder::begin(&past).unwrap();
    struct Loud;
    impl crate::Actor for Loud {
        type Msg = ();
        async fn handle(&mut self, (): (), _: &crate::Ctx<Self>) -> Result<(), crate::Failure> {
            Err(crate::Failure::restart("ä".repeat(1 << 20)))
        }
    }
    let addr = crate::Addr::new("loud", 4);
    let tree = recorded(past, recorder, flags(), vec![ChildSpec::worker(&addr, || Loud)]).await;
    addr.send(()).await.unwrap();
    until_incarnation(&tree, "loud", 2).await;
    end(tree, true).await;
    let length = fs::metadata(folder.path().join(FILE)).unwrap().len();
    assert!(length < 40_000, "{length}");
    assert_eq!(replay(&folder.path().join(FILE)).unwrap().difference, None);
}

/// What recording costs a supervisor, whose thread this is: the writer has one of its own.
#[tokio::test]
async fn two_thousand_starts_are_recorded_beside_the_tree() {
    struct Idle;
    impl crate::Actor for Idle {
        type Msg = ();
        async fn handle(&mut self, (): (), _: &crate::Ctx<Self>) -> Result<(), crate::Failure> {
            Ok(())
        }
    }
    const COUNT: usize = 2_000;
    let mut best = [f64::MAX; 2];
    for _ in 0..3 {
        for (recorded, best) in [false, true].into_iter().zip(&mut best) {
            let folder = TempDir::new().unwrap();
            let idle = |n| ChildSpec::worker(&crate::Addr::new(format!("c{n}"), 4), || Idle);
            let children = (0..COUNT).map(idle).collect();
            let record = recorded.then(|| {
                let past = read(folder.path());
                let recorder = Recorder::begin(&past).unwrap();
                recorder.keep();
                (past, recorder)
            });
            let begun = busy();
            let (planes, limits) = (Planes::single(), Limits::default());
            let flags = Flags::new(Strategy::OneForOne);
            let tree = Tree::start_within(planes, flags, children, Arc::new(NoObserver), limits, record).await;
            let tree = tree.unwrap();
            tree.started().await.unwrap();
            *best = best.min(busy() - begun);
            let recorder = tree.recorder().cloned();
            tree.shutdown(None);
            tree.ended().await;
            if let Some(recorder) = recorder {
                assert!(recorder.seal(true, PATIENCE).await);
                let compared = replay(&folder.path().join(FILE)).unwrap();
                assert_eq!((compared.difference, compared.unchecked), (None, recorder.lost()));
            }
        }
    }
    let [without, with] = best;
    let more = (with / without - 1.0) * 1e2;
    println!("{COUNT} starts: {without:.3} s of processor time, recorded {with:.3} s ({more:+.1} %)");
    assert!(with < without * 2.0, "{without:.3} s, recorded {with:.3} s");
}

#[tokio::test(start_paused = true)]
async fn one_that_carries_nothing_keeps_no_process_from_being_started() {
    for (say, carry) in [(Say::Fail, false), (Say::Fatal, false), (Say::Fail, true)] {
        let folder = TempDir::new().unwrap();
        let (a, spec) = probe("a", &Log::default(), Plan::default());
        let spec = spec.criticality(Criticality::Vital).budget(0, Duration::from_secs(60));
        let spec = spec.with(|policy| policy.carry = carry);
        let tree = next_process(folder.path(), vec![spec]).await;
        a.send(say).await.unwrap();
        tree.ended().await;
        assert!(tree.recorder().unwrap().seal(false, PATIENCE).await);
        assert_eq!(read(folder.path()).withheld().is_some(), carry);
        // Said after it, that lifts what was withheld.
        let mut past = read(folder.path());
        past.lift(|child| child != "another");
        assert_eq!(past.withheld().is_some(), carry);
        past.lift(|child| child != "a");
        assert!(past.withheld().is_none());
    }
}
