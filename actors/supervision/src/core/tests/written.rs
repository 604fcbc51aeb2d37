//! How a state and a decision are written down.

use super::script::*;
use crate::core::{Decision, state::Child};
use std::collections::BTreeSet;

#[test]
fn a_child_that_has_not_begun_is_written_in_few_words() {
    let fresh = Child::new(worker("a"), BTreeSet::new());
    let written = serde_json::to_string(&fresh).unwrap();
    assert!(written.len() < 256, "{} bytes: {written}", written.len());
    assert_eq!(serde_json::from_str::<Child>(&written).unwrap(), fresh);
}

/// As versions before wrote them, every field spelt out.
#[test]
fn what_was_written_in_full_is_read_too() {
    let child = r#"{"policy":{"id":"a","kind":"worker","restart":"permanent","shutdown":{"within":{"secs":5,"nanos":0}},
        "significant":false,"criticality":"vital","required":true,"budget":null,"backoff":null,"cooldown":null,
        "start_timeout":{"secs":30,"nanos":0},"retry_parked":null,"rank":0,"probe":null,"overlap_ok":false,"poison":null,
        "needs":[]},"life":{"state":"down"},"goal":"up","due":false,"in_round":false,"incarnation":0,
        "since":{"secs":0,"nanos":0},"restarts":[],"restarts_total":0,"failures":0,"last_start":null,"up_since":null,
        "last_exit":null,"missing":[],"waiting":[],"parting":[],"asked":"rule","told":null,"late":false,"half_open":false,
        "half_open_tries":0,"stop_by":null,"draining":false,"look_at":null,"look_left_out":false,"stalled":null,
        "stopped_for_stall":false,"deaths":[]}"#;
    assert_eq!(serde_json::from_str::<Child>(child).unwrap(), Child::new(worker("a"), BTreeSet::new()));
    let decision = r#"{"at":{"secs":1,"nanos":0},"id":"a","incarnation":1,"cause":null,"reason":null,"rule":"up",
        "budget":null,"standing":null,"rejected":[],"text":"came up"}"#;
    let read: Decision = serde_json::from_str(decision).unwrap();
    assert_eq!((read.cause.is_none(), read.rejected.len(), read.text.as_str()), (true, 0, "came up"));
    assert_eq!(serde_json::from_str::<Decision>(&serde_json::to_string(&read).unwrap()).unwrap(), read);
}
