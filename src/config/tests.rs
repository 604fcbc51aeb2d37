use super::*;
use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

mod bounds;
mod judge;
mod reload;
mod secrets;
mod sources;

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
            cogs: Vec::new(),
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
        ("[supervision.rest]\npoison_deaths = 17", "config.toml:2: supervision.rest.poison_deaths: takes 1 to 16"),
        ("[supervision.rest]\npoison_deaths = 0", "config.toml:2: supervision.rest.poison_deaths: takes 1 to 16"),
        (
            "[supervision.rest]\npoison_window_s = 0",
            "config.toml:2: supervision.rest.poison_window_s: must be at least 1",
        ),
        ("[supervision.rest]\nprobe_ms = 90000", "looking every 90000 ms does not see a stall of 60000 ms in time"),
        ("[supervision.rest]\nneeds = [\"rest\"]", "\"rest\" is no other actor's path"),
        ("[supervision.rest]\nkill_waiting = true", "unknown rule; there are restart, restarts, "),
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
         overlap_ok = true\npoison = false\ncarry = false\ncrash_records = false\nneeds = [\"database\"]\nretry_parked_min_ms = 1000\ncooldown_ms = 7\n\
         [supervision.control]\nprobe = false\npoison_deaths = 5\npoison_window_s = 60\nretry_parked = false\n\
         [supervision.gateway]\ncarry = false\nretry_parked = true\n",
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
    assert_eq!((rest.carry, rest.crash_records), (false, false));
    let control = config.supervision["control"].clone();
    let mut tried = Policy { retry_parked: Some(Backoff::doubling(s(1), s(2))), ..ruled("control", Kind::Worker) };
    assert_eq!(tried.poison, Some(Poison { deaths: 5, window: s(60) }));
    control.apply(&mut tried);
    assert_eq!(tried.retry_parked, None, "an operator alone brings it back");
    let gateway = ruled("gateway", Kind::Supervisor);
    assert_eq!((gateway.carry, gateway.retry_parked), (false, Some(Backoff::doubling(s(60), s(900)))));
    let mut flags = supervision::Flags::new(supervision::Strategy::OneForOne);
    config.supervision["gateway"].apply_flags(&mut flags);
    assert!(!flags.carry, "nor what its children spend of its own");
    let database = ruled("database", Kind::Worker);
    assert_eq!((database.carry, database.crash_records), (true, true));
    assert_eq!(database.probe, Some(Probe::new(s(5), s(30))));
    assert_eq!(database.poison, Some(Poison { deaths: 3, window: s(3_600) }));
    assert_eq!((database.overlap_ok, ruled("control", Kind::Worker).probe), (false, None));
    assert_eq!(ruled("gateway", Kind::Supervisor).probe, None, "no code but the kernel's runs in a supervisor");
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
fn whoever_shortens_the_shutdown_shortens_its_drain() {
    assert!(Home::with("[shutdown]\ntotal_ms = 2000").load(&[]).is_ok());
}

#[test]
fn a_script_cogs_keys_are_its_own_business() {
    assert!(Home::with("[cogs.my_script]\nanything = 1").load(&[]).is_ok());
}

#[test]
fn a_task_may_need_what_is_built_in_or_declared_and_any_shard() {
    use cog_host::Cog;
    use protocol::{
        ports::Actors,
        task::{Schedule, TaskSpec},
    };
    let task = TaskSpec::declared("weather", "forecast", Schedule::daily(4, 30, "UTC"));
    let cog = Cog::new("weather", "Says what it will be like").task(task, |_, _| None);
    let known = KnownActors::of(&Home::with("").load(&[]).unwrap().config, &[cog]);
    for path in [
        "database",
        "emoji-cache",
        "cog-host/info",
        "cog-host/weather",
        "gateway/shard-7",
        "task-supervisor/presence",
        "task-supervisor/forecast",
    ] {
        assert!(known.may_stand(path), "{path}");
    }
    for path in ["databse", "gateway/shard-07", "gateway/shard-x", "task-supervisor/forcast", "cog-host/wether", ""] {
        assert!(!known.may_stand(path), "{path}");
    }
    assert_eq!(supervision::nearest("databse", known.paths().into_iter()).as_deref(), Some("database"));
}
