//! The one list of what the sandbox implements: the router and the parity table are both made from it.

use super::request::{Answer, Call};
use super::{channels, commands, emojis, guilds, interactions, messages, users};
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
    bot("PUT", "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/@me", channels::react),
    bot("DELETE", "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/@me", channels::unreact),
    bot(
        "DELETE",
        "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/{user_id}",
        channels::remove_reaction,
    ),
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
    open("POST", "/webhooks/{webhook_id}/{webhook_token}", interactions::follow_up),
    open("GET", "/webhooks/{webhook_id}/{webhook_token}/messages/@original", interactions::original),
    open("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/@original", interactions::edit_original),
    open("DELETE", "/webhooks/{webhook_id}/{webhook_token}/messages/@original", interactions::delete_original),
    open("GET", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}", interactions::reply),
    open("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}", interactions::edit_reply),
    open("DELETE", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}", interactions::delete_reply),
];
