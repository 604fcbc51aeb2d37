//! Reads arguments from the text of a message.

use super::{
    duration::parse_duration,
    params::{ArgError, Param, Values},
    token::Tokens,
    value::{Kind, Scalar},
};
use serenity::model::id::{ChannelId, RoleId, UserId};

/// Reads `tokens` as `params`, by position.
///
/// # Errors
/// [`ArgError`] for the first argument that does not fit.
pub fn read_text(params: &[Param], tokens: &mut Tokens<'_>) -> Result<Values, ArgError> {
    let mut values = Values::default();
    for param in params {
        values.push(next_value(param, tokens)?);
    }
    if tokens.is_empty() { Ok(values) } else { Err(ArgError::TooMany) }
}

fn next_value(param: &Param, tokens: &mut Tokens<'_>) -> Result<Option<Scalar>, ArgError> {
    if tokens.is_empty() {
        let missing = ArgError::Missing { name: param.name, about: param.about };
        return if param.required { Err(missing) } else { Ok(None) };
    }
    if param.kind == Kind::Text {
        return Ok(Some(Scalar::Str(tokens.rest().to_owned())));
    }
    let word = tokens.next_word().map_err(|_| ArgError::UnclosedQuote)?.unwrap_or_default();
    let bad = || ArgError::Bad { name: param.name, expected: param.kind.expected() };
    read_word(&param.kind, &word).map(Some).ok_or_else(bad)
}

fn read_word(kind: &Kind, word: &str) -> Option<Scalar> {
    match kind {
        Kind::Word | Kind::Text => Some(Scalar::Str(word.to_owned())),
        Kind::Integer { min, max } => word.parse().ok().filter(|number| (min..=max).contains(&number)).map(Scalar::Int),
        Kind::Number => word.parse::<f64>().ok().filter(|number| number.is_finite()).map(Scalar::Num),
        Kind::Bool => read_bool(word).map(Scalar::Bool),
        Kind::User => user(word).or_else(|| id(word).map(UserId::new)).map(Scalar::User),
        Kind::Channel => {
            let mentioned = mention(word, &["#"]);
            mentioned.or_else(|| id(word)).map(|id| Scalar::Channel(ChannelId::new(id)))
        }
        Kind::Role => {
            let mentioned = mention(word, &["@&"]);
            mentioned.or_else(|| id(word)).map(|id| Scalar::Role(RoleId::new(id)))
        }
        // A bare id could be either, and guessing wrong would act on the wrong one.
        Kind::Mentionable => {
            let role = || mention(word, &["@&"]).map(|id| Scalar::Role(RoleId::new(id)));
            user(word).map(Scalar::User).or_else(role)
        }
        Kind::Duration => parse_duration(word).map(Scalar::Duration),
        Kind::Choice(choices) => choices
            .iter()
            .find(|choice| choice.name.eq_ignore_ascii_case(word))
            .map(|choice| Scalar::Str(choice.name.to_owned())),
    }
}

fn read_bool(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "yes" | "y" | "true" | "on" | "1" => Some(true),
        "no" | "n" | "false" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn user(word: &str) -> Option<UserId> {
    mention(word, &["@!", "@"]).map(UserId::new)
}

/// The id in `<SIGILid>`.
fn mention(word: &str, sigils: &[&str]) -> Option<u64> {
    let inner = word.strip_prefix('<')?.strip_suffix('>')?;
    id(sigils.iter().find_map(|sigil| inner.strip_prefix(sigil))?)
}

/// A snowflake: decimal digits only, not zero, 64 bits.
fn id(text: &str) -> Option<u64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // serenity's ids cannot hold u64::MAX, and no real one comes near it.
    text.parse().ok().filter(|id| (1..u64::MAX).contains(id))
}
