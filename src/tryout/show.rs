//! What happens, as a person reads it: replies, restarts, suspensions.

use sandbox::{Sandbox, SandboxEvent};
use std::{
    io::IsTerminal,
    sync::{Arc, Mutex, PoisonError},
};
use supervision::{Entry, Tree, core::Rule};
use tokio::{sync::broadcast::error::RecvError, time::Instant};

/// Writes lines, and knows when it last did.
#[derive(Clone)]
pub(super) struct Show(Arc<Mutex<Instant>>);

impl Default for Show {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Show {
    /// When a line was last shown.
    pub(super) fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows a line (or several).
    pub(super) fn line(&self, text: &str) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        super::out(&format!("{}{text}\n", if std::io::stdout().is_terminal() { "\r" } else { "" }));
        *last = Instant::now();
    }

    /// Invites the next line.
    pub(super) fn prompt(&self) {
        super::out("> ");
    }

    /// Shows what the bot does on Discord.
    pub(super) async fn follow_discord(self, sandbox: Arc<Sandbox>) {
        let mut events = sandbox.subscribe();
        loop {
            match events.recv().await {
                Ok(event) => {
                    if let Some(text) = on_discord(&sandbox, &event) {
                        self.line(&text);
                    }
                }
                Err(RecvError::Lagged(lost)) => self.line(&format!("  ({lost} events were not shown)")),
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Shows what supervisors decide, the ordinary comings and goings left out.
    pub(super) async fn follow_tree(self, tree: Tree) {
        let mut entries = tree.subscribe();
        loop {
            match entries.recv().await {
                Ok(entry) if is_shown(&entry) => self.line(&format!("  [tree] {}", sentence(&entry))),
                Ok(_) => {}
                Err(RecvError::Lagged(lost)) => self.line(&format!("  ({lost} decisions were not shown)")),
                Err(RecvError::Closed) => return,
            }
        }
    }
}

fn on_discord(sandbox: &Sandbox, event: &SandboxEvent) -> Option<String> {
    match event {
        SandboxEvent::BotMessage { content, .. } => Some(said("Impresario", content)),
        SandboxEvent::InteractionReply { content, ephemeral, .. } => {
            let to = if *ephemeral { "Impresario (only for you)" } else { "Impresario" };
            (!content.is_empty()).then(|| said(to, content))
        }
        SandboxEvent::Resume { replayed, .. } => Some(format!("  [gateway] resumed, {replayed} event(s) replayed")),
        SandboxEvent::Identify { .. } if sandbox.stats().identifies > 1 => {
            Some("  [gateway] identified anew".to_owned())
        }
        SandboxEvent::Unimplemented { method, path } => Some(format!("  [sandbox] {method} {path}: not implemented")),
        _ => None,
    }
}

fn said(who: &str, content: &str) -> String {
    content.lines().map(|line| format!("  {who}: {line}")).collect::<Vec<_>>().join("\n")
}

/// Decisions that somebody at the prompt wants to see as they happen.
fn is_shown(entry: &Entry) -> bool {
    match entry.decision.rule {
        Rule::Up => entry.decision.incarnation > 1,
        Rule::Start | Rule::Down | Rule::Stop | Rule::Shutdown => false,
        _ => true,
    }
}

/// Decisions, one a line.
pub(super) fn decisions(entries: &[Arc<Entry>]) -> String {
    if entries.is_empty() {
        return "no decisions".to_owned();
    }
    entries.iter().map(|entry| format!("  {:>5}  {}", entry.seq, sentence(entry))).collect::<Vec<_>>().join("\n")
}

fn sentence(entry: &Entry) -> String {
    let decision = &entry.decision;
    let mut text = format!("{}#{} {}", entry.path, decision.incarnation, decision.text);
    if let Some(cause) = &decision.cause {
        text.push_str(&format!(" ({cause})"));
    }
    if let Some(budget) = decision.budget {
        text.push_str(&format!(" [budget: {} of {} used]", budget.used, budget.allowed));
    }
    text
}
