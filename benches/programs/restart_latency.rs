//! How long supervision takes: from a crash to the next incarnation's first line, and the ordered start and stop of many
//! children; memory of an idle child.
//!
//! `cargo bench -p benches --bench restart_latency -- [--crashes N] [--children N] [--runs N]`

use benches::{
    Failure,
    figures::{quantile, spread},
    option, scale,
    usage::rss_kb,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use supervision::{
    Actor, Addr, Backoff, ChildSpec, Ctx, Flags, Intensity, Message, NoObserver, Planes, Strategy, Tree,
};
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
    let runs = option("--runs").unwrap_or_else(|| scale(3, 1));
    control.block_on(async {
        for siblings in [0, 100] {
            for end in [End::Fail, End::Panic] {
                restarts(&planes, crashes, siblings, end).await?;
            }
        }
        for count in [children / 10, children] {
            many(&planes, count, runs).await?;
        }
        Ok(())
    })
}

async fn restarts(planes: &Planes, crashes: usize, siblings: usize, end: End) -> Result<(), Failure> {
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
    let tree =
        Tree::start(planes.clone(), flags, children, Arc::new(NoObserver)).await.map_err(|exit| exit.to_string())?;
    tree.started().await.map_err(|exit| exit.to_string())?;
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
    println!(
        "{:<5} with {siblings:>3} siblings: {crashes} restarts, p50 {:.0} us, p99 {:.0} us, worst {:.0} us",
        format!("{end:?}").to_lowercase(),
        quantile(&micros, 0.5),
        quantile(&micros, 0.99),
        quantile(&micros, 1.0)
    );
    tree.shutdown(None);
    tree.ended().await;
    Ok(())
}

async fn many(planes: &Planes, children: usize, runs: usize) -> Result<(), Failure> {
    let (mut starts, mut stops, mut kilobytes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        let before = rss_kb(std::process::id())?;
        let specs = (0..children).map(|n| ChildSpec::worker(&Addr::<End>::new(format!("c{n}"), 8), || Child(None)));
        let specs: Vec<ChildSpec> = specs.collect();
        let begun = Instant::now();
        let tree = Tree::start(planes.clone(), Flags::new(Strategy::OneForOne), specs, Arc::new(NoObserver))
            .await
            .map_err(|exit| exit.to_string())?;
        tree.started().await.map_err(|exit| exit.to_string())?;
        starts.push(begun.elapsed().as_secs_f64() * 1e3);
        kilobytes.push(rss_kb(std::process::id())?.saturating_sub(before) as f64 / children as f64);
        let begun = Instant::now();
        tree.shutdown(None);
        tree.ended().await;
        stops.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    println!("{children} children in order: start {} ms, stop {} ms", spread(&starts, 0), spread(&stops, 0));
    // Later runs reuse what the first one freed.
    println!("{children} idle children: {:.1} KB each", kilobytes.first().copied().unwrap_or(0.0));
    Ok(())
}
