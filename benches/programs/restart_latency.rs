//! How long supervision takes: from a crash to the next incarnation's first line, and the ordered start and stop of many
//! children; memory of an idle child. Each without and with the journal on disk, in turn within one run.
//!
//! `cargo bench -p benches --bench restart_latency -- [--crashes N] [--children N] [--runs N]`

use benches::{
    Failure,
    figures::{quantile, spread},
    option, scale,
    usage::{cpu, rss_kb},
};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use supervision::{
    Actor, Addr, Backoff, ChildSpec, Ctx, Flags, Intensity, Limits, Message, NoObserver, Past, Planes, Recorder,
    Strategy, Tree,
};
use tempfile::TempDir;
use tokio::{runtime::Builder, sync::mpsc};

/// How a child ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Panic,
    Fail,
}

impl Message for End {
    fn name(&self) -> &'static str {
        "end"
    }
}

/// Tells when it is up; ends as it is told.
struct Child(Option<mpsc::Sender<Instant>>);

impl Actor for Child {
    type Msg = End;

    async fn start(&mut self, _: &Ctx<Self>) -> Result<(), supervision::Failure> {
        if let Some(up) = &self.0 {
            up.send(Instant::now()).await.ok(); // the measurement is over
        }
        Ok(())
    }

    async fn handle(&mut self, end: End, _: &Ctx<Self>) -> Result<(), supervision::Failure> {
        match end {
            End::Panic => panic!("told to panic"),
            End::Fail => Err(supervision::Failure::restart("told to fail")),
        }
    }
}

fn main() -> Result<(), Failure> {
    supervision::install_panic_hook();
    // As the process has it: supervisors on a thread of their own.
    let control = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let data = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let planes = Planes { control: control.handle().clone(), data: data.handle().clone() };
    let crashes = option("--crashes").unwrap_or_else(|| scale(2_000, 20));
    let children = option("--children").unwrap_or_else(|| scale(10_000, 100));
    let runs = option("--runs").unwrap_or_else(|| scale(5, 1));
    control.block_on(async {
        for siblings in [0, 100] {
            for end in [End::Fail, End::Panic] {
                restarts(&planes, crashes, siblings, end, runs).await?;
            }
        }
        for count in [children / 10, children] {
            many(&planes, count, runs).await?;
        }
        Ok(())
    })
}

/// A tree, and the folder of its journal if it has one.
struct Grown {
    tree: Tree,
    journal: Option<TempDir>,
}

impl Grown {
    async fn new(planes: &Planes, flags: Flags, children: Vec<ChildSpec>, recorded: bool) -> Result<Self, Failure> {
        let journal = if recorded { Some(TempDir::new()?) } else { None };
        let record = match &journal {
            None => None,
            Some(folder) => {
                let past = Past::read(folder.path(), SystemTime::now());
                let recorder = Recorder::begin(&past)?;
                recorder.keep();
                Some((past, recorder))
            }
        };
        let tree =
            Tree::start_within(planes.clone(), flags, children, Arc::new(NoObserver), Limits::default(), record).await;
        let tree = tree.map_err(|exit| exit.to_string())?;
        tree.started().await.map_err(|exit| exit.to_string())?;
        Ok(Self { tree, journal })
    }

    /// Stops the tree; its records are on the disk then. How many bytes they are.
    async fn end(self) -> Result<u64, Failure> {
        self.tree.shutdown(None);
        self.tree.ended().await;
        let (Some(folder), Some(recorder)) = (self.journal, self.tree.recorder()) else { return Ok(0) };
        if !recorder.seal(true, Duration::from_secs(60)).await {
            return Err("the journal was not written within a minute".into());
        }
        if recorder.lost() > 0 {
            return Err(format!("{} records were lost", recorder.lost()).into());
        }
        let mut bytes = 0;
        for file in std::fs::read_dir(folder.path())? {
            bytes += file?.metadata()?.len();
        }
        Ok(bytes)
    }
}

/// What was measured without and with a journal.
#[derive(Default)]
struct Both([BTreeMap<&'static str, Vec<f64>>; 2]);

impl Both {
    fn note(&mut self, recorded: bool, what: &'static str, value: f64) {
        self.0[usize::from(recorded)].entry(what).or_default().push(value);
    }

    fn print(&self, what: &str) {
        for (name, values) in ["without journal", "with journal"].iter().zip(&self.0) {
            let shown = values.iter().map(|(what, values)| format!("{what} {}", spread(values, 1)));
            println!("{what}, {name:<15}: {}", shown.collect::<Vec<_>>().join(", "));
        }
    }
}

/// Which comes first changes from run to run: what the first one warms serves the second.
fn in_turn(run: usize) -> [bool; 2] {
    [!run.is_multiple_of(2), run.is_multiple_of(2)]
}

fn busy_us() -> Result<f64, Failure> {
    Ok(cpu(std::process::id())?.as_secs_f64() * 1e6)
}

async fn restarts(planes: &Planes, crashes: usize, siblings: usize, end: End, runs: usize) -> Result<(), Failure> {
    let mut both = Both::default();
    for run in 0..runs {
        for recorded in in_turn(run) {
            let busy = busy_us()?;
            let (tree, micros) = crash_often(planes, crashes, siblings, end, recorded).await?;
            let bytes = tree.end().await?;
            both.note(recorded, "CPU us", (busy_us()? - busy) / crashes as f64);
            both.note(recorded, "p50 us", quantile(&micros, 0.5));
            both.note(recorded, "p99 us", quantile(&micros, 0.99));
            both.note(recorded, "worst us", quantile(&micros, 1.0));
            if recorded {
                both.note(recorded, "bytes", bytes as f64 / crashes as f64);
            }
        }
    }
    both.print(&format!("{:<5} with {siblings:>3} siblings, {crashes} restarts", format!("{end:?}").to_lowercase()));
    Ok(())
}

async fn crash_often(
    planes: &Planes,
    crashes: usize,
    siblings: usize,
    end: End,
    recorded: bool,
) -> Result<(Grown, Vec<f64>), Failure> {
    let (up, mut ups) = mpsc::channel(4);
    let addr: Addr<End> = Addr::new("crashes", 8);
    let at_once =
        Backoff { min: Duration::ZERO, max: Duration::ZERO, ..Backoff::doubling(Duration::ZERO, Duration::ZERO) };
    let child = ChildSpec::worker(&addr, move || Child(Some(up.clone())))
        .backoff(at_once)
        .budget(u32::MAX, Duration::from_secs(1));
    let idle = (0..siblings).map(|n| ChildSpec::worker(&Addr::<End>::new(format!("idle-{n}"), 8), || Child(None)));
    let flags =
        Flags { intensity: Intensity::new(u32::MAX, Duration::from_secs(1)), ..Flags::new(Strategy::OneForOne) };
    let children = std::iter::once(child).chain(idle).collect();
    let tree = Grown::new(planes, flags, children, recorded).await?;
    ups.recv().await.ok_or("it never came up")?;
    let mut micros = Vec::new();
    for _ in 0..crashes {
        let begun = Instant::now();
        addr.send(end).await.map_err(|error| error.to_string())?;
        let up = tokio::time::timeout(Duration::from_secs(10), ups.recv()).await?.ok_or("it did not come back")?;
        micros.push(up.duration_since(begun).as_secs_f64() * 1e6);
        while !addr.is_running() {
            tokio::task::yield_now().await;
        }
    }
    Ok((tree, micros))
}

async fn many(planes: &Planes, children: usize, runs: usize) -> Result<(), Failure> {
    let (mut both, mut kilobytes) = (Both::default(), Vec::new());
    for run in 0..runs {
        for recorded in in_turn(run) {
            let before = rss_kb(std::process::id())?;
            let specs = (0..children).map(|n| ChildSpec::worker(&Addr::<End>::new(format!("c{n}"), 8), || Child(None)));
            let specs: Vec<ChildSpec> = specs.collect();
            let (begun, busy) = (Instant::now(), busy_us()?);
            let tree = Grown::new(planes, Flags::new(Strategy::OneForOne), specs, recorded).await?;
            both.note(recorded, "start ms", begun.elapsed().as_secs_f64() * 1e3);
            kilobytes.push(rss_kb(std::process::id())?.saturating_sub(before) as f64 / children as f64);
            let begun = Instant::now();
            let ended = tree.tree.clone();
            ended.shutdown(None);
            ended.ended().await;
            both.note(recorded, "stop ms", begun.elapsed().as_secs_f64() * 1e3);
            let bytes = tree.end().await?;
            both.note(recorded, "CPU ms", (busy_us()? - busy) / 1e3);
            if recorded {
                both.note(recorded, "MB", bytes as f64 / 1e6);
            }
        }
    }
    both.print(&format!("{children} children in order"));
    // Later runs reuse what the first one freed.
    println!("{children} idle children: {:.1} KB each", kilobytes.first().copied().unwrap_or(0.0));
    Ok(())
}
