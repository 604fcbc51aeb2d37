//! Significant children and supervisors that end with them.

use super::{
    rig::{Rig, quiet},
    system::{AutoShutdown, Exit, Flags, How, Refusal, Restart, Spec, State, Strategy, System},
};

const EITHER: [AutoShutdown; 2] = [AutoShutdown::Any, AutoShutdown::All];
const EVERY: [How; 5] = [How::Normal, How::Shutdown, How::ShutdownInfo, How::Error, How::Panic];

fn flags(auto_shutdown: AutoShutdown) -> Flags {
    Flags::new(Strategy::OneForOne).intensity(10).auto_shutdown(auto_shutdown)
}

fn significant(id: &str, restart: Restart) -> Spec {
    Spec::worker(id).restart(restart).significant()
}

/// One that is not significant ends alone, however it ends; the supervisor stays for a significant sibling.
pub(crate) async fn nonsignificant_temporary<S: System>() {
    for auto_shutdown in EITHER {
        for how in EVERY {
            let children = vec![Spec::worker("a").restart(Restart::Temporary), significant("b", Restart::Temporary)];
            let rig = Rig::<S>::up(flags(auto_shutdown), children).await;
            rig.stays_down("a", how).await;
        }
        let rig = Rig::<S>::up(flags(auto_shutdown), vec![Spec::worker("a").restart(Restart::Temporary)]).await;
        rig.stays_down("a", How::Normal).await;
    }
}

/// The same of a transient one, that ends normally.
pub(crate) async fn nonsignificant_transient<S: System>() {
    for auto_shutdown in EITHER {
        for how in [How::Normal, How::Shutdown, How::ShutdownInfo] {
            let children = vec![Spec::worker("a").restart(Restart::Transient), significant("b", Restart::Transient)];
            let rig = Rig::<S>::up(flags(auto_shutdown), children).await;
            rig.stays_down("a", how).await;
        }
    }
}

/// Any end of a temporary one counts but that which was ordered: the first with `any`, the last with `all`.
pub(crate) async fn significant_temporary<S: System>() {
    let children =
        || vec![significant("a", Restart::Temporary), significant("b", Restart::Temporary), Spec::worker("c")];
    for how in EVERY {
        let rig = Rig::<S>::up(flags(AutoShutdown::Any), children()).await;
        rig.ends("a", how).await;
        assert_eq!(rig.gives_up().await, Exit::Shutdown, "{how:?}");

        let rig = Rig::<S>::up(flags(AutoShutdown::All), children()).await;
        rig.stays_down("a", how).await;
        rig.ends("b", how).await;
        assert_eq!(rig.gives_up().await, Exit::Shutdown, "{how:?}");
    }
    for auto_shutdown in EITHER {
        let rig = Rig::<S>::up(flags(auto_shutdown), children()).await;
        for id in ["a", "b"] {
            assert_eq!(rig.terminate_child(id).await, Ok(()));
        }
        quiet().await;
        rig.goes_on();
        rig.shows("", &[("c", State::Up)]).await;
    }
}

/// Of a transient one only a normal end counts: after any other it comes back.
pub(crate) async fn significant_transient<S: System>() {
    let children =
        || vec![significant("a", Restart::Transient), significant("b", Restart::Transient), Spec::worker("c")];
    for how in [How::Normal, How::Shutdown, How::ShutdownInfo] {
        let rig = Rig::<S>::up(flags(AutoShutdown::Any), children()).await;
        rig.ends("a", how).await;
        assert_eq!(rig.gives_up().await, Exit::Shutdown, "{how:?}");

        let rig = Rig::<S>::up(flags(AutoShutdown::All), children()).await;
        rig.stays_down("a", how).await;
        rig.ends("b", how).await;
        assert_eq!(rig.gives_up().await, Exit::Shutdown, "{how:?}");
    }
    for auto_shutdown in EITHER {
        let rig = Rig::<S>::up(flags(auto_shutdown), children()).await;
        rig.comes_back("a", How::Error).await;
        rig.comes_back("b", How::Panic).await;
        rig.kill("a").await;
        quiet().await;
        rig.returns("a").await;
        assert_eq!(rig.terminate_child("a").await, Ok(()));
        quiet().await;
        rig.goes_on();
    }
}

/// Dynamic supervisors have no significant children.
pub(crate) async fn significant_simple<S: System>() {
    for auto_shutdown in EITHER {
        let mut dynamic = flags(auto_shutdown);
        dynamic.strategy = Strategy::Dynamic;
        let rig = Rig::<S>::up(dynamic, Vec::new()).await;
        let refused = rig.start_child("", significant("a", Restart::Temporary)).await;
        assert!(matches!(refused, Err(Refusal::BadSpec(_))), "{refused:?}");
        rig.goes_on();
    }
}

/// A significant one that goes because of a sibling's failure does not count.
pub(crate) async fn significant_bystander<S: System>() {
    for auto_shutdown in EITHER {
        for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
            let mut flags = flags(auto_shutdown);
            flags.strategy = strategy;
            let children =
                vec![Spec::worker("a"), significant("b", Restart::Temporary), significant("c", Restart::Transient)];
            let rig = Rig::<S>::up(flags, children).await;
            rig.comes_back("a", How::Panic).await;
            rig.returns("c").await;
            quiet().await;
            rig.goes_on();
            rig.shows("", &[("a", State::Up), ("c", State::Up)]).await;
        }
    }
}

/// A supervisor that ends so ends its own only if it is significant itself.
pub(crate) async fn significant_escalation<S: System>() {
    for (is_significant, auto_shutdown) in
        [(true, AutoShutdown::Any), (true, AutoShutdown::All), (false, AutoShutdown::Any), (false, AutoShutdown::All)]
    {
        let below = Spec::supervisor("s", flags(auto_shutdown), vec![significant("a", Restart::Transient)]);
        let mut below = below.restart(Restart::Transient);
        below.significant = is_significant;
        let rig = Rig::<S>::up(flags(auto_shutdown), vec![Spec::worker("b"), below]).await;
        rig.ends("s/a", How::Normal).await;
        if is_significant {
            assert_eq!(rig.gives_up().await, Exit::Shutdown);
        } else {
            quiet().await;
            rig.goes_on();
            rig.shows("", &[("b", State::Up), ("s", State::Down)]).await;
        }
    }
}
