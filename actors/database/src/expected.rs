//! Whether the tables and columns that are there are those that this program works with: asked once after migrating, so
//! that what somebody changed by hand is told at the start, and not by the first call that needs it.

use crate::{
    engine::{Pools, read},
    error::{DbError, Trouble},
    location::Location,
    schema::{audit, guild_config, identify, identify_clock},
};
use diesel::QueryDsl;
use diesel_async::RunQueryDsl;

/// Reads no row of any table, but names every column of it.
///
/// # Errors
/// [`DbError::Newer`] with the table, what the engine misses, and the remedy; or that the database does not answer.
pub(crate) async fn check(pools: &Pools, at: &Location) -> Result<(), DbError> {
    macro_rules! tables {
        ($($table:ident),*) => {
            $(
                let asked: Result<usize, Trouble> = async {
                    read!(pools, |c| $table::table.select($table::all_columns).limit(0).execute(c).await)
                }
                .await;
                asked.map_err(|trouble| refused(stringify!($table), trouble, at))?;
            )*
        };
    }
    tables!(guild_config, identify, identify_clock, audit);
    Ok(())
}

/// What a missing table or column means. Anything else (it went away meanwhile) stays what it is.
fn refused(table: &str, trouble: Trouble, at: &Location) -> DbError {
    match trouble.explain(at, std::time::Duration::ZERO) {
        DbError::Other(said) => DbError::Newer(format!(
            "the table {table} of {at} is not as this program's migrations made it ({said}); put back what was changed, \
             restore a backup, or point database.url at another database"
        )),
        other => other,
    }
}
