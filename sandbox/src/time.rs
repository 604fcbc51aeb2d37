//! Time that a test moves: hours of waiting in moments, over real sockets.

use std::time::Duration;

use crate::handle::Sandbox;

impl Sandbox {
    /// Holds the sandbox's clock. From now on the windows of its limits, the lives of sessions and interactions, and
    /// what its headers say of the time move by [`Sandbox::pass`] alone. Faults that slow it down (delays, slow bodies)
    /// go by the real clock all the same.
    pub fn hold_clock(&self) {
        self.shared.with(|state| state.held_ms = Some(state.now_ms));
    }

    /// Moves a clock that is held, by whole milliseconds; does nothing to one that runs.
    pub fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.shared.with(|state| {
            state.held_ms = state.held_ms.map(|at| at.saturating_add(millis));
            for line in state.hub.lines.values() {
                line.wake.notify_one(); // what it holds back may be due
            }
        });
    }
}

#[cfg(feature = "virtual-time")]
pub use moved::{VirtualTime, seed};

#[cfg(feature = "virtual-time")]
mod moved {
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use crate::handle::Sandbox;

    /// Nothing on one machine takes this long unless it is broken.
    const LIMIT: Duration = Duration::from_secs(20);
    /// How long it sleeps between two looks, in real time.
    const LOOK: Duration = Duration::from_micros(200);
    /// Turns that tasks get after time has passed, or an answer has come: what it wakes wakes others in turn.
    const TURNS: u32 = 16;

    /// One time for the sandbox and for a bot that runs on a paused clock of tokio.
    ///
    /// Tokio moves a paused clock to the next timer whenever it has nothing to do, and an answer that is on its way over
    /// a socket counts as nothing: timeouts would fire at once. While this lives the clock stands, until [`pass`] moves
    /// it, and the sandbox's with it.
    ///
    /// [`pass`]: VirtualTime::pass
    pub struct VirtualTime<'a> {
        sandbox: &'a Sandbox,
        /// A blocking task waits for this to be dropped; while one runs tokio leaves a paused clock alone.
        _brake: mpsc::Sender<()>,
    }

    impl<'a> VirtualTime<'a> {
        /// Takes over both clocks. The sandbox's stays held when this is dropped.
        ///
        /// # Panics
        /// Outside of a tokio runtime.
        pub fn of(sandbox: &'a Sandbox) -> VirtualTime<'a> {
            sandbox.hold_clock();
            let (brake, held) = mpsc::channel::<()>();
            tokio::task::spawn_blocking(move || held.recv().is_ok());
            VirtualTime { sandbox, _brake: brake }
        }

        /// Lets this time pass for both, and gives those whom it wakes their turns. Answers that are on their way do not
        /// arrive meanwhile: see [`VirtualTime::until`].
        ///
        /// # Panics
        /// When tokio's clock is not paused.
        pub async fn pass(&self, time: Duration) {
            self.sandbox.pass(time);
            tokio::time::advance(time).await;
            turns().await;
        }

        /// Waits, while time stands, until `holds` and still does when everybody has had some more turns.
        ///
        /// # Panics
        /// When it does not within 20 s of real time.
        pub async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
            let begun = Instant::now();
            loop {
                if holds() {
                    turns().await;
                    if holds() {
                        return;
                    }
                }
                assert!(begun.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
                // Its failure would be a panic in a sleep.
                tokio::task::spawn_blocking(look).await.ok();
            }
        }
    }

    async fn turns() {
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
    }

    #[expect(clippy::disallowed_methods, reason = "on a thread for blocking; tokio's sleep would never end")]
    fn look() {
        std::thread::sleep(LOOK);
    }

    /// The seed of a scenario: what `IMPRESARIO_SEED` says, else another each time. Standard output tells it.
    ///
    /// # Panics
    /// When `IMPRESARIO_SEED` is no number.
    pub fn seed(scenario: &str) -> u64 {
        let given = std::env::var("IMPRESARIO_SEED").ok();
        let parsed = given.map(|seed| seed.parse().unwrap_or_else(|_| panic!("IMPRESARIO_SEED={seed} is no number")));
        let seed = parsed.unwrap_or_else(rand::random);
        println!("{scenario}: IMPRESARIO_SEED={seed}");
        seed
    }
}
