//! One run of the bot: from the configuration to the exit code.

use crate::{
    VERSION,
    config::{self, Loaded, ServiceManager, Sources},
    console,
    exit::{Code, Fatal},
    life::{Companion, Life},
    notify::Notifier,
    reload::Reloader,
    signals,
};
use cog_host::Cog;
use protocol::{
    SystemClock,
    ports::{Capture, Report, ReportLevel},
};
use std::{
    io::IsTerminal,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};
use supervision::{Planes, guarded_sync};
use telemetry::{
    Exporter, Redactor,
    logging::{self, Directives, Format, LogHandle, LogOptions},
    reports::{ReportOptions, SentryGuard},
};
use tokio::runtime::{Builder, Runtime};

/// How long reports under way are waited for at the very end.
const FLUSH: Duration = Duration::from_secs(2);
/// Whom the log knows the control plane's thread by.
const CONTROL_THREAD: &str = "control-plane";

/// What sets a run apart from the ordinary one, which is the default.
#[derive(Default)]
pub struct Start {
    /// Whether the other end is the stand-in for Discord.
    pub sandbox: bool,
    /// What an earlier run left of restart budgets does not count.
    pub ignore_budgets: bool,
    /// Who accompanies the bot from the same process.
    pub companion: Option<Companion>,
    /// Cogs beside the built-in ones.
    pub cogs: Vec<Cog>,
}

/// Runs the bot to its end.
pub fn run(mut sources: Sources, how: Start) -> ExitCode {
    sources.cogs = how.cogs.iter().map(|cog| cog.name().to_owned()).collect();
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
    // A service manager is told of the bot, not of somebody who plays with it.
    let manager =
        if how.sandbox { ServiceManager::default() } else { config::service_manager(&sources, std::process::id()) };
    let notifier = Arc::new(Notifier::new(&manager));
    // Even a mistake of this thread's own ends with a report and the contract's code.
    let ended = guarded_sync(|| start(sources, how, &redactor, &sentry, &notifier));
    match ended
        .unwrap_or_else(|panic| Err(Fatal::new(Code::Internal, format!("the supervisor itself failed: {panic}"))))
    {
        // The way down has flushed the reports within its deadline: what is not delivered by now is not waited for again.
        Ok(code) => {
            sentry.abandon();
            code.into()
        }
        Err(fatal) => {
            notifier.status(&fatal.message); // what `systemctl status` shows of a unit that failed
            fail(&fatal, Some(&sentry))
        }
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
    console::problem(&fatal.message);
    fatal.code.into()
}

fn start(
    sources: Sources,
    how: Start,
    redactor: &Redactor,
    sentry: &SentryGuard,
    notifier: &Arc<Notifier>,
) -> Result<Code, Fatal> {
    let control = runtime(1, CONTROL_THREAD)?;
    let data = runtime(std::thread::available_parallelism().map_or(2, usize::from).max(2), "data-plane")?;
    // From here on a signal is an order, not a death: what comes while the configuration is read waits its turn.
    let wishes = {
        let _on = control.enter();
        let cannot =
            |error| format!("signals cannot be listened to: {error}; raise the limit of open files (ulimit -n)");
        signals::listen().map_err(|error| Fatal::new(Code::Internal, cannot(error)))?
    };
    let begun = Instant::now();
    let loaded = config::load(&sources).map_err(|problems| Fatal::new(Code::Config, problems))?;
    let configured = begun.elapsed();
    if let Some(token) = &loaded.token {
        redactor.hide(token);
    }
    redactor.hide(&loaded.config.database.url);
    let log = log(&loaded, redactor, sentry)?;
    let exporter = Exporter::new(telemetry::CLUSTER, Vec::new())
        .and_then(|exporter| exporter.install().map(|()| exporter))
        .map_err(|error| Fatal::new(Code::Internal, error))?;
    let planes = Planes { control: control.handle().clone(), data: data.handle().clone() };
    let reloader = Reloader::new(sources, loaded.clone(), log.clone());
    let life = Life {
        loaded,
        configured,
        reloader,
        planes,
        log: log.clone(),
        exporter,
        sentry,
        sandbox: how.sandbox,
        ignore_budgets: how.ignore_budgets,
        cogs: how.cogs,
        wishes,
        notifier: Arc::clone(notifier),
    };
    let ended = control.block_on(life.live(how.companion));
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
    Builder::new_multi_thread().worker_threads(workers).thread_name(name).enable_all().build().map_err(|error| {
        let remedy = "raise the limit of threads (ulimit -u, TasksMax= of a unit) or free memory";
        Fatal::new(Code::Internal, format!("no threads to run on: {error}; {remedy}"))
    })
}
