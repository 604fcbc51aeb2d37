//! What guilds have set for themselves. Durability: committed before the answer.

use crate::{
    db::{Db, Op},
    engine::{read, write},
    error::DbError,
    schema::guild_config,
    time,
};
use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::{
    ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable, Selectable, SelectableHelper,
    upsert::excluded,
};
use diesel_async::RunQueryDsl;
use protocol::id::GuildId;

/// Longest prefix, in characters; a constraint of the schema says the same.
pub const PREFIX_CHARS_MAX: usize = 32;

/// A guild's own settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuildConfig {
    /// The guild.
    pub guild_id: GuildId,
    /// Its prefix; none: the default one.
    pub prefix: Option<String>,
    /// When it was last changed, UTC.
    pub updated_at: DateTime<Utc>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = guild_config, treat_none_as_default_value = false, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
struct Row {
    guild_id: i64,
    prefix: Option<String>,
    updated_at: NaiveDateTime,
}

impl From<Row> for GuildConfig {
    fn from(row: Row) -> Self {
        Self {
            guild_id: GuildId::new(row.guild_id.cast_unsigned()),
            prefix: row.prefix,
            updated_at: row.updated_at.and_utc(),
        }
    }
}

impl Db {
    /// What `guild` has set; none when it has set nothing.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn guild_config(&self, guild: GuildId) -> Result<Option<GuildConfig>, DbError> {
        let id = row_id(guild);
        let row = self.call(Op::read("guild_config.get"), async move |live| {
            read!(&live.pools, |c| guild_config::table
                .find(id)
                .select(Row::as_select())
                .first::<Row>(c)
                .await
                .optional())
        });
        Ok(row.await?.map(GuildConfig::from))
    }

    /// Guilds that have set a prefix, and which: `limit` of them at most.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn guild_prefixes(&self, limit: usize) -> Result<Vec<(GuildId, String)>, DbError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.call(Op::read("guild_config.prefixes"), async move |live| {
            read!(&live.pools, |c| guild_config::table
                .filter(guild_config::prefix.is_not_null())
                .select(Row::as_select())
                .limit(limit)
                .load::<Row>(c)
                .await)
        });
        let rows = rows.await?.into_iter().map(GuildConfig::from);
        Ok(rows.filter_map(|config| Some((config.guild_id, config.prefix?))).collect())
    }

    /// Sets `guild`'s prefix, 1 to [`PREFIX_CHARS_MAX`] characters; none: the default one. Committed when it returns.
    ///
    /// # Errors
    /// [`DbError::Conflict`] for a prefix that is empty or too long; else as any call.
    pub async fn set_prefix(&self, guild: GuildId, prefix: Option<&str>) -> Result<GuildConfig, DbError> {
        if prefix.is_some_and(|p| p.contains('\0') || !(1..=PREFIX_CHARS_MAX).contains(&p.chars().count())) {
            return Err(DbError::Conflict { what: format!("a prefix has 1 to {PREFIX_CHARS_MAX} characters") });
        }
        let row = Row {
            guild_id: row_id(guild),
            prefix: prefix.map(str::to_owned),
            updated_at: time::stored(self.inner.clock.now()),
        };
        let row = self.call(Op::write("guild_config.set_prefix"), async move |live| {
            write!(&live.pools, |c| diesel::insert_into(guild_config::table)
                .values(&row)
                .on_conflict(guild_config::guild_id)
                .do_update()
                .set((
                    guild_config::prefix.eq(excluded(guild_config::prefix)),
                    guild_config::updated_at.eq(excluded(guild_config::updated_at)),
                ))
                .returning(Row::as_returning())
                .get_result::<Row>(c)
                .await)
        });
        Ok(row.await?.into())
    }
}

/// Discord's ids have 63 significant bits until the year 2084, so the sign stays clear.
fn row_id(guild: GuildId) -> i64 {
    guild.get().cast_signed()
}
