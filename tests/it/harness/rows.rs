//! What a bot that has ended has left in the audit log.

use super::Home;
use database::{DatabaseConfig, Db};
use protocol::{Secret, SystemClock, ports::AuditRow};
use std::sync::Arc;
use supervision::{Flags, NoObserver, Planes, Strategy, Tree};

/// Rows of the audit log in `home` whose action is `action`, the oldest first: who, at what, with which outcome. The newest
/// 200 rows are looked at.
pub(crate) fn audited(home: &Home, action: &str) -> Vec<AuditRow> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut rows = runtime.block_on(async {
        let url = Secret::new("sqlite://impresario.db");
        let config = DatabaseConfig { url, pool_size: 1, acquire_ms: 10_000, health_ms: 60_000, connect_ms: 10_000 };
        let db = Db::new(config, &home.path("data"), Arc::new(SystemClock)).unwrap();
        let children = vec![database::child(&db)];
        let tree = Tree::start(Planes::single(), Flags::new(Strategy::OneForOne), children, Arc::new(NoObserver));
        let tree = tree.await.unwrap();
        tree.started().await.unwrap();
        let rows = db.audit_rows(200).await.unwrap();
        tree.shutdown(None);
        tree.ended().await;
        rows
    });
    rows.retain(|row| row.action == action);
    rows.reverse();
    rows
}
