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
    spec::ChildSpec,
    starter::{Lever, StartRequest, Starter},
    world::World,
};
use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use std::{collections::HashSet, sync::Arc, time::Duration};
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
            check(&request.path, &flags, &children).map_err(|message| Exit::Fatal { message })?;
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
fn check(path: &ActorPath, flags: &Flags, children: &[ChildSpec]) -> Result<(), String> {
    crate::core::check_flags(flags)?;
    let mut names = HashSet::new();
    for child in children {
        let id = child.policy.id.as_str();
        if !names.insert(id) {
            return Err(format!("two children are called {id:?}"));
        }
        let holds = crate::core::check(Some(flags), &child.policy);
        holds.and_then(|()| needs_others(&path.child(id), &child.policy)).map_err(|said| format!("{id}: {said}"))?;
    }
    Ok(())
}

/// Whether the child that stands at `path` could ever have what it needs.
pub(super) fn needs_others(path: &ActorPath, policy: &Policy) -> Result<(), String> {
    let itself = policy.needs.iter().any(|need| ActorPath::from(need.as_str()) == *path);
    if itself { Err("it needs itself".to_owned()) } else { Ok(()) }
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
