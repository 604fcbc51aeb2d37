use super::*;
use flate2::{Compress, FlushCompress};
use rand::{Rng, SeedableRng, rngs::StdRng};
use zstd::stream::raw::Encoder;

const SIZES: [usize; 9] = [0, 1, 63, 64, 65, 1_000, 16 << 10, 200_000, 3_000_000];

/// The other end, after Discord's description.
enum Writer {
    Zlib(Box<Compress>),
    Zstd(Box<Encoder<'static>>),
}

impl Writer {
    fn new(compression: Compression) -> Self {
        match compression {
            Compression::Zlib => Self::Zlib(Box::new(Compress::new(flate2::Compression::new(6), true))),
            _ => Self::Zstd(Box::new(Encoder::new(3).unwrap())),
        }
    }

    fn payload(&mut self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() * 2 + 1024);
        match self {
            Self::Zlib(stream) => {
                stream.compress_vec(text, &mut out, FlushCompress::Sync).unwrap();
                assert!(out.ends_with(&FLUSHED));
            }
            Self::Zstd(stream) => {
                let mut input = InBuffer::around(text);
                while input.pos < text.len() {
                    let at = out.len();
                    stream.run(&mut input, &mut OutBuffer::around_pos(&mut out, at)).unwrap();
                }
                let at = out.len();
                assert_eq!(stream.flush(&mut OutBuffer::around_pos(&mut out, at)).unwrap(), 0);
            }
        }
        out
    }
}

fn text(size: usize, rng: &mut StdRng) -> String {
    (0..size).map(|_| char::from(rng.random_range(b'a'..=b'h'))).collect()
}

fn capped(compression: Compression, bytes: usize) -> Inflate {
    let mut inflate = Inflate::new(compression);
    match &mut inflate {
        Inflate::Zlib(zlib) => zlib.max = bytes,
        Inflate::Zstd(zstd) => zstd.max = bytes,
        Inflate::Plain => {}
    }
    inflate
}

#[test]
fn payloads_of_every_size_come_out_of_one_stream() {
    for compression in [Compression::Zlib, Compression::Zstd] {
        let (mut writer, mut inflate) = (Writer::new(compression), Inflate::new(compression));
        let mut rng = StdRng::seed_from_u64(7);
        for size in SIZES.into_iter().chain(SIZES.into_iter().rev()) {
            let text = text(size, &mut rng);
            let message = writer.payload(text.as_bytes());
            assert_eq!(inflate.push(&message).unwrap(), Some(text.as_str()), "{compression:?}, {size} bytes");
        }
    }
}

#[test]
fn a_zlib_payload_may_come_in_pieces() {
    let (mut writer, mut inflate) = (Writer::new(Compression::Zlib), Inflate::new(Compression::Zlib));
    for piece in [1, 3, 100] {
        let message = writer.payload(br#"{"op":11}"#);
        let mut pieces = message.chunks(piece).peekable();
        while let Some(bytes) = pieces.next() {
            let got = inflate.push(bytes).unwrap();
            assert_eq!(got, pieces.peek().is_none().then_some(r#"{"op":11}"#));
        }
    }
}

#[test]
fn a_payload_over_the_bound_is_refused_before_it_is_whole() {
    for compression in [Compression::Zlib, Compression::Zstd] {
        let (mut writer, mut inflate) = (Writer::new(compression), capped(compression, 100_000));
        let fits = writer.payload(&[b'x'; 100_000]);
        assert!(matches!(inflate.push(&fits), Ok(Some(text)) if text.len() == 100_000));
        let bomb = writer.payload(&vec![b'x'; 50_000_000]);
        assert!(bomb.len() < 100_000, "{} bytes", bomb.len());
        assert!(matches!(inflate.push(&bomb), Err(InflateError::TooLarge)));
        let held = match &inflate {
            Inflate::Zlib(zlib) => zlib.out.capacity(),
            Inflate::Zstd(zstd) => zstd.out.capacity(),
            Inflate::Plain => 0,
        };
        assert!(held <= 400_000, "{held} bytes are held");
    }
    let mut endless = capped(Compression::Zlib, 1000);
    let refused = (0..11).map(|_| endless.push(&[1; 100]).is_err()).collect::<Vec<_>>();
    assert_eq!(refused.iter().filter(|refused| **refused).count(), 1, "a payload that never ends is not kept");
}

#[test]
fn a_large_payload_leaves_no_large_buffer_behind() {
    for compression in [Compression::Zlib, Compression::Zstd] {
        let (mut writer, mut inflate) = (Writer::new(compression), Inflate::new(compression));
        for size in [20_000_000, 10] {
            let message = writer.payload(&vec![b'x'; size]);
            assert_eq!(inflate.push(&message).unwrap().map(str::len), Some(size));
        }
        let held = match &inflate {
            Inflate::Zlib(zlib) => zlib.out.capacity(),
            Inflate::Zstd(zstd) => zstd.out.capacity(),
            Inflate::Plain => 0,
        };
        assert!(held <= KEPT_BYTES, "{held} bytes");
    }
}

#[test]
fn what_is_no_text_costs_one_payload() {
    for compression in [Compression::Zlib, Compression::Zstd] {
        let (mut writer, mut inflate) = (Writer::new(compression), Inflate::new(compression));
        assert!(matches!(inflate.push(&writer.payload(&[0xFF, 0xFE])), Err(InflateError::NotText(_))));
        assert!(matches!(inflate.push(&writer.payload(b"{}")), Ok(Some("{}"))));
    }
    assert!(matches!(Inflate::new(Compression::None).push(b"{}"), Ok(Some("{}"))));
}

/// Damaged streams end in an error, in wrong text or in nothing; never in a panic, and never without end.
#[test]
fn a_damaged_stream_is_survived() {
    let seed = 0x1f1a_7e01;
    println!("seed {seed:#x}");
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut refused, mut read) = (0, 0);
    for round in 0..600 {
        let compression = [Compression::Zlib, Compression::Zstd][round % 2];
        let (mut writer, mut inflate) = (Writer::new(compression), capped(compression, 1 << 20));
        for _ in 0..4 {
            let mut message = writer.payload(text(rng.random_range(1..400), &mut rng).as_bytes());
            if rng.random_range(0..2) == 0 {
                let at = rng.random_range(0..message.len());
                message[at] ^= 1 << rng.random_range(0..8);
            }
            match inflate.push(&message) {
                Ok(_) => read += 1,
                Err(InflateError::NotText(_)) => {}
                Err(_) => {
                    refused += 1;
                    break;
                }
            }
        }
    }
    println!("{refused} streams refused, {read} payloads read");
    assert!(refused > 80 && read > 80);
}
