//! Runs one invocation: judged, bounded in time, its panic contained, its end told to the user and counted.

use crate::{
    actors::CogMsg,
    args::ArgError,
    call::Call,
    cell::{Absence, CogCell},
    context::{Ctx, Invocation},
    guard::judge,
    host::Shared,
    reply::{Failure, Outcome, Reply},
    responder::Responder,
};
use metering::commands::{CommandOutcome, Surface};
use protocol::{
    EventKind,
    ports::{Report, ReportLevel},
};
use std::{
    future::Future,
    hash::{BuildHasher, Hasher, RandomState},
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};
use supervision::{Exit, guarded};
use tokio::time::Instant;

/// Runs `call` to its end.
pub(crate) async fn run(shared: Arc<Shared>, call: Box<Call>) {
    let outcome = attempt(&shared, &call).await;
    let surface = if call.responder.is_interaction() { Surface::Slash } else { Surface::Prefix };
    let seconds = call.invocation.received.elapsed().as_secs_f64();
    metering::commands::finished(surface, call.runnable.cog(), &call.runnable.metric, outcome, seconds);
    tracing::debug!(
        command = call.runnable.path,
        outcome = outcome.name(),
        guild.id = call.invocation.guild.map(|guild| guild.get()),
        "a command ended"
    );
}

async fn attempt(shared: &Arc<Shared>, call: &Call) -> CommandOutcome {
    let runnable = &call.runnable;
    let state = match runnable.cell.state() {
        Ok(state) => state,
        Err(absence) => {
            let what = match absence {
                Absence::Down => "is not available at the moment; try again shortly.",
                Absence::Off => "is switched off.",
            };
            complain(shared, call, format!("`{}` {what}", runnable.path)).await;
            return CommandOutcome::Unavailable;
        }
    };
    if let Some(denial) = judge(&runnable.guard, &call.caller, &shared.access).denial() {
        complain(shared, call, denial.because.clone()).await;
        return CommandOutcome::Refused;
    }
    let values = match &call.values {
        Ok(values) => values.clone(),
        Err(error) => {
            complain(shared, call, bad_argument(call, error)).await;
            return CommandOutcome::Refused;
        }
    };
    runnable.cell.invocations.fetch_add(1, Relaxed);
    let ctx = Ctx {
        services: Arc::clone(&shared.services),
        invocation: Arc::clone(&call.invocation),
        responder: Arc::clone(&call.responder),
        catalogue: Arc::clone(&shared.catalogue),
        access: Arc::clone(&shared.access),
        caller: call.caller,
        cell: Arc::clone(&runnable.cell),
        state,
    };
    // Making the future already runs code of the cog's.
    let work = guarded(async { (runnable.run)(ctx, values).await });
    match tokio::time::timeout(runnable.deadline, work).await {
        Ok(Ok(outcome)) => conclude(shared, call, outcome).await,
        Ok(Err(exit)) => panicked(shared, call, &exit).await,
        Err(_) => {
            tracing::warn!(
                command = runnable.path,
                deadline_ms = protocol::millis(runnable.deadline),
                "a command was cut off"
            );
            let text = format!("`{}` took longer than {} and was cut off.", runnable.path, seconds(runnable.deadline));
            complain(shared, call, text).await;
            CommandOutcome::Deadline
        }
    }
}

async fn conclude(shared: &Arc<Shared>, call: &Call, outcome: Outcome) -> CommandOutcome {
    match outcome {
        Ok(reply) => deliver(call, &reply).await,
        Err(Failure::Refused(sentence)) => {
            complain(shared, call, sentence).await;
            CommandOutcome::Refused
        }
        Err(Failure::Unavailable { what, retry_after, error_type }) => {
            complain(shared, call, format!("{what} Try again in {}.", seconds(retry_after))).await;
            CommandOutcome::Failed { error_type }
        }
        Err(Failure::Internal { message, error_type }) => {
            let incident = incident();
            let command = call.runnable.path.as_str();
            tracing::error!(command, cog = call.runnable.cog(), incident, error_type, message, "a command failed");
            let fingerprint = vec!["command-failure".to_owned(), command.to_owned(), error_type.to_owned()];
            report(shared, call, format!("{command} failed: {message}"), fingerprint, &incident);
            complain(shared, call, went_wrong(&incident)).await;
            CommandOutcome::Failed { error_type }
        }
    }
}

async fn deliver(call: &Call, reply: &Reply) -> CommandOutcome {
    if reply.is_none() {
        if call.responder.is_interaction() && !call.responder.has_answered().await {
            tracing::warn!(command = call.runnable.path, "a command gave no answer to an interaction");
        }
        return CommandOutcome::Done;
    }
    match call.responder.send(reply).await {
        Ok(()) => CommandOutcome::Done,
        Err(error) => {
            tracing::warn!(command = call.runnable.path, %error, "a reply could not be sent");
            CommandOutcome::Failed { error_type: "rest" }
        }
    }
}

async fn panicked(shared: &Arc<Shared>, call: &Call, exit: &Exit) -> CommandOutcome {
    let (cog, command) = (call.runnable.cog(), call.runnable.path.as_str());
    let incident = incident();
    let (message, location) = note_panic(&call.runnable.cell, command, exit);
    metering::commands::panicked(cog, &call.runnable.metric);
    tracing::error!(cog, command, incident, location, message, "a command panicked");
    let place = if location.is_empty() { message.clone() } else { location };
    let fingerprint = vec!["command-panic".to_owned(), command.to_owned(), place];
    report(shared, call, format!("{command} panicked: {message}"), fingerprint, &incident);
    complain(shared, call, went_wrong(&incident)).await;
    CommandOutcome::Panicked
}

/// Counts a panic of `cell` and tells its actor; gives message and location.
fn note_panic(cell: &CogCell, what: &str, exit: &Exit) -> (String, String) {
    let (message, location) = match exit {
        Exit::Panic { message, location } => (message.clone(), location.clone().unwrap_or_default()),
        other => (other.to_string(), String::new()),
    };
    cell.panics.fetch_add(1, Relaxed);
    let told = CogMsg::Panicked { command: what.to_owned(), message: message.clone() };
    cell.addr.try_send(told).ok(); // it is down already, or has heard of 64 others
    (message, location)
}

/// Runs a cog's event hook with the bounds of a command.
pub(crate) async fn run_hook(
    shared: Arc<Shared>,
    cell: Arc<CogCell>,
    kind: EventKind,
    hook: impl Future<Output = Result<(), Failure>> + Send,
) {
    let (cog, event) = (cell.cog.name, kind.name());
    match tokio::time::timeout(shared.config.deadline(), guarded(hook)).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(failure))) => tracing::warn!(cog, event, ?failure, "an event hook failed"),
        Ok(Err(exit)) => {
            let (message, location) = note_panic(&cell, event, &exit);
            metering::commands::panicked(cog, event);
            tracing::error!(cog, event, location, message, "an event hook panicked");
            let fingerprint = vec!["event-panic".to_owned(), cog.to_owned(), event.to_owned(), location];
            let tags = vec![("cog", cog.to_owned()), ("event", event.to_owned())];
            shared.report_once(Report {
                level: ReportLevel::Error,
                message: format!("{cog} panicked on {event}: {message}"),
                fingerprint,
                tags,
            });
        }
        Err(_) => tracing::warn!(cog, event, "an event hook was cut off at its deadline"),
    }
}

/// Says `text` to whoever spoke to the bot.
pub(crate) async fn say(
    shared: Arc<Shared>,
    invocation: Box<Invocation>,
    responder: Arc<Responder>,
    text: String,
    is_error: bool,
) {
    if is_error {
        speak(&shared, &invocation, &responder, text).await;
    } else if let Err(error) = responder.send(&Reply::text(text)).await {
        tracing::debug!(%error, "a hint could not be sent");
    }
}

async fn complain(shared: &Shared, call: &Call, text: String) {
    speak(shared, &call.invocation, &call.responder, text).await;
}

async fn speak(shared: &Shared, invocation: &Invocation, responder: &Responder, text: String) {
    if !admitted(shared, invocation, responder) {
        return;
    }
    if let Err(error) = responder.send(&Reply::text(text).ephemeral()).await {
        tracing::debug!(%error, "an error reply could not be sent");
    }
}

/// An interaction is always answered: its caller alone sees it, and silence would look like an outage. In a channel
/// error replies are limited, except on the stand-in for Discord: whoever tries things out makes mistakes in a row, and
/// nobody is disturbed by the answers.
fn admitted(shared: &Shared, invocation: &Invocation, responder: &Responder) -> bool {
    let mut limiter = shared.limiter.lock().unwrap_or_else(PoisonError::into_inner);
    let free = responder.is_interaction() || shared.access.sandbox;
    free || limiter.admit(invocation.author, invocation.channel, Instant::now())
}

fn report(shared: &Shared, call: &Call, message: String, fingerprint: Vec<String>, incident: &str) {
    let tags = vec![
        ("cog", call.runnable.cog().to_owned()),
        ("command", call.runnable.path.clone()),
        ("incident", incident.to_owned()),
    ];
    shared.report_once(Report { level: ReportLevel::Error, message, fingerprint, tags });
}

fn bad_argument(call: &Call, error: &ArgError) -> String {
    let prefix = if call.responder.is_interaction() { "/" } else { &call.invocation.prefix };
    format!("{error}\nUsage: `{}`", call.runnable.usage(prefix))
}

fn went_wrong(incident: &str) -> String {
    format!("Something went wrong; the incident is `{incident}`.")
}

/// An id that stands in the log and in the report alike. Random, not secret.
fn incident() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{:08x}", random & 0xffff_ffff)
}

fn seconds(duration: Duration) -> String {
    crate::args::show_duration(Duration::from_secs(duration.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)))
}
