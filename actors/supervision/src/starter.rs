//! How a child is brought to life, and the levers its supervisor then holds.

use crate::{
    actor::Actor,
    adapter::{Gone, Host, Seed},
    addr::Addr,
    admin::{ADMIN_WAITING_MAX, AdminEnvelope, AdminError, AdminSpec},
    core::{
        policy::{Flags, Policy},
        probe::Reading,
    },
    exit::Exit,
    life::{Life, Notify, Record, Signal},
    mailbox::Mailbox,
    message::{Envelope, Message, Reply},
    panics::guarded_sync,
    path::ActorPath,
    spec::ChildSpec,
    supervisor,
    world::World,
};
use futures_util::future::BoxFuture;
use ractor::ActorCell;
use std::{marker::PhantomData, sync::Arc, time::Duration};
use tokio::{sync::oneshot, task::AbortHandle};

/// How long the end of an incarnation waits for a slow `Drop` and for owned tasks before its path is free again.
const LINGER: Duration = Duration::from_secs(5);

/// What a starter is given.
pub(crate) struct StartRequest {
    pub(crate) path: ActorPath,
    pub(crate) incarnation: u64,
    pub(crate) parent: Option<ActorCell>,
    pub(crate) notify: Notify,
    pub(crate) missing: Arc<[ActorPath]>,
    pub(crate) world: Arc<World>,
}

/// Makes one kind of child.
pub(crate) trait Starter: Send + Sync {
    /// Begins an incarnation. It is up once it notifies [`Signal::Started`].
    fn start(&self, request: StartRequest) -> BoxFuture<'static, Result<Arc<dyn Lever>, Exit>>;

    /// What can be read of it without asking.
    fn mailbox(&self) -> Option<Arc<Mailbox>>;

    /// What `tell` may send it.
    fn admin_messages(&self) -> Vec<AdminSpec>;

    /// The rules of the supervisor it makes, if it makes one.
    fn flags(&self) -> Option<Flags>;

    /// The same starter with the rules of its children changed; none when it has no children.
    fn map_children(&self, _path: &ActorPath, _change: &dyn Fn(&ActorPath, &mut Policy)) -> Option<Arc<dyn Starter>> {
        None
    }
}

/// What a supervisor can do to a running child.
pub(crate) trait Lever: Send + Sync {
    /// Which incarnation it moves.
    fn incarnation(&self) -> u64;
    /// Asks it to stop, telling a supervisor how long it has in all.
    fn stop(&self, within: Option<Duration>);
    /// Kills it.
    fn kill(&self, by: &str);
    /// Cancels its task.
    fn abort(&self);
    /// Tells it that something it needs is missing.
    fn suspend(&self, missing: Arc<[ActorPath]>);
    /// Tells it that nothing is missing any more.
    fn resume(&self);
    /// Asks it to finish what is under way; a supervisor passes it on to its children.
    fn drain(&self, reply: Reply<()>);
    /// Notes why it ends, before it is told to.
    fn blame(&self, exit: Exit);
    /// What it is doing, in a runtime that is `late`, and the message in hand; none of a supervisor.
    fn look(&self, late: Duration) -> Option<(Reading, Option<String>)>;
    /// Delivers an admin message; the dropped reply says that it could not.
    fn admin(&self, call: AdminEnvelope);
    /// Tokio tasks that it owns: its loop, the watcher of its end, and the work it has spawned.
    fn tasks(&self) -> usize {
        2
    }
}

pub(crate) fn worker_starter<A: Actor>(
    addr: Addr<A::Msg>,
    make: impl Fn() -> A + Send + Sync + 'static,
) -> Arc<dyn Starter> {
    Arc::new(Worker { addr, make: Arc::new(make) })
}

pub(crate) fn supervisor_starter(flags: Flags, children: Vec<ChildSpec>) -> Arc<dyn Starter> {
    Arc::new(supervisor::SupervisorStarter::new(flags, children))
}

struct Worker<A: Actor> {
    addr: Addr<A::Msg>,
    make: Arc<dyn Fn() -> A + Send + Sync>,
}

impl<A: Actor> Starter for Worker<A> {
    fn start(&self, request: StartRequest) -> BoxFuture<'static, Result<Arc<dyn Lever>, Exit>> {
        let (addr, make) = (self.addr.clone(), Arc::clone(&self.make));
        Box::pin(async move {
            let planes = &request.world.planes;
            let record = Record { mailbox: Arc::clone(addr.mailbox()), crashes: Arc::clone(&request.world.crashes) };
            let life = Arc::new(Life::new(request.incarnation, planes.data.clone(), request.notify, Some(record)));
            let (gone, has_gone) = oneshot::channel();
            let seed = {
                let (addr, life, missing) = (addr.clone(), Arc::clone(&life), request.missing);
                move || Seed { actor: make(), addr, life, gone: Gone(Some(gone)), missing }
            };
            let parent = request.parent;
            // The factory is the user's code: it runs on the data plane, and its panic is a failed start.
            let made = Arc::clone(&life);
            let spawned = planes.data.spawn(async move {
                let seed = guarded_sync(seed).inspect_err(|panic| made.note_exit(panic.clone()))?;
                let host = Host::<A>(PhantomData);
                let spawned = match parent {
                    Some(parent) => ractor::Actor::spawn_linked(None, host, seed, parent).await,
                    None => ractor::Actor::spawn(None, host, seed).await,
                };
                spawned.map_err(|error| Exit::Error { message: error.to_string() })
            });
            let (target, join) = spawned.await.map_err(|_cancelled| Exit::Aborted)??;
            let abort = join.abort_handle();
            let watched = Arc::clone(&life);
            let (watched_addr, me) = (addr.clone(), target.get_id());
            planes.control.spawn(async move {
                let ended = join.await;
                watched.close();
                watched_addr.detach(me);
                if let Err(error) = &ended
                    && !error.is_cancelled()
                {
                    watched.note_exit(Exit::Panic { message: error.to_string(), location: None });
                }
                // Nobody here ended it: ractor kills what a supervisor leaves when its task is aborted.
                watched.note_exit(match ended {
                    Ok(()) => Exit::Killed { by: "the end of its supervisor".to_owned() },
                    Err(_cancelled) => Exit::Aborted,
                });
                watched.pulse().rest();
                tokio::time::timeout(LINGER, async {
                    has_gone.await.ok(); // dropped unsent is gone too
                    watched.tasks_ended().await;
                })
                .await
                .ok(); // a slow drop must not hold the path for ever
                watched.notify(Signal::Exited(watched.take_exit().unwrap_or(Exit::Aborted)));
            });
            Ok(Arc::new(WorkerLever { target, addr, life, abort }) as Arc<dyn Lever>)
        })
    }

    fn mailbox(&self) -> Option<Arc<Mailbox>> {
        Some(Arc::clone(self.addr.mailbox()))
    }

    fn admin_messages(&self) -> Vec<AdminSpec> {
        A::admin_messages()
    }

    fn flags(&self) -> Option<Flags> {
        None
    }
}

struct WorkerLever<M> {
    target: ractor::ActorRef<Envelope<M>>,
    addr: Addr<M>,
    life: Arc<Life>,
    abort: AbortHandle,
}

impl<M: Message> Lever for WorkerLever<M> {
    fn incarnation(&self) -> u64 {
        self.life.incarnation()
    }

    fn stop(&self, _within: Option<Duration>) {
        self.life.ask_stop();
    }

    fn kill(&self, by: &str) {
        self.life.kill(by);
    }

    /// The address lets go of it too: what blocks its thread must not hold those who wait for room in its mailbox.
    fn abort(&self) {
        self.life.note_exit(Exit::Aborted);
        self.abort.abort();
        self.addr.detach(self.target.get_id());
    }

    fn blame(&self, exit: Exit) {
        self.life.note_exit(exit);
    }

    fn look(&self, late: Duration) -> Option<(Reading, Option<String>)> {
        let reading = self.addr.mailbox().pulse(late)?;
        Some((reading, self.life.pulse().in_hand().map(|(label, _)| label.name.to_owned())))
    }

    fn suspend(&self, missing: Arc<[ActorPath]>) {
        self.target.cast(Envelope::Suspend(missing)).ok(); // it has ended: its exit is on the way
    }

    fn resume(&self) {
        self.target.cast(Envelope::Resume).ok(); // it has ended: its exit is on the way
    }

    fn drain(&self, reply: Reply<()>) {
        self.target.cast(Envelope::Drain(reply)).ok(); // it has ended: the dropped reply says so
    }

    fn tasks(&self) -> usize {
        2 + self.life.tasks_alive()
    }

    fn admin(&self, mut call: AdminEnvelope) {
        match Arc::clone(&self.addr.mailbox().admin_permits).try_acquire_owned() {
            Ok(permit) => call.permit = Some(permit),
            Err(_) => {
                let text = format!("{ADMIN_WAITING_MAX} admin messages wait for it already; see what it is handling");
                return call.reply.send(Err(AdminError::refused(text)));
            }
        }
        self.target.cast(Envelope::Admin(call)).ok(); // it has ended: the dropped reply says so
    }
}
