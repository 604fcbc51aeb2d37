//! What is written down about children.

use super::{
    rig::{Rig, quiet},
    system::{Flags, How, Spec, Started, Strategy, System},
};

/// A permanent dynamic child that ends normally and comes back again and again is told once for each life that came up,
/// and once for each end; nothing else is made of it.
pub(crate) async fn external_start_no_progress_log<S: System>() {
    let rig = Rig::<S>::up(Flags::new(Strategy::Dynamic).intensity(5), Vec::new()).await;
    assert_eq!(rig.start_child("", Spec::worker("a")).await, Ok(Started::Up));
    for _ in 0..3 {
        rig.comes_back("a", How::Normal).await;
    }
    quiet().await;
    let reports = rig.reports("a").await;
    let of = |word: &str| reports.iter().filter(|report| report.contains(word)).count();
    assert_eq!((of("came up"), of("restarts at once")), (4, 3), "{reports:?}");
    assert!(reports.len() <= 8 && reports.iter().all(|report| report.lines().count() == 1), "{reports:?}");
}
