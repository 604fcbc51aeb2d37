//! Catches a panic at the poll where it happens, with its location.

use crate::exit::Exit;
use std::{
    any::Any,
    cell::{Cell, RefCell},
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Once,
};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Installs the hook that notes where a guarded panic happened and keeps it off standard error: the supervisor reports
/// it. Panics outside actors go to the hook that was there before. Idempotent; call it before other hooks are added,
/// so that they run first and this one last.
pub fn install_panic_hook() {
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if GUARDED.get() {
                LOCATION.set(info.location().map(ToString::to_string));
            } else {
                before(info);
            }
        }));
    });
}

/// Runs `work`, turning a panic into [`Exit::Panic`].
///
/// # Errors
/// The panic, with its message and, when [`install_panic_hook`] ran, its location.
pub async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, Exit> {
    let mut work = pin!(work);
    std::future::poll_fn(move |cx| {
        let outer = GUARDED.replace(true);
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
        GUARDED.set(outer);
        match polled {
            Ok(poll) => poll.map(Ok),
            Err(payload) => std::task::Poll::Ready(Err(caught(payload.as_ref()))),
        }
    })
    .await
}

/// [`guarded`] for code without an await.
///
/// # Errors
/// As [`guarded`].
pub fn guarded_sync<T>(work: impl FnOnce() -> T) -> Result<T, Exit> {
    let outer = GUARDED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    done.map_err(|payload| caught(payload.as_ref()))
}

fn caught(payload: &(dyn Any + Send)) -> Exit {
    let message = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic whose payload is not text".to_owned());
    Exit::Panic { message, location: LOCATION.take() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_after_an_await_carries_message_and_location() {
        install_panic_hook();
        let died = guarded(async {
            tokio::task::yield_now().await;
            panic!("boom {}", 7)
        })
        .await;
        let Err::<(), _>(Exit::Panic { message, location }) = died else { panic!("not caught: {died:?}") };
        assert_eq!(message, "boom 7");
        assert!(location.is_some_and(|place| place.contains("panics.rs:")), "the location names this file");
    }
}
