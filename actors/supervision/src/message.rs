//! What travels to an actor: its own messages, admin calls and the kernel's signals, in one envelope.

use crate::{admin::AdminEnvelope, mailbox::Mailbox, path::ActorPath};
use std::sync::Arc;
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

/// A message type of an actor.
pub trait Message: Send + 'static {
    /// The variant's name, for metrics, crash records and `tree`.
    fn name(&self) -> &'static str;

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
