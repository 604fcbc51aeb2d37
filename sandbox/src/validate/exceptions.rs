//! Where Discord's description is wrong or the sandbox knowingly differs: one list, each with its reason.

use super::faults::Misfit;
use crate::events::Side;

/// A difference that is no violation.
#[derive(Clone, Copy, Debug)]
pub struct Exception {
    /// Method and path template; `*` stands for any text.
    pub operation: &'static str,
    /// Whether it is about requests (the peer) or answers (the sandbox).
    pub by: Side,
    /// JSON pointer into the body; `*` stands for any text.
    pub place: &'static str,
    /// The schema's keyword.
    pub keyword: &'static str,
    /// Why it is right as it is.
    pub reason: &'static str,
}

/// Every exception. A test fails when one of them is needed by nothing any more.
pub fn exceptions() -> &'static [Exception] {
    EXCEPTIONS
}

/// Gateway events that serenity's types do not know, each with the reason why it is sent all the same.
pub fn payload_exceptions() -> &'static [(&'static str, &'static str)] {
    PAYLOAD_EXCEPTIONS
}

const PAYLOAD_EXCEPTIONS: &[(&str, &str)] = &[
    ("RATE_LIMITED", "documented since October 2025, after this version of serenity"),
    ("SOUNDBOARD_SOUNDS", "documented since 2024; this version of serenity has no soundboard"),
];

/// Why permissions are no numbers in requests.
const BITS_ARE_TEXT: &str = "the documentation sends permissions as a string, and answers have them so; the description wants a number in requests";

const EXCEPTIONS: &[Exception] = &[
    Exception {
        operation: "*",
        by: Side::Sandbox,
        place: "/errors/*/code",
        keyword: "type",
        reason: "the documented examples of code 50035 name the fault of a field by a word; the description wants a number",
    },
    Exception {
        operation: "*",
        by: Side::Sandbox,
        place: "/code",
        keyword: "required",
        reason: "the documented body of a 429 has a code only where an error code applies; the description always wants one",
    },
    Exception {
        operation: "* /applications/{application_id}/*commands*",
        by: Side::Peer,
        place: "*/default_member_permissions",
        keyword: "type",
        reason: BITS_ARE_TEXT,
    },
    Exception {
        operation: "* /guilds/{guild_id}/roles*",
        by: Side::Peer,
        place: "/permissions",
        keyword: "type",
        reason: BITS_ARE_TEXT,
    },
    Exception { operation: "* /*channels*", by: Side::Peer, place: "*/allow", keyword: "type", reason: BITS_ARE_TEXT },
    Exception { operation: "* /*channels*", by: Side::Peer, place: "*/deny", keyword: "type", reason: BITS_ARE_TEXT },
    Exception {
        operation: "DELETE /guilds/{guild_id}/bans/{user_id}",
        by: Side::Peer,
        place: "body",
        keyword: "required",
        reason: "the documentation gives lifting a ban no body; the description wants an empty object",
    },
];

/// The exception that excuses a misfit, by its place in the list.
pub(super) fn excuse(operation: &str, by: Side, misfit: &Misfit) -> Option<usize> {
    EXCEPTIONS.iter().position(|exception| {
        exception.by == by
            && exception.keyword == misfit.keyword
            && fits(exception.operation, operation)
            && fits(exception.place, &misfit.place)
    })
}

/// Whether a pattern with `*` for any text fits a whole text.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(before) else { return false };
    (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| fits(after, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(fits("*/user/email", "/members/3/user/email"));
        assert!(fits("/embeds/*/type", "/embeds/0/type"));
        assert!(fits("GET *", "GET /users/@me"));
        assert!(!fits("/embeds/*/type", "/embeds/0/types") && !fits("a", "ab"));
    }
}
