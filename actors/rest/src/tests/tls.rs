//! Over TLS, as with Discord: a server on loopback with a certificate made for the test.

use super::fake::{access, config, preflight};
use crate::{Access, Past, Preflight, Rest, RestError, wire::Wire};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::{
    ProtocolVersion, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::Acceptor,
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::LazyConfigAcceptor;

/// What the server saw.
#[derive(Debug, PartialEq)]
enum Saw {
    /// A client's greeting: the host's name and the protocols that it offers (ALPN).
    Hello { name: Option<String>, offers: Option<Vec<String>> },
    /// The client left before the handshake was done.
    Left,
    /// A request, on a connection of this version and with this protocol agreed on.
    Request { version: Option<ProtocolVersion>, agreed: Option<String> },
}

struct Server {
    access: Access,
    certificate: CertificateDer<'static>,
    saw: Arc<Mutex<Vec<Saw>>>,
}

impl Server {
    /// On `localhost`, with a certificate for `name`.
    async fn start(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()]; // as Discord's edge speaks
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut access = access(&format!("https://localhost:{}/api/v10", listener.local_addr().unwrap().port()));
        access.allow_hosts = vec!["localhost".to_owned()];
        let saw = Arc::<Mutex<Vec<Saw>>>::default();
        tokio::spawn({
            let saw = Arc::clone(&saw);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, Arc::clone(&config), Arc::clone(&saw)));
                }
            }
        });
        Self { access, certificate, saw }
    }

    /// A client that trusts this server's certificate.
    fn trusted(&self) -> Rest {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let wire = Wire::trusting(roots, &self.access.api_base.parse().unwrap()).unwrap();
        Rest::connect(config(), &self.access, Arc::new(wire), Past::none()).unwrap()
    }

    /// Asks; the only request is refused with one sentence, which must name the host and `reason`.
    async fn is_refused_by(&self, rest: &Rest, reason: &str) {
        let error = rest.ping(Duration::from_secs(10)).await.unwrap_err();
        assert!(matches!(error, RestError::Unreachable(_)), "{error:?}");
        let (said, host) = (error.to_string(), &self.access.api_base["https://".len()..].replace("/api/v10", ""));
        println!("{said}");
        assert!(said.contains(host) && said.contains("not trusted") && said.contains(reason), "{said}");
        assert!(!said.contains("canary") && !said.contains("/api"), "{said}");
        while self.saw.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
        let saw = std::mem::take(&mut *self.saw.lock().unwrap());
        assert!(
            matches!(&saw[..], [Saw::Hello { .. }, Saw::Left]),
            "it was tried again, or something was sent: {saw:?}"
        );
    }
}

async fn serve(stream: TcpStream, config: Arc<ServerConfig>, saw: Arc<Mutex<Vec<Saw>>>) {
    let note = |what| saw.lock().unwrap().push(what);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let greeted = LazyConfigAcceptor::new(Acceptor::default(), stream).await.unwrap();
    let hello = greeted.client_hello();
    let offers = hello.alpn().map(|offers| offers.map(text).collect());
    note(Saw::Hello { name: hello.server_name().map(str::to_owned), offers });
    let Ok(mut stream) = greeted.into_stream(config).await else { return note(Saw::Left) };
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if head.ends_with(b"\r\n\r\n") {
            let (_, session) = stream.get_ref();
            note(Saw::Request { version: session.protocol_version(), agreed: session.alpn_protocol().map(text) });
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
            head.clear();
        }
    }
    if !head.is_empty() || !saw.lock().unwrap().iter().any(|saw| matches!(saw, Saw::Request { .. })) {
        note(Saw::Left);
    }
}

#[tokio::test]
async fn one_tls_connection_serves_one_request_after_another_and_no_protocol_is_offered() {
    let server = Server::start("localhost", |_| {}).await;
    let rest = server.trusted();
    for _ in 0..5 {
        rest.ping(Duration::from_secs(10)).await.unwrap();
    }
    let saw = server.saw.lock().unwrap();
    assert_eq!(saw[0], Saw::Hello { name: Some("localhost".to_owned()), offers: None });
    assert_eq!(saw.len(), 6, "each request makes a connection: {saw:?}");
    for request in &saw[1..] {
        assert_eq!(*request, Saw::Request { version: Some(ProtocolVersion::TLSv1_3), agreed: None });
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused_once_and_nothing_is_sent() {
    let server = Server::start("localhost", |_| {}).await;
    let rest = Rest::standalone(config(), &server.access).unwrap();
    server.is_refused_by(&rest, "UnknownIssuer").await;
    server.is_refused_by(&rest, "UnknownIssuer").await; // the next request tries, and nothing stands in its way
    let unknown = preflight(&server.access).await;
    assert!(matches!(&unknown, Preflight::Unknown(said) if said.contains("localhost")), "{unknown:?}");
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused_once_and_nothing_is_sent() {
    let server = Server::start("elsewhere.example", |_| {}).await;
    server.is_refused_by(&server.trusted(), "not valid for name \"localhost\"").await;
}

#[tokio::test]
async fn a_certificate_that_is_over_is_refused_once_and_nothing_is_sent() {
    let server = Server::start("localhost", |params| params.not_after = date_time_ymd(2001, 1, 1)).await;
    server.is_refused_by(&server.trusted(), "expired").await;
}
