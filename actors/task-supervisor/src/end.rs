//! How a run ended.

use metering::tasks::TaskOutcome;
use protocol::task::RunOutcome;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// It did its work.
    Done { operations: u64 },
    /// There was nothing it could do.
    Skipped { reason: String },
    /// It returned an error.
    Failed { error: String },
    /// It panicked.
    Panicked { error: String },
    /// It took longer than its timeout and was cut off.
    TimedOut { error: String },
    /// It was told to end: what it then answered does not matter.
    Cancelled { reason: String },
}

impl End {
    /// What a run that came to its end answered.
    pub(crate) fn of(answer: Result<RunOutcome, protocol::task::RunError>) -> Self {
        match answer {
            Ok(RunOutcome::Done { operations }) => Self::Done { operations },
            Ok(RunOutcome::Skipped { reason }) => Self::Skipped { reason },
            Err(error) => Self::Failed { error: error.0 },
        }
    }

    /// Its word, also as a metric's label.
    pub(crate) fn name(&self) -> &'static str {
        self.label().name()
    }

    pub(crate) fn label(&self) -> TaskOutcome {
        match self {
            Self::Done { .. } => TaskOutcome::Done,
            Self::Skipped { .. } => TaskOutcome::Skipped,
            Self::Failed { .. } => TaskOutcome::Failed,
            Self::Panicked { .. } => TaskOutcome::Panicked,
            Self::TimedOut { .. } => TaskOutcome::Timeout,
            Self::Cancelled { .. } => TaskOutcome::Cancelled,
        }
    }

    /// What there is to say beyond the word.
    pub(crate) fn why(&self) -> Option<String> {
        match self {
            Self::Done { .. } => None,
            Self::Skipped { reason: why }
            | Self::Cancelled { reason: why }
            | Self::Failed { error: why }
            | Self::Panicked { error: why }
            | Self::TimedOut { error: why } => Some(why.clone()),
        }
    }

    /// What went wrong, if something did.
    pub(crate) fn error(&self) -> Option<&str> {
        match self {
            Self::Failed { error } | Self::Panicked { error } | Self::TimedOut { error } => Some(error),
            Self::Done { .. } | Self::Skipped { .. } | Self::Cancelled { .. } => None,
        }
    }
}
