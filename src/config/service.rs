//! What the service manager that started the process wants to hear of it (sd_notify(3), sd_watchdog_enabled(3)).

use super::sources::Sources;
use std::time::Duration;

/// The service manager's side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceManager {
    /// Where it listens: a path, or `@` and an abstract name; none: nobody does.
    pub socket: Option<String>,
    /// How long it waits for a sign of life before it ends the process; none: it does not watch.
    pub watchdog: Option<Duration>,
}

/// Reads it as the process `pid` does: a watchdog that was meant for another process is nobody's here.
pub fn service_manager(sources: &Sources, pid: u32) -> ServiceManager {
    let number = |name: &str| sources.var(name).and_then(|value| value.parse::<u64>().ok());
    let meant = sources.var("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(u64::from(pid));
    ServiceManager {
        socket: sources.var("NOTIFY_SOCKET").map(str::to_owned),
        watchdog: number("WATCHDOG_USEC").filter(|usec| *usec > 0 && meant).map(Duration::from_micros),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TokenRule;

    fn read(env: &[(&str, &str)]) -> ServiceManager {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let sources = Sources {
            explicit: None,
            cwd: "/".into(),
            env,
            flags: Vec::new(),
            token: TokenRule::Ignored,
            cogs: Vec::new(),
        };
        service_manager(&sources, 7)
    }

    #[test]
    fn a_watchdog_counts_when_it_is_meant_for_this_process() {
        let three = Some(Duration::from_secs(3));
        assert_eq!(read(&[("WATCHDOG_USEC", "3000000")]).watchdog, three);
        assert_eq!(read(&[("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", "7")]).watchdog, three);
        for pid in ["8", "seven"] {
            assert_eq!(read(&[("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", pid)]).watchdog, None);
        }
        for usec in ["0", "-1", "soon"] {
            assert_eq!(read(&[("WATCHDOG_USEC", usec)]).watchdog, None, "{usec}");
        }
    }

    #[test]
    fn without_a_socket_nobody_listens() {
        assert_eq!(read(&[]), ServiceManager::default());
        assert_eq!(read(&[("NOTIFY_SOCKET", "")]).socket, None);
        assert_eq!(read(&[("NOTIFY_SOCKET", "@x")]).socket.as_deref(), Some("@x"));
    }
}
