//! Declarations: what is refused, and what Discord is told.

use super::{echo, ping, tool};
use crate::{
    Access, Args, Change, Cog, CogHost, CogMsg, Command, Int, Rest, args,
    testing::{List, MapStore, Nothing, World, config, services},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

args! {
    struct Backwards {
        /// may be missing
        first: Option<String>,
        /// must be there
        second: String,
    }
}

args! {
    struct Greedy {
        /// everything
        text: Rest,
        /// and more
        more: Option<String>,
    }
}

async fn backwards(_: &crate::Ctx, args: Backwards) -> crate::Outcome {
    Ok(crate::Reply::text(args.first.unwrap_or(args.second)))
}

async fn greedy(_: &crate::Ctx, args: Greedy) -> crate::Outcome {
    Ok(crate::Reply::text(args.more.unwrap_or(args.text.0)))
}

fn host(cogs: Vec<Cog>) -> Result<CogHost, crate::DefinitionError> {
    let services = services(Arc::<Nothing>::default(), MapStore::new());
    let outbox = Arc::new(List::nowhere());
    CogHost::new(config(), services, outbox, Access::default(), cogs, &BTreeMap::new())
}

#[tokio::test]
async fn declarations_that_discord_or_help_could_not_show_are_refused() {
    let with = |command: Command| vec![Cog::new("cog", "A cog").command(command)];
    const LONG: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let rows = [
        (with(Command::new("Ping", "Answers", ping)), "a name has 1 to 32"),
        (with(Command::new(LONG, "Answers", ping)), "a name has 1 to 32"),
        (with(Command::new("ping", "", ping)), "its about text"),
        (with(Command::new("x", "Answers", backwards)), "required arguments come first"),
        (with(Command::new("x", "Answers", greedy)), "the rest of the message comes last"),
        (with(Command::group("x", "Group", vec![])), "1 to 25 subcommands"),
        (with(Command::group("x", "Group", vec![Command::new("a", "A", ping)]).bare("b")), "names no subcommand"),
        (
            with(Command::group("x", "Group", vec![Command::new("a", "A", ping), Command::new("a", "A", ping)])),
            "another subcommand",
        ),
        (vec![tool(), Cog::new("other", "Other").command(Command::new("ping", "Too", ping))], "another command"),
        (
            vec![tool(), Cog::new("other", "Other").command(Command::new("pong", "Too", ping).alias("p"))],
            "another command",
        ),
        (vec![tool(), tool()], "another child"),
        (vec![Cog::new("dispatch", "No")], "another child"),
    ];
    for (cogs, expected) in rows {
        let error = host(cogs).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(host(vec![tool()]).is_ok());
}

#[tokio::test(start_paused = true)]
async fn slash_definitions_follow_from_the_declaration() {
    let world = World::new(vec![tool()]).await;
    assert_eq!(world.host.register_commands(None).await, Ok(10));
    let sent = world.next().await;
    let find = |name: &str| -> Value {
        sent.body.as_array().unwrap().iter().find(|command| command["name"] == name).unwrap().clone()
    };
    let option = &find("sleep")["options"][0];
    assert_eq!((&option["type"], &option["min_value"], &option["max_value"]), (&json!(4), &json!(0), &json!(60)));
    assert_eq!((&option["name"], &option["required"]), (&json!("seconds"), &json!(true)));
    assert_eq!(find("owned")["default_member_permissions"], "0");
    let subs: Vec<Value> = find("thing")["options"].as_array().unwrap().iter().map(|sub| sub["name"].clone()).collect();
    assert_eq!(subs, ["show", "set"]);
    assert_eq!(find("thing")["options"][1]["options"][0]["type"], 3);
}

#[tokio::test(start_paused = true)]
async fn commands_are_registered_only_if_they_differ_and_not_those_of_a_cog_that_was_taken_out() {
    let other = Cog::new("other", "Another").command(Command::new("extra", "Extra", ping));
    let world = World::new(vec![tool(), other]).await;
    assert_eq!(world.host.register_commands(None).await, Ok(11));
    assert_eq!(world.next().await.how, "commands");
    assert_eq!(world.host.register_commands(None).await, Ok(11));
    assert!(world.settled().await.is_empty(), "Discord has them already");
    let addr = world.host.cog("other").unwrap();
    let unload = |reply| CogMsg::Change(Change::Unload, reply);
    addr.call(Duration::from_secs(5), unload).await.unwrap().unwrap();
    assert_eq!(world.host.register_commands(None).await, Ok(10));
    let sent = world.next().await;
    assert!(sent.body.as_array().unwrap().iter().all(|command| command["name"] != "extra"), "{:?}", sent.body);
}

#[tokio::test]
async fn sandbox_only_commands_do_not_exist_elsewhere() {
    let cog = || {
        let subs = vec![Command::new("a", "A", ping), Command::new("b", "B", echo).sandbox_only()];
        Cog::new("cog", "A cog")
            .command(Command::new("crash", "Crashes", ping).sandbox_only())
            .command(Command::group("group", "Group", subs))
    };
    let real = host(vec![cog()]).unwrap();
    assert!(real.catalogue().find("crash").is_none());
    assert_eq!(real.catalogue().find("group").unwrap().runnables().count(), 1);
    assert_eq!(real.catalogue().slash_commands().len(), 1);
    let world = World::of_the_stand_in(vec![cog()]).await;
    assert_eq!(world.host.catalogue().slash_commands().len(), 2);
}

#[test]
fn usage_names_every_argument() {
    assert_eq!(<Int<1, 5> as crate::Value>::kind().expected(), "a whole number from 1 to 5");
    assert_eq!(Backwards::params().iter().map(crate::Param::usage).collect::<Vec<_>>(), ["[first]", "<second>"]);
}
