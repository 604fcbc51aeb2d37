//! Takes secrets out of text before it leaves the process: by shape, and by value for those it was told.

use arc_swap::ArcSwap;
use protocol::Secret;
use regex::Regex;
use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

/// What stands where a secret stood.
pub const REDACTED: &str = "***";
/// Values shorter than this are not hidden by value: they would blot out ordinary words.
const HIDDEN_MIN: usize = 6;
/// Values that can be hidden; the earliest is forgotten.
const HIDDEN_MAX: usize = 64;

/// A shape of secret: text without `needs` cannot hold it, so the expression is not run.
struct Shape {
    needs: &'static [&'static str],
    find: Regex,
    replace: &'static str,
}

/// The shapes, in the order in which they are applied.
static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| {
    // The password of a URL; for database schemes up to the last @, since an unescaped password may hold / and @.
    const DATABASE_URL: &str =
        r#"((?i-u:postgres|postgresql|mysql|redis|rediss|amqp|mongodb)(?:\+[a-z]+)?://[^\s:/@"'\\]*):[^\s"'<>\\]*@"#;
    const URL_PASSWORD: &str = r#"(://[^\s:/@"'\\]*):[^\s/@"'\\]+@"#;
    // A DSN's key stands where the user name stands.
    const URL_KEY: &str = r"://[0-9a-f]{32}@";
    // /webhooks/ID/TOKEN, also the follow-ups of an interaction; /interactions/ID/TOKEN/callback.
    const WEBHOOK: &str = r#"((?:webhooks|interactions)/[0-9]+/)[^\s/?"'\\<>)]+"#;
    // What Discord puts into interaction tokens: base64 of `interaction:` and an id.
    const INTERACTION: &str = r"aW50ZXJhY3Rpb246[A-Za-z0-9+/=_-]+";
    // base64(user id) . base64(time) . base64(hmac); with room for tokens that are longer than today's.
    const BOT_TOKEN: &str = r"[A-Za-z0-9_-]{17,100}\.[A-Za-z0-9_-]{5,10}\.[A-Za-z0-9_-]{25,120}";
    const MFA_TOKEN: &str = r"\bmfa\.[A-Za-z0-9_-]{20,}";
    const AUTHORIZATION: &str =
        r#"((?i-u:authorization)\\?"?'?\s*[:=,]\s*\\?"?'?(?:(?i-u:bot|bearer|basic)\s+)?)[^\s"'\\,;}\])]+"#;
    const SCHEME: &str = r"\b((?i-u:bot|bearer|basic)\s+)[A-Za-z0-9._~+/=-]{20,}";
    const KEYS: &str = "(?i-u:passwd|password|pwd|secret|token|api[_-]?key|signature|access[_-]?key)";
    let quoted = format!(r#"({KEYS}\\?["']?\s*[:=]\s*\\?["'])[^"'\\]+"#);
    let plain = format!(r#"({KEYS}=)[^\s"'\\,;&}})\]]+"#);
    let shape = |needs, find: &str, replace| Regex::new(find).ok().map(|find| Shape { needs, find, replace });
    [
        shape(&["://"], DATABASE_URL, "$1:***@"),
        shape(&["://"], URL_PASSWORD, "$1:***@"),
        shape(&["://"], URL_KEY, "://***@"),
        shape(&["webhooks/", "interactions/"], WEBHOOK, "${1}***"),
        shape(&["aW50ZXJhY3Rpb246"], INTERACTION, REDACTED),
        shape(&["."], BOT_TOKEN, REDACTED),
        shape(&["mfa."], MFA_TOKEN, REDACTED),
        shape(&["uthorization", "UTHORIZATION"], AUTHORIZATION, "${1}***"),
        shape(&[" "], SCHEME, "${1}***"),
        shape(&["\"", "'"], &quoted, "${1}***"),
        shape(&["="], &plain, "${1}***"),
    ]
    .into_iter()
    .flatten()
    .collect()
});

/// Takes secrets out of text. Cheap to clone; clones share the values they were told to hide.
#[derive(Clone, Default)]
pub struct Redactor {
    hidden: Arc<ArcSwap<Vec<String>>>,
}

impl Redactor {
    /// Knows the shapes only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Hides this very value from now on, whatever its shape: plain, percent-encoded, and escaped as in JSON.
    pub fn hide(&self, secret: &Secret) {
        let value = secret.expose();
        if value.len() < HIDDEN_MIN {
            return;
        }
        let escaped = value.escape_debug().to_string();
        let mut forms = [value.to_owned(), percent_encoded(value), escaped];
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        self.hidden.rcu(|known| {
            let mut all = Vec::clone(known);
            all.extend(forms.iter().filter(|form| !known.contains(form)).cloned());
            all.dedup();
            let surplus = all.len().saturating_sub(HIDDEN_MAX);
            all.drain(..surplus);
            all
        });
    }

    /// `text` without secrets; borrowed when there was none.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut clean = Cow::Borrowed(text);
        for value in self.hidden.load().iter() {
            if clean.contains(value.as_str()) {
                clean = Cow::Owned(clean.replace(value.as_str(), REDACTED));
            }
        }
        for shape in SHAPES.iter() {
            if shape.needs.iter().any(|needed| clean.contains(needed))
                && let Cow::Owned(cleaner) = shape.find.replace_all(&clean, shape.replace)
            {
                clean = Cow::Owned(cleaner);
            }
        }
        if matches!(clean, Cow::Owned(_)) {
            metering::logs::redacted(1);
        }
        clean
    }

    /// Redacts every string in `value`, keys included, and the values of keys that name a secret.
    pub fn redact_json(&self, value: &mut serde_json::Value) {
        use serde_json::Value;
        match value {
            Value::String(text) => {
                if let Cow::Owned(clean) = self.redact(text) {
                    *text = clean;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.redact_json(item)),
            Value::Object(fields) => {
                for (name, field) in fields.iter_mut() {
                    if names_a_secret(name) && !field.is_null() {
                        *field = Value::from(REDACTED);
                    } else {
                        self.redact_json(field);
                    }
                }
                let dirty: Vec<_> =
                    fields.keys().filter(|name| matches!(self.redact(name), Cow::Owned(_))).cloned().collect();
                for name in dirty {
                    if let Some(field) = fields.remove(&name) {
                        fields.insert(self.redact(&name).into_owned(), field);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} hidden values)", self.hidden.load().len())
    }
}

/// Whether a field of this name holds a secret by its name alone.
pub(crate) fn names_a_secret(name: &str) -> bool {
    const NAMES: [&str; 8] =
        ["token", "password", "passwd", "secret", "authorization", "api_key", "apikey", "sentry_dsn"];
    let last = name.rsplit(['.', '-']).next().unwrap_or(name);
    NAMES.iter().any(|secret| last.eq_ignore_ascii_case(secret)) || last.to_ascii_lowercase().ends_with("_token")
}

/// RFC 3986: all but unreserved characters as %XX.
fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
pub(crate) mod corpus {
    //! Planted secrets: text that holds one, and the part that must never come out.

    /// A token of Discord's shape, made up.
    pub(crate) const TOKEN: &str = "MTk4NjIyNDgzNDcxOTI1MjQ4.GmX3Kq.ZnCjm1XVW7vRze4b7Cq4se7kKWs0abcdefghij";
    /// An interaction token's shape, made up.
    pub(crate) const INTERACTION: &str = "aW50ZXJhY3Rpb246MTIzNDU2Nzg5MDEyMzQ1Njc4OTpwbGFudGVk";
    const HOOK: &str = "3d89bb7572e0fb30d8128367b3b1b44f-Zz";

    /// `(text, secret)` for every shape.
    pub(crate) fn planted() -> Vec<(String, String)> {
        let own = |text: String, secret: &str| (text, secret.to_owned());
        vec![
            own(TOKEN.to_string(), TOKEN),
            own(format!("token {TOKEN} refused"), TOKEN),
            own(format!("Authorization: Bot {TOKEN}"), TOKEN),
            own(format!("{{\"token\":\"{TOKEN}\"}}"), TOKEN),
            own(format!("{{\\\"token\\\":\\\"{TOKEN}\\\"}}"), TOKEN),
            own(format!("Identify {{ token: \"{TOKEN}\", shard: (0, 1) }}"), TOKEN),
            own(format!("https://example.org/?token={TOKEN}&x=1"), TOKEN),
            own(format!("<{TOKEN}>,[{TOKEN}]"), TOKEN),
            own(format!("line one\nline two {TOKEN}\n"), TOKEN),
            own("authorization: Bearer abc.def".into(), "abc.def"),
            own("(\"authorization\", \"Basic dXNlcjpwYXNz\")".into(), "dXNlcjpwYXNz"),
            own("Bearer abcdefghijklmnopqrstuvwxyz012345".into(), "abcdefghijklmnopqrstuvwxyz012345"),
            own("mfa.VkO_2G4Qv3T--NO--lWetW_tjND--TOKEN--QFTm6YGtzq9".into(), "VkO_2G4Qv3T"),
            own(format!("POST https://discord.com/api/v10/webhooks/123456789012345678/{HOOK} failed"), HOOK),
            own(format!("/webhooks/1/{HOOK}/messages/@original?wait=true"), HOOK),
            own(format!("/interactions/123456789012345678/{INTERACTION}/callback"), INTERACTION),
            own(format!("interaction token {INTERACTION} expired"), INTERACTION),
            own("postgres://bot:hunter2@db.example/impresario".into(), "hunter2"),
            own("postgresql://bot:p/a@ss@wd@db:5432/x".into(), "p/a@ss@wd"),
            own("error connecting to postgres://bot:hun%40ter2@db/x: refused".into(), "hun%40ter2"),
            own("host=db user=bot password=hunter2 dbname=x".into(), "hunter2"),
            own("redis://:hunter2@cache:6379/0".into(), "hunter2"),
            own(
                "https://0123456789abcdef0123456789abcdef@o1.ingest.example/42".into(),
                "0123456789abcdef0123456789abcdef",
            ),
            own("https://user:hunter2@example.org/path".into(), "hunter2"),
            own("client_secret='s3cr3t-value'".into(), "s3cr3t-value"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_compiles() {
        assert_eq!(SHAPES.len(), 11);
    }

    #[test]
    fn no_planted_secret_comes_out() {
        let redactor = Redactor::new();
        let planted = corpus::planted();
        assert!(planted.len() >= 20);
        for (text, secret) in planted {
            assert!(text.contains(&secret), "the corpus holds what it says: {text}");
            let clean = redactor.redact(&text);
            assert!(!clean.contains(&secret), "{text} -> {clean}");
            assert_eq!(redactor.redact(&clean), clean, "a second pass changes nothing");
        }
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        let redactor = Redactor::new();
        for text in [
            "connected to ws://127.0.0.1:9191/gateway?v=10&encoding=json",
            "token: refused by Discord (401)",
            "the bot started in 12 ms",
            "GET /channels/80351110224678912/messages/1 answered 200",
            "sqlite://impresario.db is 1.2.3",
            "src/gateway/session.rs:120:14",
            "example.discord.com.internal.example.org",
            "kernel 6.1.0-18-cloud-amd64 #1 SMP",
            "00.discord-gateway.example.internal-hostname-with-a-long-name.example",
        ] {
            assert_eq!(redactor.redact(text), text);
        }
    }

    #[test]
    fn a_hidden_value_is_found_in_every_form() {
        let redactor = Redactor::new();
        redactor.hide(&Secret::new("pa\"ss/wörd"));
        redactor.hide(&Secret::new("a"));
        let escaped = serde_json::to_string("pa\"ss/wörd").unwrap();
        for text in ["x pa\"ss/wörd y", "x pa%22ss%2Fw%C3%B6rd y", escaped.as_str()] {
            let clean = redactor.redact(text);
            assert!(clean.contains(REDACTED) && !clean.contains("ss"), "{clean}");
        }
        assert_eq!(redactor.redact("a banana"), "a banana", "a value too short to hide is left");
    }

    #[test]
    fn json_stays_json_and_loses_every_secret() {
        let redactor = Redactor::new();
        for (text, secret) in corpus::planted() {
            let mut value = serde_json::json!({ "a": [text.clone()], "b": { text.clone(): 1 }, "token": text, "n": 1 });
            redactor.redact_json(&mut value);
            let written = value.to_string();
            assert!(!written.contains(&secret), "{written}");
            assert_eq!(value["n"], 1);
        }
    }
}
