//! The wire: one request out, one bounded answer in.
//!
//! Connections are kept and used again: over loopback, 1,000 requests one after another open 1 of them, 50 callers side by
//! side 50. At Discord's 50 requests a second and 100 ms an answer, about 5 are in use. HTTP/2 would carry all of them on
//! one, and is not built in: it would save handshakes in the first burst only, one lost packet would hold every answer, and
//! one lost connection would leave every outcome unknown at once.

use protocol::BoxFuture;
use reqwest::{Method, Url, header::HeaderMap};

/// Largest answer that is read, after decompression, in bytes.
pub(crate) const BODY_MAX: usize = 8 * 1024 * 1024;

/// A request as it goes out. Not `Debug`: its path may hold a token, its body what people wrote.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    /// Absolute, query included, fit for a request's first line.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Vec<u8>>,
}

/// The head of an answer, and what brings its body. How long to wait, and what was refused, stands in the head: whoever
/// holds it knows that much, whatever becomes of the body.
pub(crate) struct Arrival<'a> {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Reads the body to its end, which may never come.
    pub(crate) body: BoxFuture<'a, Result<Vec<u8>, Broken>>,
}

/// Why there is no answer, or no whole one. The reasons name a host at most, never a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Broken {
    /// It was certainly not carried out: no connection could be made, say.
    NotSent(String),
    /// It was not sent, since whoever answered could not show to be the host. That does not mend itself in a moment.
    Untrusted(String),
    /// The connection broke: it may have been carried out.
    Lost(String),
    /// The answer is larger than [`BODY_MAX`].
    TooLarge,
}

impl Broken {
    /// Why, in words.
    pub(crate) fn reason(self) -> String {
        match self {
            Self::NotSent(reason) | Self::Untrusted(reason) | Self::Lost(reason) => reason,
            Self::TooLarge => "the answer is larger than 8 MiB".to_owned(),
        }
    }
}

/// Carries requests.
pub(crate) trait Transport: Send + Sync + 'static {
    fn carry(&self, outgoing: Outgoing) -> BoxFuture<'_, Result<Arrival<'_>, Broken>>;
}

/// The path of a request below `base` (`/api/v10`), with what no first line may hold escaped: emojis in reactions, say.
pub(crate) fn target(base: &str, path: &str, query: Option<&str>) -> Option<String> {
    let (mark, query) = query.map_or(("", ""), |query| ("?", query));
    let target = format!("{base}/{path}{mark}{query}");
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~@:%?=&+,".contains(&byte);
    if target.bytes().all(plain) {
        return Some(target);
    }
    let url = Url::parse(&format!("http://host{target}")).ok()?;
    Some(match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_address_may_hold_is_escaped_and_the_rest_stays_as_it_is() {
        let at = |path, query| target("/api/v10", path, query).unwrap();
        assert_eq!(at("channels/1/messages", None), "/api/v10/channels/1/messages");
        assert_eq!(at("guilds/1/members", Some("limit=5&after=7")), "/api/v10/guilds/1/members?limit=5&after=7");
        assert_eq!(
            at("channels/1/messages/2/reactions/🎉/@me", None),
            "/api/v10/channels/1/messages/2/reactions/%F0%9F%8E%89/@me"
        );
        assert_eq!(
            at("guilds/1/members/search", Some("query=a b\r\nx: y")),
            "/api/v10/guilds/1/members/search?query=a%20bx:%20y"
        );
    }
}
