//! The guard that keeps a test, or a mistyped address, from dialling an unplanned host.

use reqwest::Url;

/// Reads `base` and checks its host against `allow`; a leading dot in an entry admits subdomains.
///
/// # Errors
/// One sentence that names the key to change.
pub(crate) fn admitted(base: &str, allow: &[String]) -> Result<Url, String> {
    let url = Url::parse(base).map_err(|error| format!("discord.api_base {base:?} is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
        return Err(format!("discord.api_base {base:?} must begin with https:// or http://"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("discord.api_base must be scheme, host and path only".to_owned());
    }
    let host = url.host_str().unwrap_or_default();
    if protocol::hosts::is_allowed(host, allow) {
        Ok(url)
    } else {
        Err(format!("the host {host:?} of discord.api_base is not in discord.allow_hosts"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(base: &str, allow: &[&str]) -> bool {
        admitted(base, &allow.iter().map(|&entry| entry.to_owned()).collect::<Vec<_>>()).is_ok()
    }

    #[test]
    fn only_listed_hosts_and_their_dotted_subdomains_are_admitted() {
        assert!(admits("https://discord.com/api/v10", &["discord.com"]));
        assert!(admits("https://canary.discord.gg/api", &[".discord.gg"]));
        assert!(admits("http://[::1]:8080/api", &["::1"]));
        for (base, allow) in [
            ("https://discord.com.evil.example/api", "discord.com"),
            ("https://evildiscord.gg/api", ".discord.gg"),
            ("https://discord.gg/api", ".discord.gg"),
            ("https://discord.com@evil.example/api", "discord.com"),
            ("https://discord.com@discord.com/api", "discord.com"),
            ("file:///discord.com", "discord.com"),
            ("discord.com/api", "discord.com"),
            ("https://é.example/", ".xample"),
        ] {
            assert!(!admits(base, &[allow]), "{base} passed for {allow}");
        }
    }
}
