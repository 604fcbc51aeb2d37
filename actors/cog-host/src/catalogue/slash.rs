//! A command as Discord wants it registered.

use super::{Entry, Runnable};
use crate::args::slash_option;
use serenity::{
    builder::{CreateCommand, CreateCommandOption},
    model::{Permissions, application::CommandOptionType},
};

pub(super) fn command(entry: &Entry) -> CreateCommand {
    let mut command = CreateCommand::new(entry.name).description(entry.about);
    if entry.guard.guild_only {
        command = command.dm_permission(false);
    }
    if entry.guard.owner_only {
        // Discord knows nothing of bot owners: it is hidden from everybody but administrators, and we check.
        command = command.default_member_permissions(Permissions::empty());
    } else if !entry.guard.permissions.is_empty() {
        command = command.default_member_permissions(entry.guard.permissions);
    }
    entry.runs.iter().fold(command, |command, (sub, runnable)| match sub {
        None => runnable.params.iter().fold(command, |command, param| command.add_option(slash_option(param))),
        Some(name) => command.add_option(subcommand(name, runnable)),
    })
}

fn subcommand(name: &str, runnable: &Runnable) -> CreateCommandOption {
    let option = CreateCommandOption::new(CommandOptionType::SubCommand, name, runnable.about);
    runnable.params.iter().fold(option, |option, param| option.add_sub_option(slash_option(param)))
}
