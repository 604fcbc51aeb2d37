//! The least program that answers: what the machine, the loopback and the stand-in take of a reply, whoever gives it. It reads
//! frames with the same WebSocket library, looks for a command's text and writes a request that was made beforehand.

use crate::Failure;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::Message;

const BODY: &str = r#"{"content":"Pong!","tts":false,"embeds":[]}"#;
const COMMAND: &str = r#""content":"!ping""#;
const CHANNEL: &str = r#""channel_id":""#;
/// Answers of the stand-in are below 1 KB.
const ANSWER_MAX: usize = 8192;

/// Answers every `!ping` of `gateway` at `api` until the connection ends: no session, no limits, no cache.
///
/// # Errors
/// When either connection breaks.
pub(crate) async fn answer(gateway: &str, api: &str) -> Result<(), Failure> {
    let (mut socket, _) = tokio_tungstenite::connect_async(gateway).await?;
    let (host, base) = api.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or("no such API")?;
    let mut rest = TcpStream::connect(host).await?;
    rest.set_nodelay(true)?;
    let mut read = vec![0; ANSWER_MAX];
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else { continue };
        if text.contains(COMMAND) {
            let channel = text.split_once(CHANNEL).and_then(|(_, rest)| rest.split_once('"')).ok_or("no channel")?.0;
            let request = format!(
                "POST /{base}/channels/{channel}/messages HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\n\r\n{BODY}",
                BODY.len()
            );
            rest.write_all(request.as_bytes()).await?;
            // The stand-in writes head and body at once.
            if rest.read(&mut read).await? == 0 {
                return Err("the stand-in has gone".into());
            }
        } else if text.contains(r#""op":10"#) {
            socket.send(Message::text(r#"{"op":2,"d":null}"#)).await?;
        } else if text.contains(r#""op":1,"#) {
            socket.send(Message::text(r#"{"op":1,"d":null}"#)).await?;
        }
    }
    Ok(())
}
