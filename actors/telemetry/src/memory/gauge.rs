//! When memory is given up, and when it may be taken again: a pure rule with two edges, so that a process near its mark does
//! not go to and fro.

use std::time::Duration;

/// How long what was given up may take to show before more is.
pub(super) const AGAIN: Duration = Duration::from_secs(10);
/// How long it must stay below the lower edge (nine tenths of the mark) before there is memory again.
pub(super) const EASE_AFTER: Duration = Duration::from_secs(60);
/// How long it must not have been above the mark before there is memory again all the same: what was given up need not show,
/// since the allocator may keep it for the process.
pub(super) const CALM_AFTER: Duration = Duration::from_secs(600);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Give some up.
    Relieve,
    /// There is memory again.
    Ease,
}

/// What is remembered from look to look.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    short: Option<Short>,
}

#[derive(Debug)]
struct Short {
    /// When something was given up last.
    relieved: Duration,
    /// When it was above the mark last.
    above: Duration,
    /// Since when it has been below the lower edge.
    below: Option<Duration>,
}

impl Gauge {
    /// Whether memory is short.
    pub(super) fn is_short(&self) -> bool {
        self.short.is_some()
    }

    /// `resident` bytes were seen at `now`, and the mark is `mark` bytes.
    pub(super) fn look(&mut self, resident: u64, mark: u64, now: Duration) -> Option<Turn> {
        let above = resident > mark;
        let Some(short) = &mut self.short else {
            self.short = above.then_some(Short { relieved: now, above: now, below: None });
            return above.then_some(Turn::Relieve);
        };
        if above {
            (short.above, short.below) = (now, None);
            let again = now.saturating_sub(short.relieved) >= AGAIN;
            if again {
                short.relieved = now;
            }
            return again.then_some(Turn::Relieve);
        }
        let low = resident <= mark / 10 * 9;
        short.below = low.then(|| short.below.unwrap_or(now));
        let eased = short.below.is_some_and(|since| now.saturating_sub(since) >= EASE_AFTER)
            || now.saturating_sub(short.above) >= CALM_AFTER;
        if eased {
            self.short = None;
        }
        eased.then_some(Turn::Ease)
    }

    /// Nobody looks any more: whether there had been a shortage.
    pub(super) fn forget(&mut self) -> bool {
        self.short.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What follows from what is seen once a second, from second 0 on.
    fn turns(seen: impl IntoIterator<Item = u64>) -> Vec<(u64, Turn)> {
        let mut gauge = Gauge::default();
        let looks = (0..).zip(seen);
        looks.filter_map(|(s, seen)| Some((s, gauge.look(seen, 1_000, Duration::from_secs(s))?))).collect()
    }

    #[test]
    fn at_the_mark_nothing_is_given_up_and_above_it_once_in_ten_seconds() {
        assert_eq!(turns([1_000; 100]), []);
        let expected = [0, 10, 20].map(|s| (s, Turn::Relieve));
        assert_eq!(turns([1_001; 25]), expected);
    }

    #[test]
    fn there_is_memory_again_after_a_minute_below_nine_tenths_and_not_before() {
        let below = |from: u64| std::iter::repeat_n(900, usize::try_from(from).unwrap());
        let expected = [(0, Turn::Relieve), (61, Turn::Ease)];
        assert_eq!(turns([1_001].into_iter().chain(below(80))), expected);
        // A rise in between, not even above the mark, begins the minute anew; nothing more is given up for it.
        let wavering = [1_001].into_iter().chain(below(50)).chain([950]).chain(below(80));
        assert_eq!(turns(wavering), [(0, Turn::Relieve), (112, Turn::Ease)]);
    }

    #[test]
    fn who_stays_just_below_the_mark_has_memory_again_after_ten_minutes() {
        let seen = [1_001].into_iter().chain(std::iter::repeat_n(950, 700));
        assert_eq!(turns(seen), [(0, Turn::Relieve), (600, Turn::Ease)]);
    }

    #[test]
    fn near_the_mark_it_does_not_go_to_and_fro() {
        let seen = (0..1_000).map(|s| if s % 2 == 0 { 1_001 } else { 950 });
        assert!(turns(seen).iter().all(|(_, turn)| *turn == Turn::Relieve));
    }
}
