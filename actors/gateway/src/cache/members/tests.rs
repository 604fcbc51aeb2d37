//! The table against a plain map, and what it promises beyond being one.

use super::*;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::HashMap;

const GUILD: GuildId = GuildId::new(100);

fn told<'a>(user: u64, name: &'a str, roles: &'a [RoleId]) -> Told<'a> {
    Told {
        user: UserId::new(user),
        name,
        bot: false,
        nick: None,
        roles,
        joined_at: None,
        timeout_until: None,
        pending: None,
        flags: None,
    }
}

fn knows(members: &Members, user: u64) -> bool {
    members.get(GUILD, UserId::new(user)).is_some()
}

/// A member as it is made up: names and role lists of every length that is kept in place and of some that are not.
fn any_member(random: &mut StdRng, user: UserId) -> CachedMember {
    let mut text = |most: usize| -> String {
        (0..random.random_range(0..=most)).map(|_| ['a', 'ß', '😀'][random.random_range(0..3)]).collect()
    };
    let (name, nick) = (text(12), text(12));
    let count = random.random_range(0..9);
    let time = |random: &mut StdRng| {
        random.random_bool(0.5).then(|| DateTime::from_timestamp(random.random_range(1_500_000_000..2_000_000_000), 0))
    };
    CachedMember {
        user,
        name: name.into(),
        nick: (!nick.is_empty()).then(|| nick.into()),
        bot: random.random_bool(0.5),
        roles: (0..count).map(|_| RoleId::new(random.random_range(1..40))).collect(),
        joined_at: time(random).flatten(),
        timeout_until: time(random).flatten(),
        pending: random.random_bool(0.5),
        flags: Some(serenity::model::guild::GuildMemberFlags::from_bits_retain(random.random_range(0..1 << 16))),
    }
}

fn all_of(member: &CachedMember) -> Told<'_> {
    Told {
        user: member.user,
        name: &member.name,
        bot: member.bot,
        nick: Some(member.nick.as_deref()),
        roles: &member.roles,
        joined_at: member.joined_at,
        timeout_until: Some(member.timeout_until),
        pending: Some(member.pending),
        flags: member.flags.map(|flags| u16::try_from(flags.bits()).unwrap()),
    }
}

type Model = HashMap<(GuildId, UserId), CachedMember>;

/// One step on both.
fn step(random: &mut StdRng, members: &Members, model: &mut Model) {
    let guild = GuildId::new(random.random_range(1..6));
    let user = UserId::new(random.random_range(1..60));
    match random.random_range(0..100) {
        0..60 => {
            let mut member = any_member(random, user);
            let mut told = all_of(&member);
            // What is not told stays, or is not known.
            let before = model.get(&(guild, user)).filter(|_| members.get(guild, user).is_some());
            let joined_at = member.joined_at.or(before.and_then(|before| before.joined_at));
            if random.random_bool(0.3) {
                (told.timeout_until, told.nick, told.pending, told.flags) = (None, None, None, None);
                members.put(guild, &told);
                member.timeout_until = before.and_then(|before| before.timeout_until);
                member.nick = before.and_then(|before| before.nick.clone());
                member.pending = before.is_some_and(|before| before.pending);
                member.flags = before.and_then(|before| before.flags);
            } else {
                members.put(guild, &told);
            }
            model.insert((guild, user), CachedMember { joined_at, ..member });
        }
        60..75 => {
            members.remove(guild, user);
            model.remove(&(guild, user));
        }
        75..80 => {
            members.forget(guild);
            model.retain(|(known, _), _| *known != guild);
        }
        80..85 => {
            let mut listing = members.listing();
            let listed: Vec<CachedMember> =
                (0..random.random_range(0..30)).map(|user| any_member(random, UserId::new(user + 1))).collect();
            listed.iter().for_each(|member| listing.push(&all_of(member)));
            if random.random_bool(0.7) {
                listing.publish(guild);
                model.retain(|(known, _), _| *known != guild);
                model.extend(listed.into_iter().map(|member| ((guild, member.user), member)));
            }
        }
        85..90 => {
            let role = RoleId::new(random.random_range(1..40));
            members.forget_role(guild, role);
            let here = model.iter_mut().filter(|((known, _), _)| *known == guild);
            here.for_each(|(_, member)| {
                member.roles = member.roles.iter().copied().filter(|held| *held != role).collect()
            });
        }
        90..92 => {
            members.forget_where(|guild| guild.get() % 2 == 0);
            model.retain(|(guild, _), _| guild.get() % 2 != 0);
        }
        92..94 if members.read().bound_now() < 1_000 => {
            let max = members.read().bound_now();
            members.bound(random.random_range(0..=max));
            members.read().check();
            members.bound(max);
        }
        _ => {
            let member = any_member(random, user);
            let known = members.get(guild, user).is_some();
            members.learn(guild, &all_of(&member));
            if !known {
                model.insert((guild, user), member);
            }
        }
    }
}

#[test]
fn a_smaller_bound_keeps_those_that_were_asked_about_and_a_larger_one_makes_room_again() {
    let members = Members::new(20_000);
    (1..=10_000).for_each(|user| members.put(GUILD, &told(user, "ann", &[RoleId::new(1)])));
    (1..=10_000).for_each(|user| members.put(GuildId::new(200), &told(user, "ben", &[])));
    members.forget(GuildId::new(200));
    members.bound(8_000);
    members.read().check();
    assert_eq!(members.len(), 8_000, "those that were left go first");
    let asked: Vec<u64> = (1..=10_000).filter(|user| user % 10 == 0 && knows(&members, *user)).collect();
    assert!(asked.len() > 500);
    members.bound(1_000);
    members.read().check();
    assert_eq!(members.len(), 1_000);
    assert!(asked.iter().all(|user| knows(&members, *user)), "who was asked about stays");
    members.bound(0);
    assert_eq!(members.len(), 1);
    members.bound(2_000);
    (1..=3_000).for_each(|user| members.put(GUILD, &told(user, "ann", &[])));
    members.read().check();
    assert_eq!(members.len(), 2_000);
}

#[test]
fn it_knows_what_a_plain_map_knows_and_in_a_bound_a_part_of_it_but_nothing_else() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let (mut most, mut evicted) = (0, 0);
    for (run, max) in [1_000, 1_000, 1, 7, 40, 100].into_iter().enumerate() {
        let mut random = StdRng::seed_from_u64(seed.wrapping_add(run as u64));
        let (members, mut model) = (Members::new(max), Model::new());
        for at in 0..4_000 {
            step(&mut random, &members, &mut model);
            members.read().check();
            if at % 10 != 0 {
                continue;
            }
            let known = model.iter().filter(|((guild, user), member)| {
                let found = members.get(*guild, *user);
                assert!(found.as_ref().is_none_or(|found| found == *member), "seed {seed}: {found:?} is {member:?}");
                found.is_some()
            });
            let known = known.count();
            assert_eq!(known, members.len(), "seed {seed}: nobody else is known");
            assert!(known <= max);
            if max == 1_000 {
                assert_eq!(known, model.len(), "seed {seed}: there was room for all");
            }
            most = most.max(known);
        }
        evicted += members.evicted();
    }
    println!("24000 steps, {most} members at once, {evicted} evicted");
    assert!(most > 50 && evicted > 1_000);
}

#[test]
fn whoever_is_asked_about_stays_when_others_must_go() {
    let members = Members::new(100);
    (1..=100).for_each(|user| members.put(GUILD, &told(user, "somebody", &[])));
    for user in 101..=1_000 {
        assert!(knows(&members, 7) && knows(&members, 42), "before {user}");
        members.put(GUILD, &told(user, "another", &[]));
    }
    assert_eq!((members.len(), members.evicted()), (100, 900));
    assert!(!knows(&members, 8));
}

#[test]
fn a_list_that_is_given_up_changes_nothing_and_a_published_one_replaces_all() {
    let members = Members::new(100);
    members.put(GUILD, &told(1, "old", &[]));
    let mut listing = members.listing();
    listing.push(&told(1, "new", &[]));
    listing.push(&told(2, "new", &[]));
    assert_eq!(members.get(GUILD, UserId::new(1)).unwrap().name, "old".into());
    drop(listing);
    assert_eq!(members.len(), 1);
    let mut listing = members.listing();
    listing.push(&told(2, "new", &[]));
    listing.publish(GUILD);
    assert!(!knows(&members, 1) && knows(&members, 2));
    assert_eq!(members.len(), 1);
}

/// What a guild of the largest kind costs when it is left: nothing that grows with it.
#[test]
fn places_of_a_guild_that_was_left_are_used_again() {
    let members = Members::new(10_000);
    let other = GuildId::new(200);
    (1..=10_000).for_each(|user| members.put(GUILD, &told(user, "somebody", &[])));
    members.forget(GUILD);
    assert!(members.is_empty() && !knows(&members, 5));
    (1..=10_000).for_each(|user| members.put(other, &told(user, "somebody", &[])));
    assert_eq!((members.len(), members.evicted()), (10_000, 0), "nobody had to go for them");
    members.read().check();
}

#[test]
fn a_timeout_is_never_shown_shorter_than_it_is() {
    let members = Members::new(1);
    let until = DateTime::parse_from_rfc3339("2026-01-01T12:00:00.123Z").unwrap().to_utc();
    members.put(GUILD, &Told { timeout_until: Some(Some(until)), ..told(1, "a", &[]) });
    let member = members.get(GUILD, UserId::new(1)).unwrap();
    assert!(member.is_timed_out(until) && !member.is_timed_out(until + chrono::TimeDelta::seconds(1)));
    members.put(GUILD, &Told { timeout_until: Some(None), ..told(1, "a", &[]) });
    assert_eq!(members.get(GUILD, UserId::new(1)).unwrap().timeout_until, None);
}

#[test]
fn what_cannot_be_kept_is_not_known() {
    let members = Members::new(10);
    let long = "x".repeat(256);
    members.put(GUILD, &told(1, "short", &[]));
    members.put(GUILD, &told(1, &long, &[]));
    assert!(!knows(&members, 1), "rather than the name it had");
    let roles: Vec<RoleId> = (1..=5_000).map(RoleId::new).collect();
    for (at, several) in roles.chunks(250).enumerate() {
        members.put(GUILD, &told(2, "b", several));
        assert_eq!(knows(&members, 2), at < 16, "{at}: no guild has thousands of roles");
    }
    members.put(GUILD, &told(3, "c", &roles[..251]));
    assert!(!knows(&members, 3), "nor any member more than 250");
    members.read().check();
}

/// Two threads write, two read: no wait that does not end, nothing torn.
#[test]
fn readers_and_writers_do_not_disturb_each_other() {
    let members = Members::new(500);
    let names = ["a short name", "a name that is longer than fits into a row"];
    std::thread::scope(|scope| {
        for writer in 0..2u64 {
            let members = &members;
            scope.spawn(move || {
                for at in 0..20_000u64 {
                    let guild = GuildId::new(1 + writer);
                    let name = names[usize::try_from(at % 2).unwrap()];
                    members.put(guild, &told(1 + at % 600, name, &[RoleId::new(1 + at % 50)]));
                    if at % 5_000 == 0 {
                        members.forget(guild);
                    }
                }
            });
            scope.spawn(move || {
                for at in 0..20_000u64 {
                    let found = members.get(GuildId::new(1 + writer), UserId::new(1 + at % 600));
                    assert!(found.is_none_or(|found| names.contains(&&*found.name) && found.roles.len() == 1));
                }
            });
        }
    });
    members.read().check();
}
