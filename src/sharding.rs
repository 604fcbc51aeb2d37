//! How many shards there were: one small file of the data folder, for a start at which Discord does not say it.

use crate::{folder::bounded, record};
use gateway::Gateway;
use serde_json::json;
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

const FILE: &str = "shards.json";
/// How long reading or writing the file may take; what takes longer goes on behind, and nobody waits for it.
const LIMIT: Duration = Duration::from_secs(2);

/// Shards in all of the last process of which each shard has been ready, unless Discord has found them too few since.
pub(crate) async fn last_known(folder: &Path) -> Option<u32> {
    let file = folder.join(FILE);
    let read = bounded(LIMIT, move || Ok::<_, io::Error>(record::parse(&file))).await;
    let total = read.ok().flatten()?["total"].as_u64()?;
    u32::try_from(total).ok().filter(|total| *total > 0)
}

/// Keeps the number of shards once each of them has been ready, and forgets it when Discord finds them too few (4011):
/// the next process then asks, and does not go by what was.
pub(crate) async fn follow(gateway: Gateway, folder: PathBuf) {
    let keep = async {
        gateway.wait_ready().await;
        keep(&folder, gateway.total()).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = keep => {}
        () = gateway.outgrown() => forget(&folder).await,
    }
}

async fn keep(folder: &Path, total: u32) {
    if last_known(folder).await == Some(total) {
        return;
    }
    let place = folder.to_owned();
    if let Err(error) = bounded(LIMIT, move || record::write(&place, FILE, &json!({ "total": total }))).await {
        tracing::warn!(%error, "the number of shards is not kept: where Discord does not say it the next start waits");
    }
}

async fn forget(folder: &Path) {
    let file = folder.join(FILE);
    match bounded(LIMIT, move || fs::remove_file(file)).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "the number of shards, which is too small, stays in the data folder's {FILE}");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_kept_is_known_until_it_is_forgotten_and_nonsense_never() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(last_known(home.path()).await, None);
        keep(home.path(), 3).await;
        assert_eq!(last_known(home.path()).await, Some(3));
        forget(home.path()).await;
        forget(home.path()).await;
        assert_eq!(last_known(home.path()).await, None);
        for nonsense in ["", "3", "{\"total\": 0}", "{\"total\": -1}", "{\"total\": 4294967296}", "{\"total\": \"2\"}"]
        {
            fs::write(home.path().join(FILE), nonsense).unwrap();
            assert_eq!(last_known(home.path()).await, None, "{nonsense}");
        }
    }
}
