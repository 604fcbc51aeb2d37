//! The `[telemetry]` section of the configuration.

use crate::logging::{Directives, Format};
use protocol::Secret;
use serde::Deserialize;
use std::net::SocketAddr;

/// `[telemetry]`, every key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryConfig {
    /// Address of the metrics and the probes, `host:port`; empty: no listener.
    pub listen: String,
    /// What is logged: a level, or comma-separated `TARGET=LEVEL`.
    pub log: String,
    /// `auto`, `human` or `json`.
    pub log_format: String,
    /// Sentry DSN; empty: no reports.
    pub sentry_dsn: Secret,
    /// Environment name in reports.
    pub sentry_environment: String,
    /// Share of traces that are kept, 0.0 to 1.0.
    pub sentry_traces: f64,
}

/// A value of `[telemetry]` that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("telemetry.{key}: {reason}")]
pub struct BadValue {
    /// The key within the section.
    pub key: &'static str,
    /// What is wrong, with the remedy. Never the value of a secret.
    pub reason: String,
}

impl TelemetryConfig {
    /// Checks every value; nothing is opened or started.
    ///
    /// # Errors
    /// All values that cannot be used.
    pub fn validate(&self) -> Result<(), Vec<BadValue>> {
        let mut bad = Vec::new();
        let mut check =
            |key, result: Result<(), String>| bad.extend(result.err().map(|reason| BadValue { key, reason }));
        check("listen", check_listen(&self.listen));
        check("log", Directives::parse(&self.log).map(drop).map_err(|error| error.to_string()));
        check("log_format", Format::parse(&self.log_format, false).map(drop));
        check("sentry_dsn", crate::reports::check_dsn(&self.sentry_dsn));
        let share = 0.0..=1.0;
        let traces = if share.contains(&self.sentry_traces) { Ok(()) } else { Err("a share from 0.0 to 1.0".into()) };
        check("sentry_traces", traces);
        if bad.is_empty() { Ok(()) } else { Err(bad) }
    }
}

/// `127.0.0.1:9191`, `[::1]:9191`, `localhost:9191`, or nothing.
fn check_listen(listen: &str) -> Result<(), String> {
    if listen.is_empty() || listen.parse::<SocketAddr>().is_ok() {
        return Ok(());
    }
    match listen.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !host.contains(':') && port.parse::<u16>().is_ok() => Ok(()),
        _ => Err(format!("{listen:?} is no address; write host:port, e.g. \"127.0.0.1:9191\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> TelemetryConfig {
        TelemetryConfig {
            listen: "127.0.0.1:9191".into(),
            log: "info,gateway=debug".into(),
            log_format: "auto".into(),
            sentry_dsn: Secret::new(""),
            sentry_environment: "test".into(),
            sentry_traces: 0.0,
        }
    }

    #[test]
    fn every_bad_value_is_named_at_once() {
        assert_eq!(config().validate(), Ok(()));
        let mut bad = config();
        bad.listen = "9191".into();
        bad.log = "loud".into();
        bad.log_format = "xml".into();
        bad.sentry_dsn = Secret::new("https://hunter2");
        bad.sentry_traces = f64::NAN;
        let bad = bad.validate().unwrap_err();
        let keys: Vec<_> = bad.iter().map(|bad| bad.key).collect();
        assert_eq!(keys, ["listen", "log", "log_format", "sentry_dsn", "sentry_traces"]);
        assert!(!format!("{bad:?}").contains("hunter2"), "the DSN is not repeated");
    }
}
