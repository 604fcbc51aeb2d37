//! A connection from the attempt to open it to what comes over it.

use super::{Control, Link, Reader, Shard, ShardMsg, link, reader};
use crate::{
    identify::{Decision, IdentifyMsg},
    session::{Input, Phase, Target, kept_interval},
    socket::{ConnectError, Socket, connect},
};
use futures_util::StreamExt;
use std::{sync::Arc, time::Duration};
use supervision::{Ctx, Failure};

/// A shard's turn to IDENTIFY comes within this time, or it asks anew.
const ASK_LIMIT: Duration = Duration::from_secs(600);

impl Shard {
    pub(super) fn dial(&mut self, target: Target, ctx: &Ctx<Self>) {
        self.generation += 1;
        let (generation, shared, me) = (self.generation, Arc::clone(&self.shared), ctx.me());
        ctx.spawn(async move {
            let opening = async {
                let address = match target {
                    Target::Resume(url) => url.into(),
                    Target::Base => shared.directory.address(shared.clock.monotonic()).await?,
                };
                connect(&address, &shared.hosts, shared.connect).await.map(Box::new)
            };
            let result = opening.await;
            me.send(ShardMsg::Dialed { generation, result }).await.ok(); // it ends with the shard
        });
    }

    pub(super) fn dialed(
        &mut self,
        generation: u64,
        result: Result<Box<Socket>, ConnectError>,
        ctx: &Ctx<Self>,
    ) -> Result<(), Failure> {
        if generation != self.generation || self.session.phase() != Phase::Connecting {
            return Ok(()); // an attempt that nobody waits for any more: the connection is dropped
        }
        let socket = match result {
            Ok(socket) => *socket,
            Err(error) => {
                let refused = error.is_refusal();
                self.herald.detail = error.to_string();
                return self.step(Input::ConnectFailed { refused }, ctx);
            }
        };
        let (link, outgoing) = Link::new(generation);
        let (sink, stream) = socket.split();
        let shared = reader::Shared {
            shard: ctx.me(),
            keeper: &self.keeper,
            cache: &self.shared.cache,
            sink: &self.shared.sink,
            wants: self.wants,
            clock: &self.shared.clock,
            draining: &self.draining,
            compression: self.shared.connect.compression,
        };
        ctx.spawn(Reader::new(&link, shared).run(stream));
        self.aside("writer", link::write(sink, outgoing, link.over.clone()));
        self.link = Some(link);
        self.step(Input::Connected, ctx)
    }

    pub(super) fn control(&mut self, control: Control, ctx: &Ctx<Self>) -> Result<(), Failure> {
        let input = match control {
            Control::Hello(interval) => {
                // A second one would only add a second pacemaker: the session goes on as it was told first.
                if self.session.phase() == Phase::AwaitingHello {
                    self.herald.beats(interval);
                    self.keep_beating(kept_interval(interval));
                }
                Input::Hello { interval }
            }
            Control::Ack => {
                self.herald.answered();
                let before = self.session.latency();
                self.step(Input::Ack, ctx)?;
                self.keeper.acked.notify_waiters();
                if let Some(latency) = self.session.latency().filter(|latency| before != Some(*latency)) {
                    metering::gateway::heartbeat_latency(self.id(), latency.as_secs_f64());
                }
                return Ok(());
            }
            Control::Heartbeat => Input::HeartbeatRequested,
            Control::Reconnect => Input::ReconnectRequested,
            Control::InvalidSession(resumable) => Input::InvalidSession { resumable },
            Control::Ready(point) => Input::Ready(point),
            Control::Resumed => Input::Resumed,
            Control::OutOfStep(why) => {
                self.herald.detail = why;
                Input::OutOfStep
            }
            Control::Closed(code, detail) => {
                self.herald.detail = detail;
                Input::Closed { code }
            }
        };
        self.step(input, ctx)
    }

    pub(super) fn ask_identify(&self, ctx: &Ctx<Self>) {
        let Some(link) = &self.link else { return };
        let (shard, generation, over) = (self.id(), link.generation, link.over.clone());
        let ordered = self.ordered;
        let (queue, me) = (self.shared.identify.clone(), ctx.me());
        ctx.spawn(async move {
            let asked = queue.call(ASK_LIMIT, |reply| IdentifyMsg::Ask { shard, ordered, reply });
            let answer = tokio::select! {
                biased;
                () = over.cancelled() => return, // the queue sees that nobody waits and spends nothing
                answer = asked => answer,
            };
            let decision = answer.unwrap_or_else(|error| Decision::Denied {
                retry_after: supervision::RETRY_AFTER,
                why: format!("gateway/identify: {error}"),
            });
            me.send(ShardMsg::Identify { generation, decision }).await.ok(); // it ends with the shard
        });
    }
}
