//! What each close code means for the session. Source: Discord's table of gateway close event codes.

use std::fmt;

/// Our own close code: any code but 1000 and 1001 keeps the session resumable.
pub const CLOSE_RESUMABLE: u16 = 4900;
/// Our own close code when the session is to end.
pub const CLOSE_FINAL: u16 = 1000;
/// Discord's close code for a bot with more guilds than its number of shards takes.
pub const SHARDING_REQUIRED: u16 = 4011;

/// What follows from a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The session lives: reconnect and RESUME.
    Resume,
    /// We sent too fast: RESUME, and send less from now on.
    ResumeSlower,
    /// The session is gone: reconnect and IDENTIFY.
    Fresh,
    /// Discord did not know us: IDENTIFY once, and stop if it happens again.
    FreshOnce,
    /// Connecting again cannot help and would cost IDENTIFYs.
    Fatal(Fatal),
}

/// A close after which nothing but an operator helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fatal {
    /// Discord's close code; none when the refusal was our own.
    pub code: Option<u16>,
    /// What it means.
    pub meaning: &'static str,
    /// What an operator has to do.
    pub remedy: &'static str,
}

impl Fatal {
    const fn of(code: u16, meaning: &'static str, remedy: &'static str) -> Self {
        Self { code: Some(code), meaning, remedy }
    }
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "Discord closed the connection with {code} ({}): {}", self.meaning, self.remedy),
            None => write!(f, "{}: {}", self.meaning, self.remedy),
        }
    }
}

/// 4003 for the second time in a row.
pub(super) const STILL_UNAUTHENTICATED: Fatal =
    Fatal::of(4003, "not authenticated, also in a new session", "check the token, then start the shard again");

/// A host outside `allow_hosts`.
pub(super) const HOST_REFUSED: Fatal = Fatal {
    code: None,
    meaning: "the gateway's address is not allowed",
    remedy: "add its host to [discord].allow_hosts or correct [discord].gateway_url, then start the shard again",
};

/// What a close with `code` (none: the connection was cut, or the close frame was empty) means.
pub fn verdict(code: Option<u16>) -> Verdict {
    match code {
        Some(4003) => Verdict::FreshOnce,
        Some(4008) => Verdict::ResumeSlower,
        // 4006 is what older gateways said for a session that is no longer valid.
        Some(1000 | 1001 | 4006 | 4007 | 4009) => Verdict::Fresh,
        Some(code @ 4004) => Verdict::Fatal(Fatal::of(
            code,
            "authentication failed",
            "put the application's current token into DISCORD_TOKEN or [discord].token_file, then restart the bot",
        )),
        Some(code @ 4010) => Verdict::Fatal(Fatal::of(
            code,
            "invalid shard",
            "make [discord].shards fit (first and last count from 0 and are less than total), then restart the bot",
        )),
        Some(code @ SHARDING_REQUIRED) => Verdict::Fatal(Fatal::of(
            code,
            "sharding required",
            "with [discord].shards = \"auto\" restart the bot, so that it asks Discord anew how many it takes; else set that \
             key to \"auto\" or a higher number first",
        )),
        Some(code @ 4012) => Verdict::Fatal(Fatal::of(
            code,
            "invalid API version",
            "Discord has retired this gateway version: update the bot",
        )),
        Some(code @ 4013) => {
            Verdict::Fatal(Fatal::of(code, "invalid intents", "correct [discord].intents, then restart the bot"))
        }
        Some(code @ 4014) => Verdict::Fatal(Fatal::of(
            code,
            "disallowed intents",
            "switch on the privileged intents (message content, members, presences) that the bot asks for in Discord's \
             developer portal, or list fewer in [discord].intents, then start the shard again",
        )),
        // 4000, 4001, 4002, 4005 by the table; an unknown code is treated like a cut connection.
        _ => Verdict::Resume,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_table_has_its_verdict() {
        for code in [4000, 4001, 4002, 4005, 4999, 1002, 1006, 1011, 4015] {
            assert_eq!(verdict(Some(code)), Verdict::Resume, "{code}");
        }
        assert_eq!(verdict(None), Verdict::Resume);
        assert_eq!(verdict(Some(4008)), Verdict::ResumeSlower);
        assert_eq!(verdict(Some(4003)), Verdict::FreshOnce);
        for code in [1000, 1001, 4006, 4007, 4009] {
            assert_eq!(verdict(Some(code)), Verdict::Fresh, "{code}");
        }
        for code in [4004, 4010, 4011, 4012, 4013, 4014] {
            let Verdict::Fatal(fatal) = verdict(Some(code)) else { panic!("{code} is not fatal") };
            let said = fatal.to_string();
            assert!(said.contains(&code.to_string()) && said.contains(fatal.remedy), "{said}");
        }
    }

    #[test]
    fn our_own_close_code_keeps_the_session() {
        assert_eq!(verdict(Some(CLOSE_RESUMABLE)), Verdict::Resume);
        assert_eq!(verdict(Some(CLOSE_FINAL)), Verdict::Fresh);
    }
}
