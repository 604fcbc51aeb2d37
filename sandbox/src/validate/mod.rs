//! Judges every request and every answer by Discord's own OpenAPI description (JSON Schema 2020-12), and every gateway
//! payload by serenity's types. For tests: the feature `validate` brings it, `SandboxConfig::description` names the file
//! (where there is none no request is judged), `SandboxConfig::judge_payloads` asks for the other. Judging runs on a thread
//! of its own, so that it delays no answer.

mod description;
mod event_types;
mod exceptions;
mod faults;
mod judge;
mod multipart;
mod payloads;
mod strict;

pub use exceptions::{Exception, exceptions, payload_exceptions};
pub(crate) use judge::{Judge, Sample};
pub use strict::Strict;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::events::Side;
use crate::handle::Sandbox;

/// Where Discord's description is: where `IMPRESARIO_OPENAPI` says, else at `beside`. When it is not there, standard error
/// says that nothing will be judged by it.
///
/// # Panics
/// When it is not there and the full tier runs (`IMPRESARIO_TIER=full`), which must not pass without a judgement.
pub fn description_at(beside: &str) -> PathBuf {
    let place = std::env::var_os("IMPRESARIO_OPENAPI").map_or_else(|| beside.into(), PathBuf::from);
    if !place.is_file() {
        let full = std::env::var("IMPRESARIO_TIER").is_ok_and(|tier| tier == "full");
        let place = place.display();
        assert!(
            !full,
            "the full tier needs Discord's OpenAPI description, and it is not at {place}: name its place in IMPRESARIO_OPENAPI"
        );
        eprintln!("not judged: Discord's OpenAPI description is not at {place}");
    }
    place
}

/// A request or an answer that does not fit Discord's description, or a gateway payload that does not fit its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Method and path template; of a payload `gateway` and the event.
    pub operation: String,
    /// Whose fault it is: the peer's, when it is in the request, or the sandbox's, in the answer.
    pub by: Side,
    /// Status of the answer; 0 for a payload. A request that is wrong and was refused for it has one from 400 to 499.
    pub status: u16,
    /// JSON pointer into the body or the payload, or `query/NAME`, `path/NAME`, `status`, `body`, `payload`.
    pub place: String,
    /// The keyword of the schema that was not met.
    pub keyword: String,
    /// What is wrong, without the value itself.
    pub problem: String,
    /// How often it was seen.
    pub times: u64,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.by {
            Side::Peer => "request",
            Side::Sandbox => "answer",
        };
        let Violation { operation, status, place, keyword, problem, times, .. } = self;
        if *status == 0 {
            return write!(f, "{operation}, {place} ({keyword}): {problem} [{times}×]");
        }
        write!(f, "{operation} → {status}, {what} {place} ({keyword}): {problem} [{times}×]")
    }
}

/// All that was judged so far.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// What does not fit, in the order it was first seen; at most 1,000 different ones.
    pub violations: Vec<Violation>,
    /// Exceptions that excused something, by their place in [`exceptions`].
    pub excused: BTreeSet<usize>,
    /// Successful answers judged, by method and path template.
    pub answers: BTreeMap<(&'static str, &'static str), u64>,
    /// Requests judged.
    pub requests: u64,
    /// Gateway payloads judged.
    pub payloads: u64,
}

impl Sandbox {
    /// Whether requests and answers are judged: the description was found.
    pub fn is_judged(&self) -> bool {
        self.shared.judge.as_ref().is_some_and(|judge| judge.described)
    }

    /// What does not fit, after everything answered and sent so far was judged. Empty when nothing is judged.
    pub fn violations(&self) -> Vec<Violation> {
        self.judgement().violations
    }

    /// As [`Sandbox::violations`], with what was judged and excused.
    pub fn judgement(&self) -> Judgement {
        self.shared.judge.as_ref().map(Judge::judgement).unwrap_or_default()
    }
}
