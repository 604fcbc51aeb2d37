//! A disk that fails, is full, comes back; a file that was cut off, changed, or written by nobody of ours.

use super::*;
use crate::{Entry, record::segment::RETRY};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// What the next process would take over of the root's child `id`.
fn kept(folder: &Path, id: &str) -> Option<crate::core::carried::Carried> {
    let (_, _, carried) = read(folder).hand_over();
    carried.get(&ActorPath::root())?.1.get(id).cloned()
}

async fn fails(tree: &Tree, addr: &crate::Addr<Say>, incarnation: u64) {
    addr.send(Say::Fail).await.unwrap();
    until_incarnation(tree, addr.path().as_str(), incarnation).await;
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_costs_records_that_are_counted_and_the_tree_goes_on() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("later");
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let tree = next_process(&folder, vec![frail(spec).budget(9, Duration::from_secs(3_600))]).await;
    let recorder = tree.recorder().unwrap().clone();
    fails(&tree, &a, 2).await;
    written("it is told", || recorder.trouble().is_some() && recorder.lost() > 0).await;
    fs::create_dir(&folder).unwrap();
    real_time(RETRY).await;
    fails(&tree, &a, 3).await;
    written("it is written again", || recorder.trouble().is_none()).await;
    fails(&tree, &a, 4).await;
    end(tree, false).await;
    let compared = replay(&folder.join(FILE)).unwrap();
    assert!(compared.lost > 0 && compared.difference.is_none(), "{compared:?}");
    assert!(compared.decisions > 0, "what came after the trouble is checked again: {compared:?}");
    assert_eq!(kept(&folder, "a").map(|kept| (kept.total, kept.restarts.len())), Some((3, 3)), "nothing is forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_left_alone_for_a_while_and_what_is_kept_is_whole_when_it_has_room_again() {
    for room in [0, 100, 1_000, 2_500, 4_000] {
        let folder = TempDir::new().unwrap();
        let log = Log::default();
        let (a, spec) = probe("a", &log, Plan::default());
        let disk = Arc::new(AtomicUsize::new(room));
        let past = read(folder.path());
        let mut segment = Segment::new(&past, 1 << 20);
        segment.room = Some(Arc::clone(&disk));
        let recorder = Recorder::with(segment).unwrap();
        let spec = frail(spec).budget(1_000, Duration::from_secs(3_600));
        let tree = recorded(past, recorder.clone(), flags(), vec![spec]).await;
        let mut incarnation = 1;
        while recorder.trouble().is_none() {
            incarnation += 1;
            fails(&tree, &a, incarnation).await;
            real_time(Duration::from_millis(3)).await;
        }
        // Now it is left alone: no supervisor writes its state down for nothing.
        let before = recorder.generation();
        for _ in 0..20 {
            incarnation += 1;
            fails(&tree, &a, incarnation).await;
            real_time(Duration::from_millis(3)).await;
        }
        assert_eq!(recorder.generation(), before, "room {room}");
        written("all of them are lost", || recorder.lost() >= 20).await;
        assert_eq!(tree.node(&"a".into()).unwrap().status, Status::Running);
        let lost = read(folder.path());
        assert!(lost.problems().is_empty(), "what a full disk cut off is no damage: {lost:?}");
        disk.store(1 << 30, SeqCst);
        real_time(RETRY).await;
        incarnation += 1;
        fails(&tree, &a, incarnation).await;
        written("it is written again", || recorder.trouble().is_none()).await;
        incarnation += 1;
        fails(&tree, &a, incarnation).await;
        end(tree, false).await;
        let compared = replay(&folder.path().join(FILE)).unwrap();
        assert!(compared.lost > 0 && compared.difference.is_none() && compared.decisions > 0, "{room}: {compared:?}");
        assert_eq!(kept(folder.path(), "a").map(|kept| kept.total), Some(incarnation - 1), "room {room}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_full_to_the_end_delays_no_end() {
    let folder = TempDir::new().unwrap();
    let log = Log::default();
    let (_a, spec) = probe("a", &log, Plan::default());
    let past = read(folder.path());
    let mut segment = Segment::new(&past, 1 << 20);
    segment.room = Some(Arc::default());
    let recorder = Recorder::with(segment).unwrap();
    let tree = recorded(past, recorder.clone(), flags(), vec![frail(spec)]).await;
    written("it is told", || recorder.trouble().is_some()).await;
    end(tree, true).await;
    assert!(recorder.trouble().unwrap().contains("no storage space"), "{:?}", recorder.trouble());
}

/// Whatever a kill in the middle of writing leaves, nothing is said of it, and no budget is lost with it.
#[tokio::test(start_paused = true)]
async fn wherever_a_file_is_cut_off_the_next_process_knows_what_stood_before() {
    let folder = TempDir::new().unwrap();
    let file = small(folder.path()).await;
    let older = fs::read(&file).unwrap();
    assert_eq!(kept(folder.path(), "a").map(|kept| kept.total), Some(1));
    // A second process goes on in the same file.
    small(folder.path()).await;
    let whole = fs::read(&file).unwrap();
    assert!(whole.starts_with(&older));
    for cut in (older.len()..whole.len()).step_by(53) {
        fs::write(&file, &whole[..cut]).unwrap();
        let total = kept(folder.path(), "a").map(|kept| kept.total);
        assert!(total == Some(1) || total == Some(2), "cut at {cut}: {total:?}");
        assert!(read(folder.path()).problems().is_empty(), "cut at {cut}");
    }
    // A segment that has just begun, the one before whole.
    fs::write(folder.path().join(OLDER), &older).unwrap();
    for cut in (0..older.len()).step_by(17) {
        fs::write(&file, &older[..cut]).unwrap();
        let past = read(folder.path());
        assert!(past.problems().is_empty(), "cut at {cut}: {past:?}");
        let lines = older[..cut].iter().filter(|byte| **byte == b'\n').count();
        if lines < 3 {
            assert_eq!(kept(folder.path(), "a").map(|kept| kept.total), Some(1), "cut at {cut}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_byte_is_changed_it_is_found_and_told_and_the_next_process_runs() {
    let folder = TempDir::new().unwrap();
    let file = small(folder.path()).await;
    let whole = fs::read(&file).unwrap();
    for at in (0..whole.len()).step_by(41) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&file, &bytes).unwrap();
        let replayed = replay(&file);
        let end = at + 1 == whole.len(); // the last line has no end any more
        assert!(end || replayed.is_err(), "{at}: {replayed:?}");
        let past = read(folder.path());
        assert!(end || past.problems().len() == 1, "{at}: {past:?}");
        assert!(end || past.problems()[0].contains("the rest of it is not used"), "{at}: {past:?}");
    }
}

/// A file may say anything with the right checksums. It is answered with a sentence, never with a panic.
#[tokio::test(start_paused = true)]
async fn numbers_that_no_process_ever_wrote_end_neither_replay_nor_start() {
    let folder = TempDir::new().unwrap();
    let file = small(folder.path()).await;
    let whole = fs::read_to_string(&file).unwrap();
    let mut rng = StdRng::seed_from_u64(5);
    for round in 0..200 {
        let (mut out, mut sum) = (Vec::new(), 0);
        for line in whole.lines() {
            let mut value: serde_json::Value = serde_json::from_str(&line[9..]).unwrap();
            if !line.contains("{\"head\"") {
                spoil(&mut value, &mut rng);
            }
            format::write(&value, &mut out, &mut sum).unwrap();
        }
        fs::write(&file, out).unwrap();
        println!("round {round}: {}", replay(&file).map_or_else(|error| error.to_string(), |it| format!("{it:?}")));
        let past = read(folder.path());
        let earlier: Vec<Entry> = past.decisions().cloned().collect();
        drop((past.withheld(), earlier));
        if round % 10 == 0 {
            let log = Log::default();
            let (_a, spec) = probe("a", &log, Plan::default());
            let recorder = Recorder::begin(&past).unwrap();
            let limits = Limits::default();
            let record = Some((past, recorder));
            let children = vec![frail(spec)];
            let tree =
                Tree::start_within(Planes::single(), flags(), children, Arc::new(NoObserver), limits, record).await;
            let tree = tree.expect("the root is made");
            tree.started().await.expect("it starts, with it or without");
            tree.shutdown(None);
            tree.ended().await;
        }
    }
}

/// Puts an absurd number in the place of some.
fn spoil(value: &mut serde_json::Value, rng: &mut StdRng) {
    match value {
        serde_json::Value::Number(number) if rng.random_bool(0.05) => {
            let absurd = [0, 1, u64::MAX, i64::MAX as u64, u64::from(u32::MAX), 999_999_999];
            *number = absurd[rng.random_range(0..absurd.len())].into();
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(|value| spoil(value, rng)),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(|value| spoil(value, rng)),
        _ => {}
    }
}
