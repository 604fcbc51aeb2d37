//! The thread that judges, and what it has found.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use serde_json::Value;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::description::{Compiled, Description};
use super::exceptions::excuse;
use super::faults::{Misfit, misfits};
use super::{Judgement, Violation, multipart, payloads};
use crate::config::SandboxConfig;
use crate::events::Side;

/// Exchanges and payloads that wait to be judged; beyond them the server waits.
const WAITING_MAX: usize = 4_096;
/// Different violations kept.
const VIOLATIONS_MAX: usize = 1_000;

/// One request and its answer.
pub(crate) struct Sample {
    pub method: &'static str,
    pub template: &'static str,
    pub params: Vec<(String, String)>,
    pub query: Vec<(String, String)>,
    pub content_type: String,
    pub body: Vec<u8>,
    pub status: u16,
    /// `None` where a fault on order spoiled the answer.
    pub answer: Option<Option<String>>,
}

/// What is judged.
enum Matter {
    Exchange(Sample),
    /// What went over the gateway, before compression.
    Payload(Utf8Bytes),
}

/// Takes exchanges and payloads and judges them one after another.
pub(crate) struct Judge {
    inbox: Option<SyncSender<Matter>>,
    /// Whether there is a description to judge exchanges by.
    pub(super) described: bool,
    payloads: bool,
    taken: AtomicU64,
    findings: Arc<Findings>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Findings {
    found: Mutex<Found>,
    more: Condvar,
}

#[derive(Default)]
struct Found {
    judgement: Judgement,
    places: HashMap<(String, Side, String, String), usize>,
    judged: u64,
}

impl Judge {
    /// The judge that the configuration asks for; `None` when there is nothing to judge, or, said aloud, nothing to judge
    /// it by.
    pub(crate) fn of(config: &SandboxConfig) -> std::io::Result<Option<Judge>> {
        let path = config.description.clone().filter(|path| {
            if !path.is_file() {
                tracing::warn!(path = %path.display(), "no request is judged: Discord's OpenAPI description is not there");
            }
            path.is_file()
        });
        let (described, payloads) = (path.is_some(), config.judge_payloads);
        if !described && !payloads {
            return Ok(None);
        }
        let (inbox, matters) = sync_channel(WAITING_MAX);
        let findings = Arc::new(Findings::default());
        let kept = Arc::clone(&findings);
        let judging = move || judge_all(path.as_deref(), &matters, &kept);
        let thread = Some(std::thread::Builder::new().name("sandbox-judge".to_owned()).spawn(judging)?);
        Ok(Some(Judge { inbox: Some(inbox), described, payloads, taken: AtomicU64::new(0), findings, thread }))
    }

    /// Takes a request with its answer, where there is a description.
    pub(crate) fn take(&self, sample: Sample) {
        if self.described {
            self.judge(Matter::Exchange(sample));
        }
    }

    /// Takes what went over the gateway, where that is judged.
    pub(crate) fn take_payload(&self, text: &Utf8Bytes) {
        if self.payloads {
            self.judge(Matter::Payload(text.clone()));
        }
    }

    fn judge(&self, matter: Matter) {
        let Some(inbox) = &self.inbox else { return };
        self.taken.fetch_add(1, Ordering::SeqCst);
        if inbox.send(matter).is_err() {
            tracing::error!("the judge is gone; something is not judged");
        }
    }

    /// What was found, once everything taken so far is judged. A judge that died has found that.
    pub(super) fn judgement(&self) -> Judgement {
        let mut found = self.findings.found.lock().unwrap_or_else(PoisonError::into_inner);
        while found.judged < self.taken.load(Ordering::SeqCst) {
            assert!(!self.thread.as_ref().is_some_and(JoinHandle::is_finished), "the sandbox's judge died");
            let pause = std::time::Duration::from_millis(100);
            found = self.findings.more.wait_timeout(found, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
        found.judgement.clone()
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        self.inbox = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the sandbox's judge panicked");
        }
    }
}

fn judge_all(path: Option<&Path>, matters: &Receiver<Matter>, findings: &Findings) {
    let description = path.and_then(Description::at);
    while let Ok(matter) = matters.recv() {
        let verdict = Verdict::on(&matter, description.as_deref());
        let mut found = findings.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.note_all(&matter, verdict);
        found.judged += 1;
        findings.more.notify_all();
    }
}

/// What is wrong with one matter, reached without the lock.
enum Verdict {
    Exchange(Vec<(Side, Misfit)>),
    Payload(Option<(String, Misfit)>),
}

impl Verdict {
    fn on(matter: &Matter, description: Option<&Description>) -> Verdict {
        match (matter, description) {
            (Matter::Payload(text), _) => Verdict::Payload(payloads::judge(text)),
            (Matter::Exchange(sample), Some(description)) => Verdict::Exchange(judge(description, sample)),
            (Matter::Exchange(_), None) => {
                Verdict::Exchange(vec![(Side::Sandbox, at("description", "file", "is no OpenAPI description"))])
            }
        }
    }
}

impl Found {
    fn note_all(&mut self, matter: &Matter, verdict: Verdict) {
        match (matter, verdict) {
            (Matter::Exchange(sample), Verdict::Exchange(misfits)) => {
                for (by, misfit) in misfits {
                    self.note(format!("{} {}", sample.method, sample.template), sample.status, by, misfit);
                }
                self.judgement.requests += 1;
                if sample.answer.is_some() && sample.status < 300 {
                    *self.judgement.answers.entry((sample.method, sample.template)).or_default() += 1;
                }
            }
            (_, verdict) => {
                self.judgement.payloads += 1;
                if let Verdict::Payload(Some((what, misfit))) = verdict {
                    self.note(what, 0, Side::Sandbox, misfit);
                }
            }
        }
    }

    fn note(&mut self, operation: String, status: u16, by: Side, misfit: Misfit) {
        if let Some(exception) = excuse(&operation, by, &misfit) {
            self.judgement.excused.insert(exception);
            return;
        }
        let Misfit { place, keyword, problem } = misfit;
        let key = (operation.clone(), by, without_indices(&place), keyword.clone());
        if let Some(at) = self.places.get(&key) {
            self.judgement.violations[*at].times += 1;
            return;
        }
        if self.judgement.violations.len() < VIOLATIONS_MAX {
            self.places.insert(key, self.judgement.violations.len());
            self.judgement.violations.push(Violation { operation, by, status, place, keyword, problem, times: 1 });
        }
    }
}

/// Everything wrong with one exchange.
fn judge(description: &Description, sample: &Sample) -> Vec<(Side, Misfit)> {
    let mut wrong: Vec<(Side, Misfit)> = Vec::new();
    wrong.extend(parameters(description, sample).into_iter().map(|misfit| (Side::Peer, misfit)));
    wrong.extend(request(description, sample).into_iter().map(|misfit| (Side::Peer, misfit)));
    wrong.extend(answer(description, sample).into_iter().map(|misfit| (Side::Sandbox, misfit)));
    wrong
}

fn parameters(description: &Description, sample: &Sample) -> Vec<Misfit> {
    let described = description.parameters(sample.method, sample.template);
    let mut wrong = Vec::new();
    for (given, place) in [(&sample.query, "query"), (&sample.params, "path")] {
        for (name, text) in given {
            let here = format!("{place}/{name}");
            let Some(parameter) = described.iter().find(|one| one["name"] == name.as_str() && one["in"] == place)
            else {
                wrong.push(at(&here, "unknown", "is not described"));
                continue;
            };
            let schema = format!("{} {} {here}", sample.method, sample.template);
            match description.compiled(&schema, &parameter["schema"]) {
                Err(misfit) => wrong.push(misfit),
                Ok(validator) if readings(text).iter().any(|value| validator.is_valid(value)) => {}
                Ok(_) => wrong.push(at(&here, "schema", "does not fit the parameter")),
            }
        }
    }
    let missing = |one: &&&Value| one["required"] == true && one["in"] == "query";
    for parameter in described.iter().filter(missing) {
        let name = parameter["name"].as_str().unwrap_or_default();
        if !sample.query.iter().any(|(given, _)| given == name) {
            wrong.push(at(&format!("query/{name}"), "required", "is missing"));
        }
    }
    wrong
}

/// What the text of a parameter may mean: a URL has no types.
fn readings(text: &str) -> Vec<Value> {
    let mut readings = vec![Value::String(text.to_owned())];
    readings.extend(text.parse::<i64>().ok().map(Value::from));
    // Discord takes several spellings of yes and no.
    readings.extend(match text {
        "true" | "True" | "1" => Some(Value::Bool(true)),
        "false" | "False" | "0" => Some(Value::Bool(false)),
        _ => None,
    });
    readings.push(Value::Array(text.split(',').map(|one| Value::String(one.to_owned())).collect()));
    readings
}

fn request(description: &Description, sample: &Sample) -> Vec<Misfit> {
    let Some(operation) = description.operation(sample.method, sample.template) else {
        return vec![at("path", "unknown", "the operation is not described")];
    };
    let body = multipart::payload(&sample.content_type, &sample.body);
    let Some(described) = operation.get("requestBody") else {
        let empty = body.is_none_or(|body| body.is_null() || body.as_object().is_some_and(serde_json::Map::is_empty));
        return if empty { Vec::new() } else { vec![at("body", "unknown", "a body is not described")] };
    };
    let body = match body {
        None => return vec![at("body", "json", "is not JSON")],
        Some(Value::Null) if sample.body.is_empty() && described["required"] == true => {
            return vec![at("body", "required", "is missing")];
        }
        Some(Value::Null) if sample.body.is_empty() => return Vec::new(),
        Some(body) => body,
    };
    let kinds = &described["content"];
    let content = ["application/json", "multipart/form-data"].into_iter().find_map(|kind| kinds.get(kind));
    let Some(content) = content else { return Vec::new() };
    let name = format!("{} {} request", sample.method, sample.template);
    let mut wrong = judged_by(description.compiled(&name, &content["schema"]), &body);
    // Discord ignores a field it does not know, so that a misspelt one is never noticed; here it is.
    let fields = description.fields(&content["schema"]);
    let strangers = body.as_object().into_iter().flat_map(serde_json::Map::keys).filter(|key| !fields.contains(*key));
    wrong.extend(strangers.map(|key| at(&format!("/{key}"), "unknown", "is not described")));
    wrong
}

fn answer(description: &Description, sample: &Sample) -> Vec<Misfit> {
    let Some(body) = &sample.answer else { return Vec::new() };
    if sample.status >= 500 {
        return Vec::new(); // 501 is the sandbox speaking of itself.
    }
    let Some(described) = description.response(sample.method, sample.template, sample.status) else {
        return vec![at("status", "responses", "is not described")];
    };
    let content = described.pointer("/content/application~1json");
    let (content, body) = match (content, body) {
        (None, None) => return Vec::new(),
        (None, Some(_)) => return vec![at("body", "unknown", "a body is not described")],
        (Some(_), None) => return vec![at("body", "required", "is missing")],
        (Some(content), Some(body)) => (content, body),
    };
    let Ok(body) = serde_json::from_str::<Value>(body) else { return vec![at("body", "json", "is not JSON")] };
    let name = match sample.status {
        429 => "429".to_owned(),
        400.. => "4XX".to_owned(),
        status => format!("{} {} {status}", sample.method, sample.template),
    };
    judged_by(description.compiled(&name, &content["schema"]), &body)
}

fn judged_by(schema: Compiled, body: &Value) -> Vec<Misfit> {
    schema.map_or_else(|misfit| vec![misfit], |validator| misfits(&validator, body))
}

fn at(place: &str, keyword: &str, problem: &str) -> Misfit {
    Misfit { place: place.to_owned(), keyword: keyword.to_owned(), problem: problem.to_owned() }
}

/// The same fault in every element of a list is one fault.
fn without_indices(place: &str) -> String {
    let step = |step: &str| if step.bytes().all(|b| b.is_ascii_digit()) { "#".to_owned() } else { step.to_owned() };
    place.split('/').map(|one| if one.is_empty() { String::new() } else { step(one) }).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TEMPLATE: &str = "/a/{id}";

    fn description() -> Description {
        let content = |schema: Value| json!({ "application/json": { "schema": schema } });
        let path = json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string", "pattern": "^[0-9]+$" } });
        let limit =
            json!({ "name": "limit", "in": "query", "required": true, "schema": { "type": "integer", "maximum": 9 } });
        let body = json!({ "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"] });
        let answer = json!({ "type": "object", "properties": { "id": { "type": "string" } }, "required": ["id"] });
        Description::new(json!({
            "paths": { TEMPLATE: { "parameters": [path], "post": {
                "parameters": [limit],
                "requestBody": { "required": true, "content": content(body) },
                "responses": { "200": { "content": content(answer) }, "204": {} },
            } } },
            "components": { "schemas": {} },
        }))
        .unwrap()
    }

    fn sound() -> Sample {
        let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        Sample {
            method: "POST",
            template: TEMPLATE,
            params: pair("id", "1"),
            query: pair("limit", "5"),
            content_type: "application/json".to_owned(),
            body: br#"{"name":"x"}"#.to_vec(),
            status: 200,
            answer: Some(Some(r#"{"id":"1"}"#.to_owned())),
        }
    }

    /// Where and by which keyword a sample with one change is wrong.
    fn wrong(change: impl FnOnce(&mut Sample)) -> Vec<(Side, String)> {
        let mut sample = sound();
        change(&mut sample);
        let found = judge(&description(), &sample);
        found.into_iter().map(|(by, misfit)| (by, format!("{} {}", misfit.place, misfit.keyword))).collect()
    }

    #[test]
    fn a_sound_exchange_is_let_pass() {
        assert_eq!(wrong(|_| {}), []);
        assert_eq!(wrong(|sample| (sample.status, sample.answer) = (204, Some(None))), []);
        assert_eq!(wrong(|sample| (sample.status, sample.answer) = (501, Some(Some("{}".to_owned())))), []);
        assert_eq!(wrong(|sample| sample.answer = None), [], "a fault spoiled it on order");
    }

    #[test]
    fn what_is_wrong_with_a_request_is_named() {
        let one = |place: &str| vec![(Side::Peer, place.to_owned())];
        assert_eq!(wrong(|sample| sample.params[0].1 = "x".to_owned()), one("path/id schema"));
        assert_eq!(wrong(|sample| sample.query[0].1 = "10".to_owned()), one("query/limit schema"));
        assert_eq!(wrong(|sample| sample.query.clear()), one("query/limit required"));
        assert_eq!(wrong(|sample| sample.query.push(("x".to_owned(), String::new()))), one("query/x unknown"));
        assert_eq!(wrong(|sample| sample.body = b"{".to_vec()), one("body json"));
        assert_eq!(wrong(|sample| sample.body.clear()), one("body required"));
        assert_eq!(wrong(|sample| sample.body = br#"{"name":1}"#.to_vec()), one("/name type"));
        assert_eq!(wrong(|sample| sample.body = br#"{"name":"x","nmae":1}"#.to_vec()), one("/nmae unknown"));
    }

    #[test]
    fn what_is_wrong_with_an_answer_is_named() {
        let one = |place: &str| vec![(Side::Sandbox, place.to_owned())];
        let answered = |text: &str| Some(Some(text.to_owned()));
        assert_eq!(wrong(|sample| sample.answer = answered(r#"{"id":1}"#)), one("/id type"));
        assert_eq!(wrong(|sample| sample.answer = answered("{}")), one("/id required"));
        assert_eq!(wrong(|sample| sample.answer = answered("{")), one("body json"));
        assert_eq!(wrong(|sample| sample.answer = Some(None)), one("body required"));
        assert_eq!(wrong(|sample| sample.status = 202), one("status responses"));
        assert_eq!(wrong(|sample| sample.status = 204), one("body unknown"));
    }

    #[test]
    fn what_no_schema_can_judge_does_not_pass() {
        let broken = json!({ "type": "no type at all" });
        let content = json!({ "application/json": { "schema": broken } });
        let parameter = json!({ "name": "id", "in": "path", "required": true, "schema": broken });
        let description = Description::new(json!({
            "paths": { TEMPLATE: { "parameters": [parameter], "post": {
                "requestBody": { "required": true, "content": content },
                "responses": { "200": { "content": content } },
            } } },
            "components": { "schemas": {} },
        }))
        .unwrap();
        let sample = Sample { query: Vec::new(), ..sound() };
        let found: Vec<_> = judge(&description, &sample)
            .into_iter()
            .filter(|(_, misfit)| misfit.place == "description")
            .map(|(by, misfit)| (by, misfit.keyword))
            .collect();
        assert_eq!(found, [Side::Peer, Side::Peer, Side::Sandbox].map(|by| (by, "schema".to_owned())));
    }

    #[test]
    fn the_json_of_a_form_is_what_is_judged() {
        let form = |json: &str| {
            format!("--X\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\r\n{json}\r\n--X--\r\n")
                .into_bytes()
        };
        let kind = "multipart/form-data; boundary=X";
        assert_eq!(wrong(|sample| (sample.content_type, sample.body) = (kind.to_owned(), form(r#"{"name":"x"}"#))), []);
        let found = wrong(|sample| (sample.content_type, sample.body) = (kind.to_owned(), form(r#"{"name":2}"#)));
        assert_eq!(found, [(Side::Peer, "/name type".to_owned())]);
    }
}
