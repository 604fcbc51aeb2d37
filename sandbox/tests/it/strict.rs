//! The judge of the gateway: whatever the sandbox sends in any of these tests has to fit serenity's types, which
//! were written by others from Discord's documentation.

use std::sync::{Mutex, PoisonError};

use serenity::model::event::{Event, GatewayEvent};

/// Events that serenity does not know, with the reason why they are sent all the same.
const EXCEPTIONS: [(&str, &str); 2] = [
    ("RATE_LIMITED", "documented since October 2025, after this version of serenity"),
    ("SOUNDBOARD_SOUNDS", "documented since 2024; this version of serenity has no soundboard"),
];

/// Payloads that did not fit, of all tests of this process.
static MISFITS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// For [`sandbox::SandboxConfig::tap`].
pub(crate) fn judge(text: &str) {
    if let Err(problem) = fits(text) {
        MISFITS.lock().unwrap_or_else(PoisonError::into_inner).push(problem);
    }
}

/// Fails when anything sent so far did not fit, be it for another test.
pub(crate) fn assert_all_fit() {
    let misfits = MISFITS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(misfits.is_empty(), "payloads that do not fit serenity's types: {misfits:#?}");
}

fn fits(text: &str) -> Result<(), String> {
    match serde_json::from_str::<GatewayEvent>(text) {
        Err(error) => Err(format!("{error}: {text}")),
        // An event that does not fit its type is taken for an unknown one.
        Ok(GatewayEvent::Dispatch(_, Event::Unknown(event)))
            if EXCEPTIONS.iter().all(|(name, _)| *name != event.kind) =>
        {
            Err(format!("{} does not fit: {text}", event.kind))
        }
        Ok(_) => Ok(()),
    }
}

#[test]
fn the_judge_notices_what_does_not_fit() {
    assert!(fits(r#"{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":41250}}"#).is_ok());
    assert!(fits(r#"{"t":null,"s":null,"op":10,"d":{}}"#).is_err());
    assert!(fits(r#"{"t":null,"s":null,"op":77,"d":null}"#).is_err());
    let deleted = r#"{"t":"MESSAGE_DELETE","s":1,"op":0,"d":{"id":"1","channel_id":"2"}}"#;
    assert!(fits(deleted).is_ok());
    assert!(fits(&deleted.replace("\"2\"", "null")).unwrap_err().starts_with("MESSAGE_DELETE does not fit"));
}
