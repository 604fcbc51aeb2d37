//! What is wrong with a configuration.

use super::{
    key::Key,
    values::{Origin, Values},
};
use serde::{Serialize, Serializer};
use std::{fmt, path::PathBuf};

/// One thing that is wrong: where, which key, why, and what may have been meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where the value stands.
    pub origin: Origin,
    /// The key; empty when it concerns the whole file.
    #[serde(serialize_with = "as_text")]
    pub key: Key,
    /// What is wrong and what to do, in one sentence without a final stop.
    pub reason: String,
    /// What may have been meant.
    pub did_you_mean: Option<String>,
}

fn as_text<S: Serializer>(key: &Key, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(key)
}

impl Problem {
    pub(crate) fn new(origin: &Origin, key: &Key, reason: impl fmt::Display) -> Self {
        Self { origin: origin.clone(), key: key.clone(), reason: reason.to_string(), did_you_mean: None }
    }

    pub(crate) fn meaning(self, suggestion: Option<String>) -> Self {
        Self { did_you_mean: suggestion, ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin != Origin::Default {
            write!(f, "{}: ", self.origin)?;
        }
        if !self.key.parts().is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.reason)?;
        self.did_you_mean.as_ref().map_or(Ok(()), |meant| write!(f, "; did you mean {meant:?}?"))
    }
}

/// Everything that is wrong at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Problems {
    /// What is wrong; never empty.
    pub list: Vec<Problem>,
    /// What deserves a word besides.
    pub warnings: Vec<String>,
    /// The values as far as they could be read.
    pub values: Box<Values>,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
}

impl fmt::Display for Problems {
    /// One line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.list.iter().enumerate() {
            write!(f, "{}{problem}", if at > 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
