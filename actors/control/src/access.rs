//! Who may connect, and what they may do.

use supervision::Role;

/// Maps the user id at the other end of a connection to a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    own: u32,
    root: bool,
}

impl Access {
    /// Admits the user id that this process runs under, and root.
    pub fn own() -> Self {
        Self::of(rustix::process::geteuid().as_raw())
    }

    /// Admits `uid` and root.
    pub fn of(uid: u32) -> Self {
        Self { own: uid, root: true }
    }

    /// Admits `uid` alone, so that tests run by root can be refused.
    #[cfg(test)]
    pub(crate) fn only(uid: u32) -> Self {
        Self { own: uid, root: false }
    }

    /// What `uid` may do; `None`: it may not even connect.
    ///
    /// The owner of the process could stop or replace it anyway, and so could root: both are admins.
    pub fn role(&self, uid: u32) -> Option<Role> {
        (uid == self.own || (self.root && uid == 0)).then_some(Role::Admin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_and_root_may_connect() {
        let access = Access::of(1000);
        assert_eq!(access.role(1000), Some(Role::Admin));
        assert_eq!(access.role(0), Some(Role::Admin));
        for other in (1..3000).filter(|uid| *uid != 1000).chain([u32::MAX, 65534]) {
            assert_eq!(access.role(other), None, "uid {other}");
        }
    }
}
