//! Transport compression: what reading an event costs, and how many bytes carry it, without and with each kind.
//!
//! One thread writes frames made beforehand to a real WebSocket on loopback; another, on the other core, reads them with
//! the gateway's inflater and header scan. Its processor time is the kernel's account of that thread, in nanoseconds.
//! Discord does not tell its levels: zlib's default (6), and zstd's (3) with a window of 256 KiB.
//!
//! `cargo bench -p benches --bench transport -- [--runs N] [--events N]`

use benches::{
    Failure,
    events::stream,
    figures::{median, spread},
    option, scale, usage,
};
use flate2::{Compress, FlushCompress};
use futures_util::StreamExt as _;
use gateway::{Compression, inflate::Inflate, scan::scan};
use std::{
    io::Write as _,
    net::{TcpListener, TcpStream},
    process::ExitCode,
    thread,
};
use tokio_tungstenite::tungstenite::{self, Message};
use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation, OutBuffer};

const SEED: u64 = 1;
/// Different events; they are sent over and over.
const DISTINCT: u64 = 20_000;
const CHUNK: usize = 256 << 10;
const WINDOW_LOG: u32 = 18;

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("transport: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), Failure> {
    let count =
        |name: &str, full: u64, small| option(name).and_then(|n| u64::try_from(n).ok()).unwrap_or(scale(full, small));
    let (runs, events) = (count("--runs", 5, 1), count("--events", 200_000, 300));
    let texts = texts(events);
    let kinds = [("none", Compression::None), ("zlib", Compression::Zlib), ("zstd", Compression::Zstd)];
    let frames = kinds.map(|(_, kind)| frames(&texts, kind));
    let [plain, zlib, zstd] = frames;
    let frames = [plain?, zlib?, zstd?];
    let mut costs = [const { Vec::new() }; 3];
    for _ in 0..runs {
        for (at, (_, kind)) in kinds.iter().enumerate() {
            costs[at].push(cost(&frames[at], *kind, events)?);
        }
    }
    println!("seed {SEED}, {events} events, read and scanned, not decoded");
    println!("{:<12} {:>12} {:>22} {:>8}", "compression", "bytes/event", "CPU us/event", "/none");
    let none = median(&costs[0]);
    for (at, (name, _)) in kinds.iter().enumerate() {
        let bytes = frames[at].len() as f64 / events as f64;
        println!("{name:<12} {bytes:>12.0} {:>22} {:>8.2}", spread(&costs[at], 2), median(&costs[at]) / none);
    }
    Ok(())
}

fn texts(events: u64) -> Vec<String> {
    let distinct = stream(SEED, DISTINCT.min(events), 1000, 10);
    let frame = |(event, seq): (&benches::events::Event, u64)| {
        format!(r#"{{"t":"{}","s":{seq},"op":0,"d":{}}}"#, event.kind, event.data)
    };
    distinct.iter().cycle().zip(1..=events).map(frame).collect()
}

/// The frames as they stand on the wire.
fn frames(texts: &[String], kind: Compression) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    let mut zlib = Compress::new(flate2::Compression::default(), true);
    let mut zstd = Encoder::new(3)?;
    zstd.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
    for text in texts {
        match kind {
            Compression::Zlib => {
                let mut payload = Vec::with_capacity(text.len() + 64);
                zlib.compress_vec(text.as_bytes(), &mut payload, FlushCompress::Sync)?;
                frame(&mut out, 0x82, &payload)?;
            }
            Compression::Zstd => {
                let mut payload = Vec::with_capacity(text.len() + 64);
                zstd.run(&mut InBuffer::around(text.as_bytes()), &mut OutBuffer::around(&mut payload))?;
                let at = payload.len();
                if zstd.flush(&mut OutBuffer::around_pos(&mut payload, at))? > 0 {
                    return Err("a payload that grew".into());
                }
                frame(&mut out, 0x82, &payload)?;
            }
            Compression::None | Compression::Auto => frame(&mut out, 0x81, text.as_bytes())?,
        }
    }
    frame(&mut out, 0x88, &1000_u16.to_be_bytes())?;
    Ok(out)
}

/// A whole frame, unmasked as servers send.
fn frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) -> Result<(), Failure> {
    out.push(opcode);
    match u8::try_from(payload.len()) {
        Ok(short @ 0..126) => out.push(short),
        _ => {
            out.push(126);
            out.extend_from_slice(&u16::try_from(payload.len())?.to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
    Ok(())
}

/// Processor time of the reading thread for each event, in microseconds.
fn cost(frames: &[u8], kind: Compression, events: u64) -> Result<f64, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("ws://{}", listener.local_addr()?);
    thread::scope(|scope| {
        let reader = scope.spawn(move || {
            usage::pin(0);
            read(&url, kind)
        });
        usage::pin(1);
        let (stream, _) = listener.accept()?;
        let mut socket: TcpStream = tungstenite::accept(stream)?.into_inner();
        for chunk in frames.chunks(CHUNK) {
            socket.write_all(chunk)?;
        }
        let (seen, nanos) = reader.join().map_err(|_| "the reader panicked")??;
        if seen != events {
            return Err(format!("{seen} of {events} events were read").into());
        }
        Ok(nanos as f64 / 1e3 / events as f64)
    })
}

fn read(url: &str, kind: Compression) -> Result<(u64, u64), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await?;
        let (mut inflate, mut seen, before) = (Inflate::new(kind), 0, usage::thread_nanos()?);
        while let Some(message) = socket.next().await {
            seen += match message? {
                Message::Text(text) => u64::from(scan(&text)?.kind.is_some()),
                Message::Binary(bytes) => match inflate.push(&bytes)? {
                    Some(text) => u64::from(scan(text)?.kind.is_some()),
                    None => 0,
                },
                _ => break,
            };
        }
        Ok((seen, usage::thread_nanos()? - before))
    })
}
