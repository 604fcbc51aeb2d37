//! `status --last-shutdown`: a running instance tells of the process before it; without one the data folder tells of the
//! last process.

use super::{Exit, Output, args::Command, remote, render};
use crate::record;
use control::Client;
use std::path::Path;

/// Runs the command.
pub(super) async fn run(command: &Command, socket: &Path, folder: &Path, output: &mut Output) -> Exit {
    let Err(nobody) = Client::connect(socket).await else { return remote::run(command, socket, output).await };
    // Nobody is there to ask: what the last process left in its folder can be read.
    let last = record::look(folder).filter(|_| !record::is_held(folder));
    let Some(last) = last else { return remote::failed(&nobody, output) };
    if output.json {
        output.value(&last);
    } else {
        let text = render::last_shutdown(&last, output);
        output.text(&text);
    }
    Exit::Done
}
