//! Starts what the command line asks for.

use clap::Parser;
use impresario::{
    cli::{self, Cli, Command},
    config::Sources,
    process, tryout,
};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let sources = || Sources::of_process(cli.config.clone()).with_socket(cli.socket.as_deref());
    match &cli.command {
        Command::Run { ignore_budgets } => process::run(sources(), false, *ignore_budgets, None),
        Command::Try => tryout::run(sources()),
        _ => cli::run(&cli),
    }
}
