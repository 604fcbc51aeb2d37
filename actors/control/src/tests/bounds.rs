//! Bounds: on lines, connections, calls, time and what waits for a slow reader.

use super::*;

#[tokio::test]
async fn a_line_over_the_limit_is_answered_once_and_ends_the_connection() {
    let rig = rig(config(), Access::own());
    let mut raw = rig.raw().await;
    raw.write_all(&vec![b'x'; 4097]).await.unwrap();
    let answer = line(&mut raw).await;
    assert_eq!(answer["error"]["message"], "closed: a line may have at most 4096 bytes");
    assert_eq!(raw.read(&mut [0; 1]).await.unwrap_or(0), 0, "closed");
    assert!(rig.client().await.call("tree.get", Value::Null).await.is_ok());
}

#[tokio::test]
async fn ten_thousand_lines_of_garbage_get_errors_and_change_nothing() {
    let seed = 0x1a2b_3c4d;
    println!("seed {seed:#x}");
    let mut random = StdRng::seed_from_u64(seed);
    let rig = rig(config(), Access::own());
    let mut raw = rig.raw().await;
    let valid = br#"{"jsonrpc":"2.0","id":1,"method":"actor.stop","params":{"path":"a"}}"#;
    for _ in 0..10_000 {
        let mut garbage = valid[..random.random_range(0..valid.len())].to_vec();
        garbage.insert(0, b'!'); // whatever follows, it is no request
        for _ in 0..random.random_range(0..8) {
            let at = random.random_range(0..garbage.len());
            garbage.insert(at + 1, random.random());
        }
        garbage.retain(|byte| *byte != b'\n');
        garbage.push(b'\n');
        raw.write_all(&garbage).await.unwrap();
        assert_eq!(line(&mut raw).await["error"]["code"], -32700);
    }
    let half = rig.raw().await; // half a line, then gone
    half.into_inner().write_all(&valid[..20]).await.unwrap();
    raw.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"tree.get\"}\n").await.unwrap();
    assert_eq!(line(&mut raw).await["id"], 9);
    rig.shared.audit.flush().await;
    assert!(rig.rows.0.lock().unwrap().is_empty(), "no garbage was carried out");
}

#[tokio::test(start_paused = true)]
async fn dripping_bytes_do_not_keep_a_connection_open() {
    let rig = rig(ControlConfig { idle_ms: 1000, ..config() }, Access::own());
    let mut raw = rig.raw().await;
    for _ in 0..15 {
        if raw.write_all(b"{").await.is_err() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(line(&mut raw).await["error"]["message"], "closed: no line within 1000 ms");
    assert_eq!(raw.read(&mut [0; 1]).await.unwrap_or(0), 0);
}

#[tokio::test(start_paused = true)]
async fn a_subscribed_connection_may_be_silent() {
    let rig = rig(ControlConfig { idle_ms: 1000, ..config() }, Access::own());
    let mut stream = rig.client().await.subscribe("events.subscribe", json!({})).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    rig.items.send(json!("late")).await.unwrap();
    assert_eq!(stream.next().await.unwrap(), Some(StreamItem::Item(json!("late"))));
}

#[tokio::test(start_paused = true)]
async fn a_call_without_end_is_answered_at_its_deadline() {
    let rig = rig(ControlConfig { idle_ms: 600_000, ..config() }, Access::own());
    let (code, text) = refused(rig.client().await.call("wait", Value::Null).await);
    assert_eq!((code, text.contains("it may still be carried out")), (-32003, true), "{text}");
    assert_eq!(rig.shared.calls.available_permits(), 4 * 16 - 1, "it goes on and still counts");
}

#[tokio::test]
async fn connections_over_the_limit_are_told_and_room_comes_back() {
    let rig = rig(config(), Access::own());
    let mut open = Vec::new();
    for id in 0..4 {
        let mut raw = rig.raw().await;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": "wait"}).to_string() + "\n";
        raw.write_all(request.as_bytes()).await.unwrap();
        open.push(raw);
    }
    while rig.shared.calls.available_permits() > 4 * 16 - 4 {
        tokio::task::yield_now().await;
    }
    let (code, text) = refused(rig.client().await.call("hello", Value::Null).await);
    assert_eq!((code, text.contains("4 connections")), (-32002, true), "{text}");
    for raw in &mut open {
        rig.hold.notify_one();
        assert_eq!(line(raw).await["result"], "waited");
    }
    open.clear();
    while !rig.connections.is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(rig.client().await.call("hello", Value::Null).await.is_ok());
}

#[tokio::test]
async fn two_hundred_idle_connections_lock_nobody_out_and_no_subscriber_gives_way() {
    let rig = rig(ControlConfig { connections_max: 32, ..config() }, Access::own());
    let mut stream = rig.client().await.subscribe("events.subscribe", json!({})).await.unwrap();
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(rig.raw().await);
    }
    for _ in 0..3 {
        assert!(rig.client().await.call("hello", Value::Null).await.is_ok());
    }
    let told = line(&mut idle[0]).await["error"]["message"].clone(); // the oldest went first
    assert_eq!(told, "closed: idle, and another connection needed the place");
    assert!(rig.shared.seats.taken() <= 32);
    rig.items.send(json!("still here")).await.unwrap();
    assert_eq!(stream.next().await.unwrap(), Some(StreamItem::Item(json!("still here"))));
}

#[tokio::test]
async fn calls_of_one_connection_run_at_once_but_no_more_than_sixteen() {
    let rig = rig(config(), Access::own());
    let mut raw = rig.raw().await;
    for id in 0..20 {
        let request = json!({"jsonrpc": "2.0", "id": id, "method": "wait"}).to_string() + "\n";
        raw.write_all(request.as_bytes()).await.unwrap();
    }
    let mut other = rig.client().await;
    other.call("hello", Value::Null).await.unwrap();
    while rig.shared.calls.available_permits() > 4 * 16 - 16 {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.shared.calls.available_permits(), 4 * 16 - 16, "the other four lines are not read yet");
    for _ in 0..20 {
        rig.hold.notify_one();
        assert_eq!(line(&mut raw).await["result"], "waited");
    }
}

#[tokio::test]
async fn a_reader_that_stops_reading_loses_items_and_is_told_how_many() {
    let rig = rig(config(), Access::own());
    let mut stream = rig.client().await.subscribe("events.subscribe", json!({})).await.unwrap();
    let big = "x".repeat(4000);
    let sent = 2000_u64;
    for item in 0..sent {
        rig.items.send(json!([item, big])).await.unwrap(); // never blocks for long: the buffer drops, not the sender
    }
    let Rig { items, .. } = rig;
    drop(items);
    let (mut got, mut lost, mut last) = (0, 0, None);
    while let Some(item) = stream.next().await.unwrap() {
        match item {
            StreamItem::Item(item) => {
                assert!(item[0].as_u64() > last, "in order");
                last = item[0].as_u64();
                got += 1;
            }
            StreamItem::Lost(count) => lost += count,
        }
    }
    assert!(lost > 0, "the socket's buffer does not hold 8 MB");
    assert_eq!(got + lost, sent);
    assert_eq!(last, Some(sent - 1), "the newest are kept");
}
