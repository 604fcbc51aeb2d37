//! Tells the service manager how the process stands, as sd_notify(3) describes it: one datagram a word. Without a service
//! manager nothing happens. Telling cannot fail and waits for nobody. A manager that is behind does not take a datagram: what
//! is as true later (READY above all, for which it waits) is told again; a sign of life is not.

mod beat;
mod signs;
mod word;

pub(crate) use beat::follow;
pub(crate) use word::{Word, monotonic};

use crate::config::ServiceManager;
use std::{
    collections::VecDeque,
    io,
    os::unix::net::{SocketAddr, UnixDatagram},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

/// So many words may wait for a manager that is behind; the oldest go first.
const WAITING_MAX: usize = 16;

/// The way to the service manager.
#[derive(Debug, Default)]
pub struct Notifier {
    way: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
    /// Whether READY has been told: a reload before it must not tell it by the way.
    ready: AtomicBool,
    /// The last STATUS: the same one again is no news.
    status: Mutex<String>,
    /// What the manager has not taken yet, in order.
    waiting: Mutex<VecDeque<String>>,
    complained: AtomicBool,
}

impl Notifier {
    /// The way to `manager`; when it cannot be had that is logged by [`Notifier::complain`], and nothing is told.
    pub fn new(manager: &ServiceManager) -> Self {
        let way = manager.socket.as_deref().map(open);
        let complained = AtomicBool::new(matches!(way, Some(Err(_))));
        let way = way.and_then(Result::ok);
        let watchdog = manager.watchdog.filter(|_| way.is_some());
        Self { way, watchdog, complained, ..Self::default() }
    }

    /// Says in the log that the service manager is not told anything, if that is so although one asked for it.
    pub fn complain(&self) {
        if self.way.is_none() && self.complained.load(Relaxed) {
            tracing::warn!("NOTIFY_SOCKET names no socket that can be written to: the service manager is told nothing");
        }
    }

    /// Whether there is somebody to tell.
    pub(crate) fn is_on(&self) -> bool {
        self.way.is_some()
    }

    /// How long the service manager waits for a sign of life.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Whether READY has been told.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Relaxed)
    }

    /// Tells `words` in one datagram, after what waits.
    pub(crate) fn tell(&self, words: &[Word<'_>]) {
        if words.contains(&Word::Ready) {
            self.ready.store(self.is_on(), Relaxed);
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.send_waiting(&mut waiting) && self.send(&text(words)) {
            return;
        }
        let lasting: Vec<Word<'_>> = words.iter().copied().filter(Word::lasts).collect();
        if matches!(lasting[..], [Word::Status(_)]) {
            waiting.retain(|text| !text.starts_with("STATUS=")); // nobody reads yesterday's
        }
        if !lasting.is_empty() {
            waiting.push_back(text(&lasting));
        }
        if waiting.len() > WAITING_MAX {
            waiting.pop_front();
        }
    }

    /// Tells what was not taken when it was told.
    pub(crate) fn again(&self) {
        self.send_waiting(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether nothing waits any more.
    fn send_waiting(&self, waiting: &mut VecDeque<String>) -> bool {
        while waiting.front().is_some_and(|text| self.send(text)) {
            waiting.pop_front();
        }
        waiting.is_empty()
    }

    /// Whether there is no point in trying this again: it was taken, or nobody is there who could take it.
    fn send(&self, text: &str) -> bool {
        let Some((socket, to)) = &self.way else { return true };
        match socket.send_to_addr(text.as_bytes(), to) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(error) => {
                if !self.complained.swap(true, Relaxed) {
                    tracing::warn!(%error, "the service manager does not take what it is told");
                }
                true
            }
            Ok(_) => true,
        }
    }

    /// Tells `text` as STATUS, unless it was the last one.
    pub(crate) fn status(&self, text: &str) {
        if !self.is_on() {
            return;
        }
        let news = {
            let mut last = self.status.lock().unwrap_or_else(PoisonError::into_inner);
            let news = *last != text;
            text.clone_into(&mut last);
            news
        };
        if news {
            self.tell(&[Word::Status(text)]);
        }
    }
}

fn text(words: &[Word<'_>]) -> String {
    words.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A socket to send from, and the address: a path, or an abstract name after `@`.
fn open(address: &str) -> io::Result<(UnixDatagram, SocketAddr)> {
    let to = match address.strip_prefix('@') {
        Some(name) => abstract_name(name)?,
        None if address.starts_with('/') => SocketAddr::from_pathname(address)?,
        None => return Err(io::ErrorKind::Unsupported.into()), // vsock and whatever else there may be
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, to))
}

#[cfg(target_os = "linux")]
fn abstract_name(name: &str) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_name(_: &str) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manager(socket: String) -> ServiceManager {
        ServiceManager { socket: Some(socket), watchdog: Some(Duration::from_secs(1)) }
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 1024];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn words_go_to_a_path_in_one_datagram_and_the_same_status_is_told_once() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::new(&manager(path.display().to_string()));
        notifier.tell(&[Word::Ready, Word::Status("two\nlines")]);
        assert_eq!(heard(&socket), "READY=1\nSTATUS=two lines");
        for text in ["a", "a", "b"] {
            notifier.status(text);
        }
        assert_eq!((heard(&socket), heard(&socket)), ("STATUS=a".to_owned(), "STATUS=b".to_owned()));
        assert!(notifier.is_ready() && notifier.watchdog() == Some(Duration::from_secs(1)));
    }

    #[test]
    fn what_a_manager_that_is_behind_does_not_take_is_told_later_but_for_signs_of_life() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::new(&manager(path.display().to_string()));
        while notifier.send("x") {}
        notifier.tell(&[Word::Watchdog, Word::Extend(Duration::from_secs(1))]);
        notifier.status("old");
        notifier.tell(&[Word::Ready]);
        notifier.status("new");
        notifier.tell(&[Word::Stopping, Word::Extend(Duration::from_secs(1))]);
        socket.set_nonblocking(true).unwrap();
        let all = || {
            let mut bytes = [0; 1024];
            let mut next =
                || socket.recv(&mut bytes).ok().map(|length| String::from_utf8_lossy(&bytes[..length]).into_owned());
            std::iter::from_fn(&mut next).filter(|text| text != "x").collect::<Vec<_>>()
        };
        assert_eq!(all(), [""; 0]);
        notifier.again();
        notifier.tell(&[Word::Watchdog]);
        assert_eq!(all(), ["READY=1", "STATUS=new", "STOPPING=1", "WATCHDOG=1"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn words_go_to_an_abstract_name() {
        let name = format!("impresario-notify-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&abstract_name(&name).unwrap()).unwrap();
        Notifier::new(&manager(format!("@{name}"))).tell(&[Word::Stopping]);
        assert_eq!(heard(&socket), "STOPPING=1");
    }

    #[test]
    fn nobody_to_tell_and_nobody_who_listens_are_no_trouble() {
        for manager in [ServiceManager::default(), manager("vsock:2:1".into()), manager("/nowhere/at/all".into())] {
            let notifier = Notifier::new(&manager);
            notifier.complain();
            notifier.tell(&[Word::Watchdog]);
            notifier.status("x");
        }
        assert!(!Notifier::new(&manager("vsock:2:1".into())).is_on());
        assert_eq!(Notifier::new(&manager("vsock:2:1".into())).watchdog(), None);
    }
}
