//! Standard output as `try` uses it: lines that come at any time, and a prompt that stands below them. A thread of its own
//! writes, so that a terminal that is held up (Ctrl-S) or a pipe that nobody reads holds up neither the bot nor its end.

use crate::console;
use std::{
    io::{IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{sync::mpsc, time::Instant};

/// Lines that may wait for the terminal; who has one more waits with it.
const WAITING: usize = 256;

/// What the prompt looks like.
const PROMPT: &str = "> ";

enum Job {
    Line(String),
    /// Invite the next line.
    Prompt,
    /// The next line has been typed: the terminal has echoed its end.
    Typed,
    /// The last words; there is no prompt below them.
    Last(String, std::sync::mpsc::Sender<()>),
}

/// Writes lines, and knows when it was last given one.
#[derive(Clone)]
pub(super) struct Screen {
    jobs: mpsc::Sender<Job>,
    last: Arc<Mutex<Instant>>,
}

impl Screen {
    /// The process's standard output. `dumb`: the terminal understands no control sequences.
    pub(super) fn stdout(dumb: bool) -> std::io::Result<Self> {
        let terminal = std::io::stdout().is_terminal();
        Self::on(Box::new(std::io::stdout()), terminal && !dumb)
    }

    fn on(out: Box<dyn Write + Send>, erases: bool) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::channel(WAITING);
        std::thread::Builder::new().name("screen".to_owned()).spawn(move || write(waiting, out, erases))?;
        Ok(Self { jobs, last: Arc::new(Mutex::new(Instant::now())) })
    }

    /// When a line was last given.
    pub(super) fn last(&self) -> Instant {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows a line (or several).
    pub(super) async fn line(&self, text: impl Into<String>) {
        self.put(Job::Line(text.into())).await;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Invites the next line.
    pub(super) async fn prompt(&self) {
        self.put(Job::Prompt).await;
    }

    /// The invited line has been typed.
    pub(super) async fn typed(&self) {
        self.put(Job::Typed).await;
    }

    async fn put(&self, job: Job) {
        self.jobs.send(job).await.ok(); // the thread outlives every sender
    }

    /// Shows the last lines, and waits until they are written as long as a reader is waited for at the end.
    pub(super) fn end(&self, lines: &[String]) {
        let jobs = self.jobs.clone();
        let text = lines.join("\n");
        console::bounded(move |done| {
            jobs.blocking_send(Job::Last(text, done)).ok();
        });
    }
}

/// Writes what comes; a closed pipe ends nothing.
fn write(mut jobs: mpsc::Receiver<Job>, mut out: Box<dyn Write + Send>, erases: bool) {
    let mut invited = false;
    let mut put = |text: &str| out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok(); // nobody reads any more
    while let Some(job) = jobs.blocking_recv() {
        let stays = matches!(job, Job::Line(_)) && invited;
        let invites = matches!(job, Job::Prompt);
        match job {
            // What was typed so far stays in the terminal's line; only its picture goes.
            Job::Line(text) if invited && erases => put(&format!("\r\x1b[K{text}\n{PROMPT}")),
            Job::Line(text) if invited => put(&format!("\n{text}\n{PROMPT}")),
            Job::Line(text) => put(&format!("{text}\n")),
            Job::Prompt => put(PROMPT),
            Job::Typed => None,
            Job::Last(text, done) => {
                put(&format!("{}{text}\n", if invited { "\n" } else { "" }));
                done.send(()).ok(); // it was not waited for so long
                None
            }
        };
        invited = stays || invites;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    async fn session(erases: bool) -> String {
        let paper = Paper::default();
        let screen = Screen::on(Box::new(paper.clone()), erases).unwrap();
        screen.line("welcome").await;
        screen.prompt().await;
        screen.line("database restarts").await;
        screen.typed().await;
        screen.line("done").await;
        screen.prompt().await;
        tokio::task::spawn_blocking(move || screen.end(&["stopped".into()])).await.unwrap();
        let written = paper.0.lock().unwrap().clone();
        String::from_utf8(written).unwrap()
    }

    #[tokio::test]
    async fn what_happens_while_somebody_types_stands_above_the_prompt() {
        assert_eq!(session(true).await, "welcome\n> \r\x1b[Kdatabase restarts\n> done\n> \nstopped\n");
        assert_eq!(session(false).await, "welcome\n> \ndatabase restarts\n> done\n> \nstopped\n");
    }
}
