//! One run of the bot: from the configuration to the exit code.

use crate::{
    VERSION,
    admin::SharedTree,
    boot::{self, Context},
    config::{self, Loaded, Sources},
    exit::{Code, Fatal},
    flags::Flags,
    reload::Reloader,
    shutdown::{self, EndReport},
    signals::{self, Wish},
    status::Status,
};
use protocol::{
    SystemClock,
    method::{Method, MethodError},
    ports::{Capture, Report, ReportLevel},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::{
    io::IsTerminal,
    process::ExitCode,
    sync::{Arc, OnceLock},
    time::Duration,
};
use supervision::{Planes, Role, Tree};
use telemetry::{
    Exporter, Redactor,
    logging::{self, Directives, Format, LogHandle, LogOptions},
    reports::{ReportOptions, SentryGuard},
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc,
};

/// How long reports under way are waited for at the very end.
const FLUSH: Duration = Duration::from_secs(2);
/// Whom the log knows the control plane's thread by.
const CONTROL_THREAD: &str = "control-plane";

/// What a run tells whoever started it in-process: `try` shows it, tests wait for it.
pub struct Running {
    /// The tree.
    pub tree: Tree,
    /// The process's own account.
    pub status: Arc<Status>,
    /// Asks for a shutdown, with the reason.
    pub stop: mpsc::Sender<String>,
}

/// What runs besides the bot, once it is booted: `try`'s prompt. It gets the running bot and ends it through `stop`.
pub type Companion = Box<dyn FnOnce(Running) -> futures_util::future::BoxFuture<'static, ()> + Send>;

/// Runs the bot to its end.
pub fn run(sources: Sources, sandbox: bool, companion: Option<Companion>) -> ExitCode {
    supervision::install_panic_hook();
    let redactor = Redactor::new();
    let keys = config::sentry_keys(&sources);
    let options = ReportOptions {
        dsn: keys.dsn,
        environment: keys.environment,
        release: format!("impresario@{VERSION}"),
        traces: keys.traces,
        tags: Vec::new(),
        redactor: redactor.clone(),
    };
    // A DSN that is none is one of the configuration's problems; until those are told, nothing is reported.
    let disabled = ReportOptions { dsn: protocol::Secret::new(""), ..options.clone() };
    let sentry = match SentryGuard::start(options).or_else(|_| SentryGuard::start(disabled)) {
        Ok(sentry) => sentry,
        Err(error) => return fail(&Fatal::new(Code::Config, error), None),
    };
    match start(sources, sandbox, companion, &redactor, &sentry) {
        Ok(code) => {
            sentry.flush(FLUSH);
            code.into()
        }
        Err(fatal) => fail(&fatal, Some(&sentry)),
    }
}

/// One clear sentence for whoever started the process, and a report before it ends.
fn fail(fatal: &Fatal, sentry: Option<&SentryGuard>) -> ExitCode {
    if let Some(sentry) = sentry {
        sentry.capture().capture(Report {
            level: ReportLevel::Fatal,
            message: fatal.message.clone(),
            fingerprint: vec!["fatal".into(), (fatal.code as u8).to_string()],
            tags: vec![("exit_code", (fatal.code as u8).to_string())],
        });
        sentry.flush(FLUSH);
    }
    let lines = fatal.message.trim_end();
    eprintln!("impresario: {lines}");
    fatal.code.into()
}

fn start(
    sources: Sources,
    sandbox: bool,
    companion: Option<Companion>,
    redactor: &Redactor,
    sentry: &SentryGuard,
) -> Result<Code, Fatal> {
    let loaded = config::load(&sources).map_err(|problems| Fatal::new(Code::Config, problems))?;
    if let Some(token) = &loaded.token {
        redactor.hide(token);
    }
    redactor.hide(&loaded.config.database.url);
    let log = log(&loaded, redactor, sentry)?;
    let exporter = Exporter::new(telemetry::CLUSTER, Vec::new())
        .and_then(|exporter| exporter.install().map(|()| exporter))
        .map_err(|error| Fatal::new(Code::Internal, error))?;
    let control = runtime(1, CONTROL_THREAD)?;
    let data = runtime(std::thread::available_parallelism().map_or(2, usize::from).max(2), "data-plane")?;
    let planes = Planes { control: control.handle().clone(), data: data.handle().clone() };
    let reloader = Reloader::new(sources, loaded.clone(), log.clone());
    let life = Life { loaded, reloader, planes, log: log.clone(), exporter, sentry, sandbox };
    let ended = control.block_on(life.live(companion));
    // What is still running by now is blocked or unowned: it is left to the end of the process.
    data.shutdown_background();
    control.shutdown_background();
    log.flush(Duration::from_millis(500));
    ended
}

fn log(loaded: &Loaded, redactor: &Redactor, sentry: &SentryGuard) -> Result<LogHandle, Fatal> {
    let wrong = |error: String| Fatal::new(Code::Config, error);
    let telemetry = &loaded.config.telemetry;
    let terminal = std::io::stderr().is_terminal();
    logging::init(LogOptions {
        directives: Directives::parse(&telemetry.log).map_err(|error| wrong(error.to_string()))?,
        format: Format::parse(&telemetry.log_format, terminal).map_err(wrong)?,
        redactor: redactor.clone(),
        clock: Arc::new(SystemClock),
        reports: sentry.is_enabled(),
        traces: sentry.is_enabled() && telemetry.sentry_traces > 0.0,
    })
    .map_err(|error| Fatal::new(Code::Internal, error))
}

fn runtime(workers: usize, name: &str) -> Result<Runtime, Fatal> {
    Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_name(name)
        .enable_all()
        .build()
        .map_err(|error| Fatal::new(Code::Internal, format!("no threads to run on: {error}")))
}

struct Life<'a> {
    loaded: Loaded,
    reloader: Arc<Reloader>,
    planes: Planes,
    log: LogHandle,
    exporter: Exporter,
    sentry: &'a SentryGuard,
    sandbox: bool,
}

impl Life<'_> {
    /// Signals, boot, life, shutdown.
    async fn live(self, companion: Option<Companion>) -> Result<Code, Fatal> {
        let mut wishes = signals::listen().map_err(|error| Fatal::new(Code::Internal, error))?;
        let flags = Arc::new(Flags::default());
        let tree: SharedTree = Arc::new(OnceLock::new());
        let gateway = Arc::new(OnceLock::new());
        let status = Status::new(Arc::clone(&flags), Arc::clone(&tree), Arc::clone(&gateway));
        let (stop, mut stopped) = mpsc::channel::<String>(8);
        let capture: Arc<dyn Capture> = Arc::new(self.sentry.capture());
        let limits = {
            let reloader = Arc::clone(&self.reloader);
            move || reloader.shutdown()
        };
        let context = Context {
            loaded: self.loaded,
            reloader: Arc::clone(&self.reloader),
            planes: self.planes.clone(),
            log: self.log,
            exporter: self.exporter,
            capture: self.sentry.capture(),
            sandbox: self.sandbox,
            flags: Arc::clone(&flags),
            tree: Arc::clone(&tree),
            status: Arc::clone(&status),
            gateway: Arc::clone(&gateway),
            methods: vec![stop_method(stop.clone(), Arc::clone(&tree), limits.clone()), ping_method(gateway)],
        };

        // A signal in any phase of boot cancels it; what has started is unwound in reverse.
        let reason = tokio::select! {
            booted = boot::boot(context) => match booted {
                Ok(()) => None,
                Err(fatal) => {
                    if let Some(tree) = tree.get() {
                        let reason = format!("failed boot ({})", fatal.message);
                        shutdown::run(tree, &flags, limits(), &reason, &mut wishes, &capture).await;
                    }
                    return Err(fatal);
                }
            },
            reason = asked(&mut wishes, &mut stopped, None) => Some(reason),
        };
        let Some(tree) = tree.get() else { return Ok(Code::Stopped) };
        let reason = match reason {
            Some(reason) => reason,
            None => {
                if let Some(companion) = companion {
                    let running = Running { tree: tree.clone(), status: Arc::clone(&status), stop };
                    tokio::spawn(companion(running));
                }
                tokio::select! {
                    reason = asked(&mut wishes, &mut stopped, Some(&self.reloader)) => reason,
                    exit = tree.ended() => {
                        let why = shutdown::gave_up(&exit).unwrap_or_else(|| "it ended by itself".to_owned());
                        return Err(Fatal::new(Code::Internal, format!("the actor tree gave up: {why}")));
                    }
                }
            }
        };
        let report = shutdown::run(tree, &flags, limits(), &reason, &mut wishes, &capture).await;
        show(&report, self.sandbox);
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

/// The end report where a person looks at it; everybody else has it in the log.
fn show(report: &EndReport, interactive: bool) {
    if interactive {
        for line in report.lines() {
            println!("{line}");
        }
    }
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Stop {
    /// Only tell the order and the deadlines.
    #[serde(default)]
    plan: bool,
}

fn stop_method(
    stop: mpsc::Sender<String>,
    tree: SharedTree,
    limits: impl Fn() -> shutdown::Limits + Send + Sync + 'static,
) -> Method {
    let about = "Stops the bot in order; with plan it only tells the order and the deadlines.";
    Method::write("system.shutdown", Role::Admin, about, move |asked: Stop, peer| {
        let stop = stop.clone();
        let plan = tree.get().map(|tree| shutdown::plan(tree, limits()));
        async move {
            if asked.plan {
                return plan.ok_or_else(|| MethodError::refused("the tree is not up yet"));
            }
            let reason = format!("admin (uid {})", peer.uid);
            stop.try_send(reason).map_err(|_full| MethodError::refused("it is shutting down already"))?;
            Ok(json!({ "stopping": true }))
        }
    })
}

fn ping_method(gateway: Arc<OnceLock<gateway::Gateway>>) -> Method {
    Method::read("system.ping", "The gateway's heartbeat round trip.", move |_: protocol::method::NoParams, _| {
        let latency = gateway.get().and_then(gateway::Gateway::latency);
        async move { Ok(json!({ "gateway_ms": latency.map(|latency| latency.as_secs_f64() * 1e3) })) }
    })
}
