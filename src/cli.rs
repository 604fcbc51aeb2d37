//! The command line: what people type, and the commands that speak to a running instance.
//!
//! Exit codes: 0 done, 1 refused or failed, 2 usage, 3 not running; `status`: 0 ready, 1 degraded. `run` and `try` have
//! codes of their own.

mod args;
mod from_log;
mod last;
mod local;
mod output;
mod ping;
mod remote;
mod render;
mod replay;
mod stream;

#[cfg(test)]
mod tests;

pub use args::{
    ActorOrder, Cli, CogsCommand, Command, DbCommand, EmojiCommand, EventsArgs, PoisonCommand, ShardsCommand,
    TasksCommand, TellArgs, TreeArgs,
};
pub use output::Output;
pub use render::{draw_status, draw_tree};

use crate::config::{Sources, TokenRule, locate_data, locate_socket};
use std::process::ExitCode;

/// What a command came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done; for `status`: ready.
    Done = 0,
    /// Refused or failed; for `status`: degraded.
    Failed = 1,
    /// The command line was wrong.
    Usage = 2,
    /// No instance is running.
    NotRunning = 3,
    /// The configuration does not hold.
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Runs every command but `run` and `try`, on this process's terminal and environment.
pub fn run(cli: &Cli) -> ExitCode {
    let sources = Sources::of_process(cli.config.clone()).with_socket(cli.socket.as_deref());
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            Output::process(cli.json).problem(&format!("no runtime: {error}"));
            return Exit::Failed.into();
        }
    };
    let mut output = Output::process(cli.json);
    let set = |name: &str| sources.env.get(name).is_some_and(|value| !value.is_empty());
    output.colour &= !set("NO_COLOR") && sources.env.get("TERM").is_none_or(|term| term != "dumb");
    runtime.block_on(execute(cli, sources, &mut output)).into()
}

/// Runs one command against `sources`, writing to `output`.
pub async fn execute(cli: &Cli, sources: Sources, output: &mut Output) -> Exit {
    match &cli.command {
        Command::Run { .. } | Command::Try => {
            output.problem("this command is the supervisor's own");
            Exit::Usage
        }
        Command::Init => local::init(&sources, output),
        Command::Check => local::check(&sources, output),
        Command::Completions { shell } => local::completions(*shell, output),
        Command::Man => local::man(output),
        Command::Replay { file } => replay::run(file, output),
        Command::Tree(TreeArgs { from_log: Some(file), at, .. }) => from_log::run(file, at.as_deref(), output),
        command => {
            let sources = sources.with_token(TokenRule::Ignored);
            // An explicit file that is missing is a mistake even where only its socket is needed.
            if let (Some(file), Err(problem)) = (&sources.explicit, sources.readable()) {
                output.problem(&format!("{}: {}", file.display(), problem.reason));
                return Exit::Config;
            }
            let socket = locate_socket(&sources);
            match command {
                Command::Status { last_shutdown: true, .. } => {
                    last::run(command, &socket, &locate_data(&sources), output).await
                }
                Command::Ping => ping::run(&socket, sources, output).await,
                Command::Tree(TreeArgs { watch: true, .. }) => stream::watch_tree(&socket, output).await,
                Command::Events(events) => stream::events(&socket, events, output).await,
                command => remote::run(command, &socket, output).await,
            }
        }
    }
}
