//! A folder of its own for each test: configuration, data, control socket.

use super::{Answer, BINARY, Bot, Log, PATIENCE};
use rustix::process::{Pid, Signal, kill_process};
use sandbox::Sandbox;
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Set for a test that is to be the bot instead of testing it: see [`Home::run_as`].
pub(crate) const PLAYS_THE_BOT: &str = "PLAYS_THE_BOT";

/// The home folder, what stands in its `config.toml`, and the environment.
pub(crate) struct Home {
    dir: TempDir,
    config: Vec<String>,
    env: BTreeMap<String, String>,
}

impl Home {
    /// A home whose bot knows `discord`, and nothing listens on a port that is not asked for.
    pub(crate) fn new(discord: &Sandbox) -> Self {
        let mut home = Self { dir: tempfile::tempdir().unwrap(), config: Vec::new(), env: BTreeMap::new() };
        home.env.insert("DISCORD_TOKEN".into(), discord.token());
        let data = home.path("data");
        home.set(&format!("discord.api_base = {:?}", discord.api_base()))
            .set(&format!("discord.gateway_url = {:?}", discord.gateway_url()))
            .set("discord.allow_hosts = [\"127.0.0.1\"]")
            .set(&format!("data.dir = {:?}", data.display().to_string()))
            .set("telemetry.listen = \"\"")
    }

    /// The same with a line more (`key.dotted = value`) in the configuration; a later one replaces an earlier one.
    pub(crate) fn set(mut self, line: &str) -> Self {
        let key = |line: &str| line.split_once('=').map(|(key, _)| key.trim().to_owned());
        self.config.retain(|old| key(old) != key(line));
        self.config.push(line.to_owned());
        self.write();
        self
    }

    /// The same with this variable in the environment.
    pub(crate) fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// The same without this variable.
    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.env.remove(name);
        self
    }

    fn write(&self) {
        fs::write(self.path("config.toml"), self.config.join("\n") + "\n").unwrap();
    }

    /// A place in the home.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The control socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path("control.sock")
    }

    /// Every file and folder below the home with its bytes: what is there before and after.
    pub(crate) fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut all = BTreeMap::new();
        let mut folders = vec![self.dir.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
                let path = entry.path();
                let kind = entry.file_type().unwrap();
                all.insert(path.clone(), if kind.is_file() { fs::read(&path).unwrap() } else { Vec::new() });
                if kind.is_dir() {
                    folders.push(path);
                }
            }
        }
        all
    }

    /// The binary with `args`, without anything of this process's environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_of(Path::new(BINARY), args)
    }

    fn command_of(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.dir.path()).env_clear().envs(&self.env);
        command.env("HOME", self.dir.path()).env("RUST_BACKTRACE", "0");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command line against this home's control socket.
    pub(crate) fn cli(&self, args: &[&str]) -> Answer {
        let socket = self.socket();
        let socket = socket.to_str().unwrap();
        finish(self.command(&[&["--socket", socket], args].concat()), "")
    }

    /// The same, answered in JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Answer {
        self.cli(&[&["--json"], args].concat())
    }

    /// Runs a command line without a socket of its own, feeding `input`.
    pub(crate) fn plain(&self, args: &[&str], input: &str) -> Answer {
        finish(self.command(args), input)
    }

    /// `run`, from spawn on.
    pub(crate) fn run(&self) -> Bot<'_> {
        let socket = self.socket();
        Bot::spawn(self, self.command(&["run", "--socket", socket.to_str().unwrap()]))
    }

    /// This test binary as the bot's process, from spawn on: its test `name` is to run the bot where [`PLAYS_THE_BOT`] is
    /// set. For a bot that the shipped binary is not, in a process of its own all the same.
    pub(crate) fn run_as(&self, name: &str) -> Bot<'_> {
        let mut command = self.command_of(&std::env::current_exe().unwrap(), &["--exact", name, "--nocapture"]);
        command.env(PLAYS_THE_BOT, "1").env("IMPRESARIO_CONTROL__SOCKET", self.socket());
        Bot::spawn(self, command)
    }

    /// `run`, once it is ready.
    pub(crate) fn start(&self) -> Bot<'_> {
        let bot = self.run();
        bot.wait_ready();
        bot
    }

    /// `run` that is expected to end by itself.
    pub(crate) fn run_to_end(&self) -> Answer {
        self.cli(&["run"])
    }
}

/// Runs a command to its end; one that does not end in time is killed.
pub(crate) fn finish(mut command: Command, input: &str) -> Answer {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let asked = format!("{:?}", command.get_args().collect::<Vec<_>>());
    let mut child = command.spawn().unwrap();
    let out = Log::follow(child.stdout.take().unwrap());
    let err = Log::follow(child.stderr.take().unwrap());
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).ok(); // it may have ended without reading
    }
    let code = wait(&mut child);
    if code.is_none() {
        child.kill().unwrap();
        child.wait().unwrap();
        panic!("{asked} did not end:\n{}\n{}", out.tail(), err.tail());
    }
    out.wait_end();
    err.wait_end();
    let text = |log: Log| log.lines().join("\n");
    Answer { asked, code: code.unwrap_or(-1), out: text(out), err: text(err) }
}

/// Waits for the end of a child; its exit code, or nothing when the time is over.
pub(crate) fn wait(child: &mut Child) -> Option<i32> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status.code().unwrap_or(-1));
        }
        sleep(Duration::from_millis(10));
    }
    None
}

/// Sends a signal to a child that has not been waited for.
pub(crate) fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}
