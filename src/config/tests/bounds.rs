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
