//! Durations as people write them: `90s`, `1h30m`, `2d`, `1w`.

use std::time::Duration;

/// Longest duration that is accepted: 10 years, so that no sum with a date can overflow.
pub(super) const DURATION_MAX: Duration = Duration::from_secs(10 * 365 * 86_400);

const UNITS: [(&str, u64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];

/// Reads `text` as a sum of whole numbers with units w, d, h, m, s, each unit at most once and in any order;
/// a bare number is seconds. None for anything else, for zero, and past 10 years.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim().to_ascii_lowercase();
    if let Ok(seconds) = text.parse::<u64>() {
        return within(seconds);
    }
    let mut left = text.as_str();
    let mut seen = [false; UNITS.len()];
    let mut total = 0_u64;
    while !left.is_empty() {
        let digits = left.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = left.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let at = UNITS.iter().position(|(name, _)| *name == unit)?;
        if std::mem::replace(&mut seen[at], true) {
            return None;
        }
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(UNITS[at].1)?)?;
        left = after.trim_start();
    }
    within(total)
}

fn within(seconds: u64) -> Option<Duration> {
    let duration = Duration::from_secs(seconds);
    (seconds > 0 && duration <= DURATION_MAX).then_some(duration)
}

/// `duration` in whole seconds as people read it, its largest unit and the one below: `3 d 4 h`, `12 s`.
pub fn show_duration(duration: Duration) -> String {
    const SHOWN: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];
    let total = duration.as_secs();
    let largest = SHOWN.iter().position(|(_, seconds)| total >= *seconds).unwrap_or(SHOWN.len() - 1);
    let (unit, seconds) = SHOWN[largest];
    let below = SHOWN.get(largest + 1).map(|(unit, below)| (unit, total % seconds / below));
    match below {
        Some((below, count)) if count > 0 => format!("{} {unit} {count} {below}", total / seconds),
        _ => format!("{} {unit}", total / seconds),
    }
}
