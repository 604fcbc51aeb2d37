//! Memory: above a soft mark caches shrink, before whoever limits the process ends it.

mod gauge;
mod read;

use self::gauge::{Gauge, Turn};
use metering::{Scrape, instrumentation};
use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes in a MiB.
const MIB: u64 = 1 << 20;

/// Who gives memory up.
pub trait Relief: Send + Sync + 'static {
    /// Gives some up, and takes no more than it must until [`Relief::ease`]; asked again, it gives up more. What has been done,
    /// as the end of a sentence.
    fn relieve(&self) -> String;
    /// There is memory again.
    fn ease(&self);
}

/// The process's memory against its soft mark. Outlives the actor that looks.
pub struct Memory {
    /// In bytes; none: nobody limits it.
    mark: Option<u64>,
    /// Bytes at the last look.
    resident: AtomicU64,
    gauge: Mutex<Gauge>,
    /// What was done last.
    done: Mutex<String>,
    relief: Arc<dyn Relief>,
    began: Instant,
}

impl Memory {
    /// A soft mark of `soft_mb` MiB; 0: four fifths of what the control group of the process allows, none where it allows
    /// anything.
    pub fn new(soft_mb: u64, relief: Arc<dyn Relief>) -> Arc<Self> {
        let given = (soft_mb > 0).then(|| soft_mb.saturating_mul(MIB));
        Self::marked(given.or_else(|| Some(read::limit(Path::new("/"))? / 5 * 4)), relief)
    }

    pub(crate) fn marked(mark: Option<u64>, relief: Arc<dyn Relief>) -> Arc<Self> {
        let (resident, gauge) = (AtomicU64::new(0), Mutex::new(Gauge::default()));
        Arc::new(Self { mark, resident, gauge, done: Mutex::default(), relief, began: Instant::now() })
    }

    /// Whether memory is short.
    pub fn is_short(&self) -> bool {
        locked(&self.gauge).is_short()
    }

    /// What is wrong while memory is short, as a sentence.
    pub fn complaint(&self) -> Option<String> {
        let mark = self.mark.filter(|_| self.is_short())?;
        Some(format!(
            "memory is short: {} MiB are resident, the soft mark is {} MiB; {} (give the process more, or set [memory].soft_mb)",
            self.resident.load(Ordering::Relaxed) / MIB,
            mark / MIB,
            locked(&self.done)
        ))
    }

    /// Whoever gives memory up has come since it was noticed that it is short: is asked now.
    pub fn catch_up(&self) {
        if self.is_short() {
            self.relieve();
            if !self.is_short() {
                self.relief.ease(); // it ended in between, and had been told so before
            }
        }
    }

    fn relieve(&self) -> String {
        let done = self.relief.relieve();
        locked(&self.done).clone_from(&done);
        done
    }

    /// Looks once a second, for ever. When nobody looks any more, nothing is short.
    pub(crate) async fn watch(self: Arc<Self>) {
        let _at_the_end = Unwatched(&self);
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            if let Some(resident) = read::resident(Path::new("/")) {
                self.look(resident, self.began.elapsed());
            }
        }
    }

    /// `resident` bytes were seen at `now`.
    pub(crate) fn look(&self, resident: u64, now: Duration) {
        self.resident.store(resident, Ordering::Relaxed);
        let Some(mark) = self.mark else { return };
        let was_short = self.is_short();
        let turn = locked(&self.gauge).look(resident, mark, now);
        let (resident_mib, soft_mib) = (resident / MIB, mark / MIB);
        match turn {
            Some(Turn::Relieve) => {
                instrumentation::relieved();
                let done = self.relieve();
                if was_short {
                    tracing::debug!(resident_mib, soft_mib, "memory is still short: {done}");
                } else {
                    tracing::warn!(resident_mib, soft_mib, "memory is short: {done}");
                }
            }
            Some(Turn::Ease) => {
                self.relief.ease();
                tracing::info!(
                    resident_mib,
                    soft_mib,
                    "there is memory again: caches may grow, members may be asked for"
                );
            }
            None => {}
        }
    }

    pub(crate) fn collect(&self, scrape: &Scrape) {
        let mark = self.mark.map(|mark| (mark, self.is_short()));
        instrumentation::memory(scrape, self.resident.load(Ordering::Relaxed), mark);
    }
}

/// Eases at the end of whoever looked, however it ends.
struct Unwatched<'m>(&'m Memory);

impl Drop for Unwatched<'_> {
    fn drop(&mut self) {
        if locked(&self.0.gauge).forget() {
            self.0.relief.ease();
        }
    }
}

/// Nothing behind it is ever half done.
fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Count {
        relieved: AtomicUsize,
        eased: AtomicUsize,
    }

    impl Relief for Count {
        fn relieve(&self) -> String {
            self.relieved.fetch_add(1, Ordering::Relaxed);
            "counted".to_owned()
        }

        fn ease(&self) {
            self.eased.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn above_the_mark_somebody_is_asked_and_who_looks_is_told_until_there_is_memory_again() {
        let count = Arc::new(Count::default());
        let memory = Memory::marked(Some(100 * MIB), count.clone());
        let asked = || (count.relieved.load(Ordering::Relaxed), count.eased.load(Ordering::Relaxed));
        memory.look(100 * MIB, Duration::ZERO);
        assert_eq!((asked(), memory.complaint()), ((0, 0), None));
        memory.look(120 * MIB, Duration::from_secs(1));
        let said = memory.complaint().unwrap();
        assert!(
            said.contains("120 MiB") && said.contains("100 MiB; counted (") && said.contains("[memory].soft_mb"),
            "{said}"
        );
        for second in 2..100 {
            memory.look(50 * MIB, Duration::from_secs(second));
        }
        assert_eq!((asked(), memory.complaint()), ((1, 1), None));
    }

    #[tokio::test(start_paused = true)]
    async fn when_nobody_looks_any_more_nothing_is_short() {
        let count = Arc::new(Count::default());
        let memory = Memory::marked(Some(1), count.clone());
        let watch = tokio::spawn(Arc::clone(&memory).watch());
        tokio::time::sleep(LOOK).await;
        assert!(memory.is_short(), "a byte is too little for anybody");
        watch.abort();
        assert!(watch.await.is_err());
        assert_eq!((memory.complaint(), count.eased.load(Ordering::Relaxed)), (None, 1));
    }

    #[test]
    fn without_a_mark_it_only_measures() {
        let count = Arc::new(Count::default());
        let memory = Memory::marked(None, count.clone());
        memory.look(u64::MAX, Duration::ZERO);
        assert_eq!((count.relieved.load(Ordering::Relaxed), memory.complaint()), (0, None));
    }
}
