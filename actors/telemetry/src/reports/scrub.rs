//! Takes secrets out of everything on its way to Sentry: the last step before the wire.

use crate::redact::Redactor;
use sentry::transports::UreqHttpTransportOptions;
use sentry::{
    Envelope, Transport, TransportFactory, TransportOptions,
    protocol::{EnvelopeItem, Event, Transaction},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    mem::ManuallyDrop,
    sync::{Arc, mpsc::sync_channel},
    time::Duration,
};
use ureq::{
    Agent,
    tls::{TlsConfig, TlsProvider},
};

/// How long the delivery of one envelope may take in all.
pub const DELIVERY_LIMIT: Duration = Duration::from_secs(5);

/// Makes transports that redact what they send.
pub(crate) struct ScrubbingFactory {
    pub(crate) redactor: Redactor,
}

impl TransportFactory for ScrubbingFactory {
    fn create_transport_with_options(&self, options: TransportOptions) -> Arc<dyn Transport> {
        let wire = UreqHttpTransportOptions::from(options).with_agent(agent()).build();
        Arc::new(Scrubbing { redactor: self.redactor.clone(), wire: ManuallyDrop::new(Arc::new(wire)) })
    }
}

/// The agent that Sentry would make has no time limit: one silent server would stop all reports for good.
/// Its proxy would come from the environment.
fn agent() -> Agent {
    let tls = TlsConfig::builder().provider(TlsProvider::Rustls).build();
    Agent::config_builder()
        .tls_config(tls)
        .proxy(None)
        .max_redirects(0)
        .timeout_global(Some(DELIVERY_LIMIT))
        .build()
        .new_agent()
}

struct Scrubbing {
    redactor: Redactor,
    /// Never dropped: dropping it joins its thread, which may be waiting for a server. The process's end ends both.
    wire: ManuallyDrop<Arc<dyn Transport>>,
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

    /// On a thread of its own: with a full queue the transport's flush waits for room without regard to `timeout`.
    fn flush(&self, timeout: Duration) -> bool {
        let (done, delivered) = sync_channel(1);
        let wire = Arc::clone(&self.wire);
        let asked = std::thread::Builder::new().name("sentry-flush".to_owned()).spawn(move || {
            done.send(wire.flush(timeout)).ok(); // whoever asked has stopped waiting
        });
        asked.is_ok() && delivered.recv_timeout(timeout).unwrap_or(false)
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
