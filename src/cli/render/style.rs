//! Colours, durations, and text that cannot steer a terminal.

use crate::cli::Output;

/// Whether and how to colour.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    colour: bool,
}

/// What a text says about the health of what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Good,
    Busy,
    Bad,
    Faint,
    Strong,
    Plain,
}

impl Style {
    pub(super) fn plain() -> Self {
        Self { colour: false }
    }

    pub(super) fn of(output: &Output) -> Self {
        Self { colour: output.colour }
    }

    #[cfg(test)]
    pub(super) fn coloured() -> Self {
        Self { colour: true }
    }

    /// `text` in the colour of `mood`; blanks at its end stay outside, so that columns do not glow.
    pub(super) fn paint(self, mood: Mood, text: &str) -> String {
        let code = match mood {
            Mood::Good => "32",
            Mood::Busy => "33",
            Mood::Bad => "31",
            Mood::Faint => "2",
            Mood::Strong => "1",
            Mood::Plain => "",
        };
        let inked = text.trim_end();
        if !self.colour || code.is_empty() || inked.is_empty() {
            return text.to_owned();
        }
        format!("\x1b[{code}m{inked}\x1b[0m{}", &text[inked.len()..])
    }
}

/// The mood of an actor's state.
pub(super) fn mood_of(state: &str) -> Mood {
    match state {
        "running" => Mood::Good,
        "starting" | "stopping" | "waiting" | "suspended" => Mood::Busy,
        "parked" | "quarantined" => Mood::Bad,
        _ => Mood::Faint,
    }
}

/// A time as people say it: `850 ms`, `12 s`, `3 m 05 s`, `2 h 10 m`, `3 d 4 h`.
pub(super) fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0 => format!("{millis} ms"),
        1..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        3600..=86_399 => format!("{} h {:02} m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// `text` on one line, without control characters: what an actor or a server wrote must not steer the terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        .collect()
}

/// `text`, cut to `width` characters with a mark where it was cut.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        let table = [(0, "0 ms"), (850, "850 ms"), (12_999, "12 s"), (185_000, "3 m 05 s"), (7_800_000, "2 h 10 m")];
        for (millis, text) in table {
            assert_eq!(duration(millis), text);
        }
        assert_eq!(duration(273_600_000), "3 d 4 h");
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(clean("a\x1b[2J\nb\u{202e}c\t"), "a[2J bc ");
        assert_eq!(Style::coloured().paint(Mood::Good, "up  "), "\x1b[32mup\x1b[0m  ");
        assert_eq!(cut("abcdef", 4), "abc…");
    }
}
