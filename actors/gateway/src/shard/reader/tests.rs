//! What happens between the socket and the decoder: transport compression, and what nobody wants.

use crate::{Compression, GatewayConfig, tests::fake::*};
use flate2::{Compress, FlushCompress};
use futures_util::SinkExt;
use sandbox::{Fault, SandboxConfig};
use tokio_tungstenite::tungstenite::Message;

fn with(compression: Compression, setup: Setup) -> Setup {
    Setup { config: GatewayConfig { compression, ..setup.config }, ..setup }
}

/// The stand-in compresses after Discord's description, with code of its own.
#[tokio::test]
async fn messages_come_over_both_compressions_and_through_cuts() {
    for compression in [Compression::Zlib, Compression::Zstd, Compression::Auto] {
        let sandbox = stand_in(SandboxConfig::default());
        let setup = Setup { token: sandbox.token(), ..Setup::at(sandbox.gateway_url()) };
        let bot = Bot::start(with(compression, setup)).await;
        soon("ready", bot.gateway.wait_ready()).await;
        let mut said = Vec::new();
        for cut in 1..=5u64 {
            for _ in 0..20 {
                said.push(sandbox.say("alice", "hello").0);
            }
            sandbox.fault(Fault::CutConnection { shard: None });
            eventually("resumed", || sandbox.stats().resumes >= cut).await;
        }
        assert_eq!(bot.sink.has(said.len()).await, said, "{compression:?}: lost, doubled or out of order");
        let counts = bot.gateway.statuses()[0].counts;
        assert_eq!((counts.malformed, counts.identifies, counts.disconnects), (0, 1, 5), "{compression:?}");
        bot.stop().await;
    }
}

#[tokio::test]
async fn a_damaged_stream_is_counted_and_the_session_resumed() {
    for compression in [Compression::Zlib, Compression::Zstd] {
        let fake = Fake::bind().await;
        let bot = Bot::start(with(compression, Setup::of(&fake))).await;
        let mut peer = fake.begin(600_000).await;
        peer.message(2).await;
        bot.sink.has(1).await;
        let damaged = [7; 60].into_iter().chain([0, 0, 0xFF, 0xFF]).collect::<Vec<u8>>();
        peer.ws.send(Message::binary(damaged)).await.unwrap();
        let mut peer = fake.accept(600_000).await;
        let resume = peer.expect(6).await;
        assert_eq!(resume["d"]["seq"], 2);
        peer.resumed(3).await;
        peer.message(4).await;
        assert_eq!(bot.sink.has(2).await, [2, 4], "{compression:?}");
        let counts = bot.gateway.statuses()[0].counts;
        assert_eq!((counts.malformed, counts.disconnects, counts.identifies), (1, 1, 1), "{compression:?}");
        bot.stop().await;
    }
}

/// A payload may be spread over several messages, and text may come in between.
#[tokio::test]
async fn zlib_payloads_in_pieces_become_one_event() {
    let fake = Fake::bind().await;
    let bot = Bot::start(with(Compression::Zlib, Setup::of(&fake))).await;
    let mut peer = fake.begin(600_000).await;
    let mut stream = Compress::new(flate2::Compression::default(), true);
    for seq in 2..=20 {
        let mut payload = Vec::with_capacity(4096);
        stream.compress_vec(message(seq).as_bytes(), &mut payload, FlushCompress::Sync).unwrap();
        for piece in payload.chunks(64) {
            peer.ws.send(Message::binary(piece.to_vec())).await.unwrap();
        }
    }
    assert_eq!(bot.sink.has(19).await, (2..=20).collect::<Vec<u64>>());
    bot.stop().await;
}

#[tokio::test]
async fn what_the_sink_turns_away_by_its_text_is_accepted_and_never_decoded() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(600_000).await;
    for seq in 2..=5 {
        match seq {
            // It would not decode, either.
            3 => peer.raw(r#"{"t":"MESSAGE_CREATE","s":3,"op":0,"d":{"content":"nobody's business"}}"#).await,
            4 => peer.raw(r#"{"t":"MESSAGE_CREATE","s":4,"op":0,"d":{"content":"somebody's"}}"#).await,
            _ => peer.message(seq).await,
        }
    }
    assert_eq!(bot.sink.has(2).await, [2, 5]);
    let counts = bot.gateway.statuses()[0].counts;
    assert_eq!((counts.unwanted, counts.malformed, counts.delivered), (1, 1, 2), "{counts:?}");
    drop(peer);
    let mut peer = fake.accept(600_000).await;
    assert_eq!(peer.expect(6).await["d"]["seq"], 5, "an event that was turned away is not asked for again");
    bot.stop().await;
}
