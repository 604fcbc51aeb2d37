use super::*;
use std::os::unix::fs::symlink;

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn folder_and_socket_are_for_their_owner_alone() {
    let home = folder();
    let path = home.path().join("run/impresario/control.sock");
    let socket = Socket::bind(&path).unwrap();
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&path), 0o600);
    drop(socket);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 0, "nothing stays behind");
}

#[test]
fn a_stale_socket_is_replaced() {
    let home = folder();
    let path = home.path().join("s");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let socket = Socket::bind(&path).unwrap();
    assert!(UnixStream::connect(socket.path()).is_ok());
}

#[test]
fn a_live_instance_keeps_its_socket() {
    let home = folder();
    let path = home.path().join("s");
    let first = Socket::bind(&path).unwrap();
    assert!(matches!(Socket::bind(&path), Err(BindError::Live { .. })));
    assert!(first.is_in_place());
    assert!(UnixStream::connect(&path).is_ok());
}

#[test]
fn a_live_listener_without_our_lock_is_left_alone() {
    let home = folder();
    let path = home.path().join("s");
    let _foreign = UnixListener::bind(&path).unwrap();
    assert!(matches!(Socket::bind(&path), Err(BindError::Live { .. })));
    assert!(UnixStream::connect(&path).is_ok());
}

#[test]
fn the_lock_keeps_an_instance_away_even_while_the_file_is_missing() {
    let home = folder();
    let path = home.path().join("s");
    let first = Socket::bind(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(Socket::bind(&path), Err(BindError::Live { .. })));
    drop(first);
    assert!(Socket::bind(&path).is_ok());
}

#[test]
fn a_removed_file_is_bound_anew() {
    let home = folder();
    let path = home.path().join("s");
    let socket = Socket::bind(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(!socket.is_in_place());
    let _listener = socket.listener().unwrap();
    assert!(socket.is_in_place());
    assert!(UnixStream::connect(&path).is_ok());
}

#[test]
fn a_removed_folder_is_made_anew_with_socket_and_lock() {
    let home = folder();
    let path = home.path().join("run/s");
    let socket = Socket::bind(&path).unwrap();
    std::fs::remove_dir_all(home.path().join("run")).unwrap();
    let _listener = socket.listener().unwrap();
    assert!(UnixStream::connect(&path).is_ok());
    assert!(matches!(Socket::bind(&path), Err(BindError::Live { pid: Some(_), .. })));
}

#[test]
fn another_file_in_its_place_is_never_removed() {
    let home = folder();
    let path = home.path().join("s");
    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(Socket::bind(&path), Err(BindError::InTheWay { .. })));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    std::fs::remove_file(&path).unwrap();
    symlink("/nonexistent", &path).unwrap();
    assert!(matches!(Socket::bind(&path), Err(BindError::InTheWay { .. })));
}

#[test]
fn an_unsafe_folder_is_refused_and_named() {
    let home = folder();
    let open = home.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    let text = Socket::bind(&open.join("s")).unwrap_err().to_string();
    assert!(text.contains("can be written by others (mode 0777)"), "{text}");

    let link = home.path().join("link");
    symlink(home.path(), &link).unwrap();
    let text = Socket::bind(&link.join("s")).unwrap_err().to_string();
    assert!(text.contains("is a symbolic link"), "{text}");

    // A folder of a user who is neither we nor root; the check is asked directly because only root could make one.
    let ours = home.path().join("ours");
    std::fs::create_dir(&ours).unwrap();
    let owner = std::fs::metadata(&ours).unwrap().uid();
    let refused = place::prepare_folder(&ours.join("s"), owner + 1);
    assert_eq!(refused.is_err(), owner != 0, "root's folders are nobody's threat");
}

#[test]
fn a_path_over_107_bytes_is_refused_and_107_is_not() {
    let home = folder();
    let room = PATH_MAX - home.path().as_os_str().len() - 1;
    assert!(Socket::bind(&home.path().join("x".repeat(room))).is_ok());
    let long = Socket::bind(&home.path().join("x".repeat(room + 1)));
    assert!(matches!(long, Err(BindError::TooLong { length: 108, .. })));
}
