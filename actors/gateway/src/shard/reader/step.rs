//! Dispatches that cannot be the next ones.

use super::{super::message::Control, Reader};
use crate::books::Step;
use protocol::EventKind;

/// After so many numbers in a row that cannot be it is asked what can: by a RESUME.
const TOO_FAR_MAX: u32 = 3;

impl Reader {
    /// RESUMED: the answer counts whatever its number is. Returns whether that can be.
    pub(super) async fn resumed(&mut self, seq: u64) -> bool {
        let fits = self.books.as_ref().is_none_or(|books| books.step(seq, true) == Step::Fits);
        if !fits {
            self.malformed(EventKind::Resumed.name(), Some("its number is too far beyond the others"));
        }
        self.caught_up = true;
        self.replayed();
        self.tell(Control::Resumed).await;
        fits
    }

    /// Whether a dispatch can be number `seq`. One that cannot is not handled, and its number not adopted: else all that
    /// comes after it would look as if it had been seen.
    pub(super) async fn in_step(&mut self, seq: u64, kind: Option<EventKind>) -> bool {
        let Some(books) = self.books.clone() else { return true };
        let (what, before) = (kind.map_or("op-0", |kind| kind.name()), books.received());
        let step = books.step(seq, !self.caught_up);
        let why = match step {
            Step::Fits => {
                self.too_far = 0;
                return true;
            }
            Step::Back => format!("number {seq} came after {before}, although nothing is sent again"),
            Step::TooFar => {
                self.too_far += 1;
                format!("number {seq} is too far beyond {before}")
            }
        };
        self.malformed(what, Some(&why));
        // One that is too far is nobody's; one from before shows that one of the two is wrong, and Discord knows which.
        if step == Step::Back || self.too_far >= TOO_FAR_MAX {
            self.astray(why).await;
        }
        false
    }

    /// Leaves it to a RESUME what comes next.
    pub(super) async fn astray(&mut self, why: String) {
        self.astray = true;
        self.tell(Control::OutOfStep(why)).await;
    }
}
