//! Where the database is: the URL, taken apart once.

use crate::error::DbError;
use protocol::Secret;
use std::{
    fmt,
    path::{Path, PathBuf},
};

const FORMS: &str = "sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME";

/// Which database engine is behind the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// Embedded.
    Sqlite,
    /// A server.
    Postgres,
}

impl Engine {
    /// The engine as one stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// Where the database is. `Display` is for people: the file, or the URL without its password.
#[derive(Debug, Clone)]
pub(crate) enum Location {
    Sqlite { path: PathBuf },
    Postgres { url: Secret, shown: String },
}

impl Location {
    /// Takes `url` apart; a relative SQLite path is below `data_dir`.
    pub(crate) fn parse(url: &Secret, data_dir: &Path) -> Result<Self, DbError> {
        let text = url.expose().trim();
        if let Some(path) = text.strip_prefix("sqlite://") {
            return sqlite(path, data_dir);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return postgres(text);
        }
        let scheme = text.split_once("://").map(|(scheme, _)| scheme).filter(|s| is_scheme(s));
        Err(DbError::Config(match scheme {
            Some(scheme) => format!("database.url has the unknown scheme {scheme:?}; write {FORMS}"),
            None => format!("database.url has no scheme; write {FORMS}"),
        }))
    }

    pub(crate) fn engine(&self) -> Engine {
        match self {
            Self::Sqlite { .. } => Engine::Sqlite,
            Self::Postgres { .. } => Engine::Postgres,
        }
    }

    /// `message` without the password, whatever library wrote it.
    pub(crate) fn scrub(&self, message: &str) -> String {
        let Self::Postgres { url, .. } = self else { return message.to_owned() };
        let mut clean = message.replace(url.expose(), "***");
        for secret in passwords(url.expose()) {
            clean = clean.replace(&secret, "***");
        }
        clean
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => path.display().fmt(f),
            Self::Postgres { shown, .. } => shown.fmt(f),
        }
    }
}

/// A database URL as it may be printed: the password, wherever it stands in it, replaced by asterisks.
pub fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return if url.contains('@') || url.contains("password") { "***".to_owned() } else { url.to_owned() };
    };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // A password may hold an unescaped slash: then the real authority ends later, at the last `@`.
    let at = rest[..authority_end].rfind('@').or_else(|| rest.rfind('@'));
    let (user_info, tail) = at.map_or((None, rest), |at| (Some(&rest[..at]), &rest[at + 1..]));
    let user_info = user_info.map(|info| match info.split_once(':') {
        Some((user, _)) => format!("{user}:***@"),
        None => format!("{info}@"),
    });
    let tail = match tail.split_once('?') {
        Some((path, query)) => format!("{path}?{}", redacted_query(query)),
        None => tail.to_owned(),
    };
    format!("{scheme}://{}{tail}", user_info.unwrap_or_default())
}

fn redacted_query(query: &str) -> String {
    let clean = |pair: &str| match pair.split_once('=') {
        Some((key, _)) if key.contains("password") => format!("{key}=***"),
        _ => pair.to_owned(),
    };
    query.split('&').map(clean).collect::<Vec<_>>().join("&")
}

fn sqlite(path: &str, data_dir: &Path) -> Result<Location, DbError> {
    let refuse = |what: &str| Err(DbError::Config(format!("database.url {what}; write sqlite://PATH")));
    if path.is_empty() || path.ends_with('/') {
        return refuse("names no file");
    }
    if path == ":memory:" {
        return refuse("asks for a database in memory, which would be lost with the process");
    }
    if path.contains(['?', '#']) {
        return refuse("has parameters after the path, which are not supported");
    }
    if path.contains('\0') {
        return refuse("has a NUL character in its path");
    }
    Ok(Location::Sqlite { path: data_dir.join(path) })
}

fn postgres(url: &str) -> Result<Location, DbError> {
    let shown = redacted(url);
    let parsed = url
        .parse::<tokio_postgres::Config>()
        .map_err(|_why| DbError::Config(format!("database.url is no PostgreSQL URL ({shown}); write {FORMS}")))?;
    if parsed.get_hosts().is_empty() {
        return Err(DbError::Config(format!("database.url names no host ({shown}); write {FORMS}")));
    }
    if parsed.get_ssl_mode() == tokio_postgres::config::SslMode::Require {
        return Err(DbError::Config(format!(
            "database.url asks for TLS ({shown}), which this version cannot speak to PostgreSQL; \
             use a Unix socket, a private network or a local TLS proxy, and leave sslmode out"
        )));
    }
    Ok(Location::Postgres { url: Secret::new(url), shown })
}

/// The password as it stands in the URL and as a server would see it.
fn passwords(url: &str) -> Vec<String> {
    let config = url.parse::<tokio_postgres::Config>();
    let decoded = config.ok().and_then(|config| config.get_password().map(<[u8]>::to_vec));
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let written = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
    let written = written.and_then(|(info, _)| info.split_once(':')).map(|(_, password)| password.to_owned());
    decoded.into_iter().chain(written).filter(|password| !password.is_empty()).collect()
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Location, DbError> {
        Location::parse(&Secret::new(url), Path::new("data"))
    }

    #[test]
    fn relative_files_are_below_the_data_folder_and_absolute_ones_are_not() {
        assert_eq!(parse("sqlite://impresario.db").unwrap().to_string(), "data/impresario.db");
        assert_eq!(parse("sqlite:///srv/bot/x.db").unwrap().to_string(), "/srv/bot/x.db");
    }

    #[test]
    fn anything_else_is_refused_with_the_key_and_the_form() {
        for bad in [
            "",
            "impresario.db",
            "mysql://u:hunter2@h/x",
            "sqlite://",
            "sqlite://:memory:",
            "sqlite://x?mode=ro",
            "postgres://",
            "postgres://u:hunter2@h:port/x",
            "hunter2@h",
            "postgres://u:hunter2@h/x?sslmode=require",
        ] {
            let error = parse(bad).unwrap_err().to_string();
            assert!(
                error.contains("database.url") && error.contains("write") || error.contains("sslmode"),
                "{bad}: {error}"
            );
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        for url in [
            "postgres://bot:hunter2@db.example/impresario",
            "postgresql://bot:hunter2@db.example:5432/impresario?application_name=x",
            "postgres://bot:hunter2@[::1]/x",
            "postgres://bot@db.example/x?password=hunter2",
        ] {
            let location = parse(url).unwrap();
            for shown in [format!("{location}"), format!("{location:?}"), redacted(url)] {
                assert!(!shown.contains("hunter2"), "{shown}");
            }
            assert!(location.to_string().contains("***") && location.to_string().contains("/"), "{location}");
            let said = location.scrub("could not use hunter2 for bot");
            assert_eq!(said, "could not use *** for bot");
        }
        assert_eq!(redacted("postgres://bot:hun/ter2@h/x"), "postgres://bot:***@h/x");
        assert_eq!(redacted("sqlite://impresario.db"), "sqlite://impresario.db");
    }
}
