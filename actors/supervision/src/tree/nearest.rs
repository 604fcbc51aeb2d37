//! Which path somebody may have meant who typed one that is not there.

/// Of `paths` the one that `wanted` is nearest to, if any is near: its end (`info` for `cog-host/info`), else a slip of the
/// keys, in the whole path or in its last name. Of equally near ones the shortest.
pub fn nearest(wanted: &str, paths: impl Iterator<Item = String>) -> Option<String> {
    paths
        .filter_map(|path| Some((slips(wanted, &path)?, path)))
        .min_by_key(|(slips, path)| (*slips, path.len()))
        .map(|(_, path)| path)
}

/// How many slips make `wanted` of `path`; none when it takes too many to believe.
fn slips(wanted: &str, path: &str) -> Option<usize> {
    if path.strip_suffix(wanted).is_some_and(|above| above.ends_with('/')) {
        return Some(0);
    }
    let whole = strsim::osa_distance(wanted, path);
    let whole = (whole <= wanted.chars().count() / 2).then_some(whole);
    let (named, name) = (last(wanted), last(path));
    let part = strsim::osa_distance(named, name);
    // A short name has few letters to be right in: of three, two.
    let part = (part <= named.chars().count().div_ceil(3).min(2)).then_some(part + 1);
    whole.into_iter().chain(part).min()
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: [&str; 8] = [
        "root",
        "rest",
        "cog-host",
        "cog-host/info",
        "cog-host/settings",
        "gateway",
        "gateway/shard-0",
        "task-supervisor/presence",
    ];

    fn near(wanted: &str) -> Option<String> {
        nearest(wanted, PATHS.iter().map(|path| (*path).to_owned()))
    }

    #[test]
    fn the_end_of_a_path_is_enough() {
        for (wanted, meant) in
            [("info", "cog-host/info"), ("shard-0", "gateway/shard-0"), ("presence", "task-supervisor/presence")]
        {
            assert_eq!(near(wanted).as_deref(), Some(meant));
        }
    }

    #[test]
    fn a_slip_is_forgiven_in_the_whole_and_in_the_last_name() {
        for (wanted, meant) in [
            ("gatway", "gateway"),
            ("gateway/shrad-0", "gateway/shard-0"),
            ("shard-9", "gateway/shard-0"),
            ("inof", "cog-host/info"),
            ("cogs/info", "cog-host/info"),
            ("reset", "rest"),
            ("setings", "cog-host/settings"),
        ] {
            assert_eq!(near(wanted).as_deref(), Some(meant), "{wanted}");
        }
    }

    #[test]
    fn what_is_near_nothing_gets_no_guess() {
        for wanted in ["", "nonsense", "xy", "moderation/ban", "/"] {
            assert_eq!(near(wanted), None, "{wanted:?}");
        }
    }
}
