use super::*;
use crate::testing::{MapStore, Seeded};
use serde_json::{Value, json};
use serenity::model::event::MessageCreateEvent;

const OWN: Option<UserId> = Some(UserId::new(99));
/// Guilds whose prefix is remembered: the default, another, and odd ones.
const REMEMBERED: [(u64, &str); 6] = [(1, "!"), (2, "hey"), (3, "é"), (4, "\"q"), (5, "\\"), (6, "<x")];
/// A guild whose prefix nobody has looked up yet.
const UNKNOWN: u64 = 7;

async fn prefixes() -> Arc<Prefixes> {
    let store = MapStore::new();
    let prefixes = Prefixes::new("!", 100, store.clone());
    for (guild, prefix) in REMEMBERED {
        if prefix != "!" {
            store.put(GuildId::new(guild), prefix);
        }
        prefixes.of(GuildId::new(guild)).await;
    }
    prefixes
}

/// What is decided on the decoded message; none where it does not decode.
fn decided(payload: &str, prefixes: &Prefixes) -> Option<bool> {
    let message = serde_json::from_str::<MessageCreateEvent>(payload).ok()?.message;
    let by_program = message.author.bot || message.webhook_id.is_some();
    let said = Said { content: &message.content, by_program, guild: message.guild_id };
    Some(may_be_command(&said, prefixes, OWN))
}

fn message(content: &str, guild: Option<u64>) -> Value {
    let mut message = json!({
        "id": "5", "channel_id": "3", "content": content, "timestamp": "2026-01-01T00:00:00Z", "tts": false,
        "author": {"id": "7", "username": "ann", "discriminator": "0", "avatar": null}, "edited_timestamp": null,
        "mention_everyone": false, "mentions": [], "mention_roles": [], "attachments": [], "embeds": [],
        "pinned": false, "type": 0,
    });
    if let Some(guild) = guild {
        message["guild_id"] = guild.to_string().into();
    }
    message
}

#[tokio::test]
async fn messages_that_speak_to_nobody_end_before_anything_is_read() {
    let prefixes = prefixes().await;
    for (content, guild) in
        [("hello", 1), ("", 1), ("x !ping", 1), ("<@98> hi", 1), ("<:a:9>", 1), ("?ping", 1), ("hi", 2)]
    {
        let text = message(content, Some(guild)).to_string();
        assert!(!may_concern(&text, &prefixes, OWN), "{text}");
    }
    for (content, guild) in
        [("!ping", 1), (" \u{3000}!ping", 1), ("HEY ping", 2), ("<@99>", 1), ("<@!99> x", 3), ("é", 3)]
    {
        let text = message(content, Some(guild)).to_string();
        assert!(may_concern(&text, &prefixes, OWN), "{text}");
    }
}

#[tokio::test]
async fn a_quoted_command_and_a_program_s_own_words_are_left_to_the_decision() {
    let prefixes = prefixes().await;
    let mut reply = message("I agree", Some(1));
    reply["referenced_message"] = message("!ping", None);
    reply["embeds"] = json!([{"content": "!ping"}]);
    let mut own = message("!ping", Some(1));
    own["author"]["bot"] = true.into();
    let mut hook = message("!ping", Some(1));
    hook["webhook_id"] = "4".into();
    for message in [reply, own, hook] {
        let text = message.to_string();
        assert!(may_concern(&text, &prefixes, OWN) && decided(&text, &prefixes) == Some(false), "{text}");
    }
    assert!(may_concern(&message("hello", Some(UNKNOWN)).to_string(), &prefixes, OWN), "its prefix must be looked up");
}

#[tokio::test]
async fn what_is_no_message_is_left_to_the_decoder() {
    let prefixes = prefixes().await;
    for odd in
        ["", "{", "null", "[]", r#"{"content":null}"#, r#"{"content":5}"#, r#"{"content":"!"#, r#"{"content":"!a"}"#]
    {
        assert!(may_concern(odd, &prefixes, OWN), "{odd:?}");
    }
    let followed = format!("{},\"_trace\":[]", message("!ping", Some(1)));
    assert!(may_concern(&followed, &prefixes, OWN));
}

/// Over messages of every shape: whatever could be a command once it is decoded is not turned away by its text.
#[tokio::test]
async fn no_text_of_a_command_is_turned_away() {
    println!("seed {:#x}", Seeded::SEED);
    let (prefixes, mut random) = (prefixes().await, Seeded::new(Seeded::SEED));
    let (mut commands, mut others, mut in_vain, mut malformed) = (0, 0, 0, 0);
    for _ in 0..10_000 {
        let mut text = Writer { random: &mut random, out: String::new() }.message();
        if random.below(8) == 0 {
            text = mutated(text, &mut random);
        }
        match decided(&text, &prefixes) {
            Some(true) => {
                assert!(may_concern(&text, &prefixes, OWN), "{text}");
                commands += 1;
            }
            Some(false) => *(if may_concern(&text, &prefixes, OWN) { &mut in_vain } else { &mut others }) += 1,
            None => {
                may_concern(&text, &prefixes, OWN);
                malformed += 1;
            }
        }
    }
    println!("{commands} that may be commands, {others} turned away, {in_vain} decoded in vain, {malformed} malformed");
    assert!(commands > 1_000 && others > 200 && malformed > 150);
}

/// Writes messages as no encoder would: any order of members, white space, escapes where none are needed.
struct Writer<'a> {
    random: &'a mut Seeded,
    out: String,
}

impl Writer<'_> {
    fn message(mut self) -> String {
        let content = self.content();
        let guild = [None, Some(1), Some(2), Some(3), Some(4), Some(5), Some(6), Some(UNKNOWN)][self.random.below(8)];
        let mut message = message(&content, guild);
        if self.random.below(6) == 0 {
            message["author"]["bot"] = (self.random.below(2) == 0).into();
        }
        if self.random.below(12) == 0 {
            message["webhook_id"] = [Value::Null, "4".into()][self.random.below(2)].clone();
        }
        if self.random.below(3) == 0 {
            let quoted = self.content();
            message["referenced_message"] = super::tests::message(&quoted, Some(3));
            message["message_reference"] = json!({"channel_id": "3", "guild_id": "4", "message_id": "5", "type": 0});
        }
        if self.random.below(4) == 0 {
            let nested = self.content();
            message["components"] = json!([]);
            message["nonce"] = nested.clone().into();
            let guild = [json!("1"), json!(5), Value::Null, json!({}), json!("x")][self.random.below(5)].clone();
            message["extra"] = json!({"content": nested, "guild_id": guild, "deeper": [{"content": {"content": "!"}}, "content", "guild_id"]});
        }
        self.value(&message);
        self.out
    }

    fn content(&mut self) -> String {
        const PIECES: [&str; 27] = [
            "!",
            "hey",
            "HEY",
            "é",
            "\"q",
            "\\",
            "<x",
            "<@99>",
            "<@!99>",
            "<@98>",
            "<@",
            "99",
            ">",
            " ",
            "\n",
            "\t",
            "\u{3000}",
            "\u{85}",
            "\u{200b}",
            "ping",
            "\u{1f600}",
            "\"content\":\"!",
            "<@+99>",
            "<@00000000000000000000099>",
            "x",
            "\u{0}",
            "/",
        ];
        (0..self.random.below(5)).map(|_| PIECES[self.random.below(PIECES.len())]).collect()
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                let mut members: Vec<(&String, &Value)> = members.iter().collect();
                for at in (1..members.len()).rev() {
                    members.swap(at, self.random.below(at + 1));
                }
                self.out.push('{');
                for (at, (name, value)) in members.into_iter().enumerate() {
                    if at > 0 {
                        self.out.push(',');
                    }
                    self.space();
                    self.string(name, 200);
                    self.space();
                    self.out.push(':');
                    self.space();
                    self.value(value);
                }
                self.out.push('}');
            }
            Value::Array(values) => {
                self.out.push('[');
                for (at, value) in values.iter().enumerate() {
                    if at > 0 {
                        self.out.push(',');
                    }
                    self.value(value);
                }
                self.out.push(']');
            }
            Value::String(text) => self.string(text, 25),
            other => self.out.push_str(&other.to_string()),
        }
    }

    fn space(&mut self) {
        if self.random.below(40) == 0 {
            self.out.push_str([" ", "\n", "\t\r "][self.random.below(3)]);
        }
    }

    /// One character in `rarely` is escaped without need.
    fn string(&mut self, text: &str, rarely: usize) {
        self.out.push('"');
        for character in text.chars() {
            let mut units = [0; 2];
            if self.random.below(rarely) == 0 {
                for unit in character.encode_utf16(&mut units) {
                    self.out.push_str(&format!("\\u{unit:04x}"));
                }
            } else {
                let json = Value::from(character.to_string()).to_string();
                self.out.push_str(&json[1..json.len() - 1]);
            }
        }
        self.out.push('"');
    }
}

/// One byte or piece lost, doubled or changed; still UTF-8, as frames are.
fn mutated(text: String, random: &mut Seeded) -> String {
    let mut bytes = text.into_bytes();
    let at = random.below(bytes.len());
    match random.below(4) {
        0 => drop(bytes.remove(at)),
        1 => bytes.insert(at, b"\"\\{}:,!< "[random.below(9)]),
        2 => bytes[at] = b' ' + u8::try_from(random.below(90)).unwrap(),
        _ => bytes.truncate(at),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
