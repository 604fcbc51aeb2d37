//! From values with origins to the typed sections.

use super::{
    actors::SupervisionRules,
    key::Key,
    problem::Problem,
    sections::Config,
    values::{Origin, Values},
};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// Reads every section.
///
/// # Errors
/// One problem for each section that does not fit.
pub(super) fn config(values: &Values) -> Result<Config, Vec<Problem>> {
    let mut tables = tables(values);
    let mut problems = Vec::new();
    let task_tables = inner_tables(&mut tables, "tasks");
    let actor_tables = inner_tables(&mut tables, "supervision");
    macro_rules! section {
        ($name:literal) => {
            section(values, &[$name], tables.remove($name), &mut problems)
        };
    }
    let config = (|| {
        // Each section is read even when one before it failed: all problems are reported at once.
        let (discord, data, database) = (section!("discord"), section!("data"), section!("database"));
        let (rest, gateway, emoji) = (section!("rest"), section!("gateway"), section!("emoji"));
        let (cog_host, plugins, tasks) = (section!("cog_host"), section!("plugins"), section!("tasks"));
        let (telemetry, control, boot) = (section!("telemetry"), section!("control"), section!("boot"));
        let (memory, shutdown) = (section!("memory"), section!("shutdown"));
        let watch = section!("supervision");
        let mut supervision: BTreeMap<String, SupervisionRules> =
            named(values, "supervision", Some(Value::Table(actor_tables)), &mut problems);
        supervision.values_mut().for_each(SupervisionRules::spell);
        let cogs = named(values, "cogs", tables.remove("cogs"), &mut problems);
        let task_rules = named(values, "tasks", Some(Value::Table(task_tables)), &mut problems);
        Some(Config {
            discord: discord?,
            data: data?,
            database: database?,
            rest: rest?,
            gateway: gateway?,
            emoji: emoji?,
            cog_host: cog_host?,
            plugins: plugins?,
            tasks: tasks?,
            task_rules,
            telemetry: telemetry?,
            control: control?,
            memory: memory?,
            boot: boot?,
            shutdown: shutdown?,
            watch: watch?,
            supervision,
            cogs,
        })
    })();
    config.filter(|_| problems.is_empty()).ok_or(problems)
}

/// Takes the tables out of a section that has keys of its own besides.
fn inner_tables(tables: &mut Table, section: &str) -> Table {
    let mut inner = Table::new();
    if let Some(Value::Table(keys)) = tables.get_mut(section) {
        for (name, value) in std::mem::take(keys) {
            let place = if value.is_table() { &mut inner } else { &mut *keys };
            place.insert(name, value);
        }
    }
    inner
}

fn tables(values: &Values) -> Table {
    let mut tables = Table::new();
    for (key, setting) in values.iter() {
        insert(&mut tables, key.parts(), &setting.value);
    }
    tables
}

fn insert(table: &mut Table, parts: &[String], value: &Value) {
    match parts {
        [] => {}
        [name] => {
            table.insert(name.clone(), value.clone());
        }
        [name, deeper @ ..] => {
            let next = table.entry(name.clone()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(next) = next {
                insert(next, deeper, value);
            }
        }
    }
}

fn named<T: DeserializeOwned>(
    values: &Values,
    above: &str,
    table: Option<Value>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, T> {
    let Some(Value::Table(table)) = table else { return BTreeMap::new() };
    let read = |(name, value): (String, Value)| {
        let read = section(values, &[above, &name], Some(value), problems)?;
        Some((name, read))
    };
    table.into_iter().filter_map(read).collect()
}

fn section<T: DeserializeOwned>(
    values: &Values,
    above: &[&str],
    table: Option<Value>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let table = table.unwrap_or_else(|| Value::Table(Table::new()));
    let error = match serde_path_to_error::deserialize(table) {
        Ok(section) => return Some(section),
        Err(error) => error,
    };
    let inner: Vec<String> = error.path().to_string().split(['.', '[']).map(str::to_owned).collect();
    // The error may stand deeper than any value, as in shards.total: the nearest value above it is the one to change.
    let parts = |depth: usize| above.iter().map(|part| (*part).to_owned()).chain(inner.iter().take(depth).cloned());
    let key = (0..=inner.len()).rev().map(|depth| Key::of(parts(depth))).find(|key| values.get(key).is_some());
    let key = key.unwrap_or_else(|| Key::of(parts(1)));
    let origin = values.get(&key).map_or(Origin::Default, |setting| setting.origin.clone());
    let reason = match error.inner().message() {
        _ if key.is_secret() => "does not fit",
        message => message.trim(),
    };
    problems.push(Problem::new(&origin, &key, reason));
    None
}
