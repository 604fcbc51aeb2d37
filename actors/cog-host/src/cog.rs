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
type TasksHook = dyn Fn(&CogCtx) -> Vec<TaskSpec> + Send + Sync;

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
    pub(crate) tasks: Option<Arc<TasksHook>>,
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
            tasks: None,
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

    /// Declares background tasks: registered when it is loaded, stopped when it is unloaded.
    #[must_use]
    pub fn tasks(mut self, make: impl Fn(&CogCtx) -> Vec<TaskSpec> + Send + Sync + 'static) -> Self {
        self.tasks = Some(Arc::new(make));
        self
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
