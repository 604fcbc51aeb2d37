//! Opens the WebSocket.

use crate::{
    config::Compression,
    hosts::{AddressError, AllowHosts},
};
use futures_util::StreamExt;
use std::time::Duration;
use tokio::{net::TcpStream, time::Instant};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{Error as WsError, protocol::WebSocketConfig},
};

/// An open connection.
pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A frame larger than this ends the connection: GUILD_CREATE of the largest guilds is about 20 MB.
pub(crate) const FRAME_MAX_BYTES: usize = 64 << 20;

/// Why a connection was not opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Its address is refused by our own rules.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The address is not known at the moment.
    #[error("where the gateway is: {0}")]
    Unknown(#[from] protocol::ports::NotNow),
    /// The network or the other end refused.
    #[error("{}", told(.0))]
    Refused(#[from] Box<WsError>),
    /// It took too long.
    #[error("no connection within {} ms", .0.as_millis())]
    Timeout(Duration),
}

/// With a remedy where the words alone would send an operator looking in the wrong place.
fn told(error: &WsError) -> String {
    let text = error.to_string();
    match text.contains("certificate") {
        true => format!(
            "{text}; see to this machine's clock, to whatever stands between it and Discord, and to [discord].gateway_url"
        ),
        false => text,
    }
}

impl ConnectError {
    /// Whether our own rules forbid it, so that trying again cannot help.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Address(_))
    }
}

/// Read at once. The library zeroes this much before each read: with its own 128 KiB a quiet connection, which is read
/// event by event, spent more on that than on the events, and threw everything else out of the processor's cache.
const READ_BYTES: usize = 16 << 10;

/// How a connection is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening {
    /// How long it may take.
    pub(crate) limit: Duration,
    /// What is asked for.
    pub(crate) compression: Compression,
    /// Who vouches for certificates in place of the authorities that browsers trust: a test that makes its own.
    #[cfg(test)]
    pub(crate) roots: Option<&'static rustls::RootCertStore>,
}

impl Opening {
    /// Certificates as browsers trust them.
    pub(crate) const fn new(limit: Duration, compression: Compression) -> Self {
        Self {
            limit,
            compression,
            #[cfg(test)]
            roots: None,
        }
    }

    /// What a TLS connection is made with; none: the library's own, which trusts whom browsers trust.
    #[cfg(not(test))]
    fn connector(self) -> Option<Connector> {
        None
    }

    #[cfg(test)]
    fn connector(self) -> Option<Connector> {
        let config = rustls::ClientConfig::builder().with_root_certificates(self.roots?.clone()).with_no_client_auth();
        Some(Connector::Rustls(std::sync::Arc::new(config)))
    }
}

/// Opens a connection to `address`, if `allowed`.
pub(crate) async fn connect(address: &str, allowed: &AllowHosts, how: Opening) -> Result<Socket, ConnectError> {
    let limit = how.limit;
    let uri = match (allowed.admit(address)?, how.compression.parameter()) {
        (uri, None) => uri,
        (uri, Some(compress)) => {
            let longer = format!("{uri}&compress={compress}");
            longer.parse().map_err(|_unreadable| AddressError::NotAnAddress(address.to_owned()))?
        }
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .max_message_size(Some(FRAME_MAX_BYTES))
        .max_frame_size(Some(FRAME_MAX_BYTES));
    let opening = connect_async_tls_with_config(uri, Some(config), true, how.connector());
    match tokio::time::timeout(limit, opening).await {
        Ok(Ok((socket, _response))) => Ok(socket),
        Ok(Err(error)) => Err(Box::new(error).into()),
        Err(_elapsed) => Err(ConnectError::Timeout(limit)),
    }
}

/// How long it takes until the gateway at `address` has said HELLO: network, TLS, WebSocket and its first frame. Nothing is
/// sent, so that no session is spent.
///
/// # Errors
/// When it is not `allowed`, cannot be reached, or says nothing within `limit`.
pub async fn greeting(address: &str, allowed: &AllowHosts, limit: Duration) -> Result<Duration, ConnectError> {
    let began = Instant::now();
    let mut socket = connect(address, allowed, Opening::new(limit, Compression::None)).await?;
    let first = tokio::time::timeout(limit, socket.next()).await.map_err(|_elapsed| ConnectError::Timeout(limit))?;
    first.unwrap_or(Err(WsError::ConnectionClosed)).map_err(Box::new)?;
    let took = began.elapsed();
    let closing = socket.close(None);
    tokio::time::timeout(limit, closing).await.ok(); // it is of no use any more, whatever the other end makes of that
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn within(limit: Duration) -> Opening {
        Opening::new(limit, Compression::Zlib)
    }

    /// Also shows that a TLS provider is there: without one rustls panics when its first connection is made.
    #[tokio::test]
    async fn a_failed_tls_handshake_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("wss://{}", listener.local_addr().unwrap());
        let hangs_up = tokio::spawn(async move { drop(listener.accept().await) });
        let hosts = AllowHosts::new(["127.0.0.1".to_owned()]);
        let refused = connect(&address, &hosts, within(Duration::from_secs(20))).await;
        assert!(matches!(refused, Err(ConnectError::Refused(_))), "{:?}", refused.err());
        hangs_up.await.unwrap();
    }

    #[tokio::test]
    async fn a_server_that_never_answers_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("ws://{}", listener.local_addr().unwrap());
        let hosts = AllowHosts::new(["127.0.0.1".to_owned()]);
        let silent = connect(&address, &hosts, within(Duration::from_millis(50))).await;
        assert!(matches!(silent, Err(ConnectError::Timeout(_))), "{:?}", silent.err());
    }
}
