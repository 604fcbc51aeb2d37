//! The sandbox as its users hold it: a thread with two listening sockets.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::serve::ListenerExt;
use tokio_util::sync::CancellationToken;

use crate::config::{SandboxConfig, SandboxError};
use crate::gateway;
use crate::rest;
use crate::seed;
use crate::shared::{Shared, State};

/// A running stand-in. Its thread and sockets end when it is dropped.
///
/// Every method can be called from any thread; none blocks longer than a turn of the state, except those
/// named `wait`.
pub struct Sandbox {
    pub(crate) shared: Arc<Shared>,
    pub(crate) config: Arc<SandboxConfig>,
    rest: SocketAddr,
    gateway: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Sandbox {
    /// Builds the world, binds two ports of 127.0.0.1 and starts serving on a thread of its own.
    ///
    /// # Errors
    /// [`SandboxError::Start`] when no socket or thread can be had.
    pub fn start(config: SandboxConfig) -> Result<Sandbox, SandboxError> {
        let config = Arc::new(config);
        let world = seed::world(&config).map_err(|error| SandboxError::Seed(error.message))?;
        let (rest_listener, rest) = bind()?;
        let (gateway_listener, gateway) = bind()?;
        let shared = Shared::new(State::new(Arc::clone(&config), world, format!("ws://{gateway}")));
        #[cfg(feature = "validate")]
        let shared = shared.judged(&config)?;
        let shared = Arc::new(shared);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = CancellationToken::new();
        let (serving, stopped) = (Arc::clone(&shared), stop.clone());
        let thread = std::thread::Builder::new().name("sandbox".to_owned()).spawn(move || {
            runtime.block_on(async {
                let served = serve(rest_listener, gateway_listener, serving);
                tokio::select! {
                    () = stopped.cancelled() => {}
                    result = served => if let Err(error) = result {
                        tracing::error!(%error, "the sandbox stopped serving");
                    }
                }
            });
        })?;
        Ok(Sandbox { shared, config, rest, gateway, stop, thread: Some(thread) })
    }

    /// Base address of the REST API: `http://127.0.0.1:PORT/api/v10`.
    pub fn api_base(&self) -> String {
        format!("http://{}{}", self.rest, rest::server::API)
    }

    /// Address of the gateway: `ws://127.0.0.1:PORT`.
    pub fn gateway_url(&self) -> String {
        format!("ws://{}", self.gateway)
    }

    /// The only bot token that is accepted.
    pub fn token(&self) -> String {
        self.config.token.clone()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the sandbox's thread panicked");
        }
    }
}

fn bind() -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

async fn serve(rest_listener: TcpListener, gateway_listener: TcpListener, shared: Arc<Shared>) -> std::io::Result<()> {
    let rest_listener = tokio::net::TcpListener::from_std(rest_listener)?.tap_io(|stream| {
        stream.set_nodelay(true).ok(); // Only latency is lost where it cannot be set.
    });
    let gateway_listener = tokio::net::TcpListener::from_std(gateway_listener)?;
    let router = rest::server::router(Arc::clone(&shared));
    tokio::select! {
        result = async { axum::serve(rest_listener, router).await } => result,
        () = gateway::server::serve(gateway_listener, shared) => Ok(()),
    }
}
