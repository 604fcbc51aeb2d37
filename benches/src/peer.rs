//! Who is compared: the whole bot, and the least bots of other libraries, built in `benches/peers`.

use crate::{
    Failure,
    consumer::{CORE, Consumer},
    usage,
};
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A bot that can be started.
#[derive(Debug, Clone)]
pub enum Peer {
    /// This project's, as in the other benchmarks.
    Own,
    /// The same with members in its cache, as the others keep them.
    OwnMembers,
    /// The least program that answers: no bot, but what a bot's figures can be read against.
    Least,
    /// Another library's.
    Other {
        /// Name of the library.
        name: &'static str,
        /// Where its program lies.
        program: PathBuf,
    },
}

const OTHERS: [(&str, &str); 3] =
    [("twilight", "peer-twilight"), ("poise", "peer-poise"), ("serenity", "peer-serenity")];

impl Peer {
    /// The own bot, then those of the others that are built: in `target/peers/release`, beside the folder that this program
    /// was built into.
    ///
    /// # Errors
    /// When it cannot be told where this program lies.
    pub fn all() -> Result<Vec<Self>, Failure> {
        let me = std::env::current_exe()?;
        let target = me.ancestors().nth(3).ok_or("this program lies in no target folder")?; // PROFILE/deps/NAME
        let built = OTHERS.map(|(name, file)| Self::Other { name, program: target.join("peers/release").join(file) });
        Ok(std::iter::once(Self::Own).chain(built.into_iter().filter(Self::is_built)).collect())
    }

    fn is_built(&self) -> bool {
        match self {
            Self::Own | Self::OwnMembers | Self::Least => true,
            Self::Other { program, .. } => program.is_file(),
        }
    }

    /// What it is called in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Own => "impresario",
            Self::OwnMembers => "impresario with members",
            Self::Least => "least",
            Self::Other { name, .. } => name,
        }
    }

    /// Starts it on its core, with its log in `folder`. The calling thread stays on the other one.
    pub(crate) fn spawn(&self, gateway: &str, api: &str, folder: &Path) -> Result<Child, Failure> {
        let mut command = match self {
            Self::Own | Self::OwnMembers | Self::Least => {
                let consumer = match self {
                    Self::Own => Consumer::Bot,
                    Self::OwnMembers => Consumer::BotMembers,
                    _ => Consumer::Least,
                };
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["--consumer", consumer.name(), gateway, api]).arg(folder);
                command
            }
            Self::Other { program, .. } => {
                let mut command = Command::new(program);
                command.args([gateway, api]);
                command
            }
        };
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(folder.join("log"))?);
        // A process inherits the core of the thread that starts it, so that it never runs a moment elsewhere.
        usage::pin(CORE);
        let child = command.spawn();
        usage::pin(CORE + 1);
        Ok(child?)
    }
}
