//! Where commands write, and how.

use serde_json::{Value, json};
use std::io::{IsTerminal, Write};

/// Standard output and error, or buffers in tests.
pub struct Output {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// Whether answers are JSON.
    pub json: bool,
    /// Whether answers may be coloured.
    pub colour: bool,
    /// Whether somebody watches.
    pub terminal: bool,
}

impl Output {
    /// This process's.
    pub fn process(json: bool) -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self { out: Box::new(std::io::stdout()), err: Box::new(std::io::stderr()), json, colour: terminal, terminal }
    }

    /// Others, without a terminal.
    pub fn to(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, json: bool) -> Self {
        Self { out, err, json, colour: false, terminal: false }
    }

    /// Writes `text`, with a newline if it has none. False when nobody reads any more.
    pub fn text(&mut self, text: &str) -> bool {
        let newline = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
        write!(self.out, "{text}{newline}").and_then(|()| self.out.flush()).is_ok()
    }

    /// Writes `value`: indented for a terminal, one line otherwise.
    pub fn value(&mut self, value: &Value) -> bool {
        let text = if self.terminal { format!("{value:#}") } else { value.to_string() };
        self.text(&text)
    }

    /// Writes a sentence to standard error.
    pub fn problem(&mut self, sentence: &str) {
        self.error(sentence, json!({"message": sentence}));
    }

    /// Writes an error to standard error: `sentence`, or `{"error": detail}` where JSON was asked for.
    pub fn error(&mut self, sentence: &str, detail: Value) {
        let text = if self.json { json!({"error": detail}).to_string() } else { format!("impresario: {sentence}") };
        writeln!(self.err, "{text}").ok(); // nobody is left to tell
    }

    /// Writes a remark to standard error, in any mode.
    pub fn remark(&mut self, sentence: &str) {
        writeln!(self.err, "{sentence}").ok(); // nobody is left to tell
    }
}
