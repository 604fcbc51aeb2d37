//! Which messages speak to the bot: the guild's prefix or a mention, decided on the text alone.

use serenity::model::id::UserId;

/// Longest prefix, in characters.
pub const PREFIX_MAX: usize = 16;

/// How a message speaks to the bot, and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addressed<'a> {
    /// The text after the prefix or mention, without surrounding white space.
    pub text: &'a str,
    /// Whether it was a mention.
    pub by_mention: bool,
}

/// Takes `prefix` (letters in either case) or a leading mention of `own` off `content`; none when neither is there.
pub fn addressed<'a>(content: &'a str, prefix: &str, own: Option<UserId>) -> Option<Addressed<'a>> {
    let content = content.trim_start();
    if let Some(text) = after_mention(content, own) {
        return Some(Addressed { text: text.trim(), by_mention: true });
    }
    let text = after_prefix(content, prefix)?.trim();
    (!text.is_empty()).then_some(Addressed { text, by_mention: false })
}

fn after_prefix<'a>(content: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, text) = content.split_at_checked(prefix.len())?;
    (!prefix.is_empty() && head.eq_ignore_ascii_case(prefix)).then_some(text)
}

/// The text after a leading mention of `own`; none when there is no such mention.
fn after_mention(content: &str, own: Option<UserId>) -> Option<&str> {
    let inner = content.strip_prefix("<@")?;
    let inner = inner.strip_prefix('!').unwrap_or(inner);
    let (id, text) = inner.split_once('>')?;
    (id.parse() == Ok(own?.get())).then_some(text)
}

/// Why a prefix was refused. `Display` is one sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Nothing, or nothing but white space.
    #[error("A prefix needs at least one visible character.")]
    Empty,
    /// Too long.
    #[error("A prefix has at most {PREFIX_MAX} characters.")]
    TooLong,
    /// A control character or line break.
    #[error("A prefix stands on one line and holds no control characters or backticks.")]
    Unprintable,
    /// A mention.
    #[error("A prefix cannot be or hold a mention.")]
    Mention,
    /// Discord keeps it for slash commands.
    #[error("A prefix cannot begin with a slash: Discord takes it for a slash command.")]
    Slash,
}

/// Checks `prefix` as somebody typed it and gives it as it is kept.
///
/// # Errors
/// [`PrefixError`], see there for the rules.
pub fn checked(prefix: &str) -> Result<&str, PrefixError> {
    let prefix = prefix.trim();
    // Direction marks and zero-width characters look like nothing: a prefix of them could never be typed again.
    let invisible =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    if prefix.chars().all(|c| c.is_whitespace() || invisible(c)) {
        return Err(PrefixError::Empty);
    }
    if prefix.chars().count() > PREFIX_MAX {
        return Err(PrefixError::TooLong);
    }
    if prefix.chars().any(|c| c.is_control() || c == '`' || invisible(c)) {
        return Err(PrefixError::Unprintable);
    }
    if ["<@", "<#", "@everyone", "@here"].iter().any(|mention| prefix.contains(mention)) {
        return Err(PrefixError::Mention);
    }
    if prefix.starts_with('/') {
        return Err(PrefixError::Slash);
    }
    Ok(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Seeded;

    const OWN: Option<UserId> = Some(UserId::new(99));

    #[test]
    fn a_prefix_or_a_leading_mention_speaks_to_the_bot() {
        let said = |text, by_mention| Some(Addressed { text, by_mention });
        let rows = [
            ("!ping", "!", said("ping", false)),
            ("! ping now ", "!", said("ping now", false)),
            ("HEY ping", "hey", said("ping", false)),
            ("<@99> ping", "!", said("ping", true)),
            ("<@!99>ping", "!", said("ping", true)),
            ("<@99>", "!", said("", true)),
            ("<@98> ping", "!", None),
            ("ping <@99>", "!", None),
            ("?ping", "!", None),
            ("!", "!", None),
            ("!  ", "!", None),
            ("", "!", None),
            ("ping", "", None),
            ("é", "!!", None),
            ("\u{1f600}x", "a", None),
        ];
        for (content, prefix, expected) in rows {
            assert_eq!(addressed(content, prefix, OWN), expected, "{content:?}");
        }
        assert_eq!(addressed("<@99> ping", "!", None), None, "before READY the bot does not know its id");
    }

    #[test]
    fn prefixes_that_could_not_be_typed_or_would_ping_are_refused() {
        let rows = [
            ("?", Ok("?")),
            (" imp ", Ok("imp")),
            ("", Err(PrefixError::Empty)),
            (" \t", Err(PrefixError::Empty)),
            ("\u{200b}", Err(PrefixError::Empty)),
            ("a\u{200b}", Err(PrefixError::Unprintable)),
            ("12345678901234567", Err(PrefixError::TooLong)),
            ("1234567890123456", Ok("1234567890123456")),
            ("a\nb", Err(PrefixError::Unprintable)),
            ("<@99>", Err(PrefixError::Mention)),
            ("@everyone", Err(PrefixError::Mention)),
            ("/", Err(PrefixError::Slash)),
        ];
        for (prefix, expected) in rows {
            assert_eq!(checked(prefix), expected, "{prefix:?}");
        }
    }

    #[test]
    fn whatever_prefix_is_accepted_addresses_the_bot() {
        println!("seed {}", Seeded::SEED);
        let mut random = Seeded::new(Seeded::SEED);
        let pieces = ["!", "a", "Z", "é", "ß", "\u{1f600}", " ", "<", "@", ">", "9", "\u{200b}", "`", "/", "İ"];
        let mut accepted = 0;
        for _ in 0..20_000 {
            let typed: String = (0..random.below(8)).map(|_| pieces[random.below(pieces.len())]).collect();
            let content: String = (0..random.below(8)).map(|_| pieces[random.below(pieces.len())]).collect();
            addressed(&content, &typed, OWN);
            if let Ok(prefix) = checked(&typed) {
                accepted += 1;
                let message = format!("{prefix}ping");
                let found = addressed(&message, prefix, None).map(|found| found.text);
                assert_eq!(found, Some("ping"), "{prefix:?}");
            }
        }
        assert!(accepted > 100, "the pieces make acceptable prefixes");
    }
}
