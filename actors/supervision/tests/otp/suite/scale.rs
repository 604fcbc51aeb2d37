//! Costs that grow with the number of children and no faster. In real time; the bounds are OTP's.

use super::{
    puppet::What,
    rig::{Rig, until},
    system::{Flags, Restart, Spec, Started, Strategy, System},
};
use std::time::{Duration, Instant};

/// The least of three for `few` and for `many`, taken in turns: what else the machine does at a moment only adds to one.
async fn least<F: Future<Output = Duration>>(few: impl Fn() -> F, many: impl Fn() -> F) -> (Duration, Duration) {
    let mut least = (Duration::MAX, Duration::MAX);
    for _ in 0..3 {
        least = (least.0.min(few().await), least.1.min(many().await));
    }
    least
}

/// Too short to measure: whatever is faster counts as this.
const LEAST: Duration = Duration::from_millis(2);

async fn come_and_go<S: System>(count: usize) -> Duration {
    let rig = Rig::<S>::up(Flags::new(Strategy::Dynamic), Vec::new()).await;
    let begun = Instant::now();
    for n in 0..count {
        let spec = Spec::worker(&format!("c{n}")).restart(Restart::Temporary);
        assert_eq!(rig.start_child("", spec).await, Ok(Started::Up));
    }
    for n in 0..count {
        assert_eq!(rig.terminate_child(&format!("c{n}")).await, Ok(()));
    }
    let took = begun.elapsed();
    until("all are gone", || rig.puppets.alive() == 0).await;
    took.max(LEAST)
}

/// Ten times as many temporary children take at most fifty times as long.
pub(crate) async fn simple_one_for_one_scale_many_temporary_children<S: System>() {
    let take = |count| move || come_and_go::<S>(count);
    let (few, many) = least(take(200), take(2_000)).await;
    assert!(many < few * 50, "200 in {few:?}, 2,000 in {many:?}");
}

async fn start_and_stop<S: System>(count: usize) -> Duration {
    let children = (0..count).map(|n| Spec::worker(&format!("c{n}"))).collect();
    let begun = Instant::now();
    let rig = Rig::<S>::up(Flags::new(Strategy::OneForOne), children).await;
    rig.stops().await;
    let took = begun.elapsed();
    assert_eq!(rig.puppets.paths(What::Stopped).len(), count);
    took.max(LEAST)
}

/// A hundred times as many children take at most a thousand times as long to start and stop in order.
pub(crate) async fn scale_start_stop_many_children<S: System>() {
    let take = |count| move || start_and_stop::<S>(count);
    let (few, many) = least(take(50), take(5_000)).await;
    assert!(many < few * 1_000, "50 in {few:?}, 5,000 in {many:?}");
}
