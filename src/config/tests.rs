use super::*;
use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

mod bounds;
mod reload;

const TOKEN: &str = "sandbox.bot.token";

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(file: &str) -> Self {
        let home = Self::new();
        home.write("config.toml", file);
        home
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn sources(&self, env: &[(&str, &str)]) -> Sources {
        let mut all: BTreeMap<String, String> =
            env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        all.entry("DISCORD_TOKEN".to_owned()).or_insert_with(|| TOKEN.to_owned());
        all.retain(|_, value| value != "unset");
        Sources {
            explicit: None,
            cwd: self.0.path().to_owned(),
            env: all,
            flags: Vec::new(),
            token: TokenRule::Required,
        }
    }

    fn load(&self, env: &[(&str, &str)]) -> Result<Loaded, Problems> {
        load(&self.sources(env))
    }

    fn lines(&self, env: &[(&str, &str)]) -> Vec<String> {
        self.load(env).unwrap_err().list.iter().map(ToString::to_string).collect()
    }
}

fn origin(loaded: &Loaded, key: &str) -> String {
    loaded.values.get(&Key::dotted(key)).unwrap().origin.to_string()
}

#[test]
fn the_shipped_file_is_a_valid_configuration_by_itself() {
    let loaded = Home::new().load(&[]).unwrap();
    assert_eq!(loaded.config.discord.api_base, "https://discord.com/api/v10");
    assert_eq!(loaded.config.discord.shards, Shards::Auto);
    assert_eq!(loaded.config.rest.global_per_second, 50);
    assert!(loaded.warnings.is_empty() && loaded.file.is_none());
    assert!(loaded.values.iter().all(|(key, setting)| setting.origin == Origin::Default || key.name() == "token"));
}

#[test]
fn every_key_of_the_shipped_file_has_a_comment_above_it() {
    let mut commented = false;
    for line in DEFAULTS.lines() {
        let is_key = line.chars().next().is_some_and(|c| c.is_ascii_lowercase());
        assert!(!is_key || commented, "no comment above {line:?}");
        // A pair of keys may share one comment.
        commented = line.starts_with('#') || (is_key && commented);
    }
}

#[test]
fn each_layer_overrides_the_one_below_it() {
    let home = Home::with("[rest]\nattempts = 4\ndeadline_ms = 1\n[telemetry]\nlog = \"warn\"\n");
    let env = [("LOG_LEVEL", "DEBUG"), ("IMPRESARIO_REST__ATTEMPTS", "5")];
    let mut sources = home.sources(&env);
    sources.flags.push(Flag { key: "rest.deadline_ms", value: toml::Value::from(7), flag: "--deadline" });
    let loaded = load(&sources).unwrap();
    assert_eq!((loaded.config.rest.attempts, loaded.config.rest.deadline_ms), (5, 7));
    assert_eq!(loaded.config.telemetry.log, "debug");
    assert_eq!(origin(&loaded, "rest.attempts"), "environment IMPRESARIO_REST__ATTEMPTS");
    assert_eq!(origin(&loaded, "rest.deadline_ms"), "flag --deadline");
    assert_eq!(origin(&loaded, "telemetry.log"), "environment LOG_LEVEL");
    assert_eq!(origin(&loaded, "rest.invalid_limit"), "default");
    let both = [("LOG_LEVEL", "DEBUG"), ("IMPRESARIO_TELEMETRY__LOG", "trace")];
    assert_eq!(home.load(&both).unwrap().config.telemetry.log, "trace", "our own name wins");
    assert_eq!(origin(&home.load(&[]).unwrap(), "rest.attempts"), "config.toml:2");
}

#[test]
fn several_problems_are_reported_at_once_each_with_its_line_and_what_was_meant() {
    let home = Home::with(
        "[discord]\napi_bse = \"x\"\nprefix = 3\nowners = [\"abc\"]\n\n[dicsord]\nx = 1\n\n[rest]\nattempts = 0\nprefix = \"?\"\n",
    );
    let lines = home.lines(&[("IMPRESARIO_REST__DEADLINE_MS", "soon"), ("IMPRESARIO_EMOJI__REFRESHS", "1")]);
    assert_eq!(
        lines,
        [
            "environment IMPRESARIO_REST__DEADLINE_MS: rest.deadline_ms: takes a whole number",
            "config.toml:2: discord.api_bse: unknown key; did you mean \"api_base\"?",
            "config.toml:3: discord.prefix: takes text in quotes, not a whole number",
            "config.toml:7: dicsord.x: is in an unknown section; did you mean \"discord\"?",
            "config.toml:11: rest.prefix: unknown key; did you mean \"discord.prefix\"?",
            "environment IMPRESARIO_EMOJI__REFRESHS: emoji.refreshs: unknown key; did you mean \"refresh_s\"?",
            "config.toml:4: discord.owners: \"abc\" is no id: an id has digits only",
        ]
    );
}

#[test]
fn a_value_out_of_range_names_its_line() {
    let table = [
        ("[rest]\nattempts = 0", "config.toml:2: rest.attempts: takes 1 to 10"),
        ("[rest]\ndeadline_ms = 0", "config.toml:2: rest.deadline_ms: must be at least 1"),
        ("[gateway]\nidentify_limit = 1000", "config.toml:2: gateway.identify_limit: takes 1 to 900"),
        ("[shutdown]\ndrain_ms = 20000", "config.toml:2: shutdown.drain_ms: is above shutdown.total_ms"),
        (
            "[gateway]\nreconnect_max_ms = 100",
            "config.toml:2: gateway.reconnect_max_ms: is below gateway.reconnect_min_ms: set that one too",
        ),
        ("[discord]\nowners = [-1]", "config.toml:2: discord.owners: takes a list of ids: digits only"),
        ("[cogs.info]\nenabld = false", "config.toml:2: cogs.info.enabld: unknown key; the cog info takes enabled"),
        ("[discord]\nprefix = \"a b\"", "config.toml:2: discord.prefix: takes 1 to 16 characters without a blank"),
        (
            "[discord]\nallow_hosts = [\"discord.com\", \"https://x\"]",
            "discord.allow_hosts: \"https://x\" is no host name",
        ),
        ("[discord]\napi_base = \"https://evil.example/api\"", "\"evil.example\" is not in discord.allow_hosts"),
        ("[discord]\napi_base = \"http://discord.com/api\"", "would send the token in the clear"),
        ("[discord]\napi_base = \"discord.com\"", "is no address: it begins with https://"),
        ("[discord]\nshards = 0", "config.toml:2: discord.shards: takes \"auto\", a number from 1"),
        ("[discord]\nshards = { total = 2, first = 1, last = 2 }", "discord.shards: needs first <= last < total"),
        ("[discord]\nintents = [\"GUILD_MESAGES\"]", "is no intent; did you mean \"GUILD_MESSAGES\"?"),
        ("[database]\nurl = \"mysql://x\"", "config.toml:2: database.url: "),
        ("[database]\npool_size = 0", "config.toml:2: database.pool_size: "),
        ("[telemetry]\nlisten = \"nowhere\"", "config.toml:2: telemetry.listen: "),
        ("[control]\nline_max = 10", "config.toml:2: control.line_max: "),
        ("[supervision.\"gateway/shard-0\"]\nrestarst = 3", "unknown rule; there are restart, restarts, "),
        ("[supervision.gateway]\ncriticality = \"fatal\"", "config.toml:2: supervision.gateway.criticality: "),
        ("[supervision.gateway]\nrestarts = \"x\"", "config.toml:2: supervision.gateway.restarts: "),
        ("[supervision]\ngateway = 3", "config.toml:2: supervision.gateway: an actor's rules are a table"),
        ("[supervision]\nquarantine_max = 0", "config.toml:2: supervision.quarantine_max: takes 1 to 64"),
        ("[supervision]\nprobe_ms = 0", "config.toml:2: supervision.probe_ms: must be at least 1"),
        ("[supervision]\nstall_ms = 4000", "config.toml:2: supervision.stall_ms: is below supervision.probe_ms"),
        ("[supervision]\npoison_window_s = 0", "config.toml:2: supervision.poison_window_s: must be at least 1"),
        ("[supervision]\npoison_death = 2", "supervision.poison_death: unknown key; did you mean \"poison_deaths\"?"),
        ("[supervision.rest]\nstall_ms = 0", "config.toml:2: supervision.rest.stall_ms: must be at least 1"),
        ("[supervision.rest]\nprobe_ms = 90000", "looking every 90000 ms does not see a stall of 60000 ms in time"),
        ("[supervision.rest]\nneeds = [\"rest\"]", "\"rest\" is no other actor's path"),
        ("[supervision.rest]\nkill_waiting = true", "unknown rule; there are restarts, "),
        (
            "[supervision.rest]\nretry_parked_min_ms = 9\nretry_parked_max_ms = 8",
            "config.toml:2: supervision.rest.retry_parked_min_ms: is above retry_parked_max_ms",
        ),
        ("[tasks.presence]\nevery = 3", "did you mean \"every_s\"?"),
        ("[tasks]\nmonitr_ms = 3", "config.toml:2: tasks.monitr_ms: unknown key; did you mean \"monitor_ms\"?"),
        ("[tasks]\nzone = \"Mars\"", "config.toml:2: tasks.zone: there is no time zone \"Mars\""),
        ("[tasks.presence]\ncron = \"0 0 31 2 *\"", "config.toml:2: tasks.presence.cron: its cron expression"),
        ("[tasks.presence]\ndaily_at = \"4:30\"", "config.toml:2: tasks.presence.daily_at: \"4:30\" is no time of day"),
        ("[tasks.presence]\nevery_s = 9\ncron = \"0 4 * * *\"", "tasks.presence.cron: contradicts every_s"),
        ("[tasks.presence]\noverlap = \"never\"", "config.toml:2: tasks.presence.overlap: "),
        ("[tasks.presence]\nstall_periods = 0", "config.toml:2: tasks.presence.stall_periods: must be at least 1"),
        ("[cogs.info]\nenabled = \"yes\"", "config.toml:2: cogs.info.enabled: "),
        ("prefix = \"!\"", "config.toml:1: prefix: stands in no section; did you mean \"discord.prefix\"?"),
        ("rest = 3", "config.toml:1: rest: [rest] is a section, not a value"),
        ("[rest]\nattempts = = 3", "config.toml:2: not TOML: "),
        ("[rest]\nattempts = 3\nattempts = 4", "config.toml:3: not TOML: duplicate key"),
    ];
    for (file, expected) in table {
        let lines = Home::with(file).lines(&[]);
        assert!(lines.len() == 1 && lines[0].contains(expected), "{file:?}: {lines:?}");
    }
}

#[test]
fn free_form_tables_are_typed_and_reach_their_readers() {
    let home = Home::with(
        "[supervision.\"gateway/shard-0\"]\nrestarts = 9\nbackoff_min_ms = 50\ncriticality = \"optional\"\n\
         [cogs.weather]\nenabled = false\nchannel = 7\n[tasks]\nmonitor_ms = 5\n[tasks.presence]\nevery_s = 30\n",
    );
    let loaded = home.load(&[]).unwrap();
    let mut policy = supervision::Policy::new("shard-0", supervision::Kind::Worker);
    loaded.config.supervision["gateway/shard-0"].apply(&mut policy);
    assert_eq!(policy.budget.unwrap().restarts, 9);
    assert_eq!(policy.backoff.unwrap().min, std::time::Duration::from_millis(50));
    assert_eq!(policy.criticality, supervision::Criticality::Optional);
    let cog = &loaded.config.cogs["weather"];
    assert_eq!((cog.enabled, cog.settings["channel"].as_integer()), (Some(false), Some(7)));
    assert_eq!(loaded.config.tasks.monitor_ms, 5);
    assert_eq!(loaded.config.task_rules["presence"].every_s, Some(30));
    let key = Key::of(["supervision", "gateway/shard-0", "restarts"]);
    assert_eq!(key.to_string(), "supervision.\"gateway/shard-0\".restarts");
    assert_eq!(loaded.values.get(&key).unwrap().origin.to_string(), "config.toml:2");
}

#[test]
fn what_goes_beyond_otp_is_switched_for_all_actors_and_for_each() {
    use supervision::{Backoff, Kind, Poison, Policy, Probe};
    let s = std::time::Duration::from_secs;
    let ms = std::time::Duration::from_millis;
    let home = Home::with(
        "[supervision]\nstall_ms = 30000\npoison_deaths = 3\n[supervision.\"rest\"]\nprobe_ms = 100\nkill_awaiting = true\n\
         overlap_ok = true\npoison = false\nneeds = [\"database\"]\nretry_parked_min_ms = 1000\ncooldown_ms = 7\n\
         [supervision.control]\nprobe = false\n",
    );
    let loaded = home.load(&[("IMPRESARIO_SUPERVISION__QUARANTINE_MAX", "9")]).unwrap();
    let config = &loaded.config;
    assert_eq!(config.watch.quarantine_max, 9);
    let ruled = |path: &str, kind| {
        let mut policy = Policy::new(path, kind);
        config.watch.apply(&mut policy);
        if let Some(rules) = config.supervision.get(path) {
            rules.apply(&mut policy);
        }
        policy
    };
    let rest = ruled("rest", Kind::Worker);
    assert_eq!(rest.probe, Some(Probe { kill_awaiting: true, ..Probe::new(ms(100), s(30)) }));
    assert_eq!((rest.overlap_ok, rest.poison, rest.needs), (true, None, vec!["database".to_owned()]));
    assert_eq!((rest.retry_parked, rest.cooldown), (Some(Backoff::doubling(s(1), s(900))), Some(ms(7))));
    let database = ruled("database", Kind::Worker);
    assert_eq!(database.probe, Some(Probe::new(s(5), s(30))));
    assert_eq!(database.poison, Some(Poison { deaths: 3, window: s(3_600) }));
    assert_eq!((database.overlap_ok, ruled("control", Kind::Worker).probe), (false, None));
    assert_eq!(ruled("gateway", Kind::Supervisor).probe, None, "no code but the kernel's runs in a supervisor");
}

#[test]
fn shards_and_lists_can_be_given_in_the_environment() {
    let env = [
        ("IMPRESARIO_DISCORD__SHARDS", "{ total = 4, first = 1, last = 2 }"),
        ("IMPRESARIO_DISCORD__OWNERS", "1, 2"),
        ("IMPRESARIO_DISCORD__INTENTS", "GUILDS,GUILD_MESSAGES"),
        ("IMPRESARIO_COGS__INFO__ENABLED", "false"),
    ];
    let loaded = Home::new().load(&env).unwrap();
    assert_eq!(loaded.config.discord.shards, Shards::Share { total: 4, first: 1, last: 2 });
    assert_eq!(loaded.config.discord.owners, [1, 2]);
    assert_eq!(loaded.config.discord.intents, Intents::List(vec!["GUILDS".into(), "GUILD_MESSAGES".into()]));
    assert_eq!(loaded.config.cogs["info"].enabled, Some(false));
    let two = Home::new().load(&[("IMPRESARIO_DISCORD__SHARDS", "2")]).unwrap();
    assert_eq!(two.config.discord.shards, Shards::Count(2));
}

#[test]
fn aliases_say_where_a_value_came_from() {
    let env = [
        ("POSTGRES_HOST", "db"),
        ("POSTGRES_USER", "bot"),
        ("POSTGRES_PASSWORD", "p@ss/w"),
        ("POSTGRES_DB", "tux"),
        ("GUILD_ID", "42"),
        ("SENTRY_DSN", "https://key@sentry.example/1"),
        ("REDIS_URL", "redis://x"),
        ("LOG_LEVEL", "WARNING"),
    ];
    let loaded = Home::new().load(&env).unwrap();
    assert_eq!(loaded.config.database.url.expose(), "postgres://bot:p%40ss%2Fw@db:5432/tux");
    assert_eq!((loaded.config.discord.guild, loaded.config.telemetry.log.as_str()), (42, "warn"));
    assert_eq!(loaded.config.telemetry.sentry_dsn.expose(), "https://key@sentry.example/1");
    assert_eq!(origin(&loaded, "database.url"), "environment POSTGRES_HOST, POSTGRES_DB, …");
    assert_eq!(loaded.warnings, ["environment REDIS_URL is not used: there is no external cache"]);
    let url = [("DATABASE_URL", "sqlite://other.db"), ("POSTGRES_HOST", "db")];
    assert_eq!(Home::new().load(&url).unwrap().config.database.url.expose(), "sqlite://other.db");
    assert_eq!(Home::new().lines(&[("GUILD_ID", "x")]).len(), 1);
    let lone = Home::new().load(&[("POSTGRES_PASSWORD", "x")]).unwrap();
    assert!(lone.warnings[0].contains("POSTGRES_PASSWORD is not used without"));
}

#[test]
fn a_missing_explicit_file_is_a_problem_and_a_missing_implicit_one_is_not() {
    let home = Home::new();
    let mut sources = home.sources(&[]);
    sources.explicit = Some("absent.toml".into());
    let text = load(&sources).unwrap_err().to_string();
    assert_eq!(text, "file absent.toml: there is no such file; `impresario init` writes one");
    home.write("xdg/impresario/config.toml", "[rest]\nattempts = 9\n");
    let xdg = home.0.path().join("xdg").to_string_lossy().into_owned();
    assert_eq!(home.load(&[("XDG_CONFIG_HOME", &xdg)]).unwrap().config.rest.attempts, 9);
    home.write("config.toml", "[rest]\nattempts = 2\n");
    assert_eq!(
        home.load(&[("XDG_CONFIG_HOME", &xdg)]).unwrap().config.rest.attempts,
        2,
        "the folder's own comes first"
    );
}

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

/// X7, a corpus: what stands in the file, its mode, and what is said of it.
#[test]
fn x7_a_file_with_secrets_that_others_may_read_is_warned_about() {
    const URL: &str = "[database]\nurl = \"postgres://bot:hunter2@db.internal/bot\"\n";
    const DSN: &str = "[telemetry]\nsentry_dsn = \"https://0123456789abcdef@sentry.internal/1\"\n";
    const COG: &str = "[cogs.greeter]\nlevel = { api_key = \"hunter2\" }\n";
    const NONE: &str = "[database]\nurl = \"postgres://bot@db.internal/bot\"\n[telemetry]\nsentry_dsn = \"\"\n";
    /// What others may do, and the key that is told.
    type Said = Option<(&'static str, &'static str)>;
    let corpus: [(&str, u32, Said); 11] = [
        (URL, 0o600, None),
        (URL, 0o644, Some(("read", "database.url"))),
        (URL, 0o640, Some(("read", "database.url"))),
        (URL, 0o604, Some(("read", "database.url"))),
        (URL, 0o660, Some(("change", "database.url"))),
        (URL, 0o602, Some(("change", "database.url"))),
        (DSN, 0o600, None),
        (DSN, 0o644, Some(("read", "telemetry.sentry_dsn"))),
        (COG, 0o644, Some(("read", "cogs.greeter.level.api_key"))),
        (NONE, 0o644, None),
        (NONE, 0o666, None),
    ];
    for (text, mode, said) in corpus {
        let home = Home::with(text);
        fs::set_permissions(home.0.path().join("config.toml"), fs::Permissions::from_mode(mode)).unwrap();
        let warnings = home.load(&[]).unwrap().warnings;
        match said {
            None => assert_eq!(warnings, Vec::<String>::new(), "{mode:o} {text}"),
            Some((may, key)) => {
                let wanted = format!("others may {may} config.toml (mode {mode:04o}), where {key} stands");
                assert!(warnings.len() == 1 && warnings[0].starts_with(&wanted), "{warnings:?}, not {wanted}");
                assert!(warnings[0].contains("chmod 600") && !warnings[0].contains("hunter2"), "{warnings:?}");
            }
        }
    }
}

#[test]
fn x7_a_secret_from_elsewhere_says_nothing_about_the_file() {
    let home = Home::with("[discord]\nprefix = \"?\"\n");
    let env = [("DATABASE_URL", "postgres://bot:hunter2@db.internal/bot")];
    assert_eq!(home.load(&env).unwrap().warnings, Vec::<String>::new());
    // What stands in the file can be read there, whether it is in force or not.
    let home = Home::with("[database]\nurl = \"postgres://bot:hunter2@db.internal/bot\"\n");
    assert_eq!(home.load(&[("DATABASE_URL", "sqlite://bot.db")]).unwrap().warnings.len(), 1);
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

#[test]
fn the_socket_goes_where_the_contract_says() {
    let env = |vars: &[(&str, &str)]| vars.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let path = |configured: &str, vars: &[(&str, &str)]| socket_path(configured, Path::new("data"), &env(vars));
    let both = [("XDG_RUNTIME_DIR", "/run/user/1"), ("RUNTIME_DIRECTORY", "/run/impresario:/run/other")];
    assert_eq!(path("/x/y", &both), Path::new("/x/y"));
    assert_eq!(path("", &both), Path::new("/run/user/1/impresario/control.sock"));
    assert_eq!(path("", &both[1..]), Path::new("/run/impresario/control.sock"));
    assert_eq!(path("", &[("XDG_RUNTIME_DIR", "")]), Path::new("data/control.sock"));
}

#[test]
fn a_client_finds_the_socket_in_a_configuration_that_is_wrong_elsewhere() {
    let home = Home::with("[control]\nsocket = \"/s/one\"\n[nonsense]\nx = 1\n");
    let sources = home.sources(&[]);
    assert_eq!(locate_socket(&sources), Path::new("/s/one"));
    let flagged = sources.with_socket(Some(Path::new("/s/two")));
    assert_eq!(locate_socket(&flagged), Path::new("/s/two"));
    assert_eq!(locate_socket(&Home::with("= = =").sources(&[])), Path::new("data/control.sock"));
}

#[test]
fn the_sentry_keys_can_be_read_from_a_wrong_configuration() {
    let home = Home::with("[telemetry]\nsentry_environment = \"stage\"\nnonsense = 1\n");
    let keys = sentry_keys(&home.sources(&[("SENTRY_DSN", "https://k@s/1")]));
    assert_eq!((keys.dsn.expose(), keys.environment.as_str()), ("https://k@s/1", "stage"));
    assert_eq!(sentry_keys(&Home::with("= =").sources(&[])).environment, "production");
}

#[test]
fn whoever_shortens_the_shutdown_shortens_its_drain() {
    assert!(Home::with("[shutdown]\ntotal_ms = 2000").load(&[]).is_ok());
}

#[test]
fn a_script_cogs_keys_are_its_own_business() {
    assert!(Home::with("[cogs.my_script]\nanything = 1").load(&[]).is_ok());
}
