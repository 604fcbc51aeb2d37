//! Opens the WebSocket and turns its messages into frame texts.

use crate::hosts::{AddressError, AllowHosts};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Error as WsError, protocol::WebSocketConfig},
};

/// An open connection.
pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A frame larger than this ends the connection: GUILD_CREATE of the largest guilds is about 20 MB.
const FRAME_MAX_BYTES: usize = 64 << 20;

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
    #[error("{0}")]
    Refused(#[from] Box<WsError>),
    /// It took too long.
    #[error("no connection within {} ms", .0.as_millis())]
    Timeout(Duration),
}

impl ConnectError {
    /// Whether our own rules forbid it, so that trying again cannot help.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Address(_))
    }
}

/// Opens a connection to `address`, if `allowed`.
pub(crate) async fn connect(address: &str, allowed: &AllowHosts, limit: Duration) -> Result<Socket, ConnectError> {
    let uri = allowed.admit(address)?;
    let config =
        WebSocketConfig::default().max_message_size(Some(FRAME_MAX_BYTES)).max_frame_size(Some(FRAME_MAX_BYTES));
    let opening = connect_async_with_config(uri, Some(config), true);
    match tokio::time::timeout(limit, opening).await {
        Ok(Ok((socket, _response))) => Ok(socket),
        Ok(Err(error)) => Err(Box::new(error).into()),
        Err(_elapsed) => Err(ConnectError::Timeout(limit)),
    }
}

/// The transport compression of a connection: the seam for zlib-stream and zstd-stream.
#[derive(Debug, Default)]
pub(crate) enum Inflate {
    /// None: every binary message is a JSON text.
    #[default]
    Plain,
}

impl Inflate {
    /// Takes one binary message; a text once it is complete.
    ///
    /// # Errors
    /// When it is not text.
    pub(crate) fn push<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<&'a str>, std::str::Utf8Error> {
        match self {
            Self::Plain => std::str::from_utf8(bytes).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Also shows that a TLS provider is there: without one rustls panics when its first connection is made.
    #[tokio::test]
    async fn a_failed_tls_handshake_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("wss://{}", listener.local_addr().unwrap());
        let hangs_up = tokio::spawn(async move { drop(listener.accept().await) });
        let hosts = AllowHosts::new(["127.0.0.1".to_owned()]);
        let refused = connect(&address, &hosts, Duration::from_secs(20)).await;
        assert!(matches!(refused, Err(ConnectError::Refused(_))), "{:?}", refused.err());
        hangs_up.await.unwrap();
    }

    #[tokio::test]
    async fn a_server_that_never_answers_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("ws://{}", listener.local_addr().unwrap());
        let hosts = AllowHosts::new(["127.0.0.1".to_owned()]);
        let silent = connect(&address, &hosts, Duration::from_millis(50)).await;
        assert!(matches!(silent, Err(ConnectError::Timeout(_))), "{:?}", silent.err());
    }
}
