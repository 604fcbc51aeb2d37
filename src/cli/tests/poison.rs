//! A message that kills, from the command line to the actor and back: crash records, poison, release.

use super::{Done, Exit, run_in, serve};
use control::Registry;
use serde_json::{Value, json};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};
use supervision::{
    Actor, Addr, AdminCall, AdminError, AdminSpec, ChildSpec, Ctx, Failure, Poison, Role, Status, Tree,
    install_panic_hook,
};

/// Dies of being told to `poke` what is hot, until it has cooled.
#[derive(Clone, Default)]
struct Stove {
    cooled: Arc<AtomicBool>,
}

impl Actor for Stove {
    type Msg = ();

    async fn handle(&mut self, (): (), _: &Ctx<Self>) -> Result<(), Failure> {
        Ok(())
    }

    fn admin_messages() -> Vec<AdminSpec> {
        vec![AdminSpec::with::<Value>("poke", Role::Operate, "Pokes something.")]
    }

    async fn admin(&mut self, call: AdminCall, _: &Ctx<Self>) -> Result<Value, AdminError> {
        let hot = call.params["what"] == "hot" && !self.cooled.load(SeqCst);
        assert!(!hot, "burnt");
        Ok(json!("fine"))
    }
}

struct Kitchen {
    home: tempfile::TempDir,
    tree: Tree,
    stove: Stove,
}

async fn kitchen() -> Kitchen {
    install_panic_hook();
    let (stove, registry) = (Stove::default(), Registry::new());
    let addr = Addr::new("stove", 8);
    let made = stove.clone();
    let spec = ChildSpec::worker(&addr, move || made.clone()).poison(Poison::default());
    let (home, tree) = serve(tempfile::tempdir().unwrap(), registry.clone(), vec![spec]).await;
    registry.add(crate::admin::methods(&tree)).unwrap();
    Kitchen { home, tree, stove }
}

impl Kitchen {
    async fn cli(&self, words: &[&str]) -> Done {
        run_in(&self.home, &[], words).await
    }

    async fn poke(&self, what: &str) -> Done {
        self.cli(&["tell", "stove", "poke", &format!("{{\"what\": {what:?}}}")]).await
    }

    /// Tells it what it dies of, and waits until it is back.
    async fn burn(&self) {
        let life = |tree: &Tree| tree.node(&"stove".into()).map(|node| (node.incarnation, node.status));
        let (before, _) = life(&self.tree).unwrap();
        assert_eq!(self.poke("hot").await.exit, Exit::Failed);
        let mut decisions = self.tree.subscribe();
        while life(&self.tree) != Some((before + 1, Status::Running)) {
            decisions.recv().await.unwrap();
        }
    }

    async fn json(&self, words: &[&str]) -> Value {
        let done = self.cli(&[words, &["--json"]].concat()).await;
        assert_eq!((done.exit, done.err.as_str()), (Exit::Done, ""), "{words:?}");
        serde_json::from_str(&done.out).unwrap()
    }
}

#[tokio::test]
async fn a_message_that_killed_twice_is_refused_listed_released_for_one_try_and_dropped() {
    let kitchen = kitchen().await;
    assert_eq!(kitchen.cli(&["poison", "list"]).await.out.trim(), "none");
    kitchen.burn().await;
    kitchen.burn().await;
    let refused = kitchen.poke("hot").await;
    assert_eq!(refused.exit, Exit::Failed);
    assert!(refused.err.contains("poison release") && refused.err.lines().count() == 1, "{}", refused.err);
    assert_eq!(kitchen.poke("cold").await.out.trim(), "fine");

    let listed = kitchen.json(&["poison", "list"]).await;
    let row = &listed["poison"][0];
    assert_eq!((&row["number"], &row["path"], &row["message"]), (&json!(1), &json!("stove"), &json!("poke")));
    assert_eq!((&row["deaths"], &row["refused"], &row["state"]), (&json!(2), &json!(1), &json!("parked")));
    let shown = kitchen.json(&["poison", "show", "1"]).await;
    assert_eq!(shown["shown"], "poke {\"what\":\"hot\"}");
    let people = kitchen.cli(&["poison", "list"]).await.out;
    assert!(people.contains("stove") && people.contains("poke") && people.contains("parked"), "{people}");
    let why = kitchen.cli(&["explain", "stove"]).await.out;
    assert!(why.contains("parked as poison") && why.contains("rule: poisoned"), "{why}");

    let would = kitchen.json(&["ctl", "poison.drop", "{\"number\": 1, \"dry_run\": true}"]).await;
    assert_eq!((&would["dry_run"], &would["path"], &would["message"]), (&json!(true), &json!("stove"), &json!("poke")));
    assert_eq!(kitchen.json(&["poison", "list"]).await["poison"][0]["state"], "parked", "nothing has changed");
    let released = kitchen.cli(&["poison", "release", "1"]).await;
    assert_eq!((released.exit, released.out.trim()), (Exit::Done, "1 (poke) may be sent to stove once more"));
    kitchen.burn().await;
    assert!(kitchen.poke("hot").await.err.contains("parked as poison"), "one try, and no second");

    kitchen.stove.cooled.store(true, SeqCst);
    assert_eq!(kitchen.cli(&["poison", "drop", "1"]).await.out.trim(), "1 (poke) is forgotten");
    assert_eq!(kitchen.poke("hot").await.out.trim(), "fine");
    let gone = kitchen.cli(&["poison", "release", "1"]).await;
    assert_eq!(gone.exit, Exit::Failed);
    assert!(gone.err.contains("no parked message has the number 1"), "{}", gone.err);
}

#[tokio::test]
async fn explain_lists_crashes_and_opens_each_whole() {
    let kitchen = kitchen().await;
    let none = kitchen.cli(&["explain", "stove", "--crash"]).await;
    assert!(none.exit == Exit::Failed && none.err.contains("stove has no crash record; none is kept"), "{}", none.err);
    kitchen.poke("cold").await;
    kitchen.burn().await;
    let why = kitchen.cli(&["explain", "stove"]).await.out;
    assert!(why.contains("crash 1 of #1: panic at ") && why.contains("handling poke"), "{why}");
    assert!(why.contains("(explain stove --crash 1)"), "{why}");

    let crash = kitchen.json(&["explain", "stove", "--crash", "1"]).await;
    assert_eq!((&crash["exit"]["kind"], &crash["exit"]["message"]), (&json!("panic"), &json!("burnt")));
    assert!(crash["exit"]["location"].as_str().is_some_and(|place| place.contains("cli/tests/poison.rs:")));
    assert_eq!((&crash["incarnation"], &crash["in_hand"]["name"]), (&json!(1), &json!("poke")));
    assert_eq!(crash["in_hand"]["shown"], "poke {\"what\":\"hot\"}");
    assert_eq!(crash["messages"].as_array().map(Vec::len), Some(2));
    assert_eq!(crash["followed"]["rule"], "restart");
    let frames = crash["backtrace"].as_array().unwrap();
    assert!(frames[0].as_str().is_some_and(|frame| frame.contains("cli/tests/poison.rs")), "{frames:#?}");
    for field in ["number", "at", "path", "uptime_ms", "depth", "capacity", "log"] {
        assert!(!crash[field].is_null(), "{field} in {crash}");
    }
    let people = kitchen.cli(&["explain", "stove", "--crash"]).await.out;
    for part in ["crash 1: stove#1", "burnt", "poke", "backtrace, innermost first", "rule restart", "last log lines"] {
        assert!(people.contains(part), "no {part:?} in\n{people}");
    }
    let wrong = kitchen.cli(&["explain", "stove", "--crash", "9"]).await;
    assert!(wrong.err.contains("no crash record of the number 9; kept: 1"), "{}", wrong.err);
    let unknown = kitchen.cli(&["explain", "stov", "--crash"]).await;
    assert!(unknown.exit == Exit::Failed && unknown.err.contains("did you mean \"stove\""), "{}", unknown.err);
}
