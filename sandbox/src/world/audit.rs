//! The audit log of a guild: who did what to whom, and why.

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::json;

use super::World;
use super::ids::Id;
use crate::events::SandboxEvent;

/// Entries kept of each guild.
const ENTRIES_MAX: usize = 1_000;

/// Audit log events (Discord documentation, "Audit Log Events").
pub(crate) mod action {
    pub(crate) const GUILD_UPDATE: u8 = 1;
    pub(crate) const CHANNEL_CREATE: u8 = 10;
    pub(crate) const CHANNEL_UPDATE: u8 = 11;
    pub(crate) const CHANNEL_DELETE: u8 = 12;
    pub(crate) const OVERWRITE_CREATE: u8 = 13;
    pub(crate) const OVERWRITE_UPDATE: u8 = 14;
    pub(crate) const OVERWRITE_DELETE: u8 = 15;
    pub(crate) const MEMBER_KICK: u8 = 20;
    pub(crate) const MEMBER_BAN_ADD: u8 = 22;
    pub(crate) const MEMBER_BAN_REMOVE: u8 = 23;
    pub(crate) const MEMBER_UPDATE: u8 = 24;
    pub(crate) const MEMBER_ROLE_UPDATE: u8 = 25;
    pub(crate) const ROLE_CREATE: u8 = 30;
    pub(crate) const ROLE_UPDATE: u8 = 31;
    pub(crate) const ROLE_DELETE: u8 = 32;
    pub(crate) const WEBHOOK_CREATE: u8 = 50;
    pub(crate) const WEBHOOK_UPDATE: u8 = 51;
    pub(crate) const WEBHOOK_DELETE: u8 = 52;
    pub(crate) const MESSAGE_DELETE: u8 = 72;
    pub(crate) const MESSAGE_BULK_DELETE: u8 = 73;
    pub(crate) const MESSAGE_PIN: u8 = 74;
    pub(crate) const MESSAGE_UNPIN: u8 = 75;
    pub(crate) const THREAD_CREATE: u8 = 110;
    pub(crate) const THREAD_UPDATE: u8 = 111;
    pub(crate) const THREAD_DELETE: u8 = 112;
}

/// An audit log entry object (Discord documentation, "Audit Log Entry Object").
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    pub id: Id,
    pub action_type: u8,
    pub user_id: Id,
    pub target_id: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The entries of one guild, newest last.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditLog {
    entries: VecDeque<Entry>,
}

impl AuditLog {
    /// Newest first.
    pub(crate) fn newest(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().rev()
    }
}

impl World {
    /// Notes an act of the bot in the audit log of a guild, and tells the gateway and onlookers.
    pub(crate) fn audit(&mut self, guild: Id, action: u8, target: Id, reason: Option<&str>, now_ms: u64) {
        let id = self.ids.next(now_ms);
        let reason = reason.map(str::to_owned);
        let entry = Entry { id, action_type: action, user_id: self.bot, target_id: Some(target), reason };
        let Some(home) = self.guilds.get_mut(&guild) else { return };
        if home.audit.entries.len() == ENTRIES_MAX {
            home.audit.entries.pop_front();
        }
        home.audit.entries.push_back(entry.clone());
        let body = super::guild::merged(json!(entry), json!({ "guild_id": guild }));
        self.outbox.guild_event("GUILD_AUDIT_LOG_ENTRY_CREATE", guild, &body);
        self.outbox.note(SandboxEvent::Moderated { guild: guild.0, action, target: target.0, reason: entry.reason });
    }
}
