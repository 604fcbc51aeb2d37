//! The last lines of each actor, kept for its crash record.

use dashmap::DashMap;
use std::{collections::VecDeque, sync::Arc};

/// Lines kept of one actor.
pub const LINES_KEPT: usize = 20;
/// Actors of which lines are kept; further ones share one entry.
pub const ACTORS_KEPT: usize = 512;
/// A kept line is cut to this many bytes.
pub const LINE_KEPT_MAX: usize = 1024;
const OTHERS: &str = "*";

/// The last lines by actor path, or by crate for lines that name no path.
#[derive(Clone, Default)]
pub(crate) struct Recent {
    lines: Arc<DashMap<Arc<str>, VecDeque<Arc<str>>>>,
}

impl Recent {
    pub(crate) fn keep(&self, of: &str, line: &str) {
        let of = if self.lines.contains_key(of) || self.lines.len() < ACTORS_KEPT { of } else { OTHERS };
        let cut = line.floor_char_boundary(LINE_KEPT_MAX);
        let line: Arc<str> = Arc::from(line[..cut].trim_end());
        let mut kept = self.lines.entry(Arc::from(of)).or_default();
        if kept.len() == LINES_KEPT {
            kept.pop_front();
        }
        kept.push_back(line);
    }

    pub(crate) fn of(&self, of: &str) -> Vec<Arc<str>> {
        self.lines.get(of).map(|kept| kept.iter().cloned().collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_actors_and_lengths_are_bounded() {
        let recent = Recent::default();
        for n in 0..ACTORS_KEPT + 50 {
            recent.keep(&format!("task-supervisor/t{n}"), &"ä".repeat(LINE_KEPT_MAX));
        }
        assert!(recent.lines.len() <= ACTORS_KEPT + 1);
        assert_eq!(recent.of(OTHERS).len(), LINES_KEPT);
        for n in 0..LINES_KEPT + 1 {
            recent.keep("task-supervisor/t0", &format!("line {n}\n"));
        }
        let kept = recent.of("task-supervisor/t0");
        assert_eq!((kept.len(), &*kept[LINES_KEPT - 1]), (LINES_KEPT, "line 20"));
        assert!(recent.of("task-supervisor/t1").iter().all(|line| line.len() <= LINE_KEPT_MAX));
    }
}
