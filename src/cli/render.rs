//! Answers as people read them: pure functions from JSON to text.

mod actor;
mod decision;
mod status;
mod style;
mod table;
mod tree;

pub(super) use actor::{messages, ordered, reloaded, shutdown, told};
pub(super) use decision::{event, explain};
pub(super) use status::{boot, status};

use super::Output;
use serde_json::Value;

/// Draws what `tree.get` answers, without colours: for logs and chat.
pub fn draw_tree(tree: &Value) -> String {
    tree::draw(tree, style::Style::plain())
}

pub(super) fn tree(answer: &Value, output: &Output) -> String {
    tree::draw(answer, style::Style::of(output))
}

/// Any answer: a table for rows, `key: value` for one thing.
pub(super) fn answer(answer: &Value, _: &Output) -> String {
    table::any(answer)
}
