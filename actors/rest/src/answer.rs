//! What Discord answered: bounded, classified, and read without trusting it.

use crate::{
    buckets::Told,
    conduct::{Scope, Seen},
    error::RestError,
};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

const BUCKET: &str = "x-ratelimit-bucket";
const LIMIT: &str = "x-ratelimit-limit";
const REMAINING: &str = "x-ratelimit-remaining";
const RESET_AFTER: &str = "x-ratelimit-reset-after";
const SCOPE: &str = "x-ratelimit-scope";
/// The longest wait that is believed.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);
/// Longest error text that is passed on, in characters.
const TEXT_MAX: usize = 300;
/// How deep the tree of field errors is followed.
const FIELD_DEPTH_MAX: usize = 8;

/// An answer, read as far as it came.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Empty when it is lost.
    pub(crate) body: Vec<u8>,
    /// Whether there was more to say: the body broke off, stalled, was too long or no gzip.
    pub(crate) body_lost: bool,
}

impl Answer {
    /// The body as `T`; an empty body reads as `null`.
    pub(crate) fn parse<T: DeserializeOwned>(&self, pattern: &str) -> Result<T, RestError> {
        let body: &[u8] = if self.body.is_empty() { b"null" } else { &self.body };
        // serde's own sentence may quote the body: only its kind and place are passed on.
        serde_json::from_slice(body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            RestError::Malformed(format!("{:?} error at {line}:{column} in the answer to {pattern}", error.classify()))
        })
    }

    /// Whether what was asked for is done.
    pub(crate) fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// What it means for our conduct.
    pub(crate) fn seen(&self) -> Seen {
        match self.status {
            401 => Seen::Unauthorized,
            403 => {
                let (code, message) = self.error();
                Seen::Forbidden { code, message }
            }
            404 => {
                let (code, message) = self.error();
                Seen::NotFound { code, message }
            }
            429 => self.limited(),
            400 if self.error().0 != 0 => Seen::Faulty,
            200..=299 => Seen::Success,
            _ => Seen::Valid,
        }
    }

    fn limited(&self) -> Seen {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        // Of a lost body nobody knows whether it was the API's JSON: then only the edge's page is the edge's. Taken for a ban,
        // one broken answer to a full bucket would silence the whole bot for a minute and more.
        let is_page = self.text(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("text/"));
        let may_be_api = self.body_lost && !is_page;
        let from_api = may_be_api || body["retry_after"].is_number() || self.text(BUCKET).is_some();
        let retry_after = self.seconds(RETRY_AFTER.as_str()).max(seconds(body["retry_after"].as_f64()));
        let scope = self.text(SCOPE).unwrap_or_default();
        let global = scope == "global" || body["global"] == true || self.text("x-ratelimit-global") == Some("true");
        let scope = match (from_api, global, scope) {
            (false, false, "") => Scope::Edge,
            (_, true, _) => Scope::Global,
            (_, _, "shared") => Scope::Shared,
            _ => Scope::User,
        };
        Seen::Limited { scope, retry_after }
    }

    /// The failure it stands for; none for a success.
    pub(crate) fn failure(&self) -> Option<RestError> {
        if self.is_success() {
            return None;
        }
        let (code, message) = self.error();
        Some(match self.status {
            300..=399 => {
                RestError::Rejected { status: self.status, code: 0, message: "redirects are not followed".into() }
            }
            401 => RestError::Unauthorized,
            403 => RestError::Forbidden { code, message },
            404 => RestError::NotFound { code, message },
            status @ 500.. => RestError::Unreachable(format!("it answered {status}")),
            status => RestError::Rejected { status, code, message },
        })
    }

    /// Discord's code and sentence, with the fields at fault where it names them.
    fn error(&self) -> (u32, String) {
        let Ok(Value::Object(body)) = serde_json::from_slice::<Value>(&self.body) else {
            return (0, format!("status {} without an explanation", self.status));
        };
        let code = body.get("code").and_then(Value::as_u64).and_then(|code| u32::try_from(code).ok()).unwrap_or(0);
        let mut text = body.get("message").and_then(Value::as_str).unwrap_or("no explanation").to_owned();
        if let Some(errors) = body.get("errors") {
            fields(errors, &mut String::new(), 0, &mut text);
        }
        (code, text.chars().take(TEXT_MAX).collect())
    }

    /// What it tells of its bucket. Relative times only: clocks differ.
    pub(crate) fn bucket(&self, now: Instant) -> Told {
        let id = self.text(BUCKET).map(str::to_owned);
        let reset_after = self.seconds(RESET_AFTER);
        if self.status == 429 {
            return match self.limited() {
                // The bucket is not what is exhausted then.
                Seen::Limited { scope: Scope::Global | Scope::Edge, .. } => Told::Nothing,
                Seen::Limited { retry_after, .. } => match retry_after.max(reset_after) {
                    Some(wait) => Told::Exhausted { id, until: now + wait },
                    None => Told::Nothing,
                },
                _ => Told::Nothing,
            };
        }
        let number = |name| self.text(name).and_then(|text| text.parse::<u32>().ok());
        match (id, number(LIMIT), number(REMAINING), reset_after) {
            (Some(id), Some(limit), Some(remaining), Some(wait)) => {
                Told::State { id, limit, remaining, reset_at: now + wait }
            }
            _ => Told::Nothing,
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
    }

    fn seconds(&self, name: &str) -> Option<Duration> {
        seconds(self.text(name).and_then(|text| text.parse().ok()))
    }
}

fn seconds(number: Option<f64>) -> Option<Duration> {
    let number = number.filter(|number| number.is_finite() && *number >= 0.0)?;
    Some(Duration::try_from_secs_f64(number).unwrap_or(RETRY_AFTER_MAX).min(RETRY_AFTER_MAX))
}

/// Appends `; embeds.0.title: BASE_TYPE_REQUIRED` for each field at fault.
fn fields(errors: &Value, path: &mut String, depth: usize, text: &mut String) {
    let Value::Object(errors) = errors else { return };
    if depth > FIELD_DEPTH_MAX || text.len() > TEXT_MAX {
        return;
    }
    if let Some(Value::Array(found)) = errors.get("_errors") {
        for code in found.iter().filter_map(|error| error["code"].as_str()) {
            text.push_str(&format!("; {}: {code}", path.trim_start_matches('.')));
        }
    }
    for (name, below) in errors.iter().filter(|(name, _)| *name != "_errors") {
        let length = path.len();
        path.push('.');
        path.push_str(name);
        fields(below, path, depth + 1, text);
        path.truncate(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Answer { status, headers, body: body.as_bytes().to_vec(), body_lost: false }
    }

    fn cut_off(headers: &[(&'static str, &str)]) -> Answer {
        Answer { body_lost: true, ..answer(429, headers, "") }
    }

    fn limited(scope: Scope, millis: Option<u64>) -> Seen {
        Seen::Limited { scope, retry_after: millis.map(Duration::from_millis) }
    }

    #[test]
    fn every_kind_of_429_is_told_apart() {
        let bucket = ("x-ratelimit-bucket", "abc");
        for (headers, body, expected) in [
            (&[bucket, ("retry-after", "2")][..], "{}", limited(Scope::User, Some(2_000))),
            (
                &[bucket, ("x-ratelimit-scope", "shared")],
                r#"{"retry_after":1337.5}"#,
                limited(Scope::Shared, Some(1_337_500)),
            ),
            (&[], r#"{"retry_after":0.25,"global":true}"#, limited(Scope::Global, Some(250))),
            (&[("x-ratelimit-scope", "global"), ("retry-after", "3")], "", limited(Scope::Global, Some(3_000))),
            (&[("content-type", "text/html")], "<html>error code: 1015</html>", limited(Scope::Edge, None)),
            (&[("retry-after", "120")], "<html>", limited(Scope::Edge, Some(120_000))),
            (&[bucket, ("retry-after", "-1")], r#"{"retry_after":"x"}"#, limited(Scope::User, None)),
            (&[bucket, ("retry-after", "1e300")], "{}", limited(Scope::User, Some(86_400_000))),
            (&[bucket, ("retry-after", "NaN")], "[]", limited(Scope::User, None)),
        ] {
            assert_eq!(answer(429, headers, body).seen(), expected, "{headers:?} {body}");
        }
    }

    #[test]
    fn a_429_whose_body_is_lost_is_told_apart_by_its_head() {
        let json = ("content-type", "application/json");
        for (headers, expected) in [
            (&[("retry-after", "7")][..], limited(Scope::User, Some(7_000))),
            (&[json, ("retry-after", "7")], limited(Scope::User, Some(7_000))),
            (&[("x-ratelimit-global", "true"), ("retry-after", "3")], limited(Scope::Global, Some(3_000))),
            (&[json, ("x-ratelimit-scope", "shared")], limited(Scope::Shared, None)),
            (&[], limited(Scope::User, None)),
            (
                &[("content-type", "text/html; charset=UTF-8"), ("retry-after", "120")],
                limited(Scope::Edge, Some(120_000)),
            ),
        ] {
            assert_eq!(cut_off(headers).seen(), expected, "{headers:?}");
        }
        let now = Instant::now();
        let told = cut_off(&[("x-ratelimit-bucket", "b"), ("retry-after", "7")]).bucket(now);
        assert_eq!(told, Told::Exhausted { id: Some("b".to_owned()), until: now + Duration::from_secs(7) });
    }

    #[test]
    fn a_429_exhausts_its_bucket_whatever_remaining_says() {
        let now = Instant::now();
        let headers = [("x-ratelimit-bucket", "b"), ("x-ratelimit-limit", "5"), ("x-ratelimit-remaining", "4")];
        let told = answer(429, &headers, r#"{"retry_after":2}"#).bucket(now);
        assert_eq!(told, Told::Exhausted { id: Some("b".to_owned()), until: now + Duration::from_secs(2) });
        let told = answer(429, &headers, r#"{"retry_after":2,"global":true}"#).bucket(now);
        assert_eq!(told, Told::Nothing, "the bucket is not what a global limit exhausts");
    }

    #[test]
    fn field_errors_are_named_and_bounded() {
        let body = json!({"code": 50035, "message": "Invalid Form Body",
            "errors": {"embeds": {"0": {"title": {"_errors": [{"code": "BASE_TYPE_REQUIRED", "message": "…"}]}}}}});
        let failure = answer(400, &[], &body.to_string()).failure().unwrap();
        assert_eq!(
            failure.to_string(),
            "the request was refused: Invalid Form Body; embeds.0.title: BASE_TYPE_REQUIRED (status 400, code 50035)"
        );
        let long = json!({"message": "x".repeat(100_000)}).to_string();
        assert!(answer(400, &[], &long).failure().unwrap().to_string().len() < 500);
    }

    #[test]
    fn a_malformed_body_is_not_quoted() {
        let error = answer(200, &[], r#"{"id": "hunter2"}"#).parse::<Vec<u8>>("channels/{id}").unwrap_err();
        assert!(matches!(&error, RestError::Malformed(text) if !text.contains("hunter2")), "{error}");
        assert_eq!(answer(204, &[], "").parse::<()>("x"), Ok(()));
    }
}
