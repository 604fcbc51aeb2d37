//! The gateway: sessions that outlive connections, and the sockets they are carried on.

pub(crate) mod compress;
pub(crate) mod frames;
pub(crate) mod hub;
pub(crate) mod intents;
pub(crate) mod line;
pub(crate) mod login;
pub(crate) mod members;
pub(crate) mod server;
pub(crate) mod session;
pub(crate) mod starts;
pub(crate) mod stream;
