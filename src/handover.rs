//! What one process leaves to the next: the gateway's sessions with the cache, in one file of the data folder that is used
//! once. With it a restart RESUMEs: no IDENTIFY is spent, and what Discord sent meanwhile is replayed.

use crate::{folder::bounded, shutdown::Left};
use gateway::{Gateway, Restored, Snapshot, Unsaved};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Writing or reading the file may take this long, then the next process IDENTIFYs.
const LIMIT: Duration = Duration::from_secs(5);

/// Takes up what the process before this one left, if anything; call it before the gateway starts. Whatever is wrong
/// with it costs one IDENTIFY and is no reason not to run.
pub async fn take(gateway: &Gateway, folder: &Path) {
    let place = folder.to_owned();
    let (read, waiting) = match bounded(LIMIT, move || Snapshot::consume(&place)).await {
        Ok(Some(snapshot)) => {
            let waiting = snapshot.waiting();
            (gateway.restore_snapshot(snapshot), waiting)
        }
        Ok(None) => return,
        Err(error) => (Err(error), 0),
    };
    match read {
        Ok(restored) => {
            let Restored { sessions, guilds, waiting, lost, age } = restored;
            tracing::info!(
                sessions,
                guilds,
                waiting,
                age_seconds = age.as_secs_f64(),
                "the sessions of the process before are taken up: {sessions} will resume, {waiting} event(s) wait for it",
            );
            if lost > 0 {
                tracing::warn!(lost, "{lost} event(s) of shards that do not run here now are lost");
            }
        }
        Err(error) => tracing::warn!(
            lost = waiting,
            "{error}; the shards identify anew, and {waiting} event(s) that had not begun are lost"
        ),
    }
}

/// Writes down what the next process can resume; call it once the tree has stopped. Tells what became of events that were
/// not done.
pub async fn leave(gateway: Gateway, folder: PathBuf) -> Left {
    let snapshot = gateway.snapshot().await;
    let (sessions, waiting) = (snapshot.sessions().len(), snapshot.waiting());
    let left_out = Left::from(snapshot.left_out());
    match bounded(LIMIT, move || snapshot.write(&folder)).await {
        Ok(0) => tracing::info!("there is no session for the next process to resume"),
        Ok(bytes) => {
            tracing::info!(sessions, bytes, waiting, "{sessions} session(s) are saved: the next process resumes");
            return Left { handed_on: waiting, ..left_out };
        }
        Err(error) => tracing::warn!(lost = waiting, "{error}; the next process identifies anew"),
    }
    Left { lost: left_out.lost + waiting, ..left_out }
}

impl From<Unsaved> for Left {
    fn from(Unsaved { cut_off, lost }: Unsaved) -> Self {
        Self { handed_on: 0, lost, cut_off }
    }
}
