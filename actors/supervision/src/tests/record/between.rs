//! What happens between two processes that run: boots that fail, ways down that are cut short, exits that hold secrets.

use super::*;
use crate::{Entry, Observer, core::Refusal};

const HOUR: Duration = Duration::from_secs(3_600);

/// A required child whose first start fails, as one whose server is away while the bot boots.
fn absent(log: &Log) -> ChildSpec {
    let (_, spec) = probe("a", log, Plan { fail_start: vec![1], ..Plan::default() });
    spec.criticality(Criticality::Vital).budget(4, HOUR)
}

#[tokio::test(start_paused = true)]
async fn a_boot_that_fails_gives_nobody_a_fresh_budget() {
    let folder = TempDir::new().unwrap();
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let spec = spec.criticality(Criticality::Vital).budget(4, HOUR);
    let tree = next_process(folder.path(), vec![spec.clone()]).await;
    for incarnation in [2, 3] {
        a.send(Say::Fail).await.unwrap();
        until_incarnation(&tree, "a", incarnation).await;
    }
    end(tree, false).await;

    let tree = next_process(folder.path(), Vec::new()).await;
    let refused = tree.start_child(&ActorPath::root(), absent(&log)).await.expect_err("its start fails");
    assert!(matches!(refused, crate::OrderError::Refused { refusal: Refusal::StartFailed { .. }, .. }), "{refused}");
    assert!(tree.node(&"a".into()).is_none(), "it is forgotten");
    end(tree, false).await;

    let tree = next_process(folder.path(), Vec::new()).await;
    tree.start_child(&ActorPath::root(), spec).await.expect("its server is back");
    assert_eq!(tree.node(&"a".into()).unwrap().budget.unwrap().used, 2, "as before the boot that failed");
    end(tree, true).await;
    assert_eq!(replay(&folder.path().join(FILE)).unwrap().difference, None);
}

#[tokio::test(start_paused = true)]
async fn a_boot_that_fails_with_a_history_behind_it_adds_nothing_to_it() {
    let folder = TempDir::new().unwrap();
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let spec = frail(spec);
    let tree = next_process(folder.path(), vec![spec.clone()]).await;
    a.send(Say::Fail).await.unwrap();
    until_incarnation(&tree, "a", 2).await;
    end(tree, true).await;
    let before = fs::read_to_string(folder.path().join(FILE)).unwrap();

    let past = read(folder.path());
    let recorder = Recorder::begin(&past).unwrap();
    let record = Some((past, recorder.clone()));
    let tree =
        Tree::start_within(Planes::single(), flags(), vec![spec], Arc::new(NoObserver), Limits::default(), record)
            .await
            .unwrap();
    tree.started().await.unwrap();
    tree.shutdown(None);
    tree.ended().await;
    assert!(recorder.seal(false, PATIENCE).await);
    let after = fs::read_to_string(folder.path().join(FILE)).unwrap();
    assert_eq!(after.strip_prefix(&before), Some(""), "that a child began anew is no news");
}

#[tokio::test(start_paused = true)]
async fn what_is_parked_stays_parked_when_a_way_down_in_order_is_cut_short() {
    let folder = TempDir::new().unwrap();
    let log = Log::default();
    let path = ActorPath::from("room/x");
    let (x, inner) = probe("room/x", &log, Plan::default());
    let (_y, other) = probe("room/y", &log, Plan::default());
    let room = || {
        let children = vec![frail(inner.clone()).budget(0, HOUR), other.clone()];
        vec![ChildSpec::supervisor("room", Flags::new(Strategy::OneForOne), children)]
    };
    let tree = next_process(folder.path(), room()).await;
    x.send(Say::Panic).await.unwrap();
    until("x is parked", || tree.node(&path).is_some_and(|node| node.status == Status::Parked)).await;
    assert!(tree.drain(&[ActorPath::from("room")], PATIENCE).await.is_empty());
    end(tree, false).await; // and then a third signal

    let tree = next_process(folder.path(), room()).await;
    assert_eq!(tree.node(&path).unwrap().status, Status::Parked);
    end(tree, true).await;
}

/// New rules that say how often a child may be restarted within a minute.
struct Restarts(u32);

impl crate::Rules for Restarts {
    fn policy(&self, _: &ActorPath, policy: &mut crate::Policy) {
        policy.budget = Some(crate::Intensity::new(self.0, Duration::from_secs(60)));
    }

    fn flags(&self, _: &ActorPath, _: &mut Flags) {}
}

#[tokio::test(start_paused = true)]
async fn under_a_budget_that_was_made_smaller_there_is_room_when_as_many_have_left_as_are_too_many() {
    let folder = TempDir::new().unwrap();
    let (a, spec) = probe("a", &Log::default(), Plan::default());
    let spec = spec.criticality(Criticality::Vital).budget(5, Duration::from_secs(60));
    let began = SystemTime::now();
    let tree = next_process(folder.path(), vec![spec]).await;
    for incarnation in 2..=4 {
        tokio::time::advance(Duration::from_secs(10)).await;
        a.send(Say::Fail).await.unwrap();
        until_incarnation(&tree, "a", incarnation).await;
    }
    tree.set_rules(Arc::new(Restarts(1)), false).await.unwrap();
    a.send(Say::Fail).await.unwrap();
    tree.ended().await;
    assert!(tree.recorder().unwrap().seal(false, PATIENCE).await);
    drop(tree);
    let left = |since, seconds| Past::read(folder.path(), since + Duration::from_secs(seconds)).withheld();
    // The wall clock all but stood meanwhile: by it the last restart was between these two, and counts for a minute.
    let ended = SystemTime::now();
    assert!(left(began, 58).is_some());
    assert!(left(ended, 62).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_vital_child_that_says_that_a_restart_cannot_help_holds_the_next_process_back_for_five_minutes() {
    let folder = TempDir::new().unwrap();
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let spec = spec.criticality(Criticality::Vital).budget(5, Duration::from_secs(60));
    let tree = next_process(folder.path(), vec![spec]).await;
    a.send(Say::Fatal).await.unwrap();
    tree.ended().await;
    assert!(tree.recorder().unwrap().seal(false, PATIENCE).await);
    let now = SystemTime::now();
    let held = Past::read(folder.path(), now).withheld().expect("each start would cost a login");
    assert!(held.left > Duration::from_secs(240) && held.left <= Duration::from_secs(301), "{held:?}");
    assert!(Past::read(folder.path(), now + Duration::from_secs(302)).withheld().is_none());
    assert_eq!(replay(&folder.path().join(FILE)).unwrap().difference, None);
}

/// Knows one secret.
struct Discreet;

impl Observer for Discreet {
    fn decided(&self, _: &Entry) {}

    fn redact(&self, text: &str) -> String {
        text.replace("told", "[secret]")
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_actor_failed_with_is_written_down_without_secrets_and_replays() {
    let folder = TempDir::new().unwrap();
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let (b, other) = probe("b", &log, Plan::default());
    let past = read(folder.path());
    let recorder = Recorder::begin(&past).unwrap();
    recorder.keep();
    let children = vec![frail(spec), frail(other)];
    let record = Some((past, recorder));
    let tree =
        Tree::start_within(Planes::single(), flags(), children, Arc::new(Discreet), Limits::default(), record).await;
    let tree = tree.unwrap();
    tree.started().await.unwrap();
    a.send(Say::Panic).await.unwrap();
    until_incarnation(&tree, "a", 2).await;
    b.send(Say::Fatal).await.unwrap();
    until("b is parked", || tree.node(&"b".into()).is_some_and(|node| node.status == Status::Parked)).await;
    end(tree, false).await;
    let written = fs::read_to_string(folder.path().join(FILE)).unwrap();
    assert!(written.contains("[secret] to panic") && !written.contains("told to"), "{written}");
    assert_eq!(replay(&folder.path().join(FILE)).unwrap().difference, None);
}
