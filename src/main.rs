//! Starts what the command line asks for.

use clap::Parser;
use impresario::{
    cli::{self, Cli, Command},
    config::Sources,
    process::{self, Start},
    tryout,
};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let sources = || Sources::of_process(cli.config.clone()).with_socket(cli.socket.as_deref());
    match &cli.command {
        Command::Run { ignore_budgets } => {
            process::run(sources(), Start { ignore_budgets: *ignore_budgets, ..Start::default() })
        }
        Command::Try => tryout::run(sources()),
        _ => cli::run(&cli),
    }
}
