use super::*;
use std::{
    convert::Infallible,
    future::{Ready, ready},
    io::ErrorKind,
};
use tokio::{
    net::{TcpListener, TcpSocket},
    time::{Instant, timeout},
};

/// A resolver that knows these addresses only.
#[derive(Clone)]
struct Known(Vec<SocketAddr>);

impl Service<Name> for Known {
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

async fn dial(addresses: Vec<SocketAddr>) -> Result<SocketAddr, Failure> {
    let stream = Dial::new(Known(addresses), true).call(Uri::from_static("http://host/")).await?;
    Ok(stream.inner().peer_addr()?)
}

/// A listener whose queue is full with one connection that nobody takes: to the next one it says nothing.
fn silent() -> (TcpListener, std::net::TcpStream, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, std::net::TcpStream::connect(address).unwrap(), address)
}

#[tokio::test(start_paused = true)]
async fn four_addresses_that_say_nothing_cost_the_fifth_one_second() {
    let dead: Vec<_> = (0..4).map(|_| silent()).collect();
    let answering = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut addresses: Vec<_> = dead.iter().map(|(_, _, address)| *address).collect();
    addresses.push(answering.local_addr().unwrap());
    let began = Instant::now();
    let reached = timeout(Duration::from_secs(5), dial(addresses.clone())).await;
    assert_eq!(reached.expect("the fifth address is never tried").unwrap(), addresses[4]);
    assert!((NEXT_AFTER * 4..NEXT_AFTER * 5).contains(&began.elapsed()), "{:?}", began.elapsed());
}

/// In real time: the kernel repeats a SYN that nobody took after one second.
#[tokio::test]
async fn an_address_that_misses_the_first_packet_is_still_tried_when_it_comes_again() {
    let all: Vec<_> = (0..5).map(|_| silent()).collect();
    let addresses: Vec<_> = all.iter().map(|(_, _, address)| *address).collect();
    let dialled = tokio::spawn(timeout(Duration::from_secs(5), dial(addresses.clone())));
    tokio::time::sleep(NEXT_AFTER / 2).await; // the first packet is lost by then
    all[0].0.accept().await.unwrap(); // room for one
    assert_eq!(dialled.await.unwrap().expect("it was given up").unwrap(), addresses[0]);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_refuses_costs_the_next_one_nothing_and_the_first_error_is_told() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let answering = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let began = Instant::now();
    let here = answering.local_addr().unwrap();
    assert_eq!(dial(vec![gone, gone, here]).await.unwrap(), here);
    assert_eq!(began.elapsed(), Duration::ZERO);
    let error = dial(vec![gone, gone]).await.unwrap_err();
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    assert_eq!(cause, Some(ErrorKind::ConnectionRefused), "{error}");
    assert!(dial(Vec::new()).await.unwrap_err().to_string().contains("no address"));
}

#[tokio::test]
async fn an_address_in_place_of_a_name_is_not_looked_up() {
    let answering = TcpListener::bind("[::1]:0").await.unwrap();
    let here = answering.local_addr().unwrap();
    let to = Uri::try_from(format!("http://{here}/")).unwrap();
    let stream = Dial::new(Known(Vec::new()), true).call(to).await.unwrap();
    assert_eq!(stream.inner().peer_addr().unwrap(), here);
}

#[test]
fn families_take_turns_in_the_resolvers_order_and_addresses_are_bounded() {
    let all = |text: &str| text.split(' ').map(|one| one.parse().unwrap()).collect::<Vec<SocketAddr>>();
    let found = all("[::1]:1 [::2]:1 [::3]:1 1.1.1.1:1 2.2.2.2:1");
    assert_eq!(families_in_turn(found), all("[::1]:1 1.1.1.1:1 [::2]:1 2.2.2.2:1 [::3]:1"));
    let found = all("1.1.1.1:1 2.2.2.2:1 [::1]:1");
    assert_eq!(families_in_turn(found), all("1.1.1.1:1 [::1]:1 2.2.2.2:1"));
    let many = (0..200).map(|n| SocketAddr::from(([10, 0, 0, n], 1))).collect();
    assert_eq!(families_in_turn(many).len(), ADDRESSES_MAX);
}
