//! The supervisor binary as a library.
