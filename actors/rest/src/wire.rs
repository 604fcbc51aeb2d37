//! Connections to Discord: hyper's, kept and used again, driven by whoever waits for an answer.
//!
//! The task that sends a request also moves its connection's bytes: no other task has to be woken to write it, nor to bring
//! its answer. On one core that is worth more than the time of the work itself.

mod tls;

use crate::transport::{Arrival, BODY_MAX, Broken, Outgoing, Transport};
use flate2::read::MultiGzDecoder;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, Uri,
    body::{Body as _, Bytes, Incoming},
    client::conn::{
        TrySendError,
        http1::{self, Connection, SendRequest},
    },
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HOST, HeaderValue, USER_AGENT},
    service::Service as _,
};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{
    client::legacy::connect::{HttpConnector, dns::GaiResolver},
    rt::TokioIo,
    service::TowerToHyperService,
};
use protocol::BoxFuture;
use reqwest::Url;
use rustls::{ClientConfig, ConfigBuilder, client::WantsClientCert};
use std::{
    error::Error,
    io::Read as _,
    pin::{Pin, pin},
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
    time::Duration,
};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

/// How long a connection may take to be made: name, whichever of its addresses, and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept: a new one costs a quiet bot two to three round trips before its answer. Routers
/// and load balancers forget connections after 350 s and Discord's edge closes them after 400 s; this stays below both,
/// so that no request is written to a connection that the other side has given up.
const IDLE_TIMEOUT: Duration = Duration::from_secs(240);
/// How often an idle connection is probed, so that one whose other side is gone is closed before it is used.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// How often idle connections are looked through for those that are over.
const TIDY_EVERY: Duration = Duration::from_secs(30);
/// Idle connections kept; more than the requests of one second are never needed.
const IDLE_MAX: usize = 64;
/// Discord asks for this form: `DiscordBot ($url, $version)`.
const AGENT: &str = concat!("DiscordBot (impresario, ", env!("CARGO_PKG_VERSION"), ")");

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
type Body = Full<Bytes>;

/// HTTP/1.1 to one host. It follows no redirect, uses no proxy from the environment and never waits for a connection for
/// ever.
pub(crate) struct Wire {
    connector: TowerToHyperService<HttpsConnector<HttpConnector>>,
    origin: Uri,
    host: HeaderValue,
    /// The one that was used last at the end.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    link: Link,
    since: Instant,
}

/// One connection.
struct Link {
    sender: SendRequest<Body>,
    /// None: it is over.
    connection: Option<Pin<Box<Connection<Stream, Body>>>>,
}

impl Wire {
    /// To the host of `base`; connects when the first request is carried.
    pub(crate) fn new(base: &Url) -> Result<Self, String> {
        Self::with(base, true)
    }

    /// The same; without `nodelay`, small packets wait for acknowledgements of earlier ones.
    pub(crate) fn with(base: &Url, nodelay: bool) -> Result<Self, String> {
        Self::over(tls::client()?.with_webpki_roots(), base, nodelay)
    }

    /// To a host that shows a certificate of a test's own.
    #[cfg(test)]
    pub(crate) fn trusting(roots: rustls::RootCertStore, base: &Url) -> Result<Self, String> {
        Self::over(tls::client()?.with_root_certificates(roots), base, true)
    }

    fn over(trust: ConfigBuilder<ClientConfig, WantsClientCert>, base: &Url, nodelay: bool) -> Result<Self, String> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(trust.with_no_client_auth())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp(GaiResolver::new(), nodelay));
        let host = match (base.host_str(), base.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => return Err("the address names no host".to_owned()),
        };
        let origin = format!("{}://{host}/", base.scheme()).parse();
        Ok(Self {
            connector: TowerToHyperService::new(connector),
            origin: origin.map_err(|error| format!("the address cannot be used: {error}"))?,
            host: HeaderValue::from_str(&host).map_err(|_| "the host's name is no header".to_owned())?,
            idle: Mutex::default(),
        })
    }

    /// Drops idle connections that are over, until it is dropped itself.
    pub(crate) async fn tidy(&self) {
        loop {
            tokio::time::sleep(TIDY_EVERY).await;
            self.idle().retain_mut(Idle::is_good);
        }
    }

    async fn exchange(&self, outgoing: Outgoing) -> Result<Arrival<'_>, Broken> {
        let mut request = self.request(outgoing)?;
        loop {
            let kept = self.take();
            let is_kept = kept.is_some();
            let mut link = match kept {
                Some(link) => link,
                None => self.connect().await?,
            };
            match link.send(request).await {
                Ok(response) => return Ok(self.arrival(link, response)),
                Err(mut error) => match error.take_message() {
                    // The other side ended this connection before anything was written: it goes over another one.
                    Some(unsent) if is_kept => request = unsent,
                    Some(_) => return Err(Broken::NotSent(chain(error.error()))),
                    None => return Err(Broken::Lost(chain(error.error()))),
                },
            }
        }
    }

    fn request(&self, outgoing: Outgoing) -> Result<Request<Body>, Broken> {
        let Outgoing { method, path, headers, body } = outgoing;
        let uri = Uri::try_from(path).map_err(|_| Broken::NotSent("the path makes no address".to_owned()))?;
        // A request that could have a body and does not say that it has none may be answered 411 (RFC 9110 §8.6, §15.5.12).
        let is_empty =
            body.as_ref().is_none_or(Vec::is_empty) && matches!(method, Method::POST | Method::PUT | Method::PATCH);
        let mut request = Request::new(Full::new(body.map_or_else(Bytes::new, Bytes::from)));
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, uri, headers);
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        if is_empty {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Ok(request)
    }

    async fn connect(&self) -> Result<Link, Broken> {
        let made = timeout(CONNECT_TIMEOUT, self.connector.call(self.origin.clone())).await;
        let stream = made
            .map_err(|_| Broken::NotSent(format!("no connection within {} s", CONNECT_TIMEOUT.as_secs())))?
            .map_err(|error| self.unconnected(&*error))?;
        let (sender, connection) = http1::handshake(stream).await.map_err(|error| Broken::NotSent(chain(&error)))?;
        Ok(Link { sender, connection: Some(Box::pin(connection)) })
    }

    fn unconnected(&self, error: &(dyn Error + 'static)) -> Broken {
        let Some(reason) = tls::refused_certificate(error) else { return Broken::NotSent(chain(error)) };
        let host = self.host.to_str().unwrap_or("the host");
        Broken::Untrusted(format!(
            "{host} shows a certificate that is not trusted ({reason}): see to this machine's clock and to what stands between"
        ))
    }

    fn arrival(&self, mut link: Link, response: Response<Incoming>) -> Arrival<'_> {
        let (head, incoming) = response.into_parts();
        let coding = head.headers.get(CONTENT_ENCODING);
        let packed = coding.is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"gzip"));
        let body = Box::pin(async move {
            let body = link.read(incoming).await?;
            self.put_back(link);
            if packed && !body.is_empty() { inflate(&body) } else { Ok(body) }
        });
        Arrival { status: head.status.as_u16(), headers: head.headers, body }
    }

    fn take(&self) -> Option<Link> {
        let mut all = self.idle();
        std::iter::from_fn(|| all.pop()).find_map(|mut idle| idle.is_good().then_some(idle.link))
    }

    fn put_back(&self, link: Link) {
        let mut idle = Idle { link, since: Instant::now() };
        if idle.is_good() {
            let mut all = self.idle();
            all.push(idle);
            if all.len() > IDLE_MAX {
                all.remove(0);
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for Wire {
    fn carry(&self, outgoing: Outgoing) -> BoxFuture<'_, Result<Arrival<'_>, Broken>> {
        Box::pin(self.exchange(outgoing))
    }
}

impl Idle {
    /// Whether a request can go over it: not too old, and not ended by the other side as far as the kernel has told.
    fn is_good(&mut self) -> bool {
        self.link.drive(&mut Context::from_waker(Waker::noop()));
        self.link.connection.is_some() && self.link.sender.is_ready() && self.since.elapsed() < IDLE_TIMEOUT
    }
}

impl Link {
    /// Moves bytes in both directions as far as they go. How a connection ended is told to the request that is on it.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if self.connection.as_mut().is_some_and(|connection| connection.as_mut().poll(cx).is_ready()) {
            // One that ended cleanly still holds a request that it had not yet begun: it comes back as the connection goes.
            self.connection = None;
        }
    }

    async fn send(&mut self, request: Request<Body>) -> Result<Response<Incoming>, TrySendError<Request<Body>>> {
        let mut response = pin!(self.sender.try_send_request(request));
        std::future::poll_fn(|cx| {
            self.drive(cx);
            response.as_mut().poll(cx)
        })
        .await
    }

    async fn read(&mut self, mut incoming: Incoming) -> Result<Vec<u8>, Broken> {
        let mut body = Vec::new();
        loop {
            let frame = std::future::poll_fn(|cx| {
                self.drive(cx);
                Pin::new(&mut incoming).poll_frame(cx)
            });
            match frame.await {
                None => return Ok(body),
                Some(Err(error)) => return Err(Broken::Lost(chain(&error))),
                Some(Ok(frame)) => {
                    let Ok(part) = frame.into_data() else { continue };
                    if body.len() + part.len() > BODY_MAX {
                        return Err(Broken::TooLarge);
                    }
                    body.extend_from_slice(&part);
                }
            }
        }
    }
}

fn tcp<R>(resolver: R, nodelay: bool) -> HttpConnector<R> {
    let mut tcp = HttpConnector::new_with_resolver(resolver);
    tcp.enforce_http(false);
    tcp.set_nodelay(nodelay);
    tcp.set_keepalive(Some(KEEPALIVE));
    // The addresses of a family share it: without, one that does not answer would use up all the time there is. Discord's
    // five have a second each, after which a SYN that was lost would be sent again: the next address gets it instead.
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp
}

fn inflate(body: &[u8]) -> Result<Vec<u8>, Broken> {
    let mut text = Vec::new();
    let mut bounded = MultiGzDecoder::new(body).take(BODY_MAX as u64 + 1);
    bounded.read_to_end(&mut text).map_err(|error| Broken::Lost(format!("the answer is no gzip: {error}")))?;
    if text.len() > BODY_MAX { Err(Broken::TooLarge) } else { Ok(text) }
}

/// The error with its causes: most sentences name none.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests;
