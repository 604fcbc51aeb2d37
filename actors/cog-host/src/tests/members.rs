//! What a command learns of members: what the cache knows, and that it does not know.

use crate::{
    Cog, Command, Ctx, Outcome, Reply, args,
    testing::{BOT, MODERATORS, World},
};
use protocol::{
    cache::CachedMember,
    id::{GuildId, RoleId, UserId},
};

args! {
    struct Whom {
        /// Who acts
        one: UserId,
        /// On whom
        other: UserId,
    }
}

async fn rank(ctx: &Ctx, args: Whom) -> Outcome {
    let name = ctx.member(args.other).map_or_else(|| "somebody".to_owned(), |member| member.name.into());
    let said = match ctx.outranks(args.one, args.other) {
        Some(true) => "is above",
        Some(false) => "is not above",
        None => "may be above",
    };
    Ok(Reply::text(format!("{} {said} {name}", args.one)))
}

fn ranks() -> Cog {
    Cog::new("ranks", "Tells ranks").reads_members().command(Command::new("rank", "Compares two", rank))
}

fn member(user: u64, roles: &[u64]) -> (GuildId, CachedMember) {
    let roles = roles.iter().copied().map(RoleId::new).collect();
    let member = CachedMember {
        user: UserId::new(user),
        name: format!("u{user}").into(),
        nick: None,
        bot: false,
        roles,
        joined_at: None,
        timeout_until: None,
        pending: false,
        flags: None,
    };
    (GuildId::new(10), member)
}

#[tokio::test(start_paused = true)]
async fn a_command_reads_members_and_ranks_and_is_told_what_is_not_known() {
    let world = World::new(vec![ranks()]).await;
    *world.nothing.members.lock().unwrap() = vec![member(2, &[MODERATORS]), member(3, &[])];
    for (asked, said) in [
        ("!rank 2 3", "2 is above u3"),
        ("!rank 3 2", "3 is not above u2"),
        ("!rank 2 4", "2 may be above somebody"),
        ("!rank 5000 2", "5000 is above u2"), // the owner, whether known or not
        ("!rank 5000 4", "5000 may be above somebody"),
        ("!rank 2 5000", "2 is not above somebody"),
    ] {
        world.say(Some(10), 5, asked).await;
        assert_eq!(world.next().await.text(), said, "{asked}");
    }
    world.say(Some(10), 5, &format!("!rank {BOT} 3")).await;
    assert_eq!(world.next().await.text(), format!("{BOT} is not above u3"), "of itself the bot knows its roles");
}

#[tokio::test(start_paused = true)]
async fn members_are_asked_for_by_a_cog_and_by_nobody_else() {
    assert!(!World::new(vec![super::tool()]).await.sink.wants_members());
    assert!(World::new(vec![super::tool(), ranks()]).await.sink.wants_members());
}
