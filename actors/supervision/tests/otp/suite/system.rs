//! What the suite asks of a supervision library.

use super::puppet::Puppets;
use std::time::Duration;

/// Which children follow one that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    OneForOne,
    OneForAll,
    RestForOne,
    /// OTP's `simple_one_for_one`.
    Dynamic,
}

/// Whether a supervisor ends with its significant children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AutoShutdown {
    Never,
    Any,
    All,
}

/// A supervisor's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flags {
    pub(crate) strategy: Strategy,
    pub(crate) intensity: u32,
    pub(crate) period: Duration,
    pub(crate) auto_shutdown: AutoShutdown,
}

impl Flags {
    /// `strategy`, OTP's tests' usual intensity of 2 in an hour, never an `auto_shutdown`.
    pub(crate) fn new(strategy: Strategy) -> Self {
        Self { strategy, intensity: 2, period: Duration::from_secs(3600), auto_shutdown: AutoShutdown::Never }
    }

    /// Another intensity, in the same hour.
    pub(crate) fn intensity(mut self, intensity: u32) -> Self {
        self.intensity = intensity;
        self
    }

    pub(crate) fn auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Self {
        self.auto_shutdown = auto_shutdown;
        self
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restart {
    Permanent,
    Transient,
    Temporary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shutdown {
    Brutal,
    Within(Duration),
    Infinity,
}

/// A child specification.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) id: String,
    pub(crate) restart: Restart,
    /// None: the library's default.
    pub(crate) shutdown: Option<Shutdown>,
    pub(crate) significant: bool,
    /// How long its start may take; none: the library's default.
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) body: Body,
}

/// What a child is.
#[derive(Clone)]
pub(crate) enum Body {
    Worker(super::puppet::Manners),
    Supervisor(Flags, Vec<Spec>),
}

impl Spec {
    /// A permanent worker that does as it is told.
    pub(crate) fn worker(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            restart: Restart::Permanent,
            shutdown: None,
            significant: false,
            start_timeout: None,
            body: Body::Worker(super::puppet::Manners::default()),
        }
    }

    /// A permanent supervisor.
    pub(crate) fn supervisor(id: &str, flags: Flags, children: Vec<Spec>) -> Self {
        Self { body: Body::Supervisor(flags, children), ..Self::worker(id) }
    }

    pub(crate) fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    pub(crate) fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = Some(shutdown);
        self
    }

    pub(crate) fn significant(mut self) -> Self {
        self.significant = true;
        self
    }

    pub(crate) fn manners(mut self, manners: super::puppet::Manners) -> Self {
        self.body = Body::Worker(manners);
        self
    }
}

/// How something ended, in OTP's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Exit {
    Normal,
    /// `shutdown` and `{shutdown, _}`.
    Shutdown,
    Killed,
    /// Anything else, as text.
    Abnormal(String),
}

/// Why an order was refused, in OTP's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    AlreadyStarted,
    AlreadyPresent,
    NotFound,
    Running,
    Restarting,
    /// The child did not start, as text.
    StartFailed(String),
    /// The specification does not hold, as text.
    BadSpec(String),
    Other(String),
}

/// What became of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Started {
    Up,
    /// The child said that it is not needed (`{ok, undefined}`).
    Ignored,
}

/// Where a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// A pid.
    Up,
    /// `undefined`.
    Down,
    /// `restarting`.
    Restarting,
}

/// OTP's `count_children`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) specs: usize,
    pub(crate) active: usize,
    pub(crate) supervisors: usize,
    pub(crate) workers: usize,
}

/// What can be read of a child specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) restart: Restart,
    pub(crate) shutdown: Shutdown,
    pub(crate) significant: bool,
    pub(crate) is_supervisor: bool,
}

/// A way in which a worker ends itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Normal,
    Shutdown,
    /// `{shutdown, Info}`.
    ShutdownInfo,
    /// Returns an error.
    Error,
    /// Returns an error with [`LONG`] lines to it.
    LongError,
    /// Crashes.
    Panic,
}

/// So many lines has the error of [`How::LongError`], each of them `told to fail`.
pub(crate) const LONG: usize = 100_000;

/// Says that the library has no notion of `what`: the case counts as not offered.
pub(crate) fn not_offered(what: &'static str) -> ! {
    std::panic::panic_any(super::runner::NotOffered(what))
}

/// A library under test: one tree, its root the supervisor that most cases are about. A supervisor's path is `""` for
/// the root, else `sub` or `sub/sub`; a child's path is `child` or `sub/child`.
pub(crate) trait System: Sized + 'static {
    /// Starts the root supervisor and waits until it is up.
    async fn start(flags: Flags, children: Vec<Spec>, puppets: &Puppets) -> Result<Self, Exit>;
    async fn start_child(&self, supervisor: &str, spec: Spec) -> Result<Started, Refusal>;
    /// Adds a child called `id` that claims a name which `taken` has.
    async fn start_elsewhere(&self, supervisor: &str, id: &str, taken: &str) -> Result<Started, Refusal> {
        let _ = (supervisor, id, taken);
        not_offered("names that others may have")
    }
    async fn terminate_child(&self, path: &str) -> Result<(), Refusal>;
    async fn restart_child(&self, path: &str) -> Result<Started, Refusal>;
    async fn delete_child(&self, path: &str) -> Result<(), Refusal>;
    /// Children in start order.
    async fn which_children(&self, supervisor: &str) -> Vec<(String, State)>;
    /// Whether it shows that a child is between two incarnations ([`State::Restarting`]); if not, it is not offered.
    fn shows_restarts(&self) {}
    async fn count_children(&self, supervisor: &str) -> Counts;
    async fn get_childspec(&self, path: &str) -> Option<Rules>;
    /// Gives the supervisor a new list of children and new flags while it runs (`code_change`). Those that the list leaves
    /// out are kept.
    async fn respecify(&self, supervisor: &str, flags: Flags, children: Vec<Spec>) -> Result<(), Refusal> {
        let _ = (supervisor, flags, children);
        not_offered("a new list of children for a supervisor that runs")
    }
    /// What has been written down about `path`, the oldest first: one text for each, with everything it says.
    async fn reports(&self, path: &str) -> Vec<String> {
        let _ = path;
        not_offered("reports")
    }
    /// Asks the worker at `path` to end itself. Returns at once.
    async fn exit(&self, path: &str, how: How);
    /// Makes the worker at `path` block its thread for `time`. Returns once it does.
    async fn block(&self, path: &str, time: Duration);
    /// Kills the worker or supervisor at `path`. Returns at once.
    async fn kill(&self, path: &str);
    /// Asks the root to stop. Returns at once.
    fn stop(&self);
    /// Waits until the root is gone.
    async fn ended(&self) -> Exit;
    /// Whether the root is gone.
    fn has_ended(&self) -> bool;
}
