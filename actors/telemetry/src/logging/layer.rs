//! Turns tracing events into lines.

use super::{
    format::Format,
    recent::Recent,
    record::{Collector, Fields, Record},
    sink::Sink,
};
use crate::redact::Redactor;
use protocol::Clock;
use serde_json::Value;
use std::sync::Arc;
use tracing::{
    Event, Level, Subscriber,
    span::{Attributes, Id, Record as SpanRecord},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

pub(crate) struct LogLayer {
    pub(crate) format: Format,
    pub(crate) redactor: Redactor,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sink: Sink,
    pub(crate) recent: Recent,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let mut collector = Collector { message: String::new(), fields: Fields::default(), redactor: &self.redactor };
        attributes.record(&mut collector);
        if let Some(span) = ctx.span(id) {
            span.extensions_mut().insert(collector.fields);
        }
    }

    fn on_record(&self, id: &Id, values: &SpanRecord<'_>, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        let mut extensions = span.extensions_mut();
        let fields = extensions.remove::<Fields>().unwrap_or_default();
        let mut collector = Collector { message: String::new(), fields, redactor: &self.redactor };
        values.record(&mut collector);
        extensions.insert(collector.fields);
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let mut outer = Fields::default();
        for span in ctx.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<Fields>() {
                fields.0.iter().for_each(|(name, value)| outer.put(name, value.clone()));
            }
        }
        let record = Record::collect(event, outer, self.clock.now(), &self.redactor);
        metering::logs::record(record.target, argus_level(record.level));
        let line = self.format.line(&record);
        self.recent.keep(record.owner(), &line);
        self.sink.line(line);
    }
}

/// Level names as Argus' boards know them.
fn argus_level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

/// The line that says that lines were dropped.
pub(crate) fn dropped_notice(format: Format, clock: Arc<dyn Clock>) -> impl Fn(u64) -> String + Send + 'static {
    move |dropped| {
        format.line(&Record {
            at: clock.now(),
            level: Level::WARN,
            target: "telemetry",
            message: "log lines were dropped: standard error was too slow".to_owned(),
            fields: Fields(vec![("dropped", Value::from(dropped))]),
        })
    }
}
