//! Takes secrets out of everything on its way to Sentry: the last step before the wire.

use crate::redact::Redactor;
use sentry::{
    Envelope, Transport, TransportFactory, TransportOptions,
    protocol::{EnvelopeItem, Event, Transaction},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{sync::Arc, time::Duration};

/// Makes transports that redact what they send.
pub(crate) struct ScrubbingFactory {
    pub(crate) redactor: Redactor,
}

impl TransportFactory for ScrubbingFactory {
    fn create_transport_with_options(&self, options: TransportOptions) -> Arc<dyn Transport> {
        let wire = sentry::transports::DefaultTransportFactory.create_transport_with_options(options);
        Arc::new(Scrubbing { redactor: self.redactor.clone(), wire })
    }
}

struct Scrubbing {
    redactor: Redactor,
    wire: Arc<dyn Transport>,
}

impl Transport for Scrubbing {
    fn send_envelope(&self, envelope: Envelope) {
        let mut clean = Envelope::new().with_headers(envelope.headers().clone());
        let mut items = 0;
        for item in envelope.into_items() {
            if let Some(item) = self.scrub(item) {
                clean.add_item(item);
                items += 1;
            }
        }
        if items > 0 {
            self.wire.send_envelope(clean);
        }
    }

    fn flush(&self, timeout: Duration) -> bool {
        self.wire.flush(timeout)
    }

    fn shutdown(&self, timeout: Duration) -> bool {
        self.wire.shutdown(timeout)
    }
}

impl Scrubbing {
    /// The item without secrets; none when it cannot be read through: what cannot be checked is not sent.
    fn scrub(&self, item: EnvelopeItem) -> Option<EnvelopeItem> {
        let clean = match item {
            EnvelopeItem::Event(event) => scrubbed::<Event<'static>>(&self.redactor, &*event).map(EnvelopeItem::from),
            EnvelopeItem::Transaction(trace) => {
                scrubbed::<Transaction<'static>>(&self.redactor, &*trace).map(EnvelopeItem::from)
            }
            harmless @ (EnvelopeItem::SessionUpdate(_)
            | EnvelopeItem::SessionAggregates(_)
            | EnvelopeItem::MonitorCheckIn(_)
            | EnvelopeItem::ClientReport(_)) => Some(harmless),
            _ => None,
        };
        if clean.is_none() {
            metering::instrumentation::swallowed("sentry:scrub");
        }
        clean
    }
}

/// `original` with every string in it redacted.
pub(crate) fn scrubbed<T: Serialize + DeserializeOwned>(redactor: &Redactor, original: &T) -> Option<T> {
    let mut value = serde_json::to_value(original).ok()?;
    redactor.redact_json(&mut value);
    serde_json::from_value(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::corpus;
    use sentry::protocol::{Breadcrumb, Exception, Frame, Stacktrace};

    #[test]
    fn no_planted_secret_survives_anywhere_in_an_event() {
        let redactor = Redactor::new();
        for (text, secret) in corpus::planted() {
            let mut event =
                Event { message: Some(text.clone()), transaction: Some(text.clone()), ..Default::default() };
            event.fingerprint = vec![text.clone().into()].into();
            event.tags.insert("what".into(), text.clone());
            event.tags.insert("token".into(), secret.clone());
            event.extra.insert("why".into(), serde_json::json!({ "inner": [text.clone()] }));
            event.breadcrumbs.values.push(Breadcrumb { message: Some(text.clone()), ..Default::default() });
            let frame = Frame { filename: Some(text.clone()), ..Default::default() };
            event.exception.values.push(Exception {
                ty: "panic".into(),
                value: Some(text.clone()),
                stacktrace: Some(Stacktrace { frames: vec![frame], ..Default::default() }),
                ..Default::default()
            });
            let clean = scrubbed(&redactor, &event).expect("an event can be read through");
            let written = serde_json::to_string(&clean).unwrap();
            assert!(!written.contains(&secret), "{written}");
            assert_eq!(clean.event_id, event.event_id);
            assert_eq!(clean.exception.values[0].ty, "panic");
        }
    }
}
