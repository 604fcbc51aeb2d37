//! A running bot.

use super::{
    Answer, Home, Log,
    home::{signal, wait},
    until,
};
use rustix::process::Signal;
use serde_json::Value;
use std::process::{Child, Command};

/// The process of `run`; killed when dropped.
pub(crate) struct Bot<'h> {
    home: &'h Home,
    child: Child,
    /// Its standard error.
    pub(crate) log: Log,
}

impl<'h> Bot<'h> {
    /// Spawns `command` and follows its log.
    pub(crate) fn spawn(home: &'h Home, mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        Log::follow(child.stdout.take().unwrap()); // read, so that it never blocks
        let log = Log::follow(child.stderr.take().unwrap());
        Self { home, child, log }
    }

    /// Waits until the first READY is over and `status` says that it is ready.
    pub(crate) fn wait_ready(&self) {
        self.log.wait("that it is ready", |record| {
            record["message"].as_str().is_some_and(|text| text.starts_with("Impresario ") && text.contains(" is ready"))
        });
        self.wait_well();
    }

    /// Waits until `status` says that it is ready.
    pub(crate) fn wait_well(&self) {
        until("status is ready", || (self.cli(&["status"]).code == 0).then_some(()));
    }

    /// Runs a command line against it.
    pub(crate) fn cli(&self, args: &[&str]) -> Answer {
        self.home.cli(args)
    }

    /// Runs a command line against it that must succeed; its answer as JSON.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.home.json(args).exits(0).json()
    }

    /// The same, once it can be asked: nothing before that.
    pub(crate) fn home_json(&self, args: &[&str]) -> Option<Value> {
        serde_json::from_str(&self.home.json(args).out).ok()
    }

    /// The tree's nodes.
    pub(crate) fn nodes(&self) -> Vec<Value> {
        self.json(&["tree"])["nodes"].as_array().cloned().unwrap_or_default()
    }

    /// One node of the tree.
    pub(crate) fn node(&self, path: &str) -> Option<Value> {
        self.nodes().into_iter().find(|node| node["path"] == path)
    }

    /// Waits until an actor is in a state.
    pub(crate) fn wait_state(&self, path: &str, state: &str) -> Value {
        until(&format!("{path} is {state}"), || self.node(path).filter(|node| node["state"] == state))
    }

    /// The last decisions about an actor and what stands below it.
    pub(crate) fn events(&self, path: &str) -> Vec<Value> {
        self.home.json(&["events", "--path", path, "-n", "1000"]).exits(0).json_lines()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, which: Signal) {
        signal(&self.child, which);
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end and gives the exit code.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> i32 {
        let code = wait(&mut self.child);
        self.log.wait_end();
        code.unwrap_or_else(|| panic!("it did not end:\n{}", self.log.tail()))
    }

    /// SIGTERM, and its end.
    #[track_caller]
    pub(crate) fn terminate(mut self) -> i32 {
        self.signal(Signal::TERM);
        self.ended()
    }
}

impl Drop for Bot<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the bot's log\n{}", self.log.tail());
        }
        self.child.kill().ok(); // it may have ended
        self.child.wait().ok();
    }
}
