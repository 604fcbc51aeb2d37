//! Whether a path may hold the control socket.

use super::BindError;
use std::{
    fs::DirBuilder,
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt},
    },
    path::Path,
};

/// Bytes that fit into a Unix socket address beside its terminator (`sun_path` has 108).
pub const PATH_MAX: usize = 107;

/// Refuses a path that the system would cut off or refuse.
pub(crate) fn check_length(path: &Path) -> Result<(), BindError> {
    let length = path.as_os_str().as_bytes().len();
    if length > PATH_MAX { Err(BindError::TooLong { path: path.to_owned(), length }) } else { Ok(()) }
}

/// Makes the folder of `path` if it is missing (0700), and refuses one in which others could replace the socket.
pub(super) fn prepare_folder(path: &Path, own: u32) -> Result<(), BindError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let io = |error| BindError::Io { path: path.to_owned(), error };
    match std::fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)?;
        }
        Err(error) => return Err(io(error)),
        Ok(_) => {}
    }
    let meta = std::fs::symlink_metadata(folder).map_err(io)?;
    let refuse = |problem: String, remedy| Err(BindError::Folder { path: folder.to_owned(), problem, remedy });
    if meta.file_type().is_symlink() {
        return refuse("is a symbolic link".to_owned(), "name the folder itself in control.socket");
    }
    if !meta.is_dir() {
        return refuse("is not a folder".to_owned(), "set control.socket to a path in a folder of its own");
    }
    if meta.uid() != own && meta.uid() != 0 {
        let problem = format!("belongs to user {}, not to {own}", meta.uid());
        return refuse(problem, "set control.socket to a path in a folder of your own");
    }
    if meta.mode() & 0o022 != 0 {
        let problem = format!("can be written by others (mode {:04o})", meta.mode() & 0o7777);
        return refuse(problem, "chmod 700 it, or set control.socket to a path in a folder of its own");
    }
    Ok(())
}
