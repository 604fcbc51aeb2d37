//! The keys that failure reports need, read before everything else, so that a wrong configuration can be reported.

use super::{DEFAULTS, environment, file, key::Key, sources::Sources, values::Values};
use protocol::Secret;
use std::path::Path;

/// What failure reports need.
#[derive(Debug, Clone)]
pub struct SentryKeys {
    /// Where to; empty: nowhere.
    pub dsn: Secret,
    /// Environment name.
    pub environment: String,
    /// Share of traces kept.
    pub traces: f64,
}

/// Reads them as well as it can; whatever is wrong is left to [`super::load`].
pub fn sentry_keys(sources: &Sources) -> SentryKeys {
    let mut values = Values::default();
    let shown = Path::new("");
    let mut layers = vec![file::read(shown, DEFAULTS, &mut Vec::new())];
    if let Ok(Some((shown, text))) = sources.file() {
        layers.push(file::read(&shown, &text, &mut Vec::new()));
    }
    let known = super::known::Known::shipped();
    layers.push(environment::aliases(&sources.env, &mut Vec::new(), &mut Vec::new()));
    layers.push(environment::settings(&sources.env, &known, &mut Vec::new(), &mut Vec::new()));
    for (key, setting) in layers.into_iter().flatten() {
        values.set(key, setting);
    }
    let traces = values.get(&Key::dotted("telemetry.sentry_traces")).map(|setting| &setting.value);
    let traces = traces.and_then(|value| value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64)));
    SentryKeys {
        dsn: Secret::new(values.text("telemetry.sentry_dsn")),
        environment: values.text("telemetry.sentry_environment").to_owned(),
        traces: traces.unwrap_or_default(),
    }
}
