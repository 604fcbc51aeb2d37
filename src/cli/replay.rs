//! `replay FILE`: makes every decision of a supervision journal again. Needs no running bot, and minds none.

use super::{Exit, Output};
use serde_json::json;
use std::path::Path;
use supervision::{Compared, Difference, replay};

/// Runs the command: 0 identical, 1 a difference, 2 no such journal.
pub(super) fn run(file: &Path, output: &mut Output) -> Exit {
    let compared = match replay(file) {
        Ok(compared) => compared,
        Err(error) => {
            output.problem(&format!("{}: {error}", file.display()));
            return Exit::Usage;
        }
    };
    if output.json {
        output.value(&shown(&compared));
    } else {
        output.text(&text(&compared));
    }
    if compared.difference.is_some() { Exit::Failed } else { Exit::Done }
}

fn shown(compared: &Compared) -> serde_json::Value {
    json!({
        "identical": compared.difference.is_none(),
        "decisions": compared.decisions,
        "supervisors": compared.supervisors,
        "processes": compared.processes,
        "lost": compared.lost,
        "unchecked": compared.unchecked,
        "torn": compared.torn,
        "version": compared.version,
        "rules": compared.rules,
        "difference": compared.difference.as_ref().map(|found| json!({
            "line": found.line,
            "supervisor": found.supervisor,
            "event": found.event,
            "recorded": found.recorded,
            "decided": found.decided,
        })),
    })
}

fn text(compared: &Compared) -> String {
    let Compared { decisions, supervisors, lost, unchecked, torn, version, rules, difference, .. } = compared;
    let mut lines = Vec::new();
    match difference {
        None => lines.push(format!("{decisions} decisions of {supervisors} supervisors, identical")),
        Some(found) => {
            let Difference { line, supervisor, event, recorded, decided } = found.as_ref();
            let side = |said: &Option<String>| said.clone().unwrap_or_else(|| "nothing".to_owned());
            lines
                .push(format!("line {line}: {supervisor} decides differently (after {decisions} that were identical)"));
            lines.push(format!("  event     {event}"));
            lines.push(format!("  recorded  {}", side(recorded)));
            lines.push(format!("  decided   {}", side(decided)));
            if let Some(rules) = rules {
                let ours = supervision::core::REVISION;
                lines.push(format!(
                    "nothing need be wrong: it was decided by rules of revision {rules}, these are revision {ours}; replay it \
                     with the version that wrote it"
                ));
            }
        }
    }
    if *lost > 0 {
        lines.push(format!("{lost} records were lost when it was written"));
    }
    if *unchecked > 0 {
        lines.push(format!("{unchecked} decisions could not be made again: what came before them is not in the file"));
    }
    if *torn {
        lines.push("its last record was not written to its end".to_owned());
    }
    if let Some(version) = version {
        lines.push(format!("it was written by version {version}"));
    }
    lines.join("\n")
}
