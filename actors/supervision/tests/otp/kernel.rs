//! The suite's view of this project's kernel, through nothing but its public interface.

use crate::suite::{
    puppet::{Manners, Puppet, Puppets, Start},
    system::{self, Body, Counts, How, Rules, Spec, Started, State, System},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use supervision::{
    Actor, ActorPath, Addr, AutoShutdown, ChildSpec, Ctx, Entry, Exit, Failure, Flags, Intensity, Kind, Message,
    NoObserver, OrderError, Planes, Respec, Restart, Shutdown, Status, Strategy, Tree, Verb,
    core::{Outcome, Refusal},
};
use tokio::sync::oneshot;

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum Do {
    End(How),
    Block(Duration, oneshot::Sender<()>),
}

impl Message for Do {
    fn name(&self) -> &'static str {
        "do"
    }
}

struct Worker(Puppet);

impl Actor for Worker {
    type Msg = Do;

    async fn start(&mut self, _: &Ctx<Self>) -> Result<(), Failure> {
        match self.0.start().await {
            Start::Fail => Err(Failure::restart("told to fail")),
            Start::Ignore => Err(Failure::ignore("told to be of no use")),
            Start::Up | Start::Crash | Start::FailLater(_) => Ok(()),
        }
    }

    async fn handle(&mut self, told: Do, ctx: &Ctx<Self>) -> Result<(), Failure> {
        match told {
            Do::End(How::Normal) => ctx.finish(),
            Do::End(How::Shutdown) => ctx.shut_down(None),
            Do::End(How::ShutdownInfo) => ctx.shut_down(Some("told to".to_owned())),
            Do::End(How::Error) => return Err(Failure::restart("told to fail")),
            Do::End(How::LongError) => return Err(Failure::restart("told to fail\n".repeat(system::LONG))),
            Do::End(How::Panic) => panic!("told to panic"),
            Do::Block(time, begun) => block(time, begun),
        }
        Ok(())
    }

    async fn stop(&mut self, _: &Ctx<Self>) {
        self.0.stop().await;
    }
}

#[expect(clippy::disallowed_methods, reason = "a thread that is blocked is what is being tested")]
pub(crate) fn block(time: Duration, begun: oneshot::Sender<()>) {
    begun.send(()).ok(); // nobody waits
    std::thread::sleep(time);
}

type Addresses = Arc<Mutex<HashMap<String, Addr<Do>>>>;

/// A tree, and the addresses of its workers.
pub(crate) struct Kernel {
    tree: Tree,
    puppets: Puppets,
    addresses: Addresses,
}

fn path(of: &str) -> ActorPath {
    ActorPath::from(of)
}

fn below(supervisor: &str, id: &str) -> String {
    if supervisor.is_empty() { id.to_owned() } else { format!("{supervisor}/{id}") }
}

fn flags(flags: system::Flags) -> Flags {
    let mut ours = Flags::new(match flags.strategy {
        system::Strategy::OneForOne => Strategy::OneForOne,
        system::Strategy::OneForAll => Strategy::OneForAll,
        system::Strategy::RestForOne => Strategy::RestForOne,
        system::Strategy::Dynamic => Strategy::Dynamic,
    });
    ours.intensity = Intensity::new(flags.intensity, flags.period);
    ours.auto_shutdown = match flags.auto_shutdown {
        system::AutoShutdown::Never => AutoShutdown::Never,
        system::AutoShutdown::Any => AutoShutdown::AnySignificant,
        system::AutoShutdown::All => AutoShutdown::AllSignificant,
    };
    ours
}

fn worker(at: &str, manners: Manners, puppets: &Puppets, addresses: &Addresses) -> ChildSpec {
    let addr = {
        let mut known = addresses.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(at.to_owned()).or_insert_with(|| Addr::new(at, 8)).clone()
    };
    let (at, puppets) = (at.to_owned(), puppets.clone());
    ChildSpec::worker(&addr, move || Worker(puppets.make(&at, &manners)))
}

fn child(supervisor: &str, spec: Spec, puppets: &Puppets, addresses: &Addresses) -> ChildSpec {
    let at = below(supervisor, &spec.id);
    let ours = match spec.body {
        // A name that is none makes no address; it has to reach the kernel as it is.
        Body::Worker(manners) => worker(&at, manners, puppets, addresses).with(|policy| policy.id.clone_from(&spec.id)),
        Body::Supervisor(rules, children) => {
            let children = children.into_iter().map(|spec| child(&at, spec, puppets, addresses)).collect();
            ChildSpec::supervisor(&spec.id, flags(rules), children)
        }
    };
    ours.with(|policy| {
        policy.restart = match spec.restart {
            system::Restart::Permanent => Restart::Permanent,
            system::Restart::Transient => Restart::Transient,
            system::Restart::Temporary => Restart::Temporary,
        };
        if let Some(shutdown) = spec.shutdown {
            policy.shutdown = match shutdown {
                system::Shutdown::Brutal => Shutdown::Brutal,
                system::Shutdown::Within(within) => Shutdown::Within(within),
                system::Shutdown::Infinity => Shutdown::Infinity,
            };
        }
        policy.significant = spec.significant;
        if let Some(timeout) = spec.start_timeout {
            policy.start_timeout = timeout;
        }
    })
}

fn exit(exit: Exit) -> system::Exit {
    match exit {
        Exit::Normal => system::Exit::Normal,
        Exit::Shutdown { .. } => system::Exit::Shutdown,
        Exit::Killed { .. } => system::Exit::Killed,
        other => system::Exit::Abnormal(other.to_string()),
    }
}

fn refusal(error: OrderError) -> system::Refusal {
    let refusal = match error {
        OrderError::Refused { refusal, .. } => refusal,
        OrderError::UnknownPath { .. } => return system::Refusal::NotFound,
        other => return system::Refusal::Other(other.to_string()),
    };
    match refusal {
        Refusal::AlreadyStarted => system::Refusal::AlreadyStarted,
        Refusal::AlreadyPresent => system::Refusal::AlreadyPresent,
        Refusal::NotFound => system::Refusal::NotFound,
        Refusal::Running => system::Refusal::Running,
        Refusal::Restarting => system::Refusal::Restarting,
        Refusal::StartFailed { exit } => system::Refusal::StartFailed(exit.to_string()),
        Refusal::BadSpec { reason } => system::Refusal::BadSpec(reason),
        other => system::Refusal::Other(other.to_string()),
    }
}

fn started(outcome: Outcome) -> Started {
    if matches!(outcome, Outcome::Ignored { .. }) { Started::Ignored } else { Started::Up }
}

impl Kernel {
    fn tell(&self, at: &str, told: Do) {
        let known = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let addr = known.get(at).unwrap_or_else(|| panic!("nobody was ever at {at}"));
        addr.try_send(told).unwrap_or_else(|error| panic!("{at}: {error}"));
    }
}

impl System for Kernel {
    async fn start(rules: system::Flags, children: Vec<Spec>, puppets: &Puppets) -> Result<Self, system::Exit> {
        let addresses = Addresses::default();
        let children = children.into_iter().map(|spec| child("", spec, puppets, &addresses)).collect();
        let tree = Tree::start(Planes::single(), flags(rules), children, Arc::new(NoObserver)).await.map_err(exit)?;
        if let Err(failed) = tree.started().await {
            tree.ended().await;
            return Err(exit(failed));
        }
        Ok(Self { tree, puppets: puppets.clone(), addresses })
    }

    async fn start_child(&self, supervisor: &str, spec: Spec) -> Result<Started, system::Refusal> {
        let spec = child(supervisor, spec, &self.puppets, &self.addresses);
        self.tree.start_child(&path(supervisor), spec).await.map(started).map_err(refusal)
    }

    async fn start_elsewhere(&self, supervisor: &str, id: &str, taken: &str) -> Result<Started, system::Refusal> {
        let spec = worker(taken, Manners::default(), &self.puppets, &self.addresses);
        let spec = spec.with(|policy| policy.id = id.to_owned());
        self.tree.start_child(&path(supervisor), spec).await.map(started).map_err(refusal)
    }

    async fn terminate_child(&self, at: &str) -> Result<(), system::Refusal> {
        self.tree.order(&path(at), Verb::Stop, None, false).await.map(|_| ()).map_err(refusal)
    }

    async fn restart_child(&self, at: &str) -> Result<Started, system::Refusal> {
        self.tree.order(&path(at), Verb::Start, None, false).await.map(started).map_err(refusal)
    }

    async fn delete_child(&self, at: &str) -> Result<(), system::Refusal> {
        self.tree.delete_child(&path(at)).await.map_err(refusal)
    }

    async fn which_children(&self, supervisor: &str) -> Vec<(String, State)> {
        let children = self.tree.which_children(&path(supervisor)).unwrap_or_default();
        let state = |status| match status {
            Status::Running | Status::Suspended | Status::Stopping => State::Up,
            Status::Starting | Status::Waiting => State::Restarting,
            Status::Down | Status::Parked | Status::Quarantined => State::Down,
        };
        children.into_iter().map(|node| (node.path.id().to_owned(), state(node.status))).collect()
    }

    async fn count_children(&self, supervisor: &str) -> Counts {
        let counts = self.tree.count_children(&path(supervisor)).unwrap_or_default();
        let supervision::Counts { specs, active, supervisors, workers } = counts;
        Counts { specs, active, supervisors, workers }
    }

    async fn get_childspec(&self, at: &str) -> Option<Rules> {
        let policy = self.tree.get_childspec(&path(at))?;
        let restart = match policy.restart {
            Restart::Permanent => system::Restart::Permanent,
            Restart::Transient => system::Restart::Transient,
            Restart::Temporary => system::Restart::Temporary,
        };
        let shutdown = match policy.shutdown {
            Shutdown::Brutal => system::Shutdown::Brutal,
            Shutdown::Within(within) => system::Shutdown::Within(within),
            Shutdown::Infinity => system::Shutdown::Infinity,
        };
        let is_supervisor = policy.kind == Kind::Supervisor;
        Some(Rules { restart, shutdown, significant: policy.significant, is_supervisor })
    }

    async fn respecify(
        &self,
        supervisor: &str,
        rules: system::Flags,
        children: Vec<Spec>,
    ) -> Result<(), system::Refusal> {
        let children =
            children.into_iter().map(|spec| child(supervisor, spec, &self.puppets, &self.addresses)).collect();
        let new = Respec::new(flags(rules), children);
        self.tree.respecify(&path(supervisor), new, false).await.map(|_| ()).map_err(refusal)
    }

    async fn reports(&self, at: &str) -> Vec<String> {
        let entries = self.tree.explain(&path(at), 1_000);
        let tell = |entry: &Arc<Entry>| {
            let (decision, why) = (&entry.decision, entry.decision.why().unwrap_or_default());
            format!("{} {}: {}: {why}", entry.path, decision.rule.name(), decision.text)
        };
        entries.iter().map(tell).collect()
    }

    async fn exit(&self, at: &str, how: How) {
        self.tell(at, Do::End(how));
    }

    async fn block(&self, at: &str, time: Duration) {
        let (begun, has_begun) = oneshot::channel();
        self.tell(at, Do::Block(time, begun));
        has_begun.await.unwrap_or_else(|_| panic!("{at} ends instead of blocking"));
    }

    async fn kill(&self, at: &str) {
        self.tree.order(&path(at), Verb::Kill, None, false).await.unwrap_or_else(|error| panic!("{error}"));
    }

    fn stop(&self) {
        self.tree.shutdown(None);
    }

    async fn ended(&self) -> system::Exit {
        exit(self.tree.ended().await)
    }

    fn has_ended(&self) -> bool {
        self.tree.has_ended()
    }
}
