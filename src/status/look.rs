//! One look at all of it: what is wrong, and whether the bot is ready all the same.

use super::{
    Status,
    complaint::{Wrong, complaint, refused as tasks_refused},
};
use crate::refused;
use gateway::{Gateway, Phase, ShardStatus};
use protocol::ShardId;
use std::sync::{PoisonError, atomic::Ordering::Relaxed};
use supervision::{ActorPath, Recorder, Status as State};

impl Status {
    /// The process in one line.
    pub(crate) fn line(&self) -> String {
        if let Some((phase, _)) = self.phase_under_way() {
            return format!("booting: {phase}");
        }
        let (ready, wrong) = self.look();
        let more = match wrong.len() {
            0 => String::new(),
            1 => format!("; {}", wrong[0]),
            n => format!("; {} (and {} more)", wrong[0], n - 1),
        };
        let word = if ready {
            "ready"
        } else if self.ready.get().is_some() {
            "degraded"
        } else {
            "not ready yet"
        };
        let shards = self.shards();
        let online = shards.iter().filter(|shard| shard.state == Phase::Online).count();
        let guilds = self.gateway.get().map_or(0, |gateway| gateway.counts().guilds);
        format!("{word}: {online} of {} shard(s), {guilds} guild(s){more}", shards.len())
    }

    /// The shards, each as the gateway has it; one that supervision has parked, and that may never have begun, is parked.
    pub(crate) fn shards(&self) -> Vec<ShardStatus> {
        let mut shards = self.gateway.get().map(Gateway::statuses).unwrap_or_default();
        let Some(tree) = self.tree.get() else { return shards };
        for shard in shards.iter_mut().filter(|shard| shard.parked.is_none()) {
            if let Some(node) = tree.node(&path_of(shard.shard)).filter(|node| node.status == State::Parked) {
                shard.parked = Some(node.reason.unwrap_or_else(|| "parked".to_owned()));
            }
        }
        shards
    }

    /// Whether a shard waits for something that it needs: it is held, or suspended, until that is back. One that only sits out
    /// a delay comes by itself.
    pub(crate) fn shard_waits(&self, shard: ShardId) -> bool {
        let node = self.tree.get().and_then(|tree| tree.node(&path_of(shard)));
        node.is_some_and(|node| node.is_held() || node.status == State::Suspended && !node.missing.is_empty())
    }

    /// What is not as it should be, each as one sentence.
    pub fn degraded(&self) -> Vec<String> {
        self.look().1
    }

    fn wrong(&self) -> Vec<Wrong> {
        let nodes = self.nodes();
        let mut wrong: Vec<Wrong> = nodes.iter().filter_map(complaint).collect();
        wrong.extend(self.left_out.all());
        wrong.extend(self.tasks.get().into_iter().flat_map(|tasks| tasks_refused(tasks)));
        let mut blocks = |sentence| wrong.push(Wrong { sentence, blocks: true });
        // An actor that is not there, or says itself what is wrong, has spoken for its shard.
        let speaks = |shard| {
            nodes.iter().any(|node| node.path.as_str() == format!("gateway/shard-{shard}") && complaint(node).is_some())
        };
        if let Some(sentence) = self.waits_for.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            blocks(sentence);
        }
        if self.token_refused.load(Relaxed) {
            let runs = nodes.iter().any(|node| node.path.as_str() == refused::GATEWAY && node.status == State::Running);
            blocks(if runs { refused::STARTED_AGAIN } else { refused::TOKEN_REFUSED }.to_owned());
        }
        if let Some(gateway) = self.gateway.get() {
            let unstable = |status: &gateway::ShardStatus| Some((status.shard, status.unstable.clone()?));
            for (shard, reason) in gateway.statuses().iter().filter_map(unstable) {
                blocks(format!("shard {shard} is unstable: {reason}"));
            }
            for status in
                gateway.statuses().iter().filter(|status| status.state != Phase::Online && !speaks(status.shard))
            {
                blocks(match &status.parked {
                    Some(reason) => format!("shard {}: {reason}", status.shard),
                    None => format!("shard {} is not connected", status.shard),
                });
            }
        }
        let flags = self.flags.read();
        if flags.setup_complete && !flags.first_ready {
            blocks("the gateway has not been ready yet: slash commands and tasks wait for it".to_owned());
        }
        if let Some(trouble) = self.recorder().and_then(Recorder::trouble) {
            let sentence =
                format!("the journal of supervision cannot be written ({trouble}): budgets end with this process");
            wrong.push(Wrong { sentence, blocks: false });
        }
        if let Some(sentence) = self.memory.get().and_then(|memory| memory.complaint()) {
            wrong.push(Wrong { sentence, blocks: false });
        }
        wrong
    }

    /// Ready: boot is over, the gateway is connected, nothing that matters is missing, and nobody shuts down. What an
    /// operator stopped on purpose degrades, but leaves the rest ready: traffic should not be taken from a bot because
    /// one of its cogs was switched off.
    pub fn is_ready(&self) -> bool {
        self.look().0
    }

    /// Whether it is ready and what is wrong, of one moment.
    pub(super) fn look(&self) -> (bool, Vec<String>) {
        let (flags, wrong) = (self.flags.read(), self.wrong());
        let up = flags.setup_complete && flags.first_ready && !flags.shutting_down;
        let ready = up && !wrong.iter().any(|wrong| wrong.blocks);
        (ready, wrong.into_iter().map(|wrong| wrong.sentence).collect())
    }
}

fn path_of(shard: ShardId) -> ActorPath {
    ActorPath::from(format!("gateway/shard-{shard}").as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::ServiceManager, notify::Notifier};
    use std::{sync::Arc, time::Duration};
    use supervision::{Actor, Addr, ChildSpec, Ctx, Failure, Flags, NoObserver, Planes, Strategy, Tree};

    /// One that cannot start.
    struct Shard;

    impl Actor for Shard {
        type Msg = ();

        async fn start(&mut self, _: &Ctx<Self>) -> Result<(), Failure> {
            Err(Failure::restart("there is no database"))
        }

        async fn handle(&mut self, (): (), _: &Ctx<Self>) -> Result<(), Failure> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_shard_that_is_held_waits_for_what_it_needs_and_one_that_restarts_does_not() {
        let shard = |id, needs: &'static [&'static str]| {
            ChildSpec::worker(&Addr::new(format!("gateway/shard-{id}"), 8), || Shard)
                .required(false)
                .budget(1_000, Duration::from_secs(3_600))
                .backoff(supervision::Backoff::doubling(Duration::from_secs(1), Duration::from_secs(2)))
                .needs(needs.iter().copied())
        };
        let flags = Flags::new(Strategy::OneForOne);
        let gateway = ChildSpec::supervisor("gateway", flags, vec![shard(0, &["database"]), shard(1, &[])]);
        let tree = Tree::start(Planes::single(), flags, vec![gateway], Arc::new(NoObserver)).await.unwrap();
        tree.started().await.unwrap();
        let notifier = Arc::new(Notifier::new(&ServiceManager::default()));
        let status = Status::new(Arc::default(), Arc::default(), Arc::default(), notifier);
        status.tree.set(tree.clone()).ok();
        let waits = || [0, 1, 2].map(|shard| status.shard_waits(ShardId(shard)));
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(waits(), [true, false, false], "{:?}", tree.nodes());
        let node = tree.node(&path_of(ShardId(0))).unwrap();
        assert_eq!((node.status, node.incarnation), (State::Waiting, 1), "held: {:?}", node.reason);
    }
}
