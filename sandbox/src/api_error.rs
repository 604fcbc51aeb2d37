//! Discord's refusals: an HTTP status and a JSON error code (Discord documentation, "Opcodes and Status Codes").

use serde_json::{Value, json};

/// A refusal as Discord words it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiError {
    pub status: u16,
    pub code: u32,
    pub message: String,
    /// Details by field, of code 50035.
    pub errors: Option<Value>,
}

impl ApiError {
    pub(crate) fn new(status: u16, code: u32, message: &str) -> ApiError {
        ApiError { status, code, message: message.to_owned(), errors: None }
    }

    pub(crate) fn unauthorized() -> ApiError {
        ApiError::new(401, 0, "401: Unauthorized")
    }

    pub(crate) fn unknown(what: Unknown) -> ApiError {
        let (code, name) = match what {
            Unknown::Application => (10002, "Application"),
            Unknown::Channel => (10003, "Channel"),
            Unknown::Guild => (10004, "Guild"),
            Unknown::Member => (10007, "Member"),
            Unknown::Message => (10008, "Message"),
            Unknown::Role => (10011, "Role"),
            Unknown::User => (10013, "User"),
            Unknown::Emoji => (10014, "Emoji"),
            Unknown::Webhook => (10015, "Webhook"),
            Unknown::Interaction => (10062, "interaction"),
            Unknown::Ban => (10026, "Ban"),
            Unknown::Command => (10063, "application command"),
        };
        ApiError::new(404, code, &format!("Unknown {name}"))
    }

    pub(crate) fn missing_access() -> ApiError {
        ApiError::new(403, 50001, "Missing Access")
    }

    pub(crate) fn missing_permissions() -> ApiError {
        ApiError::new(403, 50013, "Missing Permissions")
    }

    pub(crate) fn empty_message() -> ApiError {
        ApiError::new(400, 50006, "Cannot send an empty message")
    }

    /// The body is not JSON.
    pub(crate) fn invalid_json() -> ApiError {
        ApiError::new(400, 50109, "The request body contains invalid JSON.")
    }

    pub(crate) fn invalid_form(errors: Value) -> ApiError {
        ApiError { errors: Some(errors), ..ApiError::new(400, 50035, "Invalid Form Body") }
    }

    /// Code 50035 for one field.
    pub(crate) fn invalid_field(field: &str, code: &str, message: &str) -> ApiError {
        ApiError::invalid_form(json!({ field: { "_errors": [{ "code": code, "message": message }] } }))
    }

    pub(crate) fn body(&self) -> Value {
        let mut body = json!({ "message": self.message, "code": self.code });
        if let Some(errors) = &self.errors {
            body["errors"] = errors.clone();
        }
        body
    }
}

/// The kinds of things that Discord can say it does not know.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unknown {
    Application,
    Channel,
    Guild,
    Member,
    Message,
    Role,
    User,
    Emoji,
    Webhook,
    Ban,
    Interaction,
    Command,
}
