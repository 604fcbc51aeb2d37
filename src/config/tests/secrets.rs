//! The token and other secrets: where they may stand, and that nothing repeats them.

use super::*;

#[test]
fn a_missing_or_malformed_token_is_a_problem_and_is_never_repeated() {
    let missing = Home::new().lines(&[("DISCORD_TOKEN", "unset")]);
    assert!(missing[0].contains("discord.token: there is none: set DISCORD_TOKEN"), "{missing:?}");
    for bad in ["hunter2hunter2", "a.b", "Bot a.b.c", "a.b.c.d", "a.b.ü"] {
        let lines = Home::new().lines(&[("DISCORD_TOKEN", bad)]);
        assert!(lines.len() == 1 && lines[0].starts_with("environment DISCORD_TOKEN: discord.token: "), "{lines:?}");
        assert!(!lines[0].contains(bad), "{lines:?}");
    }
    let misplaced = Home::new().lines(&[("IMPRESARIO_DISCORD__TOKEN", "a.b.c")]);
    assert!(misplaced.len() == 1 && misplaced[0].contains("set DISCORD_TOKEN instead"), "{misplaced:?}");
    let loaded = Home::new().load(&[("DISCORD_TOKEN", "unset"), ("BOT_TOKEN", "x.y.z")]).unwrap();
    assert_eq!(loaded.token.as_ref().unwrap().expose(), "x.y.z");
    assert_eq!(origin(&loaded, "discord.token"), "environment BOT_TOKEN");
    let mut sources = Home::new().sources(&[("DISCORD_TOKEN", "unset")]);
    sources.token = TokenRule::Ignored;
    assert_eq!(load(&sources).unwrap().token, None);
}

#[test]
fn a_token_in_the_configuration_is_refused_with_the_remedy() {
    let real = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GAbCdE.abcdefghijklmnopqrstuvwxyz0123456789AB";
    for file in [
        "[discord]\ntoken = \"x\"".to_owned(),
        "token = \"x\"".to_owned(),
        format!("[cogs.weather]\nmotd = \"{real}\""),
        format!("[discord]\nprefix = \"{real}\""),
    ] {
        let lines = Home::with(&file).lines(&[]);
        assert!(lines.len() == 1 && lines[0].contains("the token never stands in a configuration file"), "{lines:?}");
        assert!(!lines[0].contains("MTIz"), "{lines:?}");
    }
}

#[test]
fn a_token_file_must_be_its_owners() {
    let home = Home::with("[discord]\ntoken_file = \"token\"\n");
    home.write("token", "a.b.c\n");
    let mode = |mode| fs::set_permissions(home.0.path().join("token"), fs::Permissions::from_mode(mode)).unwrap();
    let env = [("DISCORD_TOKEN", "unset")];
    mode(0o600);
    let loaded = home.load(&env).unwrap();
    assert_eq!((loaded.token.as_ref().unwrap().expose(), loaded.warnings.len()), ("a.b.c", 0));
    assert_eq!(origin(&loaded, "discord.token"), "file token");
    mode(0o644);
    assert!(home.load(&env).unwrap().warnings[0].contains("others may read the token file token (mode 0644)"));
    mode(0o622);
    assert!(home.lines(&env)[0].contains("others may change the token file (mode 0622): chmod 600 it"));
    let credentials = home.0.path().join("cred").to_string_lossy().into_owned();
    home.write("cred/discord_token", "d.e.f");
    let env = [("DISCORD_TOKEN", "unset"), ("CREDENTIALS_DIRECTORY", &credentials)];
    assert_eq!(home.load(&env).unwrap().token.unwrap().expose(), "d.e.f", "systemd's comes before the file");
}

#[test]
fn check_shows_every_origin_and_no_secret() {
    let home = Home::with("[cogs.weather]\napi_key = \"hunter2\"\ndeep = { password = \"hunter2\" }\n");
    let env = [("DATABASE_URL", "postgres://bot:hunter2@db/x"), ("SENTRY_DSN", "https://hunter2@sentry.example/1")];
    let loaded = home.load(&env).unwrap();
    let text = human(&loaded.values, loaded.file.as_deref(), &loaded.warnings);
    let program = json(&loaded);
    for shown in [&text, &program.to_string(), &format!("{loaded:?}")] {
        assert!(!shown.contains("hunter2") && !shown.contains(TOKEN), "{shown}");
    }
    assert!(text.contains("database.url = \"postgres://bot:***@db/x\""), "{text}");
    assert!(text.contains("# environment DATABASE_URL"), "{text}");
    assert!(text.contains("discord.token = \"***\""), "{text}");
    assert!(text.starts_with("# config.toml over the defaults\n"));
    assert_eq!(program["ok"], true);
    let attempts = program["values"].as_array().unwrap().iter().find(|v| v["key"] == "rest.attempts").unwrap();
    assert_eq!(attempts["origin"], serde_json::json!({"kind": "default"}));
}

#[test]
fn a_wrong_secret_is_not_repeated_in_its_problem() {
    let lines = Home::new().lines(&[("SENTRY_DSN", "hunter2"), ("DATABASE_URL", "postgres://u:hunter3@")]);
    assert!(!lines.is_empty() && lines.iter().all(|line| !line.contains("hunter")), "{lines:?}");
}
