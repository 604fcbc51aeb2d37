//! What an onlooker of the sandbox is told: everything the bot did, in the order it happened.

use serde_json::Value;

use crate::MessageId;

/// One thing that happened between the bot and the sandbox.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SandboxEvent {
    /// A WebSocket was accepted on the gateway.
    Connected {
        /// Number of the connection, counted from 1.
        connection: u64,
    },
    /// An IDENTIFY was accepted and a new session begun.
    Identify {
        /// Shard number.
        shard: u32,
        /// How many shards the bot says it has.
        shards: u32,
        /// Id of the new session.
        session: String,
        /// Intent bits asked for.
        intents: u64,
    },
    /// An IDENTIFY came too soon after another of its `max_concurrency` key; the bot was sent opcode 9.
    IdentifyTooSoon {
        /// Shard number.
        shard: u32,
        /// How many shards the bot says it has.
        shards: u32,
    },
    /// An IDENTIFY was answered with opcode 9 on order.
    IdentifyRefused {
        /// The `d` of opcode 9.
        resumable: bool,
    },
    /// A RESUME was accepted.
    Resume {
        /// Id of the session.
        session: String,
        /// The last sequence number that the bot had.
        seq: u64,
        /// How many missed events were sent again.
        replayed: u64,
    },
    /// A RESUME was refused; the bot was sent opcode 9.
    ResumeRefused {
        /// The session id it gave.
        session: String,
        /// Why, in a few words.
        reason: &'static str,
    },
    /// A heartbeat came in.
    Heartbeat {
        /// Shard that beat; `None` before it identified.
        shard: Option<u32>,
        /// Last sequence number that the bot says it has.
        seq: Option<u64>,
    },
    /// A gateway connection ended.
    Disconnected {
        /// Shard it belonged to; `None` before it identified.
        shard: Option<u32>,
        /// Close code; `None` when there was no close frame.
        code: Option<u16>,
        /// Who ended it.
        by: Side,
    },
    /// The bot set its presence (opcode 3 or within IDENTIFY).
    Presence {
        /// Shard that sent it.
        shard: u32,
        /// `online`, `idle`, `dnd` or `invisible`.
        status: String,
        /// Names of its activities (`state` for custom ones).
        activities: Vec<String>,
    },
    /// The bot asked for members (opcode 8).
    MembersRequested {
        /// Guild asked about.
        guild: u64,
        /// How many members were sent.
        sent: u64,
    },
    /// The bot asked for all members of a guild too soon after the last time (event RATE_LIMITED).
    MembersRefused {
        /// Guild asked about.
        guild: u64,
        /// Time it was told to wait, in milliseconds.
        retry_after_ms: u64,
    },
    /// The bot joined, changed or left a voice channel (opcode 4).
    VoiceState {
        /// Guild it is in.
        guild: u64,
        /// The channel; `None` when it left.
        channel: Option<u64>,
        /// It does not talk.
        self_mute: bool,
        /// It does not listen.
        self_deaf: bool,
    },
    /// The bot wrote a message in a channel.
    BotMessage {
        /// Id of the message.
        message: MessageId,
        /// Channel it stands in.
        channel: u64,
        /// The bot's user id.
        author: u64,
        /// Text, as sent.
        content: String,
        /// Message it replies to.
        reply_to: Option<u64>,
        /// Embeds, as JSON objects.
        embeds: Vec<Value>,
        /// Whom it notifies.
        pings: Pings,
    },
    /// The bot edited one of its messages.
    BotMessageEdited {
        /// Id of the message.
        message: MessageId,
        /// Channel it stands in.
        channel: u64,
        /// The text after the edit.
        content: String,
        /// The embeds after the edit.
        embeds: Vec<Value>,
    },
    /// The bot deleted a message.
    BotDeletedMessage {
        /// Id of the message.
        message: MessageId,
        /// Channel it stood in.
        channel: u64,
    },
    /// The bot added (or took back) a reaction.
    BotReaction {
        /// Message reacted to.
        message: MessageId,
        /// Channel it stands in.
        channel: u64,
        /// `name:id` of a custom emoji, or the emoji itself.
        emoji: String,
        /// False when the reaction was taken back.
        added: bool,
    },
    /// The bot shows as typing.
    BotTyping {
        /// Channel it types in.
        channel: u64,
    },
    /// The bot answered an interaction, or changed or added to its answer.
    InteractionReply {
        /// Id of the interaction.
        interaction: u64,
        /// Kind of answer.
        kind: ReplyKind,
        /// Text of the answer; empty where the kind has none.
        content: String,
        /// Only the person who asked sees it.
        ephemeral: bool,
        /// Embeds, as JSON objects.
        embeds: Vec<Value>,
        /// Whom it notifies; edits notify nobody, except that of a deferred answer.
        pings: Pings,
        /// The data as sent (choices of an autocompletion, fields of a modal, components).
        data: Value,
    },
    /// The bot registered commands.
    CommandsRegistered {
        /// Guild they are for; `None` for global ones.
        guild: Option<u64>,
        /// How many commands there are now, of that scope.
        n: usize,
    },
    /// The bot did something that the audit log of a guild keeps.
    Moderated {
        /// Guild it was done in.
        guild: u64,
        /// Discord's number of the audit log event: 20 for a kick, 22 for a ban, 24 for a member's change …
        action: u8,
        /// Whom or what it was done to.
        target: u64,
        /// The reason given in the header `X-Audit-Log-Reason`.
        reason: Option<String>,
    },
    /// A REST request was answered.
    Request {
        /// HTTP method.
        method: String,
        /// Path after `/api/v10`, without the query; an interaction's token is shown as `{token}`.
        path: String,
        /// Status of the answer.
        status: u16,
    },
    /// A request for a route of API v10 that the sandbox lacks was answered 501.
    Unimplemented {
        /// HTTP method.
        method: String,
        /// Path after `/api/v10`.
        path: String,
    },
}

/// Which end did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The bot.
    Peer,
    /// The sandbox.
    Sandbox,
}

/// How the bot answered an interaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    /// Callback 1.
    Pong,
    /// Callback 4: a message.
    Message,
    /// Callback 5: "is thinking…".
    Deferred,
    /// Callback 6: nothing visible, an edit may follow.
    DeferredUpdate,
    /// Callback 7: the message that holds the component was edited.
    Update,
    /// Callback 8: choices for the option being typed.
    Autocomplete,
    /// Callback 9: a modal was shown.
    Modal,
    /// The first answer was edited, or a deferred one filled in.
    Edit,
    /// The first answer was deleted.
    Delete,
    /// A further message.
    Followup,
}

/// Whom a message notifies, worked out from its text and `allowed_mentions`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pings {
    /// User ids.
    pub users: Vec<u64>,
    /// Role ids.
    pub roles: Vec<u64>,
    /// @everyone or @here.
    pub everyone: bool,
}

impl Pings {
    /// Whether anybody is notified.
    pub fn any(&self) -> bool {
        self.everyone || !self.users.is_empty() || !self.roles.is_empty()
    }
}

/// A message that the bot wrote in a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct BotMessage {
    /// Id of the message.
    pub message: MessageId,
    /// Channel it stands in.
    pub channel: u64,
    /// Text, as first sent.
    pub content: String,
    /// Message it replies to.
    pub reply_to: Option<u64>,
    /// Embeds, as JSON objects.
    pub embeds: Vec<Value>,
    /// Whom it notifies.
    pub pings: Pings,
    /// Components, as JSON objects.
    pub components: Vec<Value>,
    /// Names of the attached files.
    pub attachments: Vec<String>,
    /// The nonce it was sent with.
    pub nonce: Option<String>,
}
