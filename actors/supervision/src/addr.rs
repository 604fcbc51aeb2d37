//! The stable, bounded address of an actor.

use crate::{
    life::Life,
    mailbox::Mailbox,
    message::{Envelope, Fingerprint, Message, Overflow, Reply, UserEnvelope},
    path::ActorPath,
};
use arc_swap::ArcSwapOption;
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::OwnedSemaphorePermit;

/// When a caller should try an actor again that is being restarted and has said nothing better.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Where to send messages of type `M`. It survives restarts; the queue behind it does not.
///
/// Create one per actor, give it to the child's spec and to whoever talks to the actor.
pub struct Addr<M> {
    inner: Arc<Inner<M>>,
}

struct Inner<M> {
    mailbox: Arc<Mailbox>,
    target: ArcSwapOption<ractor::ActorRef<Envelope<M>>>,
}

/// Why a message was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum SendError<M> {
    /// The mailbox is full and this class of message is handed back.
    #[error("its mailbox is full")]
    Full(M),
    /// The mailbox is full and this class of message is dropped.
    #[error("its mailbox is full; the message was dropped")]
    Shed,
    /// The actor is not running.
    #[error("it is not running; try again in {} ms", retry_after.as_millis())]
    Unavailable {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// This very message has ended too many incarnations and is parked.
    #[error("this message has ended it before and is parked as poison ({fingerprint})")]
    Poisoned {
        /// What tells it from others.
        fingerprint: Fingerprint,
    },
}

/// Why a call got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The mailbox is full.
    #[error("its mailbox is full")]
    Full,
    /// The actor is not running.
    #[error("it is not running; try again in {} ms", retry_after.as_millis())]
    Unavailable {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// The incarnation that had the message ended before it answered.
    #[error("incarnation {incarnation} ended before it answered")]
    Lost {
        /// The incarnation that had the message.
        incarnation: u64,
    },
    /// This very message has ended too many incarnations, the last one perhaps with this call, and is parked.
    #[error("this message has ended it before and is parked as poison ({fingerprint})")]
    Poisoned {
        /// What tells it from others.
        fingerprint: Fingerprint,
    },
    /// No answer in time; the message may still be handled.
    #[error("no answer in time")]
    Deadline,
}

impl<M> From<SendError<M>> for CallError {
    fn from(error: SendError<M>) -> Self {
        match error {
            SendError::Full(_) | SendError::Shed => Self::Full,
            SendError::Unavailable { retry_after } => Self::Unavailable { retry_after },
            SendError::Poisoned { fingerprint } => Self::Poisoned { fingerprint },
        }
    }
}

impl<M: Message> Addr<M> {
    /// An address for the actor that will run at `path`, admitting `capacity` messages.
    pub fn new(path: impl Into<ActorPath>, capacity: usize) -> Self {
        let mailbox = Arc::new(Mailbox::new(path.into(), capacity));
        Self { inner: Arc::new(Inner { mailbox, target: ArcSwapOption::empty() }) }
    }

    /// The actor's path.
    pub fn path(&self) -> &ActorPath {
        self.inner.mailbox.path()
    }

    /// Depth, counters and availability, readable without asking the actor.
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.inner.mailbox
    }

    /// Whether an incarnation is there to receive messages.
    pub fn is_running(&self) -> bool {
        self.inner.target.load().is_some()
    }

    /// Delivers without waiting. A full mailbox sheds or hands back by the message's class; `Block` hands back too.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn try_send(&self, message: M) -> Result<(), SendError<M>> {
        self.not_poison(&message)?;
        match Arc::clone(&self.inner.mailbox.permits).try_acquire_owned() {
            Ok(permit) => self.deliver(message, permit),
            Err(_) => Err(self.refuse(message)),
        }
    }

    /// Delivers, waiting for room when the message's class says [`Overflow::Block`].
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&self, message: M) -> Result<(), SendError<M>> {
        self.not_poison(&message)?;
        let permits = Arc::clone(&self.inner.mailbox.permits);
        let permit = match Arc::clone(&permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) if message.overflow() == Overflow::Block => {
                let unavailable = || SendError::Unavailable { retry_after: self.retry_after() };
                let vacated = self.inner.mailbox.vacated.notified();
                if !self.is_running() {
                    return Err(unavailable()); // whoever holds the room is not coming back to give it away
                }
                tokio::select! {
                    biased;
                    permit = permits.acquire_owned() => permit.map_err(|_closed| unavailable())?,
                    () = vacated => return Err(unavailable()),
                }
            }
            Err(_) => return Err(self.refuse(message)),
        };
        self.deliver(message, permit)
    }

    /// Sends a message that carries a [`Reply`] and waits for the answer, `deadline` at most (room in the mailbox
    /// included).
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call<T>(&self, deadline: Duration, make: impl FnOnce(Reply<T>) -> M) -> Result<T, CallError> {
        let (reply, answer) = Reply::channel();
        let message = make(reply);
        let fingerprint = message.fingerprint();
        let work = async {
            self.send(message).await?;
            let incarnation = self.inner.mailbox.incarnation();
            let refused = || fingerprint.filter(|fingerprint| self.is_refused(*fingerprint));
            answer.await.map_err(|_dropped| match refused() {
                Some(fingerprint) => CallError::Poisoned { fingerprint },
                None => CallError::Lost { incarnation },
            })
        };
        tokio::time::timeout(deadline, work).await.unwrap_or(Err(CallError::Deadline))
    }

    fn not_poison(&self, message: &M) -> Result<(), SendError<M>> {
        if !self.inner.mailbox.has_poison() {
            return Ok(()); // as nearly always: no fingerprint is asked for
        }
        let parked = message.fingerprint().and_then(|fingerprint| self.inner.mailbox.parked(fingerprint));
        match parked {
            Some(parked) if !parked.admits() => Err(SendError::Poisoned { fingerprint: parked.fingerprint }),
            _ => Ok(()),
        }
    }

    fn is_refused(&self, fingerprint: Fingerprint) -> bool {
        self.inner.mailbox.parked(fingerprint).is_some_and(|parked| !parked.is_released())
    }

    fn refuse(&self, message: M) -> SendError<M> {
        if !self.is_running() {
            return SendError::Unavailable { retry_after: self.retry_after() };
        }
        self.inner.mailbox.count_shed();
        match message.overflow() {
            Overflow::Shed => SendError::Shed,
            Overflow::Block | Overflow::Fail => SendError::Full(message),
        }
    }

    fn retry_after(&self) -> Duration {
        self.inner.mailbox.unavailable().map_or(RETRY_AFTER, |said| said.retry_after)
    }

    fn deliver(&self, message: M, permit: OwnedSemaphorePermit) -> Result<(), SendError<M>> {
        let target = self.inner.target.load();
        let Some(target) = target.as_ref() else {
            return Err(SendError::Unavailable { retry_after: self.retry_after() });
        };
        let mailbox = Arc::clone(&self.inner.mailbox);
        let envelope = Envelope::User(UserEnvelope { message: Some(message), mailbox, _permit: permit });
        target.cast(envelope).map_err(|refused| {
            if let ractor::MessagingErr::SendErr(Envelope::User(mut envelope)) = refused {
                envelope.take(); // its sender is told: it was never on its way, and is not lost
            }
            SendError::Unavailable { retry_after: RETRY_AFTER }
        })
    }

    pub(crate) fn attach(&self, target: ractor::ActorRef<Envelope<M>>, life: &Life) {
        self.inner.mailbox.attach(life.incarnation(), Arc::clone(life.pulse()));
        self.inner.target.store(Some(Arc::new(target)));
    }

    /// Forgets the target `gone` unless a newer one has taken over, and lets those go who wait for room.
    pub(crate) fn detach(&self, gone: ractor::ActorId) {
        if self.inner.target.load().as_ref().is_some_and(|target| target.get_id() == gone) {
            self.inner.target.store(None);
            self.inner.mailbox.reset();
            self.inner.mailbox.vacated.notify_waiters();
        }
    }
}

impl<M> Clone for Addr<M> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<M> fmt::Debug for Addr<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Addr({}#{})", self.inner.mailbox.path(), self.inner.mailbox.incarnation())
    }
}
