//! What travels to an actor: its own messages, admin calls and the kernel's signals, in one envelope.

use crate::{admin::AdminEnvelope, mailbox::Mailbox, path::ActorPath};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    str::FromStr,
    sync::Arc,
};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// What happens to a message that finds its mailbox full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The sender waits: back-pressure.
    Block,
    /// The message is dropped and counted; the sender is told [`crate::SendError::Shed`].
    Shed,
    /// The sender is told [`crate::SendError::Full`] and keeps the message.
    Fail,
}

/// Tells a message from others: the same work sent again has the same fingerprint, other work another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// The fingerprint of what hashes so, the same for as long as the process lives.
    pub fn of(what: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new(); // with fixed keys
        what.hash(&mut hasher);
        Self(hasher.finish())
    }
}

impl fmt::Display for Fingerprint {
    /// Sixteen hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

/// A message type of an actor.
pub trait Message: Send + 'static {
    /// The variant's name, for metrics, crash records and `tree`.
    fn name(&self) -> &'static str;

    /// Its size in bytes, for crash records, where it is known without counting.
    fn size(&self) -> Option<usize> {
        None
    }

    /// What tells it from others, for a message that its source sends again when it was not answered. A message with a
    /// fingerprint that has ended two incarnations is poison: it is parked. The default has none and is never parked.
    fn fingerprint(&self) -> Option<Fingerprint> {
        None
    }

    /// How it is shown to an operator once it is parked; asked of each message with a fingerprint before it is handled.
    /// Secrets are taken out and the length is bounded by the kernel.
    fn shown(&self) -> Vec<u8> {
        self.name().into()
    }

    /// What to do when the mailbox is full. The default pushes back on the sender.
    fn overflow(&self) -> Overflow {
        Overflow::Block
    }
}

impl Message for () {
    fn name(&self) -> &'static str {
        "()"
    }
}

/// The way back to a caller. Dropping it without an answer tells the caller that the message was lost.
#[derive(Debug)]
pub struct Reply<T>(oneshot::Sender<T>);

impl<T> Reply<T> {
    /// A reply and the receiver that its caller waits on.
    pub fn channel() -> (Self, oneshot::Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    /// Answers. A caller that has stopped waiting is no error.
    pub fn send(self, value: T) {
        self.0.send(value).ok(); // the caller gave up: nobody is left to tell
    }

    /// Whether the caller has stopped waiting, so that work for it would be wasted.
    pub fn is_abandoned(&self) -> bool {
        self.0.is_closed()
    }
}

/// What ractor carries to an actor.
pub(crate) enum Envelope<M> {
    User(UserEnvelope<M>),
    Admin(AdminEnvelope),
    Suspend(Arc<[ActorPath]>),
    Resume,
    /// The next of the messages that waited while the actor was suspended.
    Waited,
    Drain(Reply<()>),
}

/// A message with the permit that bounds its mailbox. Dropped unhandled, it counts as lost.
pub(crate) struct UserEnvelope<M> {
    pub(crate) message: Option<M>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) _permit: OwnedSemaphorePermit,
}

impl<M> UserEnvelope<M> {
    /// Takes the message out for handling.
    pub(crate) fn take(&mut self) -> Option<M> {
        self.message.take()
    }
}

impl<M> Drop for UserEnvelope<M> {
    fn drop(&mut self) {
        if self.message.is_some() {
            self.mailbox.count_lost();
        }
    }
}
