//! What an error means to whoever has to act on it.

/// The three things a caller, the supervisor and the user-facing text branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Trying again may help.
    Retry,
    /// The request is at fault; trying again will not help.
    Reject,
    /// Nothing here works until an operator acts.
    Fatal,
}
