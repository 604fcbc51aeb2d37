//! What one process leaves to the next: the gateway's sessions with the cache, in one file of the data folder that is used
//! once. With it a restart RESUMEs: no IDENTIFY is spent, and what Discord sent meanwhile is replayed.

use crate::folder::bounded;
use gateway::{Gateway, Snapshot};
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
    let read = match bounded(LIMIT, move || Snapshot::consume(&place)).await {
        Ok(Some(snapshot)) => gateway.restore_snapshot(snapshot),
        Ok(None) => return,
        Err(error) => Err(error),
    };
    match read {
        Ok(restored) => tracing::info!(
            sessions = restored.sessions,
            guilds = restored.guilds,
            age_seconds = restored.age.as_secs_f64(),
            "the sessions of the process before are taken up: {} will resume",
            restored.sessions,
        ),
        Err(error) => tracing::warn!("{error}; the shards identify anew"),
    }
}

/// Writes down what the next process can resume; call it once the tree has stopped.
pub async fn leave(gateway: Gateway, folder: PathBuf) {
    let snapshot = gateway.snapshot().await;
    let sessions = snapshot.sessions().len();
    match bounded(LIMIT, move || snapshot.write(&folder)).await {
        Ok(0) => tracing::info!("there is no session for the next process to resume"),
        Ok(bytes) => tracing::info!(sessions, bytes, "{sessions} session(s) are saved: the next process resumes"),
        Err(error) => tracing::warn!("{error}; the next process identifies anew"),
    }
}
