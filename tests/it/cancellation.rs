//! A task that ignores its cancellation. No built-in task does, so this one stands in a tree of the test's own, taken
//! down by the process's own way down. (D8 of the bot that this one takes after: its stop had no deadline at all.)

use impresario::{
    exit::Code,
    flags::Flags,
    notify::Notifier,
    shutdown::{Down, Left, Limits, Why},
};
use protocol::task::{RunOutcome, Schedule, TaskSpec, Tasks};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};
use supervision::{Flags as Rules, NoObserver, Planes, Strategy, Tree};
use task_supervisor::TaskRegistry;
use telemetry::reports::SentryCapture;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

const TOTAL: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn d8_a_task_that_ignores_its_cancellation_is_cut_off_at_its_deadline_and_named_in_the_end_report() {
    let (_ready, is_ready) = watch::channel(true);
    let registry = TaskRegistry::new(BTreeMap::new(), is_ready);
    let children = vec![task_supervisor::child(Duration::from_secs(60), &registry)];
    let tree = Tree::start(Planes::single(), Rules::new(Strategy::OneForOne), children, Arc::new(NoObserver));
    let tree = tree.await.unwrap();
    registry.attach(tree.clone());
    tree.started().await.unwrap();
    let asked = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&asked);
    let deaf = TaskSpec::new("test", "deaf", Schedule::Every(Duration::from_secs(1)), move |run| {
        let asked = Arc::clone(&seen);
        async move {
            run.cancel.cancelled().await;
            asked.store(true, SeqCst);
            std::future::pending::<()>().await;
            Ok(RunOutcome::Done { operations: 0 })
        }
    });
    registry.register(deaf).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await; // it runs

    let (_wish, mut wishes) = mpsc::channel(1);
    let limits = Limits { total: TOTAL, drain: Duration::from_secs(3) };
    let begun = Instant::now();
    let down = Down {
        tree: &tree,
        flags: &Flags::default(),
        limits,
        wishes: &mut wishes,
        capture: &SentryCapture::disabled(),
        notifier: &Notifier::default(),
        record: &OnceLock::new(),
        gateway: &OnceLock::new(),
        planes: &Planes::single(),
        beside: &[],
    };
    let why = Why { reason: "test".to_owned(), signal: None, code: Code::Stopped };
    let report = down.run(why, async { Left::default() }).await;
    assert!(asked.load(SeqCst), "it was asked first");
    assert!(begun.elapsed() <= TOTAL, "{:?}", begun.elapsed());
    assert_eq!(report.killed, ["task-supervisor/deaf"]);
    assert!(report.cut_off.iter().any(|path| path == "task-supervisor/deaf"), "{report:?}");
    let lines = report.lines().join("\n");
    assert!(lines.contains("CUT OFF") && lines.contains("cut off: task-supervisor/deaf"), "{lines}");
    assert_eq!(report.code, 0, "cut off is not forced");
}
