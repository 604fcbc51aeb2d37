//! Transport compression `zlib-stream`: one deflate context per connection, a flush after each payload.

use flate2::{Compress, Compression, FlushCompress};

/// The deflate context of one connection.
pub(crate) struct Deflater {
    context: Compress,
}

impl Deflater {
    pub(crate) fn new() -> Deflater {
        Deflater { context: Compress::new(Compression::fast(), true) }
    }

    /// One payload, compressed; it ends with the flush marker 00 00 FF FF.
    pub(crate) fn payload(&mut self, text: &[u8]) -> Result<Vec<u8>, flate2::CompressError> {
        let mut out = Vec::with_capacity(text.len() / 2 + 64);
        let begin = self.context.total_in();
        loop {
            let used = usize::try_from(self.context.total_in() - begin).unwrap_or(usize::MAX).min(text.len());
            self.context.compress_vec(&text[used..], &mut out, FlushCompress::Sync)?;
            let done = self.context.total_in() - begin == text.len() as u64;
            // Room left in the buffer means that the flush is out as well.
            if done && out.len() < out.capacity() {
                return Ok(out);
            }
            out.reserve(text.len() / 2 + 64);
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Decompress, FlushDecompress};

    use super::*;

    #[test]
    fn payloads_inflate_in_one_context_and_end_with_the_marker() {
        let mut deflater = Deflater::new();
        let mut inflater = Decompress::new(true);
        for size in [0, 1, 63, 64, 65, 1_000, 100_000] {
            let text: Vec<u8> = (0..size).map(|n| (n * 7 % 251) as u8).collect();
            let frame = deflater.payload(&text).unwrap();
            assert!(frame.ends_with(&[0, 0, 0xff, 0xff]), "size {size}");
            let mut back = Vec::with_capacity(size + 64);
            inflater.decompress_vec(&frame, &mut back, FlushDecompress::Sync).unwrap();
            assert_eq!(back, text);
        }
    }
}
