//! A cog: a manifest, and the functions it names.

use crate::{command::Command, context::CogCtx, reply::Failure};
use protocol::{BoxFuture, Dispatch, EventKind, KindSet, task::TaskSpec};
use serde::Serialize;
use std::{any::Any, fmt, sync::Arc};

/// Order of loading: higher first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// After everything else.
    Low,
    /// The default.
    Normal,
    /// Before the others.
    High,
}

/// What a cog may reach. Built-in cogs are trusted: for them it is documentation that `cogs.show` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Sends messages.
    SendMessages,
    /// Reads and writes the database.
    Database,
    /// Speaks to the actor tree.
    Tree,
    /// Registers background tasks.
    Tasks,
}

/// A setting of a cog: a key of `[cogs.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The key.
    pub key: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Without it the cog is skipped.
    pub required: bool,
}

pub(crate) type State = Arc<dyn Any + Send + Sync>;
type Hook = dyn for<'a> Fn(&'a CogCtx) -> BoxFuture<'a, Result<(), Failure>> + Send + Sync;
type EventHook = dyn for<'a> Fn(&'a CogCtx, &'a Dispatch) -> BoxFuture<'a, Result<(), Failure>> + Send + Sync;
type Equip = dyn Fn(&CogCtx, TaskSpec) -> Option<TaskSpec> + Send + Sync;

/// A background task of a manifest.
#[derive(Clone)]
pub(crate) struct DeclaredTask {
    pub(crate) spec: TaskSpec,
    /// Makes it work; none: the cog's own code registers it when it wants to.
    pub(crate) equip: Option<Arc<Equip>>,
}

/// A cog: what it is called, what it offers and how it lives. Built once; its state is made anew at each load.
#[derive(Clone)]
pub struct Cog {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) priority: Priority,
    pub(crate) optional: bool,
    pub(crate) settings: Vec<Setting>,
    pub(crate) capabilities: Vec<Capability>,
    pub(crate) commands: Vec<Command>,
    pub(crate) events: KindSet,
    pub(crate) members: bool,
    pub(crate) state: Arc<dyn Fn() -> State + Send + Sync>,
    pub(crate) load: Option<Arc<Hook>>,
    pub(crate) unload: Option<Arc<Hook>>,
    pub(crate) on_event: Option<Arc<EventHook>>,
    pub(crate) tasks: Vec<DeclaredTask>,
}

impl Cog {
    /// A cog without anything yet. `name` is lower case and becomes the path `cog-host/<name>`.
    pub fn new(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            about,
            priority: Priority::Normal,
            optional: false,
            settings: Vec::new(),
            capabilities: Vec::new(),
            commands: Vec::new(),
            events: KindSet::default(),
            members: false,
            state: Arc::new(|| Arc::new(())),
            load: None,
            unload: None,
            on_event: None,
            tasks: Vec::new(),
        }
    }

    /// Its place in the order of loading.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// The boot goes on when it cannot be loaded.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Adds a setting.
    #[must_use]
    pub fn setting(mut self, setting: Setting) -> Self {
        self.settings.push(setting);
        self
    }

    /// Adds capabilities.
    #[must_use]
    pub fn capabilities(mut self, capabilities: &[Capability]) -> Self {
        self.capabilities.extend(capabilities);
        self
    }

    /// Adds a command.
    #[must_use]
    pub fn command(mut self, command: Command) -> Self {
        self.commands.push(command);
        self
    }

    /// What it keeps while it is loaded; [`crate::Ctx::state`] and [`CogCtx::state`] give it back.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(mut self, make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        self.state = Arc::new(move || Arc::new(make()));
        self
    }

    /// Runs when it is loaded, within a deadline; a failure fails the load.
    #[must_use]
    pub fn on_load(
        mut self,
        hook: impl for<'a> Fn(&'a CogCtx) -> BoxFuture<'a, Result<(), Failure>> + Send + Sync + 'static,
    ) -> Self {
        self.load = Some(Arc::new(hook));
        self
    }

    /// Runs when it is unloaded, within a deadline; a failure is logged.
    #[must_use]
    pub fn on_unload(
        mut self,
        hook: impl for<'a> Fn(&'a CogCtx) -> BoxFuture<'a, Result<(), Failure>> + Send + Sync + 'static,
    ) -> Self {
        self.unload = Some(Arc::new(hook));
        self
    }

    /// Subscribes to `kinds`: the hook runs for each such event, started in gateway order within a guild.
    #[must_use]
    pub fn on_events(
        mut self,
        kinds: &[EventKind],
        hook: impl for<'a> Fn(&'a CogCtx, &'a Dispatch) -> BoxFuture<'a, Result<(), Failure>> + Send + Sync + 'static,
    ) -> Self {
        self.events = KindSet::of(kinds);
        self.on_event = Some(Arc::new(hook));
        self
    }

    /// Reads members from the gateway's cache ([`crate::Ctx::member`]): they are kept, up to `[gateway].members_max`, and
    /// the privileged intent for members is asked for.
    #[must_use]
    pub fn reads_members(mut self) -> Self {
        self.members = true;
        self
    }

    /// Declares a background task: registered when the cog is loaded, stopped when it is unloaded. `spec` is known, and
    /// judged under the rules of the configuration, before anything starts; `equip` is given it at each load and says what a
    /// run does ([`TaskSpec::doing`]), for whom and on which conditions. None: as the cog is set there is no such task.
    #[must_use]
    pub fn task(
        mut self,
        spec: TaskSpec,
        equip: impl Fn(&CogCtx, TaskSpec) -> Option<TaskSpec> + Send + Sync + 'static,
    ) -> Self {
        self.tasks.push(DeclaredTask { spec, equip: Some(Arc::new(equip)) });
        self
    }

    /// Declares a task that the cog's own code registers while it runs ([`crate::Ctx::tasks`]): known as early as the others.
    #[must_use]
    pub fn task_at_run_time(mut self, spec: TaskSpec) -> Self {
        self.tasks.push(DeclaredTask { spec, equip: None });
        self
    }

    /// The background tasks that it declares.
    pub fn declared_tasks(&self) -> impl Iterator<Item = &TaskSpec> {
        self.tasks.iter().map(|task| &task.spec)
    }

    /// The keys that `[cogs.NAME]` may hold beside `enabled`.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Debug for Cog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cog").field("name", &self.name).field("commands", &self.commands).finish_non_exhaustive()
    }
}
