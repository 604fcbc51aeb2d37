//! The name of a value: section and key, or deeper in the free-form tables.

use std::fmt;
use supervision::ActorPath;

/// A dotted key, part by part: a path like `gateway/shard-0` is one part.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Vec<String>);

impl Key {
    /// A key of `parts`.
    pub fn of<S: Into<String>>(parts: impl IntoIterator<Item = S>) -> Self {
        Self(parts.into_iter().map(Into::into).collect())
    }

    /// A key written with dots, for sections and keys without a dot of their own.
    pub fn dotted(text: &str) -> Self {
        Self::of(text.split('.'))
    }

    /// Its parts.
    pub fn parts(&self) -> &[String] {
        &self.0
    }

    /// Its section.
    pub fn section(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Its last part.
    pub fn name(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// The same key with an actor's path as the tree writes it: `root/rest` and `/rest/` are `rest`.
    pub(super) fn canonical(&self) -> Self {
        match self.parts() {
            [section, path, rest @ ..] if section == "supervision" && !rest.is_empty() && !path.is_empty() => {
                let path = ActorPath::from(path.as_str()).to_string();
                Self::of([section.clone(), path].into_iter().chain(rest.iter().cloned()))
            }
            _ => self.clone(),
        }
    }

    /// Whether its value is never shown.
    pub fn is_secret(&self) -> bool {
        let name = self.name().to_lowercase();
        ["token", "secret", "password", "passwd", "dsn", "api_key", "apikey", "webhook"]
            .iter()
            .any(|word| name.contains(word))
            && name != "token_file"
    }
}

impl fmt::Display for Key {
    /// As TOML writes it: parts that are no bare words stand in quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            let bare = !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
            if bare { f.write_str(part)? } else { write!(f, "{part:?}")? }
        }
        Ok(())
    }
}
