//! The one rule by which a host is allowed: for the gateway, the HTTP client, the configuration and `ping` alike.

/// Whether `host` is on the list of `[discord].allow_hosts`: exact names, or `.example.org` for every name below one. Case
/// and the brackets around an IPv6 address do not matter.
pub fn is_allowed(host: &str, allowed: &[String]) -> bool {
    let host = bare(host);
    allowed.iter().map(|entry| entry.trim()).any(|entry| match entry.strip_prefix('.') {
        Some("") => false,
        Some(domain) => host
            .len()
            .checked_sub(domain.len() + 1)
            .filter(|dot| *dot > 0 && host.as_bytes()[*dot] == b'.')
            .is_some_and(|dot| host[dot + 1..].eq_ignore_ascii_case(domain)),
        None => !entry.is_empty() && host.eq_ignore_ascii_case(bare(entry)),
    })
}

fn bare(host: &str) -> &str {
    host.trim_matches(['[', ']'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_names_and_those_below_a_dotted_one_are_allowed() {
        let allows = |host, entry: &str| is_allowed(host, &[entry.to_owned()]);
        for (host, entry) in [
            ("discord.com", "discord.com"),
            ("Discord.COM", "discord.com"),
            ("gateway-us.discord.gg", ".discord.gg"),
            ("[::1]", "::1"),
            ("::1", "[::1]"),
            ("discord.com", " discord.com "),
        ] {
            assert!(allows(host, entry), "{host} by {entry}");
        }
        for (host, entry) in [
            ("discord.com.evil.example", "discord.com"),
            ("evildiscord.gg", ".discord.gg"),
            ("discord.gg", ".discord.gg"),
            (".discord.gg", ".discord.gg"),
            ("é.example", ".xample"),
            ("a.", "."),
            ("", ""),
        ] {
            assert!(!allows(host, entry), "{host} by {entry}");
        }
    }
}
