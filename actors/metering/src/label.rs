//! Label names, and the checked types that their values come from.

use crate::metric::Value;
use metrics::SharedString;
use std::fmt;

macro_rules! labels {
    ($($variant:ident $name:literal $about:literal),+ $(,)?) => {
        /// The label names that exist. Ids are not among them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Label { $(#[doc = $about] $variant),+ }

        impl Label {
            /// Every label name.
            pub const ALL: &'static [Label] = &[$(Label::$variant),+];

            /// The name on the scrape page.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

labels! {
    Shard "shard" "A shard's number.",
    Command "command" "A registered command; `unknown` for any other.",
    Event "event" "A gateway dispatch type.",
    Status "status" "`success`, `refused`, `error`, `received`, or an HTTP status.",
    Type "type" "A kind within one metric: an interaction type, a control method.",
    ErrorType "error_type" "The class of a failure.",
    Logger "logger" "The crate that logged.",
    Level "level" "A log level.",
    Hook "hook" "A part of the instrumentation itself.",
    Route "route" "Method and path pattern of a REST call.",
    Task "task" "A background task.",
    Cog "cog" "A cog.",
    Path "path" "A path pattern of the actor tree.",
    Outcome "outcome" "How something ended.",
    Subsystem "subsystem" "A part of the process.",
    Class "class" "A class of traffic or work.",
    Reason "reason" "Why.",
    State "state" "A state.",
    Category "category" "What a background task is for: `command`, `system`, `scheduled`, `gateway`.",
    Priority "priority" "How much a background task matters: `low`, `normal`, `high`, `critical`.",
    ExceptionType "exception_type" "The class of an exception in a timed block.",
    ArgusVersion "argus_version" "Argus' name for the version of the telemetry.",
    LibraryVersion "discord_py_version" "Argus' name for the version of the Discord library.",
    Version "version" "The version of the bot.",
}

/// Longest label value, in bytes.
pub const NAME_MAX: usize = 64;
/// So many digits in a row are taken for one of Discord's ids (they have 17 to 20).
const ID_DIGITS: usize = 15;
/// What takes the place of a value that may be an id or cannot be a name.
const OTHER: &str = "other";

/// A name that somebody declared (a cog, a command, a task, an event type), checked: what looks like an id, is too long,
/// or holds anything but letters, digits, `_ - . : / ` and spaces becomes `other`; what is empty becomes `unknown`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(SharedString);

impl Name {
    /// What a command is called that no cog has registered.
    pub const UNKNOWN: Name = Name(SharedString::const_str("unknown"));

    /// The checked text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn check(text: &str) -> Result<(), Name> {
        if text.is_empty() {
            return Err(Self::UNKNOWN);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/ ".contains(&byte);
        let fits = text.len() <= NAME_MAX && text.bytes().all(allowed) && !has_id(text);
        if fits { Ok(()) } else { Err(Self(SharedString::const_str(OTHER))) }
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self::check(text).err().unwrap_or_else(|| Self(SharedString::from(text.to_owned())))
    }
}

impl From<&Name> for Name {
    fn from(name: &Name) -> Self {
        name.clone()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Name> for Value {
    fn from(name: Name) -> Self {
        Self(name.0)
    }
}

/// A path of the actor tree with its numbers taken out: `gateway/shard-7` becomes `gateway/shard-N`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathPattern(Name);

impl PathPattern {
    /// The pattern's text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl From<&str> for PathPattern {
    fn from(path: &str) -> Self {
        let mut pattern = String::with_capacity(path.len().min(NAME_MAX));
        for (at, segment) in path.split('/').enumerate() {
            if at > 0 {
                pattern.push('/');
            }
            let word = segment.trim_end_matches(|c: char| c.is_ascii_digit());
            pattern.push_str(word);
            if word.len() < segment.len() {
                pattern.push('N');
            }
        }
        Self(Name::from(pattern.as_str()))
    }
}

impl From<&PathPattern> for PathPattern {
    fn from(pattern: &PathPattern) -> Self {
        pattern.clone()
    }
}

impl From<PathPattern> for Value {
    fn from(pattern: PathPattern) -> Self {
        pattern.0.into()
    }
}

/// Method and path pattern of a REST call: `POST channels/:id/messages`. Ids, tokens, codes and emojis are taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route(SharedString);

impl Route {
    /// The route of `method` on `path`: with or without scheme, host, `/api/v10` and query.
    pub fn new(method: &str, path: &str) -> Self {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let path = path.split_once("://").map_or(path, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
        let mut segments = path.split('/').filter(|segment| !segment.is_empty()).peekable();
        if segments.peek() == Some(&"api") {
            segments.next();
            segments.next_if(|segment| segment.starts_with('v'));
        }
        let mut route: String = method.chars().filter(char::is_ascii_alphabetic).take(7).collect();
        route.make_ascii_uppercase();
        let (mut before, mut id_before) = ("", false);
        for (at, segment) in segments.take(ROUTE_SEGMENTS_MAX).enumerate() {
            route.push(if at == 0 { ' ' } else { '/' });
            let is_id = segment.bytes().all(|byte| byte.is_ascii_digit());
            route.push_str(match before {
                _ if is_id => ":id",
                "webhooks" | "interactions" if id_before => ":token",
                "reactions" => ":emoji",
                "invites" | "templates" => ":code",
                _ if is_word(segment) => segment,
                _ => ":other",
            });
            if !is_id {
                before = segment;
            }
            id_before = is_id;
        }
        Self(SharedString::from(route))
    }

    /// The route's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Discord's longest paths have nine segments.
const ROUTE_SEGMENTS_MAX: usize = 12;

impl From<&Route> for Route {
    fn from(route: &Route) -> Self {
        route.clone()
    }
}

impl From<Route> for Value {
    fn from(route: Route) -> Self {
        Self(route.0)
    }
}

/// A fixed word of Discord's API: `messages`, `bulk-delete`, `@me`.
fn is_word(segment: &str) -> bool {
    segment.len() <= 32 && segment.bytes().all(|byte| byte.is_ascii_lowercase() || b"-_@".contains(&byte))
}

fn has_id(text: &str) -> bool {
    let mut run = 0;
    text.bytes().any(|byte| {
        run = if byte.is_ascii_digit() { run + 1 } else { 0 };
        run >= ID_DIGITS
    })
}
