//! Whole trees under paused time, from a seed: whatever their actors do and whoever orders them about, the invariants in
//! [`checks`] hold. A scenario that fails is run again with ever more of its happenings, and the shortest is told.

mod checks;
mod scenario;
mod stage;
mod worker;

use super::probe::until;
use crate::{ActorPath, Limits, NoObserver, Past, Planes, Recorder, Tree, Verb, replay};
use scenario::{Happening, Scenario};
use stage::Stage;
use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant as Wall, SystemTime},
};
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::Instant};

/// Scenarios per run; the full tier runs ten times as many.
fn scenarios() -> u64 {
    if super::full_tier() { 10_000 } else { 1_000 }
}

/// The first seed: of the environment, to see a failure again, else any.
fn first_seed() -> u64 {
    std::env::var("IMPRESARIO_SEED").ok().map_or_else(rand::random, |seed| seed.parse().expect("a seed is a number"))
}

/// What one run came to, for the figures.
#[derive(Debug, Default, Clone, Copy)]
struct Figures {
    incarnations: usize,
    decisions: usize,
    virtual_s: u64,
    /// Scenarios in which a drain or a shutdown raced with what else happened.
    raced: usize,
    /// Children that were stopped after one that only its rank makes stand later.
    by_rank: usize,
}

#[test]
fn whatever_happens_in_a_tree_the_invariants_hold() {
    let (first, begun) = (first_seed(), Wall::now());
    println!("IMPRESARIO_SEED={first}, {} scenarios", scenarios());
    let mut total = Figures::default();
    for seed in (0..scenarios()).map(|n| first.wrapping_add(n)) {
        let scenario = Scenario::of(seed);
        match play(&scenario, scenario.happenings.len()) {
            Ok(figures) => {
                total.incarnations += figures.incarnations;
                total.decisions += figures.decisions;
                total.virtual_s += figures.virtual_s;
                total.raced += figures.raced;
                total.by_rank += figures.by_rank;
            }
            Err(what) => panic!("{}", shrunk(&scenario, &what)),
        }
    }
    println!("simulation: {total:?} in {:.1} s", begun.elapsed().as_secs_f64());
    println!("A11 raced={} stopped_by_rank={} violations=0", total.raced, total.by_rank);
    assert!(total.by_rank as u64 > scenarios() / 10, "ranks hardly ever mattered: {total:?}");
}

#[test]
fn the_same_seed_plays_the_same() {
    for seed in 0..20 {
        let scenario = Scenario::of(seed);
        let counts = |figures: Figures| (figures.incarnations, figures.decisions, figures.virtual_s);
        let n = scenario.happenings.len();
        let (one, other) = (play(&scenario, n).map(counts), play(&scenario, n).map(counts));
        assert_eq!(one, other, "seed {seed}");
    }
}

/// The shortest beginning of `scenario` that fails.
fn shrunk(scenario: &Scenario, what: &str) -> String {
    let shorter = (0..scenario.happenings.len()).find_map(|n| play(scenario, n).err().map(|what| (n, what)));
    let (n, what) = shorter.unwrap_or((scenario.happenings.len(), what.to_owned()));
    let seed = scenario.seed;
    format!(
        "IMPRESARIO_SEED={seed}\n{:#?}\nafter {n} happenings {:#?}\n{what}",
        scenario.root,
        &scenario.happenings[..n]
    )
}

/// Plays the first `n` happenings of `scenario`, shuts the tree down, and looks at what it came to.
fn play(scenario: &Scenario, n: usize) -> Result<Figures, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.map_err(|error| error.to_string())?.block_on(perform(scenario, n))
}

async fn perform(scenario: &Scenario, n: usize) -> Result<Figures, String> {
    let stage = Stage::new(scenario.seed);
    let children = scenario.root.specs(&ActorPath::root(), &stage);
    let record = Journal::new(scenario.seed)?;
    let (flags, limits) = (scenario.root.flags, Limits::default());
    let tree =
        Tree::start_within(Planes::single(), flags, children, Arc::new(NoObserver), limits, record.begin()?).await;
    let tree = tree.map_err(|exit| format!("the root was not made: {exit}"))?;
    let mut answers: Vec<JoinHandle<()>> = Vec::new();
    let mut drained = None;
    let mut asked: Option<(Instant, Option<Duration>)> = None;
    for (at, happening) in &scenario.happenings[..n] {
        tokio::time::sleep_until(stage.begun + *at).await;
        match happening {
            Happening::Say(path, what) => stage.say(path, *what),
            Happening::Order(path, verb) => answers.push(order(&tree, path, *verb)),
            Happening::Remove(path) => answers.push(spawn(&tree, path, |tree, path| async move {
                tree.remove_child(&path).await.ok(); // whatever it says, it says something
            })),
            Happening::Start(plan, supervisor) => {
                let spec = plan.spec(&ActorPath::from(supervisor.as_str()), &stage);
                answers.push(spawn(&tree, supervisor, |tree, path| async move {
                    tree.start_child(&path, spec).await.ok(); // whatever it says, it says something
                }));
            }
            Happening::Drain => {
                drained.get_or_insert(Instant::now());
                answers.push(spawn(&tree, "root", |tree, path| async move {
                    tree.drain(&[path], Duration::from_secs(2)).await;
                }));
            }
            Happening::Shutdown(within) => {
                tree.shutdown(*within);
                asked = asked.or(Some((Instant::now(), *within)));
            }
        }
        checks::view(&tree, &stage).await?;
    }
    let raced = asked.is_some() || drained.is_some();
    if asked.is_none() {
        tokio::time::sleep(Duration::from_secs(5)).await;
        checks::view(&tree, &stage).await?;
        tree.shutdown(Some(scenario.last_within));
        asked = Some((Instant::now(), Some(scenario.last_within)));
    }
    let (since, within) = asked.expect("it was asked to");
    let limit = within.unwrap_or_else(|| scenario.root.stop_time()) + checks::SLACK;
    let ended = tokio::time::timeout_at(since + limit, tree.ended()).await;
    let exit = ended.map_err(|_| format!("the shutdown did not end within {limit:?}: {:#?}", tree.nodes()))?;
    tokio::time::sleep(Duration::from_secs(20)).await; // what is left of slow ends
    for answer in &mut answers {
        let told = tokio::time::timeout(Duration::from_secs(1), answer).await;
        told.map_err(|_| "an order was never answered".to_owned())?.map_err(|error| error.to_string())?;
    }
    let decisions = tree.decisions(0, usize::MAX);
    let by_rank = checks::all(scenario, &stage, &decisions, drained);
    let by_rank = by_rank.map_err(|what| format!("{what}\nthe tree ended: {exit}"))?;
    if !tree.nodes().is_empty() {
        return Err(format!("left in the view: {:#?}", tree.nodes()));
    }
    record.decide_again(&tree, decisions.len()).await?;
    Ok(Figures {
        incarnations: stage.seen().len() / 2,
        decisions: decisions.len(),
        virtual_s: stage.begun.elapsed().as_secs(),
        raced: usize::from(raced),
        by_rank,
    })
}

/// One in so many scenarios is recorded, and decided again at its end.
const RECORDED: u64 = 10;

/// The journal of a scenario, if it has one.
struct Journal(Option<TempDir>);

impl Journal {
    fn new(seed: u64) -> Result<Self, String> {
        let folder = seed.is_multiple_of(RECORDED).then(TempDir::new).transpose();
        folder.map(Self).map_err(|error| error.to_string())
    }

    fn begin(&self) -> Result<Option<(Past, Recorder)>, String> {
        let Some(folder) = &self.0 else { return Ok(None) };
        let past = Past::read(folder.path(), SystemTime::now());
        let recorder = Recorder::begin(&past).map_err(|error| error.to_string())?;
        recorder.keep();
        Ok(Some((past, recorder)))
    }

    async fn decide_again(&self, tree: &Tree, made: usize) -> Result<(), String> {
        let (Some(folder), Some(recorder)) = (&self.0, tree.recorder()) else { return Ok(()) };
        if !recorder.seal(true, Duration::from_secs(60)).await {
            return Err("its journal was not written".to_owned());
        }
        let compared = replay(&folder.path().join(crate::record::FILE)).map_err(|error| error.to_string())?;
        let missing = compared.lost + compared.unchecked;
        match compared.difference {
            Some(difference) => Err(format!("decided again, it is another: {difference:#?}")),
            None if missing > 0 || compared.decisions != made as u64 => {
                Err(format!("of {made} decisions {compared:?}"))
            }
            None => Ok(()),
        }
    }
}

fn order(tree: &Tree, path: &str, verb: Verb) -> JoinHandle<()> {
    spawn(tree, path, move |tree, path| async move {
        tree.order(&path, verb, None, false).await.ok(); // whatever it says, it says something
    })
}

fn spawn<F: Future<Output = ()> + Send + 'static>(
    tree: &Tree,
    path: &str,
    work: impl FnOnce(Tree, ActorPath) -> F,
) -> JoinHandle<()> {
    tokio::spawn(work(tree.clone(), ActorPath::from(path)))
}

/// The checks bite: an actor that leaves a token behind is found.
#[tokio::test(start_paused = true)]
async fn what_is_left_behind_is_seen() {
    let stage = Stage::new(1);
    let token = stage.enter("a", 1);
    let other = stage.enter("a", 2);
    assert!(stage.trouble().is_some_and(|what| what.contains("overlap")), "{:?}", stage.trouble());
    drop((token, other));
    until("both are gone", || stage.alive("a").is_none()).await;
}
