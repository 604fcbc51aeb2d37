//! Rules for names that nobody bears: what a reload is asked to change must be there.

use super::Live;
use crate::config::{Key, Loaded, Origin, Problem, Problems, Standing, declared_tasks, standing};
use supervision::ActorPath;

/// Checks the names in the keys that change, and only those: what boot has warned about (a shard that runs elsewhere, a cog
/// that is not loaded) does not stand in the way of every later reload.
///
/// # Errors
/// Every name that nobody bears, with the nearest one; and rules of supervisors for what is none.
pub(super) fn check(new: &Loaded, changed: &[&str], live: &Live) -> Result<(), Problems> {
    let mut list = Vec::new();
    for (key, setting) in new.values.iter().filter(|(key, _)| changed.contains(&key.to_string().as_str())) {
        let [section, name, rule] = key.parts() else { continue };
        match section.as_str() {
            "supervision" => actor(new, key, &setting.origin, (name, rule), live, &mut list),
            "tasks" => {
                let off = new.config.task_rules.get(name).is_some_and(|rules| rules.enabled == Some(false));
                if !off && !live.tasks.knows(name) && !declared_tasks().any(|task| task == *name) {
                    let known: Vec<String> =
                        live.tasks.figures().into_iter().map(|(spec, _)| spec.name.clone()).collect();
                    let reason = format!("there is no task {name:?}; there are {}", known.join(", "));
                    list.push(Problem::new(&setting.origin, key, reason));
                }
            }
            _ => {}
        }
    }
    if list.is_empty() {
        return Ok(());
    }
    let (warnings, values, file) = (new.warnings.clone(), Box::new(new.values.clone()), new.file.clone());
    Err(Problems { list, warnings, values, file })
}

fn actor(new: &Loaded, key: &Key, origin: &Origin, (name, rule): (&str, &str), live: &Live, list: &mut Vec<Problem>) {
    let path = ActorPath::from(name);
    let nobody = |path: &ActorPath| Problem::new(origin, key, format!("there is no actor {:?}", path.as_str()));
    if !knows(new, live, &path) {
        return list.push(nobody(&path).meaning(live.tree.nearest(&path)));
    }
    let Some(rules) = new.config.supervision.get(name) else { return };
    if rule == "needs" {
        let unknown = rules.needs.iter().flatten().map(|need| ActorPath::from(need.as_str()));
        // What does not stand here would never come: whoever needs it would be suspended for good.
        for need in unknown.filter(|need| !stands(live, need)) {
            list.push(nobody(&need).meaning(live.tree.nearest(&need)));
        }
    }
    let worker = live.tree.node(&path).is_some_and(|node| node.flags.is_none());
    if worker && rules.of_supervisors() == Some(rule) {
        list.push(Problem::new(origin, key, format!("{path} is a worker: only a supervisor has children to count")));
    }
}

/// Whether an actor stands there, has stood there, or could: by what is declared, where its cog is loaded, its task registered
/// or the shard this process's.
fn knows(new: &Loaded, live: &Live, path: &ActorPath) -> bool {
    stands(live, path) || matches!(standing(path, &new.config, &[]), Standing::Known(_))
}

/// Whether an actor stands there, has stood there, or would if its cog were loaded or its task switched on.
fn stands(live: &Live, path: &ActorPath) -> bool {
    let parent = path.parent();
    let below = |supervisor: &str| parent.as_ref().is_some_and(|parent| parent.as_str() == supervisor);
    live.tree.node(path).is_some()
        || (below(task_supervisor::PATH) && live.tasks.knows(path.id()))
        || (below(cog_host::PATH) && cogs::builtin().iter().any(|cog| cog.name() == path.id()))
        || live.tree.decisions(0, usize::MAX).iter().any(|entry| entry.path == *path)
}
