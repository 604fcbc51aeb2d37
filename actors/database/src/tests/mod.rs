//! Behaviour of the handle.
