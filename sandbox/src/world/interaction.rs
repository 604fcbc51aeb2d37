//! Interactions that were created and how far they are answered.

use std::collections::HashMap;
use std::collections::VecDeque;

use serde_json::Value;

use super::ids::Id;
use crate::api_error::{ApiError, Unknown};

/// Interactions remembered; the oldest are forgotten.
const INTERACTIONS_MAX: usize = 10_000;

/// What kind of act it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Command,
    Component,
    Autocomplete,
    Modal,
}

impl Kind {
    pub(crate) fn number(self) -> u8 {
        match self {
            Kind::Command => 2,
            Kind::Component => 3,
            Kind::Autocomplete => 4,
            Kind::Modal => 5,
        }
    }
}

/// How far it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Waiting,
    /// "Is thinking…": the message stands there, to be filled in.
    Deferred,
    Answered,
}

/// One interaction.
#[derive(Clone, Debug)]
pub(crate) struct Interaction {
    pub id: Id,
    /// Begins with the id and a dash, so that it can be looked up.
    pub token: String,
    pub kind: Kind,
    pub user: Id,
    pub guild: Option<Id>,
    pub channel: Id,
    pub created_ms: u64,
    pub progress: Progress,
    /// The message that `@original` means.
    pub original: Option<Id>,
    /// Message that holds the component used.
    pub source: Option<Id>,
    pub followups: Vec<Id>,
    /// The modal that was shown as its answer and is not sent yet.
    pub modal: Option<Value>,
    /// Whether it is a command of the menu of a user or message.
    pub from_menu: bool,
}

/// The interactions of the last while.
#[derive(Debug)]
pub(crate) struct Interactions {
    /// How long a token works, in milliseconds.
    pub token_life_ms: u64,
    by_id: HashMap<Id, Interaction>,
    order: VecDeque<Id>,
}

impl Interactions {
    pub(crate) fn new(token_life_ms: u64) -> Interactions {
        Interactions { token_life_ms, by_id: HashMap::new(), order: VecDeque::new() }
    }

    pub(crate) fn insert(&mut self, interaction: Interaction) {
        if self.order.len() == INTERACTIONS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
        self.order.push_back(interaction.id);
        self.by_id.insert(interaction.id, interaction);
    }

    pub(crate) fn get(&self, id: Id) -> Option<&Interaction> {
        self.by_id.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut Interaction> {
        self.by_id.get_mut(&id)
    }

    /// The interaction whose first answer is due: unknown when its time to answer is over.
    pub(crate) fn to_answer(
        &self,
        id: Id,
        token: &str,
        now_ms: u64,
        deadline_ms: u64,
    ) -> Result<&Interaction, ApiError> {
        let known = self.get(id).filter(|interaction| interaction.token == token);
        let interaction = known.ok_or_else(|| ApiError::unknown(Unknown::Interaction))?;
        if interaction.progress != Progress::Waiting {
            return Err(ApiError::new(400, 40060, "Interaction has already been acknowledged."));
        }
        if now_ms.saturating_sub(interaction.created_ms) > deadline_ms {
            return Err(ApiError::unknown(Unknown::Interaction));
        }
        Ok(interaction)
    }

    /// How many may still be given their first answer.
    pub(crate) fn waiting(&self, now_ms: u64, deadline_ms: u64) -> usize {
        let due = |one: &&Interaction| {
            one.progress == Progress::Waiting && now_ms.saturating_sub(one.created_ms) <= deadline_ms
        };
        self.order.iter().rev().filter_map(|id| self.by_id.get(id)).filter(due).count()
    }

    /// The answered interaction behind a webhook token.
    pub(crate) fn by_token(&self, token: &str, now_ms: u64) -> Result<&Interaction, ApiError> {
        let id = token.split('-').next().and_then(|id| id.parse().ok());
        let found = id.and_then(|id| self.get(id)).filter(|interaction| interaction.token == token);
        let interaction = found.ok_or_else(|| ApiError::unknown(Unknown::Webhook))?;
        if now_ms.saturating_sub(interaction.created_ms) > self.token_life_ms {
            return Err(ApiError::new(401, 50027, "Invalid Webhook Token"));
        }
        if interaction.progress == Progress::Waiting {
            return Err(ApiError::unknown(Unknown::Webhook));
        }
        Ok(interaction)
    }
}
