//! Whose requests are answered: a page in a browser must not reach the listener under a name of its own.

use std::net::{IpAddr, SocketAddr};

/// The `Host` headers that are answered.
#[derive(Debug, Clone)]
pub(crate) struct AllowedHosts {
    exact: Vec<String>,
    /// The port under which any literal address is answered, when the listener is bound to all addresses. A page that
    /// rebinds a name to this machine sends that name, never an address.
    any_address: Option<u16>,
}

impl AllowedHosts {
    /// For a listener configured as `configured` that is bound to `bound`.
    pub(crate) fn new(configured: &str, bound: SocketAddr) -> Self {
        let port = bound.port();
        let mut exact =
            vec![bound.to_string(), format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")];
        if let Some((host, _)) = configured.rsplit_once(':') {
            exact.push(format!("{}:{port}", host.to_ascii_lowercase()));
        }
        Self { exact, any_address: bound.ip().is_unspecified().then_some(port) }
    }

    /// Whether `host` is one of them, exactly.
    pub(crate) fn admit(&self, host: &str) -> bool {
        let literal =
            |port| host.parse().is_ok_and(|address: SocketAddr| address.port() == port && is_plain(address.ip()));
        self.exact.iter().any(|allowed| host.eq_ignore_ascii_case(allowed)) || self.any_address.is_some_and(literal)
    }
}

fn is_plain(address: IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_hosts_are_admitted() {
        let hosts = AllowedHosts::new("127.0.0.1:9191", "127.0.0.1:9191".parse().unwrap());
        for host in ["127.0.0.1:9191", "localhost:9191", "LocalHost:9191", "[::1]:9191"] {
            assert!(hosts.admit(host), "{host}");
        }
        for host in [
            "",
            "127.0.0.1",
            "localhost",
            "127.0.0.1:80",
            "127.0.0.1.evil.com:9191",
            "127.0.0.1:9191.evil.com",
            "evil.com:9191",
            "localhost.evil.com:9191",
            "[::1]",
            "::1:9191",
            "0.0.0.0:9191",
            "10.0.0.1:9191",
            "127.0.0.1:9191 ",
            "user@localhost:9191",
            "127.1:9191",
            "2130706433:9191",
            "localhost.:9191",
        ] {
            assert!(!hosts.admit(host), "{host}");
        }
    }

    #[test]
    fn bound_to_all_addresses_it_answers_under_any_address_but_no_name() {
        let hosts = AllowedHosts::new("0.0.0.0:9191", "0.0.0.0:9191".parse().unwrap());
        assert!(hosts.admit("10.1.2.3:9191") && hosts.admit("[fe80::1]:9191"));
        assert!(
            !hosts.admit("10.1.2.3:80") && !hosts.admit("bot.internal:9191") && !hosts.admit("rebound.evil.com:9191")
        );
    }
}
