//! Which keys there are and what types they take: read from the shipped file.

use super::{
    DEFAULTS,
    actors::SUPERVISION_RULES,
    key::Key,
    problem::Problem,
    sections::TASK_RULES,
    values::{Origin, Setting, Values},
};
use toml::{Table, Value};

/// The shipped file, taken apart.
pub(super) struct Known {
    sections: Table,
}

impl Known {
    pub(super) fn shipped() -> Self {
        // A test parses the embedded file; it cannot be another one at run time.
        Self { sections: DEFAULTS.parse().unwrap_or_default() }
    }

    /// The default values.
    pub(super) fn defaults(&self) -> Values {
        let mut values = Values::default();
        for (section, keys) in &self.sections {
            for (key, value) in keys.as_table().into_iter().flatten() {
                let setting = Setting { value: value.clone(), origin: Origin::Default };
                values.set(Key::of([section, key]), setting);
            }
        }
        values
    }

    /// The default of a key in its section.
    pub(super) fn default_of(&self, key: &Key) -> Option<&Value> {
        match key.parts() {
            [section, name] => self.sections.get(section)?.get(name),
            _ => None,
        }
    }

    /// Whether the key exists and takes such a value.
    pub(super) fn check(&self, key: &Key, setting: &Setting) -> Result<(), Problem> {
        let refuse = |reason: String| Err(Problem::new(&setting.origin, key, reason));
        if !self.sections.contains_key(key.section()) {
            let what = if key.parts().len() == 1 { "stands in no section" } else { "is in an unknown section" };
            let problem = Problem::new(&setting.origin, key, what);
            return Err(problem.meaning(self.near_section(key)));
        }
        match key.parts() {
            [section] => refuse(format!("[{section}] is a section, not a value")),
            [section, ..] if section == "cogs" => match key.parts().len() {
                2 => refuse("a cog's settings are a table: [cogs.NAME]".to_owned()),
                _ => Ok(()),
            },
            [section, name] if section == "supervision" && self.default_of(key).is_none() => {
                if let near @ Some(_) = self.near_key(section, name) {
                    return Err(Problem::new(&setting.origin, key, "unknown key").meaning(near));
                }
                refuse("an actor's rules are a table: [supervision.\"PATH\"]".to_owned())
            }
            [section, _, rule] if section == "supervision" => rule_of(key, rule, &SUPERVISION_RULES, setting),
            [section, _, rule] if section == "tasks" => rule_of(key, rule, &TASK_RULES, setting),
            [section, name] => match self.sections.get(section).and_then(|keys| keys.get(name)) {
                None => Err(Problem::new(&setting.origin, key, "unknown key").meaning(self.near_key(section, name))),
                Some(default) => fits(key, default, &setting.value).map_or(Ok(()), refuse),
            },
            _ => refuse("unknown key".to_owned()),
        }
    }

    fn near_section(&self, key: &Key) -> Option<String> {
        if let [name] = key.parts() {
            return self.elsewhere(name, "");
        }
        nearest(key.section(), self.sections.keys().map(String::as_str))
    }

    fn near_key(&self, section: &str, name: &str) -> Option<String> {
        let keys = self.sections.get(section).and_then(Value::as_table)?;
        nearest(name, keys.keys().map(String::as_str)).or_else(|| self.elsewhere(name, section))
    }

    /// The same key in another section.
    fn elsewhere(&self, name: &str, not: &str) -> Option<String> {
        let holds = |(section, keys): &(&String, &Value)| section.as_str() != not && keys.get(name).is_some();
        self.sections.iter().find(holds).map(|(section, _)| format!("{section}.{name}"))
    }
}

fn rule_of(key: &Key, rule: &str, rules: &[&str], setting: &Setting) -> Result<(), Problem> {
    if rules.contains(&rule) {
        return Ok(());
    }
    let reason = format!("unknown rule; there are {}", rules.join(", "));
    Err(Problem::new(&setting.origin, key, reason).meaning(nearest(rule, rules.iter().copied())))
}

/// Why `value` does not fit where `default` stands.
fn fits(key: &Key, default: &Value, value: &Value) -> Option<String> {
    let wanted: &[&str] = match key.to_string().as_str() {
        "discord.shards" => &["string", "integer", "table"],
        "discord.intents" => &["string", "array"],
        _ => match default {
            Value::Float(_) => &["float", "integer"],
            Value::String(_) => &["string"],
            Value::Integer(_) => &["integer"],
            Value::Boolean(_) => &["boolean"],
            Value::Array(_) => &["array"],
            Value::Table(_) => &["table"],
            Value::Datetime(_) => &["datetime"],
        },
    };
    let is = value.type_str();
    (!wanted.contains(&is)).then(|| format!("takes {}, not {}", article(wanted), article(&[is])))
}

fn article(types: &[&str]) -> String {
    let named = types.iter().map(|name| match *name {
        "integer" => "a whole number".to_owned(),
        "float" => "a number".to_owned(),
        "string" => "text in quotes".to_owned(),
        "boolean" => "true or false".to_owned(),
        "array" => "a list".to_owned(),
        other => format!("a {other}"),
    });
    named.collect::<Vec<_>>().join(" or ")
}

/// The candidate that `wanted` may have been meant to be.
pub(crate) fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(&wanted.to_lowercase(), candidate);
    let near = candidates.into_iter().map(|candidate| (distance(candidate), candidate)).min()?;
    (near.0 <= near.1.chars().count().div_ceil(3).max(1)).then(|| near.1.to_owned())
}
