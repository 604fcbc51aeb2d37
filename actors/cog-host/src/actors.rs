//! The actors of the room: the dispatcher, which owns the lanes, and one per cog.

mod cog;
mod dispatch;

pub(crate) use cog::CogActor;
pub use cog::{Change, CogMsg, LOAD_DEADLINE, UNLOAD_DEADLINE};
pub use dispatch::DispatchActor;
