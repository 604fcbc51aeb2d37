//! What can be typed.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// A Discord bot that does not die: every part of it is supervised, and can be asked why.
#[derive(Debug, Clone, Parser)]
#[command(name = "impresario", version, about, propagate_version = true, disable_help_subcommand = true)]
#[command(after_help = "Exit: 0 done, 1 refused or failed, 2 usage, 3 not running; status: 0 ready, 1 degraded.")]
pub struct Cli {
    /// Configuration file (else ./config.toml, else the one in the user's configuration folder).
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Control socket (else the configured one).
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Answer in JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Plays: starts the bot against a stand-in for Discord on this machine.
    Try,
    /// Runs the bot.
    Run {
        /// Forget used restart budgets and who was parked, also when the last run gave up.
        #[arg(long)]
        ignore_budgets: bool,
    },
    /// Writes a commented config.toml; overwrites nothing.
    Init,
    /// Checks the configuration and prints each value with its origin.
    Check,
    /// Says whether the bot is up and well.
    Status {
        /// How long each phase of boot took.
        #[arg(long)]
        boot: bool,
        /// How the last process ended; also while none runs.
        #[arg(long, conflicts_with = "boot")]
        last_shutdown: bool,
    },
    /// Shows the tree of actors.
    Tree(TreeArgs),
    /// Tells why an actor is where it is.
    Explain {
        /// The actor.
        path: String,
        /// Open the crash record of this number; without a number the newest.
        #[arg(long, value_name = "N", num_args = 0..=1)]
        crash: Option<Option<u64>>,
    },
    /// Makes every decision of a supervision journal again and compares.
    Replay {
        /// The journal: supervision.journal in the data folder, of a bot that runs or does not.
        file: PathBuf,
    },
    /// Shows the supervisors' decisions.
    Events(EventsArgs),
    /// Lists what an actor can be told.
    Messages {
        /// The actor.
        path: String,
    },
    /// Tells an actor something and prints its answer.
    Tell(TellArgs),
    /// Stops an actor and starts it again.
    Restart(ActorOrder),
    /// Stops an actor; it stays down until it is started.
    Stop(ActorOrder),
    /// Starts an actor that is down or parked.
    Start(ActorOrder),
    /// Kills an actor; its restart rule answers.
    Kill(ActorOrder),
    /// Measures the round trips to Discord.
    Ping,
    /// Changes what is logged, until the process ends.
    Log {
        /// LEVEL, or TARGET=LEVEL, several of them with commas between.
        #[arg(value_name = "LEVEL|TARGET=LEVEL")]
        directive: String,
    },
    /// Stops the bot in order.
    Shutdown {
        /// Only print the steps and their deadlines.
        #[arg(long)]
        plan: bool,
    },
    /// Reads the configuration anew, all of it or nothing.
    Reload {
        /// Only print what would change.
        #[arg(long)]
        dry_run: bool,
    },
    /// Compares the slash commands that Discord has with those of the loaded cogs, and registers what differs.
    Sync {
        /// Only print what would change.
        #[arg(long)]
        dry_run: bool,
    },
    /// Calls any method of the control channel.
    Ctl {
        /// The method; `rpc.discover` lists them.
        method: String,
        /// Its parameters, a JSON object.
        #[arg(value_name = "JSON")]
        params: Option<String>,
    },
    /// Prints the completions of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Prints the manual page.
    Man,
    /// Cogs.
    #[command(subcommand)]
    Cogs(CogsCommand),
    /// Shards.
    #[command(subcommand)]
    Shards(ShardsCommand),
    /// Background tasks.
    #[command(subcommand)]
    Tasks(TasksCommand),
    /// Messages that actors died of.
    #[command(subcommand)]
    Poison(PoisonCommand),
    /// Emojis.
    #[command(subcommand)]
    Emoji(EmojiCommand),
    /// The database.
    #[command(subcommand)]
    Db(DbCommand),
}

impl Command {
    /// Whether it is the supervisor itself rather than somebody speaking to it.
    pub fn is_supervisor(&self) -> bool {
        matches!(self, Self::Run { .. } | Self::Try)
    }
}

/// `tree`
#[derive(Debug, Clone, Args)]
pub struct TreeArgs {
    /// Draw it anew each second until Ctrl-C.
    #[arg(long, conflicts_with_all = ["log", "from_log"])]
    pub watch: bool,
    /// Have the bot write it into its log.
    #[arg(long, conflicts_with = "from_log")]
    pub log: bool,
    /// Draw the last tree that a JSON log holds.
    #[arg(long, value_name = "FILE")]
    pub from_log: Option<PathBuf>,
    /// Draw the last one up to this time (RFC 3339) instead.
    #[arg(long, value_name = "TIME", requires = "from_log")]
    pub at: Option<String>,
}

/// `events`
#[derive(Debug, Clone, Args)]
pub struct EventsArgs {
    /// How many of the past to show.
    #[arg(long, short = 'n', default_value_t = 50, value_name = "N")]
    pub last: usize,
    /// Only those about this actor and what stands below it.
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
    /// Only those after this number.
    #[arg(long, value_name = "SEQ")]
    pub after: Option<u64>,
    /// Go on with new ones until Ctrl-C.
    #[arg(long, short)]
    pub follow: bool,
}

/// `tell`
#[derive(Debug, Clone, Args)]
pub struct TellArgs {
    /// The actor.
    pub path: String,
    /// The message; `messages PATH` lists them.
    pub message: String,
    /// Its argument, in JSON.
    #[arg(value_name = "JSON")]
    pub params: Option<String>,
    /// How long to wait for the answer, in milliseconds.
    #[arg(long, value_name = "N")]
    pub deadline_ms: Option<u64>,
    /// Only if the actor is still this incarnation.
    #[arg(long, value_name = "N")]
    pub if_incarnation: Option<u64>,
}

/// `restart`, `stop`, `start`, `kill`
#[derive(Debug, Clone, Args)]
pub struct ActorOrder {
    /// The actor.
    pub path: String,
    /// Override budget and cooldown.
    #[arg(long)]
    pub force: bool,
    /// Only if the actor is still this incarnation.
    #[arg(long, value_name = "N")]
    pub if_incarnation: Option<u64>,
    /// Only check that it could be done.
    #[arg(long)]
    pub dry_run: bool,
}

/// `cogs`
#[derive(Debug, Clone, Subcommand)]
pub enum CogsCommand {
    /// Lists them.
    List,
    /// Shows one.
    Show {
        /// The cog.
        name: String,
    },
    /// Loads one.
    Load {
        /// The cog.
        name: String,
    },
    /// Unloads one until it is loaded again.
    Unload {
        /// The cog.
        name: String,
    },
    /// Unloads one and loads it anew.
    Reload {
        /// The cog.
        name: String,
    },
    /// Loads one and keeps it loaded.
    Enable {
        /// The cog.
        name: String,
    },
    /// Unloads one and keeps it out.
    Disable {
        /// The cog.
        name: String,
    },
}

/// `shards`
#[derive(Debug, Clone, Subcommand)]
pub enum ShardsCommand {
    /// Lists them.
    List,
    /// Makes one, or all, reconnect and resume.
    Reconnect {
        /// The shard's number; without one all of them.
        shard: Option<u32>,
    },
}

/// `tasks`
#[derive(Debug, Clone, Subcommand)]
pub enum TasksCommand {
    /// Lists them.
    List,
    /// Shows one.
    Show {
        /// The task.
        name: String,
    },
    /// Runs one now.
    Run {
        /// The task.
        name: String,
    },
    /// Plans no more runs of one.
    Pause {
        /// The task.
        name: String,
    },
    /// Plans runs of one again.
    Resume {
        /// The task.
        name: String,
    },
    /// Stops one and starts it again.
    Restart {
        /// The task.
        name: String,
        /// Override restart limit and cooldown.
        #[arg(long)]
        force: bool,
    },
}

/// `poison`
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum PoisonCommand {
    /// Lists those that are parked.
    List,
    /// Shows one, whole.
    Show {
        /// Its number.
        number: u64,
    },
    /// Gives one another try: send it again; if its actor dies of it, it is parked again.
    Release {
        /// Its number.
        number: u64,
    },
    /// Forgets one, and that its actor died of it.
    Drop {
        /// Its number.
        number: u64,
    },
}

/// `emoji`
#[derive(Debug, Clone, Subcommand)]
pub enum EmojiCommand {
    /// Lists them.
    List {
        /// Only this guild's.
        #[arg(long)]
        guild: Option<u64>,
        /// Only the application's.
        #[arg(long)]
        application: bool,
    },
    /// Reads them anew from Discord.
    Refresh,
}

/// `db`
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum DbCommand {
    /// Asks the database now.
    Health,
    /// Shows what is known of it without asking.
    Status,
    /// Applies pending migrations.
    Migrate,
    /// Lists migrations and when they were applied.
    History,
}
