//! `cog-host/dispatch`: owns the lanes. Killing it cuts off what runs; the next incarnation begins with empty lanes.

use crate::{
    host::Shared,
    lanes::{Bounds, LANES_MAX, Lanes},
    sink::Event,
};
use serde_json::{Value, json};
use std::sync::{Arc, atomic::Ordering::SeqCst};
use supervision::{Actor, AdminCall, AdminError, AdminSpec, Ctx, Failure, Role};
use tokio::runtime::Handle;

/// The dispatcher.
pub struct DispatchActor {
    shared: Arc<Shared>,
    lanes: Option<Arc<Lanes<Event>>>,
}

impl DispatchActor {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, lanes: None }
    }

    fn status(&self) -> Value {
        let (lanes, waiting, running) = self.lanes.as_ref().map_or((0, 0, 0), |lanes| lanes.depth());
        json!({ "lanes": lanes, "waiting": waiting, "running": running, "lanes_max": LANES_MAX,
            "lane_capacity": self.shared.config.lane_capacity, "lane_commands": self.shared.config.lane_commands,
            "waiting_max": self.shared.config.waiting, "running_max": self.shared.config.commands })
    }
}

impl Actor for DispatchActor {
    type Msg = ();

    async fn start(&mut self, _: &Ctx<Self>) -> Result<(), Failure> {
        let config = &self.shared.config;
        let bounds = Bounds {
            capacity: config.lane_capacity,
            jobs: config.lane_commands,
            lanes: LANES_MAX,
            waiting: config.waiting,
            running: config.commands,
        };
        let lanes = Lanes::new(bounds, Handle::current());
        self.lanes = Some(Arc::clone(&lanes));
        self.shared.lanes.send_replace(Some(lanes));
        Ok(())
    }

    async fn handle(&mut self, (): (), _: &Ctx<Self>) -> Result<(), Failure> {
        Ok(())
    }

    /// Takes no more events; running commands finish, and what waits is left to the next process, which is sent it again.
    /// A slash command that waits is told so: its three seconds would be over by then. The caller bounds the wait.
    async fn drain(&mut self, ctx: &Ctx<Self>) {
        let Some(lanes) = &self.lanes else { return };
        self.shared.hands_on.store(true, SeqCst);
        let (_, waiting, running) = lanes.depth();
        if waiting + running > 0 {
            tracing::info!(
                waiting,
                running,
                "nothing begins any more; {running} run, {waiting} wait for the next process"
            );
        }
        lanes.freeze();
        ctx.stopping().run_until_cancelled(lanes.settled()).await;
    }

    fn admin_messages() -> Vec<AdminSpec> {
        vec![AdminSpec::new("status", Role::Observe, "Lanes, waiting events and running commands")]
    }

    async fn admin(&mut self, call: AdminCall, _: &Ctx<Self>) -> Result<Value, AdminError> {
        match call.name.as_str() {
            "status" => Ok(self.status()),
            _ => Err(call.unknown(&Self::admin_messages())),
        }
    }
}

impl Drop for DispatchActor {
    fn drop(&mut self) {
        let Some(lanes) = self.lanes.take() else { return };
        self.shared.lanes.send_if_modified(|current| {
            let ours = current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &lanes));
            if ours {
                *current = None;
            }
            ours
        });
        let cut_off = lanes.cancel();
        if cut_off > 0 {
            tracing::warn!(events = cut_off, "the dispatcher ended with events waiting or commands running");
        }
    }
}
