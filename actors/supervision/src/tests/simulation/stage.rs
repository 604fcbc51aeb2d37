//! What the actors of a scenario share: who is alive, what was seen of whom, how each is spoken to.

use super::worker::Do;
use crate::Addr;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio::time::Instant;

/// An incarnation began or was gone.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) at: Instant,
    pub(super) path: String,
    pub(super) incarnation: u64,
    pub(super) entered: bool,
}

#[derive(Default)]
struct Book {
    alive: BTreeMap<String, u64>,
    seen: Vec<Seen>,
    trouble: Option<String>,
    addrs: BTreeMap<String, Addr<Do>>,
}

#[derive(Clone)]
pub(super) struct Stage {
    pub(super) seed: u64,
    pub(super) begun: Instant,
    book: Arc<Mutex<Book>>,
}

/// Held by an incarnation and by its tasks, from `start` until the last of it is dropped.
pub(super) struct Token {
    stage: Stage,
    path: String,
    incarnation: u64,
}

impl Stage {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, begun: Instant::now(), book: Arc::default() }
    }

    /// The address of the worker at `path`: one for all its lives, also those below another life of its supervisor.
    pub(super) fn addr(&self, path: &str) -> Addr<Do> {
        let mut book = self.book.lock().unwrap();
        book.addrs.entry(path.to_owned()).or_insert_with(|| Addr::new(path, 4)).clone()
    }

    pub(super) fn say(&self, path: &str, what: Do) {
        let addr = self.book.lock().unwrap().addrs.get(path).cloned();
        if let Some(addr) = addr {
            addr.try_send(what).ok(); // it is not there, or busy
        }
    }

    pub(super) fn enter(&self, path: &str, incarnation: u64) -> Arc<Token> {
        let mut book = self.book.lock().unwrap();
        if let Some(other) = book.alive.insert(path.to_owned(), incarnation) {
            let what = format!("overlap: {path}#{incarnation} begins while #{other} is alive");
            book.trouble.get_or_insert(what);
        }
        book.note(path, incarnation, true);
        Arc::new(Token { stage: self.clone(), path: path.to_owned(), incarnation })
    }

    pub(super) fn alive(&self, path: &str) -> Option<u64> {
        self.book.lock().unwrap().alive.get(path).copied()
    }

    pub(super) fn all_alive(&self) -> Vec<String> {
        self.book.lock().unwrap().alive.keys().cloned().collect()
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.book.lock().unwrap().seen.clone()
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.book.lock().unwrap().trouble.clone()
    }
}

impl Book {
    fn note(&mut self, path: &str, incarnation: u64, entered: bool) {
        self.seen.push(Seen { at: Instant::now(), path: path.to_owned(), incarnation, entered });
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let mut book = self.stage.book.lock().unwrap();
        if book.alive.get(&self.path) == Some(&self.incarnation) {
            book.alive.remove(&self.path);
        }
        book.note(&self.path, self.incarnation, false);
    }
}
