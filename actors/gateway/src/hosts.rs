//! The only hosts that the gateway may connect to.

use std::net::IpAddr;
use tokio_tungstenite::tungstenite::http::Uri;

/// The list of `[discord].allow_hosts`: exact names, or `.example.org` for every name below one.
#[derive(Debug, Clone)]
pub struct AllowHosts(Vec<String>);

/// Why an address is not connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is no WebSocket address.
    #[error("{0:?} is not a WebSocket address (wss://host)")]
    NotAnAddress(String),
    /// Its host is not on the list.
    #[error("the host {host:?} is not in [discord].allow_hosts")]
    Forbidden {
        /// The host.
        host: String,
    },
    /// It would send the token over the network in the clear.
    #[error("{host:?} is not this machine: a connection to it must be wss://")]
    Unencrypted {
        /// The host.
        host: String,
    },
}

impl AllowHosts {
    /// A list of `hosts`.
    pub fn new(hosts: impl IntoIterator<Item = String>) -> Self {
        Self(hosts.into_iter().collect())
    }

    /// The address to open for `address`: the same scheme, host, port and path, with the gateway's query.
    ///
    /// # Errors
    /// When it must not be connected to.
    pub fn admit(&self, address: &str) -> Result<Uri, AddressError> {
        let bad = || AddressError::NotAnAddress(address.to_owned());
        let uri: Uri = address.trim().parse().map_err(|_unreadable| bad())?;
        let host = uri.host().ok_or_else(bad)?.to_ascii_lowercase();
        let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if !protocol::hosts::is_allowed(&name, &self.0) {
            return Err(AddressError::Forbidden { host: name });
        }
        match uri.scheme_str() {
            Some("wss") => {}
            Some("ws") if is_loopback(&name) => {}
            Some("ws") => return Err(AddressError::Unencrypted { host: name }),
            _ => return Err(bad()),
        }
        let path = if uri.path().is_empty() { "/" } else { uri.path() };
        let (scheme, authority) = (uri.scheme_str().unwrap_or("wss"), uri.authority().map_or("", |a| a.as_str()));
        format!("{scheme}://{authority}{path}?{QUERY}").parse().map_err(|_unreadable| bad())
    }
}

/// API version 10, JSON. What compression is asked for is added when a connection is opened.
const QUERY: &str = "v=10&encoding=json";

fn is_loopback(name: &str) -> bool {
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> AllowHosts {
        AllowHosts::new(["discord.com", ".discord.gg", "127.0.0.1", "::1"].map(str::to_owned))
    }

    #[test]
    fn allowed_hosts_get_the_query() {
        for (address, opened) in [
            ("wss://gateway.discord.gg", "wss://gateway.discord.gg/?v=10&encoding=json"),
            (
                "wss://Gateway-us-east1-b.discord.gg/?v=9&encoding=etf",
                "wss://Gateway-us-east1-b.discord.gg/?v=10&encoding=json",
            ),
            ("ws://127.0.0.1:4455/socket", "ws://127.0.0.1:4455/socket?v=10&encoding=json"),
            ("ws://[::1]:4455", "ws://[::1]:4455/?v=10&encoding=json"),
        ] {
            assert_eq!(hosts().admit(address).map(|uri| uri.to_string()).as_deref(), Ok(opened));
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for address in [
            "wss://discord.gg",
            "wss://evildiscord.gg",
            "wss://gateway.discord.gg.evil.org",
            "wss://gateway.discord.gg@evil.org/",
            "wss://127.0.0.2",
        ] {
            let refused = hosts().admit(address);
            assert!(matches!(refused, Err(AddressError::Forbidden { .. })), "{address}: {refused:?}");
        }
        assert!(matches!(hosts().admit("ws://discord.com"), Err(AddressError::Unencrypted { .. })));
        for address in ["", "discord.com", "https://discord.com", "wss://", "file:///etc/passwd"] {
            let refused = hosts().admit(address);
            assert!(matches!(refused, Err(AddressError::NotAnAddress(_))), "{address}: {refused:?}");
        }
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        assert!(AllowHosts::new([String::new(), ".".to_owned()]).admit("wss://gateway.discord.gg").is_err());
    }
}
