//! Runs that are due while another is under way, and runs that cannot begin.

use super::*;
use protocol::{
    id::GuildId,
    task::{Overlap, Precondition},
};

/// Takes 25 s a run, is due every 10 s; gives up at once when it is told to end, unless it is deaf.
fn long(overlap: Overlap, deaf: bool, most: &Arc<AtomicU64>) -> TaskSpec {
    let (now, most) = (Arc::new(AtomicU64::new(0)), Arc::clone(most));
    let mut spec = TaskSpec::new("test", "long", Schedule::Every(S(10)), move |run| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        async move {
            let gone = scopeguard(now);
            most.fetch_max(gone.0.load(SeqCst), SeqCst);
            tokio::select! {
                () = run.cancel.cancelled(), if !deaf => Err(RunError("given up".into())),
                () = tokio::time::sleep(S(25)) => Ok(RunOutcome::Done { operations: 1 }),
            }
        }
    });
    spec.overlap = overlap;
    spec
}

/// Counts itself while it lives.
struct Counted(Arc<AtomicU64>);

fn scopeguard(count: Arc<AtomicU64>) -> Counted {
    count.fetch_add(1, SeqCst);
    Counted(count)
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_due_run_is_left_out_queued_or_takes_the_place_of_the_old_one_and_two_never_overlap() {
    // (policy, deaf) -> runs that began, done, cancelled, left out, in 101 s; the first is due at 10 s
    let rows = [
        (Overlap::Skip, false, (4, 3, 0, 6)), // 10, 40, 70, 100; 20, 30, 50, 60, 80, 90 are left out
        (Overlap::Queue, false, (4, 3, 0, 0)), // 10, 35, 60, 85
        (Overlap::CancelOld, false, (10, 0, 9, 0)), // 10, 20, …, 100
        (Overlap::CancelOld, true, (7, 0, 6, 0)), // 10, then each 5 s after it was due: 25, 40, 55, …
    ];
    for (overlap, deaf, expected) in rows {
        let (world, most) = (world().await, Arc::default());
        world.registry.register(long(overlap, deaf, &most)).await.unwrap();
        tokio::time::sleep(S(101)).await;
        let figures = world.figures("long");
        let counted = (figures.runs, figures.done, figures.cancelled, figures.overlapped);
        assert_eq!(counted, expected, "{overlap:?}, deaf: {deaf}");
        assert_eq!((most.load(SeqCst), figures.errors), (1, 0), "{overlap:?}: never two, and no error");
        assert_eq!(world.registry.node("long").unwrap().incarnation, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_precondition_does_not_hold_is_skipped_with_the_reason_and_is_no_failure() {
    let world = world().await;
    let runs = Arc::default();
    let mut spec = counting("guarded", &runs);
    spec.requires = vec![Precondition::Ready, Precondition::Guild(GuildId::new(7))];
    spec.wait_until_ready = false;
    world.ready.send_replace(false);
    world.registry.register(spec).await.unwrap();
    let reason = |figures: crate::TaskFigures| match figures.last {
        Some(LastRun::Skipped { reason }) => reason,
        other => panic!("{other:?}"),
    };
    tokio::time::sleep(S(11)).await;
    assert_eq!(reason(world.figures("guarded")), "the bot is not ready");
    world.ready.send_replace(true);
    tokio::time::sleep(S(10)).await;
    assert_eq!(reason(world.figures("guarded")), "the bot is not in guild 7");
    let figures = world.figures("guarded");
    assert_eq!((figures.runs, figures.skipped, figures.errors, runs.load(SeqCst)), (2, 2, 0, 0));
    assert_eq!(figures.timing.count, 0, "a run that did not happen took no time");
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_run_is_left_in_the_next_one() {
    let world = world().await;
    let numbers: Arc<Mutex<Vec<(u64, bool)>>> = Arc::default();
    let seen = Arc::clone(&numbers);
    let mut spec = TaskSpec::new("test", "fresh", Schedule::Every(S(10)), move |run| {
        seen.lock().unwrap().push((run.number, run.cancel.is_cancelled()));
        async move {
            if run.number == 1 {
                std::future::pending::<()>().await; // is cut off, and its token fires
            }
            if run.number == 3 {
                return Ok(RunOutcome::Skipped { reason: "nothing there".to_owned() });
            }
            Ok(RunOutcome::Done { operations: 1 })
        }
    });
    spec.timeout = S(5);
    world.registry.register(spec).await.unwrap();
    tokio::time::sleep(S(120)).await;
    let numbers = numbers.lock().unwrap().clone();
    assert!(numbers.len() > 4 && numbers.iter().all(|(_, cancelled)| !cancelled), "{numbers:?}");
    assert_eq!(world.figures("fresh").last, Some(LastRun::Done { operations: 1 }));
    assert_eq!(world.figures("fresh").last_error.unwrap().error, "the run took longer than 5000 ms and was cut off");
}
