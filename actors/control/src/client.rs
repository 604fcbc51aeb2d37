//! The other end: connects, calls, subscribes.

use crate::{
    lock::FileLock,
    socket::{BindError, PATH_MAX, check_length, lock_path},
};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::net::UnixStream;
use tokio_util::codec::{Framed, LinesCodec, LinesCodecError};

/// How long connecting may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// How long an answer may take; longer than the server's own deadline, so that its sentence wins.
const ANSWER_DEADLINE: Duration = Duration::from_secs(65);
/// Longest answer that is read, in bytes; a tree of 10,000 actors has about 5 MB.
const ANSWER_MAX: usize = 64 << 20;
/// Notifications kept while an answer is waited for.
const AHEAD_MAX: usize = 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no instance is running (nobody listens on {}); start one with `impresario run` or `impresario try`", path.display())]
    NotRunning {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A Unix socket address has no room for the path.
    #[error("the path {} has {length} bytes, a control socket's has {PATH_MAX} at most: name a shorter one with --socket", path.display())]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// An instance holds the lock beside the socket, but nobody listens on it.
    #[error(
        "an instance{} runs, but nobody listens on {}: its socket was removed (it binds anew within seconds: try again) \
         or its control channel is stopped or parked (its log says which; SIGTERM stops it in order)",
        pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default(),
        path.display()
    )]
    Deaf {
        /// The socket.
        path: PathBuf,
        /// Its process id, where it is known.
        pid: Option<u32>,
    },
    /// The system does not let us connect.
    #[error("the control socket {} is not ours to use: run this as the user that runs the bot", path.display())]
    Denied {
        /// The socket.
        path: PathBuf,
    },
    /// The instance answered with an error.
    #[error("{message}")]
    Refused {
        /// JSON-RPC code, see [`crate::Code`].
        code: i64,
        /// One sentence.
        message: String,
        /// Machine-readable detail.
        data: Option<Value>,
    },
    /// The connection ended before the answer.
    #[error("the connection ended before the answer: {0}")]
    Lost(String),
    /// What came is no JSON-RPC.
    #[error("what listens on the socket does not speak the control protocol: {0}")]
    Malformed(String),
    /// No answer in time.
    #[error("no answer within {} s; it may still be carried out", ANSWER_DEADLINE.as_secs())]
    Deadline,
}

/// A connection to a running instance.
#[derive(Debug)]
pub struct Client {
    lines: Framed<UnixStream, LinesCodec>,
    ahead: VecDeque<Value>,
    next_id: u64,
}

/// What a subscription brings.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamItem {
    /// One item.
    Item(Value),
    /// This many items were lost because they were not read fast enough.
    Lost(u64),
}

/// A subscription; it ends with the connection.
#[derive(Debug)]
pub struct Subscription {
    client: Client,
    number: u64,
}

impl Client {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`], [`ClientError::Deaf`], [`ClientError::TooLong`], [`ClientError::Denied`],
    /// [`ClientError::Lost`].
    pub async fn connect(path: &Path) -> Result<Self, ClientError> {
        if let Err(BindError::TooLong { path, length }) = check_length(path) {
            return Err(ClientError::TooLong { path, length });
        }
        let connecting = tokio::time::timeout(CONNECT_DEADLINE, UnixStream::connect(path)).await;
        let stream = connecting.map_err(|_| ClientError::Deadline)?.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory => {
                let path = path.to_owned();
                match FileLock::holder(&lock_path(&path)) {
                    Some(pid) => ClientError::Deaf { path, pid },
                    None => ClientError::NotRunning { path },
                }
            }
            io::ErrorKind::PermissionDenied => ClientError::Denied { path: path.to_owned() },
            _ => ClientError::Lost(error.to_string()),
        })?;
        let lines = Framed::new(stream, LinesCodec::new_with_max_length(ANSWER_MAX));
        Ok(Self { lines, ahead: VecDeque::new(), next_id: 1 })
    }

    /// Calls `method` and waits for its result.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with what the instance said; the others when there is no answer.
    pub async fn call(&mut self, method: &str, params: Value) -> Result<Value, ClientError> {
        let id = self.next_id;
        self.next_id += 1;
        let mut request = json!({"jsonrpc": "2.0", "id": id, "method": method});
        if !params.is_null() {
            request["params"] = params;
        }
        // A refusal of the connection itself may already be waiting when sending fails: it is the better answer.
        let sent = self.lines.send(request.to_string()).await;
        tokio::time::timeout(ANSWER_DEADLINE, self.answer(id)).await.unwrap_or(Err(ClientError::Deadline)).map_err(
            |error| match (error, sent) {
                (ClientError::Lost(_), Err(first)) => ClientError::Lost(first.to_string()),
                (error, _) => error,
            },
        )
    }

    /// Subscribes to a stream method.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn subscribe(mut self, method: &str, params: Value) -> Result<Subscription, ClientError> {
        let answer = self.call(method, params).await?;
        let number = answer["subscription"]
            .as_u64()
            .ok_or_else(|| ClientError::Malformed(format!("{method} is not a stream")))?;
        Ok(Subscription { client: self, number })
    }

    async fn answer(&mut self, id: u64) -> Result<Value, ClientError> {
        loop {
            let mut line = self.line().await?.ok_or_else(|| ClientError::Lost("it was closed".to_owned()))?;
            if line.get("method").is_some() {
                if self.ahead.len() < AHEAD_MAX {
                    self.ahead.push_back(line);
                }
                continue;
            }
            // An error without an id concerns the whole connection.
            if line["id"] != json!(id) && !(line["id"].is_null() && line.get("error").is_some()) {
                continue;
            }
            if let Some(error) = line.get("error") {
                let message = error["message"].as_str().unwrap_or("refused without a reason").to_owned();
                let code = error["code"].as_i64().unwrap_or_default();
                return Err(ClientError::Refused { code, message, data: error.get("data").cloned() });
            }
            return match line.get_mut("result") {
                Some(result) => Ok(result.take()),
                None => Err(ClientError::Malformed("an answer without a result".to_owned())),
            };
        }
    }

    async fn line(&mut self) -> Result<Option<Value>, ClientError> {
        match self.lines.next().await {
            None => Ok(None),
            Some(Ok(line)) => {
                serde_json::from_str(&line).map(Some).map_err(|error| ClientError::Malformed(error.to_string()))
            }
            Some(Err(LinesCodecError::Io(error))) => Err(ClientError::Lost(error.to_string())),
            Some(Err(error)) => Err(ClientError::Malformed(error.to_string())),
        }
    }
}

impl Subscription {
    /// The next item; `None` when the stream or the connection has ended.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn next(&mut self) -> Result<Option<StreamItem>, ClientError> {
        loop {
            let line = match self.client.ahead.pop_front() {
                Some(line) => line,
                None => match self.client.line().await? {
                    Some(line) => line,
                    None => return Ok(None),
                },
            };
            let Some(params) = line.get("params") else { continue };
            if params["subscription"] != json!(self.number) {
                continue;
            }
            if let Some(item) = params.get("item") {
                return Ok(Some(StreamItem::Item(item.clone())));
            }
            if let Some(lost) = params["lost"].as_u64() {
                return Ok(Some(StreamItem::Lost(lost)));
            }
            return Ok(None);
        }
    }
}
