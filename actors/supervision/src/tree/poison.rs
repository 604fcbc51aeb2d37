//! Messages that are parked, and what an operator does about them.

use super::{OrderError, Tree};
use crate::{message::Reply, poison::Parked, supervisor::Message};
use std::sync::Arc;

impl Tree {
    /// The parked messages, the oldest first.
    pub fn poisons(&self) -> Vec<Arc<Parked>> {
        self.world.poisons.all()
    }

    /// The parked message of this number.
    ///
    /// # Errors
    /// [`OrderError::NotParked`].
    pub fn poison(&self, number: u64) -> Result<Arc<Parked>, OrderError> {
        self.poisons().into_iter().find(|parked| parked.number == number).ok_or(OrderError::NotParked { number })
    }

    /// Lets the parked message of this number pass: once more, or (with `forget`) as if it had never done harm.
    ///
    /// # Errors
    /// There is none, or its actor's supervisor is gone.
    pub async fn pardon(&self, number: u64, forget: bool) -> Result<Arc<Parked>, OrderError> {
        let parked = self.poison(number)?;
        let gone = || OrderError::NoSupervisor { path: parked.path.to_string() };
        let office = parked.path.parent().and_then(|parent| self.world.office(&parent)).ok_or_else(gone)?;
        let (reply, answer) = Reply::channel();
        office.handle.send(Message::Pardon { parked: Arc::clone(&parked), forget, reply });
        answer.await.map_err(|_dropped| gone())?;
        Ok(parked)
    }
}
