//! The one list of what the sandbox implements: the router and the parity table are both made from it.

use super::request::{Answer, Call};
use super::{
    channels, commands, emojis, guilds, interactions, messages, moderation, pins, places, reactions, roles, threads,
    users, webhooks,
};
use crate::api_error::ApiError;
use crate::shared::State;

/// Carries out one request in one turn of the state.
pub(crate) type Handler = fn(&mut State, &Call) -> Result<Answer, ApiError>;

/// One operation of Discord's API v10.
pub(crate) struct Operation {
    pub method: &'static str,
    /// Path template, as in Discord's own OpenAPI description.
    pub path: &'static str,
    /// Whether the bot's token is asked for; interactions carry their own.
    pub needs_token: bool,
    pub handler: Handler,
}

const fn bot(method: &'static str, path: &'static str, handler: Handler) -> Operation {
    Operation { method, path, needs_token: true, handler }
}

const fn open(method: &'static str, path: &'static str, handler: Handler) -> Operation {
    Operation { method, path, needs_token: false, handler }
}

/// Everything that is implemented. Whatever is not in here is answered 501.
pub(crate) const OPERATIONS: &[Operation] = &[
    open("GET", "/gateway", users::gateway),
    bot("GET", "/gateway/bot", users::gateway_bot),
    bot("GET", "/users/@me", users::me),
    bot("POST", "/users/@me/channels", users::open_direct),
    bot("GET", "/users/@me/guilds", users::my_guilds),
    bot("DELETE", "/users/@me/guilds/{guild_id}", users::leave_guild),
    bot("GET", "/users/{user_id}", users::user),
    bot("GET", "/applications/@me", users::application),
    bot("GET", "/oauth2/applications/@me", users::application),
    bot("GET", "/guilds/{guild_id}", guilds::guild),
    bot("PATCH", "/guilds/{guild_id}", guilds::rename),
    bot("GET", "/guilds/{guild_id}/channels", guilds::channels),
    bot("GET", "/guilds/{guild_id}/roles", guilds::roles),
    bot("GET", "/guilds/{guild_id}/roles/{role_id}", guilds::role),
    bot("GET", "/guilds/{guild_id}/members", guilds::members),
    bot("GET", "/guilds/{guild_id}/members/search", guilds::search_members),
    bot("GET", "/guilds/{guild_id}/members/{user_id}", guilds::member),
    bot("GET", "/guilds/{guild_id}/emojis", emojis::of_guild),
    bot("POST", "/guilds/{guild_id}/emojis", emojis::create_in_guild),
    bot("GET", "/guilds/{guild_id}/emojis/{emoji_id}", emojis::one_of_guild),
    bot("PATCH", "/guilds/{guild_id}/emojis/{emoji_id}", emojis::rename_in_guild),
    bot("DELETE", "/guilds/{guild_id}/emojis/{emoji_id}", emojis::delete_in_guild),
    bot("GET", "/applications/{application_id}/emojis", emojis::of_application),
    bot("POST", "/applications/{application_id}/emojis", emojis::create_in_application),
    bot("GET", "/applications/{application_id}/emojis/{emoji_id}", emojis::one_of_application),
    bot("PATCH", "/applications/{application_id}/emojis/{emoji_id}", emojis::rename_in_application),
    bot("DELETE", "/applications/{application_id}/emojis/{emoji_id}", emojis::delete_in_application),
    bot("GET", "/channels/{channel_id}", channels::channel),
    bot("POST", "/channels/{channel_id}/typing", channels::typing),
    bot("GET", "/channels/{channel_id}/messages", messages::page),
    bot("POST", "/channels/{channel_id}/messages", messages::create),
    bot("GET", "/channels/{channel_id}/messages/{message_id}", messages::one),
    bot("PATCH", "/channels/{channel_id}/messages/{message_id}", messages::edit),
    bot("DELETE", "/channels/{channel_id}/messages/{message_id}", messages::delete),
    bot("PUT", "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/@me", reactions::react),
    bot("DELETE", "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/@me", reactions::unreact),
    bot("DELETE", "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/{user_id}", reactions::remove),
    bot("GET", "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}", reactions::users),
    bot("DELETE", "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}", reactions::clear_emoji),
    bot("DELETE", "/channels/{channel_id}/messages/{message_id}/reactions", reactions::clear),
    bot("POST", "/channels/{channel_id}/messages/bulk-delete", messages::bulk_delete),
    bot("GET", "/channels/{channel_id}/messages/pins", pins::page),
    bot("PUT", "/channels/{channel_id}/messages/pins/{message_id}", pins::pin),
    bot("DELETE", "/channels/{channel_id}/messages/pins/{message_id}", pins::unpin),
    bot("GET", "/channels/{channel_id}/pins", pins::all),
    bot("PUT", "/channels/{channel_id}/pins/{message_id}", pins::pin),
    bot("DELETE", "/channels/{channel_id}/pins/{message_id}", pins::unpin),
    bot("POST", "/guilds/{guild_id}/channels", places::create),
    bot("PATCH", "/guilds/{guild_id}/channels", places::reorder),
    bot("PATCH", "/channels/{channel_id}", places::edit),
    bot("DELETE", "/channels/{channel_id}", places::delete),
    bot("PUT", "/channels/{channel_id}/permissions/{overwrite_id}", places::set_overwrite),
    bot("DELETE", "/channels/{channel_id}/permissions/{overwrite_id}", places::delete_overwrite),
    bot("POST", "/channels/{channel_id}/messages/{message_id}/threads", threads::start_on_message),
    bot("POST", "/channels/{channel_id}/threads", threads::start_alone),
    bot("GET", "/channels/{channel_id}/thread-members", threads::members),
    bot("PUT", "/channels/{channel_id}/thread-members/@me", threads::join),
    bot("DELETE", "/channels/{channel_id}/thread-members/@me", threads::leave),
    bot("GET", "/channels/{channel_id}/thread-members/{user_id}", threads::member),
    bot("PUT", "/channels/{channel_id}/thread-members/{user_id}", threads::add),
    bot("DELETE", "/channels/{channel_id}/thread-members/{user_id}", threads::remove),
    bot("GET", "/channels/{channel_id}/threads/archived/public", threads::archived_public),
    bot("GET", "/channels/{channel_id}/threads/archived/private", threads::archived_private),
    bot("GET", "/channels/{channel_id}/users/@me/threads/archived/private", threads::archived_joined),
    bot("GET", "/guilds/{guild_id}/threads/active", threads::active),
    bot("GET", "/guilds/{guild_id}/bans", moderation::bans),
    bot("GET", "/guilds/{guild_id}/bans/{user_id}", moderation::ban),
    bot("PUT", "/guilds/{guild_id}/bans/{user_id}", moderation::create_ban),
    bot("DELETE", "/guilds/{guild_id}/bans/{user_id}", moderation::delete_ban),
    bot("POST", "/guilds/{guild_id}/bulk-ban", moderation::bulk_ban),
    bot("DELETE", "/guilds/{guild_id}/members/{user_id}", moderation::kick),
    bot("PATCH", "/guilds/{guild_id}/members/{user_id}", moderation::edit_member),
    bot("PATCH", "/guilds/{guild_id}/members/@me", moderation::edit_me),
    bot("PUT", "/guilds/{guild_id}/members/{user_id}/roles/{role_id}", moderation::add_role),
    bot("DELETE", "/guilds/{guild_id}/members/{user_id}/roles/{role_id}", moderation::remove_role),
    bot("GET", "/guilds/{guild_id}/audit-logs", moderation::audit_log),
    bot("POST", "/guilds/{guild_id}/roles", roles::create),
    bot("PATCH", "/guilds/{guild_id}/roles", roles::reorder),
    bot("PATCH", "/guilds/{guild_id}/roles/{role_id}", roles::edit),
    bot("DELETE", "/guilds/{guild_id}/roles/{role_id}", roles::delete),
    bot("GET", "/guilds/{guild_id}/roles/member-counts", roles::member_counts),
    bot("GET", "/channels/{channel_id}/webhooks", webhooks::of_channel),
    bot("POST", "/channels/{channel_id}/webhooks", webhooks::create),
    bot("GET", "/guilds/{guild_id}/webhooks", webhooks::of_guild),
    bot("GET", "/webhooks/{webhook_id}", webhooks::one),
    bot("DELETE", "/webhooks/{webhook_id}", webhooks::delete),
    bot("PATCH", "/webhooks/{webhook_id}", webhooks::edit),
    open("GET", "/webhooks/{webhook_id}/{webhook_token}", webhooks::one_by_token),
    open("PATCH", "/webhooks/{webhook_id}/{webhook_token}", webhooks::edit_by_token),
    open("DELETE", "/webhooks/{webhook_id}/{webhook_token}", webhooks::delete_by_token),
    bot("GET", "/applications/{application_id}/commands", commands::global),
    bot("PUT", "/applications/{application_id}/commands", commands::replace_global),
    bot("POST", "/applications/{application_id}/commands", commands::create_global),
    bot("GET", "/applications/{application_id}/commands/{command_id}", commands::one_global),
    bot("PATCH", "/applications/{application_id}/commands/{command_id}", commands::modify_global),
    bot("DELETE", "/applications/{application_id}/commands/{command_id}", commands::delete_global),
    bot("GET", "/applications/{application_id}/guilds/{guild_id}/commands", commands::of_guild),
    bot("PUT", "/applications/{application_id}/guilds/{guild_id}/commands", commands::replace_in_guild),
    bot("POST", "/applications/{application_id}/guilds/{guild_id}/commands", commands::create_in_guild),
    bot("GET", "/applications/{application_id}/guilds/{guild_id}/commands/{command_id}", commands::one_of_guild),
    bot("PATCH", "/applications/{application_id}/guilds/{guild_id}/commands/{command_id}", commands::modify_in_guild),
    bot("DELETE", "/applications/{application_id}/guilds/{guild_id}/commands/{command_id}", commands::delete_in_guild),
    open("POST", "/interactions/{interaction_id}/{interaction_token}/callback", interactions::answer),
    open("POST", "/webhooks/{webhook_id}/{webhook_token}", webhooks::execute),
    open("GET", "/webhooks/{webhook_id}/{webhook_token}/messages/@original", interactions::original),
    open("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/@original", interactions::edit_original),
    open("DELETE", "/webhooks/{webhook_id}/{webhook_token}/messages/@original", interactions::delete_original),
    open("GET", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}", webhooks::message),
    open("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}", webhooks::edit_message),
    open("DELETE", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}", webhooks::delete_message),
];
