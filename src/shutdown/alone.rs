//! A tree that ends by itself: nobody asked it to.

use super::{Limits, OVERRUN, SLACK, keep_told, stopping};
use crate::notify::{Notifier, Word};
use supervision::{ActorPath, Exit, Status, Tree, core::Rule};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, timeout},
};

/// Waits for the end of a tree that nobody asked to end. One that gives up stops its children in order, each with its own
/// time, and all of them together with no more than a shutdown has: where threads are blocked each would use up its own.
/// `begins` is called when it begins to give up, and the service manager is told from then on: one that hears of it when all
/// is over has lost its patience by then.
pub async fn ended(tree: &Tree, limits: impl Fn() -> Limits, notifier: &Notifier, begins: impl FnOnce()) -> Exit {
    tokio::select! {
        exit = tree.ended() => return exit,
        () = gives_up(tree) => begins(),
    }
    let limits = limits();
    let (within, by) = (limits.tree(), Instant::now() + limits.total);
    notifier.tell(&[Word::Stopping, Word::Extend(limits.total + SLACK)]);
    notifier.status(&stopping(tree));
    tree.shutdown(Some(within));
    tokio::select! {
        exit = timeout(within + OVERRUN, tree.ended()) => exit.unwrap_or(Exit::Aborted),
        () = keep_told(notifier, by, || stopping(tree)) => Exit::Aborted, // it never ends by itself
    }
}

/// Waits until the root is on its way down.
async fn gives_up(tree: &Tree) {
    let mut decisions = tree.subscribe();
    loop {
        match decisions.recv().await {
            Ok(entry) if entry.path.is_root() && entry.decision.rule == Rule::Shutdown => return,
            Ok(_) => {}
            Err(RecvError::Lagged(_)) if is_stopping(tree) => return,
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

fn is_stopping(tree: &Tree) -> bool {
    tree.node(&ActorPath::root()).is_some_and(|root| root.status == Status::Stopping)
}

/// Why the tree ended by itself, if it did so against its will.
pub fn gave_up(exit: &Exit) -> Option<String> {
    match exit {
        Exit::Normal | Exit::Shutdown { info: None } => None,
        Exit::Shutdown { info: Some(why) } => Some(why.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ServiceManager;
    use std::{
        os::unix::net::UnixDatagram,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering::SeqCst},
        },
        time::Duration,
    };
    use supervision::{Actor, Addr, ChildSpec, Ctx, Failure, Flags, NoObserver, Planes, Shutdown, Strategy, Verb};

    const S: fn(u64) -> Duration = Duration::from_secs;

    /// Takes this long to stop.
    struct Slow(Duration);

    impl Actor for Slow {
        type Msg = ();

        async fn handle(&mut self, (): (), _: &Ctx<Self>) -> Result<(), Failure> {
            Ok(())
        }

        async fn stop(&mut self, _: &Ctx<Self>) {
            tokio::time::sleep(self.0).await;
        }
    }

    fn child(name: &str, takes: Duration) -> ChildSpec {
        let shutdown = Shutdown::Within(S(60));
        ChildSpec::worker(&Addr::new(name, 1), move || Slow(takes)).budget(0, S(60)).shutdown(shutdown)
    }

    /// What has been told since the last time.
    fn heard(socket: &UnixDatagram) -> Vec<String> {
        let mut bytes = [0; 1024];
        let told = std::iter::from_fn(|| {
            let length = socket.recv(&mut bytes).ok()?;
            Some(String::from_utf8(bytes[..length].to_vec()).unwrap())
        });
        told.collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_service_manager_hears_that_a_tree_gives_up_when_that_begins_and_until_it_is_down() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let manager = ServiceManager { socket: Some(path.display().to_string()), watchdog: None };
        let notifier = Arc::new(Notifier::new(&manager));
        let children = vec![child("vital", S(0)), child("slow", S(10))];
        let flags = Flags::new(Strategy::OneForOne);
        let tree =
            Tree::start(Planes::single(), flags, children, Arc::new(NoObserver)).await.expect("the root is made");
        tree.started().await.expect("it starts");

        let began = Arc::new(AtomicBool::new(false));
        let limits = || Limits { total: S(30), drain: S(3) };
        let ending = tokio::spawn({
            let (tree, notifier, began) = (tree.clone(), Arc::clone(&notifier), Arc::clone(&began));
            async move { ended(&tree, limits, &notifier, || began.store(true, SeqCst)).await }
        });
        tokio::time::sleep(S(5)).await;
        assert!(heard(&socket).is_empty() && !began.load(SeqCst), "nothing is wrong");

        tree.order(&"vital".into(), Verb::Kill, None, false).await.expect("killed");
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(heard(&socket)[0], "STOPPING=1\nEXTEND_TIMEOUT_USEC=35000000", "at once");
        assert!(began.load(SeqCst) && !ending.is_finished());
        tokio::time::sleep(S(5)).await;
        let meanwhile = heard(&socket);
        let longer: Vec<_> = meanwhile.iter().filter(|told| told.starts_with("EXTEND_TIMEOUT_USEC=")).collect();
        assert_eq!(longer.len(), 5, "each second: {meanwhile:?}");
        assert!(longer.is_sorted_by(|one, next| one > next), "no longer than its deadline: {longer:?}");
        assert!(!ending.is_finished());
        let exit = ending.await.unwrap();
        assert!(gave_up(&exit).is_some_and(|why| why.contains("vital is vital and lost")), "{exit}");
    }
}
