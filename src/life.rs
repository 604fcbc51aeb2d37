//! The bot's life: boot, the time until somebody asks for the end, the way down.

use crate::{
    admin::SharedTree,
    boot::{self, Context},
    config::Loaded,
    exit::{Code, Fatal},
    flags::{Flags, Step},
    folder::DataFolder,
    handover,
    kept::Kept,
    notify::{self, Notifier, Word},
    reload::Reloader,
    remembered,
    shutdown::{self, Down, EndReport, Left, Why},
    signals::Wish,
    status::Status,
    system,
};
use cog_host::Cog;
use futures_util::future::BoxFuture;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use supervision::{Planes, Tree};
use telemetry::{Exporter, logging::LogHandle, reports::SentryGuard};
use tokio::sync::{Mutex, mpsc};

/// Orders to stop that may wait; the first one is obeyed.
const STOPS_WAITING: usize = 8;

/// What a run tells whoever started it in-process: `try` shows it.
pub struct Running {
    /// The tree.
    pub tree: Tree,
    /// The process's own account.
    pub status: Arc<Status>,
    /// Asks for a shutdown, with the reason.
    pub stop: mpsc::Sender<String>,
}

/// Who accompanies the bot from the same process: `try`'s prompt.
pub struct Companion {
    /// Runs beside the bot once it is booted, on the data plane; ends the bot through [`Running::stop`].
    pub live: Box<dyn FnOnce(Running) -> BoxFuture<'static, ()> + Send>,
    /// Is told how the bot came down, before the process ends.
    pub told: Box<dyn FnOnce(&EndReport) + Send>,
}

/// How long the last decisions may take to be on the disk, and when a third signal has ended the process.
const SEAL: Duration = Duration::from_secs(1);
const SEAL_FORCED: Duration = Duration::from_millis(200);

/// A process that is ready to boot.
pub struct Life<'a> {
    /// The configuration in force.
    pub loaded: Loaded,
    /// How long reading it took: the first phase of boot.
    pub configured: Duration,
    /// Reads it again.
    pub reloader: Arc<Reloader>,
    /// Where things run.
    pub planes: Planes,
    /// The log.
    pub log: LogHandle,
    /// The metrics recorder, installed.
    pub exporter: Exporter,
    /// Failure reports.
    pub sentry: &'a SentryGuard,
    /// Whether the other end is the stand-in for Discord.
    pub sandbox: bool,
    /// Whether what an earlier run left of restart budgets does not count.
    pub ignore_budgets: bool,
    /// Cogs beside the built-in ones.
    pub cogs: Vec<Cog>,
    /// Signals.
    pub wishes: mpsc::Receiver<Wish>,
    /// The way to the service manager.
    pub notifier: Arc<Notifier>,
}

impl Life<'_> {
    /// Boots, lives, comes down; returns the exit code.
    ///
    /// # Errors
    /// What kept it from booting, or made the tree give up. What had started has been taken down.
    pub async fn live(self, companion: Option<Companion>) -> Result<Code, Fatal> {
        // Outlives everything that may stand in it.
        let folder = Arc::new(DataFolder::default());
        let mut wishes = self.wishes;
        let flags = Arc::new(Flags::default());
        let tree: SharedTree = Arc::new(OnceLock::new());
        let gateway = Arc::new(OnceLock::new());
        let status =
            Status::new(Arc::clone(&flags), Arc::clone(&tree), Arc::clone(&gateway), Arc::clone(&self.notifier));
        // The service manager is told from before the first phase of boot until the way down begins.
        self.notifier.complain();
        let mut told_of_life = Some(Kept::run(
            &self.planes.control,
            "service-manager",
            notify::follow(Arc::clone(&self.notifier), Arc::clone(&status)),
        ));
        // Whichever way it ends: a session that the gateway holds then is left to the next process.
        let data = self.loaded.config.data.dir.clone();
        let held = Arc::clone(&gateway);
        let taking_up = Arc::<Mutex<()>>::default();
        let taken_up = Arc::clone(&taking_up);
        let leave = async move {
            let _taken_up = taken_up.lock().await;
            match held.get() {
                Some(gateway) => handover::leave(gateway.clone(), data).await,
                None => Left::default(),
            }
        };
        let (stop, mut stopped) = mpsc::channel::<String>(STOPS_WAITING);
        let (capture, record) = (self.sentry.capture(), Arc::new(OnceLock::new()));
        let limits = {
            let reloader = Arc::clone(&self.reloader);
            move || reloader.shutdown()
        };
        let context = Context {
            loaded: self.loaded,
            configured: self.configured,
            reloader: Arc::clone(&self.reloader),
            folder: Arc::clone(&folder),
            planes: self.planes.clone(),
            log: self.log,
            exporter: self.exporter,
            capture: self.sentry.capture(),
            sandbox: self.sandbox,
            ignore_budgets: self.ignore_budgets,
            cogs: self.cogs,
            flags: Arc::clone(&flags),
            tree: Arc::clone(&tree),
            status: Arc::clone(&status),
            gateway: Arc::clone(&gateway),
            taking_up,
            record: Arc::clone(&record),
            methods: vec![system::stop_method(stop.clone(), Arc::clone(&tree), limits.clone())],
        };

        // A signal in any phase of boot cancels it; what has started is unwound in reverse.
        let booted = tokio::select! {
            biased;
            why = asked(&mut wishes, &mut stopped, None) => Err(why),
            booted = boot::boot(context) => Ok(booted),
        };
        let (mut told, mut beside, mut failed) = (None, Vec::new(), None);
        let mut gone = false;
        let why = match booted {
            Err(why) => why,
            Ok(Err(fatal)) => {
                let reason = format!("failed boot ({})", fatal.message);
                let code = fatal.code;
                failed = Some(fatal);
                Why { reason, signal: None, code }
            }
            Ok(Ok(kept)) => {
                beside.extend(kept);
                folder.keep();
                let tree = tree.get().ok_or_else(|| Fatal::new(Code::Internal, "booted without a tree"))?;
                if let Some(companion) = companion {
                    let running = Running { tree: tree.clone(), status: Arc::clone(&status), stop };
                    told = Some(companion.told);
                    beside.push(Kept::run(&self.planes.data, "companion", (companion.live)(running)));
                }
                let reload = Some((&self.reloader, &*self.notifier));
                // Or until the tree gives up.
                let (life, down) = (told_of_life.take(), &flags);
                let begins = move || {
                    drop(life);
                    down.mark(Step::ShuttingDown);
                };
                tokio::select! {
                    why = asked(&mut wishes, &mut stopped, reload) => why,
                    exit = shutdown::ended(tree, &limits, &self.notifier, begins) => {
                        let why = shutdown::gave_up(&exit).unwrap_or_else(|| "it ended by itself".to_owned());
                        failed = Some(Fatal::new(Code::Internal, format!("the actor tree gave up: {why}")));
                        gone = true;
                        Why { reason: format!("an escalation ({why})"), signal: None, code: Code::Internal }
                    }
                }
            }
        };
        drop(told_of_life);
        // A service manager that waited for READY in vain ends a start that failed: nobody asked for that end.
        let impatient = why.signal.is_some() && self.notifier.is_on() && !self.notifier.is_ready();
        let mut code = why.code;
        if let Some(tree) = tree.get() {
            let down = Down {
                tree,
                flags: &flags,
                limits: limits(),
                wishes: &mut wishes,
                capture: &capture,
                notifier: &self.notifier,
                record: &record,
                gateway: &gateway,
                planes: &self.planes,
                beside: &beside,
            };
            let report = if gone { down.account(why, leave).await } else { down.run(why, leave).await };
            let orderly = failed.is_none() && !report.forced && !impatient;
            remembered::seal(tree, orderly, if report.forced { SEAL_FORCED } else { SEAL }).await;
            told.into_iter().for_each(|told| told(&report));
            if report.forced {
                code = Code::Forced;
            }
        } else {
            self.notifier.tell(&[Word::Stopping]);
            tracing::info!(target: "shutdown", reason = why.reason, "stopped by {}: nothing had started", why.reason);
        }
        match failed {
            Some(fatal) => Err(fatal),
            None => Ok(code),
        }
    }
}

/// Waits until somebody asks for the end; reloads on the way. A signal that comes while a reload is under way makes one
/// more of it, for what was written meanwhile.
async fn asked(
    wishes: &mut mpsc::Receiver<Wish>,
    stopped: &mut mpsc::Receiver<String>,
    reload: Option<(&Arc<Reloader>, &Notifier)>,
) -> Why {
    let (mut under_way, mut once_more): (Option<BoxFuture<'_, ()>>, bool) = (None, false);
    loop {
        let over = async {
            match &mut under_way {
                Some(reload) => reload.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            wish = wishes.recv() => match (wish, reload) {
                (Some(Wish::Stop(signal)), _) => {
                    return Why { reason: signal.to_owned(), signal: Some(signal), code: Code::Stopped };
                }
                (Some(Wish::Reload), Some(_)) if under_way.is_some() => once_more = true,
                (Some(Wish::Reload), Some((reloader, notifier))) => under_way = Some(Box::pin(again(reloader, notifier))),
                (Some(Wish::Reload), None) => tracing::warn!("not reloaded: boot is under way"),
                (None, _) => std::future::pending().await,
            },
            Some(reason) = stopped.recv() => return Why { reason, signal: None, code: Code::Stopped },
            () = over => {
                under_way = match reload {
                    Some((reloader, notifier)) if std::mem::take(&mut once_more) => Some(Box::pin(again(reloader, notifier))),
                    _ => None,
                };
            }
        }
    }
}

/// Reads the configuration again. The service manager waits for the READY that ends it; before the first one there is
/// nothing to reload in its eyes.
async fn again(reloader: &Arc<Reloader>, notifier: &Notifier) {
    if notifier.is_ready() {
        notifier.tell(&[Word::Reloading(notify::monotonic())]);
    }
    match reloader.signalled().await {
        Err(problems) => tracing::error!("the configuration was not reloaded: {problems}"),
        Ok(_) => tracing::info!("the configuration was reloaded"),
    }
    if notifier.is_ready() {
        notifier.tell(&[Word::Ready]);
    }
}
