//! Standard input, line by line, whatever it holds.

use std::io::{BufRead, Read};
use tokio::sync::mpsc;

/// Longest line that is read, in bytes; Discord's longest message takes a quarter of it.
const LINE_MAX: u64 = 64 * 1024;
/// Lines that are read ahead.
const AHEAD: usize = 64;

/// Lines of standard input, read on a thread of their own: reading cannot be cancelled.
pub(super) fn lines() -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel(AHEAD);
    let read = move || {
        let mut stdin = std::io::stdin().lock();
        while let Ok(Some(line)) = next(&mut stdin) {
            if send.blocking_send(line).is_err() {
                return; // nobody takes them any more
            }
        }
    };
    std::thread::Builder::new().name("input".to_owned()).spawn(read).ok(); // without a thread: the end of input
    lines
}

/// The next line. What is not UTF-8 in it is replaced, what is too long for it is left out.
fn next(input: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    if input.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.len() as u64 == LINE_MAX && line.last() != Some(&b'\n') {
        input.skip_until(b'\n')?; // only then: on a terminal an end of input (Ctrl-D) is no end for good
    }
    let text = String::from_utf8_lossy(&line);
    Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut input: &[u8]) -> Vec<String> {
        std::iter::from_fn(|| next(&mut input).unwrap()).collect()
    }

    #[test]
    fn a_line_that_is_no_text_ends_nothing() {
        assert_eq!(all(b"!ping\n\xff\xfe\r\n\n!pong"), ["!ping", "\u{fffd}\u{fffd}", "", "!pong"]);
    }

    #[test]
    fn a_line_without_end_is_cut_and_the_next_one_is_read() {
        let mut input = vec![b'a'; 3_000_000];
        input.extend_from_slice(b"\n!ping\n");
        let lines = all(&input);
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [65_536, 5]);
    }
}
