use super::*;
use serde_json::{Value, json};

fn ready(guilds: &[u64]) -> Ready {
    let guilds: Vec<Value> = guilds.iter().map(|id| json!({"id": id.to_string(), "unavailable": true})).collect();
    serde_json::from_value(json!({
        "v": 10, "user": {"id": "900", "username": "bot", "discriminator": "0"}, "guilds": guilds,
        "session_id": "s", "resume_gateway_url": "wss://r", "application": {"id": "1", "flags": 0},
    }))
    .unwrap()
}

fn role(id: u64, name: &str, position: i64, permissions: &str) -> Value {
    json!({"id": id.to_string(), "name": name, "position": position, "permissions": permissions, "color": 3})
}

fn channel(id: u64, kind: u8, parent: Option<u64>) -> Value {
    json!({
        "id": id.to_string(), "type": kind, "name": format!("c{id}"), "guild_id": "100", "position": 1,
        "parent_id": parent.map(|parent| parent.to_string()),
        "permission_overwrites": [
            {"id": "5", "type": 0, "allow": "1024", "deny": "0"},
            {"id": "6", "type": 1, "allow": "0", "deny": "2048"},
            {"id": "7", "type": 9, "allow": "0", "deny": "0"},
        ],
    })
}

fn guild() -> Value {
    json!({
        "id": "100", "name": "Guild \"1\"", "owner_id": "7", "member_count": 50, "unavailable": false,
        "roles": [role(102, "late", 2, "8"), role(100, "@everyone", 0, "1024"), role(101, "odd", -1, "0")],
        "channels": [channel(301, 0, None), channel(300, 4, None)],
        "threads": [channel(302, 11, Some(301))],
        "emojis": [{"id": "1", "name": "a"}, {"id": "2", "name": "b"}],
        "members": [
            {"user": {"id": "7", "username": "ann"}, "roles": ["101"], "deaf": false},
            {"user": {"id": "900", "username": "bot"}, "roles": ["102", "100"], "nick": "}]"},
            {"user": {"id": "8"}, "roles": "not even a list"},
        ],
        "presences": [{"user": {"id": "7"}, "activities": [{"url": 5}]}], "voice_states": [], "stickers": [],
    })
}

fn apply(cache: &Cache, kind: EventKind, data: &Value) {
    cache.apply(kind, &data.to_string()).unwrap();
}

fn filled() -> Cache {
    let cache = Cache::default();
    cache.ready(&ready(&[100]), 0, 1);
    apply(&cache, EventKind::GuildCreate, &guild());
    cache
}

fn known(cache: &Cache) -> Arc<CachedGuild> {
    cache.guild(GuildId::new(100)).unwrap()
}

#[test]
fn a_guild_is_read_in_one_pass_and_sorted() {
    let cache = filled();
    let guild = known(&cache);
    assert_eq!((&*guild.name, guild.owner_id, guild.member_count), ("Guild \"1\"", UserId::new(7), 50));
    assert_eq!(guild.roles.iter().map(|role| role.id.get()).collect::<Vec<_>>(), [100, 101, 102]);
    assert_eq!(guild.roles[1].position, 0, "a negative position is the lowest");
    assert_eq!(guild.roles[2].permissions, 8);
    assert_eq!(guild.channels.iter().map(|channel| channel.id.get()).collect::<Vec<_>>(), [300, 301, 302]);
    assert_eq!(guild.channels[1].overwrites.len(), 2, "an overwrite of an unknown type is left out");
    assert_eq!(*guild.own_roles, [RoleId::new(102), RoleId::new(100)]);
    assert_eq!(guild.emoji_count, 2);
    assert_eq!((cache.own_id(), cache.own_name().as_deref()), (Some(UserId::new(900)), Some("bot")));
}

#[test]
fn an_outage_keeps_what_is_known_and_a_goodbye_does_not() {
    let cache = filled();
    apply(&cache, EventKind::GuildDelete, &json!({"id": "100", "unavailable": true}));
    assert!(known(&cache).unavailable);
    assert_eq!(known(&cache).roles.len(), 3);
    assert_eq!((cache.counts().guilds, cache.counts().unavailable_guilds), (0, 1));
    apply(&cache, EventKind::GuildCreate, &guild());
    assert!(!known(&cache).unavailable);
    apply(&cache, EventKind::GuildDelete, &json!({"id": "100"}));
    assert!(cache.guild(GuildId::new(100)).is_none());
    assert_eq!(cache.counts(), CacheCounts::default());
}

#[test]
fn guilds_left_while_away_are_forgotten_those_of_other_shards_are_not() {
    let cache = Cache::default();
    let (here, gone, other) = (4 << 22, 6 << 22, 5 << 22);
    cache.ready(&ready(&[here, gone]), 0, 2);
    cache.ready(&ready(&[other]), 1, 2);
    for id in [here, gone, other] {
        let mut data = guild();
        data["id"] = json!(id.to_string());
        apply(&cache, EventKind::GuildCreate, &data);
    }
    cache.ready(&ready(&[here]), 0, 2);
    let mut left: Vec<u64> = cache.guild_ids().iter().map(|id| id.get()).collect();
    left.sort_unstable();
    assert_eq!(left, [here, other]);
    assert_eq!(cache.counts().unavailable_guilds, 0);
}

#[test]
fn roles_come_change_and_go() {
    let cache = filled();
    apply(&cache, EventKind::GuildRoleCreate, &json!({"guild_id": "100", "role": role(99, "new", 5, "16")}));
    apply(&cache, EventKind::GuildRoleUpdate, &json!({"guild_id": "100", "role": role(102, "newer", 6, "32")}));
    let before = known(&cache);
    apply(&cache, EventKind::GuildRoleDelete, &json!({"guild_id": "100", "role_id": "102"}));
    let names = |guild: &CachedGuild| guild.roles.iter().map(|role| role.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&before), ["new", "@everyone", "odd", "newer"], "a reader keeps its snapshot");
    assert_eq!(names(&known(&cache)), ["new", "@everyone", "odd"]);
    assert_eq!(*known(&cache).own_roles, [RoleId::new(100)], "a deleted role is nobody's");
}

#[test]
fn channels_and_threads_come_change_and_go() {
    let cache = filled();
    let ids = |cache: &Cache| known(cache).channels.iter().map(|channel| channel.id.get()).collect::<Vec<_>>();
    apply(&cache, EventKind::ChannelCreate, &channel(250, 2, None));
    apply(&cache, EventKind::ThreadCreate, &channel(400, 11, Some(301)));
    assert_eq!(ids(&cache), [250, 300, 301, 302, 400]);
    let mut archived = channel(400, 11, Some(301));
    archived["thread_metadata"] = json!({"archived": true});
    apply(&cache, EventKind::ThreadUpdate, &archived);
    assert_eq!(ids(&cache), [250, 300, 301, 302], "an archived thread is forgotten");
    apply(
        &cache,
        EventKind::ThreadListSync,
        &json!({"guild_id": "100", "channel_ids": ["301"], "threads": [channel(401, 12, Some(301))], "members": []}),
    );
    assert_eq!(ids(&cache), [250, 300, 301, 401]);
    apply(&cache, EventKind::ChannelDelete, &channel(301, 0, None));
    assert_eq!(ids(&cache), [250, 300], "its threads go with a channel");
}

#[test]
fn only_our_own_member_updates_change_our_roles() {
    let cache = filled();
    let update = |user: &str| json!({"guild_id": "100", "user": {"id": user, "username": "x"}, "roles": ["101"]});
    apply(&cache, EventKind::GuildMemberUpdate, &update("7"));
    assert_eq!(known(&cache).own_roles.len(), 2);
    apply(&cache, EventKind::GuildMemberUpdate, &update("900"));
    assert_eq!(*known(&cache).own_roles, [RoleId::new(101)]);
    apply(&cache, EventKind::UserUpdate, &json!({"id": "900", "username": "renamed"}));
    assert_eq!(cache.own_name().as_deref(), Some("renamed"));
}

#[test]
fn members_are_counted_and_guilds_updated() {
    let cache = filled();
    let member = json!({"guild_id": "100", "user": {"id": "55", "username": "x"}, "roles": []});
    apply(&cache, EventKind::GuildMemberAdd, &member);
    apply(&cache, EventKind::GuildMemberAdd, &member);
    apply(&cache, EventKind::GuildMemberRemove, &member);
    apply(&cache, EventKind::GuildUpdate, &json!({"id": "100", "name": "New", "owner_id": "8"}));
    apply(&cache, EventKind::GuildEmojisUpdate, &json!({"guild_id": "100", "emojis": []}));
    let guild = known(&cache);
    assert_eq!((guild.member_count, &*guild.name, guild.owner_id.get()), (51, "New", 8));
    assert_eq!((guild.emoji_count, guild.roles.len()), (0, 3));
}

#[test]
fn a_malformed_event_changes_nothing() {
    let cache = filled();
    for kind in cache.reads().iter() {
        assert!(cache.apply(kind, r#"{"guild_id": [], "id": {}}"#).is_err(), "{}", kind.name());
        assert!(cache.apply(kind, r#"{"guild_id": "100", "id": "100", "ro"#).is_err(), "{}", kind.name());
    }
    assert_eq!(known(&cache).roles.len(), 3);
}

#[test]
fn an_event_of_an_unknown_guild_changes_nothing() {
    let cache = Cache::default();
    apply(&cache, EventKind::GuildRoleCreate, &json!({"guild_id": "100", "role": role(99, "new", 5, "16")}));
    assert!(cache.guild_ids().is_empty());
}

/// The goal is 10 KB for a guild of 20 channels, 15 roles and 50 members; counted by hand from what is stored.
#[test]
fn a_guild_of_ordinary_size_takes_less_than_ten_kilobytes() {
    let cache = Cache::default();
    cache.ready(&ready(&[100]), 0, 1);
    let mut data = guild();
    data["roles"] = (0..15).map(|id| role(100 + id, "a role's name", 1, "8")).collect();
    data["channels"] = (0..20).map(|id| channel(300 + id, 0, Some(299))).collect();
    apply(&cache, EventKind::GuildCreate, &data);
    let guild = known(&cache);
    let roles: usize = guild.roles.iter().map(|role| size_of_val(role) + role.name.len().next_multiple_of(16)).sum();
    let channels: usize = guild
        .channels
        .iter()
        .map(|channel| {
            let heap = channel.name.len().next_multiple_of(16) + size_of_val(&*channel.overwrites);
            size_of::<usize>() * 3 + size_of_val(&**channel) + heap
        })
        .sum();
    let bytes = size_of_val(&*guild) + guild.name.len() + roles + channels + 128;
    println!("{bytes} bytes a guild");
    assert!(bytes <= 10_000, "{bytes}");
}

#[test]
fn whoever_watches_permissions_is_told_of_roles_overwrites_and_the_bots_own_roles_and_of_nothing_else() {
    let cache = filled();
    let member = |id: &str| json!({"guild_id": "100", "user": {"id": id, "username": "x"}, "roles": ["101"]});
    for (kind, data, tells) in [
        (EventKind::GuildRoleUpdate, json!({"guild_id": "100", "role": role(101, "odd", 1, "8")}), true),
        (EventKind::GuildRoleDelete, json!({"guild_id": "100", "role_id": "101"}), true),
        (EventKind::ChannelUpdate, channel(301, 0, None), true),
        (EventKind::GuildMemberUpdate, member("900"), true),
        (EventKind::GuildMemberUpdate, member("7"), false),
        (EventKind::ThreadCreate, channel(303, 11, Some(301)), false),
        (EventKind::GuildUpdate, json!({"id": "100", "name": "other", "owner_id": "7"}), false),
    ] {
        let told = match cache.apply(kind, &data.to_string()).unwrap() {
            Some(Passed::Permissions(guild)) => vec![guild.get()],
            _ => Vec::new(),
        };
        assert_eq!(told, if tells { vec![100] } else { Vec::new() }, "{kind:?} {data}");
    }
}

mod members {
    use super::*;
    use chrono::DateTime;

    fn keeping(max: usize) -> Cache {
        let cache = Cache::default();
        cache.keep_members(max);
        cache.ready(&ready(&[100]), 0, 1);
        cache
    }

    fn filled() -> Cache {
        let cache = keeping(100);
        apply(
            &cache,
            EventKind::GuildCreate,
            &guild_of(&[json!({"user": {"id": "7", "username": "ann"}, "roles": ["101"]})]),
        );
        cache
    }

    fn guild_of(members: &[Value]) -> Value {
        let mut data = guild();
        data["members"] = json!(members);
        data
    }

    fn member(cache: &Cache, user: u64) -> Option<CachedMember> {
        cache.member(GuildId::new(100), UserId::new(user))
    }

    fn roles(cache: &Cache, user: u64) -> Option<Vec<u64>> {
        member(cache, user).map(|member| member.roles.iter().map(|role| role.get()).collect())
    }

    fn told(user: &str, roles: &[&str]) -> Value {
        json!({"guild_id": "100", "user": {"id": user, "username": "x"}, "roles": roles})
    }

    #[test]
    fn members_are_kept_only_if_somebody_asks() {
        let cache = super::filled();
        assert_eq!((member(&cache, 7), cache.counts().known_members), (None, 0));
        assert!(!cache.reads().contains(EventKind::GuildMembersChunk));
        assert_eq!(cache.intents(), GatewayIntents::GUILDS);
        cache.keep_members(10);
        assert_eq!(cache.intents(), GatewayIntents::GUILDS | GatewayIntents::GUILD_MEMBERS);
    }

    #[test]
    fn a_guild_brings_its_members_and_one_that_cannot_be_read_is_not_known() {
        let cache = keeping(100);
        let mut data = guild();
        data["members"][0] = json!({
            "user": {"id": "7", "username": "ann \"quoted\"", "bot": true}, "roles": ["101", "102"], "nick": "A\u{e4}nn",
            "joined_at": "2026-01-01T12:00:00.123000+00:00", "pending": true, "flags": 9,
            "communication_disabled_until": "2026-02-01T12:00:00.123000+00:00", "premium_since": null,
        });
        apply(&cache, EventKind::GuildCreate, &data);
        let ann = member(&cache, 7).unwrap();
        assert_eq!((&*ann.name, ann.nick.as_deref(), ann.bot), ("ann \"quoted\"", Some("A\u{e4}nn"), true));
        assert_eq!(roles(&cache, 7), Some(vec![101, 102]));
        assert_eq!(ann.joined_at, DateTime::from_timestamp(1_767_268_800, 0));
        assert_eq!(ann.timeout_until, DateTime::from_timestamp(1_769_947_201, 0));
        assert_eq!((ann.pending, ann.flags.map(|flags| flags.bits())), (true, Some(9)));
        assert_eq!(*known(&cache).own_roles, [RoleId::new(102), RoleId::new(100)], "its own are found as before");
        assert_eq!((member(&cache, 8), cache.counts().known_members), (None, 2), "the third has no roles");
    }

    #[test]
    fn members_come_change_and_go() {
        let cache = filled();
        apply(&cache, EventKind::GuildMemberAdd, &told("9", &["102"]));
        assert_eq!((roles(&cache, 9), known(&cache).member_count), (Some(vec![102]), 51));
        apply(&cache, EventKind::GuildMemberUpdate, &told("9", &[]));
        assert_eq!(roles(&cache, 9), Some(Vec::new()));
        apply(&cache, EventKind::GuildMemberUpdate, &told("11", &["101"]));
        assert_eq!(roles(&cache, 11), Some(vec![101]), "one that was not known is told of whole");
        apply(&cache, EventKind::GuildMemberRemove, &json!({"guild_id": "100", "user": {"id": "9", "username": "x"}}));
        assert_eq!((roles(&cache, 9), known(&cache).member_count), (None, 50));
        apply(&cache, EventKind::GuildMemberUpdate, &told("900", &["101"]));
        assert_eq!(*known(&cache).own_roles, [RoleId::new(101)], "the bot's own roles");
    }

    #[test]
    fn a_nickname_that_is_not_told_stays_and_one_that_is_null_goes() {
        let cache = filled();
        let nick = |cache: &Cache| member(cache, 7).unwrap().nick;
        let mut update = told("7", &[]);
        update["nick"] = json!("annie");
        apply(&cache, EventKind::GuildMemberUpdate, &update);
        apply(&cache, EventKind::GuildMemberUpdate, &told("7", &[]));
        assert_eq!(nick(&cache).as_deref(), Some("annie"));
        update["nick"] = Value::Null;
        apply(&cache, EventKind::GuildMemberUpdate, &update);
        assert_eq!(nick(&cache), None);
    }

    #[test]
    fn chunks_bring_members_and_say_who_is_none() {
        let cache = filled();
        let chunk = json!({
            "guild_id": "100", "chunk_index": 0, "chunk_count": 1, "not_found": ["7"],
            "members": [{"user": {"id": "20", "username": "b"}, "roles": []}, {"user": "odd"}],
        });
        apply(&cache, EventKind::GuildMembersChunk, &chunk);
        assert_eq!((roles(&cache, 20), roles(&cache, 7)), (Some(Vec::new()), None));
        let mut other = chunk;
        other["guild_id"] = json!("101");
        apply(&cache, EventKind::GuildMembersChunk, &other);
        assert_eq!(cache.counts().known_members, 1, "nothing of a guild that is not known");
    }

    #[test]
    fn a_deleted_role_is_nobodys() {
        let cache = filled();
        apply(&cache, EventKind::GuildMemberUpdate, &told("7", &["101", "102"]));
        apply(&cache, EventKind::GuildRoleDelete, &json!({"guild_id": "100", "role_id": "101"}));
        assert_eq!(roles(&cache, 7), Some(vec![102]), "Discord tells of no member for it");
    }

    #[test]
    fn an_outage_keeps_members_until_the_guild_is_told_anew_and_a_goodbye_does_not() {
        let cache = filled();
        apply(&cache, EventKind::GuildDelete, &json!({"id": "100", "unavailable": true}));
        assert_eq!(roles(&cache, 7), Some(vec![101]));
        let other = json!({"user": {"id": "30", "username": "c"}, "roles": []});
        apply(&cache, EventKind::GuildCreate, &guild_of(&[other]));
        assert_eq!((roles(&cache, 7), cache.counts().known_members), (None, 1), "who left meanwhile is not among them");
        apply(&cache, EventKind::GuildDelete, &json!({"id": "100"}));
        assert_eq!((roles(&cache, 30), cache.counts().known_members), (None, 0));
    }

    #[test]
    fn a_new_session_knows_nobody_until_it_is_told() {
        let cache = filled();
        cache.ready(&ready(&[100]), 0, 1);
        assert_eq!(roles(&cache, 7), None, "what happened between the sessions was told to nobody");
        assert!(cache.guild(GuildId::new(100)).is_some());
    }

    #[test]
    fn another_process_knows_nobody_until_it_is_told() {
        let cache = filled();
        let next = keeping(100);
        let text = serde_json::to_string(&cache.save(|_| true)).unwrap();
        assert!(!text.contains("ann"), "members are not written down");
        assert_eq!(next.restore(serde_json::from_str(&text).unwrap(), |_| true), 1);
        assert_eq!((roles(&next, 7), next.counts().known_members), (None, 0));
        apply(&next, EventKind::GuildMemberUpdate, &told("7", &["102"]));
        assert_eq!(roles(&next, 7), Some(vec![102]), "a replayed event is as good as any");
        next.forget_shard(0, 1);
        assert_eq!(roles(&next, 7), None);
    }

    #[test]
    fn what_cannot_be_read_is_not_kept_as_it_was() {
        let cache = filled();
        let update = json!({"guild_id": "100", "user": {"id": "7", "username": "ann"}, "roles": "none"});
        assert!(cache.apply(EventKind::GuildMemberUpdate, &update.to_string()).is_err());
        assert_eq!(roles(&cache, 7), None, "not known rather than out of date");
        let before = filled();
        let cut = guild_of(&[json!({"user": {"id": "40", "username": "d"}, "roles": []})]).to_string();
        assert!(before.apply(EventKind::GuildCreate, &cut[..cut.len() - 1]).is_err());
        assert_eq!((roles(&before, 7), roles(&before, 40)), (Some(vec![101]), None), "a guild is taken whole or not");
    }

    #[test]
    fn who_writes_is_known_from_then_on() {
        let cache = filled();
        let heard = |author: &str, webhook: Option<&str>| {
            let said = json!({
                "id": "1", "channel_id": "300", "guild_id": "100", "content": "hi", "timestamp": "2026-01-01T12:00:00Z",
                "edited_timestamp": null, "tts": false, "mention_everyone": false, "mentions": [], "mention_roles": [],
                "attachments": [], "embeds": [], "pinned": false, "type": 0, "webhook_id": webhook,
                "author": {"id": author, "username": "w", "discriminator": "0", "avatar": null},
                "member": {"roles": ["102"], "joined_at": "2026-01-01T12:00:00Z", "deaf": false, "mute": false},
            });
            let (event, _) = crate::decode::decode(EventKind::MessageCreate, &said.to_string()).unwrap();
            cache.met(&event);
        };
        heard("50", None);
        assert_eq!(roles(&cache, 50), Some(vec![102]));
        assert_eq!(member(&cache, 50).unwrap().flags, None, "a message does not tell them");
        heard("7", None);
        assert_eq!(roles(&cache, 7), Some(vec![101]), "events of its own are not older");
        heard("51", Some("51"));
        assert_eq!(roles(&cache, 51), None, "a webhook is no member");
    }
}
