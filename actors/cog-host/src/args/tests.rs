use super::*;
use crate::testing::{Seeded, option, resolved};
use serde_json::{Value as Json, json};
use serenity::model::id::{ChannelId, RoleId, UserId};
use std::time::Duration;

crate::choices! {
    enum Volume { Quiet = "quiet", Loud = "loud" }
}

crate::args! {
    struct Everything {
        /// a word
        word: String,
        /// from 1 to 20
        count: Int<1, 20>,
        /// how loud
        volume: Volume,
        /// a number
        ratio: f64 = 0.5,
        /// yes or no
        flag: Option<bool>,
        /// how long
        span: Option<Span>,
        /// what to say
        text: Option<Rest>,
    }
}

crate::args! {
    struct Targets {
        /// a user
        user: UserId,
        /// a channel
        channel: ChannelId,
        /// a role
        role: RoleId,
        /// either
        either: Mentionable,
    }
}

fn text<A: Args>(line: &str) -> Result<A, ArgError> {
    let mut values = read_text(&A::params(), &mut Tokens::new(line))?;
    Ok(A::take(&mut values).expect("the reader checked the kinds"))
}

fn slash<A: Args>(options: &[(&str, u8, Json)]) -> Result<A, ArgError> {
    let options: Vec<_> = options.iter().map(|(name, kind, value)| option(name, *kind, value.clone())).collect();
    let mut values = read_slash(&A::params(), &options, &resolved(json!({})))?;
    Ok(A::take(&mut values).expect("the reader checked the kinds"))
}

#[test]
fn one_declaration_reads_the_same_from_text_and_from_slash_options() {
    let rows = [
        (
            r#""two words" 3 loud 0.25 yes 1h30m the "rest" as it is"#,
            vec![
                ("word", 3, json!("two words")),
                ("count", 4, json!(3)),
                ("volume", 3, json!("loud")),
                ("ratio", 10, json!(0.25)),
                ("flag", 5, json!(true)),
                ("span", 3, json!("1h30m")),
                ("text", 3, json!(r#"the "rest" as it is"#)),
            ],
        ),
        ("w 20 quiet", vec![("volume", 3, json!("quiet")), ("word", 3, json!("w")), ("count", 4, json!(20))]),
    ];
    for (line, options) in rows {
        let typed: Everything = text(line).unwrap();
        let chosen: Everything = slash(&options).unwrap();
        assert_eq!(format!("{typed:?}"), format!("{chosen:?}"), "{line}");
    }
    let defaults: Everything = text("w 20 quiet").unwrap();
    assert_eq!((defaults.ratio, defaults.flag, defaults.span, defaults.text), (0.5, None, None, None));
    let full: Everything = text("w 1 LOUD 1 off 90").unwrap();
    assert_eq!(full.word, "w");
    assert_eq!((full.volume, full.flag, full.span), (Volume::Loud, Some(false), Some(Span(Duration::from_secs(90)))));
}

#[test]
fn what_does_not_fit_is_named_the_same_in_both() {
    let missing = |name, about| ArgError::Missing { name, about };
    let bad = |name, kind: Kind| ArgError::Bad { name, expected: kind.expected() };
    let rows = [
        ("", vec![], missing("word", "a word")),
        ("w", vec![("word", 3, json!("w"))], missing("count", "from 1 to 20")),
        (
            "w 21",
            vec![("word", 3, json!("w")), ("count", 4, json!(21))],
            bad("count", Kind::Integer { min: 1, max: 20 }),
        ),
        (
            "w 1 shrill",
            vec![("word", 3, json!("w")), ("count", 4, json!(1)), ("volume", 3, json!("shrill"))],
            bad("volume", Volume::kind()),
        ),
    ];
    for (line, options, expected) in rows {
        assert_eq!(text::<Everything>(line).unwrap_err(), expected, "{line}");
        assert_eq!(slash::<Everything>(&options).unwrap_err(), expected, "{line}");
    }
    assert_eq!(text::<Everything>("\"w 1 loud").unwrap_err(), ArgError::UnclosedQuote);
    assert_eq!(text::<()>("extra").unwrap_err(), ArgError::TooMany);
    assert_eq!(text::<Everything>("w 0 loud").unwrap_err().to_string(), "`count` must be a whole number from 1 to 20.");
}

#[test]
fn mentions_and_ids_name_users_channels_and_roles() {
    let typed: Targets = text("<@!7> <#8> <@&9> <@&10>").unwrap();
    assert_eq!((typed.user.get(), typed.channel.get(), typed.role.get()), (7, 8, 9));
    assert_eq!(typed.either, Mentionable::Role(RoleId::new(10)));
    let by_id: Targets = text("7 8 9 <@11>").unwrap();
    assert_eq!((by_id.user.get(), by_id.channel.get(), by_id.role.get()), (7, 8, 9));
    assert_eq!(by_id.either, Mentionable::User(UserId::new(11)));
    let rows =
        ["<#7> 8 9 <@1>", "0 8 9 <@1>", "+7 8 9 <@1>", "18446744073709551615 8 9 <@1>", "7 8 9 12", "<@7 8 9 <@1>"];
    for line in rows {
        assert!(matches!(text::<Targets>(line), Err(ArgError::Bad { .. })), "{line}");
    }
}

#[test]
fn a_mentionable_option_is_a_role_when_discord_resolved_one() {
    let role = json!({"id": "9", "name": "r", "color": 0, "colors": {"primary_color": 0}, "hoist": false, "position": 1, "permissions": "0",
        "managed": false, "mentionable": false});
    let param = [Param::of::<Mentionable>("who", "either", false)];
    let given = [option("who", 9, json!("9"))];
    let values = read_slash(&param, &given, &resolved(json!({"roles": {"9": role}}))).unwrap();
    assert_eq!(values.clone().next::<Mentionable>(|| None), Some(Mentionable::Role(RoleId::new(9))));
    let values = read_slash(&param, &given, &resolved(json!({}))).unwrap();
    assert_eq!(values.clone().next::<Mentionable>(|| None), Some(Mentionable::User(UserId::new(9))));
}

#[test]
fn an_option_of_another_type_is_refused() {
    let param = [Param::of::<i64>("n", "a number", false)];
    let given = [option("n", 3, json!("5"))];
    assert!(matches!(read_slash(&param, &given, &resolved(json!({}))), Err(ArgError::Bad { name: "n", .. })));
}

#[test]
fn words_and_quotes_are_cut_as_people_expect() {
    let rows: [(&str, &[&str]); 7] = [
        ("a  b\tc\nd", &["a", "b", "c", "d"]),
        (r#""a b" c"#, &["a b", "c"]),
        (r#""a \" b\\" c"#, &["a \" b\\", "c"]),
        ("\u{201c}curly quotes\u{201d} x", &["curly quotes", "x"]),
        (r#"it's 5" wide"#, &["it's", "5\"", "wide"]),
        (r#""""#, &[""]),
        ("   ", &[]),
    ];
    for (line, words) in rows {
        let mut tokens = Tokens::new(line);
        let mut seen = Vec::new();
        while let Some(word) = tokens.next_word().unwrap() {
            seen.push(word.into_owned());
        }
        assert_eq!(seen, words, "{line:?}");
    }
}

#[test]
fn durations_read_back_and_nonsense_is_refused() {
    for (line, seconds) in [("90", 90), ("90s", 90), ("1h30m", 5400), ("2D", 172_800), ("1w 1s", 604_801)] {
        assert_eq!(parse_duration(line), Some(Duration::from_secs(seconds)), "{line}");
    }
    for line in ["", "0", "0s", "-1s", "1x", "s", "1h1h", "11y", "99999999999999999999s", "5300000000", "1h30"] {
        assert_eq!(parse_duration(line), None, "{line}");
    }
    assert_eq!(show_duration(Duration::from_secs(93_784)), "1 d 2 h");
    assert_eq!(show_duration(Duration::from_secs(3600)), "1 h");
    assert_eq!(show_duration(Duration::from_secs(61)), "1 min 1 s");
    assert_eq!(show_duration(Duration::ZERO), "0 s");
}

#[test]
fn usage_shows_what_is_optional() {
    let usage: Vec<String> = Everything::params().iter().map(Param::usage).collect();
    assert_eq!(usage, ["<word>", "<count>", "<quiet|loud>", "[ratio]", "[flag]", "[span]", "[text…]"]);
}

/// Whatever is typed, reading ends, never panics, and what was accepted is within the declared bounds.
#[test]
fn no_text_breaks_the_reader() {
    let seed = Seeded::SEED;
    println!("seed {seed}");
    let mut random = Seeded::new(seed);
    let pieces = [
        "\"",
        "\\",
        " ",
        "a",
        "<@",
        "<@!1>",
        "<#2>",
        "<@&3>",
        "7",
        "-",
        "1h",
        "loud",
        "\u{201c}",
        "ü",
        "\u{1f600}",
        "\n",
        "yes",
        "0.5",
        "nan",
        "1e999",
        ">",
        "18446744073709551616",
    ];
    for _ in 0..50_000 {
        let line: String = (0..random.below(14)).map(|_| pieces[random.below(pieces.len())]).collect();
        if let Ok(read) = text::<Everything>(&line) {
            assert!((1..=20).contains(&read.count.0) && read.ratio.is_finite(), "{line:?}");
        }
        text::<Targets>(&line).ok();
        let mut tokens = Tokens::new(&line);
        let mut words = 0;
        while let Ok(Some(_)) = tokens.next_word() {
            words += 1;
            assert!(words <= line.len(), "every word takes at least one byte: {line:?}");
        }
    }
}
