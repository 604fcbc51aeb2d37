use super::*;
use hyper_util::client::legacy::connect::dns::Name;
use reqwest::header::HeaderMap;
use std::{
    convert::Infallible,
    future::{Ready, ready},
    io::Write as _,
    net::SocketAddr,
    task::Poll,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc,
};

/// A server that hands every connection over.
async fn serve() -> (Wire, mpsc::Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/api/v10", listener.local_addr().unwrap()).parse().unwrap();
    let (taken, connections) = mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if taken.send(stream).await.is_err() {
                return;
            }
        }
    });
    (Wire::new(&base).unwrap(), connections)
}

fn get() -> Outgoing {
    Outgoing { method: Method::GET, path: "/api/v10/gateway".to_owned(), headers: HeaderMap::new(), body: None }
}

/// The body of an answer.
async fn whole(wire: &Wire) -> Result<Vec<u8>, Broken> {
    wire.carry(get()).await?.body.await
}

/// Reads one request and answers it.
async fn answer(stream: &mut TcpStream, headers: &str, body: &[u8]) {
    respond(stream, "200 OK", headers, body).await;
}

/// The same with another status; gives the request's head.
async fn respond(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(stream.read_u8().await.unwrap());
    }
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let (wire, mut connections) = serve().await;
    let server = tokio::spawn(async move {
        let mut stream = connections.recv().await.unwrap();
        for _ in 0..20 {
            answer(&mut stream, "", b"{}").await;
        }
        assert!(connections.try_recv().is_err(), "another connection was opened");
    });
    for _ in 0..20 {
        assert_eq!(whole(&wire).await.unwrap(), b"{}");
    }
    server.await.unwrap();
}

#[tokio::test]
async fn a_kept_connection_that_the_other_side_ended_is_not_used_again() {
    let (wire, mut connections) = serve().await;
    let server = tokio::spawn(async move {
        answer(&mut connections.recv().await.unwrap(), "", b"1").await; // and ends it without a word
        let mut second = connections.recv().await.unwrap();
        answer(&mut second, "connection: close\r\n", b"2").await;
        answer(&mut connections.recv().await.unwrap(), "", b"3").await;
        second
    });
    assert_eq!(whole(&wire).await.unwrap(), b"1");
    while wire.idle().iter_mut().any(Idle::is_good) {
        tokio::task::yield_now().await; // until the kernel has told
    }
    assert_eq!(whole(&wire).await.unwrap(), b"2");
    assert!(wire.idle().is_empty(), "what the other side wants to end is not kept");
    assert_eq!(whole(&wire).await.unwrap(), b"3");
    server.await.unwrap();
}

/// The other side may end it after it was looked at and before the request is on it.
#[tokio::test]
async fn a_request_that_finds_its_kept_connection_ended_comes_back_unsent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let wire = Wire::new(&format!("http://{address}/api/v10").parse().unwrap()).unwrap();
    let near = TcpStream::connect(address).await.unwrap().into_std().unwrap();
    let twin = near.try_clone().unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    let stream = MaybeHttpsStream::Http(TokioIo::new(TcpStream::from_std(near).unwrap()));
    let (sender, connection) = http1::handshake(stream).await.unwrap();
    let mut link = Link { sender, connection: Some(Box::pin(connection)) };
    let once = async {
        let response = link.send(wire.request(get()).unwrap()).await.unwrap();
        link.read(response.into_body()).await.unwrap()
    };
    let (body, ()) = tokio::join!(once, answer(&mut far, "", b"1"));
    assert_eq!(body, b"1");
    drop(far);
    TcpStream::from_std(twin).unwrap().readable().await.unwrap(); // the kernel has told
    let sent = timeout(CONNECT_TIMEOUT, link.send(wire.request(get()).unwrap())).await;
    let mut error = sent.expect("it waits on a connection that is over").unwrap_err();
    assert!(error.take_message().is_some(), "{}", error.error());
}

/// A resolver that knows these addresses only.
#[derive(Clone)]
struct Known(Vec<SocketAddr>);

impl tower_service::Service<Name> for Known {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        ready(Ok(self.0.clone().into_iter()))
    }
}

#[tokio::test]
async fn an_address_that_does_not_answer_leaves_time_for_the_next_one() {
    // Its queue is full with one connection that nobody takes: to the next one it says nothing.
    let silent = TcpSocket::new_v4().unwrap();
    silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let silent = silent.listen(0).unwrap();
    let silent_address = silent.local_addr().unwrap();
    let _first = std::net::TcpStream::connect(silent_address).unwrap();
    let answering = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addresses = vec![silent_address, answering.local_addr().unwrap()];
    let connector = TowerToHyperService::new(tcp(Known(addresses.clone()), true));
    let began = Instant::now();
    let made = timeout(CONNECT_TIMEOUT, connector.call(Uri::from_static("http://host/"))).await;
    let stream = made.expect("the second address is never tried").unwrap();
    assert_eq!(stream.inner().peer_addr().unwrap(), addresses[1]);
    assert!(began.elapsed() >= CONNECT_TIMEOUT / 2, "the first address answered");
}

#[tokio::test]
async fn a_request_that_its_caller_gave_up_takes_its_connection_with_it() {
    let (wire, mut connections) = serve().await;
    let given_up = tokio::time::timeout(Duration::from_millis(50), wire.carry(get())).await;
    assert!(given_up.is_err());
    let mut first = connections.recv().await.unwrap();
    let mut sent = Vec::new();
    first.read_to_end(&mut sent).await.unwrap(); // ends, since the connection has
    assert!(sent.starts_with(b"GET /api/v10/gateway HTTP/1.1\r\n") && wire.idle().is_empty());
}

#[tokio::test]
async fn what_is_compressed_is_read_and_bounded() {
    let packed = |text: &[u8]| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text).unwrap();
        packer.finish().unwrap()
    };
    let (wire, mut connections) = serve().await;
    let bodies = [packed(b"[1,2]"), packed(&vec![b' '; BODY_MAX + 1]), b"no gzip".to_vec()];
    let server = tokio::spawn(async move {
        let mut stream = connections.recv().await.unwrap();
        for body in &bodies {
            answer(&mut stream, "content-encoding: gzip\r\n", body).await;
        }
    });
    assert_eq!(whole(&wire).await.unwrap(), b"[1,2]");
    assert_eq!(whole(&wire).await.err(), Some(Broken::TooLarge));
    assert!(matches!(whole(&wire).await, Err(Broken::Lost(_))));
    server.await.unwrap();
}

#[tokio::test]
async fn what_a_head_says_holds_whatever_became_of_the_body() {
    let (wire, mut connections) = serve().await;
    let answers: [(&str, &[u8]); 6] = [
        ("204 No Content", b""),
        ("304 Not Modified", b""),
        ("502 Bad Gateway", b""),
        ("401 Unauthorized", b"no gzip"),
        ("403 Forbidden", b"no gzip"),
        ("429 Too Many Requests", b"no gzip"),
    ];
    let server = tokio::spawn(async move {
        let mut stream = connections.recv().await.unwrap();
        for (status, body) in answers {
            respond(&mut stream, status, "content-encoding: gzip\r\nretry-after: 7\r\n", body).await;
        }
        let no_end = "retry-after: 7\r\ntransfer-encoding: chunked\r\nx-";
        respond(&mut stream, "429 Too Many Requests", no_end, b"").await; // and its connection ends
    });
    for (status, body) in answers {
        let arrival = wire.carry(get()).await.map_err(|broken| format!("{status}: {broken:?}")).unwrap();
        assert!(status.starts_with(&arrival.status.to_string()), "{status}");
        assert_eq!(arrival.headers["retry-after"], "7");
        assert_eq!(arrival.body.await.is_ok(), body.is_empty(), "{status}");
    }
    let arrival = wire.carry(get()).await.map_err(|broken| format!("{broken:?}")).unwrap();
    assert_eq!((arrival.status, &arrival.headers["retry-after"]), (429, &HeaderValue::from_static("7")));
    assert!(matches!(arrival.body.await, Err(Broken::Lost(_))));
    server.await.unwrap();
}

#[tokio::test]
async fn a_request_that_could_have_a_body_and_has_none_says_so() {
    let (wire, mut connections) = serve().await;
    let cases = [
        (Method::PUT, true),
        (Method::POST, true),
        (Method::PATCH, true),
        (Method::DELETE, false),
        (Method::GET, false),
    ];
    let server = tokio::spawn(async move {
        let mut stream = connections.recv().await.unwrap();
        let mut heads = Vec::new();
        for _ in 0..5 {
            heads.push(respond(&mut stream, "204 No Content", "", b"").await);
        }
        heads
    });
    for (method, _) in &cases {
        let arrival = wire.carry(Outgoing { method: method.clone(), ..get() }).await;
        arrival.map_err(|broken| format!("{broken:?}")).unwrap().body.await.unwrap();
    }
    for (head, (method, said)) in server.await.unwrap().iter().zip(&cases) {
        assert_eq!(head.matches("content-length: 0\r\n").count(), usize::from(*said), "{method}: {head}");
    }
}
