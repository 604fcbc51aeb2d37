//! What stands in a bot's database.

use super::Home;
use database::{DatabaseConfig, Db, GuildConfig};
use protocol::{Secret, SystemClock, id::GuildId, ports::AuditRow};
use std::sync::Arc;
use supervision::{Flags, NoObserver, Planes, Strategy, Tree};

/// Rows of the audit log in `home` whose action is `action`, the oldest first: who, at what, with which outcome. The newest
/// 200 rows are looked at. The bot has ended.
pub(crate) fn audited(home: &Home, action: &str) -> Vec<AuditRow> {
    let mut rows = with_database(home, async |db| db.audit_rows(200).await.unwrap());
    rows.retain(|row| row.action == action);
    rows.reverse();
    rows
}

/// What these guilds have set for themselves, and all prefixes; the bot may run.
pub(crate) fn set_by(home: &Home, guilds: &[u64]) -> (Vec<Option<GuildConfig>>, Vec<(GuildId, String)>) {
    with_database(home, async |db| {
        let mut rows = Vec::new();
        for guild in guilds {
            rows.push(db.guild_config(GuildId::new(*guild)).await.unwrap());
        }
        (rows, db.guild_prefixes(1_000).await.unwrap())
    })
}

fn with_database<T>(home: &Home, look: impl AsyncFnOnce(&Db) -> T) -> T {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let url = Secret::new("sqlite://impresario.db");
        let config = DatabaseConfig { url, pool_size: 1, acquire_ms: 10_000, health_ms: 60_000, connect_ms: 10_000 };
        let db = Db::new(config, &home.path("data"), Arc::new(SystemClock)).unwrap();
        let children = vec![database::child(&db)];
        let tree = Tree::start(Planes::single(), Flags::new(Strategy::OneForOne), children, Arc::new(NoObserver));
        let tree = tree.await.unwrap();
        tree.started().await.unwrap();
        let seen = look(&db).await;
        tree.shutdown(None);
        tree.ended().await;
        seen
    })
}
