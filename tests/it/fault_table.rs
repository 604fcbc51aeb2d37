//! `docs/faults.md` names every fault and, for each, tests that there are.

use std::{collections::BTreeSet, fs, path::Path};

/// Rows by letter: gateway, REST, actors, process and machine.
const ROWS: [(char, usize); 4] = [('G', 23), ('R', 15), ('A', 12), ('X', 8)];

/// Names of the functions under `folder` that are tests.
fn tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            tests(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                let attribute = line.starts_with("#[");
                is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                if !attribute && !line.is_empty() && !line.starts_with("//") {
                    let name = line.split("fn ").nth(1).and_then(|rest| rest.split('(').next());
                    found.extend(name.filter(|_| is_test).map(str::to_owned));
                    is_test = false;
                }
            }
        }
    }
}

#[test]
fn every_fault_has_its_row_and_every_test_it_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = BTreeSet::new();
    for folder in ["src", "actors", "cogs", "sandbox", "tests/it"] {
        tests(&root.join(folder), &mut known);
    }
    assert!(known.len() > 500, "these are not all tests: {}", known.len());
    let text = fs::read_to_string(root.join("docs/faults.md")).unwrap();
    let is_id = |id: &str| ROWS.iter().any(|(letter, _)| id.starts_with(*letter)) && id[1..].parse::<u8>().is_ok();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter_map(|line| Some(line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect()))
        .filter(|cells: &Vec<&str>| cells[0].len() > 1 && is_id(cells[0]))
        .collect();
    let wanted = ROWS.iter().flat_map(|(letter, last)| (1..=*last).map(move |n| format!("{letter}{n}")));
    assert_eq!(rows.iter().map(|row| row[0].to_owned()).collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
    for row in rows {
        let [id, _, _, named, figure] = row[..] else { panic!("five columns: {row:?}") };
        let names: Vec<&str> = named.split('`').skip(1).step_by(2).collect();
        let missing: Vec<_> = names.iter().filter(|name| !known.contains(**name)).collect();
        assert!(missing.is_empty(), "{id}: there are no tests {missing:?}");
        assert!(!names.is_empty() || named.contains("open"), "{id}: neither a test nor the word open");
        assert!(!figure.is_empty(), "{id}: no figure, and no word why");
    }
}
