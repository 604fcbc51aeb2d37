//! Whether a configuration file with secrets in it is its owner's alone.

use super::{key::Key, show, values::Setting};
use std::{os::unix::fs::PermissionsExt, path::Path};

/// Names named in a warning; there may be one for each cog.
const NAMED_MAX: usize = 5;

/// What is to be said of the file at `file`, shown as `shown`: that others may read or change it, and which of the values
/// that stand in it are secrets. Nothing of a file without secrets: it may be everybody's.
pub(super) fn warning(shown: &Path, file: &Path, values: &[(Key, Setting)]) -> Option<String> {
    let secrets: Vec<String> = values
        .iter()
        .flat_map(|(key, setting)| show::secrets(key, &setting.value))
        .map(|key: Key| key.to_string())
        .collect();
    if secrets.is_empty() {
        return None;
    }
    let mode = std::fs::metadata(file).ok()?.permissions().mode() & 0o7777;
    let may = match (mode & 0o022 != 0, mode & 0o044 != 0) {
        (true, _) => "change",
        (false, true) => "read",
        (false, false) => return None,
    };
    let more = match secrets.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (names, file) = (secrets[..secrets.len().min(NAMED_MAX)].join(", "), shown.display());
    Some(format!(
        "others may {may} {file} (mode {mode:04o}), where {names}{more} stands: chmod 600 it, or set that in the environment"
    ))
}
