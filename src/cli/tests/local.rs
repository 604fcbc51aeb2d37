//! Commands that need no instance.

use super::run_in;
use crate::{cli::Exit, config::DEFAULTS};
use serde_json::Value;
use std::fs;

const TOKEN: (&str, &str) = ("DISCORD_TOKEN", "a.b.c");

#[tokio::test]
async fn init_writes_the_reference_and_never_over_anything() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(run_in(&home, &[], &["init"]).await.exit, Exit::Done);
    assert_eq!(fs::read_to_string(home.path().join("config.toml")).unwrap(), DEFAULTS);
    assert!(fs::read_to_string(home.path().join(".env.example")).unwrap().contains("DISCORD_TOKEN="));
    fs::write(home.path().join("config.toml"), "mine").unwrap();
    let again = run_in(&home, &[], &["init"]).await;
    assert_eq!(again.exit, Exit::Failed);
    assert!(again.err.contains("config.toml is there already; it is left as it is"), "{}", again.err);
    assert_eq!(fs::read_to_string(home.path().join("config.toml")).unwrap(), "mine");
    let nowhere = run_in(&home, &[], &["--config", "no/such/folder/c.toml", "init"]).await;
    assert_eq!(nowhere.exit, Exit::Failed);
}

#[tokio::test]
async fn check_exits_0_for_what_would_run_and_78_for_what_would_not() {
    let home = tempfile::tempdir().unwrap();
    let good = run_in(&home, &[TOKEN], &["check"]).await;
    assert_eq!((good.exit, good.err.as_str()), (Exit::Done, ""));
    assert!(good.out.contains("rest.attempts = 3") && !good.out.contains("a.b.c"), "{}", good.out);
    fs::write(home.path().join("config.toml"), "[rest]\nattemps = 3\n").unwrap();
    let bad = run_in(&home, &[], &["check"]).await;
    assert_eq!(bad.exit, Exit::Config);
    assert!(bad.err.contains("config.toml:2: rest.attemps: unknown key; did you mean \"attempts\"?"), "{}", bad.err);
    assert!(bad.err.contains("set DISCORD_TOKEN"), "both problems at once: {}", bad.err);
    let json = run_in(&home, &[], &["check", "--json"]).await;
    let report: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((report["ok"].as_bool(), report["problems"][0]["key"].as_str()), (Some(false), Some("rest.attemps")));
    assert_eq!(report["problems"][0]["origin"]["line"], 2);
}

#[tokio::test]
async fn completions_and_the_manual_name_the_commands() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        assert!(run_in(&home, &[], &["completions", shell]).await.out.contains("explain"), "{shell}");
    }
    let man = run_in(&home, &[], &["man"]).await.out;
    assert!(man.contains(".TH impresario") && man.contains("explain"), "{man}");
}

#[tokio::test]
async fn a_tree_is_drawn_again_from_a_json_log() {
    let home = tempfile::tempdir().unwrap();
    let record = |second: u32, id: u32, path: &str, parent: &str, state: &str| {
        format!(
            "{{\"timestamp\":\"2026-01-01T00:00:{second:02}.000Z\",\"level\":\"info\",\"target\":\"tree\",\"message\":\"\",\
             \"fields\":{{\"snapshot_id\":{id},\"path\":\"{path}\",\"parent\":{parent},\"strategy\":null,\
             \"state\":\"{state}\",\"incarnation\":{id},\"restarts.used\":1,\"restarts.allowed\":5}}}}\n"
        )
    };
    let log = [
        "not json \"snapshot_id\"\n".to_owned(),
        record(1, 1, "root", "null", "running"),
        record(1, 1, "rest", "\"root\"", "running"),
        "{\"timestamp\":\"2026-01-01T00:00:02.000Z\",\"message\":\"else\",\"fields\":{}}\n".to_owned(),
        record(3, 2, "root", "null", "running"),
        record(3, 2, "rest", "\"root\"", "parked"),
    ];
    fs::write(home.path().join("log"), log.concat()).unwrap();
    let file = home.path().join("log").to_string_lossy().into_owned();
    let last = run_in(&home, &[], &["tree", "--from-log", &file]).await;
    assert_eq!(last.exit, Exit::Done);
    assert!(last.out.contains("└─ rest") && last.out.contains("parked") && last.out.contains("1/5"), "{}", last.out);
    let before = run_in(&home, &[], &["tree", "--from-log", &file, "--at", "2026-01-01T00:00:02Z"]).await;
    assert!(!before.out.contains("parked") && before.out.contains("#1"), "{}", before.out);
    let early = run_in(&home, &[], &["tree", "--from-log", &file, "--at", "2025-01-01T00:00:02Z"]).await;
    assert_eq!(early.exit, Exit::Failed);
    assert_eq!(run_in(&home, &[], &["tree", "--from-log", &file, "--at", "noon"]).await.exit, Exit::Usage);
    assert_eq!(run_in(&home, &[], &["tree", "--from-log", "absent"]).await.exit, Exit::Failed);
}

#[tokio::test]
async fn ping_without_an_instance_measures_by_itself() {
    let discord = sandbox::Sandbox::start(sandbox::SandboxConfig::default()).unwrap();
    let home = tempfile::tempdir().unwrap();
    let config = format!("[discord]\napi_base = {:?}\nallow_hosts = [\"127.0.0.1\"]\n", discord.api_base());
    fs::write(home.path().join("config.toml"), &config).unwrap();
    let token = discord.token();
    let done = run_in(&home, &[("DISCORD_TOKEN", &token)], &["ping", "--json"]).await;
    let answer: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(done.exit, Exit::Done, "{answer}");
    assert_eq!((&answer["running"], &answer["token"]["ok"]), (&Value::from(false), &Value::from(true)));
    assert!(answer["rest"]["ms"].is_u64() && answer["gateway"]["ms"].is_u64(), "{answer}");
    assert_eq!(discord.stats().identifies, 0, "no session is spent");
    let refused = run_in(&home, &[("DISCORD_TOKEN", "x.y.z")], &["ping"]).await;
    assert_eq!(refused.exit, Exit::Failed);
    assert!(refused.out.contains("Discord refuses it"), "{}", refused.out);
    assert_eq!(run_in(&home, &[], &["ping"]).await.exit, Exit::Config);
    // A gateway that takes the connection and says nothing of use is not up, and one that is not allowed is not asked.
    discord.fault(sandbox::Fault::RefuseConnections { n: 1 });
    let down = run_in(&home, &[("DISCORD_TOKEN", &token)], &["ping"]).await;
    assert_eq!(down.exit, Exit::Failed);
    assert!(down.out.contains("gateway  failed: "), "{}", down.out);
    let elsewhere = config + "gateway_url = \"wss://example.org\"\n";
    fs::write(home.path().join("config.toml"), elsewhere).unwrap();
    let forbidden = run_in(&home, &[("DISCORD_TOKEN", &token)], &["ping"]).await;
    let said = forbidden.out + &forbidden.err;
    assert!(said.contains("allow_hosts"), "{said}");
}
