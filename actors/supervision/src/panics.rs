//! Catches a panic at the poll where it happens, with its location and the frames that led to it.

use crate::exit::Exit;
use std::{
    any::Any,
    cell::{Cell, RefCell},
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Once,
};

/// Frames noted of one panic, those of the panic machinery included.
const FRAMES_NOTED: usize = 128;
/// Frames shown of one panic.
pub const FRAMES_MAX: usize = 48;
/// Longest line that shows a frame, in bytes.
const FRAME_TEXT_MAX: usize = 256;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
    static FRAMES: RefCell<Option<Frames>> = const { RefCell::new(None) };
}

/// The frames of a panic as addresses: taking them costs microseconds, looking their names up may cost a second.
#[derive(Debug)]
pub(crate) struct Frames {
    location: String,
    addresses: Vec<usize>,
}

impl Frames {
    fn here(location: String) -> Self {
        let mut addresses = Vec::with_capacity(FRAMES_NOTED);
        backtrace::trace(|frame| {
            addresses.push(frame.ip() as usize);
            addresses.len() < FRAMES_NOTED
        });
        Self { location, addresses }
    }

    /// The frames of the user's code, innermost first: without those of the panic itself and of what polls the handler.
    pub(crate) fn lines(&self) -> Vec<String> {
        let (mut lines, mut panicked) = (Vec::new(), false);
        for address in &self.addresses {
            let mut names = Vec::new();
            backtrace::resolve(*address as *mut std::ffi::c_void, |symbol| {
                let name = symbol.name().map_or_else(|| "?".to_owned(), |name| format!("{name:#}"));
                let place = match (symbol.filename(), symbol.lineno()) {
                    (Some(file), Some(line)) => format!(" at {}:{line}", file.display()),
                    _ => String::new(),
                };
                names.push((name, place));
            });
            for (name, place) in names {
                let guard = place.contains("supervision/src/panics.rs") || name.contains("supervision::panics::");
                if is_panic(&name) {
                    panicked = true;
                    lines.clear(); // what came before was inside the panic
                } else if panicked && (guard || lines.len() == FRAMES_MAX) {
                    return lines;
                } else {
                    let mut line = name + &place;
                    line.truncate(line.floor_char_boundary(FRAME_TEXT_MAX));
                    lines.push(line);
                }
            }
        }
        lines
    }
}

/// Whether a frame belongs to the beginning of a panic, not to the code that panicked.
fn is_panic(name: &str) -> bool {
    ["rust_begin_unwind", "begin_panic", "core::panicking::", "std::panicking::", "panic_fmt"]
        .iter()
        .any(|part| name.contains(part))
}

/// The frames of the panic at `location` that was caught on this thread last; none when it was another one.
pub(crate) fn take_frames(location: Option<&str>) -> Option<Frames> {
    FRAMES.take().filter(|frames| Some(frames.location.as_str()) == location)
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
                let location = info.location().map(ToString::to_string);
                FRAMES.set(location.clone().map(Frames::here));
                LOCATION.set(location);
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
