//! Names in the configuration that nobody bears.

use crate::config::{Loaded, Standing, declared_tasks, standing};
use supervision::{ActorPath, Tree};
use task_supervisor::TaskRegistry;

/// Rules for names that nobody bears are most likely misspelt: said once, with the nearest name. (No error: what cannot
/// exist at all the configuration has refused; what is declared may come, or runs elsewhere; a cog beside the built-in ones may
/// bear these.)
pub(super) fn unknown_names(loaded: &Loaded, tree: &Tree, registry: &TaskRegistry) {
    let config = &loaded.config;
    let stands = |path: &ActorPath| tree.node(path).is_some();
    let declared = |path: &ActorPath| matches!(standing(path, config, &[]), Standing::Known(_));
    let nobody =
        |path: &&String| !stands(&ActorPath::from(path.as_str())) && !declared(&ActorPath::from(path.as_str()));
    for path in config.supervision.keys().filter(nobody) {
        let near = tree.nearest(&ActorPath::from(path.as_str()));
        tracing::warn!(path, near, "[supervision.\"{path}\"]: there is no such actor");
    }
    let needs =
        config.supervision.iter().flat_map(|(path, rules)| rules.needs.iter().flatten().map(move |need| (path, need)));
    for (path, need) in needs.filter(|(_, need)| !stands(&ActorPath::from(need.as_str()))) {
        let near = tree.nearest(&ActorPath::from(need.as_str()));
        tracing::warn!(
            path,
            need,
            near,
            "[supervision.\"{path}\"] needs {need}: there is no such actor, so it stays suspended"
        );
    }
    let tasks: Vec<String> = registry.figures().into_iter().map(|(spec, _)| spec.name.clone()).collect();
    let enabled = |rules: &task_supervisor::TaskRules| rules.enabled != Some(false);
    let known = |name: &String| registry.knows(name) || declared_tasks().any(|task| task == *name);
    for (name, _) in config.task_rules.iter().filter(|(name, rules)| enabled(rules) && !known(name)) {
        tracing::warn!(task = name, known = tasks.join(", "), "[tasks.{name}]: there is no such task");
    }
    if !config.plugins.dir.as_os_str().is_empty() {
        tracing::warn!("plugins.dir is set, but script plugins are not loaded yet: nothing in it runs");
    }
    let cogs: Vec<&str> = cogs::builtin().iter().map(cog_host::Cog::name).collect();
    for name in config.cogs.keys().filter(|name| !cogs.contains(&name.as_str())) {
        tracing::warn!(cog = name, known = cogs.join(", "), "[cogs.{name}]: there is no such cog");
    }
}
