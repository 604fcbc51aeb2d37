//! Audit rows of mutations: queued, so that a stuck database never delays the operator who is about to mend it.

use protocol::{
    Clock,
    method::Peer,
    ports::{AuditLog, AuditRow},
};
use serde_json::{Map, Value};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

/// Rows that may wait for the database; further ones are logged and not kept.
const WAITING_MAX: usize = 256;
/// How long one row may take.
const ROW_DEADLINE: Duration = Duration::from_secs(5);
/// Longest detail that is kept, in bytes of JSON.
const DETAIL_MAX: usize = 4096;

/// What becomes of a mutation, row by row.
pub(crate) struct Audit {
    log: Arc<dyn AuditLog>,
    clock: Arc<dyn Clock>,
    sender: mpsc::Sender<AuditRow>,
    /// Taken by one incarnation's writer at a time.
    receiver: Mutex<mpsc::Receiver<AuditRow>>,
}

impl Audit {
    pub(crate) fn new(log: Arc<dyn AuditLog>, clock: Arc<dyn Clock>) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        Self { log, clock, sender, receiver: Mutex::new(receiver) }
    }

    /// Queues a row and logs it; never waits.
    pub(crate) fn note(&self, peer: &Peer, action: &str, params: &Value, outcome: &str) {
        let row = AuditRow {
            at: self.clock.now(),
            actor: match peer.pid {
                Some(pid) => format!("uid {} (pid {pid})", peer.uid),
                None => format!("uid {}", peer.uid),
            },
            action: action.to_owned(),
            target: target(params),
            detail: redacted(params),
            outcome: outcome.to_owned(),
        };
        tracing::info!(
            audit.actor = row.actor,
            audit.action = row.action,
            audit.target = row.target,
            audit.outcome = row.outcome,
            "control: {} {}: {}",
            row.action,
            row.target,
            row.outcome
        );
        if self.sender.try_send(row).is_err() {
            tracing::warn!(audit.action = action, "the audit row stands in this log only: {WAITING_MAX} wait already");
        }
    }

    /// Hands queued rows to the log, one after the other, until told to leave the rest to [`Audit::flush`].
    pub(crate) async fn write(&self, until: CancellationToken) {
        let mut rows = self.receiver.lock().await;
        while let Some(Some(row)) = until.run_until_cancelled(rows.recv()).await {
            self.keep(row).await;
        }
    }

    /// Hands over what is queued now, after the writer has let go.
    pub(crate) async fn flush(&self) {
        let mut rows = self.receiver.lock().await;
        while let Ok(row) = rows.try_recv() {
            self.keep(row).await;
        }
    }

    async fn keep(&self, row: AuditRow) {
        let action = row.action.clone();
        if tokio::time::timeout(ROW_DEADLINE, self.log.record(row)).await.is_err() {
            tracing::warn!(audit.action = action, "the audit row was not kept within {} s", ROW_DEADLINE.as_secs());
        }
    }
}

/// What a mutation is aimed at: the first of the parameters that name things.
fn target(params: &Value) -> String {
    ["path", "cog", "task", "shard", "name", "guild", "directive"]
        .iter()
        .find_map(|key| match params.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
        .unwrap_or_default()
}

/// `params` without what looks like a secret by its name, and without what would be too long to keep.
fn redacted(params: &Value) -> Value {
    let clean = clean(params);
    let length = clean.to_string().len();
    if length > DETAIL_MAX { Value::from(format!("{length} bytes, not kept")) } else { clean }
}

fn clean(value: &Value) -> Value {
    const SECRET: [&str; 6] = ["token", "secret", "password", "authorization", "dsn", "webhook"];
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| {
                let lower = key.to_lowercase();
                let hide = SECRET.iter().any(|word| lower.contains(word));
                (key.clone(), if hide { Value::from("***") } else { clean(value) })
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(clean).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn details_hold_no_secret_and_are_bounded() {
        let params = json!({"path": "rest", "params": {"Bot_Token": "abc", "list": [{"password": 1, "n": 2}]}});
        assert_eq!(target(&params), "rest");
        let expected = json!({"path": "rest", "params": {"Bot_Token": "***", "list": [{"password": "***", "n": 2}]}});
        assert_eq!(redacted(&params), expected);
        assert_eq!(redacted(&json!({"a": "x".repeat(5000)})), json!("5008 bytes, not kept"));
    }
}
