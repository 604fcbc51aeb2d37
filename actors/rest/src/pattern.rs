//! Route patterns: paths without ids, tokens and codes, so that they may stand in logs and on metrics.

/// `channels/1/messages/2` becomes `channels/{id}/messages/{id}`; tokens, emojis and invite codes go likewise.
pub(crate) fn pattern(path: &str) -> String {
    rewrite(path, false)
}

/// The pattern with its major parameter kept: what Discord's buckets are made of.
/// Webhook tokens are major too, but never stand here: those routes are limited apart.
pub(crate) fn bucket_path(path: &str) -> String {
    rewrite(path, true)
}

/// The part of a path within which Discord's buckets are apart: channel, guild, webhook or interaction, with the token
/// where the path holds one; empty for the rest.
pub(crate) fn major(path: &str) -> &str {
    let segments = match path.split('/').next() {
        Some("channels" | "guilds") => 2,
        Some("webhooks" | "interactions") => 3,
        _ => return "",
    };
    path.match_indices('/').nth(segments - 1).map_or(path, |(end, _)| &path[..end])
}

fn rewrite(path: &str, keep_major: bool) -> String {
    let first = path.split('/').next().unwrap_or_default();
    let mut out = String::with_capacity(path.len());
    let mut before = "";
    for (at, segment) in path.split('/').enumerate() {
        if at > 0 {
            out.push('/');
        }
        out.push_str(match (first, at, before) {
            ("interactions" | "webhooks", 2, _) => "{token}",
            ("channels" | "guilds" | "webhooks", 1, _) if keep_major && is_id(segment) => segment,
            (_, _, "reactions") => "{emoji}",
            ("invites", 1, _) | (_, _, "templates") => "{code}",
            _ if is_id(segment) => "{id}",
            _ if is_word(segment) || segment == "oauth2" => segment,
            _ => "{value}",
        });
        before = segment;
    }
    out
}

fn is_id(segment: &str) -> bool {
    !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_word(segment: &str) -> bool {
    (1..=32).contains(&segment.len())
        && segment.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'@' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_hold_no_id_no_token_and_no_code() {
        for (path, expected) in [
            ("channels/12/messages/34", "channels/{id}/messages/{id}"),
            ("interactions/12/aW50ZXJhY3Rpb24/callback", "interactions/{id}/{token}/callback"),
            ("interactions/12/lowercase/callback", "interactions/{id}/{token}/callback"),
            ("webhooks/12/tok-en_/messages/@original", "webhooks/{id}/{token}/messages/@original"),
            ("webhooks/12", "webhooks/{id}"),
            ("channels/1/messages/2/reactions/party:3/@me", "channels/{id}/messages/{id}/reactions/{emoji}/@me"),
            ("invites/abc", "invites/{code}"),
            ("guilds/templates/abc", "guilds/templates/{code}"),
            ("applications/@me", "applications/@me"),
            ("users/NotAWord", "users/{value}"),
            ("oauth2/applications/@me", "oauth2/applications/@me"),
        ] {
            assert_eq!(pattern(path), expected);
        }
    }

    #[test]
    fn bucket_paths_keep_the_major_parameter_only() {
        assert_eq!(bucket_path("channels/12/messages/34"), "channels/12/messages/{id}");
        assert_eq!(bucket_path("guilds/12/members/34/roles/56"), "guilds/12/members/{id}/roles/{id}");
        assert_eq!(bucket_path("users/34"), "users/{id}");
    }

    #[test]
    fn the_major_part_is_channel_guild_or_token() {
        for (path, expected) in [
            ("channels/12/messages/{id}", "channels/12"),
            ("guilds/12", "guilds/12"),
            ("webhooks/12/tok/messages/@original", "webhooks/12/tok"),
            ("webhooks/12", "webhooks/12"),
            ("interactions/12/tok/callback", "interactions/12/tok"),
            ("users/{id}", ""),
        ] {
            assert_eq!(major(path), expected);
        }
    }
}
