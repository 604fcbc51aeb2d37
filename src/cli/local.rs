//! Commands that need no running instance.

use super::{Exit, Output, args::Cli};
use crate::config::{self, DEFAULTS, Sources};
use clap::CommandFactory;
use std::{fs::OpenOptions, io::Write, path::PathBuf};

/// Beside the configuration: what belongs into the environment.
const ENV_EXAMPLE: &str = "\
# Copy to .env, fill in, chmod 600, and have your service manager read it. Never commit it.
# The bot's token, from the developer portal (Bot, Reset Token).
DISCORD_TOKEN=
# Optional: sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME
#DATABASE_URL=
# Optional: failure reports.
#SENTRY_DSN=
";

/// `init`
pub(super) fn init(sources: &Sources, output: &mut Output) -> Exit {
    let file = sources.explicit.clone().unwrap_or_else(|| PathBuf::from("config.toml"));
    let example = file.with_file_name(".env.example");
    let mut written = Vec::new();
    for (name, text) in [(&file, DEFAULTS), (&example, ENV_EXAMPLE)] {
        let path = sources.cwd.join(name);
        let wrote = OpenOptions::new().write(true).create_new(true).open(&path).and_then(|mut file| {
            let whole = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
            whole.inspect_err(|_| {
                std::fs::remove_file(&path).ok(); // half a file would be taken for a configuration
            })
        });
        match wrote {
            Ok(()) => written.push(name.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && *name != file => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                output.problem(&format!("{} is there already; it is left as it is", name.display()));
                return Exit::Failed;
            }
            Err(error) => {
                output.problem(&format!("{} cannot be written: {error}", name.display()));
                return Exit::Failed;
            }
        }
    }
    if output.json {
        output.value(&serde_json::json!({"written": written}));
    } else {
        output.text(&format!(
            "wrote {}\nset DISCORD_TOKEN in the environment, then: impresario check, impresario run",
            written.join(" and ")
        ));
    }
    Exit::Done
}

/// `check`: the same reading as `run`'s, the token included.
pub(super) fn check(sources: &Sources, output: &mut Output) -> Exit {
    match config::load(sources) {
        Ok(loaded) => {
            if output.json {
                output.value(&config::json(&loaded));
            } else {
                output.text(&config::human(&loaded.values, loaded.file.as_deref(), &loaded.warnings));
            }
            Exit::Done
        }
        Err(problems) => {
            if output.json {
                output.value(&config::json_problems(&problems));
            } else {
                output.text(&config::human(&problems.values, problems.file.as_deref(), &problems.warnings));
                for problem in &problems.list {
                    output.problem(&problem.to_string());
                }
            }
            Exit::Config
        }
    }
}

/// `completions`
pub(super) fn completions(shell: clap_complete::Shell, output: &mut Output) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "impresario", &mut text);
    output.text(&String::from_utf8_lossy(&text));
    Exit::Done
}

/// `man`: the page and one for each command, one after the other.
pub(super) fn man(output: &mut Output) -> Exit {
    let mut text = Vec::new();
    let mut command = Cli::command();
    command.build();
    let mut pages = vec![clap_mangen::Man::new(command.clone())];
    for sub in command.get_subcommands() {
        let name = format!("impresario-{}", sub.get_name());
        pages.push(clap_mangen::Man::new(sub.clone()).title(name));
    }
    for page in pages {
        if let Err(error) = page.render(&mut text) {
            output.problem(&format!("the manual page cannot be made: {error}"));
            return Exit::Failed;
        }
    }
    output.text(&String::from_utf8_lossy(&text));
    Exit::Done
}
