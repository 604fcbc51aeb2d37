//! What can go wrong with a request. No variant ever holds a URL, a token or a request's body.

use protocol::Class;
use std::time::Duration;

/// Why a request has no answer that its caller can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestError {
    /// Discord refuses the token; nothing is sent until the client is restarted with another.
    #[error("Discord refuses the bot's token: set a valid one and restart")]
    Unauthorized,
    /// The bot may not do that.
    #[error("Discord forbids it: {message} ({code})")]
    Forbidden {
        /// Discord's error code, 0 when it gave none.
        code: u32,
        /// Discord's sentence.
        message: String,
    },
    /// There is no such thing, or no longer.
    #[error("Discord does not know it: {message} ({code})")]
    NotFound {
        /// Discord's error code, 0 when it gave none.
        code: u32,
        /// Discord's sentence.
        message: String,
    },
    /// The request is at fault.
    #[error("the request was refused: {message} (status {status}, code {code})")]
    Rejected {
        /// The HTTP status; 0 when it was refused before it was sent.
        status: u16,
        /// Discord's error code, 0 when it gave none.
        code: u32,
        /// What is wrong.
        message: String,
    },
    /// The rate limit's wait is longer than the deadline allows.
    #[error("rate limited: try again in {} ms", retry_after.as_millis())]
    RateLimited {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// It took longer than its deadline; when it had been sent, its outcome is unknown.
    #[error("the request did not finish within its deadline")]
    Deadline,
    /// Too many invalid answers: nothing is sent, lest Discord ban this address.
    #[error("too many invalid answers from Discord: nothing is sent for {} ms", retry_after.as_millis())]
    Breaker {
        /// When one request will be let through to try.
        retry_after: Duration,
    },
    /// The HTTP client is not running; when the request had been sent, its outcome is unknown.
    #[error("the HTTP client is not available: try again in {} ms", retry_after.as_millis())]
    Unavailable {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// Discord cannot be reached or is failing.
    #[error("Discord cannot be reached: {0}")]
    Unreachable(String),
    /// The answer is not what Discord documents.
    #[error("the answer could not be read: {0}")]
    Malformed(String),
}

impl RestError {
    /// What it means to whoever has to act on it.
    pub fn class(&self) -> Class {
        match self {
            Self::Unauthorized => Class::Fatal,
            Self::Forbidden { .. } | Self::NotFound { .. } | Self::Rejected { .. } | Self::Malformed(_) => {
                Class::Reject
            }
            Self::RateLimited { .. }
            | Self::Deadline
            | Self::Breaker { .. }
            | Self::Unavailable { .. }
            | Self::Unreachable(_) => Class::Retry,
        }
    }

    /// When trying again makes sense, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::Breaker { retry_after } | Self::Unavailable { retry_after } => {
                Some(*retry_after)
            }
            _ => None,
        }
    }

    /// A refusal made here, before anything was sent.
    pub(crate) fn refused_here(message: impl Into<String>) -> Self {
        Self::Rejected { status: 0, code: 0, message: message.into() }
    }

    /// One stable word for labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Forbidden { .. } => "forbidden",
            Self::NotFound { .. } => "not_found",
            Self::Rejected { .. } => "rejected",
            Self::RateLimited { .. } => "rate_limited",
            Self::Deadline => "deadline",
            Self::Breaker { .. } => "breaker",
            Self::Unavailable { .. } => "unavailable",
            Self::Unreachable(_) => "unreachable",
            Self::Malformed(_) => "malformed",
        }
    }
}
