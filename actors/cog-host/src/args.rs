//! Typed arguments: one declaration is read from message text and from slash options, and explains itself in both.

mod duration;
mod macros;
mod params;
mod slash;
mod text;
mod token;
mod value;

pub use duration::{parse_duration, show_duration};
pub use params::{ArgError, Args, Param, Values};
pub use slash::{read_slash, slash_option};
pub use text::read_text;
pub use token::{Tokens, UnclosedQuote};
pub use value::{Choice, Int, Kind, Mentionable, Rest, Scalar, Span, Value};

#[cfg(test)]
mod tests;
