//! One connection: lines in, lines out, both bounded in size, number and time.

use crate::{
    calls,
    outbox::Outbox,
    seats::Seat,
    server::Shared,
    wire::{self, Code},
};
use futures_util::StreamExt;
use metering::control::CallOutcome;
use protocol::method::Peer;
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::{
    io::AsyncWriteExt,
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::{
    codec::{AnyDelimiterCodec, AnyDelimiterCodecError, FramedRead},
    sync::CancellationToken,
};

/// Requests of one connection that are under way; the next line is read when one of them has been answered.
pub(crate) const CALLS_MAX: u32 = 16;
/// How long answers may still take once the channel closes.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(1);

/// Why reading ended.
enum End {
    /// The peer said all it had to say: what is under way is still answered.
    Peer,
    /// The channel closes: what is under way has [`STOP_GRACE`].
    Closing,
    /// The peer broke a bound; the line says which.
    Bound(String),
}

/// Serves `stream` until either side ends.
pub(crate) async fn serve(stream: UnixStream, peer: Peer, shared: Arc<Shared>, closing: CancellationToken, seat: Seat) {
    let (read, write) = stream.into_split();
    let (outbox, permits) = (Arc::clone(&seat.outbox), Arc::clone(&seat.permits));
    let mut tasks = JoinSet::new();

    let sending = send(write, &outbox, shared.config.idle());
    let receiving = async {
        let end = tokio::select! {
            end = receive(read, &peer, &shared, &seat, &mut tasks) => end,
            () = closing.cancelled() => End::Closing,
        };
        let grace = match end {
            End::Peer => calls::CALL_DEADLINE,
            End::Closing => STOP_GRACE,
            End::Bound(why) => {
                outbox.answer(wire::failure(Value::Null, Code::Limit, why, None), None);
                STOP_GRACE
            }
        };
        // Each permit comes back when its answer has been written.
        let answered = permits.acquire_many(CALLS_MAX);
        tokio::select! {
            _ = timeout(grace, answered) => {}
            () = async { closing.cancelled().await; sleep(STOP_GRACE).await } => {}
        }
        outbox.close();
    };
    tokio::pin!(sending, receiving);
    tokio::select! {
        () = &mut receiving => timeout(STOP_GRACE, sending).await.unwrap_or_default(),
        () = &mut sending => {} // the peer is gone or takes nothing: nobody is left to answer
    }
}

/// Writes what the outbox holds until it is closed and empty, or the peer takes nothing for `patience`.
async fn send(mut write: OwnedWriteHalf, outbox: &Outbox, patience: Duration) {
    while let Some((mut line, permit)) = outbox.next().await {
        line.push('\n');
        match timeout(patience, write.write_all(line.as_bytes())).await {
            Ok(Ok(())) => drop(permit),
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

async fn receive(read: OwnedReadHalf, peer: &Peer, shared: &Arc<Shared>, seat: &Seat, tasks: &mut JoinSet<()>) -> End {
    let (outbox, permits) = (&seat.outbox, &seat.permits);
    let line_max = shared.config.line_max;
    let mut lines =
        FramedRead::new(read, AnyDelimiterCodec::new_with_max_length(b"\n".to_vec(), b"\n".to_vec(), line_max));
    loop {
        // Only whole lines count as saying something: dripping bytes keeps no connection open.
        let line = tokio::select! {
            biased; // what has been said is answered before the seat is given up
            line = timeout(shared.config.idle(), lines.next()) => line,
            () = seat.wanted() => return End::Bound("closed: idle, and another connection needed the place".to_owned()),
        };
        seat.heard();
        let line = match line {
            Err(_) if outbox.subscriptions() > 0 => continue,
            Err(_) => return End::Bound(format!("closed: no line within {} ms", shared.config.idle_ms)),
            Ok(None | Some(Err(AnyDelimiterCodecError::Io(_)))) => return End::Peer,
            Ok(Some(Err(AnyDelimiterCodecError::MaxChunkLengthExceeded))) => {
                return End::Bound(format!("closed: a line may have at most {line_max} bytes"));
            }
            Ok(Some(Ok(line))) => line,
        };
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let Ok(permit) = Arc::clone(permits).acquire_owned().await else { return End::Closing };
        while tasks.try_join_next().is_some() {} // forget the finished ones
        match wire::parse(&line) {
            Ok(request) => calls::serve(request, peer, shared, outbox, tasks, permit).await,
            Err(answer) => {
                metering::control::call(metering::Name::UNKNOWN, CallOutcome::Invalid, 0.0);
                outbox.answer(answer, Some(permit));
            }
        }
    }
}
