//! What is refused, and what becomes of the file.

use super::*;
use crate::{Intents, ShardPlan, tests::bot::Setup};
use serenity::model::gateway::GatewayIntents;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

fn setup() -> Setup {
    Setup { plan: ShardPlan::all(2), ..Setup::at("ws://127.0.0.1:9".into()) }
}

/// A gateway that has a session on shard 1, begun with what it asks for.
async fn taken(setup: &Setup) -> Snapshot {
    let (gateway, ..) = setup.build();
    let intents = gateway.inner.shard.intents(gateway.inner.shard.sink.wants()).bits();
    let session = SavedSession {
        shard: protocol::ShardId(1),
        total: 2,
        session_id: "s".into(),
        resume_url: "wss://r".into(),
        seq: 7,
        accepted: 9,
        waiting: vec![8],
        applied: 9,
        intents,
        since: Some(gateway.inner.shard.clock.now()),
    };
    assert_eq!(gateway.restore(&[session]), 1);
    gateway.snapshot().await
}

fn refused(setup: &Setup, snapshot: Snapshot) -> SnapshotError {
    let (gateway, ..) = setup.build();
    let refused = gateway.restore_snapshot(snapshot).unwrap_err();
    assert!(gateway.sessions().is_empty(), "a refused snapshot changes nothing");
    refused
}

#[tokio::test]
async fn a_snapshot_is_written_for_its_owner_alone_and_consumed_once() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = taken(&setup()).await;
    let bytes = snapshot.write(folder.path()).unwrap();
    let path = folder.path().join(FILE);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.len() > usize::try_from(bytes).unwrap() && !text.contains("token\":\"token"), "{text}");
    let read = Snapshot::consume(folder.path()).unwrap().unwrap();
    assert_eq!(read.sessions(), snapshot.sessions());
    assert!(Snapshot::consume(folder.path()).unwrap().is_none(), "it is used once");
    let (gateway, ..) = setup().build();
    let restored = gateway.restore_snapshot(read).unwrap();
    assert_eq!((restored.sessions, restored.guilds, restored.waiting, restored.lost), (1, 0, 1, 0));
    assert_eq!(gateway.sessions(), snapshot.sessions());
}

#[tokio::test]
async fn nothing_is_written_without_a_session_and_what_was_there_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    taken(&setup()).await.write(folder.path()).unwrap();
    let (gateway, ..) = setup().build();
    let empty = gateway.snapshot().await;
    assert!(empty.is_empty());
    assert_eq!(empty.write(folder.path()).unwrap(), 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    taken(&setup()).await.write(folder.path()).unwrap();
    let whole = fs::read(&path).unwrap();
    let mut seen = 0;
    let mut try_with = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let read = Snapshot::consume(folder.path());
        assert!(matches!(read, Err(SnapshotError::Damaged(_))), "{read:?}");
        assert!(!path.exists(), "not tried again");
        seen += 1;
    };
    for cut in 0..whole.len() {
        try_with(&whole[..cut]); // cut short at every byte
    }
    let body = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for at in body..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        try_with(&flipped);
    }
    try_with(&[&whole[..], b"x"].concat());
    try_with(&[0xff; 4096]);
    println!("{seen} damaged files refused");
}

#[tokio::test]
async fn another_version_another_place_and_a_folder_that_keeps_the_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    taken(&setup()).await.write(folder.path()).unwrap();
    let newer = fs::read_to_string(&path).unwrap().replacen(" 2 ", " 3 ", 1);
    fs::write(&path, newer).unwrap();
    assert!(matches!(Snapshot::consume(folder.path()), Err(SnapshotError::Format { found: 3 })));
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    assert!(matches!(Snapshot::consume(folder.path()), Err(SnapshotError::Damaged(_))));
    assert!(matches!(taken(&setup()).await.write(Path::new("/proc")), Err(SnapshotError::Io(_))));
    assert!(matches!(Snapshot::consume(&folder.path().join("nowhere")), Ok(None)));
}

#[tokio::test]
async fn sessions_that_cannot_be_ours_are_refused_with_the_reason() {
    let ours = setup();
    let other_token = Setup { token: "another".into(), ..setup() };
    assert!(matches!(refused(&other_token, taken(&ours).await), SnapshotError::OtherToken));
    let resharded = Setup { plan: ShardPlan::all(4), ..setup() };
    assert!(matches!(refused(&resharded, taken(&ours).await), SnapshotError::OtherSharding { was: 2, is: 4 }));
    let members = Setup { intents: Intents::Exactly(GatewayIntents::GUILD_MEMBERS), ..setup() };
    assert!(matches!(refused(&members, taken(&ours).await), SnapshotError::OtherIntents));
    let aged = |by: i64| async move {
        let mut snapshot = taken(&setup()).await;
        snapshot.taken_at -= TimeDelta::seconds(by);
        snapshot
    };
    assert!(matches!(refused(&ours, aged(301).await), SnapshotError::TooOld { .. }));
    assert!(matches!(refused(&ours, aged(-60).await), SnapshotError::FromTheFuture(_)));
    let mut newer = taken(&ours).await;
    newer.cache_format += 1;
    assert!(matches!(refused(&ours, newer), SnapshotError::Format { .. }));
    let (gateway, ..) = setup().build();
    assert_eq!(gateway.restore_snapshot(aged(295).await).unwrap().sessions, 1);
}

#[tokio::test]
async fn a_session_in_use_is_not_in_the_snapshot() {
    let (gateway, ..) = setup().build();
    gateway.restore_snapshot(taken(&setup()).await).unwrap();
    let all_lost = Unsaved { cut_off: 0, lost: 1 };
    assert_eq!(gateway.seal(), all_lost, "what another process left and Discord has not sent again");
    let reader = gateway.inner.shards[1].0.rest().await;
    let without = gateway.snapshot().await;
    assert!(without.is_empty());
    assert_eq!(without.left_out(), all_lost, "it goes with its session");
    drop(reader);
    let with = gateway.snapshot().await;
    assert_eq!((with.sessions().len(), with.waiting(), with.left_out()), (1, 1, Unsaved::default()));
}

#[tokio::test]
async fn shards_that_run_elsewhere_now_are_left_out() {
    let here = Setup { plan: ShardPlan { total: 2, first: 0, last: 0 }, ..setup() };
    let (gateway, ..) = here.build();
    let restored = gateway.restore_snapshot(taken(&setup()).await).unwrap();
    assert_eq!((restored.sessions, restored.waiting, restored.lost), (0, 0, 1), "and what waited on them is told of");
}
