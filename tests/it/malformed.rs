//! Nonsense from outside stops nothing: gateway frames, REST answers, control lines.

use crate::harness::{Home, PATIENCE, assert_answers, discord};
use sandbox::Fault;
use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

#[test]
fn malformed_gateway_frames_stop_nothing() {
    let discord = discord();
    let home = Home::new(&discord).set("gateway.reconnect_min_ms = 50").set("gateway.reconnect_max_ms = 500");
    let mut bot = home.start();
    let lives = |bot: &crate::harness::Bot<'_>| bot.node("gateway/shard-0").unwrap()["incarnation"].clone();
    let before = lives(&bot);
    let text = |text: &str| Fault::SendRaw { text: text.to_owned() };
    let event = |name: &str, data: &str| Fault::Dispatch { name: name.to_owned(), data: data.to_owned() };
    for fault in [
        text(""),
        text("{"),
        text("null"),
        text("[1,2,3]"),
        text("{\"op\":\"zero\"}"),
        text("{\"op\":0,\"t\":5,\"s\":\"x\",\"d\":{}}"),
        text("{\"op\":99,\"d\":null}"),
        text("{\"op\":10,\"d\":{\"heartbeat_interval\":-1}}"),
        text(&"[".repeat(100_000)),
        event("MESSAGE_CREATE", "{\"id\":5}"),
        event("MESSAGE_CREATE", "\"text\""),
        event("GUILD_CREATE", "{\"id\":\"1\",\"channels\":7}"),
        event("INTERACTION_CREATE", "{}"),
        event("GUILD_EMOJIS_UPDATE", "[]"),
        event("NEVER_HEARD_OF", "{\"a\":[null]}"),
        Fault::SendBinary { bytes: vec![0xff; 4096] },
        Fault::SendBinary { bytes: Vec::new() },
    ] {
        discord.fault(fault.clone());
        assert_answers(&discord);
        assert!(bot.is_running(), "{fault:?}");
    }
    assert_eq!(lives(&bot), before, "a frame is no reason for a restart");
    assert_eq!(discord.stats().identifies, 1);
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn malformed_rest_answers_stop_nothing() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    let route = || "POST /channels/{channel_id}/messages".to_owned();
    for fault in [
        Fault::RestMalformed { route: route(), times: 1 },
        Fault::RestCutBody { route: route(), times: 1 },
        Fault::RestStatus { route: route(), status: 200, body: "<html>".into(), times: 1 },
        Fault::RestStatus { route: route(), status: 502, body: String::new(), times: 1 },
        Fault::Rest429 {
            route: route(),
            retry_after_ms: 50,
            global: false,
            scope: "user".into(),
            html: false, // a proxy's page would mean a minute of silence
            times: 1,
        },
        Fault::RestMalformed { route: "GET *".into(), times: 2 },
    ] {
        discord.fault(fault.clone());
        let before = discord.stats().requests;
        discord.say("carol", "!ping");
        assert!(discord.wait_until(PATIENCE, |stats, _| stats.requests > before), "{fault:?}");
        bot.cli(&["emoji", "refresh"]); // may fail while its answers are malformed; it must come back
        discord.fault(Fault::Clear);
        assert_answers(&discord);
        bot.cli(&["emoji", "refresh"]).exits(0);
    }
    assert!(bot.nodes().iter().all(|node| node["restarts"]["total"] == 0), "{:?}", bot.nodes());
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn malformed_control_lines_stop_nothing() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    let connect = || {
        let stream = UnixStream::connect(home.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    for line in [
        &b"nonsense\n"[..],
        b"{\n",
        b"\xff\xfe\x00\n",
        b"[]\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}\n",
        b"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"hello\"}\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"no.such\"}\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tree.get\",\"params\":{\"x\":1}}\n",
    ] {
        let mut stream = connect();
        stream.write_all(line).unwrap();
        let mut answer = String::new();
        BufReader::new(&stream).read_line(&mut answer).unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["error"]["code"].is_i64(), "{line:?}: {answer}");
    }
    // A line without an end, longer than any may be; a connection that is dropped in the middle of one.
    let mut endless = connect();
    endless.write_all(&vec![b'x'; 1 << 20]).ok(); // it may be closed on the way
    endless.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    endless.read_exact(&mut [0]).ok(); // the beginning of an answer, or the end
    connect().write_all(b"{\"jsonrpc\":").unwrap();
    bot.cli(&["tree"]).exits(0);
    assert_eq!(bot.node("control").unwrap()["incarnation"], 1);
    assert_answers(&discord);
    assert_eq!(bot.terminate(), 0);
}
