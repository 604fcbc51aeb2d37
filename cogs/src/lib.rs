//! The built-in cogs: a module per cog.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

mod admin;
mod info;
mod settings;
mod system;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use admin::admin;
pub use info::info;
pub use settings::settings;
pub use system::system;

use cog_host::Cog;

/// Every built-in cog.
pub fn builtin() -> Vec<Cog> {
    vec![info(), settings(), admin(), system()]
}
