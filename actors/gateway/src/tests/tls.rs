//! Over TLS, as with Discord: a gateway on loopback with a certificate made for the test. G22: a certificate that is not
//! trusted.

use super::fake::*;
use crate::{GatewayConfig, Phase};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

struct Server {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    certificate: CertificateDer<'static>,
    url: String,
}

impl Server {
    /// On `localhost`, with a certificate for `name`.
    async fn start(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap().der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.clone()], key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("wss://localhost:{}", listener.local_addr().unwrap().port());
        Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)), certificate, url }
    }

    /// A bot for it, which trusts whom browsers trust, or this server's certificate.
    fn setup(&self, is_trusted: bool) -> Setup {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let roots = is_trusted.then(|| &*Box::leak(Box::new(roots)));
        Setup { hosts: vec!["localhost".into()], roots, ..Setup::at(self.url.clone()) }
    }

    /// The next connection, up to HELLO.
    async fn accept(&self) -> Peer<TlsStream<TcpStream>> {
        let (stream, _) = soon("a connection", self.listener.accept()).await.unwrap();
        let stream = soon("a handshake", self.acceptor.accept(stream)).await.unwrap();
        assert_eq!(stream.get_ref().1.server_name(), Some("localhost"));
        Peer::greet(stream, 40_000).await
    }

    /// The next connection, which has to be ended by the bot before it says anything.
    async fn is_refused(&self) -> Instant {
        let (stream, _) = soon("a connection", self.listener.accept()).await.unwrap();
        let at = Instant::now();
        // In TLS 1.3 the server is done before the client has looked at the certificate.
        if let Ok(mut stream) = soon("a handshake", self.acceptor.accept(stream)).await {
            let mut said = Vec::new();
            soon("its end", stream.read_to_end(&mut said)).await.unwrap_err();
            assert_eq!(said, b"", "it spoke with somebody that it cannot trust");
        }
        at
    }
}

#[tokio::test]
async fn a_session_begins_is_lost_and_is_resumed_over_tls() {
    let server = Server::start("localhost").await;
    let bot = Bot::start(server.setup(true)).await;
    let mut peer = server.accept().await;
    assert_eq!(peer.expect(2).await["d"]["token"], "token");
    peer.ready(&server.url).await;
    peer.message(2).await;
    bot.sink.has(1).await;
    drop(peer);
    let mut peer = server.accept().await;
    assert_eq!(peer.expect(6).await["d"]["seq"], 2);
    peer.message(3).await;
    peer.resumed(4).await;
    assert_eq!(bot.sink.has(2).await, [2, 3]);
    eventually("online", || bot.gateway.statuses()[0].state == Phase::Online).await;
    assert_eq!(bot.gateway.statuses()[0].counts.identifies, 1);
    bot.stop().await;
}

/// Tries four times, ever more rarely, sends nothing, and says why.
async fn is_refused(what: &str, server: &Server, is_trusted: bool, reason: &str) {
    const LEAST: Duration = Duration::from_millis(20);
    let setup = server.setup(is_trusted);
    let config = GatewayConfig { reconnect_min_ms: 20, reconnect_max_ms: 10_000, ..setup.config.clone() };
    let bot = Bot::start(Setup { config, ..setup }).await;
    let mut tries = Vec::new();
    for _ in 0..4 {
        tries.push(server.is_refused().await);
    }
    let waits: Vec<Duration> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (nth, wait) in (0..).zip(&waits) {
        // Half of the full wait at least, which doubles; the clock of a timer counts in whole milliseconds.
        let least = LEAST * 2_u32.pow(nth) / 2 - Duration::from_millis(1);
        assert!(*wait >= least, "{what}: wait {nth} of {waits:?}");
    }
    eventually("the last is told of", || bot.gateway.statuses()[0].counts.dials_failed >= 4).await;
    let counts = bot.gateway.statuses()[0].counts;
    let said = bot.reports.all().last().map(|report| report.message.clone()).unwrap_or_default();
    println!("G22 fault={what} identifies={} waits={waits:?} said={said:?}", counts.identifies);
    assert!(said.contains(reason), "{said}");
    assert_eq!((counts.identifies, counts.disconnects), (0, 0));
    assert_eq!(bot.tree.node(&"gateway/shard-0".into()).unwrap().incarnation, 1, "it is no crash");
    bot.stop().await;
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_gets_no_token_and_is_tried_ever_more_rarely() {
    let server = Server::start("localhost").await;
    is_refused("untrusted", &server, false, "UnknownIssuer").await;
}

#[tokio::test]
async fn a_certificate_for_another_host_gets_no_token_and_is_tried_ever_more_rarely() {
    let server = Server::start("elsewhere.example").await;
    is_refused("foreign", &server, true, "not valid for name \"localhost\"").await;
}
