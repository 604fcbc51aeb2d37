//! Payloads that were changed at random, always the same ones for a seed: what a client has to live through
//! when Discord changes something, or a byte goes wrong.

use std::ops::Range;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::corpus;
use crate::faults::Fault;

/// Values that hardly any field expects.
const ODD_VALUES: [&str; 18] = [
    "null",
    "true",
    "0",
    "-1",
    "255",
    "65536",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "123456789012345678901234567890123456789012345678901234567890",
    "1e308",
    "-0.5",
    "\"\"",
    "\"not a number\"",
    "\"\\ud800\"",
    "\"\\u0000\\u202e\"",
    "[]",
    "{}",
];
/// Levels of nesting: within what parsers take (serde_json stops at 128), and far beyond it.
const DEPTHS: [usize; 4] = [8, 127, 129, 5_000];
/// Characters of a text that is longer than any field may be.
const LONG_TEXT: usize = 70_000;
/// One change in so many is of the rare kinds, which are large or break the JSON.
const RARE: u32 = 32;
/// Changes of one payload at most.
const CHANGES_MAX: usize = 3;

/// An endless source of changed gateway frames; see [`mutate`].
#[derive(Clone, Debug)]
pub struct Mutations {
    random: StdRng,
    frames: Vec<Template>,
    /// The data of the events among them, by name.
    events: Vec<(String, Template)>,
}

/// Gateway frames as the sandbox sends them (events of every kind and what is no event), each changed in one to
/// three places: unknown fields, missing fields, nulls, wrong types, huge numbers, lone surrogates, deep nesting,
/// long texts, texts that break off. The same seed gives the same frames. A million of them take seconds.
pub fn mutate(seed: u64) -> Mutations {
    let texts = corpus::frames();
    let event = |text: &String| {
        let frame: Value = serde_json::from_str(text).ok()?;
        let name = frame["t"].as_str()?.to_owned();
        Some((name, Template::new(frame["d"].to_string())))
    };
    Mutations {
        random: StdRng::seed_from_u64(seed),
        events: texts.iter().filter_map(event).collect(),
        frames: texts.into_iter().map(Template::new).collect(),
    }
}

/// Payloads that Discord may send any day and that no client knows: an unknown event with data of every shape,
/// unknown opcodes, unknown values of enumerations, nulls where something always stood.
pub fn oddities() -> Vec<Fault> {
    let texts = corpus::frames();
    let data = |name: &str| -> Value {
        let frames = texts.iter().filter_map(|text| serde_json::from_str::<Value>(text).ok());
        frames.filter(|frame| frame["t"] == name).map(|mut frame| frame["d"].take()).next().unwrap_or_default()
    };
    let dispatch = |name: &str, data: Value| Fault::Dispatch { name: name.to_owned(), data: data.to_string() };
    let with = |name: &str, pointer: &str, value: Value| {
        let mut data = data(name);
        if let Some(place) = data.pointer_mut(pointer) {
            *place = value;
        }
        dispatch(name, data)
    };
    let raw = |text: &str| Fault::SendRaw { text: text.to_owned() };
    vec![
        dispatch("BRAND_NEW_EVENT", json!({ "guild_id": "1", "anything": [1, 2, 3] })),
        dispatch("BRAND_NEW_EVENT", json!([])),
        dispatch("BRAND_NEW_EVENT", json!(null)),
        raw("{\"t\":null,\"s\":null,\"op\":42,\"d\":{\"anything\":1}}"),
        raw("{\"t\":null,\"s\":null,\"op\":255,\"d\":null}"),
        raw("{\"op\":12}"),
        with("MESSAGE_CREATE", "/type", json!(250)),
        with("MESSAGE_CREATE", "/flags", json!(u64::MAX)),
        with("MESSAGE_CREATE", "/author", json!(null)),
        with("MESSAGE_CREATE", "/content", json!(null)),
        with("MESSAGE_CREATE", "/embeds", json!([{ "type": "brand_new", "anything": null }])),
        with("MESSAGE_CREATE", "/components", json!([{ "type": 99, "id": 1 }])),
        with("GUILD_CREATE", "/channels/0/type", json!(99)),
        with("GUILD_CREATE", "/verification_level", json!(99)),
        with("GUILD_CREATE", "/roles", json!(null)),
        with("GUILD_CREATE", "/features", json!(["BRAND_NEW_FEATURE"])),
        with("PRESENCE_UPDATE", "/status", json!("brand_new")),
        with("PRESENCE_UPDATE", "/activities", json!([{ "name": "x", "type": 99, "url": "no address" }])),
        with("INTERACTION_CREATE", "/type", json!(99)),
        with("INTERACTION_CREATE", "/data", json!(null)),
    ]
}

impl Iterator for Mutations {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let frame = self.frames.choose(&mut self.random)?;
        Some(frame.changed(&mut self.random))
    }
}

impl Mutations {
    /// A name and changed data; the name is that of no event from time to time.
    pub(crate) fn event(&mut self) -> (&str, String) {
        let Some((name, data)) = self.events.choose(&mut self.random) else { return ("EMPTY", String::new()) };
        let name = if self.random.random_ratio(1, RARE) { "BRAND_NEW_EVENT" } else { name.as_str() };
        (name, data.changed(&mut self.random))
    }
}

/// A JSON text and the places in it that can be changed.
#[derive(Clone, Debug, Default)]
struct Template {
    text: String,
    values: Vec<Range<usize>>,
    /// Fields with their comma.
    fields: Vec<Range<usize>>,
    /// Where an object begins, and whether it is empty.
    objects: Vec<(usize, bool)>,
}

impl Template {
    /// `text` is compact JSON, as serde_json writes it.
    fn new(text: String) -> Template {
        let mut template = Template { text, ..Template::default() };
        template.value(0);
        template
    }

    fn changed(&self, random: &mut StdRng) -> String {
        loop {
            // A null may have become a null.
            let text = self.maybe_changed(random);
            if text != self.text {
                return text;
            }
        }
    }

    fn maybe_changed(&self, random: &mut StdRng) -> String {
        let mut changes: Vec<(Range<usize>, String)> =
            (0..random.random_range(1..=CHANGES_MAX)).filter_map(|_| self.change(random)).collect();
        // From the back, so that the places before stay where they are; what overlaps is left out.
        changes.sort_by_key(|(place, _)| std::cmp::Reverse((place.start, place.end)));
        let mut text = self.text.clone();
        let mut untouched = text.len() + 1;
        for (place, with) in changes {
            if place.end <= untouched && place.end <= text.len() {
                untouched = place.start;
                text.replace_range(place, &with);
            }
        }
        if random.random_ratio(1, RARE) {
            let mut end = random.random_range(0..=text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
        }
        text
    }

    /// One change: what is replaced by what.
    fn change(&self, random: &mut StdRng) -> Option<(Range<usize>, String)> {
        match random.random_range(0..4) {
            0 => {
                let (open, empty) = *self.objects.choose(random)?;
                let value = ODD_VALUES.choose(random)?;
                let comma = if empty { "" } else { "," };
                Some((open + 1..open + 1, format!("\"brand_new_{}\":{value}{comma}", random.random::<u8>())))
            }
            1 => Some((self.fields.choose(random)?.clone(), String::new())),
            2 => {
                let place = self.values.choose(random)?.clone();
                Some((place.clone(), self.other_type(place.start).to_owned()))
            }
            _ if random.random_ratio(1, RARE) => {
                let depth = *DEPTHS.choose(random)?;
                let deep = match random.random_range(0..3) {
                    0 => "[".repeat(depth) + &"]".repeat(depth),
                    1 => "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth),
                    _ => format!("\"{}\"", "x".repeat(LONG_TEXT)),
                };
                Some((self.values.choose(random)?.clone(), deep))
            }
            _ => Some((self.values.choose(random)?.clone(), (*ODD_VALUES.choose(random)?).to_owned())),
        }
    }

    /// A value of another type than the one that begins there.
    fn other_type(&self, at: usize) -> &'static str {
        match self.text.as_bytes().get(at) {
            Some(b'"') => "12345",
            Some(b'{') => "[{}]",
            Some(b'[') => "{\"0\":null}",
            Some(b't' | b'f') => "\"yes\"",
            Some(b'n') => "{\"was\":\"null\"}",
            _ => "\"12345\"",
        }
    }

    /// Notes the places in the value that begins at `at`; the result is where it ends.
    fn value(&mut self, at: usize) -> usize {
        let end = match self.byte(at) {
            b'{' => self.object(at),
            b'[' => self.array(at),
            b'"' => self.string(at),
            _ => {
                let rest = &self.text.as_bytes()[at.min(self.text.len())..];
                at + rest.iter().take_while(|byte| !matches!(byte, b',' | b'}' | b']')).count()
            }
        };
        self.values.push(at..end);
        end
    }

    fn object(&mut self, open: usize) -> usize {
        self.objects.push((open, self.byte(open + 1) == b'}'));
        let mut at = open + 1;
        while self.byte(at) == b'"' {
            let end = self.string(at) + 1;
            let end = self.value(end);
            // The comma behind it goes with it, or else the one before it.
            let place = if self.byte(end) == b',' { at..end + 1 } else { at - usize::from(at > open + 1)..end };
            self.fields.push(place);
            at = end + usize::from(self.byte(end) == b',');
        }
        at + 1
    }

    fn array(&mut self, open: usize) -> usize {
        let mut at = open + 1;
        while !matches!(self.byte(at), b']' | 0) {
            at = self.value(at);
            at += usize::from(self.byte(at) == b',');
        }
        at + 1
    }

    /// The end of a string that begins at `at`.
    fn string(&self, at: usize) -> usize {
        let mut end = at + 1;
        while !matches!(self.byte(end), b'"' | 0) {
            end += 1 + usize::from(self.byte(end) == b'\\');
        }
        end + 1
    }

    /// The byte at a place; 0, which JSON never has, behind the end.
    fn byte(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_frames_and_another_seed_others() {
        let first = |seed| mutate(seed).take(200).collect::<Vec<_>>();
        assert_eq!(first(7), first(7));
        assert_ne!(first(7), first(8));
    }

    #[test]
    fn a_field_can_be_taken_out_and_the_rest_is_json() {
        let template = Template::new(r#"{"a":{"b":[1,"x\"y",{}],"c":null},"d":"{"}"#.to_owned());
        assert_eq!(template.objects.len(), 3);
        assert_eq!(template.values.len(), 8);
        for place in &template.fields {
            let mut text = template.text.clone();
            text.replace_range(place.clone(), "");
            assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
        }
        for place in &template.values {
            let part = &template.text[place.clone()];
            assert!(serde_json::from_str::<Value>(part).is_ok(), "{part}");
        }
    }

    #[test]
    fn most_frames_are_json_still_and_none_is_what_it_was() {
        let originals = corpus::frames();
        let frames: Vec<String> = mutate(1).take(5_000).collect();
        assert!(frames.iter().all(|frame| !originals.contains(frame)));
        let readable = frames.iter().filter(|frame| serde_json::from_str::<Value>(frame).is_ok()).count();
        assert!((3_500..4_900).contains(&readable), "{readable} of 5,000 are JSON");
        for kind in ["brand_new_", "18446744073709551616", "\\ud800", "[[[[[[[["] {
            assert!(frames.iter().any(|frame| frame.contains(kind)), "{kind} never came");
        }
    }
}
