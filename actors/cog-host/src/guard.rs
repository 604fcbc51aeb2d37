//! Who may run a command. The answer is a list of reasons, not a bool, so that a denial explains itself.

use serenity::model::{Permissions, id::UserId};
use std::{
    fmt,
    sync::{Arc, OnceLock},
};

/// What a command demands of whoever runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// Owners of the bot only.
    pub owner_only: bool,
    /// Only against the sandbox.
    pub sandbox_only: bool,
    /// Not in direct messages.
    pub guild_only: bool,
    /// Permissions that the member needs in the channel.
    pub permissions: Permissions,
}

impl Guard {
    /// Demands nothing.
    pub const OPEN: Self =
        Self { owner_only: false, sandbox_only: false, guild_only: false, permissions: Permissions::empty() };
}

/// The bot's owners, who may become known while the bot runs. Cheap to clone; clones know the same.
#[derive(Debug, Clone, Default)]
pub struct Owners(Arc<OnceLock<Vec<UserId>>>);

impl Owners {
    /// Whether `user` is one; nobody is before they are known.
    pub fn contains(&self, user: &UserId) -> bool {
        self.0.get().is_some_and(|owners| owners.contains(user))
    }

    /// Says who they are; what was said first stands.
    pub fn are(&self, owners: Vec<UserId>) {
        self.0.set(owners).ok(); // they were known already
    }
}

impl From<Vec<UserId>> for Owners {
    fn from(owners: Vec<UserId>) -> Self {
        Self(Arc::new(OnceLock::from(owners)))
    }
}

/// Who may do more than their guild permissions say.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The bot's owners: owner commands, and every permission check.
    pub owners: Owners,
    /// Operators: every permission check, but no owner commands.
    pub operators: Vec<UserId>,
    /// Whether this process talks to the sandbox.
    pub sandbox: bool,
}

/// What is known about whoever runs a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub user: UserId,
    /// Whether it is in a guild.
    pub in_guild: bool,
    /// Permissions in the channel; none while the guild is not in the cache.
    pub permissions: Option<Permissions>,
}

/// One demand and whether it is met.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// `owner`, `sandbox`, `guild`, `permissions`.
    pub check: &'static str,
    /// Whether it is met.
    pub met: bool,
    /// Why, for whoever asks: one sentence.
    pub because: String,
}

/// Every demand that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Verdict {
    /// In the order they were looked at.
    pub checks: Vec<Check>,
}

impl Verdict {
    /// Whether the command may run.
    pub fn allowed(&self) -> bool {
        self.checks.iter().all(|check| check.met)
    }

    /// The first demand that is not met.
    pub fn denial(&self) -> Option<&Check> {
        self.checks.iter().find(|check| !check.met)
    }
}

/// Holds `caller` against `guard`.
pub fn judge(guard: &Guard, caller: &Caller, access: &Access) -> Verdict {
    let owner = access.owners.contains(&caller.user);
    let mut checks = Vec::new();
    let mut check = |check, met, because: String| checks.push(Check { check, met, because });
    if guard.sandbox_only {
        check("sandbox", access.sandbox, "This command works only in the sandbox.".to_owned());
    }
    if guard.owner_only {
        check("owner", owner, "Only the bot's owners may use this command.".to_owned());
    }
    if guard.guild_only {
        check("guild", caller.in_guild, "This command works only in a server, not in direct messages.".to_owned());
    }
    if !guard.permissions.is_empty() {
        let (met, because) = permitted(guard.permissions, caller, owner || access.operators.contains(&caller.user));
        check("permissions", met, because);
    }
    Verdict { checks }
}

fn permitted(needed: Permissions, caller: &Caller, exempt: bool) -> (bool, String) {
    if exempt {
        return (true, "Owners and operators of the bot need no server permissions.".to_owned());
    }
    let Some(has) = caller.permissions else {
        return (false, "I do not know your permissions here yet; try again in a moment.".to_owned());
    };
    let missing = if has.administrator() { Permissions::empty() } else { needed - has };
    if missing.is_empty() {
        (true, format!("You have {}.", Names(needed)))
    } else {
        (false, format!("You need {} here.", Names(missing)))
    }
}

/// Permissions as people read them.
struct Names(Permissions);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Discord's pages say server where its API says guild.
        let shown = |name: &&str| format!("**{}**", name.replace("Guild", "Server"));
        let names: Vec<String> = self.0.get_permission_names().iter().map(shown).collect();
        f.write_str(&names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: UserId = UserId::new(1);
    const OPERATOR: UserId = UserId::new(2);
    const MEMBER: UserId = UserId::new(3);

    fn access(sandbox: bool) -> Access {
        Access { owners: vec![OWNER].into(), operators: vec![OPERATOR], sandbox }
    }

    #[test]
    fn owners_that_become_known_later_are_owners_from_then_on() {
        let access = Access::default();
        let guard = Guard { owner_only: true, ..Guard::OPEN };
        let holds = |access: &Access| judge(&guard, &caller(OWNER, None), access).denial().is_none();
        let running = access.clone();
        assert!(!holds(&running));
        access.owners.are(vec![OWNER]);
        access.owners.are(vec![MEMBER]);
        assert!(holds(&running));
        assert!(judge(&guard, &caller(MEMBER, None), &running).denial().is_some());
    }

    fn caller(user: UserId, permissions: Option<Permissions>) -> Caller {
        Caller { user, in_guild: permissions.is_some(), permissions }
    }

    /// Every guard against every kind of caller, held against the rules said another way.
    #[test]
    fn every_combination_is_judged_by_the_rules() {
        let manage = Permissions::MANAGE_GUILD;
        let callers = [
            caller(OWNER, None),
            caller(OPERATOR, Some(Permissions::empty())),
            caller(MEMBER, Some(Permissions::empty())),
            caller(MEMBER, Some(manage)),
            caller(MEMBER, Some(Permissions::ADMINISTRATOR)),
            caller(MEMBER, None),
        ];
        let mut looked_at = 0;
        for bits in 0..16_u8 {
            let guard = Guard {
                owner_only: bits & 1 != 0,
                sandbox_only: bits & 2 != 0,
                guild_only: bits & 4 != 0,
                permissions: if bits & 8 != 0 { manage } else { Permissions::empty() },
            };
            for caller in &callers {
                for sandbox in [false, true] {
                    let has = caller.permissions.is_some_and(|has| has.contains(manage) || has.administrator());
                    let expected = (!guard.owner_only || caller.user == OWNER)
                        && (!guard.sandbox_only || sandbox)
                        && (!guard.guild_only || caller.in_guild)
                        && (guard.permissions.is_empty() || has || caller.user != MEMBER);
                    let verdict = judge(&guard, caller, &access(sandbox));
                    assert_eq!(verdict.allowed(), expected, "{guard:?} {caller:?} {sandbox}");
                    assert_eq!(verdict.denial().is_none(), expected);
                    looked_at += 1;
                }
            }
        }
        assert_eq!(looked_at, 16 * 6 * 2);
    }

    #[test]
    fn a_denial_names_what_is_missing() {
        let guard = Guard { permissions: Permissions::MANAGE_GUILD, ..Guard::OPEN };
        let verdict = judge(&guard, &caller(MEMBER, Some(Permissions::SEND_MESSAGES)), &access(false));
        let denial = verdict.denial().unwrap();
        assert_eq!((denial.check, denial.because.as_str()), ("permissions", "You need **Manage Server** here."));
    }
}
