//! Audit rows between their recording and their table.

use protocol::ports::AuditRow;
use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Rows that wait while the database is away. The newest is refused when it is full: how trouble began matters most.
pub const AUDIT_WAITING_MAX: usize = 1024;

/// Rows on their way into the table.
#[derive(Debug, Default)]
pub(crate) struct AuditQueue {
    rows: Mutex<VecDeque<AuditRow>>,
    /// One flush at a time, so that rows stay in order and none is written twice.
    pub(super) flushing: tokio::sync::Mutex<()>,
    lost: AtomicU64,
}

impl AuditQueue {
    pub(crate) fn waiting(&self) -> usize {
        self.rows().len()
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    pub(super) fn rows(&self) -> MutexGuard<'_, VecDeque<AuditRow>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, row: AuditRow) {
        let mut rows = self.rows();
        if rows.len() < AUDIT_WAITING_MAX {
            rows.push_back(row);
            return;
        }
        drop(rows);
        self.lose(&row, "too many audit rows wait for the database");
    }

    pub(super) fn lose(&self, row: &AuditRow, why: &str) {
        self.lost.fetch_add(1, Relaxed);
        let AuditRow { at, actor, action, target, detail, outcome } = row;
        tracing::error!(audit.at = %at, audit.actor = actor, audit.action = action, audit.target = target,
            audit.detail = %detail, audit.outcome = outcome, why, "an audit row was not kept");
    }
}
