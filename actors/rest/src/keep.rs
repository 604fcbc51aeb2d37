//! The file in which a process leaves its invalid answers and silences to the next: a bot that is killed and started again
//! must not begin to count anew, nor break a silence.
//!
//! Nothing here ever fails: without the file, or with one that cannot be used, the process begins at nothing, as the first
//! one did.

use crate::{
    conduct::{
        Conduct,
        left::{Left, Moment},
    },
    live::Shared,
};
use protocol::Clock;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::Notify,
    task::spawn_blocking,
    time::{Instant, sleep_until, timeout},
};

/// Its name in the data folder.
const FILE: &str = "invalid-answers.json";
/// More bytes than this are not ours: one second of the window takes about ten, so ours has 6,000 at most.
const BYTES_MAX: u64 = 64 << 10;
/// How long reading, and writing at the end, may take; what takes longer goes on behind, and nobody waits for it.
const LIMIT: Duration = Duration::from_secs(2);

/// What stands in the file.
#[derive(Serialize, Deserialize)]
struct Page {
    /// Whose it is; none where the token does not say.
    bot: Option<String>,
    written: Moment,
    #[serde(flatten)]
    left: Left,
}

/// What the process before left of its manners, and where this one leaves its own.
#[derive(Default)]
pub struct Past {
    place: Option<Place>,
    left: Option<(Left, Moment)>,
}

#[derive(Clone)]
struct Place {
    folder: PathBuf,
    bot: Option<String>,
    clock: Arc<dyn Clock>,
}

impl Past {
    /// Nothing was left, and nothing will be.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads what the process before left in `folder`, the data folder, if it was the same `bot` (its id, where that is
    /// known). Takes two seconds at most; what cannot be read is as good as not there, and is told once in the log.
    pub async fn read(folder: impl Into<PathBuf>, bot: Option<String>, clock: Arc<dyn Clock>) -> Self {
        let place = Place { folder: folder.into(), bot, clock };
        let file = place.folder.join(FILE);
        let read = timeout(LIMIT, spawn_blocking(move || parse(&file))).await;
        let page = match read.map_err(io::Error::from).and_then(|read| read.map_err(io::Error::other)).flatten() {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(
                    %error,
                    "what the process before left of invalid answers cannot be read ({FILE} in the data folder): they are \
                     counted from 0"
                );
                None
            }
        };
        let left = page.filter(|page| page.bot == place.bot).map(|page| (page.left, page.written));
        Self { place: Some(place), left }
    }
}

/// What stands in the file; nothing when there is none.
fn parse(file: &Path) -> io::Result<Option<Page>> {
    let mut text = String::new();
    match File::open(file) {
        Ok(file) => file.take(BYTES_MAX).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(serde_json::from_str(&text)?))
}

/// Writes when something is due, for as long as there is a process.
#[derive(Default)]
pub(crate) struct Keeper {
    place: Option<Place>,
    /// Rung when something may be due.
    wake: Notify,
    /// Whether there is a file of ours. Who writes holds it, and looks at what there is to write only then: a write that
    /// takes long cannot bring back what a later one has left behind.
    ours: Mutex<bool>,
    warned: AtomicBool,
}

impl Keeper {
    /// Of what was read; `conduct` takes over what still holds, and the log says so.
    pub(crate) fn new(past: Past, conduct: &mut Conduct) -> Self {
        let Past { place, left } = past;
        let ours = left.is_some();
        if let (Some(place), Some((left, written))) = (&place, left) {
            let (now, passed) = (Instant::now(), written.until(&place.now()));
            conduct.take_over(now, passed, &left);
            let invalid = conduct.breaker.count(now);
            if let Some(silence) = conduct.silence(now) {
                let (silence_s, strikes) = (silence.as_secs(), conduct.stop.strikes());
                tracing::warn!(
                    path = crate::PATH,
                    invalid,
                    silence_s,
                    edge_strikes = strikes,
                    "the process before was silent towards Discord, and so is this one for {silence_s} s more; once the cause \
                     is mended `impresario tell rest reset_breaker` ends it"
                );
            } else if invalid > 0 {
                let told = "invalid answers that the process before got within 10 minutes are counted on";
                tracing::info!(path = crate::PATH, invalid, "{told}");
            }
        }
        Self { place, ours: Mutex::new(ours), ..Self::default() }
    }

    /// Something may be due.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Writes whenever it is due, until it is dropped; one write at a time, however long it takes.
    pub(crate) async fn run(shared: Arc<Shared>) {
        if shared.keeper.place.is_none() {
            return;
        }
        loop {
            let now = Instant::now();
            let due = shared.conduct().saving.due(now);
            match due {
                Some(at) if at <= now => {
                    let mut write = spawn_blocking({
                        let shared = Arc::clone(&shared);
                        move || write(&shared)
                    });
                    if timeout(LIMIT, &mut write).await.is_err() {
                        shared.keeper.warn(&"the disk is slow");
                        write.await.ok(); // it tells of its own failure
                    }
                }
                Some(at) => tokio::select! {
                    () = sleep_until(at) => {}
                    () = shared.keeper.wake.notified() => {}
                },
                None => shared.keeper.wake.notified().await,
            }
        }
    }

    /// Writes what there is at an ordered end.
    pub(crate) async fn finish(shared: Arc<Shared>) {
        if shared.keeper.place.is_some() {
            // What takes longer goes on behind; there is nobody any more to tell.
            timeout(LIMIT, spawn_blocking(move || write(&shared))).await.ok();
        }
    }

    fn warn(&self, error: &dyn std::fmt::Display) {
        if !self.warned.swap(true, Relaxed) {
            tracing::warn!(
                path = crate::PATH,
                %error,
                "invalid answers and silences are not kept ({FILE} in the data folder): a process that follows a kill counts \
                 from 0; see to [data].dir"
            );
        }
    }
}

impl Place {
    fn now(&self) -> Moment {
        Moment::new(self.clock.now().timestamp_millis(), self.clock.uptime())
    }

    /// Writes `page` whole or not at all, and on the disk before it returns.
    fn write(&self, page: &Page) -> io::Result<()> {
        let (file, new) = (self.folder.join(FILE), self.folder.join(format!("{FILE}.new")));
        let mut draft = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        let written = serde_json::to_string(page).map_err(io::Error::from).and_then(|text| {
            writeln!(draft, "{text}")?;
            draft.sync_all()
        });
        written.and_then(|()| fs::rename(&new, file)).inspect_err(|_| {
            fs::remove_file(&new).ok(); // half a file is nobody's
        })
    }
}

/// Writes what the next process has to know as of now; nothing to know, and the file goes. Another bot's file goes only for
/// one of this bot's.
fn write(shared: &Shared) {
    let Some(place) = &shared.keeper.place else { return };
    let mut ours = shared.keeper.ours.lock().unwrap_or_else(PoisonError::into_inner);
    let left = shared.conduct().leave(Instant::now());
    let done = if !left.is_empty() {
        place.write(&Page { bot: place.bot.clone(), written: place.now(), left }).map(|()| *ours = true)
    } else if *ours {
        match fs::remove_file(place.folder.join(FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => {
                *ours = false;
                Ok(())
            }
        }
    } else {
        Ok(())
    };
    if let Err(error) = done {
        shared.conduct().saving.failed(Instant::now());
        shared.keeper.warn(&error);
    }
}
