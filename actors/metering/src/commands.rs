//! Commands and interactions.

use crate::{
    Label::{Cog, Command, ErrorType, Outcome, Status, Type},
    Metric, Name, Scrape,
    metric::count,
};

static INTERACTIONS: Metric =
    Metric::counter("discord_interactions_total", &[Type, Status], 12, "Interactions received, by type");
static APP_COMMANDS: Metric = Metric::counter(
    "discord_app_commands_total",
    &[Command, Status],
    1500,
    "Slash commands run; `refused` is the user's doing and no error",
);
static PREFIX_COMMANDS: Metric = Metric::counter(
    "discord_commands_total",
    &[Command, Status],
    1500,
    "Prefix commands run; `refused` is the user's doing and no error",
);
static ERRORS: Metric =
    Metric::counter("discord_command_errors_total", &[Command, ErrorType], 2000, "Commands that failed, by class");
static APP_DURATION: Metric = Metric::histogram(
    "discord_app_command_duration_seconds",
    &[Command],
    500,
    "Time from a slash command's receipt to its end, however it ended",
);
static PREFIX_DURATION: Metric = Metric::histogram(
    "discord_command_duration_seconds",
    &[Command],
    500,
    "Time from a prefix command's receipt to its end, however it ended",
);
static OUTCOMES: Metric =
    Metric::counter("impresario_commands_total", &[Cog, Outcome], 800, "Commands run, by cog and outcome");
static PANICS: Metric =
    Metric::counter("impresario_command_panics_total", &[Cog, Command], 500, "Commands that panicked");
static REGISTERED: Metric =
    Metric::gauge("discord_app_commands_registered", &[], 1, "Slash commands registered with Discord");

pub(crate) static METRICS: &[&Metric] = &[
    &INTERACTIONS,
    &APP_COMMANDS,
    &PREFIX_COMMANDS,
    &ERRORS,
    &APP_DURATION,
    &PREFIX_DURATION,
    &OUTCOMES,
    &PANICS,
    &REGISTERED,
];

/// How a command was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// By a message.
    Prefix,
    /// By an interaction.
    Slash,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandOutcome {
    /// It did what was asked.
    Done,
    /// The user may not, has to wait, or asked for something that cannot be: no error of ours.
    Refused,
    /// It failed; `error_type` is the failure's class, a fixed word such as `rest`, `database`.
    Failed {
        /// The class.
        error_type: &'static str,
    },
    /// It took longer than its deadline.
    Deadline,
    /// Its cog is not running.
    Unavailable,
    /// It panicked.
    Panicked,
}

impl CommandOutcome {
    /// The outcome as one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed { .. } => "failed",
            Self::Deadline => "deadline",
            Self::Unavailable => "unavailable",
            Self::Panicked => "panicked",
        }
    }

    /// Argus' status of it.
    const fn status(self) -> &'static str {
        match self {
            Self::Done => "success",
            Self::Refused => "refused",
            Self::Failed { .. } | Self::Deadline | Self::Unavailable | Self::Panicked => "error",
        }
    }

    const fn error_type(self) -> Option<&'static str> {
        match self {
            Self::Done | Self::Refused => None,
            Self::Failed { error_type } => Some(error_type),
            Self::Deadline => Some("deadline"),
            Self::Unavailable => Some("unavailable"),
            Self::Panicked => Some("panic"),
        }
    }
}

/// A command of `cog` ended, `seconds` after its message or interaction was received. Pass [`Name::UNKNOWN`] for a
/// command that no cog has registered.
pub fn finished(
    surface: Surface,
    cog: impl Into<Name>,
    command: impl Into<Name>,
    outcome: CommandOutcome,
    seconds: f64,
) {
    let command = command.into();
    let (total, duration) = match surface {
        Surface::Prefix => (&PREFIX_COMMANDS, &PREFIX_DURATION),
        Surface::Slash => (&APP_COMMANDS, &APP_DURATION),
    };
    OUTCOMES.count([cog.into().into(), outcome.name().into()], 1);
    if let Some(error_type) = outcome.error_type() {
        ERRORS.count([command.clone().into(), error_type.into()], 1);
    }
    duration.observe([command.clone().into()], seconds);
    total.count([command.into(), outcome.status().into()], 1);
}

/// A command panicked. Its end is told to [`finished`] as well.
pub fn panicked(cog: impl Into<Name>, command: impl Into<Name>) {
    PANICS.count([cog.into().into(), command.into().into()], 1);
}

/// An interaction arrived; `kind` is a fixed word such as `application_command`, `component`, `modal_submit`.
pub fn interaction_received(kind: &'static str) {
    INTERACTIONS.count([kind.into(), "received".into()], 1);
}

/// Slash commands registered with Discord.
pub fn registered(scrape: &Scrape, n: usize) {
    REGISTERED.set(scrape, [], count(n));
}
