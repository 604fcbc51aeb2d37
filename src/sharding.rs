//! How many shards there were: one small file of the data folder, for a start at which Discord does not say it.

use crate::{folder::bounded, record};
use gateway::Gateway;
use protocol::Secret;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

const FILE: &str = "shards.json";
/// How long reading or writing the file may take; what takes longer goes on behind, and nobody waits for it.
const LIMIT: Duration = Duration::from_secs(2);

/// What stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Layout {
    /// Whose number it is. Older files do not say: a data folder is made for one bot, and it is taken for that bot's.
    #[serde(default)]
    bot: Option<String>,
    total: u32,
    /// How many of them ran in that process; older files do not say.
    #[serde(default)]
    here: Option<u32>,
}

/// The file as a process of one bot keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Sharding {
    folder: PathBuf,
    bot: Option<String>,
    /// Whether Discord has found the number too small. Whoever changes the file holds it: a write that was begun before and
    /// takes long cannot bring back what was forgotten meanwhile.
    outgrown: Arc<Mutex<bool>>,
}

impl Sharding {
    /// Of the bot that `token` belongs to.
    pub(crate) fn new(folder: impl Into<PathBuf>, token: &Secret) -> Self {
        let bot = bot(token).map(|id| id.to_string());
        Self { folder: folder.into(), bot, outgrown: Arc::default() }
    }

    /// Shards in all of the last process of this bot of which each shard has been ready, unless Discord has found them too
    /// few since. A process that ran a share of them leaves no number for one that is to run all.
    pub(crate) async fn last_known(&self) -> Option<u32> {
        let Layout { bot, total, here } = self.read().await?;
        let ours = bot.is_none() || bot == self.bot;
        (ours && here.is_none_or(|here| here == total)).then_some(total)
    }

    /// Keeps the number of shards once each of them has been ready, and forgets it when Discord finds them too few (4011):
    /// the next process then asks, and does not go by what was.
    pub(crate) async fn follow(self, gateway: Gateway) {
        let keep = async {
            gateway.wait_ready().await;
            let here = u32::try_from(gateway.statuses().len()).ok();
            self.keep(gateway.total(), here).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = keep => {}
            () = gateway.outgrown() => self.forget().await,
        }
    }

    async fn read(&self) -> Option<Layout> {
        let file = self.folder.join(FILE);
        let read = bounded(LIMIT, move || Ok::<_, io::Error>(record::parse(&file))).await;
        let layout: Layout = serde_json::from_value(read.ok().flatten()?).ok()?;
        (layout.total > 0).then_some(layout)
    }

    async fn keep(&self, total: u32, here: Option<u32>) {
        let layout = Layout { bot: self.bot.clone(), total, here };
        if self.read().await.as_ref() == Some(&layout) {
            return;
        }
        let (place, outgrown) = (self.folder.clone(), Arc::clone(&self.outgrown));
        let write = move || {
            let outgrown = outgrown.lock().unwrap_or_else(PoisonError::into_inner);
            if *outgrown { Ok(()) } else { record::write(&place, FILE, &json!(layout)) }
        };
        if let Err(error) = bounded(LIMIT, write).await {
            tracing::warn!(%error, "the number of shards is not kept: where Discord does not say it the next start waits");
        }
    }

    async fn forget(&self) {
        let (file, outgrown) = (self.folder.join(FILE), Arc::clone(&self.outgrown));
        let remove = move || {
            let mut outgrown = outgrown.lock().unwrap_or_else(PoisonError::into_inner);
            *outgrown = true;
            fs::remove_file(file)
        };
        match bounded(LIMIT, remove).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "the number of shards, which is too small, stays in the data folder's {FILE}");
            }
            _ => {}
        }
    }
}

/// Whose `token` is: the first of its three parts is the bot's id in base64url (Discord's documentation of tokens). None if
/// it is something else, as a stand-in for Discord may have it.
pub(crate) fn bot(token: &Secret) -> Option<u64> {
    let (mut bits, mut held, mut id) = (0_u32, 0, String::new());
    for byte in token.expose().split('.').next()?.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            id.push(char::from_u32(bits >> held & 0xff)?);
        }
    }
    id.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn of(folder: &tempfile::TempDir, token: &str) -> Sharding {
        Sharding::new(folder.path(), &Secret::new(token))
    }

    /// Of the bot 900.
    const TOKEN: &str = "OTAw.x.y";

    #[tokio::test]
    async fn what_is_kept_is_known_until_it_is_forgotten_and_nonsense_never() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(of(&home, TOKEN).last_known().await, None);
        of(&home, TOKEN).keep(3, Some(3)).await;
        assert_eq!(of(&home, TOKEN).last_known().await, Some(3));
        of(&home, TOKEN).forget().await;
        of(&home, TOKEN).forget().await;
        assert_eq!(of(&home, TOKEN).last_known().await, None);
        for nonsense in ["", "3", "{\"total\": 0}", "{\"total\": -1}", "{\"total\": 4294967296}", "{\"total\": \"2\"}"]
        {
            fs::write(home.path().join(FILE), nonsense).unwrap();
            assert_eq!(of(&home, TOKEN).last_known().await, None, "{nonsense}");
        }
    }

    #[tokio::test]
    async fn the_number_of_another_bot_or_of_a_share_is_not_gone_by_and_one_of_before_is() {
        let home = tempfile::tempdir().unwrap();
        let kept = || fs::read_to_string(home.path().join(FILE)).unwrap();
        fs::write(home.path().join(FILE), "{\"total\": 3}").unwrap();
        assert_eq!(of(&home, TOKEN).last_known().await, Some(3), "a file of before");
        of(&home, TOKEN).keep(3, Some(3)).await;
        assert_eq!(kept().trim(), r#"{"bot":"900","here":3,"total":3}"#, "it names its bot from then on");
        for (token, knows) in [("OTAw.other.time", Some(3)), ("OTAx.x.y", None), ("sandbox.bot.token", None)] {
            assert_eq!(of(&home, token).last_known().await, knows, "{token}");
        }
        of(&home, "OTAx.x.y").keep(2, Some(2)).await;
        assert_eq!(of(&home, TOKEN).last_known().await, None);
        of(&home, TOKEN).keep(16, Some(4)).await;
        assert_eq!(of(&home, TOKEN).last_known().await, None, "4 of 16 ran here");
        let ours = "sandbox.bot.token";
        of(&home, ours).keep(5, Some(5)).await;
        assert_eq!(of(&home, ours).last_known().await, Some(5), "a token that names no bot");
    }

    #[test]
    fn a_token_names_its_bot_and_what_is_none_does_not() {
        let named = |text: &str| bot(&Secret::new(text));
        assert_eq!(named("OTAw.x.y"), Some(900));
        assert_eq!(named("MTE4MDM1MTExMDIyNDY3ODkxMg.x.y"), Some(1_180_351_110_224_678_912));
        for other in ["", ".x.y", "sandbox.bot.token", "OTA=.x.y", "LTE.x.y", "MTE4MDM1MTExMDIyNDY3ODkxMjAwMA.x.y"] {
            assert_eq!(named(other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn a_write_that_was_begun_before_the_number_was_forgotten_does_not_bring_it_back() {
        let home = tempfile::tempdir().unwrap();
        let sharding = of(&home, TOKEN);
        // The disk is slow: as long as this is held neither gets to it.
        let (free, wait) = mpsc::channel::<()>();
        let (held, holds) = mpsc::channel();
        let outgrown = Arc::clone(&sharding.outgrown);
        let disk = std::thread::spawn(move || {
            let _held = outgrown.lock().unwrap();
            held.send(()).unwrap();
            wait.recv().unwrap();
        });
        holds.recv().unwrap();
        let (late, gone) = (sharding.clone(), sharding.clone());
        let late = tokio::spawn(async move { late.keep(3, Some(3)).await });
        let gone = tokio::spawn(async move { gone.forget().await });
        tokio::task::yield_now().await;
        free.send(()).unwrap();
        late.await.unwrap();
        gone.await.unwrap();
        disk.join().unwrap();
        assert_eq!(of(&home, TOKEN).last_known().await, None);
        sharding.keep(3, Some(3)).await;
        assert_eq!(of(&home, TOKEN).last_known().await, None, "this process was too small");
    }
}
