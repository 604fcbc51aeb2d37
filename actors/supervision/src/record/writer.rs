//! The thread that writes.

use super::{
    format::Record,
    queue::{Batch, Closing, Item, Shared, Taken},
    segment::Segment,
};
use crate::panics::guarded_sync;
use serde::Serialize;
use std::collections::VecDeque;

/// Writes until it is told to end.
pub(super) fn run(shared: &Shared, segment: Segment) {
    if let Err(panic) = guarded_sync(|| turns(shared, segment)) {
        tracing::error!(%panic, "the journal of supervision is not written any more");
        shared.give_up(panic.to_string());
    }
}

fn turns(shared: &Shared, mut segment: Segment) {
    loop {
        let Batch { items, held, closing } = shared.gather();
        // What fails at boot leaves no trace; had there been anything to know, it would not be held back any more.
        if !held {
            write(shared, &mut segment, items, closing.as_ref());
        }
        if let Some(closing) = closing {
            if let Some(done) = closing.done {
                done.send(()).ok(); // nobody waits any longer
            }
            return;
        }
    }
}

fn write(shared: &Shared, segment: &mut Segment, items: VecDeque<Item>, closing: Option<&Closing>) {
    if closing.is_some() {
        segment.hurry();
    }
    for item in items {
        match item {
            Item::State { written, free } => {
                segment.kept.written(&written);
                segment.push(&Record::State(written), free);
            }
            Item::Step(taken) => {
                segment.kept.changed(&taken.path, &taken.change);
                segment.push(&Step { step: &taken }, false);
            }
            Item::Lost(records) => {
                tracing::warn!(
                    records,
                    "{records} records of supervision were lost: its journal is written too slowly"
                );
                segment.push(&Record::Lost { records }, false);
            }
            Item::Rotate => segment.rotate(),
        }
    }
    if let Some(orderly) = closing.and_then(|closing| closing.orderly) {
        segment.push(&Record::Ended { orderly }, false);
    }
    segment.write();
    if closing.is_some() {
        segment.sync();
    }
    if segment.take_gap() {
        shared.begin_anew();
    }
    if segment.take_full() {
        shared.full();
    }
    // Last: whoever hears that it is written again finds states written anew.
    let (lost, trouble) = segment.account();
    shared.account(lost, trouble);
}

/// [`Record::Step`] as it is written.
#[derive(Serialize)]
struct Step<'t> {
    step: &'t Taken,
}
