//! The bot's token: from the environment, a systemd credential or a file of its own, never from the configuration.

use super::{
    key::Key,
    problem::Problem,
    sources::{Sources, TokenRule},
    values::{Origin, Values},
};
use protocol::Secret;
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Longest token file that is read, in bytes.
const FILE_MAX: u64 = 4096;

/// The token and its origin. The first source that is there decides, so that a mistake in it is not papered over.
pub(super) fn find(
    sources: &Sources,
    values: &Values,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<String>,
) -> Option<(Secret, Origin)> {
    let key = Key::of(["discord", "token"]);
    let (text, origin) = match &sources.token {
        TokenRule::Ignored => return None,
        TokenRule::Given(token) => return Some((token.clone(), Origin::Flag { name: "try".to_owned() })),
        TokenRule::Required => match source(sources, values, warnings) {
            Ok(Some(found)) => found,
            Ok(None) => {
                let reason = "there is none: set DISCORD_TOKEN in the environment, or discord.token_file to a file \
                              that holds it (`impresario try` needs none)";
                problems.push(Problem::new(&Origin::Default, &key, reason));
                return None;
            }
            Err(problem) => {
                problems.push(problem);
                return None;
            }
        },
    };
    match check_shape(text.trim()) {
        Ok(()) => Some((Secret::new(text.trim()), origin)),
        Err(reason) => {
            problems.push(Problem::new(&origin, &key, reason));
            None
        }
    }
}

fn source(sources: &Sources, values: &Values, warnings: &mut Vec<String>) -> Result<Option<(String, Origin)>, Problem> {
    let (ours, alias) = (sources.var("DISCORD_TOKEN"), sources.var("BOT_TOKEN"));
    if let (Some(ours), Some(alias)) = (ours, alias)
        && ours != alias
    {
        warnings.push("environment DISCORD_TOKEN and BOT_TOKEN differ: DISCORD_TOKEN is used".to_owned());
    }
    for (name, value) in [("DISCORD_TOKEN", ours), ("BOT_TOKEN", alias)] {
        if let Some(value) = value {
            return Ok(Some((value.to_owned(), Origin::Environment { name: name.to_owned() })));
        }
    }
    if let Some(file) = sources.var("CREDENTIALS_DIRECTORY").map(|dir| Path::new(dir).join("discord_token"))
        && file.exists()
    {
        return read(&file, &file, None).map(Some); // systemd sees to its modes
    }
    match values.text("discord.token_file") {
        "" => Ok(None),
        file => read(&PathBuf::from(file), &sources.cwd.join(file), Some(warnings)).map(Some),
    }
}

/// Reads a token file, refusing one that others may change and warning of one that others may read.
fn read(shown: &Path, file: &Path, warnings: Option<&mut Vec<String>>) -> Result<(String, Origin), Problem> {
    let origin = Origin::Alone { file: shown.to_owned() };
    let key = Key::of(["discord", "token"]);
    let refuse = |reason: String| Problem::new(&origin, &key, reason);
    let meta = std::fs::metadata(file).map_err(|error| refuse(format!("the token file cannot be read: {error}")))?;
    let mode = meta.permissions().mode();
    if !meta.is_file() || meta.len() > FILE_MAX {
        return Err(refuse("the token file holds the token and nothing else; this is something else".to_owned()));
    }
    if let Some(warnings) = warnings {
        if mode & 0o022 != 0 {
            return Err(refuse(format!("others may change the token file (mode {:04o}): chmod 600 it", mode & 0o7777)));
        }
        if mode & 0o044 != 0 {
            let (mode, file) = (mode & 0o7777, shown.display());
            warnings.push(format!("others may read the token file {file} (mode {mode:04o}): chmod 600 it"));
        }
    }
    let text =
        std::fs::read_to_string(file).map_err(|error| refuse(format!("the token file cannot be read: {error}")))?;
    Ok((text, origin))
}

/// A token is three parts of base64url with a dot between them. The text itself is never repeated.
///
/// # Errors
/// What is wrong with it.
pub fn check_shape(token: &str) -> Result<(), String> {
    if token.is_empty() {
        return Err("the token is empty".to_owned());
    }
    if token.starts_with("Bot ") {
        return Err("give the token without the word \"Bot\"".to_owned());
    }
    let parts: Vec<&str> = token.split('.').collect();
    let base64url = |part: &&str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if parts.len() != 3 || !parts.iter().all(base64url) {
        let text = "malformed: a bot token is three groups of letters, digits, - and _ with a dot between them; copy \
                    it anew from the developer portal (Bot, Reset Token)";
        return Err(text.to_owned());
    }
    Ok(())
}

/// Whether `text` has the measures of a real token (id, time and signature in base64url), wherever it stands.
pub(super) fn looks_like_a_token(text: &str) -> bool {
    let text = text.trim().trim_start_matches("Bot ");
    let lengths: Vec<usize> = text.split('.').map(str::len).collect();
    check_shape(text).is_ok() && matches!(lengths[..], [22..=30, 5..=8, 25..=50])
}
