//! Messages and the log of a channel.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::guild::PartialMember;
use super::ids::{Id, Stamp};
use super::user::User;

/// Message flags that the sandbox knows.
pub(crate) mod flag {
    pub(crate) const EPHEMERAL: u64 = 1 << 6;
    pub(crate) const LOADING: u64 = 1 << 7;
    /// Those that a bot may set itself: SUPPRESS_EMBEDS, EPHEMERAL, SUPPRESS_NOTIFICATIONS, IS_COMPONENTS_V2.
    pub(crate) const SETTABLE: u64 = 1 << 2 | EPHEMERAL | 1 << 12 | 1 << 15;
}

/// Discord's message types that the sandbox makes.
pub(crate) mod message_type {
    pub(crate) const DEFAULT: u8 = 0;
    pub(crate) const REPLY: u8 = 19;
    pub(crate) const CHAT_INPUT_COMMAND: u8 = 20;
    pub(crate) const CONTEXT_MENU_COMMAND: u8 = 23;
}

/// A message object (Discord documentation, "Message Object").
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Message {
    pub id: Id,
    #[serde(rename = "type")]
    pub kind: u8,
    pub channel_id: Id,
    pub author: Arc<User>,
    pub content: String,
    pub timestamp: Stamp,
    pub edited_timestamp: Option<Stamp>,
    pub tts: bool,
    pub mention_everyone: bool,
    pub mentions: Vec<Arc<User>>,
    pub mention_roles: Vec<Id>,
    pub attachments: Vec<Value>,
    pub embeds: Vec<Value>,
    pub components: Vec<Value>,
    pub pinned: bool,
    #[serde(skip)]
    pub pinned_at: Option<Stamp>,
    pub flags: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_id: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_id: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_reference: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referenced_message: Option<Box<Message>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interaction_metadata: Option<Value>,
}

impl Message {
    pub(crate) fn new(id: Id, channel_id: Id, author: Arc<User>, timestamp: Stamp) -> Message {
        Message {
            id,
            kind: message_type::DEFAULT,
            channel_id,
            author,
            content: String::new(),
            timestamp,
            edited_timestamp: None,
            tts: false,
            mention_everyone: false,
            mentions: Vec::new(),
            mention_roles: Vec::new(),
            attachments: Vec::new(),
            embeds: Vec::new(),
            components: Vec::new(),
            pinned: false,
            pinned_at: None,
            flags: 0,
            reactions: Vec::new(),
            nonce: None,
            webhook_id: None,
            application_id: None,
            message_reference: None,
            referenced_message: None,
            interaction_metadata: None,
        }
    }

    pub(crate) fn is_ephemeral(&self) -> bool {
        self.flags & flag::EPHEMERAL != 0
    }

    /// Whether there is nothing in it to see.
    pub(crate) fn is_empty(&self) -> bool {
        self.content.is_empty() && self.embeds.is_empty() && self.attachments.is_empty() && self.components.is_empty()
    }

    /// What a bot without the message content intent sees of it.
    pub(crate) fn without_content(&self) -> Message {
        Message {
            content: String::new(),
            embeds: Vec::new(),
            attachments: Vec::new(),
            components: Vec::new(),
            ..self.clone()
        }
    }

    /// Whether the bot sees the content without the intent: its own messages and those that mention it.
    pub(crate) fn open_to(&self, bot: Id) -> bool {
        self.author.id == bot || self.mentions.iter().any(|user| user.id == bot)
    }
}

/// A message as the gateway sends it: with its guild and the author's membership.
#[derive(Serialize)]
pub(crate) struct MessageEvent<'a> {
    #[serde(flatten)]
    pub message: &'a Message,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guild_id: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<&'a PartialMember<'a>>,
    pub channel_type: u8,
}

/// One emoji under a message, and who chose it.
#[derive(Clone, Debug)]
pub(crate) struct Reaction {
    pub emoji: ReactionEmoji,
    pub users: Vec<Id>,
    /// Whether the bot is among them.
    pub me: bool,
}

impl Reaction {
    /// Whether it is this emoji: a custom one is known by its id alone.
    pub(crate) fn is_of(&self, emoji: &ReactionEmoji) -> bool {
        match emoji.id {
            Some(id) => self.emoji.id == Some(id),
            None => self.emoji == *emoji,
        }
    }
}

impl Serialize for Reaction {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let count = self.users.len();
        json!({
            "emoji": self.emoji.as_object(), "count": count, "count_details": { "burst": 0, "normal": count },
            "me": self.me, "me_burst": false, "burst_me": false, "burst_count": 0, "burst_colors": [],
        })
        .serialize(serializer)
    }
}

/// A custom emoji by id and name, or a Unicode one by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReactionEmoji {
    pub id: Option<Id>,
    pub name: String,
}

impl ReactionEmoji {
    /// Reads the form in paths: `name:id`, or the emoji itself.
    pub(crate) fn parse(text: &str) -> ReactionEmoji {
        match text.rsplit_once(':').and_then(|(name, id)| Some((name, id.parse().ok()?))) {
            Some((name, id)) => {
                ReactionEmoji { id: Some(id), name: name.trim_start_matches("a:").trim_matches(':').to_owned() }
            }
            None => ReactionEmoji { id: None, name: text.to_owned() },
        }
    }

    pub(crate) fn as_object(&self) -> Value {
        json!({ "id": self.id, "name": self.name, "animated": false })
    }

    /// The form in paths.
    pub(crate) fn as_path(&self) -> String {
        match self.id {
            Some(id) => format!("{}:{id}", self.name),
            None => self.name.clone(),
        }
    }
}

/// The messages of one channel, the oldest forgotten beyond a bound.
#[derive(Debug, Default)]
pub(crate) struct ChannelLog {
    messages: BTreeMap<Id, Message>,
}

impl ChannelLog {
    pub(crate) fn insert(&mut self, message: Message, keep: usize) {
        self.messages.insert(message.id, message);
        while self.messages.len() > keep.max(1) {
            self.messages.pop_first();
        }
    }

    pub(crate) fn get(&self, id: Id) -> Option<&Message> {
        self.messages.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut Message> {
        self.messages.get_mut(&id)
    }

    /// The messages from an id on, oldest first.
    pub(crate) fn since(&self, first: Id) -> impl Iterator<Item = &Message> {
        self.messages.range(first..).map(|(_, message)| message)
    }

    pub(crate) fn remove(&mut self, id: Id) -> Option<Message> {
        self.messages.remove(&id)
    }

    /// Up to `limit` messages, newest first, that others may see.
    pub(crate) fn page(
        &self,
        before: Option<Id>,
        after: Option<Id>,
        around: Option<Id>,
        limit: usize,
    ) -> Vec<&Message> {
        let seen = |message: &&Message| !message.is_ephemeral();
        if let Some(around) = around {
            let mut older: Vec<_> =
                self.messages.range(..=around).rev().map(|(_, m)| m).filter(seen).take(limit / 2 + 1).collect();
            let newer: Vec<_> = self
                .messages
                .range(around..)
                .map(|(_, m)| m)
                .filter(|m| m.id != around)
                .filter(seen)
                .take(limit / 2)
                .collect();
            let mut page: Vec<_> = newer.into_iter().rev().collect();
            page.append(&mut older);
            page.truncate(limit);
            return page;
        }
        if let Some(after) = after {
            let later = self.messages.range(after..).map(|(_, m)| m).filter(|m| m.id != after).filter(seen);
            let mut page: Vec<_> = later.take(limit).collect();
            page.reverse();
            return page;
        }
        let end = before.unwrap_or(Id(u64::MAX));
        self.messages.range(..end).rev().map(|(_, m)| m).filter(seen).take(limit).collect()
    }
}
