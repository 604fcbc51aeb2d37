//! One request before anything is started: is the token good, and whose is it?

use crate::{
    answer::Answer,
    application::ApplicationInfo,
    config::Access,
    hosts,
    transport::{Broken, Outgoing, Transport},
    wire::Wire,
};
use reqwest::{
    Method,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use std::time::Duration;
use tokio::time::timeout;

/// How long the answer may take; boot goes on without one.
pub const PREFLIGHT_DEADLINE: Duration = Duration::from_secs(5);

/// What Discord says of the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preflight {
    /// It is good.
    Accepted {
        /// Whose it is.
        application: ApplicationInfo,
    },
    /// It is refused (401): nothing will work with it.
    Refused,
    /// Nobody knows: any other answer, or none. One sentence says why; boot goes on.
    Unknown(String),
}

/// Asks Discord whose token it is: one request, no retry, [`PREFLIGHT_DEADLINE`] at most.
pub async fn preflight(access: &Access) -> Preflight {
    let answer = match timeout(PREFLIGHT_DEADLINE, ask(access)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(reason)) => return Preflight::Unknown(reason),
        Err(_elapsed) => {
            return Preflight::Unknown(format!("no answer within {} s", PREFLIGHT_DEADLINE.as_secs()));
        }
    };
    match answer.status {
        401 => Preflight::Refused,
        200 => match answer.parse("applications/@me") {
            Ok(application) => Preflight::Accepted { application },
            Err(error) => Preflight::Unknown(error.to_string()),
        },
        status => Preflight::Unknown(format!("Discord answered {status}")),
    }
}

async fn ask(access: &Access) -> Result<Answer, String> {
    let base = hosts::admitted(&access.api_base, &access.allow_hosts)?;
    let path = format!("{}/oauth2/applications/@me", base.path().trim_end_matches('/'));
    let mut authorization = HeaderValue::from_str(&format!("Bot {}", access.token.expose()))
        .map_err(|_| "the token holds characters that no token has".to_owned())?;
    authorization.set_sensitive(true);
    let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization)]);
    let asked = Outgoing { method: Method::GET, path, headers, body: None };
    Wire::new(&base)?.carry(asked).await.map_err(|broken| match broken {
        Broken::NotSent(reason) | Broken::Lost(reason) => reason,
        Broken::TooLarge => "the answer is larger than 8 MiB".to_owned(),
    })
}
