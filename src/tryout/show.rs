//! What happens, as a person reads it: replies, restarts, suspensions.

use super::screen::Screen;
use sandbox::{Sandbox, SandboxEvent};
use std::sync::Arc;
use supervision::{Entry, core::Rule};
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// Shows what the bot does on Discord.
pub(super) async fn follow_discord(screen: Screen, sandbox: Arc<Sandbox>) {
    let mut events = sandbox.subscribe();
    loop {
        match events.recv().await {
            Ok(event) => {
                if let Some(text) = on_discord(&sandbox, &event) {
                    screen.line(text).await;
                }
            }
            Err(RecvError::Lagged(lost)) => screen.line(format!("  ({lost} events were not shown)")).await,
            Err(RecvError::Closed) => return,
        }
    }
}

/// Shows what supervisors decide, the ordinary comings and goings left out.
pub(super) async fn follow_tree(screen: Screen, mut entries: Receiver<Arc<Entry>>) {
    loop {
        match entries.recv().await {
            Ok(entry) if is_shown(&entry) => screen.line(format!("  [tree] {}", sentence(&entry))).await,
            Ok(_) => {}
            Err(RecvError::Lagged(lost)) => screen.line(format!("  ({lost} decisions were not shown)")).await,
            Err(RecvError::Closed) => return,
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
        Rule::Operator => entry.decision.incarnation > 0, // a room that adds its children at boot
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

/// An actor's decisions with the rule of each and what was not done instead.
pub(super) fn explained(entries: &[Arc<Entry>]) -> String {
    let mut lines = Vec::new();
    for entry in entries {
        lines.push(format!("  {:>5}  {}; rule: {}", entry.seq, sentence(entry), entry.decision.rule.name()));
        lines.extend(entry.decision.rejected.iter().map(|rejected| format!("         not: {rejected}")));
    }
    lines.join("\n")
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
