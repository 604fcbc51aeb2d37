//! Who the bot is to Discord.

use serde::Deserialize;
use serenity::model::id::{ApplicationId, UserId};

/// The application behind the token, as far as the bot needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationInfo {
    /// Its id.
    pub id: ApplicationId,
    /// Its name.
    pub name: String,
    /// Its owner, or the accepted members of the team that owns it.
    pub owners: Vec<UserId>,
}

/// Discord's count of an accepted invitation to a team; 1 is a pending one.
const ACCEPTED: u8 = 2;

#[derive(Deserialize)]
struct Wire {
    id: ApplicationId,
    name: String,
    owner: Option<User>,
    team: Option<Team>,
}

#[derive(Deserialize)]
struct User {
    id: UserId,
}

#[derive(Deserialize)]
struct Team {
    #[serde(default)]
    owner_user_id: Option<UserId>,
    #[serde(default)]
    members: Vec<Member>,
}

#[derive(Deserialize)]
struct Member {
    membership_state: u8,
    user: User,
}

impl<'de> Deserialize<'de> for ApplicationInfo {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        // The owner of a team's application is a user made for the team, who is nobody.
        let mut owners: Vec<UserId> = match wire.team {
            Some(team) => {
                let accepted = team.members.into_iter().filter(|member| member.membership_state == ACCEPTED);
                accepted.map(|member| member.user.id).chain(team.owner_user_id).collect()
            }
            None => wire.owner.into_iter().map(|owner| owner.id).collect(),
        };
        owners.sort_unstable();
        owners.dedup();
        Ok(Self { id: wire.id, name: wire.name, owners })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn owners(application: Value) -> Vec<u64> {
        let info: ApplicationInfo = serde_json::from_value(application).unwrap();
        info.owners.into_iter().map(UserId::get).collect()
    }

    #[test]
    fn owners_are_the_owner_or_the_accepted_team() {
        assert_eq!(owners(json!({"id": "1", "name": "bot", "owner": {"id": "5"}, "team": null})), [5]);
        let team = json!({"owner_user_id": "7", "members": [
            {"membership_state": 2, "user": {"id": "7"}},
            {"membership_state": 1, "user": {"id": "8"}},
            {"membership_state": 2, "user": {"id": "6"}}]});
        assert_eq!(owners(json!({"id": "1", "name": "bot", "owner": {"id": "5"}, "team": team})), [6, 7]);
        assert_eq!(owners(json!({"id": "1", "name": "bot"})), [] as [u64; 0]);
    }
}
