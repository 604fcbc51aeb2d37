//! What is written down about children.

use super::{
    rig::{Rig, quiet},
    system::{Exit, Flags, How, Spec, Started, Strategy, System},
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

/// A report says who it is about, what was done and why; that of a supervisor that gives up says by which rule, and who
/// was the last to fail.
pub(crate) async fn format_log_1<S: System>() {
    let below = Spec::supervisor("s", Flags::new(Strategy::OneForOne).intensity(1), vec![Spec::worker("a")]);
    let rig = Rig::<S>::up(Flags::new(Strategy::OneForOne).intensity(0), vec![below]).await;
    rig.comes_back("s/a", How::Error).await;
    let reports = rig.reports("s/a").await;
    let says = |parts: &[&str]| reports.iter().any(|report| parts.iter().all(|part| report.contains(part)));
    assert!(says(&["s/a", "restarts at once", "told to fail"]), "{reports:?}");
    rig.ends("s/a", How::Panic).await;
    assert_eq!(rig.gives_up().await, Exit::Shutdown);
    let reports = rig.reports("s").await;
    let says = |parts: &[&str]| reports.iter().any(|report| parts.iter().all(|part| report.contains(part)));
    assert!(says(&["s", "gives up", "reached_max_restart_intensity", "a failed", "told to panic"]), "{reports:?}");
}

/// A failure with more to say than anybody can read is cut, in each report that has it to say.
pub(crate) async fn format_log_2<S: System>() {
    let rig = Rig::<S>::up(Flags::new(Strategy::OneForAll), vec![Spec::worker("a"), Spec::worker("b")]).await;
    rig.comes_back("a", How::LongError).await;
    rig.returns("b").await;
    for path in ["a", "b"] {
        let reports = rig.reports(path).await;
        assert!(reports.iter().any(|report| report.contains("told to fail")), "{path} has it to say");
        let longest = reports.iter().map(String::len).max();
        assert!(longest < Some(10_000), "{path}: {longest:?} bytes");
    }
}
