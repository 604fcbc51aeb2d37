//! What a line on the prompt means.

use serde_json::Value;
use supervision::Verb;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Line {
    Say { user: String, text: String },
    Slash { user: String, command: String, options: Vec<(String, Value)> },
    Tell { path: String, message: String, params: Value },
    Order { path: String, verb: Verb, force: bool },
    Explain { path: String },
    Tree,
    Status,
    Events,
    Cut,
    Reconnect,
    Help,
    Quit,
}

/// Who speaks when nobody is named: the bot's owner.
const OWNER: &str = "alice";

/// Reads one line; empty lines and comments (`#`) mean nothing.
pub(super) fn parse(text: &str) -> Result<Option<Line>, String> {
    let text = text.trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    if text.starts_with('!') {
        return Ok(Some(Line::Say { user: OWNER.to_owned(), text: text.to_owned() }));
    }
    if text.starts_with('/') {
        return slash(OWNER, text).map(Some);
    }
    if let Some((user, said)) = text.split_once(':') {
        let user = user.trim();
        if !user.is_empty() && user.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let said = said.trim();
            return match said.strip_prefix('/') {
                Some(_) => slash(user, said).map(Some),
                None => Ok(Some(Line::Say { user: user.to_owned(), text: said.to_owned() })),
            };
        }
    }
    command(text).map(Some)
}

/// `/prefix set value=?`: words before the first `name=value` are the command and its subcommands.
fn slash(user: &str, text: &str) -> Result<Line, String> {
    let mut command = Vec::new();
    let mut options = Vec::new();
    for word in text.trim_start_matches('/').split_whitespace() {
        match word.split_once('=') {
            Some((name, value)) => options.push((name.to_owned(), Value::from(value))),
            None if options.is_empty() => command.push(word),
            None => return Err(format!("{word:?}: options of a slash command are written name=value")),
        }
    }
    if command.is_empty() {
        return Err("which slash command?".to_owned());
    }
    Ok(Line::Slash { user: user.to_owned(), command: command.join(" "), options })
}

fn command(text: &str) -> Result<Line, String> {
    let mut words = text.splitn(2, char::is_whitespace);
    let (word, rest) = (words.next().unwrap_or_default(), words.next().unwrap_or_default().trim());
    let path = || match rest.split_whitespace().collect::<Vec<_>>()[..] {
        [path] => Ok(path.to_owned()),
        _ => Err(format!("{word} PATH, e.g. {word} database")),
    };
    let order = |verb: fn(bool) -> Verb| match rest.split_whitespace().collect::<Vec<_>>()[..] {
        [path, "--force"] | ["--force", path] => {
            Ok(Line::Order { path: path.to_owned(), verb: verb(true), force: true })
        }
        _ => Ok(Line::Order { path: path()?, verb: verb(false), force: false }),
    };
    Ok(match word {
        "tell" => return tell(rest),
        "kill" => return order(|_| Verb::Kill),
        "restart" => return order(|force| Verb::Restart { force }),
        "stop" => return order(|_| Verb::Stop),
        "start" => return order(|_| Verb::Start),
        "explain" => Line::Explain { path: path()? },
        "tree" => Line::Tree,
        "status" => Line::Status,
        "events" => Line::Events,
        "cut" => Line::Cut,
        "reconnect" => Line::Reconnect,
        "help" | "?" => Line::Help,
        "quit" | "exit" | "shutdown" => Line::Quit,
        _ => {
            let (word, said) = (clipped(word), clipped(text));
            return Err(format!("{word:?} is no command here; help lists them. To speak: {OWNER}: {said}"));
        }
    })
}

/// Long texts are repeated in part.
fn clipped(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    match text.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn tell(rest: &str) -> Result<Line, String> {
    let mut words = rest.splitn(3, char::is_whitespace);
    let (Some(path), Some(message)) = (words.next().filter(|word| !word.is_empty()), words.next()) else {
        return Err("tell PATH MESSAGE [JSON], e.g. tell emoji-cache refresh".to_owned());
    };
    let params = match words.next().map(str::trim).filter(|json| !json.is_empty()) {
        Some(json) => serde_json::from_str(json).map_err(|error| format!("the argument is not JSON: {error}"))?,
        None => Value::Null,
    };
    Ok(Line::Tell { path: path.to_owned(), message: message.to_owned(), params })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_mean_what_they_look_like() {
        let say = |user: &str, text: &str| Line::Say { user: user.into(), text: text.into() };
        assert_eq!(parse("alice: !ping"), Ok(Some(say("alice", "!ping"))));
        assert_eq!(parse("!crash info"), Ok(Some(say("alice", "!crash info"))));
        assert_eq!(parse("  # a comment"), Ok(None));
        let options = vec![("value".to_owned(), Value::from("?"))];
        let slash = Line::Slash { user: "bob".into(), command: "prefix set".into(), options };
        assert_eq!(parse("bob: /prefix set value=?"), Ok(Some(slash)));
        let tell = Line::Tell { path: "a/b".into(), message: "m".into(), params: serde_json::json!({"x": [1, 2]}) };
        assert_eq!(parse("tell a/b m {\"x\": [1, 2]}"), Ok(Some(tell)));
        let order = |path: &str, verb, force| Ok(Some(Line::Order { path: path.into(), verb, force }));
        assert_eq!(parse("kill database"), order("database", Verb::Kill, false));
        assert_eq!(parse("stop control --force"), order("control", Verb::Stop, true));
        assert_eq!(parse("restart --force rest"), order("rest", Verb::Restart { force: true }, true));
    }

    #[test]
    fn what_is_not_understood_is_answered_with_a_sentence() {
        for (line, hint) in [
            ("tell", "tell PATH MESSAGE"),
            ("tell a m {", "not JSON"),
            ("kill", "kill PATH"),
            ("dance", "is no command"),
            ("/", "which slash command"),
            ("/x a=1 b", "name=value"),
        ] {
            assert!(parse(line).unwrap_err().contains(hint), "{line}");
        }
    }
}
