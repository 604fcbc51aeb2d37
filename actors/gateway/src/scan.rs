//! Reads the header of a gateway frame (`op`, `s`, `t`) without reading its payload `d`.
//!
//! Discord puts the header first, so the scan costs a few dozen nanoseconds whatever the size of the frame, and a frame
//! that nobody wants is dropped without being decoded. Anything else that is valid JSON is read by serde.

#[cfg(test)]
mod tests;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The header of one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header<'a> {
    /// Opcode.
    pub op: u8,
    /// Sequence number; dispatches (op 0) have one.
    pub seq: Option<u64>,
    /// Event name; dispatches have one.
    pub kind: Option<Cow<'a, str>>,
    /// The payload, as JSON text. After a fast scan it is assumed to be the last member; [`Header::decode`] finds out.
    data: Option<&'a str>,
    frame: &'a str,
}

impl<'a> Header<'a> {
    /// The payload's text as the scan found it.
    pub fn data(&self) -> Option<&'a str> {
        self.data
    }

    /// Decodes the payload with `decode`, and once more with the exact text if members follow it.
    ///
    /// # Errors
    /// What `decode` says about the exact text. A frame without `d` reads as `null`.
    pub fn decode_with<T>(&self, decode: impl Fn(&'a str) -> serde_json::Result<T>) -> serde_json::Result<T> {
        let assumed = self.data.unwrap_or("null");
        decode(assumed).or_else(|error| match strict(self.frame)?.data.unwrap_or("null") {
            exact if exact != assumed => decode(exact),
            _ => Err(error),
        })
    }

    /// Decodes the payload as `T`.
    ///
    /// # Errors
    /// As [`Header::decode_with`].
    pub fn decode<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        self.decode_with(|text| serde_json::from_str(text))
    }
}

/// Reads the header of `frame`.
///
/// # Errors
/// When the frame is not a JSON object with a numeric `op`.
pub fn scan(frame: &str) -> serde_json::Result<Header<'_>> {
    fast(frame).map_or_else(|| strict(frame), Ok)
}

#[derive(Deserialize)]
struct Envelope<'a> {
    op: u8,
    #[serde(default)]
    s: Option<u64>,
    #[serde(borrow, default)]
    t: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    d: Option<&'a RawValue>,
}

/// The whole frame by serde: any member order, escapes, further members.
fn strict(frame: &str) -> serde_json::Result<Header<'_>> {
    let envelope: Envelope<'_> = serde_json::from_str(frame)?;
    let data = envelope.d.map(RawValue::get);
    Ok(Header { op: envelope.op, seq: envelope.s, kind: envelope.t, data, frame })
}

/// The header when all of it stands before `d`; `None` for whatever is odd.
fn fast(frame: &str) -> Option<Header<'_>> {
    let body = frame.trim_ascii_end().strip_suffix('}')?;
    let mut cursor = Cursor { text: body, at: 0 };
    let (mut op, mut seq, mut kind) = (None, None, None);
    cursor.expect(b'{')?;
    loop {
        let name = cursor.string()?;
        cursor.expect(b':')?;
        match name {
            "op" if op.is_none() => op = Some(u8::try_from(cursor.number()?).ok()?),
            "s" if seq.is_none() => seq = Some(if cursor.null() { None } else { Some(cursor.number()?) }),
            "t" if kind.is_none() => kind = Some(if cursor.null() { None } else { Some(cursor.string()?) }),
            "d" => {
                let data = cursor.rest();
                let (op, seq, kind) = (op?, seq?, kind?);
                return Some(Header { op, seq, kind: kind.map(Cow::Borrowed), data: Some(data), frame });
            }
            _ => return None,
        }
        cursor.expect(b',')?;
    }
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at)?, b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        Some(bytes[self.at])
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// A string without escapes or control characters.
    fn string(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let from = self.at;
        loop {
            match self.text.as_bytes().get(self.at)? {
                b'"' => break,
                b'\\' | 0..0x20 => return None,
                _ => self.at += 1,
            }
        }
        let text = self.text.get(from..self.at);
        self.at += 1;
        text
    }

    /// A non-negative integer as JSON writes it: no sign, fraction, exponent or leading zero.
    fn number(&mut self) -> Option<u64> {
        let first = self.peek()?;
        let from = self.at;
        let mut value: u64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.text.as_bytes().get(self.at) {
            value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            self.at += 1;
        }
        let digits = self.at - from;
        let ends = matches!(self.text.as_bytes().get(self.at), Some(b',' | b' ' | b'\t' | b'\n' | b'\r') | None);
        (digits > 0 && ends && (digits == 1 || first != b'0')).then_some(value)
    }

    fn null(&mut self) -> bool {
        let null = self.peek() == Some(b'n') && self.text[self.at..].starts_with("null");
        if null {
            self.at += 4;
        }
        null
    }

    fn rest(&self) -> &'a str {
        self.text[self.at..].trim_ascii()
    }
}
