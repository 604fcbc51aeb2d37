//! Behaviour of the whole way.
