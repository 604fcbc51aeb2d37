//! Where the control socket belongs.

use super::{file, key::Key, sources::Sources};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The configured path, else `$XDG_RUNTIME_DIR/impresario/control.sock`, else `$RUNTIME_DIRECTORY/control.sock`, else
/// `control.sock` in the data folder.
pub fn socket_path(configured: &str, data_dir: &Path, env: &BTreeMap<String, String>) -> PathBuf {
    let folder = |name: &str| env.get(name).map(|value| Path::new(value.split(':').next().unwrap_or_default()));
    let absolute = |name: &str| folder(name).filter(|path| path.is_absolute());
    if !configured.is_empty() {
        return PathBuf::from(configured);
    }
    if let Some(runtime) = absolute("XDG_RUNTIME_DIR") {
        return runtime.join("impresario/control.sock");
    }
    absolute("RUNTIME_DIRECTORY").unwrap_or(data_dir).join("control.sock")
}

/// The socket that a client command talks to. A configuration that is wrong elsewhere does not keep an operator out:
/// what can be read of it is used.
pub fn locate_socket(sources: &Sources) -> PathBuf {
    let (socket, data_dir) = locate(sources);
    socket_path(&socket, &data_dir, &sources.env)
}

/// The data folder, for a client command that reads what the last process left; found as the socket is.
pub fn locate_data(sources: &Sources) -> PathBuf {
    sources.cwd.join(locate(sources).1)
}

/// `control.socket` and `data.dir`, as well as they can be read.
fn locate(sources: &Sources) -> (String, PathBuf) {
    let (mut socket, mut data_dir) = (String::new(), "data".to_owned());
    let mut take = |key: &Key, value: &toml::Value| {
        let Some(text) = value.as_str() else { return };
        match key.to_string().as_str() {
            "control.socket" => text.clone_into(&mut socket),
            "data.dir" => text.clone_into(&mut data_dir),
            _ => {}
        }
    };
    if let Ok(Some((shown, text))) = sources.file() {
        for (key, setting) in file::read(&shown, &text, &mut Vec::new()) {
            take(&key, &setting.value);
        }
    }
    for (key, name) in [("control.socket", "IMPRESARIO_CONTROL__SOCKET"), ("data.dir", "IMPRESARIO_DATA__DIR")] {
        if let Some(value) = sources.env.get(name) {
            take(&Key::dotted(key), &toml::Value::from(value.as_str()));
        }
    }
    for flag in &sources.flags {
        let (key, setting) = flag.setting();
        take(&key, &setting.value);
    }
    (socket, data_dir.into())
}
