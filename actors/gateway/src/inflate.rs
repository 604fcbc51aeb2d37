//! Transport compression: one stream for the life of a connection, one flushed piece of it for each payload.
//!
//! Discord's two kinds differ in how a payload's end is told: a zlib stream ends each with the flush marker
//! `00 00 FF FF` and may spread one over several WebSocket messages; of a zstd stream each message is a whole payload.

#[cfg(test)]
mod tests;

use crate::{config::Compression, socket::FRAME_MAX_BYTES};
use flate2::{Decompress, FlushDecompress, Status};
use std::str::Utf8Error;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

/// How zlib marks the end of a flushed piece.
const FLUSHED: [u8; 4] = [0, 0, 0xFF, 0xFF];
/// Buffers larger than this are given back after the payload that needed them; an ordinary guild fits.
const KEPT_BYTES: usize = 128 << 10;
/// The least that a buffer grows by.
const STEP_BYTES: usize = 16 << 10;
/// The largest zstd window that is taken: the 8 MiB that every decoder should support (RFC 8878, 3.1.1.1.2).
const WINDOW_LOG_MAX: u32 = 23;

/// Why a binary message gave no text.
#[derive(Debug, thiserror::Error)]
pub enum InflateError {
    /// What came out is no text. The stream itself is sound.
    #[error("a payload is not text")]
    NotText(#[from] Utf8Error),
    /// The stream is damaged: nothing after this can be read.
    #[error("the compressed stream is damaged")]
    Corrupt,
    /// One payload is larger than any of Discord's.
    #[error("a payload is larger than {} MiB", FRAME_MAX_BYTES >> 20)]
    TooLarge,
}

/// What reads the binary messages of one connection.
pub enum Inflate {
    /// Every binary message is a JSON text.
    Plain,
    /// `compress=zlib-stream`.
    Zlib(Box<Zlib>),
    /// `compress=zstd-stream`.
    Zstd(Box<Zstd>),
}

impl Inflate {
    /// For a new connection.
    pub fn new(compression: Compression) -> Self {
        match compression.resolved() {
            Compression::Zlib => Self::Zlib(Box::new(Zlib {
                stream: Decompress::new(true),
                pieces: Vec::new(),
                out: Vec::new(),
                max: FRAME_MAX_BYTES,
            })),
            Compression::Zstd => Self::Zstd(Box::new(Zstd { stream: None, out: Vec::new(), max: FRAME_MAX_BYTES })),
            Compression::Auto | Compression::None => Self::Plain,
        }
    }

    /// Takes one binary message; a text once it is complete.
    ///
    /// # Errors
    /// [`InflateError`]; after any but [`InflateError::NotText`] the connection is of no use.
    pub fn push<'a>(&'a mut self, bytes: &'a [u8]) -> Result<Option<&'a str>, InflateError> {
        let text = match self {
            Self::Plain => bytes,
            Self::Zlib(zlib) => match zlib.push(bytes)? {
                Some(text) => text,
                None => return Ok(None),
            },
            Self::Zstd(zstd) => zstd.push(bytes)?,
        };
        Ok(Some(std::str::from_utf8(text)?))
    }
}

/// A zlib stream.
pub struct Zlib {
    stream: Decompress,
    /// A payload's messages as long as its last has not come.
    pieces: Vec<u8>,
    out: Vec<u8>,
    max: usize,
}

impl Zlib {
    fn push(&mut self, bytes: &[u8]) -> Result<Option<&[u8]>, InflateError> {
        let complete = bytes.ends_with(&FLUSHED);
        if complete && self.pieces.is_empty() {
            self.inflate(bytes)?;
            return Ok(Some(&self.out));
        }
        if self.pieces.len() + bytes.len() > self.max {
            return Err(InflateError::TooLarge);
        }
        self.pieces.extend_from_slice(bytes);
        // The marker itself may be spread over two messages.
        if !self.pieces.ends_with(&FLUSHED) {
            return Ok(None);
        }
        let pieces = std::mem::take(&mut self.pieces);
        self.inflate(&pieces)?;
        Ok(Some(&self.out))
    }

    fn inflate(&mut self, piece: &[u8]) -> Result<(), InflateError> {
        begin(&mut self.out);
        let (mut used, before) = (0, self.stream.total_in());
        loop {
            room(&mut self.out, self.max)?;
            let status = self.stream.decompress_vec(&piece[used..], &mut self.out, FlushDecompress::Sync);
            used = usize::try_from(self.stream.total_in() - before).map_err(|_| InflateError::Corrupt)?;
            match status {
                // Discord's stream has no end.
                Err(_) | Ok(Status::StreamEnd) => return Err(InflateError::Corrupt),
                // Room left over means that nothing is held back.
                Ok(Status::Ok | Status::BufError) if used == piece.len() && self.out.len() < self.out.capacity() => {
                    return within(&self.out, self.max);
                }
                Ok(Status::BufError) if self.out.len() < self.out.capacity() => return Err(InflateError::Corrupt),
                Ok(Status::Ok | Status::BufError) => {}
            }
        }
    }
}

/// A zstd stream; it gets its memory with the first message.
pub struct Zstd {
    stream: Option<Decoder<'static>>,
    out: Vec<u8>,
    max: usize,
}

impl Zstd {
    fn push(&mut self, bytes: &[u8]) -> Result<&[u8], InflateError> {
        begin(&mut self.out);
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(decoder()?),
        };
        let mut input = InBuffer::around(bytes);
        loop {
            room(&mut self.out, self.max)?;
            let (before, at) = (self.out.len(), input.pos);
            let mut output = OutBuffer::around_pos(&mut self.out, before);
            stream.run(&mut input, &mut output).map_err(|_damaged| InflateError::Corrupt)?;
            if input.pos == bytes.len() && self.out.len() < self.out.capacity() {
                within(&self.out, self.max)?;
                return Ok(&self.out);
            }
            if input.pos == at && self.out.len() == before {
                return Err(InflateError::Corrupt);
            }
        }
    }
}

fn decoder() -> Result<Decoder<'static>, InflateError> {
    let mut stream = Decoder::new().map_err(|_no_memory| InflateError::Corrupt)?;
    stream.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX)).map_err(|_refused| InflateError::Corrupt)?;
    Ok(stream)
}

/// Empties the buffer for the next payload.
fn begin(out: &mut Vec<u8>) {
    out.clear();
    out.shrink_to(KEPT_BYTES);
}

/// Makes room for more of a payload.
fn room(out: &mut Vec<u8>, max: usize) -> Result<(), InflateError> {
    within(out, max)?;
    if out.len() == out.capacity() {
        out.reserve(out.capacity().max(STEP_BYTES));
    }
    Ok(())
}

fn within(out: &[u8], max: usize) -> Result<(), InflateError> {
    if out.len() > max { Err(InflateError::TooLarge) } else { Ok(()) }
}
