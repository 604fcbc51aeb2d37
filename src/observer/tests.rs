use super::*;
use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex},
    time::Duration,
};
use supervision::{Actor, Addr, ChildSpec, Criticality, Ctx, Failure, Flags, Intensity, Planes, Strategy, Tree, Verb};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// A line's fields by name, its `level` among them.
type Line = BTreeMap<String, String>;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Line>>>);

struct Fields<'a>(&'a mut Line);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "supervision"
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::from([("level".to_owned(), event.metadata().level().to_string())]);
        event.record(&mut Fields(&mut line));
        self.0.lock().unwrap().push(line);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Frail;

impl Actor for Frail {
    type Msg = ();

    async fn handle(&mut self, (): (), _: &Ctx<Self>) -> Result<(), Failure> {
        Err(Failure::restart("told to fail"))
    }
}

fn frail(path: &str) -> (Addr<()>, ChildSpec) {
    let addr = Addr::new(path, 4);
    let spec = ChildSpec::worker(&addr, || Frail).budget(1, Duration::from_secs(60));
    (addr, spec)
}

/// The lines of a tree of `room/cog`, `lone` and `vital` that lives through everything that `story` does to it.
async fn lines(story: impl AsyncFnOnce(&Tree, &Addr<()>, &Addr<()>)) -> Vec<Line> {
    let lines = Lines::default();
    let _heard = tracing::subscriber::set_default(lines.clone());
    let (_cog, cog) = frail("room/cog");
    let (lone, spec) = frail("lone");
    let (vital, other) = frail("vital");
    let room = ChildSpec::supervisor("room", Flags::new(Strategy::OneForOne), vec![cog]);
    let spec = spec.criticality(Criticality::Important).needs(["room"]);
    let children = vec![room.budget(1, Duration::from_secs(60)), spec, other.criticality(Criticality::Vital)];
    let mut flags = Flags::new(Strategy::OneForOne);
    flags.intensity = Intensity::new(5, Duration::from_secs(60));
    let tree = Tree::start(Planes::single(), flags, children, Arc::new(DecisionLog::default())).await.unwrap();
    tree.started().await.unwrap();
    story(&tree, &lone, &vital).await;
    tree.shutdown(None);
    tree.ended().await;
    lines.0.lock().unwrap().clone()
}

/// Lets everything happen that was going to.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(5)).await;
}

fn of<'a>(lines: &'a [Line], path: &str, rule: &str) -> Vec<&'a Line> {
    lines.iter().filter(|line| line["path"] == path && line["rule"] == rule).collect()
}

fn assert_says(line: &Line, cause: &str, budget: (&str, &str)) {
    assert_eq!(line.get("cause").map(String::as_str), Some(cause), "{line:?}");
    let of = |name: &str| line.get(name).map(String::as_str);
    assert_eq!((of("budget.left"), of("budget.allowed")), (Some(budget.0), Some(budget.1)), "{line:?}");
    assert_eq!(line["message"], format!("{}: {}", line["path"], line["decision"]), "{line:?}");
    assert!(line.contains_key("incarnation"), "{line:?}");
}

#[tokio::test(start_paused = true)]
async fn a_line_says_path_incarnation_cause_decision_and_the_budget_left() {
    let lines = lines(async |tree, lone, _| {
        tree.order(&"room".into(), Verb::Kill, None, false).await.unwrap();
        settle().await;
        for _ in 0..2 {
            lone.send(()).await.unwrap();
            settle().await;
        }
    })
    .await;
    assert_says(of(&lines, "room", "operator")[0], "an operator's order", ("1", "1"));
    assert_says(of(&lines, "room", "restart")[0], "killed by operator", ("0", "1"));
    assert_says(of(&lines, "room/cog", "killed")[0], "its supervisor was killed by operator", ("1", "1"));
    assert_says(of(&lines, "lone", "suspended")[0], "room is gone", ("1", "1"));
    assert_says(of(&lines, "lone", "resumed")[0], "room is back", ("1", "1"));
    assert_says(of(&lines, "lone", "parked")[0], "error: told to fail", ("0", "1"));
    assert!(lines.iter().all(|line| line["rule"] != "stop_deadline"), "nobody was given any time: {lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_gives_up_says_why_and_whose_budget_was_spent() {
    let lines = lines(async |_, _, vital| {
        for _ in 0..2 {
            vital.send(()).await.unwrap();
            settle().await;
        }
    })
    .await;
    assert_says(of(&lines, "root", "escalate")[0], "error: told to fail", ("0", "1"));
}

#[tokio::test(start_paused = true)]
async fn that_an_actor_has_stopped_is_one_line_at_info_and_being_asked_is_none() {
    let at_info = |lines: &[Line], path: &str, rule: &str| {
        of(lines, path, rule).iter().filter(|line| line["level"] != Level::DEBUG.to_string()).count()
    };
    let lines = lines(async |tree, _, _| {
        tree.order(&"lone".into(), Verb::Stop, None, false).await.unwrap();
    })
    .await;
    for path in ["room", "room/cog", "lone", "vital", "root"] {
        assert_eq!((at_info(&lines, path, "down"), at_info(&lines, path, "stop")), (1, 0), "{path}: {lines:#?}");
    }
    assert_says(of(&lines, "lone", "down")[0], "shut down (an operator's order)", ("1", "1"));
    assert_says(of(&lines, "room/cog", "down")[0], "shut down (its supervisor shuts down)", ("1", "1"));
}
