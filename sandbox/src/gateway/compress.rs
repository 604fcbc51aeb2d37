//! Compression of what is sent (Discord documentation, "Encoding and Compression"): two kinds for a whole
//! connection, asked for in its address, and one for single payloads, asked for in IDENTIFY.

use std::io::{Error, Read};

use flate2::bufread::ZlibEncoder;
use flate2::{Compress, Compression, FlushCompress};
use zstd::stream::raw::{Encoder, InBuffer, Operation, OutBuffer};

/// Payloads from so many bytes on are compressed when IDENTIFY asks for it. Discord says only that not all
/// are; the number is the sandbox's own.
const PAYLOAD_MIN: usize = 512;
/// Level of zstd: the fastest that is not negative.
const ZSTD_LEVEL: i32 = 1;

/// The transport compression that a connection asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// One zlib stream for the life of the connection.
    Zlib,
    /// One zstd stream for the life of the connection.
    Zstd,
}

/// What compresses the payloads of one connection.
pub(crate) enum Compressor {
    None,
    Zlib(Compress),
    Zstd(Box<Encoder<'static>>),
}

impl Compressor {
    /// # Errors
    /// When zstd cannot have its context.
    pub(crate) fn new(transport: Option<Transport>) -> Result<Compressor, Error> {
        Ok(match transport {
            None => Compressor::None,
            Some(Transport::Zlib) => Compressor::Zlib(Compress::new(Compression::fast(), true)),
            Some(Transport::Zstd) => Compressor::Zstd(Box::new(Encoder::new(ZSTD_LEVEL)?)),
        })
    }

    /// One payload as the connection carries it; `None` when it goes as plain text. `by_payload` is what
    /// IDENTIFY asked for, which transport compression overrides.
    pub(crate) fn payload(&mut self, text: &[u8], by_payload: bool) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Compressor::None if by_payload && text.len() >= PAYLOAD_MIN => document(text).map(Some),
            Compressor::None => Ok(None),
            Compressor::Zlib(context) => deflate(context, text).map(Some),
            Compressor::Zstd(context) => squeeze(context, text).map(Some),
        }
    }
}

/// One payload of a zlib stream; it ends with the flush marker 00 00 FF FF.
fn deflate(context: &mut Compress, text: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(text.len() / 2 + 64);
    let begin = context.total_in();
    loop {
        let used = usize::try_from(context.total_in() - begin).unwrap_or(usize::MAX).min(text.len());
        context.compress_vec(&text[used..], &mut out, FlushCompress::Sync)?;
        let done = context.total_in() - begin == text.len() as u64;
        // Room left in the buffer means that the flush is out as well.
        if done && out.len() < out.capacity() {
            return Ok(out);
        }
        out.reserve(text.len() / 2 + 64);
    }
}

/// One payload of a zstd stream, flushed, so that it can be read without what follows.
fn squeeze(context: &mut Encoder<'_>, text: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(text.len() / 2 + 64);
    let mut input = InBuffer::around(text);
    while input.pos < text.len() {
        append(&mut out, |buffer| context.run(&mut input, buffer))?;
    }
    while append(&mut out, |buffer| context.flush(buffer))? > 0 {}
    Ok(out)
}

/// Lets `step` write behind what `out` holds already; the value is what `step` says is still to come.
fn append(
    out: &mut Vec<u8>,
    step: impl FnOnce(&mut OutBuffer<'_, Vec<u8>>) -> Result<usize, Error>,
) -> Result<usize, Error> {
    if out.len() == out.capacity() {
        out.reserve(out.len().max(64));
    }
    let written = out.len();
    let mut buffer = OutBuffer::around_pos(out, written);
    step(&mut buffer)
}

/// A zlib document of its own.
fn document(text: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(text.len() / 4 + 64);
    ZlibEncoder::new(text, Compression::fast()).read_to_end(&mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use flate2::{Decompress, FlushDecompress};
    use zstd::stream::raw::Decoder;

    use super::*;

    const SIZES: [usize; 8] = [0, 1, 63, 64, 65, 1_000, 100_000, 3_000_000];

    fn text(size: usize) -> Vec<u8> {
        (0..size).map(|n| (n * 7 % 251) as u8).collect()
    }

    #[test]
    fn zlib_payloads_inflate_in_one_context_and_end_with_the_marker() {
        let mut compressor = Compressor::new(Some(Transport::Zlib)).unwrap();
        let mut inflater = Decompress::new(true);
        for size in SIZES {
            let frame = compressor.payload(&text(size), true).unwrap().unwrap();
            assert!(frame.ends_with(&[0, 0, 0xff, 0xff]), "size {size}");
            let mut back = Vec::with_capacity(size + 64);
            inflater.decompress_vec(&frame, &mut back, FlushDecompress::Sync).unwrap();
            assert_eq!(back, text(size));
        }
    }

    #[test]
    fn zstd_payloads_are_read_one_by_one_in_one_stream() {
        let mut compressor = Compressor::new(Some(Transport::Zstd)).unwrap();
        let mut decoder = Decoder::new().unwrap();
        for size in SIZES {
            let frame = compressor.payload(&text(size), false).unwrap().unwrap();
            let mut back = Vec::with_capacity(size + 64);
            let mut input = InBuffer::around(&frame);
            loop {
                let written = back.len();
                let mut output = OutBuffer::around_pos(&mut back, written);
                decoder.run(&mut input, &mut output).unwrap();
                if input.pos == frame.len() && back.len() == written {
                    break;
                }
            }
            assert_eq!(back, text(size), "size {size}");
        }
    }

    #[test]
    fn only_large_payloads_become_documents() {
        let mut compressor = Compressor::new(None).unwrap();
        assert!(compressor.payload(&text(PAYLOAD_MIN - 1), true).unwrap().is_none());
        assert!(compressor.payload(&text(100_000), false).unwrap().is_none());
        let frame = compressor.payload(&text(100_000), true).unwrap().unwrap();
        let mut back = Vec::with_capacity(100_064);
        Decompress::new(true).decompress_vec(&frame, &mut back, FlushDecompress::Finish).unwrap();
        assert_eq!(back, text(100_000));
    }
}
