//! The suite's view of ractor-supervisor 0.2.0, as kind to it as can be: what it cannot express is *not offered*, and its
//! way to give up (a failure called meltdown) counts as OTP's `shutdown`.

use crate::suite::{
    puppet::{Manners, Puppet, Puppets, Start},
    system::{
        AutoShutdown, Body, Counts, Exit, Flags, How, Refusal, Restart, Rules, Spec, Started, State, Strategy, System,
        not_offered,
    },
};
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, ActorStatus, SpawnErr, SupervisionEvent, registry};
use ractor_supervisor::{
    ChildSpec, DynamicSupervisor, DynamicSupervisorMsg, DynamicSupervisorOptions, SpawnFn, Supervisor,
    SupervisorArguments, SupervisorMsg, SupervisorOptions, SupervisorStrategy,
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{oneshot, watch};

/// The library may take this long to answer, in the case's own time.
const ANSWER: Duration = Duration::from_secs(30);

/// Names are global there: each system's begin with a number of its own.
static SYSTEMS: AtomicU64 = AtomicU64::new(1);

enum Do {
    End(How),
    Block(Duration, oneshot::Sender<()>),
}

struct Worker;

impl Actor for Worker {
    type Msg = Do;
    type State = Puppet;
    type Arguments = Puppet;

    async fn pre_start(&self, _: ActorRef<Do>, mut puppet: Puppet) -> Result<Puppet, ActorProcessingErr> {
        match puppet.start().await {
            Start::Up | Start::Crash | Start::Ignore | Start::FailLater(_) => Ok(puppet),
            Start::Fail => Err("told to fail".into()),
        }
    }

    async fn handle(&self, me: ActorRef<Do>, told: Do, _: &mut Puppet) -> Result<(), ActorProcessingErr> {
        match told {
            Do::End(How::Normal) => me.stop(None),
            Do::End(How::Shutdown) => me.stop(Some("shutdown".to_owned())),
            Do::End(How::ShutdownInfo) => me.stop(Some("shutdown: told to".to_owned())),
            Do::End(How::Error | How::LongError) => return Err("told to fail".into()),
            Do::End(How::Panic) => panic!("told to panic"),
            Do::Block(time, begun) => crate::kernel::block(time, begun),
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Do>, puppet: &mut Puppet) -> Result<(), ActorProcessingErr> {
        puppet.stop().await;
        Ok(())
    }
}

/// Above the root: learns how it ends.
struct Witness;

impl Actor for Witness {
    type Msg = ();
    type State = watch::Sender<Option<Exit>>;
    type Arguments = watch::Sender<Option<Exit>>;

    async fn pre_start(
        &self,
        _: ActorRef<()>,
        tell: watch::Sender<Option<Exit>>,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(tell)
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        event: SupervisionEvent,
        tell: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(_, _, reason) if reason.as_deref() == Some("killed") => {
                tell.send_replace(Some(Exit::Killed));
            }
            SupervisionEvent::ActorTerminated(..) => {
                tell.send_replace(Some(Exit::Shutdown));
            }
            SupervisionEvent::ActorFailed(_, error) => {
                let text = error.to_string();
                let gave_up = text.contains("Meltdown");
                tell.send_replace(Some(if gave_up { Exit::Shutdown } else { Exit::Abnormal(text) }));
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}

#[derive(Clone)]
enum Root {
    Static(ActorRef<SupervisorMsg>),
    Dynamic(ActorRef<DynamicSupervisorMsg>),
}

#[derive(Default)]
struct Known {
    workers: HashMap<String, ActorRef<Do>>,
    supervisors: HashMap<String, ActorRef<SupervisorMsg>>,
}

/// What a specification is made into children with.
#[derive(Clone)]
struct Maker {
    prefix: String,
    puppets: Puppets,
    known: Arc<Mutex<Known>>,
}

/// A tree under ractor-supervisor.
pub(crate) struct Library {
    root: Root,
    cell: ActorCell,
    maker: Maker,
    exit: watch::Receiver<Option<Exit>>,
}

impl Maker {
    fn name(&self, path: &str) -> String {
        format!("{}:{path}", self.prefix)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_up(&self, path: &str) -> bool {
        registry::where_is(self.name(path)).is_some_and(|cell| cell.get_status() == ActorStatus::Running)
    }

    fn child(&self, supervisor: &str, spec: &Spec) -> ChildSpec {
        if spec.shutdown.is_some() {
            not_offered("limits to a child's shutdown");
        }
        if spec.significant {
            not_offered("significant children");
        }
        if spec.start_timeout.is_some() {
            not_offered("limits to a child's start");
        }
        if spec.id.is_empty() || spec.id.contains(['/', ' ']) {
            not_offered("validation of specifications");
        }
        let path = if supervisor.is_empty() { spec.id.clone() } else { format!("{supervisor}/{}", spec.id) };
        let restart = match spec.restart {
            Restart::Permanent => ractor_supervisor::Restart::Permanent,
            Restart::Transient => ractor_supervisor::Restart::Transient,
            Restart::Temporary => ractor_supervisor::Restart::Temporary,
        };
        let spawn_fn = match &spec.body {
            Body::Worker(manners) => self.worker(path.clone(), manners.clone()),
            Body::Supervisor(flags, children) => self.supervisor(path.clone(), *flags, children),
        };
        ChildSpec { id: self.name(&path), restart, spawn_fn, backoff_fn: None, reset_after: None }
    }

    fn worker(&self, path: String, manners: Manners) -> SpawnFn {
        if manners.may_ignore() {
            not_offered("children that are not needed");
        }
        let maker = self.clone();
        SpawnFn::new(move |supervisor, name| {
            let (maker, path, manners) = (maker.clone(), path.clone(), manners.clone());
            async move {
                let puppet = maker.puppets.make(&path, &manners);
                let (worker, _) = Supervisor::spawn_linked(name, Worker, puppet, supervisor).await?;
                maker.known().workers.insert(path, worker.clone());
                Ok::<_, SpawnErr>(worker.get_cell())
            }
        })
    }

    fn supervisor(&self, path: String, flags: Flags, children: &[Spec]) -> SpawnFn {
        let options = options(flags);
        let child_specs: Vec<_> = children.iter().map(|spec| self.child(&path, spec)).collect();
        let maker = self.clone();
        SpawnFn::new(move |supervisor, name| {
            let (maker, path) = (maker.clone(), path.clone());
            let arguments = SupervisorArguments { child_specs: child_specs.clone(), options: options.clone() };
            async move {
                let (below, _) = Supervisor::spawn_linked(name, Supervisor, arguments, supervisor).await?;
                maker.known().supervisors.insert(path, below.clone());
                Ok::<_, SpawnErr>(below.get_cell())
            }
        })
    }
}

fn options(flags: Flags) -> SupervisorOptions {
    if flags.auto_shutdown != AutoShutdown::Never {
        not_offered("auto_shutdown");
    }
    if flags.period.is_zero() {
        not_offered("validation of specifications");
    }
    let strategy = match flags.strategy {
        Strategy::OneForOne => SupervisorStrategy::OneForOne,
        Strategy::OneForAll => SupervisorStrategy::OneForAll,
        Strategy::RestForOne => SupervisorStrategy::RestForOne,
        Strategy::Dynamic => not_offered("dynamic supervisors below others"),
    };
    SupervisorOptions { strategy, max_restarts: flags.intensity as usize, max_window: flags.period, reset_after: None }
}

impl Library {
    fn supervisor(&self, path: &str) -> Option<ActorRef<SupervisorMsg>> {
        match &self.root {
            Root::Static(root) if path.is_empty() => Some(root.clone()),
            _ => self.maker.known().supervisors.get(path).cloned(),
        }
    }

    fn tell(&self, path: &str, told: Do) {
        let worker = self.maker.known().workers.get(path).cloned();
        worker.and_then(|worker| worker.cast(told).ok()).unwrap_or_else(|| panic!("nobody is at {path}"));
    }

    fn dynamic(&self) -> ActorRef<DynamicSupervisorMsg> {
        match &self.root {
            Root::Dynamic(root) => root.clone(),
            Root::Static(_) => not_offered("children that come and go under a static supervisor"),
        }
    }

    /// The paths of the children of `supervisor`, those it remembers.
    async fn children(&self, supervisor: &str) -> Vec<String> {
        let prefix = self.maker.name("");
        let path = |id: &str| id.strip_prefix(&prefix).unwrap_or(id).to_owned();
        if let Some(below) = self.supervisor(supervisor) {
            let state = below.call(SupervisorMsg::InspectState, Some(ANSWER)).await;
            let state = state.ok().and_then(|answer| answer.success_or(()).ok());
            return state.iter().flat_map(|state| &state.child_specs).map(|spec| path(&spec.id)).collect();
        }
        let state = self.dynamic().call(DynamicSupervisorMsg::InspectState, Some(ANSWER)).await;
        let state = state.ok().and_then(|answer| answer.success_or(()).ok());
        let mut all: Vec<_> = state.iter().flat_map(|state| state.active_children.keys()).map(|id| path(id)).collect();
        all.sort();
        all
    }
}

impl System for Library {
    async fn start(flags: Flags, children: Vec<Spec>, puppets: &Puppets) -> Result<Self, Exit> {
        let prefix = format!("system-{}", SYSTEMS.fetch_add(1, Ordering::SeqCst));
        let maker = Maker { prefix, puppets: puppets.clone(), known: Arc::default() };
        let (tell, exit) = watch::channel(None);
        let failed = |error: SpawnErr| Exit::Abnormal(error.to_string());
        let (witness, _) = Actor::spawn(None, Witness, tell).await.map_err(failed)?;
        let name = maker.name("");
        let (root, cell) = if flags.strategy == Strategy::Dynamic {
            if flags.auto_shutdown != AutoShutdown::Never {
                not_offered("auto_shutdown");
            }
            let options = DynamicSupervisorOptions {
                max_children: None,
                max_restarts: flags.intensity as usize,
                max_window: flags.period,
                reset_after: None,
            };
            let (root, _) = DynamicSupervisor::spawn_linked(name, DynamicSupervisor, options, witness.get_cell())
                .await
                .map_err(failed)?;
            (Root::Dynamic(root.clone()), root.get_cell())
        } else {
            let child_specs = children.iter().map(|spec| maker.child("", spec)).collect();
            let arguments = SupervisorArguments { child_specs, options: options(flags) };
            let (root, _) =
                Supervisor::spawn_linked(name, Supervisor, arguments, witness.get_cell()).await.map_err(failed)?;
            (Root::Static(root.clone()), root.get_cell())
        };
        let library = Self { root, cell, maker, exit };
        library.children("").await; // answered once its own start is over
        let ended = library.exit.borrow().clone();
        ended.map_or(Ok(library), Err)
    }

    async fn start_child(&self, supervisor: &str, spec: Spec) -> Result<Started, Refusal> {
        let root = self.dynamic();
        let spec = self.maker.child(supervisor, &spec);
        let started = DynamicSupervisor::spawn_child(root, spec).await;
        started.map(|()| Started::Up).map_err(|error| Refusal::StartFailed(error.to_string()))
    }

    async fn terminate_child(&self, path: &str) -> Result<(), Refusal> {
        let id = self.maker.name(path);
        let ended = DynamicSupervisor::terminate_child(self.dynamic(), id).await;
        ended.map_err(|error| Refusal::Other(error.to_string()))
    }

    async fn restart_child(&self, _: &str) -> Result<Started, Refusal> {
        not_offered("restart_child")
    }

    async fn delete_child(&self, _: &str) -> Result<(), Refusal> {
        not_offered("delete_child")
    }

    async fn which_children(&self, supervisor: &str) -> Vec<(String, State)> {
        let state = |path: &str| if self.maker.is_up(path) { State::Up } else { State::Down };
        let id = |path: &str| path.rsplit_once('/').map_or(path, |(_, id)| id).to_owned();
        self.children(supervisor).await.iter().map(|path| (id(path), state(path))).collect()
    }

    async fn count_children(&self, supervisor: &str) -> Counts {
        let paths = self.children(supervisor).await;
        let supervisors = paths.iter().filter(|path| self.maker.known().supervisors.contains_key(*path)).count();
        let active = paths.iter().filter(|path| self.maker.is_up(path)).count();
        Counts { specs: paths.len(), active, supervisors, workers: paths.len() - supervisors }
    }

    fn shows_restarts(&self) {
        not_offered("a state between two incarnations");
    }

    async fn get_childspec(&self, _: &str) -> Option<Rules> {
        not_offered("get_childspec")
    }

    async fn exit(&self, path: &str, how: How) {
        self.tell(path, Do::End(how));
    }

    async fn block(&self, path: &str, time: Duration) {
        let (begun, has_begun) = oneshot::channel();
        self.tell(path, Do::Block(time, begun));
        has_begun.await.unwrap_or_else(|_| panic!("{path} ends instead of blocking"));
    }

    async fn kill(&self, path: &str) {
        registry::where_is(self.maker.name(path)).unwrap_or_else(|| panic!("nobody is at {path}")).kill();
    }

    fn stop(&self) {
        self.cell.stop(None);
    }

    async fn ended(&self) -> Exit {
        let mut exit = self.exit.clone();
        let ended = exit.wait_for(Option::is_some).await.map(|exit| exit.clone());
        ended.ok().flatten().unwrap_or(Exit::Killed)
    }

    fn has_ended(&self) -> bool {
        self.exit.borrow().is_some()
    }
}
