//! Dispatches that cannot be the next ones.

use super::{super::message::Control, Reader};
use crate::{
    books::{Books, Step},
    scan::Header,
};
use protocol::EventKind;
use std::hash::{DefaultHasher, Hash, Hasher};

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
    pub(super) async fn in_step(&mut self, seq: u64, kind: Option<EventKind>, books: &Books) -> bool {
        let before = books.received();
        let step = books.step(seq, !self.caught_up);
        let why = match step {
            Step::Fits => {
                self.too_far = 0;
                return true;
            }
            Step::Back => format!("number {seq} came after {before}, although nothing is sent again"),
            Step::Gap => format!("number {seq} came after {before}, and between them one whose number cannot be"),
            Step::TooFar => {
                self.too_far += 1;
                format!("number {seq} is too far beyond {before}")
            }
        };
        self.malformed(kind.map_or("op-0", |kind| kind.name()), Some(&why));
        // One that is too far is nobody's; any other shows that one of the two is wrong, and Discord knows which.
        if step != Step::TooFar || self.too_far >= TOO_FAR_MAX {
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

/// What tells a dispatch from others, whatever its number: two whose texts are the same are taken for one, while one is in doubt.
pub(super) fn fingerprint(header: &Header<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&header.kind, header.data()).hash(&mut hasher);
    hasher.finish()
}
