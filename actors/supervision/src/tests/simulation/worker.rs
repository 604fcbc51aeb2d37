//! An actor with bad habits, drawn anew for each incarnation from the scenario's seed.

use super::stage::{Stage, Token};
use crate::{Actor, Ctx, Failure, Message};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

/// Longer than anybody waits.
const FOR_EVER: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Clone, Copy)]
pub(super) enum Do {
    Panic,
    Fail,
    FailByCtx,
    Fatal,
    Finish,
    PanicInTask,
    Hang,
    Work,
}

impl Do {
    pub(super) const ALL: [Self; 8] = [
        Self::Panic,
        Self::Fail,
        Self::FailByCtx,
        Self::Fatal,
        Self::Finish,
        Self::PanicInTask,
        Self::Hang,
        Self::Work,
    ];
}

impl Message for Do {
    fn name(&self) -> &'static str {
        "do"
    }
}

pub(super) struct Worker {
    pub(super) stage: Stage,
    pub(super) path: String,
    /// It always stops when it is asked to: nobody would ever kill it.
    pub(super) obeys: bool,
    pub(super) token: Option<Arc<Token>>,
}

impl Worker {
    fn draws(&self, ctx: &Ctx<Self>, what: &str) -> StdRng {
        let mut hasher = DefaultHasher::new();
        (self.stage.seed, &self.path, ctx.incarnation(), what).hash(&mut hasher);
        StdRng::seed_from_u64(hasher.finish())
    }
}

impl Actor for Worker {
    type Msg = Do;

    async fn start(&mut self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        let token = self.stage.enter(&self.path, ctx.incarnation());
        self.token = Some(Arc::clone(&token));
        let mut rng = self.draws(ctx, "start");
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..800))).await;
        match rng.random_range(0..24) {
            0 => return Err(Failure::restart("does not start")),
            1 => boom(),
            2 => tokio::time::sleep(FOR_EVER).await,
            3 => return Err(Failure::ignore("is not needed")),
            _ => {}
        }
        if rng.random_bool(0.3) {
            // A task that holds what the actor holds: it must be gone before the next incarnation begins.
            ctx.spawn(async move {
                let _held = token;
                tokio::time::sleep(FOR_EVER).await;
            });
        }
        if rng.random_bool(0.25) {
            let what = Do::ALL[rng.random_range(0..Do::ALL.len())];
            ctx.send_after(Duration::from_millis(rng.random_range(0..15_000)), what);
        }
        Ok(())
    }

    async fn handle(&mut self, what: Do, ctx: &Ctx<Self>) -> Result<(), Failure> {
        match what {
            Do::Panic => boom(),
            Do::Fail => return Err(Failure::restart("told to fail")),
            Do::FailByCtx => ctx.fail(Failure::restart("told to fail")),
            Do::Fatal => return Err(Failure::fatal("told to be fatal")),
            Do::Finish => ctx.finish(),
            Do::PanicInTask => ctx.spawn(async { boom() }),
            Do::Hang if !self.obeys => tokio::time::sleep(FOR_EVER).await,
            Do::Hang | Do::Work => tokio::time::sleep(Duration::from_millis(300)).await,
        }
        Ok(())
    }

    async fn drain(&mut self, ctx: &Ctx<Self>) {
        let mut rng = self.draws(ctx, "drain");
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..1_500))).await;
    }

    async fn stop(&mut self, ctx: &Ctx<Self>) {
        let mut rng = self.draws(ctx, "stop");
        match rng.random_range(0..8) {
            0 if !self.obeys => tokio::time::sleep(FOR_EVER).await,
            1 => boom(),
            _ => tokio::time::sleep(Duration::from_millis(rng.random_range(0..400))).await,
        }
    }
}

/// A panic that nobody prints: there are thousands.
fn boom() {
    std::panic::resume_unwind(Box::new("told to panic"));
}
