//! How a supervisor is started by the one above it, and that one's lever on it.

use super::{Handle, Message, Supervisor};
use crate::{
    admin::{AdminEnvelope, AdminSpec},
    core::{
        policy::{Flags, Policy},
        probe::Reading,
    },
    exit::Exit,
    life::{Life, Signal},
    mailbox::Mailbox,
    message::Reply,
    path::ActorPath,
    rules,
    spec::ChildSpec,
    starter::{Lever, StartRequest, Starter},
    world::World,
};
use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::task::AbortHandle;

/// Makes a supervisor, each time from what it was last told to be.
pub(crate) struct SupervisorStarter {
    definition: Arc<ArcSwap<Definition>>,
}

/// What a supervisor is told to be.
#[derive(Clone)]
pub(crate) struct Definition {
    pub(super) flags: Flags,
    pub(super) children: Vec<ChildSpec>,
}

impl SupervisorStarter {
    pub(crate) fn new(flags: Flags, children: Vec<ChildSpec>) -> Self {
        Self { definition: Arc::new(ArcSwap::from_pointee(Definition { flags, children })) }
    }
}

/// What a supervisor begins with.
pub(crate) struct Opening {
    pub(super) path: ActorPath,
    pub(super) world: Arc<World>,
    pub(super) life: Arc<Life>,
    pub(super) definition: Arc<ArcSwap<Definition>>,
    pub(super) seed: u64,
}

impl Starter for SupervisorStarter {
    fn start(&self, request: StartRequest) -> BoxFuture<'static, Result<Arc<dyn Lever>, Exit>> {
        let definition = Arc::clone(&self.definition);
        Box::pin(async move {
            let Definition { flags, children } = Definition::clone(&definition.load());
            check(&request.path, flags, &children, &request.world).map_err(|message| Exit::Fatal { message })?;
            let control = request.world.planes.control.clone();
            let life = Arc::new(Life::new(request.incarnation, control.clone(), request.notify, None));
            let (path, world) = (request.path.clone(), Arc::clone(&request.world));
            let opening = Opening { path, world, life: Arc::clone(&life), definition, seed: rand::random() };
            let spawned = match request.parent {
                Some(parent) => ractor::Actor::spawn_linked(None, Supervisor, opening, parent).await,
                None => ractor::Actor::spawn(None, Supervisor, opening).await,
            };
            let (me, join) = spawned.map_err(|error| {
                request.world.close_office(&request.path); // it was opened before its supervisor refused the link
                Exit::Error { message: error.to_string() }
            })?;
            let abort = join.abort_handle();
            let handle = Handle(me);
            let (watched, world, path) = (Arc::clone(&life), request.world, request.path);
            control.spawn(async move {
                let ended = join.await;
                watched.close();
                world.close_office(&path);
                let exit = watched.take_exit().unwrap_or(match ended {
                    Ok(()) => Exit::Aborted,
                    Err(error) if error.is_cancelled() => Exit::Aborted,
                    Err(error) => Exit::Panic { message: error.to_string(), location: None },
                });
                watched.notify(Signal::Exited(exit));
            });
            Ok(Arc::new(SupervisorLever { handle, life, abort }) as Arc<dyn Lever>)
        })
    }

    fn mailbox(&self) -> Option<Arc<Mailbox>> {
        None
    }

    fn admin_messages(&self) -> Vec<AdminSpec> {
        Vec::new()
    }

    fn flags(&self) -> Option<Flags> {
        Some(self.definition.load().flags)
    }

    fn map_children(&self, path: &ActorPath, change: &dyn Fn(&ActorPath, &mut Policy)) -> Option<Arc<dyn Starter>> {
        let changed = |child: &ChildSpec| child.clone().map_policies(&path.child(&child.policy.id), change);
        let Definition { flags, children } = Definition::clone(&self.definition.load());
        Some(Arc::new(Self::new(flags, children.iter().map(changed).collect())))
    }
}

/// Two children of one name, or rules that do not hold together, are refused before anything starts.
fn check(path: &ActorPath, mut flags: Flags, children: &[ChildSpec], world: &World) -> Result<(), String> {
    let rules = world.rules.get();
    rules.flags(path, &mut flags);
    crate::core::check_flags(&flags)?;
    let mut names = HashSet::new();
    let ruled = children.iter().map(|child| rules::ruled(&*rules, &path.child(&child.policy.id), &child.policy));
    let policies: Vec<Policy> = ruled.collect();
    for policy in &policies {
        let id = policy.id.as_str();
        if !names.insert(id) {
            return Err(format!("two children are called {id:?}"));
        }
        crate::core::check(Some(&flags), policy).map_err(|said| format!("{id}: {said}"))?;
    }
    in_no_circle(path, &policies, world)
}

/// Whether nobody's needs lead back to it, among `children` of the supervisor at `path` and through the rest of the tree.
pub(super) fn in_no_circle(path: &ActorPath, children: &[Policy], world: &World) -> Result<(), String> {
    let needs: HashMap<String, &Vec<String>> = children
        .iter()
        .filter(|policy| !policy.needs.is_empty())
        .map(|policy| (path.child(&policy.id).to_string(), &policy.needs))
        .collect();
    let needs_of = |need: &str| needs.get(need).map_or_else(|| world.needs_of(need), |needs| (*needs).clone());
    children.iter().filter(|policy| !policy.needs.is_empty()).try_for_each(|policy| {
        rules::circle(&path.child(&policy.id), &policy.needs, needs_of).map_err(|said| format!("{}: {said}", policy.id))
    })
}

struct SupervisorLever {
    handle: Handle,
    life: Arc<Life>,
    abort: AbortHandle,
}

impl Lever for SupervisorLever {
    fn incarnation(&self) -> u64 {
        self.life.incarnation()
    }

    fn stop(&self, within: Option<Duration>) {
        self.handle.send(Message::Shutdown { exit: Exit::shutdown(), within });
    }

    /// A supervisor is never killed by ractor: that would kill its children unordered, unawaited and unseen.
    fn kill(&self, by: &str) {
        self.handle.send(Message::KillAll { by: by.to_owned() });
    }

    fn abort(&self) {
        self.life.note_exit(Exit::Aborted);
        self.abort.abort();
    }

    fn blame(&self, exit: Exit) {
        self.life.note_exit(exit);
    }

    fn look(&self, _: Duration) -> Option<(Reading, Option<String>)> {
        None
    }

    fn suspend(&self, _: Arc<[ActorPath]>) {} // its children declare what they need themselves

    fn resume(&self) {}

    fn drain(&self, reply: Reply<()>) {
        self.handle.send(Message::Drain(reply));
    }

    fn admin(&self, call: AdminEnvelope) {
        let name = call.call.name;
        call.reply.send(Err(crate::admin::AdminError::UnknownMessage { name, known: Vec::new() }));
    }
}
