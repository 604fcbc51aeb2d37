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
    assert!(diff(&in_force, &Home::with("[shutdown]\ntotal_ms = 9000\n").load(&[]).unwrap()).is_empty(), "taken back");
}
