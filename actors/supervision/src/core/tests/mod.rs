//! The core alone: hand-made situations, and a simulation that makes up its own.

mod causes;
mod draining;
mod explore;
mod ignoring;
mod model;
mod orders;
mod parked;
mod poison;
mod probe;
mod respec;
mod rounds;
mod script;
mod simulation;
mod stopping;
mod waiting;
