//! A configuration file, taken apart with the line of each value.

use super::{
    key::Key,
    problem::Problem,
    token::looks_like_a_token,
    values::{Origin, Setting},
};
use std::path::Path;
use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue},
};

/// Every value of the file. What is no TOML, and a token wherever it stands, becomes a problem.
pub(super) fn read(file: &Path, text: &str, problems: &mut Vec<Problem>) -> Vec<(Key, Setting)> {
    let origin = |at: usize| Origin::File { file: file.to_owned(), line: line_of(text, at) };
    let (spans, errors) = DeTable::parse_recoverable(text);
    let whole = Key::of::<String>([]);
    let mut lines = Vec::new();
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        if lines.contains(&line_of(text, at)) {
            continue; // what follows the first mistake of a line is mostly its echo
        }
        lines.push(line_of(text, at));
        problems.push(Problem::new(&origin(at), &whole, format_args!("not TOML: {}", error.message())));
    }
    if !errors.is_empty() {
        return Vec::new();
    }
    let table: Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            let error: toml::de::Error = error;
            let at = error.span().map_or(0, |span| span.start);
            problems.push(Problem::new(&origin(at), &whole, format_args!("not TOML: {}", error.message())));
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    flatten(&[], spans.get_ref(), &table, &mut found);
    let mut settings = Vec::new();
    for (parts, at, value) in found {
        let key = Key::of(parts);
        if is_token(&key, value) {
            problems.push(Problem::new(
                &origin(at),
                &key,
                "the token never stands in a configuration file: put it into DISCORD_TOKEN or into a file of its own \
                 that discord.token_file names, and reset it if this file was shared",
            ));
            continue;
        }
        settings.push((key, Setting { value: value.clone(), origin: origin(at) }));
    }
    settings
}

type Found<'v> = (Vec<String>, usize, &'v Value);

/// Values and where their keys begin. Sections are taken apart; so are the tables of the free-form ones.
fn flatten<'v>(above: &[String], spans: &DeTable<'_>, table: &'v Table, found: &mut Vec<Found<'v>>) {
    for (name, span) in spans {
        let Some(value) = table.get(name.get_ref().as_ref()) else { continue };
        let parts: Vec<String> = above.iter().cloned().chain([name.get_ref().to_string()]).collect();
        let inner: Option<&DeTable<'_>> = match Spanned::get_ref(span) {
            DeValue::Table(inner) => Some(inner),
            _ => None,
        };
        let section = parts.first().map_or("", String::as_str);
        let opens = match parts.len() {
            1 => true,
            2 => matches!(section, "supervision" | "cogs" | "tasks"),
            _ => false,
        };
        match (opens, inner, value) {
            (true, Some(inner), Value::Table(table)) => flatten(&parts, inner, table, found),
            _ => found.push((parts, name.span().start, value)),
        }
    }
}

fn is_token(key: &Key, value: &Value) -> bool {
    let names_it = matches!(key.name().to_lowercase().as_str(), "token" | "bot_token" | "discord_token");
    let place = matches!(key.parts().len(), 1) || key.section() == "discord";
    (names_it && place) || value.as_str().is_some_and(looks_like_a_token)
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}
