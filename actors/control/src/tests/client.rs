//! What a client finds when it looks for an instance.

use super::*;

#[tokio::test]
async fn nobody_listening_is_not_running() {
    let home = tempfile::tempdir().unwrap();
    let missing = Client::connect(&home.path().join("none")).await;
    assert!(matches!(missing, Err(ClientError::NotRunning { .. })));
    drop(std::os::unix::net::UnixListener::bind(home.path().join("stale")).unwrap());
    let stale = Client::connect(&home.path().join("stale")).await;
    assert!(matches!(stale, Err(ClientError::NotRunning { .. })));
}

#[tokio::test]
async fn a_running_instance_without_its_socket_file_is_told_from_none() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("run/s");
    let socket = Socket::bind(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let deaf = Client::connect(&path).await;
    assert!(matches!(deaf, Err(ClientError::Deaf { pid: Some(pid), .. }) if pid == std::process::id()), "{deaf:?}");
    drop(socket);
    assert!(matches!(Client::connect(&path).await, Err(ClientError::NotRunning { .. })));
}

#[tokio::test]
async fn a_path_that_no_socket_can_have_is_named_with_its_length() {
    let long = PathBuf::from(format!("/{}", "x".repeat(107)));
    let refused = Client::connect(&long).await.unwrap_err();
    assert!(matches!(refused, ClientError::TooLong { length: 108, .. }), "{refused}");
    assert!(refused.to_string().contains("--socket") && refused.to_string().contains("107"), "{refused}");
}
