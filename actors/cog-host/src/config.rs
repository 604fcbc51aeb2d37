//! Section `[cog_host]`.

use serde::Deserialize;
use std::time::Duration;

/// The bounds of command handling.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CogHostConfig {
    /// How long a command may run, in milliseconds, unless it declares otherwise. Shorter cuts off honest work, longer
    /// keeps a guild's places occupied.
    pub deadline_ms: u64,
    /// Events of one guild that may wait; a full lane pushes back on the socket.
    pub lane_capacity: usize,
    /// Commands of one guild that may run at once.
    pub lane_commands: usize,
    /// Events of all guilds together that may wait; more push back on the socket. Each takes a few kilobytes.
    pub waiting: usize,
    /// Commands of all guilds together that may run at once; as many again for slash commands. In a burst the others
    /// wait for their turn before their deadline begins, not in Discord's 50 requests a second after it has.
    pub commands: usize,
    /// Guild prefixes kept in memory.
    pub prefix_cache: usize,
}

impl CogHostConfig {
    /// Checks what the types cannot: nothing works with a bound of nothing.
    ///
    /// # Errors
    /// One sentence naming the key.
    pub fn validate(&self) -> Result<(), String> {
        let bounds = [
            ("deadline_ms", self.deadline_ms == 0),
            ("lane_capacity", self.lane_capacity == 0),
            ("lane_commands", self.lane_commands == 0),
            ("waiting", self.waiting == 0),
            ("commands", self.commands == 0),
            ("prefix_cache", self.prefix_cache == 0),
        ];
        match bounds.iter().find(|(_, is_zero)| *is_zero) {
            Some((key, _)) => Err(format!("[cog_host].{key} is 0; it must be at least 1")),
            None => Ok(()),
        }
    }

    /// The deadline of commands that declare none.
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_of_nothing_is_refused_by_its_key() {
        let good = CogHostConfig {
            deadline_ms: 1,
            lane_capacity: 1,
            lane_commands: 1,
            waiting: 1,
            commands: 1,
            prefix_cache: 1,
        };
        assert_eq!(good.validate(), Ok(()));
        let bad = CogHostConfig { lane_commands: 0, ..good };
        assert_eq!(bad.validate(), Err("[cog_host].lane_commands is 0; it must be at least 1".to_owned()));
    }
}
