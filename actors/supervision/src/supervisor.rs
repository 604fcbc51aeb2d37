use crate::{core::policy::Flags, spec::ChildSpec, starter::*, exit::Exit, mailbox::Mailbox, admin::AdminSpec};
use std::sync::Arc;
use futures_util::future::BoxFuture;
pub(crate) struct Handle;
pub(crate) struct SupervisorStarter{flags: Flags, _c: Vec<ChildSpec>}
impl SupervisorStarter { pub(crate) fn new(flags: Flags, _c: Vec<ChildSpec>) -> Self { Self{flags, _c} } }
impl Starter for SupervisorStarter {
    fn start(&self, _: StartRequest) -> BoxFuture<'static, Result<Arc<dyn Lever>, Exit>> { Box::pin(async { Err(Exit::Aborted) }) }
    fn mailbox(&self) -> Option<Arc<Mailbox>> { None }
    fn admin_messages(&self) -> Vec<AdminSpec> { vec![] }
    fn flags(&self) -> Option<Flags> { Some(self.flags) }
}
