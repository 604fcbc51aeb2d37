//! Closes mentions and fixes the nonce in every message-like body, whatever the builder left in it.
//!
//! A body stays the bytes that serde wrote: only the members of the objects concerned are read, and copied as they stand
//! but for those that are ours to say.

use crate::{call::Call, error::RestError, send};
use reqwest::Method;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// Discord's limit, in characters.
pub(crate) const NONCE_MAX: usize = 25;

/// Interaction answers that are no messages: pong, deferred update, autocomplete, modal, premium, activity.
const WORDLESS_ANSWERS: [&str; 6] = ["1", "6", "8", "9", "10", "12"];
const MENTIONS: &str = "allowed_mentions";

/// Puts `allowed_mentions`, and on channel messages a nonce that Discord enforces, into the body.
pub(crate) fn close(call: &mut Call, send: &send::Send) -> Result<(), RestError> {
    let body = call.body.as_deref().unwrap_or_default();
    let closed = match (&call.method, call.pattern.as_str()) {
        (&Method::POST, pattern) => {
            let object = Object::read(body);
            if let Ok(object) = &object {
                object.refuse_attachments()?;
            }
            match pattern {
                "channels/{id}/messages" => {
                    call.nonced = true;
                    Some(object?.post(send)?)
                }
                "webhooks/{id}/{token}" => Some(object?.message(send)?),
                "interactions/{id}/{token}/callback" => Some(object?.answer(send)?),
                "channels/{id}/threads" => Some(object?.thread(send)?),
                _ => None,
            }
        }
        (
            &Method::PATCH,
            "channels/{id}/messages/{id}"
            | "webhooks/{id}/{token}/messages/{id}"
            | "webhooks/{id}/{token}/messages/@original",
        ) => Some(Object::read(body)?.message(send)?),
        _ => None,
    };
    if closed.is_some() {
        call.body = closed;
    }
    Ok(())
}

/// A JSON object, read no further than its members; the same name may stand there twice.
struct Object<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Object<'a> {
    /// Nothing, and `null`, read as an empty one.
    fn read(text: &'a [u8]) -> Result<Self, RestError> {
        if matches!(text, b"" | b"null") {
            return Ok(Self(Vec::new()));
        }
        serde_json::from_slice(text)
            .map_err(|_may_quote_it| RestError::refused_here("what should be a message is no JSON object"))
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| *value)
    }

    /// A message in a channel, which carries a nonce as well.
    fn post(&self, send: &send::Send) -> Result<Vec<u8>, RestError> {
        let nonce = self.nonce(send)?;
        let mut out = self.copy(|name, _, _| Ok(!matches!(name, MENTIONS | "nonce" | "enforce_nonce")))?;
        allow(&mut out, send);
        member(&mut out, "enforce_nonce", b"true");
        member(&mut out, "nonce", quoted(&nonce).as_bytes());
        out.push(b'}');
        Ok(out)
    }

    fn message(&self, send: &send::Send) -> Result<Vec<u8>, RestError> {
        let mut out = self.copy(|name, _, _| Ok(name != MENTIONS))?;
        allow(&mut out, send);
        Ok(closed(out))
    }

    /// The answer to an interaction, which is in most cases a message.
    fn answer(&self, send: &send::Send) -> Result<Vec<u8>, RestError> {
        let wordless = self.0.iter().any(|(name, _)| name == "type")
            && self.all("type").all(|kind| WORDLESS_ANSWERS.contains(&kind));
        if wordless {
            return self.copy(|_, _, _| Ok(true)).map(closed);
        }
        let mut out = self.copy(|name, value, out| {
            if name == "data" {
                member(out, name, &Object::read(value.as_bytes())?.message(send)?);
            }
            Ok(name != "data")
        })?;
        if self.all("data").next().is_none() {
            member(&mut out, "data", &Object(Vec::new()).message(send)?);
        }
        Ok(closed(out))
    }

    /// A thread, which in a forum begins with a message.
    fn thread(&self, send: &send::Send) -> Result<Vec<u8>, RestError> {
        let copied = self.copy(|name, value, out| {
            if name == "message" {
                member(out, name, &Object::read(value.as_bytes())?.message(send)?);
            }
            Ok(name != "message")
        });
        copied.map(closed)
    }

    /// The object anew, without its closing brace: the members that `keep` says yes to. It may write others in their place.
    fn copy(
        &self,
        mut keep: impl FnMut(&str, &str, &mut Vec<u8>) -> Result<bool, RestError>,
    ) -> Result<Vec<u8>, RestError> {
        let length: usize = self.0.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        let mut out = Vec::with_capacity(length + 128);
        out.push(b'{');
        for (name, value) in &self.0 {
            if keep(name, value, &mut out)? {
                member(&mut out, name, value.as_bytes());
            }
        }
        Ok(out)
    }

    /// A builder's files stay in the builder: their names alone would be sent, and Discord would refuse the message.
    fn refuse_attachments(&self) -> Result<(), RestError> {
        let holds = |object: &Self| object.all("attachments").any(|files| files.starts_with('[') && !is_empty(files));
        let inside = self.all("data").chain(self.all("message"));
        if holds(self) || inside.filter_map(|part| Object::read(part.as_bytes()).ok()).any(|part| holds(&part)) {
            return Err(RestError::refused_here("requests with attachments are not supported here"));
        }
        Ok(())
    }

    /// The caller's nonce, else the builder's, else a random one.
    fn nonce(&self, send: &send::Send) -> Result<Cow<'_, str>, RestError> {
        let builder = || {
            let given = self.all("nonce").last()?;
            match given.as_bytes().first()? {
                b'"' => serde_json::from_str(given).ok().map(Cow::Owned),
                b'-' | b'0'..=b'9' => Some(Cow::Borrowed(given)),
                _ => None,
            }
        };
        let given = send.nonce.as_deref().map(|nonce| Cow::Owned(nonce.to_owned())).or_else(builder);
        let nonce = given.unwrap_or_else(|| format!("{:016x}", rand::random::<u64>()).into());
        if (1..=NONCE_MAX).contains(&nonce.chars().count()) {
            Ok(nonce)
        } else {
            Err(RestError::refused_here(format!("a nonce has 1 to {NONCE_MAX} characters")))
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object<'de>, M::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    members.push((name, value.get()));
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Whether an array's text holds nothing.
fn is_empty(array: &str) -> bool {
    array[1..].trim_start().starts_with(']')
}

fn allow(out: &mut Vec<u8>, send: &send::Send) {
    member(out, MENTIONS, send.mentions.allowed().as_bytes());
}

fn member(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    if out.len() > 1 {
        out.push(b',');
    }
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if plain {
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(quoted(name).as_bytes());
    }
    out.push(b':');
    out.extend_from_slice(value);
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn closed(mut object: Vec<u8>) -> Vec<u8> {
    object.push(b'}');
    object
}

#[cfg(test)]
mod tests;
