//! Where an actor stands in the tree: `gateway/shard-0`.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc};

/// The name of the root supervisor; every other path omits it.
pub const ROOT: &str = "root";

/// An actor's place in the tree. The root is `root`; its children are written without it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct ActorPath(Arc<str>);

impl ActorPath {
    /// The root supervisor.
    pub fn root() -> Self {
        Self(Arc::from(ROOT))
    }

    /// The child `id` below this path.
    pub fn child(&self, id: &str) -> Self {
        if self.is_root() { Self(Arc::from(id)) } else { Self(Arc::from(format!("{}/{id}", self.0))) }
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        &*self.0 == ROOT
    }

    /// The supervisor's path; none for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(self.0.rsplit_once('/').map_or_else(Self::root, |(parent, _)| Self(Arc::from(parent))))
    }

    /// The last segment.
    pub fn id(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, id)| id)
    }

    /// Levels below the root: 0 for the root, 1 for `gateway`, 2 for `gateway/shard-0`.
    pub fn depth(&self) -> usize {
        if self.is_root() { 0 } else { 1 + self.0.matches('/').count() }
    }

    /// Whether this path is `other` or stands below it.
    pub fn is_within(&self, other: &Self) -> bool {
        other.is_root() || self == other || self.0.strip_prefix(&*other.0).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ActorPath {
    /// Accepts an optional leading `root/` or `/`.
    fn from(text: &str) -> Self {
        let text = text.trim_matches('/');
        let text = text.strip_prefix("root/").unwrap_or(text);
        Self(Arc::from(if text.is_empty() { ROOT } else { text }))
    }
}

impl From<String> for ActorPath {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<ActorPath> for String {
    fn from(path: ActorPath) -> Self {
        path.0.to_string()
    }
}

impl FromStr for ActorPath {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::from(text))
    }
}

impl fmt::Display for ActorPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ActorPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_of_the_root_omit_it() {
        let shard = ActorPath::root().child("gateway").child("shard-0");
        assert_eq!(shard.as_str(), "gateway/shard-0");
        assert_eq!(shard, ActorPath::from("/root/gateway/shard-0".trim_start_matches('/')));
        assert_eq!(shard.parent().map(|p| p.parent()), Some(Some(ActorPath::root())));
        assert_eq!((shard.id(), shard.depth()), ("shard-0", 2));
    }

    #[test]
    fn a_sibling_with_a_longer_name_is_not_within() {
        assert!(ActorPath::from("gateway/shard-0").is_within(&"gateway".into()));
        assert!(!ActorPath::from("gateway-two").is_within(&"gateway".into()));
    }
}
