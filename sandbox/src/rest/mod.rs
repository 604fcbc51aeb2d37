//! The REST API: a table of operations, a server that carries them out, and their handlers by resource.

pub(crate) mod broken;
pub(crate) mod channels;
pub(crate) mod commands;
pub(crate) mod emojis;
pub(crate) mod guilds;
pub(crate) mod interactions;
pub(crate) mod limits;
pub(crate) mod messages;
pub(crate) mod moderation;
pub(crate) mod operations;
pub(crate) mod pins;
pub(crate) mod places;
pub(crate) mod reactions;
pub(crate) mod request;
pub(crate) mod roles;
pub(crate) mod server;
pub(crate) mod threads;
pub(crate) mod users;
pub(crate) mod webhooks;
