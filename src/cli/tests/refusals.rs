//! Orders that make no sense for the state an actor is in, from the command line: each is refused with the reason, and
//! nothing has changed.

use super::{Exit, run_in, serve};
use control::Registry;
use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};
use supervision::{
    Actor, Addr, Backoff, ChildSpec, Criticality, Ctx, Failure, Message, Shutdown, Status, Tree, install_panic_hook,
};

#[derive(Debug)]
enum Say {
    Fail,
    /// Blocks its thread until the test is over.
    Block,
}

impl Message for Say {
    fn name(&self) -> &'static str {
        "say"
    }
}

#[derive(Clone)]
struct Obedient(Arc<Mutex<Receiver<()>>>);

impl Actor for Obedient {
    type Msg = Say;

    async fn handle(&mut self, say: Say, _: &Ctx<Self>) -> Result<(), Failure> {
        match say {
            Say::Fail => Err(Failure::restart("told to fail")),
            Say::Block => {
                self.0.lock().unwrap().recv().ok(); // the sender is dropped at the end
                Ok(())
            }
        }
    }
}

struct Stage {
    home: tempfile::TempDir,
    tree: Tree,
    _over: Sender<()>,
}

/// One actor in each state: `ok` runs, `coming` waits for its restart, `parked`, `down`, and `stuck` is quarantined.
async fn stage() -> Stage {
    install_panic_hook();
    let ((over, wait), registry) = (channel(), Registry::new());
    let wait = Arc::new(Mutex::new(wait));
    let addrs = ["ok", "coming", "parked", "down", "stuck"].map(|name| Addr::new(name, 8));
    let specs = addrs.each_ref().map(|addr| {
        let wait = Arc::clone(&wait);
        ChildSpec::worker(addr, move || Obedient(Arc::clone(&wait))).criticality(Criticality::Optional)
    });
    let [ok, coming, parked, down, stuck] = specs;
    let hour = Duration::from_secs(3_600);
    let specs = vec![
        ok,
        coming.backoff(Backoff::doubling(hour, hour)),
        parked.budget(0, hour),
        down,
        stuck.shutdown(Shutdown::Brutal),
    ];
    let (home, tree) = serve(tempfile::tempdir().unwrap(), registry.clone(), specs).await;
    registry.add(crate::admin::methods(&tree)).unwrap();
    let [_, coming, parked, _, stuck] = addrs;
    coming.send(Say::Fail).await.unwrap();
    parked.send(Say::Fail).await.unwrap();
    stuck.send(Say::Block).await.unwrap();
    let stage = Stage { home, tree, _over: over };
    for order in ["down", "stuck"] {
        stage.cli(&["stop", order]).await;
    }
    let mut decisions = stage.tree.subscribe();
    while stage.states() != EXPECTED {
        tokio::time::timeout(Duration::from_millis(100), decisions.recv()).await.ok(); // looks again either way
    }
    stage
}

const EXPECTED: [(&str, Status); 5] = [
    ("ok", Status::Running),
    ("coming", Status::Waiting),
    ("parked", Status::Parked),
    ("down", Status::Down),
    ("stuck", Status::Quarantined),
];

impl Stage {
    fn states(&self) -> [(&'static str, Status); 5] {
        EXPECTED.map(|(name, _)| (name, self.tree.node(&name.into()).map_or(Status::Stopping, |node| node.status)))
    }

    async fn cli(&self, words: &[&str]) -> (Exit, String) {
        let done = run_in(&self.home, &[], words).await;
        (done.exit, done.err)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_order_that_makes_no_sense_now_is_refused_with_the_reason_and_changes_nothing() {
    let stage = stage().await;
    let restarting = "it is being restarted";
    let quarantined = "it is quarantined: its last incarnation could not be killed";
    for (words, said) in [
        (&["start", "ok"][..], "it is running"),
        (&["start", "coming"], restarting),
        (&["restart", "coming"], restarting),
        (&["kill", "coming"], "it is not running"),
        (&["restart", "parked"], "its restart budget is spent (0 of 0); start it"),
        (&["kill", "parked"], "it is not running"),
        (&["tell", "parked", "anything"], "anything"),
        (&["kill", "down"], "it is not running"),
        (&["start", "stuck"], quarantined),
        (&["restart", "stuck"], quarantined),
        (&["restart", "stuck", "--force"], quarantined),
        (&["stop", "stuck"], quarantined),
        (&["kill", "stuck"], quarantined),
        (&["kill", "parkd"], "there is no actor \"parkd\"; did you mean \"parked\"?"),
        (&["stop", "root"], "the root has no supervisor"),
        (&["ctl", "actor.kill", "{\"path\": \"ok\", \"if_incarnation\": 9}"], "ok is incarnation 1, not 9"),
        (&["ctl", "actor.start", "{\"path\": \"down\", \"if_incarnation\": 9}"], "down is incarnation 1, not 9"),
    ] {
        let (exit, err) = stage.cli(words).await;
        assert!(exit == Exit::Failed && err.contains(said), "{words:?}: {exit:?} {err}");
        assert_eq!(stage.states(), EXPECTED, "{words:?}");
    }
    let lives = EXPECTED.map(|(name, _)| stage.tree.node(&name.into()).unwrap().incarnation);
    assert_eq!(lives, [1; 5]);
}
