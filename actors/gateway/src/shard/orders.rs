//! What an operator may order of a shard: that it reconnects, or begins a new session.

use super::{Shard, ShardMsg};
use crate::{identify::IdentifyMsg, session::Input};
use std::time::Duration;
use supervision::{Addr, Ctx, Failure, Reply};

/// An order waits so long for the word that there can be a new session.
const ROOM_LIMIT: Duration = Duration::from_secs(4);
/// How long whoever gives an order may wait for the answer: for that word, and for the shard's turn before and after it.
/// Where even this is too short nothing is done: an order of which nobody waits for the answer is not carried out. (An admin
/// message that has begun is: see [`Shard::ordered`].)
pub(crate) const ORDER_LIMIT: Duration = ROOM_LIMIT.saturating_add(Duration::from_secs(1));

impl Shard {
    /// An order has come. Where it costs an IDENTIFY it is asked first whether there is one, and the shard goes on meanwhile.
    pub(super) fn order(
        &mut self,
        resume: bool,
        reply: Reply<Result<(), String>>,
        ctx: &Ctx<Self>,
    ) -> Result<(), Failure> {
        if !self.costs_an_identify(resume) {
            return self.obey(resume, Ok(()), reply, ctx);
        }
        let (identify, me) = (self.shared.identify.clone(), ctx.me());
        ctx.spawn(async move {
            let allowed = room(&identify).await;
            me.send(ShardMsg::Allowed { resume, allowed, reply }).await.ok(); // it ends with the shard
        });
        Ok(())
    }

    /// Carries out an order that is allowed, if somebody still waits for the answer.
    pub(super) fn obey(
        &mut self,
        resume: bool,
        allowed: Result<(), String>,
        reply: Reply<Result<(), String>>,
        ctx: &Ctx<Self>,
    ) -> Result<(), Failure> {
        if reply.is_abandoned() {
            tracing::info!(shard.id = self.id(), "an order was not carried out: whoever gave it has stopped waiting");
            return Ok(());
        }
        let done = if allowed.is_ok() { self.carry_out(resume, ctx) } else { Ok(()) };
        reply.send(allowed);
        done
    }

    /// The same for an admin message. It is answered by its handler, which therefore waits itself: the shard reads no other
    /// message for as long as [`ROOM_LIMIT`] at most, and carries it out also when its caller has gone meanwhile. Heartbeats
    /// go on, the pacemaker sends them.
    pub(super) async fn ordered(&mut self, resume: bool, ctx: &Ctx<Self>) -> Result<Result<(), Failure>, String> {
        if self.costs_an_identify(resume) {
            room(&self.shared.identify).await?;
        }
        Ok(self.carry_out(resume, ctx))
    }

    fn costs_an_identify(&self, resume: bool) -> bool {
        !resume || self.keeper.point().is_none()
    }

    fn carry_out(&mut self, resume: bool, ctx: &Ctx<Self>) -> Result<(), Failure> {
        self.ordered = true;
        self.step(if resume { Input::OperatorReconnect } else { Input::OperatorReidentify }, ctx)
    }
}

/// Whether a new session can be begun; else why not, in a sentence. The session that goes on is worth more than the wait for
/// a new one.
async fn room(identify: &Addr<IdentifyMsg>) -> Result<(), String> {
    let room = identify.call(ROOM_LIMIT, |reply| IdentifyMsg::Room { reply }).await;
    room.unwrap_or_else(|error| {
        let remedy = "nothing was changed, try again";
        Err(format!("whether a new session can be begun is not known (gateway/identify: {error}); {remedy}"))
    })
}
