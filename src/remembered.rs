//! What supervisors remember from run to run: budgets, who is parked, what was decided. One journal in the data folder.

use crate::{
    exit::{Code, Fatal},
    wire,
};
use chrono::{DateTime, Utc};
use protocol::ports::{AuditLog, AuditRow};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};
use supervision::{Flags, Limits, Observer, Past, Planes, Recorder, Tree, Withheld};

/// How long an audit row may take.
const AUDIT: Duration = Duration::from_secs(2);

/// Reads what earlier runs left in `folder`. Whatever is wrong with it costs a memory and no start. `carries` tells of whom
/// the configuration in force lets anything outlive a run: a give-up over another one withholds nothing.
///
/// # Errors
/// Exit 70 when the last run gave up on a budget that has no room yet, unless that is to be ignored.
pub(crate) async fn past(folder: &Path, ignore_budgets: bool, carries: impl Fn(&str) -> bool) -> Result<Past, Fatal> {
    let place = folder.to_owned();
    let read = tokio::task::spawn_blocking(move || Past::read(&place, SystemTime::now()));
    let mut past = read.await.map_err(|panic| Fatal::new(Code::Internal, format!("the journal's reader: {panic}")))?;
    for problem in past.problems() {
        tracing::warn!("{problem}");
    }
    past.lift(carries);
    if ignore_budgets {
        past.forget();
    }
    match past.withheld() {
        None => Ok(past),
        Some(withheld) => {
            if let Err(error) = past.keep_moved() {
                tracing::warn!("{}: {error}", withheld.file.display());
            }
            Err(Fatal::new(Code::Internal, refused(&withheld)))
        }
    }
}

/// Who took the bot down, until when it is not started, and what helps.
fn refused(withheld: &Withheld) -> String {
    let Withheld { child, said, until, left, file } = withheld;
    let (until, left, file) = (wire::stamp((*until).into()), left.as_secs_f64().ceil(), file.display());
    let who = if child.is_empty() { "the tree" } else { child };
    format!(
        "{who} has spent its restart budget over the last runs, the bot is not started before {until} (in {left} s): {said}; \
         mend the cause and wait, or start at once with `impresario run --ignore-budgets` (or remove {file} and {file}.1)"
    )
}

/// Starts a tree that goes on with `past` and is written down for the next run; without a thread for that, unwritten.
///
/// # Errors
/// When the root cannot be made.
pub(crate) async fn start(
    past: Past,
    planes: Planes,
    root: Flags,
    observer: Arc<dyn Observer>,
    limits: Limits,
) -> Result<Tree, Fatal> {
    let started = match Recorder::begin(&past) {
        Ok(recorder) => Tree::start_within(planes, root, Vec::new(), observer, limits, Some((past, recorder))).await,
        Err(error) => {
            tracing::warn!("supervision is not written down, there is no thread for it: {error}");
            Tree::start_within(planes, root, Vec::new(), observer, limits, None).await
        }
    };
    started.map_err(|exit| Fatal::new(Code::Internal, exit))
}

/// The data folder is there to stay: from now on decisions are written.
pub(crate) fn keep(tree: &Tree) {
    if let Some(recorder) = tree.recorder() {
        recorder.keep();
    }
}

/// That somebody had this run begin with fresh budgets stands where other orders stand.
pub(crate) async fn audit(log: &dyn AuditLog, at: DateTime<Utc>) {
    let row = AuditRow {
        at,
        actor: format!("uid {} (pid {})", rustix::process::getuid().as_raw(), std::process::id()),
        action: "run --ignore-budgets".to_owned(),
        target: String::new(),
        detail: serde_json::Value::Null,
        outcome: "done".to_owned(),
    };
    tracing::warn!(
        audit.actor = row.actor,
        audit.action = row.action,
        audit.outcome = row.outcome,
        "restart budgets began anew, and nothing is parked: {} by {}",
        row.action,
        row.actor
    );
    if tokio::time::timeout(AUDIT, log.record(row)).await.is_err() {
        tracing::warn!("the audit row of --ignore-budgets was not kept within {} s", AUDIT.as_secs());
    }
}

/// The run ends: `orderly` when somebody asked for it and it went in order. The next one then starts what was parked.
/// `within`: how long the last records may take to be on the disk.
pub(crate) async fn seal(tree: &Tree, orderly: bool, within: Duration) {
    if let Some(recorder) = tree.recorder()
        && !recorder.seal(orderly, within).await
    {
        tracing::warn!("the last decisions could not be written in {} ms", within.as_millis());
    }
}
