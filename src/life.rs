//! The bot's life: boot, the time until somebody asks for the end, the way down.

use crate::{
    admin::SharedTree,
    boot::{self, Context},
    config::Loaded,
    exit::{Code, Fatal},
    flags::Flags,
    folder::DataFolder,
    handover,
    kept::Kept,
    reload::Reloader,
    shutdown::{self, EndReport},
    signals::Wish,
    status::Status,
    system,
};
use protocol::ports::Capture;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use supervision::{Planes, Tree};
use telemetry::{Exporter, logging::LogHandle, reports::SentryGuard};
use tokio::sync::mpsc;

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
    pub live: Box<dyn FnOnce(Running) -> futures_util::future::BoxFuture<'static, ()> + Send>,
    /// Is told how the bot came down, before the process ends.
    pub told: Box<dyn FnOnce(&EndReport) + Send>,
}

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
    /// Signals.
    pub wishes: mpsc::Receiver<Wish>,
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
        let status = Status::new(Arc::clone(&flags), Arc::clone(&tree), Arc::clone(&gateway));
        // Whichever way it ends: a session that the gateway holds then is left to the next process.
        let data = self.loaded.config.data.dir.clone();
        let held = Arc::clone(&gateway);
        let leave = async move {
            if let Some(gateway) = held.get() {
                handover::leave(gateway.clone(), data).await;
            }
        };
        let (stop, mut stopped) = mpsc::channel::<String>(STOPS_WAITING);
        let capture: Arc<dyn Capture> = Arc::new(self.sentry.capture());
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
            flags: Arc::clone(&flags),
            tree: Arc::clone(&tree),
            status: Arc::clone(&status),
            gateway,
            methods: vec![system::stop_method(stop.clone(), Arc::clone(&tree), limits.clone())],
        };

        // A signal in any phase of boot cancels it; what has started is unwound in reverse.
        let booted = tokio::select! {
            biased;
            reason = asked(&mut wishes, &mut stopped, None) => Err(reason),
            booted = boot::boot(context) => Ok(booted),
        };
        let (mut told, mut beside) = (None, Vec::new());
        let reason = match booted {
            Err(reason) => reason,
            Ok(Err(fatal)) => {
                if let Some(tree) = tree.get() {
                    let reason = format!("failed boot ({})", fatal.message);
                    shutdown::run(tree, &flags, limits(), &reason, &mut wishes, &capture, leave).await;
                }
                return Err(fatal);
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
                tokio::select! {
                    reason = asked(&mut wishes, &mut stopped, Some(&self.reloader)) => reason,
                    exit = tree.ended() => {
                        let why = shutdown::gave_up(&exit).unwrap_or_else(|| "it ended by itself".to_owned());
                        let reason = format!("an escalation ({why})");
                        let report = shutdown::account(tree, &reason, &capture, leave).await;
                        told.into_iter().for_each(|told| told(&report));
                        return Err(Fatal::new(Code::Internal, format!("the actor tree gave up: {why}")));
                    }
                }
            }
        };
        let Some(tree) = tree.get() else { return Ok(Code::Stopped) };
        let report = shutdown::run(tree, &flags, limits(), &reason, &mut wishes, &capture, leave).await;
        told.into_iter().for_each(|told| told(&report));
        Ok(report.code())
    }
}

/// Waits until somebody asks for the end; reloads on the way.
async fn asked(
    wishes: &mut mpsc::Receiver<Wish>,
    stopped: &mut mpsc::Receiver<String>,
    reloader: Option<&Arc<Reloader>>,
) -> String {
    loop {
        tokio::select! {
            wish = wishes.recv() => match wish {
                Some(Wish::Stop(signal)) => return signal.to_owned(),
                Some(Wish::Reload) => match reloader.map(|reloader| reloader.reload(false)) {
                    Some(Err(problems)) => tracing::error!("the configuration was not reloaded: {problems}"),
                    Some(Ok(_)) => tracing::info!("the configuration was reloaded"),
                    None => tracing::warn!("not reloaded: boot is under way"),
                },
                None => std::future::pending().await,
            },
            Some(reason) = stopped.recv() => return reason,
        }
    }
}
