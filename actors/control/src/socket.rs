//! The socket file: its place, the lock that says whose it is, and its life beyond the actor's.

mod place;

pub use place::PATH_MAX;
pub(crate) use place::check_length;

use crate::lock::{FileLock, LockError};
use std::{
    fs::Permissions,
    io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Why the control socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Longer than a Unix socket address may be.
    #[error("the control socket's path {} has {length} bytes, {PATH_MAX} are possible: set control.socket to a shorter one", path.display())]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// Its folder is not safe.
    #[error("the control socket's folder {} {problem}: {remedy}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Something that is no socket stands in its place; it is left alone.
    #[error("{} is in the way and is not a socket: move it or set control.socket", path.display())]
    InTheWay {
        /// The path.
        path: PathBuf,
    },
    /// Another instance answers there.
    #[error(
        "another instance{} holds the control socket {}: stop it, or give this one a data.dir and a --socket of its own",
        pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default(),
        path.display()
    )]
    Live {
        /// The path.
        path: PathBuf,
        /// The other one's process id, where it is known.
        pid: Option<u32>,
    },
    /// The system refused.
    #[error("the control socket {} cannot be opened: {error}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// A bound control socket. Dropping it removes the file.
///
/// It lives outside the actor, so that connections wait in its queue while the actor is restarted.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    lock: Mutex<FileLock>,
    bound: Mutex<Option<Bound>>,
}

#[derive(Debug)]
struct Bound {
    listener: UnixListener,
    /// Device and inode of the file, to tell whether it is still ours.
    file: (u64, u64),
}

impl Socket {
    /// Takes the lock beside `path`, removes a stale socket and binds. A missing folder is made, for its owner alone.
    ///
    /// # Errors
    /// [`BindError`]; nothing has been changed then, except that a missing folder may have been made.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        place::check_length(path)?;
        place::prepare_folder(path, rustix::process::geteuid().as_raw())?;
        let lock = Mutex::new(take_lock(path)?);
        let socket = Self { path: path.to_owned(), lock, bound: Mutex::new(None) };
        socket.listener()?;
        Ok(socket)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The listener, bound anew when the file is no longer ours: removed by hand or by a cleaner, maybe with its folder
    /// and the lock.
    ///
    /// # Errors
    /// [`BindError`] when it cannot be bound.
    pub(crate) fn listener(&self) -> Result<UnixListener, BindError> {
        let io = |error| BindError::Io { path: self.path.clone(), error };
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        if bound.as_ref().is_none_or(|bound| self.file() != Some(bound.file)) {
            place::prepare_folder(&self.path, rustix::process::geteuid().as_raw())?;
            self.hold()?;
            remove_stale(&self.path)?;
            let listener = UnixListener::bind(&self.path).map_err(io)?;
            // Until this line the folder's mode and the check of each peer's user id keep others out.
            std::fs::set_permissions(&self.path, Permissions::from_mode(0o600)).map_err(io)?;
            listener.set_nonblocking(true).map_err(io)?;
            let file = self.file().ok_or_else(|| io(io::ErrorKind::NotFound.into()))?;
            *bound = Some(Bound { listener, file });
        }
        match &*bound {
            Some(bound) => bound.listener.try_clone().map_err(io),
            None => Err(io(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Takes the lock anew where its file has gone: on a removed file it keeps nobody away.
    fn hold(&self) -> Result<(), BindError> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if !lock.is_in_place() {
            *lock = take_lock(&self.path)?;
        }
        Ok(())
    }

    /// Whether the file at the path is the one that was bound.
    pub(crate) fn is_in_place(&self) -> bool {
        let bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        bound.as_ref().is_some_and(|bound| self.file() == Some(bound.file))
    }

    /// Closes the listener and removes the file if it is still ours; the lock stays.
    pub(crate) fn close(&self) {
        let in_place = self.is_in_place();
        let bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner).take();
        if bound.is_some() && in_place {
            std::fs::remove_file(&self.path).ok(); // gone already is as good
        }
    }

    fn file(&self) -> Option<(u64, u64)> {
        std::fs::symlink_metadata(&self.path).ok().map(|meta| (meta.dev(), meta.ino()))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.close(); // and the lock after it
    }
}

/// Where the lock of the socket at `path` is.
pub(crate) fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// Takes the lock that says whose the socket is, even while the socket's file is missing.
fn take_lock(path: &Path) -> Result<FileLock, BindError> {
    FileLock::take(&lock_path(path)).map_err(|error| match error {
        LockError::Held { pid, .. } => BindError::Live { path: path.to_owned(), pid },
        LockError::Io { path, error } => BindError::Io { path, error },
    })
}

/// Removes a socket that nobody listens on.
fn remove_stale(path: &Path) -> Result<(), BindError> {
    let io = |error| BindError::Io { path: path.to_owned(), error };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
        Ok(meta) if !meta.file_type().is_socket() => return Err(BindError::InTheWay { path: path.to_owned() }),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path).map_err(io),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // Anything else, a full queue included, may be a living listener.
        Ok(_) | Err(_) => Err(BindError::Live { path: path.to_owned(), pid: None }),
    }
}

#[cfg(test)]
mod tests;
