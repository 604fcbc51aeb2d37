//! Reads arguments from slash options, and writes the definitions that Discord shows them by.

use super::{
    duration::parse_duration,
    params::{ArgError, Param, Values},
    value::{Kind, Scalar},
};
use serenity::{
    builder::CreateCommandOption,
    model::{
        application::{CommandDataOption, CommandDataOptionValue as Given, CommandDataResolved, CommandOptionType},
        id::{RoleId, UserId},
    },
};

/// Reads `options` as `params`, by name.
///
/// # Errors
/// [`ArgError`] for the first argument that does not fit; Discord checks most of it before, but what it sends is
/// still not ours.
pub fn read_slash(
    params: &[Param],
    options: &[CommandDataOption],
    resolved: &CommandDataResolved,
) -> Result<Values, ArgError> {
    let mut values = Values::default();
    for param in params {
        let given = options.iter().find(|option| option.name == param.name);
        let value = match given {
            None if param.required => return Err(ArgError::Missing { name: param.name, about: param.about }),
            None => None,
            Some(option) => {
                let bad = || ArgError::Bad { name: param.name, expected: param.kind.expected() };
                Some(read_option(&param.kind, &option.value, resolved).ok_or_else(bad)?)
            }
        };
        values.push(value);
    }
    Ok(values)
}

fn read_option(kind: &Kind, given: &Given, resolved: &CommandDataResolved) -> Option<Scalar> {
    match (kind, given) {
        (Kind::Word | Kind::Text, Given::String(text)) => Some(Scalar::Str(text.clone())),
        (Kind::Integer { min, max }, Given::Integer(number)) => {
            (min..=max).contains(&number).then_some(Scalar::Int(*number))
        }
        (Kind::Number, Given::Number(number)) => Some(Scalar::Num(*number)),
        #[expect(clippy::cast_precision_loss, reason = "Discord keeps these within 2^53")]
        (Kind::Number, Given::Integer(number)) => Some(Scalar::Num(*number as f64)),
        (Kind::Bool, Given::Boolean(yes)) => Some(Scalar::Bool(*yes)),
        (Kind::User | Kind::Mentionable, Given::User(user)) => Some(Scalar::User(*user)),
        (Kind::Channel, Given::Channel(channel)) => Some(Scalar::Channel(*channel)),
        (Kind::Role | Kind::Mentionable, Given::Role(role)) => Some(Scalar::Role(*role)),
        (Kind::Mentionable, Given::Mentionable(id)) => {
            let role = RoleId::new(id.get());
            let is_role = resolved.roles.contains_key(&role);
            Some(if is_role { Scalar::Role(role) } else { Scalar::User(UserId::new(id.get())) })
        }
        (Kind::Duration, Given::String(text)) => parse_duration(text).map(Scalar::Duration),
        (Kind::Choice(choices), Given::String(text)) => {
            choices.iter().any(|choice| choice.name == text).then(|| Scalar::Str(text.clone()))
        }
        _ => None,
    }
}

/// The definition that Discord shows `param` by.
pub fn slash_option(param: &Param) -> CreateCommandOption {
    let kind = match param.kind {
        Kind::Word | Kind::Text | Kind::Duration | Kind::Choice(_) => CommandOptionType::String,
        Kind::Integer { .. } => CommandOptionType::Integer,
        Kind::Number => CommandOptionType::Number,
        Kind::Bool => CommandOptionType::Boolean,
        Kind::User => CommandOptionType::User,
        Kind::Channel => CommandOptionType::Channel,
        Kind::Role => CommandOptionType::Role,
        Kind::Mentionable => CommandOptionType::Mentionable,
    };
    let option = CreateCommandOption::new(kind, param.name, param.about).required(param.required);
    match param.kind {
        Kind::Choice(choices) => {
            choices.iter().fold(option, |option, choice| option.add_string_choice(choice.name, choice.name))
        }
        // serenity's bounds are unsigned; a negative one is left to our own check.
        Kind::Integer { min, max } => {
            let option = match u64::try_from(min) {
                Ok(min) => option.min_int_value(min),
                Err(_) => option,
            };
            match u64::try_from(max) {
                Ok(max) if max < SAFE_INTEGER => option.max_int_value(max),
                _ => option,
            }
        }
        _ => option,
    }
}

/// Discord's integers are those a double holds exactly.
const SAFE_INTEGER: u64 = 1 << 53;
