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
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};
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
        let Some(span) = ctx.span(id) else { return };
        let fields = self.gather(Fields::default(), |collector| attributes.record(collector));
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &SpanRecord<'_>, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        // Not under the span's lock: a value's `Debug` may itself log.
        let fields = span.extensions_mut().remove::<Fields>().unwrap_or_default();
        let fields = self.gather(fields, |collector| values.record(collector));
        span.extensions_mut().insert(fields);
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let mut outer = Fields::default();
        for span in ctx.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<Fields>() {
                fields.0.iter().for_each(|(name, value)| outer.put(name, value.clone()));
            }
        }
        let metadata = event.metadata();
        let mut message = String::new();
        let fields = self.gather(outer, |collector| {
            event.record(collector);
            message = std::mem::take(&mut collector.message);
        });
        let (at, level, target) = (self.clock.now(), *metadata.level(), metadata.target());
        metering::logs::record(target, argus_level(level));
        let record = Record { at, level, target, message, fields };
        let line = self.format.line(&record);
        self.recent.keep(record.owner(), &line);
        self.sink.line(line);
    }
}

impl LogLayer {
    /// `fields` and what `read` adds. A value whose `Debug` panics costs the values after it and nothing else.
    fn gather(&self, fields: Fields, read: impl FnOnce(&mut Collector<'_>)) -> Fields {
        let mut collector = Collector { message: String::new(), fields, redactor: &self.redactor };
        if catch_unwind(AssertUnwindSafe(|| read(&mut collector))).is_err() {
            metering::instrumentation::swallowed("log");
        }
        collector.fields
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
