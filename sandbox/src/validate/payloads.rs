//! Judges gateway payloads by serenity's types, which were written by others from Discord's documentation.

use serenity::model::event::{Event, GatewayEvent};

use super::event_types;
use super::exceptions::payload_exceptions;
use super::faults::Misfit;

/// So much of a payload that does not fit is told.
const TOLD_MAX: usize = 600;

/// What the payload is, and what is wrong with it, if anything.
pub(super) fn judge(text: &str) -> Option<(String, Misfit)> {
    let whole = |problem| Misfit { place: "payload".into(), keyword: "type".into(), problem };
    let (what, misfit) = match serde_json::from_str::<GatewayEvent>(text) {
        // An event that does not fit its type is taken for an unknown one.
        Ok(GatewayEvent::Dispatch(_, Event::Unknown(event))) => {
            if payload_exceptions().iter().any(|(name, _)| *name == event.kind) {
                return None;
            }
            let found = event_types::misfit(&event.kind, &event.value);
            (event.kind, found.unwrap_or_else(|| whole("it does not fit the type of its event".to_owned())))
        }
        Ok(_) => return None,
        Err(error) => ("frame".to_owned(), whole(error.to_string())),
    };
    let told: String = text.chars().take(TOLD_MAX).collect();
    let problem = format!("{}: {told}", misfit.problem);
    Some((format!("gateway {what}"), Misfit { problem, ..misfit }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_noticed() {
        let wrong = |text: &str| judge(text).map(|(what, _)| what);
        assert_eq!(wrong(r#"{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":41250}}"#), None);
        assert_eq!(wrong(r#"{"t":null,"s":null,"op":10,"d":{}}"#).as_deref(), Some("gateway frame"));
        assert_eq!(wrong(r#"{"t":null,"s":null,"op":77,"d":null}"#).as_deref(), Some("gateway frame"));
        let deleted = r#"{"t":"MESSAGE_DELETE","s":1,"op":0,"d":{"id":"1","channel_id":"2"}}"#;
        assert_eq!(wrong(deleted), None);
        assert_eq!(wrong(&deleted.replace("\"2\"", "null")).as_deref(), Some("gateway MESSAGE_DELETE"));
        let (_, misfit) = judge(&deleted.replace("\"2\"", "null")).unwrap();
        assert_eq!((misfit.place.as_str(), misfit.keyword.as_str()), ("/d/channel_id", "type"));
        assert!(misfit.problem.contains("null") && misfit.problem.contains(r#""id":"1""#), "{}", misfit.problem);
        assert_eq!(wrong(r#"{"t":"RATE_LIMITED","s":1,"op":0,"d":{}}"#), None, "excused: serenity does not know it");
    }
}
