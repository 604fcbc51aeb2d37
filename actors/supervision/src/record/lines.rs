//! A segment's lines, checked one by one.

use super::{LINE_MAX, format};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

/// Reads a segment from its beginning.
pub(crate) struct Lines {
    from: BufReader<File>,
    line: Vec<u8>,
    /// Lines that were good so far.
    pub(crate) good: u64,
    /// Where the good ones end, in bytes.
    pub(crate) end: u64,
    /// The checksum of the last good one.
    pub(crate) checksum: u32,
}

/// What comes next.
pub(crate) enum Next<'l> {
    /// A record's JSON.
    Json(&'l [u8]),
    /// Nothing: the end, or a last line that was not written to its end.
    End {
        /// Whether part of a line stands there.
        torn: bool,
    },
    /// A line that is not what was written there.
    Damaged,
}

impl Lines {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let from = BufReader::with_capacity(1 << 16, File::open(path)?);
        Ok(Self { from, line: Vec::new(), good: 0, end: 0, checksum: 0 })
    }

    pub(crate) fn next(&mut self) -> io::Result<Next<'_>> {
        self.line.clear();
        let most = LINE_MAX as u64 + 16;
        let read = self.from.by_ref().take(most).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(Next::End { torn: false });
        }
        let Some(line) = self.line.strip_suffix(b"\n") else {
            let all = read as u64 == most; // longer than any record: nothing that was being written
            return Ok(if all { Next::Damaged } else { Next::End { torn: true } });
        };
        match format::checked(line, &mut self.checksum) {
            Some(json) => {
                self.good += 1;
                self.end += read as u64;
                Ok(Next::Json(json))
            }
            None => Ok(Next::Damaged),
        }
    }
}
