//! cog-host
