//! The file of a snapshot: written all or not at all, used once or not at all.

use super::{Snapshot, SnapshotError, VERSION, fnv};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// The file's name in its folder.
pub const FILE: &str = "gateway-session.json";
const TEMPORARY: &str = "gateway-session.json.tmp";
/// About 100,000 guilds.
const BODY_MAX: u64 = 512 << 20;
const HEADER_MAX: u64 = 256;
const MAGIC: &str = "impresario-gateway-session";

impl Snapshot {
    /// Writes it into `folder`, in place of the one before; readable by its owner alone. A crash leaves the new file
    /// or none, never a part of one, and never the old one. Returns the bytes written; 0 when there is no session to
    /// write down. Blocks: for a thread that may.
    ///
    /// # Errors
    /// When the folder takes no file, or the snapshot is too large. No file is left then.
    pub fn write(&self, folder: &Path) -> Result<u64, SnapshotError> {
        // Whatever was left is older than this and must not outlive it.
        remove(&folder.join(FILE))?;
        if self.is_empty() {
            return Ok(0);
        }
        let body = serde_json::to_vec(self).map_err(io::Error::from)?;
        let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        if bytes > BODY_MAX {
            return Err(SnapshotError::TooLarge(bytes));
        }
        let temporary = folder.join(TEMPORARY);
        remove(&temporary)?;
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            writeln!(file, "{MAGIC} {VERSION} {bytes} {:016x}", fnv(&body))?;
            file.write_all(&body)?;
            file.sync_all()?;
            fs::rename(&temporary, folder.join(FILE))?;
            sync(folder)
        })();
        if written.is_err() {
            remove(&temporary).ok(); // the failure before it is the one to tell
        }
        Ok(written.map(|()| bytes)?)
    }

    /// Takes the snapshot out of `folder`, if there is one. It is gone from there before it is read: whatever happens
    /// to this process, the next one does not resume the same sessions again. Blocks: for a thread that may.
    ///
    /// # Errors
    /// When it cannot be had, or is damaged or of another version. It is gone also then, if it could be removed.
    pub fn consume(folder: &Path) -> Result<Option<Self>, SnapshotError> {
        remove(&folder.join(TEMPORARY)).ok(); // of a process that died while writing; in nobody's way
        let path = folder.join(FILE);
        let kind = match fs::symlink_metadata(&path) {
            Ok(found) => found.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if !kind.is_file() {
            return Err(SnapshotError::Damaged(format!("{} is not a file", path.display())));
        }
        let file = File::open(&path);
        // Of two processes only one removes it.
        fs::remove_file(&path)?;
        sync(folder)?;
        read(file?).map(Some)
    }
}

fn read(file: File) -> Result<Snapshot, SnapshotError> {
    let mut reader = BufReader::new(file);
    let mut header = String::new();
    let damaged = |what: &str| SnapshotError::Damaged(what.to_owned());
    reader.by_ref().take(HEADER_MAX).read_line(&mut header).map_err(|_| damaged("its first line is no text"))?;
    let fields: Vec<&str> = header.split_whitespace().collect();
    let &[MAGIC, version, bytes, sum] = &fields[..] else { return Err(damaged("its first line says nothing")) };
    let version: u32 = version.parse().map_err(|_| damaged("its version is no number"))?;
    if version != VERSION {
        return Err(SnapshotError::Format { found: version });
    }
    let bytes: u64 = bytes.parse().map_err(|_| damaged("its length is no number"))?;
    if bytes > BODY_MAX {
        return Err(SnapshotError::TooLarge(bytes));
    }
    let mut body = Vec::new();
    reader.take(bytes + 1).read_to_end(&mut body)?;
    if u64::try_from(body.len()) != Ok(bytes) {
        return Err(damaged("its length is not what it says"));
    }
    if u64::from_str_radix(sum, 16) != Ok(fnv(&body)) {
        return Err(damaged("its checksum does not fit"));
    }
    serde_json::from_slice(&body).map_err(|error| SnapshotError::Damaged(format!("{:?} error", error.classify())))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes a new or removed name in `folder` outlive a power loss.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
