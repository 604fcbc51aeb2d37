//! Where values come from: files, environment, aliases, flags; and what is found without them.

use super::*;

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
