//! Cuts the text after a command's name into words; double quotes keep words together.

use std::borrow::Cow;

/// A quote was opened and never closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnclosedQuote;

/// The words of a text, one after another. What has not been taken yet can be had verbatim with [`Tokens::rest`].
#[derive(Debug, Clone)]
pub struct Tokens<'a> {
    left: &'a str,
}

impl<'a> Tokens<'a> {
    /// The words of `text`.
    pub fn new(text: &'a str) -> Self {
        Self { left: text.trim() }
    }

    /// The next word; none at the end. A word that begins with a double quote (straight or curly) goes on to the
    /// closing one; within it `\"` is a quote and `\\` a backslash. A quote inside a word is an ordinary character.
    ///
    /// # Errors
    /// [`UnclosedQuote`]; the position does not move.
    pub fn next_word(&mut self) -> Result<Option<Cow<'a, str>>, UnclosedQuote> {
        let Some(first) = self.left.chars().next() else { return Ok(None) };
        if is_quote(first) {
            let (word, after) = quoted(&self.left[first.len_utf8()..])?;
            self.left = after.trim_start();
            return Ok(Some(Cow::Owned(word)));
        }
        let end = self.left.find(char::is_whitespace).unwrap_or(self.left.len());
        let (word, after) = self.left.split_at(end);
        self.left = after.trim_start();
        Ok(Some(Cow::Borrowed(word)))
    }

    /// The next word as it stands, quotes included, without taking it.
    pub fn peek(&self) -> Option<&'a str> {
        self.left.split_whitespace().next()
    }

    /// Everything that is left, verbatim, and takes it.
    pub fn rest(&mut self) -> &'a str {
        std::mem::take(&mut self.left).trim_end()
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\u{201c}' | '\u{201d}')
}

/// The text up to the closing quote, and what follows it.
fn quoted(text: &str) -> Result<(String, &str), UnclosedQuote> {
    let mut word = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, escaped)) if is_quote(escaped) || escaped == '\\' => word.push(escaped),
                Some((_, other)) => word.extend(['\\', other]),
                None => return Err(UnclosedQuote),
            },
            c if is_quote(c) => return Ok((word, &text[at + c.len_utf8()..])),
            c => word.push(c),
        }
    }
    Err(UnclosedQuote)
}
