//! New rules while the tree changes under them: what begins between judging and adopting, and what has to go back.

use super::probe::*;
use crate::{ActorPath, ChildSpec, Flags, Intensity, OrderError, Policy, Rules, Status, Strategy, Tree, core::Refusal};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};
use tokio::runtime::Handle;

const PATIENCE: Duration = Duration::from_secs(20);

/// Something that happens while a supervisor asks the rules, and is over before they answer.
type Happens = Box<dyn FnOnce() + Send>;

/// Nine restarts for everybody; nothing that is called `bad` can live by them.
#[derive(Default)]
struct Nine {
    /// By the supervisor that asks, and how often it has asked: first to judge, then to adopt.
    meanwhile: Mutex<BTreeMap<(String, u32), Happens>>,
    asked: Mutex<BTreeMap<String, u32>>,
    /// Who is to need what from now on.
    needs: Option<(&'static str, &'static str)>,
}

impl Rules for Nine {
    fn policy(&self, path: &ActorPath, policy: &mut Policy) {
        policy.budget = Some(Intensity::new(9, Duration::from_secs(60)));
        if let Some((who, what)) = self.needs
            && path.as_str() == who
        {
            policy.needs = vec![what.to_owned()];
        }
        if path.id() == "bad" {
            policy.start_timeout = Duration::ZERO;
        }
    }

    fn flags(&self, path: &ActorPath, flags: &mut Flags) {
        flags.intensity.restarts = 9;
        let time = {
            let mut asked = self.asked.lock().unwrap();
            let asked = asked.entry(path.to_string()).or_default();
            *asked += 1;
            *asked
        };
        let happens = self.meanwhile.lock().unwrap().remove(&(path.to_string(), time));
        if let Some(happens) = happens {
            happens();
        }
    }
}

impl Nine {
    /// While `supervisor` asks for the `time`th time, `child` is started under `parent`.
    fn adding(self, (supervisor, time): (&str, u32), tree: &Tree, parent: &'static str, child: ChildSpec) -> Self {
        let (tree, runtime) = (tree.clone(), Handle::current());
        let happens = move || {
            let (done, is_done) = mpsc::channel();
            // A thread of its own: what it wakes must not wait for this one, which waits for it.
            std::thread::spawn(move || {
                let started = runtime.block_on(tree.start_child(&parent.into(), child));
                done.send(started.map(drop)).ok(); // the test has failed
            });
            is_done.recv_timeout(PATIENCE).expect("in time").expect("it starts");
        };
        self.meanwhile.lock().unwrap().insert((supervisor.to_owned(), time), Box::new(happens));
        self
    }
}

fn supervisor(path: &'static str, child: &str, log: &Log) -> ChildSpec {
    ChildSpec::supervisor(path, Flags::new(Strategy::OneForOne), vec![probe(child, log, Plan::default()).1])
}

/// `a` and the supervisors `one`, `two` and `three`: who is asked first and who last.
async fn some(log: &Log) -> Tree {
    let mut children = vec![probe("a", log, Plan::default()).1];
    children.extend(["one", "two", "three"].map(|path| supervisor(path, &format!("{path}/x"), log)));
    up(children).await
}

/// The restarts that each is allowed within its own budget, and each supervisor's own intensity.
fn allowed(tree: &Tree) -> BTreeMap<String, (Option<u32>, Option<u32>)> {
    let budget = |path: &ActorPath| tree.get_childspec(path).and_then(|policy| policy.budget).map(|own| own.restarts);
    let nodes = tree.nodes().into_iter();
    nodes
        .map(|node| (node.path.to_string(), (budget(&node.path), node.flags.map(|own| own.intensity.restarts))))
        .collect()
}

fn refused_for_bad(done: Result<Vec<crate::Amendment>, OrderError>, at: &str) {
    let Err(OrderError::Refused { path, refusal: Refusal::BadSpec { reason } }) = done else { panic!("{done:?}") };
    assert_eq!((path.as_str(), reason.as_str()), (at, "bad: its start timeout is zero"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_supervisor_that_refuses_late_takes_what_others_have_adopted_back_with_it() {
    let log = Log::default();
    let tree = some(&log).await;
    let before = allowed(&tree);
    let bad = probe("one/bad", &log, Plan::default()).1;
    let rules = Nine::default().adding(("three", 1), &tree, "one", bad);
    refused_for_bad(tree.set_rules(Arc::new(rules), false).await, "one");
    let mut after = allowed(&tree);
    assert_eq!(after.remove("one/bad"), Some((None, None)), "it is there, as it was declared");
    assert_eq!(after, before);
    let adopted = |path: &str| {
        tree.explain(&path.into(), 9).iter().filter(|entry| entry.decision.rule.name() == "respec").count()
    };
    assert_eq!((adopted("a"), adopted("one/x")), (2, 0), "there and back again, and never");
    tree.start_child(&"two".into(), probe("two/y", &log, Plan::default()).1).await.expect("it starts");
    assert_eq!(allowed(&tree)["two/y"], (None, None), "nor does what comes later live by them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_supervisor_that_begins_while_new_rules_are_judged_adopts_them_too() {
    let log = Log::default();
    let tree = some(&log).await;
    let rules = Nine::default().adding(("three", 1), &tree, "root", supervisor("late", "late/x", &log));
    tree.set_rules(Arc::new(rules), false).await.expect("they hold");
    let nine = |path: &str| allowed(&tree)[path];
    assert_eq!((nine("late"), nine("late/x")), ((Some(9), Some(9)), (Some(9), None)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_supervisor_that_begins_under_rules_that_do_not_last_goes_back_too() {
    let log = Log::default();
    let tree = some(&log).await;
    let before = allowed(&tree);
    let bad = probe("two/bad", &log, Plan::default()).1;
    let rules = Nine::default().adding(("three", 1), &tree, "two", bad);
    let rules = rules.adding(("one", 2), &tree, "root", supervisor("late", "late/x", &log));
    refused_for_bad(tree.set_rules(Arc::new(rules), false).await, "two");
    let mut after = allowed(&tree);
    let own = before["one"].1;
    let added = ["two/bad", "late", "late/x"].map(|path| after.remove(path));
    assert_eq!(added, [Some((None, None)), Some((None, own)), Some((None, None))]);
    assert_eq!(after, before);
}

/// Neither of the two is wrong by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_child_that_comes_in_between_and_closes_a_circle_refuses_the_rules() {
    let log = Log::default();
    let tree = some(&log).await;
    let before = allowed(&tree);
    let late = probe("two/late", &log, Plan::default()).1.needs(["a"]);
    let rules = Nine { needs: Some(("a", "two/late")), ..Nine::default() }.adding(("root", 2), &tree, "two", late);
    let refused = tree.set_rules(Arc::new(rules), false).await.map_err(|error| error.to_string());
    assert!(refused.as_ref().is_err_and(|said| said.contains("a needs two/late, that needs a")), "{refused:?}");
    let mut after = allowed(&tree);
    assert_eq!(after.remove("two/late"), Some((None, None)));
    assert_eq!(after, before);
    let status = |path: &str| tree.node(&path.into()).map(|node| node.status);
    until("both run", || [status("a"), status("two/late")] == [Some(Status::Running); 2]).await;
}
