use super::*;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::Value;

fn exact(frame: &str) -> Option<(u8, Option<u64>, Option<String>, Value)> {
    let header = scan(frame).ok()?;
    let data = header.decode::<Value>().ok()?;
    Some((header.op, header.seq, header.kind.map(Cow::into_owned), data))
}

#[test]
fn header_first_is_read_without_the_payload() {
    let header = fast(r#"{"t":"MESSAGE_CREATE","s":42,"op":0,"d":{"content":"}\"{"}}"#).unwrap();
    assert_eq!((header.op, header.seq, header.kind.as_deref()), (0, Some(42), Some("MESSAGE_CREATE")));
    assert_eq!(header.data(), Some(r#"{"content":"}\"{"}"#));
}

#[test]
fn header_after_the_payload_is_found() {
    let read = exact(r#" { "d" : {"t":"INNER","s":9} , "op" : 0 , "s" : 7 , "t" : "RES\u0055MED" } "#).unwrap();
    assert_eq!(read, (0, Some(7), Some("RESUMED".into()), serde_json::json!({"t": "INNER", "s": 9})));
}

#[test]
fn a_member_after_the_payload_does_not_spoil_it() {
    let read = exact(r#"{"op":0,"s":1,"t":"X","d":{"a":1},"_trace":["x"],"more":{}}"#).unwrap();
    assert_eq!(read.3, serde_json::json!({"a": 1}));
}

#[test]
fn absent_members_read_as_null() {
    assert_eq!(exact(r#"{"op":11}"#).unwrap(), (11, None, None, Value::Null));
    assert_eq!(exact(r#"{"op":7,"d":null,"s":null,"t":null}"#).unwrap(), (7, None, None, Value::Null));
    assert_eq!(exact(r#"{"t":null,"s":null,"op":9,"d":false}"#).unwrap().3, Value::Bool(false));
}

#[test]
fn what_is_not_a_frame_is_refused() {
    for odd in ["", "{", "[]", "null", "{}", r#"{"op":-1}"#, r#"{"op":300}"#, r#"{"op":"0"}"#, r#"{"op":0,"s":1.5}"#] {
        assert!(scan(odd).is_err(), "{odd:?} was read");
    }
}

/// For every frame: where serde reads an envelope, the scan reads the same; what serde refuses never decodes.
#[test]
fn mutated_frames_read_as_serde_reads_them() {
    let seed = 0x5ca4_0001;
    println!("seed {seed:#x}");
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut valid, mut refused) = (0u32, 0u32);
    for _ in 0..60_000 {
        let mut bytes = frame(&mut rng).into_bytes();
        for _ in 0..rng.random_range(0..3) {
            mutate(&mut bytes, &mut rng);
        }
        let Ok(text) = String::from_utf8(bytes) else { continue };
        match (serde_json::from_str::<Envelope<'_>>(&text), exact(&text)) {
            (Ok(envelope), Some(read)) => {
                let data = envelope.d.map_or(Value::Null, |raw| serde_json::from_str(raw.get()).unwrap());
                let said = (envelope.op, envelope.s, envelope.t.map(Cow::into_owned), data);
                assert_eq!(said, read, "{text}");
                valid += 1;
            }
            (Err(_), None) => refused += 1,
            // A depth or number that the raw reader skips but a value cannot hold.
            (Ok(envelope), None) => {
                let raw = envelope.d.map_or("null", RawValue::get);
                assert!(serde_json::from_str::<Value>(raw).is_err(), "{text}");
            }
            (Err(error), Some(read)) => panic!("serde refuses ({error}) what was read as {read:?}: {text}"),
        }
    }
    assert!(valid > 5_000 && refused > 5_000, "both sides must be exercised: {valid} valid, {refused} refused");
}

fn frame(rng: &mut StdRng) -> String {
    let data = [
        r#"{"content":"a,\"b\":1}","n":{"x":[1,2,{"t":"Y"}]}}"#,
        "null",
        "true",
        "[]",
        r#""text \\ \u00e9 }""#,
        "41250",
        r#"{"op":3,"s":4,"t":"INNER","d":{}}"#,
    ];
    let mut members = vec![
        format!(r#""op":{}"#, rng.random_range(0..13)),
        format!(r#""s":{}"#, ["null".to_owned(), rng.random::<u32>().to_string()][rng.random_range(0..2)]),
        format!(r#""t":{}"#, ["null", r#""READY""#, r#""MESSAGE_CREATE""#, r#""A\u0042C""#][rng.random_range(0..4)]),
        format!(r#""d":{}"#, data[rng.random_range(0..data.len())]),
    ];
    if rng.random_bool(0.2) {
        members.push(r#""extra":{"d":[{}]}"#.to_owned());
    }
    if rng.random_bool(0.5) {
        members.shuffle(rng);
    }
    let gap = ["", " ", "\n\t"][rng.random_range(0..3)];
    format!("{gap}{{{gap}{}{gap}}}{gap}", members.join(&format!("{gap},{gap}")))
}

fn mutate(bytes: &mut Vec<u8>, rng: &mut StdRng) {
    if bytes.is_empty() {
        return;
    }
    let at = rng.random_range(0..bytes.len());
    match rng.random_range(0..4) {
        0 => drop(bytes.remove(at)),
        1 => bytes[at] = br#"{}[]",:0n\ x"#[rng.random_range(0..12)],
        2 => bytes.insert(at, br#"{}[]",:0n\ x"#[rng.random_range(0..12)]),
        _ => bytes.truncate(at),
    }
}
