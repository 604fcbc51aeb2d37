//! One child of the root: added, waited for, and what its failure means for boot.

use crate::{
    exit::{Code, Fatal},
    status::Status,
};
use std::sync::Arc;
use supervision::{ActorPath, ChildSpec, Criticality, Exit, OrderError, Tree, Verb, core::Refusal};

/// Children that do not stay parked over a start: without the first no operator could start anything, and boot itself
/// asks Discord through the second.
const NEEDED: [&str; 2] = ["control", "rest"];

/// What became of a child that was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Added {
    /// It is up.
    Up,
    /// Boot goes on without it, and why it is not up.
    Without(String),
}

impl Added {
    /// Why it is not up, if it is not.
    pub(super) fn missing(&self) -> Option<&str> {
        match self {
            Self::Up => None,
            Self::Without(why) => Some(why),
        }
    }
}

/// Adds children to the root.
pub(super) struct Builder {
    pub(super) tree: Tree,
    /// Shows who was refused.
    pub(super) status: Arc<Status>,
}

impl Builder {
    /// Adds one child and waits until it is up. One that is not required may fail: its restart rule goes on. It may be
    /// refused too, and then it is not in the tree: `status` says so for as long as this process lives.
    pub(super) async fn add(&self, spec: ChildSpec) -> Result<Added, Fatal> {
        let id = spec.policy().id.clone();
        let (required, criticality) = (spec.policy().required, spec.policy().criticality);
        let refusal = match self.tree.start_child(&ActorPath::root(), spec).await {
            Ok(_) => return Ok(Added::Up),
            Err(OrderError::Refused { refusal, .. }) => refusal,
            Err(error) if required => return Err(Fatal::new(Code::Internal, error)),
            Err(error) => return Ok(self.refused(&id, &error.to_string(), AGAIN, criticality)),
        };
        match refusal {
            Refusal::Parked { reason } if NEEDED.contains(&id.as_str()) => {
                tracing::warn!("{id} was left parked by the process before ({reason}); boot needs it: it is started");
                let path = ActorPath::root().child(&id);
                match self.tree.order(&path, Verb::Start, None, false).await {
                    Ok(_) => Ok(Added::Up),
                    Err(OrderError::Refused { refusal: Refusal::StartFailed { exit }, .. }) => {
                        Err(not_started(&id, &exit))
                    }
                    Err(error) => Err(Fatal::new(Code::Internal, error)),
                }
            }
            Refusal::Parked { reason } => {
                Ok(Added::Without(format!("it stays parked, as the process before left it: {reason}")))
            }
            Refusal::StartFailed { exit } if required => Err(not_started(&id, &exit)),
            Refusal::StartFailed { exit } => Ok(Added::Without(reason(&exit))),
            // What it is declared with holds, so this is about rules that were laid over it.
            Refusal::BadSpec { reason } => {
                let remedy = format!("see to [supervision.{id}] and to whom its needs lead");
                match required {
                    true => Err(Fatal::new(Code::Config, format!("{id} cannot live by its rules: {reason}; {remedy}"))),
                    false => Ok(self.refused(&id, &reason, &format!("{remedy}, and restart"), criticality)),
                }
            }
            other if required => {
                Err(Fatal::new(Code::Internal, format!("{id} was refused: {other}; {}", helps(&other))))
            }
            other => Ok(self.refused(&id, &other.to_string(), helps(&other), criticality)),
        }
    }

    /// It will not be in the tree: said, and shown by `status` for as long as the process lives.
    fn refused(&self, id: &str, why: &str, remedy: &str, criticality: Criticality) -> Added {
        tracing::error!(actor = id, error = why, "{id} was refused, and the bot runs without it: {why}; {remedy}");
        let sentence = format!("{id} is not there: {why}; {remedy}");
        self.status.left_out.note(sentence, criticality != Criticality::Optional);
        if let Some(tasks) = self.status.tasks.get().filter(|_| id == task_supervisor::PATH) {
            tasks.leave_out(&format!("{why}; {remedy}")); // its tasks are not about to come
        }
        Added::Without(why.to_owned())
    }
}

/// What helps where no configuration is at fault.
const AGAIN: &str = "restart the process; the log has the whole story: please report it with that if it comes again";

/// What helps against a refusal that no rule is behind.
fn helps(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::ShuttingDown | Refusal::Stopping => "the process is going down: start it again",
        _ => AGAIN,
    }
}

/// A required child did not come up: the database is a vital dependency (69), anything else is ours (70).
fn not_started(id: &str, exit: &Exit) -> Fatal {
    let code = if id == "database" { Code::Unavailable } else { Code::Internal };
    Fatal::new(code, format!("{id} cannot start: {}{}", reason(exit), remedy(id, exit)))
}

/// What to do about it, where the reason does not say so itself.
fn remedy(id: &str, exit: &Exit) -> String {
    match exit {
        _ if id == "database" => String::new(), // its sentences name what to do
        Exit::StartFailed { child: Some(cog), .. } if id == cog_host::PATH && cog != cog_host::DISPATCH => {
            format!("; mend that, or leave the cog out with enabled = false below [cogs.{cog}]")
        }
        _ => "; the log has the whole story: please report it with that".to_owned(),
    }
}

/// The innermost cause, without the words that only say that something failed.
fn reason(exit: &Exit) -> String {
    match exit {
        Exit::StartFailed { cause, child: None } => reason(cause),
        Exit::StartFailed { cause, child: Some(child) } => format!("{child}: {}", reason(cause)),
        Exit::Fatal { message } | Exit::Error { message } => message.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::ServiceManager, notify::Notifier};
    use protocol::task::{Schedule, TaskSpec, Tasks};
    use std::{collections::BTreeMap, time::Duration};
    use supervision::{Actor, Addr, Ctx, Failure, NoObserver, Planes, Strategy};
    use task_supervisor::TaskRegistry;
    use tokio::sync::watch;

    struct Quiet;

    impl Actor for Quiet {
        type Msg = ();

        async fn handle(&mut self, (): (), _: &Ctx<Self>) -> Result<(), Failure> {
            Ok(())
        }
    }

    fn quiet_status() -> Arc<Status> {
        let notifier = Arc::new(Notifier::new(&ServiceManager::default()));
        Status::new(Arc::default(), Arc::default(), Arc::default(), notifier)
    }

    /// A root whose child `database` needs `gateway`, and what boot makes of that one, which needs `database`.
    async fn in_a_circle(declare: impl FnOnce(ChildSpec) -> ChildSpec) -> (Result<Added, Fatal>, Arc<Status>) {
        let worker = |path| ChildSpec::worker(&Addr::new(path, 8), || Quiet);
        let (planes, flags) = (Planes::single(), supervision::Flags::new(Strategy::OneForOne));
        let children = vec![worker("database").needs(["gateway"])];
        let tree = Tree::start(planes, flags, children, Arc::new(NoObserver)).await.unwrap();
        tree.started().await.unwrap();
        let status = quiet_status();
        let builder = Builder { tree: tree.clone(), status: Arc::clone(&status) };
        (builder.add(declare(worker("gateway").needs(["database"]))).await, status)
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_refused_is_said_not_to_be_up_and_status_names_it_with_the_reason() {
        let (added, status) = in_a_circle(|gateway| gateway.criticality(Criticality::Important)).await;
        let why = "its needs go in a circle: gateway needs database, that needs gateway";
        assert_eq!(added.as_ref().map(Added::missing), Ok(Some(why)));
        let said = status.degraded();
        assert!(said.iter().any(|said| said.starts_with("gateway is not there: its needs go in a circle")), "{said:?}");
        assert!(!status.is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn what_helps_against_a_refusal_is_told_by_its_kind() {
        let optional = |gateway: ChildSpec| gateway.criticality(Criticality::Optional);
        let (_, status) = in_a_circle(optional).await;
        let said = status.degraded().join("; ");
        assert!(said.contains("see to [supervision.gateway] and to whom its needs lead, and restart"), "{said}");

        let (planes, flags) = (Planes::single(), supervision::Flags::new(Strategy::OneForOne));
        let spec = || ChildSpec::worker(&Addr::new("telemetry", 8), || Quiet).criticality(Criticality::Optional);
        let tree = Tree::start(planes, flags, vec![spec()], Arc::new(NoObserver)).await.unwrap();
        tree.started().await.unwrap();
        let status = quiet_status();
        let builder = Builder { tree: tree.clone(), status: Arc::clone(&status) };
        assert_eq!(builder.add(spec()).await.unwrap().missing(), Some("it is running already"));
        let fatal = builder.add(spec().required(true)).await.unwrap_err();
        assert_eq!(fatal.code, Code::Internal);
        for said in [status.degraded().join("; "), fatal.message] {
            let whole = said.contains("it is running already; restart the process") && said.contains("report it");
            assert!(whole && !said.contains("configuration") && !said.contains("supervision."), "{said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_are_not_well_where_the_task_supervisor_was_left_out() {
        let (_ready, is_ready) = watch::channel(true);
        let registry = TaskRegistry::new(BTreeMap::new(), is_ready);
        let hourly = Schedule::Every(Duration::from_secs(3_600));
        registry.register(TaskSpec::declared("test", "beat", hourly)).await.unwrap();
        let worker = |path| ChildSpec::worker(&Addr::new(path, 8), || Quiet);
        let (planes, flags) = (Planes::single(), supervision::Flags::new(Strategy::OneForOne));
        let children = vec![worker("database").needs([task_supervisor::PATH])];
        let tree = Tree::start(planes, flags, children, Arc::new(NoObserver)).await.unwrap();
        tree.started().await.unwrap();
        registry.attach(tree.clone());
        let status = quiet_status();
        status.tasks.set(Arc::clone(&registry)).ok();
        assert_eq!(registry.statistics().healthy, 1, "it may yet come");
        let child = task_supervisor::child(Duration::from_secs(60), &registry).needs(["database"]);
        let builder = Builder { tree, status };
        let why = "its needs go in a circle: task-supervisor needs database, that needs task-supervisor";
        assert_eq!(builder.add(child).await.unwrap().missing(), Some(why));
        let figures = registry.statistics();
        assert_eq!((figures.healthy, figures.health["parked"]), (0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_refused_and_required_ends_boot_with_78() {
        let fatal = in_a_circle(|gateway| gateway).await.0.unwrap_err();
        assert_eq!(fatal.code, Code::Config);
        assert!(fatal.message.contains("circle") && fatal.message.contains("[supervision.gateway]"), "{fatal}");
    }

    #[test]
    fn a_cog_that_cannot_start_is_named_with_the_key_that_leaves_it_out() {
        let cause = Box::new(Exit::Error { message: "no table".into() });
        let exit = Exit::StartFailed { child: Some("info".into()), cause };
        let fatal = not_started(cog_host::PATH, &exit);
        assert_eq!(fatal.code, Code::Internal);
        assert!(fatal.message.starts_with("cog-host cannot start: info: no table; mend that"), "{fatal}");
        assert!(fatal.message.contains("enabled = false below [cogs.info]"), "{fatal}");
    }

    #[test]
    fn the_database_says_itself_what_to_do_and_is_69() {
        let exit = Exit::Fatal { message: "it is away: start it".into() };
        let fatal = not_started("database", &exit);
        assert_eq!(
            (fatal.code, fatal.message.as_str()),
            (Code::Unavailable, "database cannot start: it is away: start it")
        );
        let other = not_started("gateway", &exit);
        assert!(other.code == Code::Internal && other.message.contains("report it"), "{other}");
    }
}
