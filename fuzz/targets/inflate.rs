//! A compressed stream of any bytes, in messages of any size: the first byte chooses the compression, the second the size.

#![no_main]

use gateway::{Compression, inflate::Inflate};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [which, size, stream @ ..] = bytes else { return };
    let compression = if which % 2 == 0 { Compression::Zlib } else { Compression::Zstd };
    let mut inflate = Inflate::new(compression);
    for message in stream.chunks(usize::from(*size).max(1)) {
        if inflate.push(message).is_err() {
            return; // a shard gives the connection up
        }
    }
});
