//! Signs of life, judged: a pure rule over what was seen.

use std::time::Duration;

/// A heartbeat's answer may be this many of its intervals old: the manager's interval may be shorter than Discord's 41 s,
/// and a sound connection must not be taken for a dead one in between.
const BEATS: u32 = 2;

/// What has been seen of one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shard {
    /// How long ago Discord answered its last heartbeat; none: it has not yet.
    pub(super) answered: Option<Duration>,
    /// Its heartbeat interval, as HELLO told it.
    pub(super) every: Option<Duration>,
    /// Whether only an operator can help it.
    pub(super) parked: bool,
}

/// What has been seen of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signs {
    /// Whether the root answered; none while there is no tree.
    pub(super) root: Option<bool>,
    /// What the database answered; none before its phase of boot is over.
    pub(super) database: Option<Result<(), String>>,
    /// The phase of boot that is under way and since when; none once boot is over.
    pub(super) phase: Option<(&'static str, Duration)>,
    /// How long ago the gateway was ready first; none: it was not.
    pub(super) ready: Option<Duration>,
    /// The shards of this process.
    pub(super) shards: Vec<Shard>,
}

impl Signs {
    /// Whether they are a living bot's, to a service manager that waits for `within`. Not: what is missing.
    pub(super) fn judge(&self, within: Duration) -> Result<(), String> {
        let mut missing = Vec::new();
        if self.root == Some(false) {
            missing.push("the root of the tree does not answer".to_owned());
        }
        if let Some(Err(reason)) = &self.database {
            missing.push(format!("the database does not answer: {reason}"));
        }
        match (self.phase, self.ready) {
            (Some((phase, since)), _) if since > within => {
                missing.push(format!("boot has been in its phase {phase} for {} s", since.as_secs()));
            }
            // Nobody is there to answer a heartbeat yet: boot's own progress counts, and after it that a shard tries.
            (Some(_), _) => {}
            (None, None) if self.shards.iter().any(|shard| !shard.parked) => {}
            // The first answer is due one interval after READY.
            (None, Some(ago)) if self.shards.iter().any(|shard| shard.beats(within) || ago <= shard.window(within)) => {
            }
            (None, _) => missing.push("no shard's heartbeat is answered".to_owned()),
        }
        if missing.is_empty() { Ok(()) } else { Err(missing.join("; ")) }
    }
}

impl Shard {
    fn beats(&self, within: Duration) -> bool {
        self.answered.is_some_and(|ago| ago <= self.window(within))
    }

    fn window(&self, within: Duration) -> Duration {
        self.every.map_or(within, |every| within.max(every.saturating_mul(BEATS)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_secs(60);

    fn shard(answered: Option<u64>) -> Shard {
        let every = Some(Duration::from_secs(41));
        Shard { answered: answered.map(Duration::from_secs), every, parked: false }
    }

    fn well() -> Signs {
        Signs {
            root: Some(true),
            database: Some(Ok(())),
            phase: None,
            ready: Some(Duration::from_secs(3600)),
            shards: vec![shard(Some(20))],
        }
    }

    #[test]
    fn root_database_and_one_shard_are_each_needed() {
        assert_eq!(well().judge(WITHIN), Ok(()));
        assert!(Signs { root: Some(false), ..well() }.judge(WITHIN).unwrap_err().contains("root"));
        let frozen = Signs { database: Some(Err("no answer".into())), ..well() };
        assert!(frozen.judge(WITHIN).unwrap_err().contains("the database does not answer: no answer"));
        let deaf = Signs { shards: vec![shard(Some(83)), shard(None)], ..well() };
        assert!(deaf.judge(WITHIN).unwrap_err().contains("heartbeat"));
        let one = Signs { shards: vec![shard(Some(83)), shard(Some(81))], ..well() };
        assert_eq!(one.judge(WITHIN), Ok(()), "one shard is enough, and two of Discord's intervals");
        assert!(Signs { shards: Vec::new(), ..well() }.judge(WITHIN).is_err());
    }

    #[test]
    fn a_long_interval_of_the_manager_is_waited_for() {
        let quiet = Signs { shards: vec![shard(Some(150))], ..well() };
        assert!(quiet.judge(WITHIN).is_err());
        assert_eq!(quiet.judge(Duration::from_secs(180)), Ok(()));
    }

    #[test]
    fn before_the_gateway_is_up_boot_has_to_move() {
        let early = Signs { root: None, database: None, ready: None, shards: Vec::new(), ..well() };
        let at = |secs| Signs { phase: Some(("token", Duration::from_secs(secs))), ..early.clone() };
        assert_eq!(at(59).judge(WITHIN), Ok(()));
        assert!(at(61).judge(WITHIN).unwrap_err().contains("token"));
        // Discord may be away when the bot starts: a shard that tries is waited for, one that is parked is not.
        let waits = Signs { ready: None, shards: vec![shard(None)], ..well() };
        assert_eq!(waits.judge(WITHIN), Ok(()));
        let parked = Shard { parked: true, ..shard(None) };
        assert!(Signs { shards: vec![parked], ..waits }.judge(WITHIN).is_err());
        // READY has come, the first heartbeat is not due.
        let fresh = Signs { ready: Some(Duration::from_secs(40)), shards: vec![shard(None)], ..well() };
        assert_eq!(fresh.judge(WITHIN), Ok(()));
    }
}
