//! What Discord and help demand of a declaration, checked before anything starts.

use crate::{
    args::{Kind, Param},
    command::{Body, Command},
};

/// A cog's declaration contradicts Discord's limits or itself: a mistake of whoever wrote the cog.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cog {cog}, {name:?}: {what}")]
pub struct DefinitionError {
    /// The cog.
    pub cog: String,
    /// The command or argument.
    pub name: String,
    /// What is wrong.
    pub what: &'static str,
}

impl DefinitionError {
    pub(crate) fn new(cog: &str, name: &str, what: &'static str) -> Self {
        Self { cog: cog.to_owned(), name: name.to_owned(), what }
    }
}

/// Discord's limits: options of a command, subcommands of a group, choices of an option.
const OPTIONS_MAX: usize = 25;

pub(super) fn command(command: &Command, cog: &str) -> Result<(), DefinitionError> {
    named(cog, command.name, command.about)?;
    for alias in &command.aliases {
        named(cog, alias, command.about)?;
    }
    match &command.body {
        Body::Run { params, .. } => arguments(params, cog),
        Body::Group { subs, bare } => group(command.name, subs, *bare, cog),
    }
}

fn group(name: &str, subs: &[Command], bare: Option<&str>, cog: &str) -> Result<(), DefinitionError> {
    let wrong = |name: &str, what| Err(DefinitionError::new(cog, name, what));
    if subs.is_empty() || subs.len() > OPTIONS_MAX {
        return wrong(name, "a group has 1 to 25 subcommands");
    }
    if bare.is_some_and(|bare| !subs.iter().any(|sub| sub.name == bare)) {
        return wrong(name, "its bare form names no subcommand");
    }
    for (at, sub) in subs.iter().enumerate() {
        named(cog, sub.name, sub.about)?;
        if subs[..at].iter().any(|other| other.name == sub.name) {
            return wrong(sub.name, "another subcommand has that name");
        }
        if !sub.aliases.is_empty() {
            return wrong(sub.name, "a subcommand has no aliases");
        }
        match &sub.body {
            Body::Run { params, .. } => arguments(params, cog)?,
            Body::Group { .. } => return wrong(sub.name, "a subcommand is a plain command"),
        }
    }
    Ok(())
}

fn arguments(params: &[Param], cog: &str) -> Result<(), DefinitionError> {
    let wrong = |name: &str, what| Err(DefinitionError::new(cog, name, what));
    if params.len() > OPTIONS_MAX {
        return wrong(params[OPTIONS_MAX].name, "a command has at most 25 arguments");
    }
    for (at, param) in params.iter().enumerate() {
        named(cog, param.name, param.about)?;
        if params[..at].iter().any(|other| other.name == param.name) {
            return wrong(param.name, "another argument has that name");
        }
        if param.required && params[..at].iter().any(|other| !other.required) {
            return wrong(param.name, "required arguments come first");
        }
        match param.kind {
            Kind::Text if at + 1 < params.len() => return wrong(param.name, "the rest of the message comes last"),
            Kind::Choice(choices) if choices.is_empty() || choices.len() > OPTIONS_MAX => {
                return wrong(param.name, "a choice has 1 to 25 values");
            }
            _ => {}
        }
    }
    Ok(())
}

fn named(cog: &str, name: &str, about: &str) -> Result<(), DefinitionError> {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if !(1..=32).contains(&name.len()) || !name.chars().all(letter) {
        return Err(DefinitionError::new(cog, name, "a name has 1 to 32 of a-z, 0-9, _ and -"));
    }
    if !(1..=100).contains(&about.chars().count()) {
        return Err(DefinitionError::new(cog, name, "its about text has 1 to 100 characters"));
    }
    Ok(())
}
