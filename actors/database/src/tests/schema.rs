//! Both sets of migrations have the same names and make the same schema.

use super::world::fresh;
use crate::{Db, engine::Pools, migrate};
use diesel::{QueryableByName, sql_query, sql_types::Text};
use diesel_async::RunQueryDsl;

/// `table.column type null?`, and `index table`: what `schema.rs` and every engine must say.
const EXPECTED: [&str; 19] = [
    "audit.action TEXT not null",
    "audit.actor TEXT not null",
    "audit.at TIMESTAMP not null",
    "audit.detail JSON not null",
    "audit.id BIGINT not null",
    "audit.outcome TEXT not null",
    "audit.target TEXT not null",
    "guild_config.guild_id BIGINT not null",
    "guild_config.prefix TEXT null",
    "guild_config.updated_at TIMESTAMP not null",
    "identify.at TIMESTAMP not null",
    "identify.id BIGINT not null",
    "identify.shard BIGINT not null",
    "identify_clock.at TIMESTAMP not null",
    "identify_clock.boot TEXT not null",
    "identify_clock.id BIGINT not null",
    "identify_clock.up_ms BIGINT not null",
    "index audit_at on audit",
    "index identify_at on identify",
];

const SQLITE: &str = "
    SELECT m.name || '.' || c.name || ' ' || CASE c.type WHEN 'INTEGER' THEN 'BIGINT' ELSE c.type END
           || CASE c.\"notnull\" WHEN 1 THEN ' not null' ELSE ' null' END AS line
    FROM sqlite_schema m JOIN pragma_table_info(m.name) c
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE '\\_\\_diesel%' ESCAPE '\\'
    UNION ALL SELECT 'index ' || name || ' on ' || tbl_name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL
    ORDER BY 1";

const POSTGRES: &str = "
    SELECT table_name || '.' || column_name || ' '
           || CASE data_type WHEN 'timestamp without time zone' THEN 'TIMESTAMP' ELSE upper(data_type) END
           || CASE is_nullable WHEN 'NO' THEN ' not null' ELSE ' null' END AS line
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_diesel%'
    UNION ALL SELECT 'index ' || indexname || ' on ' || tablename FROM pg_indexes
    WHERE schemaname = 'public' AND indexname NOT LIKE '%\\_pkey'
    ORDER BY 1";

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// The schema that is really there.
pub(super) async fn is_as_expected(db: &Db) {
    let live = db.live().unwrap();
    let lines: Vec<Line> = match &live.pools {
        Pools::Lite { read, .. } => sql_query(SQLITE).load(&mut read.get().await.unwrap()).await.unwrap(),
        Pools::Pg(pool) => sql_query(POSTGRES).load(&mut pool.get().await.unwrap()).await.unwrap(),
    };
    let mut lines: Vec<String> = lines.into_iter().map(|row| row.line).collect();
    lines.sort();
    assert_eq!(lines, EXPECTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlites_migrations_make_the_expected_schema() {
    let (_folder, db) = fresh().await;
    is_as_expected(&db).await;
}

#[test]
fn both_engines_have_the_same_migrations() {
    let sqlite = migrate::names::<diesel::sqlite::Sqlite>(&migrate::SQLITE);
    let postgres = migrate::names::<diesel::pg::Pg>(&migrate::POSTGRES);
    assert!(!sqlite.is_empty());
    assert_eq!(sqlite, postgres);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_declared_column_can_be_read_with_its_declared_type() {
    reads_every_column(&fresh().await.1).await;
}

/// Selects all columns of all tables, so that a wrong name or type in `schema.rs` fails.
pub(super) async fn reads_every_column(db: &Db) {
    use crate::schema::{applied_migration, audit, guild_config, identify, identify_clock};
    use chrono::NaiveDateTime as Time;
    let live = db.live().unwrap();
    macro_rules! load {
        ($conn:expr) => {{
            let conn = $conn;
            guild_config::table.load::<(i64, Option<String>, Time)>(conn).await.unwrap();
            identify::table.load::<(i64, i64, Time)>(conn).await.unwrap();
            identify_clock::table.load::<(i64, String, i64, Time)>(conn).await.unwrap();
            type Audit = (i64, Time, String, String, String, serde_json::Value, String);
            audit::table.load::<Audit>(conn).await.unwrap();
            let migrations = applied_migration::table.load::<(String, Time)>(conn).await.unwrap();
            assert_eq!(migrations.len(), migrate::known().len());
        }};
    }
    match &live.pools {
        Pools::Lite { read, .. } => load!(&mut *read.get().await.unwrap()),
        Pools::Pg(pool) => load!(&mut *pool.get().await.unwrap()),
    }
}
