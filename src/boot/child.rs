//! One child of the root: added, waited for, and what its failure means for boot.

use crate::exit::{Code, Fatal};
use supervision::{ActorPath, ChildSpec, Exit, OrderError, Tree, Verb, core::Refusal};

/// Children that do not stay parked over a start: without the first no operator could start anything, and boot itself
/// asks Discord through the second.
const NEEDED: [&str; 2] = ["control", "rest"];

/// Adds children to the root.
pub(super) struct Builder {
    pub(super) tree: Tree,
}

impl Builder {
    /// Adds one child and waits until it is up. A child that is not required may fail: its restart rule goes on.
    pub(super) async fn add(&self, spec: ChildSpec) -> Result<(), Fatal> {
        let id = spec.policy().id.clone();
        let required = spec.policy().required;
        match self.tree.start_child(&ActorPath::root(), spec).await {
            Ok(_) => Ok(()),
            Err(OrderError::Refused { refusal: Refusal::Parked { reason }, .. }) if NEEDED.contains(&id.as_str()) => {
                tracing::warn!("{id} was left parked by the process before ({reason}); boot needs it: it is started");
                let path = ActorPath::root().child(&id);
                match self.tree.order(&path, Verb::Start, None, false).await {
                    Ok(_) => Ok(()),
                    Err(OrderError::Refused { refusal: Refusal::StartFailed { exit }, .. }) => {
                        Err(not_started(&id, &exit))
                    }
                    Err(error) => Err(Fatal::new(Code::Internal, error)),
                }
            }
            Err(OrderError::Refused { refusal: Refusal::Parked { reason }, .. }) => {
                tracing::warn!("{id} stays parked, as the process before left it: {reason}");
                Ok(())
            }
            Err(_) if !required => Ok(()),
            Err(OrderError::Refused { refusal: Refusal::StartFailed { exit }, .. }) => Err(not_started(&id, &exit)),
            Err(error) => Err(Fatal::new(Code::Internal, error)),
        }
    }
}

/// A required child did not come up: the database is a vital dependency (69), anything else is ours (70).
fn not_started(id: &str, exit: &Exit) -> Fatal {
    let code = if id == "database" { Code::Unavailable } else { Code::Internal };
    Fatal::new(code, format!("{id} cannot start: {}{}", reason(exit), remedy(id, exit)))
}

/// What to do about it, where the reason does not say so itself.
fn remedy(id: &str, exit: &Exit) -> String {
    match exit {
        _ if id == "database" => String::new(), // its sentences name what to do
        Exit::StartFailed { child: Some(cog), .. } if id == cog_host::PATH && cog != "dispatch" => {
            format!("; mend that, or leave the cog out with enabled = false below [cogs.{cog}]")
        }
        _ => "; the log has the whole story: please report it with that".to_owned(),
    }
}

/// The innermost cause, without the words that only say that something failed.
fn reason(exit: &Exit) -> String {
    match exit {
        Exit::StartFailed { cause, child: None } => reason(cause),
        Exit::StartFailed { cause, child: Some(child) } => format!("{child}: {}", reason(cause)),
        Exit::Fatal { message } | Exit::Error { message } => message.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cog_that_cannot_start_is_named_with_the_key_that_leaves_it_out() {
        let cause = Box::new(Exit::Error { message: "no table".into() });
        let exit = Exit::StartFailed { child: Some("info".into()), cause };
        let fatal = not_started(cog_host::PATH, &exit);
        assert_eq!(fatal.code, Code::Internal);
        assert!(fatal.message.starts_with("cog-host cannot start: info: no table; mend that"), "{fatal}");
        assert!(fatal.message.contains("enabled = false below [cogs.info]"), "{fatal}");
    }

    #[test]
    fn the_database_says_itself_what_to_do_and_is_69() {
        let exit = Exit::Fatal { message: "it is away: start it".into() };
        let fatal = not_started("database", &exit);
        assert_eq!(
            (fatal.code, fatal.message.as_str()),
            (Code::Unavailable, "database cannot start: it is away: start it")
        );
        let other = not_started("gateway", &exit);
        assert!(other.code == Code::Internal && other.message.contains("report it"), "{other}");
    }
}
