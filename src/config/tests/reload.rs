//! What a reload would change.

use super::*;

#[test]
fn a_reload_tells_what_changes_and_what_waits_for_a_restart() {
    let old = Home::with("[discord]\nprefix = \"?\"\n[shutdown]\ntotal_ms = 9000\n[cogs.weather]\nx = 1\n")
        .load(&[])
        .unwrap();
    let new = Home::with("[rest]\nattempts = 5\n").load(&[("DATABASE_URL", "postgres://a:b@c/d")]).unwrap();
    let changes: Vec<_> = diff(&old, &new).into_iter().map(|c| (c.key, c.before, c.now, c.needs_restart)).collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        changes,
        [
            ("discord.prefix".to_owned(), text("\"?\""), text("\"!\""), true),
            ("database.url".to_owned(), text("\"sqlite://impresario.db\""), text("\"postgres://a:***@c/d\""), true),
            ("rest.attempts".to_owned(), text("3"), text("5"), true),
            ("shutdown.total_ms".to_owned(), text("9000"), text("10000"), false),
            ("cogs.weather.x".to_owned(), text("1"), None, true),
        ]
    );
    assert!(diff(&old, &old).is_empty());
}

#[test]
fn what_waits_for_a_restart_is_told_again_by_the_next_reload() {
    let mut in_force = Home::new().load(&[]).unwrap();
    let new = Home::with("[discord]\nprefix = \"?\"\n[shutdown]\ntotal_ms = 9000\n").load(&[]).unwrap();
    adopt_live(&mut in_force, &new);
    assert_eq!(in_force.config.shutdown.total_ms, 9000);
    let keys: Vec<_> = diff(&in_force, &new).into_iter().map(|change| change.key).collect();
    assert_eq!(keys, ["discord.prefix"], "applied at once, or still to come");
    assert_eq!(LIVE.len(), 9, "as docs/supervision.md lists them");
    assert!(diff(&in_force, &Home::with("[shutdown]\ntotal_ms = 9000\n").load(&[]).unwrap()).is_empty(), "taken back");
}

#[test]
fn rules_of_actors_and_tasks_are_live_and_are_forgotten_when_they_are_gone() {
    let file = "[supervision]\nstall_ms = 70000\nquarantine_max = 9\n[supervision.rest]\nrestarts = 3\n[tasks]\nzone = \
                \"Europe/Berlin\"\nmonitor_ms = 9\n[tasks.presence]\nevery_s = 9\n";
    let (plain, ruled) = (Home::new().load(&[]).unwrap(), Home::with(file).load(&[]).unwrap());
    let waits = |old: &Loaded, new: &Loaded| {
        let changes = diff(old, new).into_iter();
        changes.map(|change| (change.key, change.needs_restart)).collect::<Vec<_>>()
    };
    let expected = [
        ("tasks.monitor_ms", true),
        ("tasks.zone", false),
        ("supervision.stall_ms", false),
        ("supervision.quarantine_max", true),
        ("supervision.rest.restarts", false),
        ("tasks.presence.every_s", false),
    ];
    assert_eq!(waits(&plain, &ruled), expected.map(|(key, waits)| (key.to_owned(), waits)));
    let mut in_force = plain.clone();
    adopt_live(&mut in_force, &ruled);
    assert_eq!((in_force.config.watch.stall_ms, in_force.config.watch.quarantine_max), (70_000, 4));
    assert!(in_force.config.supervision.contains_key("rest") && in_force.config.task_rules.contains_key("presence"));
    adopt_live(&mut in_force, &plain);
    assert!(diff(&in_force, &plain).is_empty(), "{:?}", diff(&in_force, &plain));
    assert!(in_force.config.supervision.is_empty() && in_force.config.task_rules.is_empty());
}
