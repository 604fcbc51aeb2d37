//! `[supervision."PATH"]` and `[tasks.NAME]` are judged before anything starts: who exists, and whether each could live by
//! its rules.

use super::*;

#[track_caller]
fn refused(file: &str, says: &[&str]) {
    let lines = Home::with(file).lines(&[]);
    for says in says {
        assert!(lines.iter().any(|line| line.starts_with(says)), "{file}: {says}\n{lines:#?}");
    }
    assert_eq!(lines.len(), says.len(), "{file}: {lines:#?}");
}

#[test]
fn who_does_not_exist_has_no_rules_and_is_needed_by_nobody() {
    refused(
        "[supervision.gatway]\nrestarts = 3\nwindow_s = 9\n",
        &["config.toml:2: supervision.gatway.restarts: there is no actor \"gatway\"; did you mean \"gateway\"?"],
    );
    refused(
        "[supervision.rest]\nneeds = [\"databse\"]\n",
        &["config.toml:2: supervision.rest.needs: there is no actor \"databse\"; did you mean \"database\"?"],
    );
    for nobody in ["cog-host/weather", "task-supervisor/weather", "gateway/shard-x", "gateway/shard-01", "rest/inner"] {
        let line = format!("config.toml:2: supervision.{nobody:?}.restarts: there is no actor {nobody:?}");
        refused(&format!("[supervision.{nobody:?}]\nrestarts = 3\n"), &[&line]);
    }
    for somebody in ["cog-host/info", "gateway/shard-17", "task-supervisor/presence", "gateway/identify"] {
        assert!(Home::with(&format!("[supervision.{somebody:?}]\nrestarts = 3\n")).load(&[]).is_ok(), "{somebody}");
    }
    let home = Home::with("[supervision.\"cog-host/weather\"]\nneeds = [\"database\"]\n");
    let with_a_cog = Sources { cogs: vec!["weather".to_owned()], ..home.sources(&[]) };
    assert!(load(&with_a_cog).is_ok(), "a cog beside the built-in ones");
}

#[test]
fn needs_in_a_circle_are_refused_each_at_its_line() {
    refused(
        "[supervision.database]\nneeds = [\"gateway\"]\n[supervision.gateway]\nneeds = [\"database\"]\n",
        &[
            "config.toml:2: supervision.database.needs: its needs go in a circle: database needs gateway, that needs \
             database",
            "config.toml:4: supervision.gateway.needs: its needs go in a circle: gateway needs database, that needs \
             gateway",
        ],
    );
    // Through what is declared: an actor's, a task's.
    refused(
        "[supervision.rest]\nneeds = [\"emoji-cache\"]\n",
        &["config.toml:2: supervision.rest.needs: its needs go in a circle: rest needs emoji-cache, that needs rest"],
    );
    refused(
        "[supervision.database]\nneeds = [\"task-supervisor/audit-prune\"]\n",
        &["config.toml:2: supervision.database.needs: its needs go in a circle: database needs task-supervisor/audit"],
    );
    // What is said takes the place of what was declared.
    let file = "[supervision.rest]\nneeds = [\"emoji-cache\"]\n[supervision.emoji-cache]\nneeds = []\n";
    assert!(Home::with(file).load(&[]).is_ok());
}

#[test]
fn nobody_needs_the_root_and_the_root_has_only_rules_of_supervisors() {
    for root in ["root", "/", "/root/"] {
        let file = format!("[supervision.emoji-cache]\nneeds = [{root:?}]\n");
        refused(&file, &["config.toml:2: supervision.emoji-cache.needs: it needs root, below which everything stands"]);
    }
    refused(
        "[supervision.root]\nrestarts = 1\nintensity = 3\ncriticality = \"optional\"\n",
        &[
            "config.toml:2: supervision.root.restarts: the root is nobody",
            "config.toml:4: supervision.root.criticality: ",
        ],
    );
    assert!(Home::with("[supervision.root]\nintensity = 3\nintensity_window_s = 9\n").load(&[]).is_ok());
}

#[test]
fn every_spelling_of_a_path_is_the_same_actor_and_two_of_them_are_one_too_many() {
    for spelling in ["root/rest", "rest/", "/rest", "rest"] {
        let home = Home::with(&format!("[supervision.{spelling:?}]\nrestarts = 0\nneeds = [\"root/database/\"]\n"));
        let config = home.load(&[]).unwrap().config;
        let rules = &config.supervision["rest"];
        assert_eq!(
            (rules.restarts, rules.needs.as_deref()),
            (Some(0), Some(&["database".to_owned()][..])),
            "{spelling}"
        );
    }
    refused(
        "[supervision.rest]\nrestarts = 1\n[supervision.\"root/rest\"]\nrestarts = 2\n",
        &[
            "config.toml:4: supervision.\"root/rest\".restarts: is supervision.rest.restarts once more, in another spelling",
        ],
    );
}

#[test]
fn a_rule_without_effect_is_refused() {
    refused("[supervision.rest]\nintensity = 3\n", &["config.toml:2: supervision.rest.intensity: rest is a worker"]);
    refused(
        "[supervision.gateway]\nstall_ms = 90000\n",
        &["config.toml:2: supervision.gateway.stall_ms: gateway is a sup"],
    );
    refused(
        "[supervision.rest]\nprobe = false\nstall_ms = 100\nkill_awaiting = true\n",
        &[
            "config.toml:3: supervision.rest.stall_ms: has no effect beside probe = false",
            "config.toml:4: supervision.rest.kill_awaiting: has no effect beside probe = false",
        ],
    );
    refused(
        "[supervision.rest]\npoison = false\npoison_deaths = 3\npoison_window_s = 9\nretry_parked = false\n\
         retry_parked_max_ms = 90000\n",
        &[
            "config.toml:3: supervision.rest.poison_deaths: has no effect beside poison = false",
            "config.toml:4: supervision.rest.poison_window_s: has no effect beside poison = false",
            "config.toml:6: supervision.rest.retry_parked_max_ms: has no effect beside retry_parked = false",
        ],
    );
    refused(
        "[supervision.gateway]\ncrash_records = false\n",
        &["config.toml:2: supervision.gateway.crash_records: gateway is a supervisor"],
    );
}

#[test]
fn rules_that_contradict_what_is_declared_are_refused_with_both_numbers() {
    refused(
        "[supervision.emoji-cache]\ncooldown_ms = 3000\nrestarts = 2\nwindow_s = 2\n",
        &[
            "config.toml:2: supervision.emoji-cache.cooldown_ms: 2 restarts, each 3.0 s after the last, do not fit into 2.0 s",
        ],
    );
    refused(
        "[supervision.\"task-supervisor/presence\"]\ncooldown_ms = 4000000\n",
        &[
            "config.toml:2: supervision.\"task-supervisor/presence\".cooldown_ms: 5 restarts, each 66 min after the last",
        ],
    );
    refused(
        "[supervision.rest]\nretry_parked_max_ms = 2000\n",
        &[
            "config.toml:2: supervision.rest.retry_parked_max_ms: its tries while parked: the longest delay of 2.0 s is less \
           than the first, which is 30.0 s",
        ],
    );
    refused(
        "[supervision.control]\nbackoff_min_ms = 6000\n",
        &[
            "config.toml:2: supervision.control.backoff_min_ms: its backoff: the longest delay of 5.0 s is less than the \
           first, which is 6.0 s",
        ],
    );
    // Where nothing was declared, half a rule is the whole rule.
    let config = Home::with("[supervision.rest]\nbackoff_max_ms = 1\n").load(&[]).unwrap().config;
    let mut policy = supervision::Policy::new("rest", supervision::Kind::Worker);
    config.supervision["rest"].apply(&mut policy);
    let ms = std::time::Duration::from_millis(1);
    assert_eq!(policy.backoff, Some(supervision::Backoff::doubling(ms, ms)));
}

#[test]
fn rules_that_contradict_a_built_in_task_are_refused_at_the_key_with_both_numbers() {
    refused(
        "[tasks.presence]\noverlap = \"skip\"\ncooldown_s = 3000\n",
        &["config.toml:3: tasks.presence.cooldown_s: 5 restarts with a cooldown of 3000 s do not fit into 3600 s"],
    );
    refused(
        "[tasks.audit-prune]\nwindow_s = 200\n",
        &[
            "config.toml:2: tasks.audit-prune.window_s: its timeout of 300 s is longer than the window of its restart limit",
        ],
    );
    refused(
        "[tasks.daily-report]\ntimeout_s = 7200\n",
        &["config.toml:2: tasks.daily-report.timeout_s: its timeout of 7200 s is longer than the window"],
    );
    refused(
        "[tasks.presence]\nevery_s = 4\n",
        &["config.toml:2: tasks.presence.every_s: its jitter is longer than its period"],
    );
    refused(
        "[tasks.report-now]\nrestarts = 5000\ncooldown_s = 0\n",
        &["config.toml:2: tasks.report-now.restarts: 5000 restarts, each 1.0 s after the last, do not fit into 60 min"],
    );
    // One that is wrong by itself is told of once, and not as the actor that it would be.
    refused(
        "[tasks.presence]\ncooldown_s = 3000\n[supervision.\"task-supervisor/presence\"]\ncriticality = \"important\"\n",
        &["config.toml:2: tasks.presence.cooldown_s: 5 restarts"],
    );
    refused(
        "[tasks.presence]\ntimeout_s = 0\nwindow_s = 0\n",
        &["config.toml:2: tasks.presence.timeout_s: must be", "config.toml:3: tasks.presence.window_s: must be"],
    );
}

#[test]
fn a_task_that_is_switched_off_or_whose_cog_is_or_of_another_cog_is_not_judged() {
    let wide = "[tasks.audit-prune]\nwindow_s = 86400\n";
    let rare = "[supervision.\"task-supervisor/audit-prune\"]\ncooldown_ms = 800000\n";
    assert!(Home::with(&format!("{wide}{rare}")).load(&[]).is_ok(), "they hold together");
    assert!(Home::with(rare).load(&[]).is_err(), "and not alone");
    for fine in [
        "[tasks.presence]\nenabled = false\ncooldown_s = 3000\n",
        "[tasks.weather]\ncooldown_s = 3000\n",
        "[cogs.system]\nenabled = false\n[tasks.audit-prune]\nwindow_s = 200\n",
        &format!("{wide}enabled = false\n{rare}"),
        &format!("[tasks.audit-prune]\nenabled = false\n{rare}"),
        "[cogs.system]\nenabled = false\n[tasks.audit-prune]\ncooldown_s = 3000\n\
         [supervision.\"task-supervisor/audit-prune\"]\nrestarts = 3\n",
    ] {
        assert!(Home::with(fine).load(&[]).is_ok(), "{fine}");
    }
}

#[test]
fn every_built_in_task_holds_as_it_is_declared() {
    for task in crate::config::tasks::declared() {
        let home = Home::with(&format!("[tasks.{}]\nenabled = true\n", task.name));
        assert!(home.load(&[]).is_ok(), "{}", task.name);
    }
}

#[test]
fn a_budget_never_spent_is_told_at_the_longer_one_of_what_keeps_restarts_apart() {
    let at = |cooldown: u64, backoff: u64| {
        let file = format!(
            "[supervision.emoji-cache]\ncooldown_ms = {cooldown}\nbackoff_min_ms = {backoff}\nbackoff_max_ms = 8000\n\
             restarts = 2\nwindow_s = 5\n"
        );
        Home::with(&file).load(&[]).unwrap_err().to_string()
    };
    assert!(at(100, 4_000).contains("supervision.emoji-cache.backoff_min_ms"), "{}", at(100, 4_000));
    assert!(at(4_000, 100).contains("supervision.emoji-cache.cooldown_ms"), "{}", at(4_000, 100));
}

/// What a task that is built in lives by under `[supervision."task-supervisor/presence"]`: the default budget of five restarts
/// an hour, 30 s apart at least.
fn presence(rules: &str) -> supervision::Policy {
    let home = Home::with(&format!("[supervision.\"task-supervisor/presence\"]\n{rules}"));
    let config = home.load(&[]).unwrap_or_else(|said| panic!("{rules}: {said}")).config;
    let declared = crate::config::tasks::declared().into_iter().find(|task| task.name == "presence").unwrap();
    let registry = task_supervisor::TaskRegistry::new(Default::default(), tokio::sync::watch::channel(true).1);
    let mut policy = crate::rules::rulebook(&config).policy(&declared);
    let path = task_supervisor::TaskRegistry::path("presence");
    supervision::Rules::policy(&*crate::rules::Ruling::of(&config, &registry), &path, &mut policy);
    policy
}

#[test]
fn the_delays_of_a_task_follow_from_the_budget_and_the_cooldown_that_it_is_given_unless_they_are_given_too() {
    let delays = |rules: &str| {
        let policy = presence(rules);
        assert_eq!(supervision::core::check(None, &policy), Ok(()), "{rules}");
        let (budget, backoff) = (policy.budget.unwrap(), policy.backoff.unwrap());
        assert_eq!(backoff.reset_after, budget.window, "{rules}");
        (backoff.min.as_secs(), backoff.max.as_secs())
    };
    for (rules, expected) in [
        ("criticality = \"optional\"\n", (30, 600)),
        ("window_s = 300\n", (30, 50)),
        ("restarts = 10\n", (30, 327)),
        ("cooldown_ms = 5000\n", (5, 600)),
        ("backoff_max_ms = 20000\n", (20, 20)),
        ("backoff_min_ms = 700000\n", (700, 700)),
        ("window_s = 60\ncooldown_ms = 5000\n", (5, 10)),
    ] {
        assert_eq!(delays(rules), expected, "{rules}");
    }
}

#[test]
fn tries_while_parked_have_no_effect_on_one_that_is_vital() {
    refused(
        "[supervision.rest]\ncriticality = \"vital\"\nretry_parked_min_ms = 100000\n",
        &[
            "config.toml:3: supervision.rest.retry_parked_min_ms: has no effect on an actor that is vital: it is never parked",
        ],
    );
}
