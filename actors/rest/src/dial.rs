//! Opens TCP connections: to the addresses of a host side by side, each begun a moment after the one before.
//!
//! An address that says nothing costs the next one that moment only, and each keeps what is left of the whole time: long
//! enough for a lost SYN, which is sent again after a second. This is RFC 8305 ("Happy Eyeballs") without its two DNS
//! queries: the system resolves both families at once and says which comes first.

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use hyper::Uri;
use hyper_util::{
    client::legacy::connect::{
        HttpConnector,
        dns::{GaiResolver, Name},
    },
    rt::TokioIo,
};
use protocol::BoxFuture;
use std::{
    error::Error,
    io,
    net::{IpAddr, SocketAddr},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{net::TcpStream, time::sleep};
use tower_service::Service;

/// How long an address is alone with its attempt before the next one is tried as well (RFC 8305 §5 and §8).
pub(crate) const NEXT_AFTER: Duration = Duration::from_millis(250);
/// Addresses of a host that are tried. Discord has five.
const ADDRESSES_MAX: usize = 16;
/// How often an idle connection is probed, so that one whose other side is gone is closed before it is used.
const KEEPALIVE: Duration = Duration::from_secs(60);

type Failure = Box<dyn Error + Send + Sync>;
type Stream = TokioIo<TcpStream>;

/// Connects to the host of an address. Whoever asks sets the limit of time.
#[derive(Clone)]
pub(crate) struct Dial<R = GaiResolver> {
    resolver: R,
    /// Opens one address at a time, given as such.
    tcp: HttpConnector,
}

impl<R> Dial<R> {
    /// Asks `resolver` for addresses; without `nodelay`, small packets wait for acknowledgements of earlier ones.
    pub(crate) fn new(resolver: R, nodelay: bool) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(nodelay);
        tcp.set_keepalive(Some(KEEPALIVE));
        Self { resolver, tcp }
    }
}

impl<R> Service<Uri> for Dial<R>
where
    R: Service<Name> + Clone + Send + 'static,
    R::Response: Iterator<Item = SocketAddr> + Send,
    R::Error: Into<Failure>,
    R::Future: Send,
{
    type Response = Stream;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<Stream, Failure>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.resolver.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let Self { mut resolver, tcp } = self.clone();
        Box::pin(async move {
            let host = to.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
            let port = to.port_u16().unwrap_or(if to.scheme_str() == Some("https") { 443 } else { 80 });
            let addresses = match host.parse::<IpAddr>() {
                Ok(address) => vec![SocketAddr::new(address, port)],
                Err(_a_name) => {
                    let found = resolver.call(host.parse::<Name>()?).await.map_err(Into::into)?;
                    families_in_turn(found.map(|found| with_port(found, port)).collect())
                }
            };
            first(tcp, addresses).await
        })
    }
}

/// The first connection that is there; if there is none, the first error.
async fn first(mut tcp: HttpConnector, addresses: Vec<SocketAddr>) -> Result<Stream, Failure> {
    let mut waiting = addresses.into_iter();
    let mut tried = FuturesUnordered::new();
    let mut failure = None;
    loop {
        if let Some(address) = waiting.next() {
            tried.push(tcp.call(Uri::try_from(format!("http://{address}/"))?));
        }
        tokio::select! {
            done = tried.next() => match done {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => failure = failure.or(Some(error)),
                None => return Err(failure.map_or_else(|| io::Error::other("the host has no address").into(), Into::into)),
            },
            () = sleep(NEXT_AFTER), if !waiting.as_slice().is_empty() => {}
        }
    }
}

/// A resolver's port, where it names one (a test's does), else that of the address.
fn with_port(found: SocketAddr, port: u16) -> SocketAddr {
    SocketAddr::new(found.ip(), if found.port() == 0 { port } else { found.port() })
}

/// In the resolver's order, but one of each family after the other as long as there are both: a family that leads nowhere
/// costs no more than its first address (RFC 8305 §4).
fn families_in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let preferred = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (ones, others): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == preferred);
    let (mut ones, mut others) = (ones.into_iter(), others.into_iter());
    let pairs = std::iter::from_fn(|| {
        let pair = [ones.next(), others.next()];
        pair.iter().any(Option::is_some).then_some(pair)
    });
    pairs.flatten().flatten().take(ADDRESSES_MAX).collect()
}

#[cfg(test)]
mod tests;
