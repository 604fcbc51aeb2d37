//! Answers whose body is broken on order.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::{StreamExt, stream};

use super::request::Answer;
use super::server;
use crate::faults::RestFault;

/// Bytes of one piece of a body that never ends.
const PIECE: usize = 64 * 1024;

/// The answer as the fault wants it; faults that have acted already leave it as it is.
pub(crate) fn response(fault: &RestFault, answer: Answer, headers: HeaderMap) -> Response {
    let Answer { status, body } = answer;
    let text = || body.clone().unwrap_or_else(|| "{}".to_owned());
    let (status, body) = match fault {
        RestFault::Malformed => (200, Some(Body::from(malformed(&text())))),
        RestFault::CutBody => (status, Some(cut(&text()))),
        RestFault::SlowBody { millis } => (status, Some(slow(&text(), *millis))),
        RestFault::EndlessBody => (status, Some(endless())),
        RestFault::Status { .. } | RestFault::Delay { .. } | RestFault::Limited { .. } => {
            (status, body.map(Body::from))
        }
    };
    server::response(status, body, headers)
}

/// Half of the JSON, behind a bracket too many.
fn malformed(text: &str) -> String {
    let half = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{{{}", &text[..half])
}

/// Half of the body, then the connection breaks.
fn cut(text: &str) -> Body {
    let half = Bytes::copy_from_slice(&text.as_bytes()[..text.len() / 2]);
    Body::from_stream(stream::iter([Ok(half), Err(io::Error::other("cut on order"))]))
}

fn slow(text: &str, millis: u64) -> Body {
    let bytes = text.as_bytes().to_vec();
    Body::from_stream(stream::iter(bytes).then(move |byte| async move {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        Ok::<_, io::Error>(Bytes::copy_from_slice(&[byte]))
    }))
}

fn endless() -> Body {
    Body::from_stream(stream::repeat(Bytes::from(vec![b' '; PIECE])).map(Ok::<_, io::Error>))
}
