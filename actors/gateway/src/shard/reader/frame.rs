//! From a message of the socket to what it is for: the session, or a dispatch.

use super::{super::message::Control, Next, Reader};
use crate::{
    inflate::{Inflate, InflateError},
    scan::scan,
    status::count,
};
use serde::Deserialize;
use std::time::Duration;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

impl Reader {
    pub(super) async fn message(&mut self, message: Option<Result<Message, WsError>>, inflate: &mut Inflate) -> Next {
        match message {
            Some(Ok(Message::Text(text))) => self.frame(&text).await,
            Some(Ok(Message::Binary(bytes))) => match inflate.push(&bytes) {
                Ok(Some(text)) => self.frame(text).await,
                Ok(None) => self.alive(),
                Err(error @ InflateError::NotText(_)) => {
                    self.alive();
                    self.malformed("frame", Some(&error.to_string()));
                }
                Err(error) => {
                    self.malformed("frame", Some(&error.to_string()));
                    return Err(Control::Closed(None, error.to_string()));
                }
            },
            Some(Ok(Message::Close(frame))) => {
                let detail = frame.as_ref().map(|frame| frame.reason.to_string()).unwrap_or_default();
                return Err(Control::Closed(frame.map(|frame| frame.code.into()), detail));
            }
            Some(Ok(_)) => self.alive(),
            Some(Err(error)) => return Err(Control::Closed(None, error.to_string())),
            None => return Err(Control::Closed(None, "the connection ended".to_owned())),
        }
        Ok(())
    }

    async fn frame(&mut self, text: &str) {
        self.alive();
        let header = match scan(text) {
            Ok(header) => header,
            Err(_) => {
                self.malformed("frame", None);
                return;
            }
        };
        match header.op {
            0 => self.dispatch(&header).await,
            1 => self.tell(Control::Heartbeat).await,
            7 => self.tell(Control::Reconnect).await,
            9 => self.tell(Control::InvalidSession(header.decode().unwrap_or(false))).await,
            10 => match header.decode::<Hello>() {
                Ok(hello) => self.tell(Control::Hello(Duration::from_millis(hello.heartbeat_interval))).await,
                Err(_) => self.malformed("op-10", None),
            },
            11 => self.tell(Control::Ack).await,
            op => {
                count(&self.keeper.tally.unknown);
                tracing::debug!(shard.id = self.keeper.shard().0, op, "unknown opcode");
            }
        }
    }
}

#[derive(Deserialize)]
struct Hello {
    heartbeat_interval: u64,
}
