//! cogs
