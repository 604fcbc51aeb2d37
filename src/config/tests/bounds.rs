//! What the types cannot say: sizes that nothing bears.

use super::*;

#[test]
fn times_that_overflow_a_clock_and_shards_that_fit_no_process_are_refused() {
    let home = Home::with(
        "[discord]\nshards = 4294967295\n[tasks.presence]\nevery_s = 9223372036854775807\n[shutdown]\ntotal_ms = \
         9223372036854775807\n",
    );
    let lines = home.lines(&[]);
    for (key, word) in
        [("discord.shards", "at most 512"), ("tasks.presence.every_s", "ten years"), ("shutdown.total_ms", "ten years")]
    {
        assert!(lines.iter().any(|line| line.contains(key) && line.contains(word)), "{key}: {lines:?}");
    }
    let share = Home::with("[discord]\nshards = { total = 2000, first = 0, last = 511 }\n");
    assert!(share.load(&[]).is_ok());
}

#[test]
fn a_file_that_is_no_configuration_is_named_not_read_to_its_end() {
    let home = Home::new();
    let explicit = |path: &Path| Sources { explicit: Some(path.to_owned()), ..home.sources(&[]) };
    let said = |path: &Path| load(&explicit(path)).unwrap_err().to_string();
    assert!(said(Path::new("/dev/zero")).contains("/dev/zero") && said(Path::new("/dev/zero")).contains("more than"));
    assert!(said(home.0.path()).contains("folder"));
}
