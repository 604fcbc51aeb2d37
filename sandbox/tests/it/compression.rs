//! Compression, as the connection's address and IDENTIFY ask for it.

use flate2::{Decompress, FlushDecompress};
use sandbox::{Fault, Sandbox};
use serde_json::{Value, json};
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

use crate::client::{ALL, Heard, Line, SOON, start, start_with};

/// Room for the largest payload of these tests.
const ROOM: usize = 24 << 20;

/// The bot's end of a compressed connection.
enum Reader {
    Zlib(Decompress),
    Zstd(Decoder<'static>),
}

impl Reader {
    fn zlib() -> Reader {
        Reader::Zlib(Decompress::new(true))
    }

    fn zstd() -> Reader {
        Reader::Zstd(Decoder::new().unwrap())
    }

    fn query(&self) -> &'static str {
        match self {
            Reader::Zlib(_) => "v=10&encoding=json&compress=zlib-stream",
            Reader::Zstd(_) => "v=10&encoding=json&compress=zstd-stream",
        }
    }

    /// The payload of one binary frame, which has to be complete without the next.
    fn payload(&mut self, bytes: &[u8]) -> Value {
        serde_json::from_slice(&self.text(bytes)).unwrap()
    }

    fn text(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(ROOM);
        match self {
            Reader::Zlib(context) => {
                assert!(bytes.ends_with(&[0, 0, 0xff, 0xff]));
                context.decompress_vec(bytes, &mut text, FlushDecompress::Sync).unwrap();
            }
            Reader::Zstd(context) => {
                let mut input = InBuffer::around(bytes);
                while input.pos < bytes.len() {
                    let written = text.len();
                    context.run(&mut input, &mut OutBuffer::around_pos(&mut text, written)).unwrap();
                }
            }
        }
        text
    }

    async fn frame(&mut self, line: &mut Line) -> Value {
        match line.heard().await {
            Heard::Binary(bytes) => self.payload(&bytes),
            other => panic!("binary was expected, not {other:?}"),
        }
    }

    /// Identifies and reads everything up to the last guild; the value is READY's data.
    async fn greeted(&mut self, line: &mut Line) -> Value {
        assert_eq!(self.frame(line).await["op"], 10);
        line.identify(ALL, json!([0, 1])).await;
        let ready = self.frame(line).await;
        assert_eq!(ready["t"], "READY");
        for _ in ready["d"]["guilds"].as_array().unwrap() {
            assert_eq!(self.frame(line).await["t"], "GUILD_CREATE");
        }
        ready["d"].clone()
    }
}

async fn begin(sandbox: &Sandbox, reader: &mut Reader) -> Line {
    let mut line = Line::open_silently(sandbox, reader.query()).await;
    reader.greeted(&mut line).await;
    line
}

#[tokio::test]
async fn both_streams_carry_every_payload_in_one_context() {
    let sandbox = start_with(|config| {
        config.guilds = 20;
        config.members_per_guild = 30;
    });
    for mut reader in [Reader::zlib(), Reader::zstd()] {
        let mut line = begin(&sandbox, &mut reader).await;
        for n in 0..200 {
            sandbox.say("alice", &format!("{n} {}", "again ".repeat(n)));
        }
        for n in 0..200 {
            let frame = reader.frame(&mut line).await;
            assert_eq!(frame["d"]["content"], format!("{n} {}", "again ".repeat(n)));
        }
        line.say(json!({ "op": 1, "d": null })).await;
        assert_eq!(reader.frame(&mut line).await["op"], 11, "what has no sequence number is compressed too");
        line.close(1000).await;
    }
}

#[tokio::test]
async fn a_guild_of_twenty_megabytes_comes_through_both() {
    let sandbox = start_with(|config| config.judge_payloads = false);
    let bytes = 20_000_000;
    for mut reader in [Reader::zlib(), Reader::zstd()] {
        let mut line = begin(&sandbox, &mut reader).await;
        sandbox.fault(Fault::HugeGuild { bytes });
        let Heard::Binary(frame) = line.heard().await else { panic!("a guild was expected") };
        assert!(frame.len() < bytes / 5, "{} bytes on the wire", frame.len());
        let text = reader.text(&frame);
        assert!(text.len() >= bytes && text.starts_with(b"{\"t\":\"GUILD_CREATE\"") && text.ends_with(b"}}"));
        line.close(1000).await;
    }
}

#[tokio::test]
async fn a_stream_begins_anew_with_each_connection_and_the_replay_is_in_it() {
    let sandbox = start();
    for fresh in [Reader::zlib, Reader::zstd] {
        let mut reader = fresh();
        let mut line = Line::open_silently(&sandbox, reader.query()).await;
        let ready = reader.greeted(&mut line).await;
        sandbox.fault(Fault::CutConnection { shard: None });
        sandbox.say("alice", "missed");
        let mut reader = fresh();
        let mut line = Line::open_silently(&sandbox, reader.query()).await;
        assert_eq!(reader.frame(&mut line).await["op"], 10);
        line.resume(ready["session_id"].as_str().unwrap(), 2).await;
        assert_eq!(reader.frame(&mut line).await["d"]["content"], "missed");
        assert_eq!(reader.frame(&mut line).await["t"], "RESUMED");
        line.close(1000).await;
    }
}

#[tokio::test]
async fn identify_may_ask_for_large_payloads_to_be_documents_of_their_own() {
    let sandbox = start();
    let mut line = Line::open(&sandbox).await;
    let properties = json!({ "os": "linux", "browser": "test", "device": "test" });
    let data = json!({ "token": sandbox.token(), "intents": ALL, "properties": properties, "compress": true });
    line.say(json!({ "op": 2, "d": data })).await;
    let read = |heard| {
        let Heard::Binary(bytes) = heard else { panic!("binary was expected, not {heard:?}") };
        let mut text = Vec::with_capacity(ROOM);
        Decompress::new(true).decompress_vec(&bytes, &mut text, FlushDecompress::Finish).unwrap();
        serde_json::from_slice::<Value>(&text).unwrap()
    };
    let ready = read(line.heard().await);
    assert_eq!(ready["t"], "READY");
    assert_eq!(read(line.heard().await)["t"], "GUILD_CREATE");
    assert_eq!(line.beat().await["op"], 11, "a small one is text");
    sandbox.fault(Fault::CutConnection { shard: None });
    sandbox.say("alice", &"long ".repeat(400));
    let mut line = Line::open(&sandbox).await;
    line.resume(ready["d"]["session_id"].as_str().unwrap(), 2).await;
    assert_eq!(read(line.heard().await)["t"], "MESSAGE_CREATE", "a resumed session keeps what it asked for");
}

#[tokio::test]
async fn transport_compression_overrides_that_of_payloads() {
    let sandbox = start();
    let mut reader = Reader::zlib();
    let mut line = Line::open_silently(&sandbox, reader.query()).await;
    assert_eq!(reader.frame(&mut line).await["op"], 10);
    let properties = json!({ "os": "linux", "browser": "test", "device": "test" });
    let data = json!({ "token": sandbox.token(), "intents": 1, "properties": properties, "compress": true });
    line.say(json!({ "op": 2, "d": data })).await;
    assert_eq!(reader.frame(&mut line).await["t"], "READY");
}

#[tokio::test]
async fn a_frame_that_is_no_compressed_data_reaches_the_bot_as_it_is() {
    let sandbox = start();
    let mut reader = Reader::zlib();
    let mut line = begin(&sandbox, &mut reader).await;
    sandbox.fault(Fault::SendBinary { bytes: vec![1, 2, 0, 0, 0xff, 0xff] });
    assert_eq!(line.heard().await, Heard::Binary(vec![1, 2, 0, 0, 0xff, 0xff]));
    assert!(sandbox.wait_until(SOON, |stats, _| stats.identifies == 1));
}

#[tokio::test]
async fn what_the_gateway_cannot_speak_is_closed() {
    let sandbox = start();
    let cases = [
        ("v=9&encoding=json", 4012),
        ("v=10&encoding=etf", 4002),
        ("v=10&compress=brotli", 4002),
        ("v=10&encoding=json&compress=zlib", 4002),
    ];
    for (query, code) in cases {
        let mut line = Line::open_silently(&sandbox, query).await;
        assert_eq!(line.closed().await, Some(code), "{query}");
    }
    assert_eq!(sandbox.stats().connections, 0, "none of them was greeted");
}
