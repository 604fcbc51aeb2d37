//! The bot answering interactions: the first answer, edits of it, follow-ups.

use serde_json::{Value, json};

use super::World;
use super::draft::{Draft, Edit};
use super::ids::Id;
use super::interaction::{Interaction, Kind, Progress};
use super::message::{Message, flag, message_type};
use super::modal;
use crate::api_error::{ApiError, Unknown};
use crate::events::{Pings, ReplyKind, SandboxEvent};

/// Choices of an autocompletion.
const CHOICES_MAX: usize = 25;
/// Characters of a choice's name.
const CHOICE_NAME_MAX: usize = 100;

impl World {
    /// The first answer (`POST /interactions/{id}/{token}/callback`). The value is what `with_response` shows.
    pub(crate) fn answer(
        &mut self,
        id: Id,
        token: &str,
        body: &Value,
        files: Vec<Value>,
        now_ms: u64,
        deadline_ms: u64,
    ) -> Result<Value, ApiError> {
        let interaction = self.interactions.to_answer(id, token, now_ms, deadline_ms)?.clone();
        let callback = body["type"].as_u64().unwrap_or(0);
        let data = &body["data"];
        let wrong = || {
            let message = "This callback type does not fit this interaction.";
            Err(ApiError::invalid_field("type", "INTERACTION_CALLBACK_TYPE_INVALID", message))
        };
        let from_component = interaction.source.is_some();
        let message = match (callback, interaction.kind) {
            (4, Kind::Command | Kind::Component | Kind::Modal) => {
                let draft = Draft::parse(data, files)?;
                if draft.is_empty() {
                    return Err(ApiError::empty_message());
                }
                let (message, pings) = self.write_answer(&interaction, &draft, now_ms)?;
                self.progress(id, Progress::Answered, Some(message.id));
                self.note_reply(id, ReplyKind::Message, Some(&message), pings, data);
                Some(message)
            }
            (5, Kind::Command | Kind::Component | Kind::Modal) => {
                let mut draft = Draft::parse(data, Vec::new())?;
                draft.flags = draft.flags & flag::EPHEMERAL | flag::LOADING;
                let (message, _) = self.write_answer(&interaction, &draft, now_ms)?;
                self.progress(id, Progress::Deferred, Some(message.id));
                self.note_reply(id, ReplyKind::Deferred, Some(&message), Pings::default(), data);
                Some(message)
            }
            (6, Kind::Component | Kind::Modal) if from_component => {
                self.progress(id, Progress::Answered, interaction.source);
                self.note_reply(id, ReplyKind::DeferredUpdate, None, Pings::default(), data);
                None
            }
            (7, Kind::Component | Kind::Modal) if from_component => {
                let source = interaction.source.ok_or_else(|| ApiError::unknown(Unknown::Message))?;
                let (message, _) = self.edit(interaction.channel, source, Edit::parse(data, files)?, now_ms)?;
                self.progress(id, Progress::Answered, Some(source));
                self.note_reply(id, ReplyKind::Update, Some(&message), Pings::default(), data);
                Some(message)
            }
            (8, Kind::Autocomplete) => {
                check_choices(&data["choices"])?;
                self.progress(id, Progress::Answered, None);
                self.note_reply(id, ReplyKind::Autocomplete, None, Pings::default(), data);
                None
            }
            (9, Kind::Command | Kind::Component) => {
                modal::check(data)?;
                self.progress(id, Progress::Answered, None);
                if let Some(interaction) = self.interactions.get_mut(id) {
                    interaction.modal = Some(data.clone());
                }
                self.note_reply(id, ReplyKind::Modal, None, Pings::default(), data);
                None
            }
            _ => return wrong(),
        };
        let mut answer = json!({
            "interaction": { "id": id, "type": interaction.kind.number(), "channel_id": interaction.channel },
        });
        if let Some(guild) = interaction.guild {
            answer["interaction"]["guild_id"] = json!(guild);
        }
        if let Some(message) = message {
            answer["interaction"]["response_message_id"] = json!(message.id);
            answer["interaction"]["response_message_loading"] = json!(message.flags & flag::LOADING != 0);
            answer["interaction"]["response_message_ephemeral"] = json!(message.is_ephemeral());
            if callback != 5 {
                answer["resource"] = json!({ "type": callback, "message": message });
            }
        }
        Ok(answer)
    }

    /// A further message. After "is thinking…" the first one fills that in, as on Discord.
    pub(crate) fn follow_up(
        &mut self,
        token: &str,
        body: &Value,
        files: Vec<Value>,
        now_ms: u64,
    ) -> Result<Message, ApiError> {
        let interaction = self.interactions.by_token(token, now_ms)?.clone();
        if interaction.progress == Progress::Deferred {
            return self.edit_reply(token, None, body, files, now_ms);
        }
        let draft = Draft::parse(body, files)?;
        if draft.is_empty() {
            return Err(ApiError::empty_message());
        }
        let (message, pings) = self.write_answer(&interaction, &draft, now_ms)?;
        if let Some(known) = self.interactions.get_mut(interaction.id) {
            known.followups.push(message.id);
        }
        self.note_reply(interaction.id, ReplyKind::Followup, Some(&message), pings, body);
        Ok(message)
    }

    /// The message that a webhook path means: the first answer (`None`) or a follow-up.
    pub(crate) fn reply(&self, token: &str, message: Option<Id>, now_ms: u64) -> Result<&Message, ApiError> {
        let interaction = self.interactions.by_token(token, now_ms)?;
        let unknown = || ApiError::unknown(Unknown::Message);
        let id = match message {
            None => interaction.original.ok_or_else(unknown)?,
            Some(id) if interaction.original == Some(id) || interaction.followups.contains(&id) => id,
            Some(_) => return Err(unknown()),
        };
        self.message(interaction.channel, id)
    }

    pub(crate) fn edit_reply(
        &mut self,
        token: &str,
        message: Option<Id>,
        body: &Value,
        files: Vec<Value>,
        now_ms: u64,
    ) -> Result<Message, ApiError> {
        let old = self.reply(token, message, now_ms)?.clone();
        let interaction = self.interactions.by_token(token, now_ms)?;
        let (id, filled_in) =
            (interaction.id, interaction.progress == Progress::Deferred && interaction.original == Some(old.id));
        let (edited, pings) = self.edit(old.channel_id, old.id, Edit::parse(body, files)?, now_ms)?;
        if filled_in {
            self.progress(id, Progress::Answered, Some(old.id));
        }
        let pings = if filled_in { pings } else { Pings::default() };
        self.note_reply(id, ReplyKind::Edit, Some(&edited), pings, body);
        Ok(edited)
    }

    pub(crate) fn delete_reply(&mut self, token: &str, message: Option<Id>, now_ms: u64) -> Result<(), ApiError> {
        let old = self.reply(token, message, now_ms)?.clone();
        let interaction = self.interactions.by_token(token, now_ms)?.id;
        self.delete(old.channel_id, old.id)?;
        self.note_reply(interaction, ReplyKind::Delete, Some(&old), Pings::default(), &Value::Null);
        Ok(())
    }

    fn write_answer(
        &mut self,
        interaction: &Interaction,
        draft: &Draft,
        now_ms: u64,
    ) -> Result<(Message, Pings), ApiError> {
        let (mut message, pings) = self.compose(self.bot, interaction.channel, draft, now_ms)?;
        message.webhook_id = Some(self.application);
        message.application_id = Some(self.application);
        message.nonce = None;
        if interaction.kind == Kind::Command && interaction.original.is_none() {
            message.kind = if interaction.from_menu {
                message_type::CONTEXT_MENU_COMMAND
            } else {
                message_type::CHAT_INPUT_COMMAND
            };
            message.interaction_metadata = Some(json!({
                "id": interaction.id, "type": interaction.kind.number(), "user": self.user(interaction.user)?,
                "authorizing_integration_owners": { "0": interaction.guild.unwrap_or(Id(0)) },
            }));
        }
        self.publish(&message);
        self.keep(message.clone());
        Ok((message, pings))
    }

    fn progress(&mut self, id: Id, progress: Progress, original: Option<Id>) {
        if let Some(interaction) = self.interactions.get_mut(id) {
            interaction.progress = progress;
            interaction.original = original.or(interaction.original);
        }
    }

    fn note_reply(&mut self, id: Id, kind: ReplyKind, message: Option<&Message>, pings: Pings, data: &Value) {
        self.outbox.note(SandboxEvent::InteractionReply {
            interaction: id.0,
            kind,
            content: message.map(|message| message.content.clone()).unwrap_or_default(),
            ephemeral: message.is_some_and(Message::is_ephemeral),
            embeds: message.map(|message| message.embeds.clone()).unwrap_or_default(),
            pings,
            data: data.clone(),
        });
    }
}

/// Refuses choices that Discord would not show.
fn check_choices(choices: &Value) -> Result<(), ApiError> {
    let refuse = |errors: Value| Err(ApiError::invalid_form(json!({ "data": { "choices": errors } })));
    let told = |code: &str, message: &str| json!({ "_errors": [{ "code": code, "message": message }] });
    let Some(choices) = choices.as_array() else {
        return refuse(told("LIST_TYPE_CONVERT", "Only iterables may be used in a ListType"));
    };
    if choices.len() > CHOICES_MAX {
        return refuse(told("BASE_TYPE_MAX_LENGTH", &format!("Must be {CHOICES_MAX} or fewer in length.")));
    }
    for (at, choice) in choices.iter().enumerate() {
        let length = choice["name"].as_str().map_or(0, |name| name.chars().count());
        if !(1..=CHOICE_NAME_MAX).contains(&length) {
            let message = format!("Must be between 1 and {CHOICE_NAME_MAX} in length.");
            return refuse(json!({ at.to_string(): { "name": told("BASE_TYPE_BAD_LENGTH", &message) } }));
        }
        if !choice["value"].is_string() && !choice["value"].is_number() {
            return refuse(
                json!({ at.to_string(): { "value": told("BASE_TYPE_REQUIRED", "This field is required") } }),
            );
        }
    }
    Ok(())
}
