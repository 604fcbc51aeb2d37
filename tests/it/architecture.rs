//! Who imports whom, how long a file may be, and what no file names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use toml::{Table, Value};

/// What each package imports of ours: (folder, for its code, for its tests besides).
const IMPORTS: [(&str, &[&str], &[&str]); 14] = [
    ("actors/supervision", &[], &[]),
    ("actors/metering", &[], &[]),
    ("actors/protocol", &["supervision"], &[]),
    ("actors/control", &["metering", "protocol", "supervision"], &[]),
    ("actors/telemetry", &["metering", "protocol", "supervision"], &[]),
    ("actors/rest", &["metering", "protocol", "supervision"], &["sandbox"]),
    ("actors/database", &["metering", "protocol", "supervision"], &[]),
    ("actors/gateway", &["metering", "protocol", "supervision"], &["sandbox"]),
    ("actors/task-supervisor", &["metering", "protocol", "supervision"], &[]),
    ("actors/emoji-cache", &["metering", "protocol", "rest", "supervision"], &[]),
    ("actors/cog-host", &["database", "emoji-cache", "metering", "protocol", "rest", "supervision"], &[]),
    ("cogs", &["cog-host"], &["database", "emoji-cache", "protocol", "rest", "supervision"]),
    // For its tests itself again, with the feature that judges.
    ("sandbox", &[], &["sandbox"]),
    // Measures from outside; nothing imports it.
    ("benches", &["cog-host", "gateway", "impresario", "protocol", "sandbox", "supervision", "telemetry"], &[]),
];

/// Longest Rust file, in lines: past it, it owns more than one state.
const LINES_MAX: usize = 600;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn manifest(folder: &str) -> Table {
    let file = root().join(folder).join("Cargo.toml");
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())).parse().unwrap()
}

fn names(manifest: &Table, section: &str) -> BTreeSet<String> {
    manifest.get(section).and_then(Value::as_table).into_iter().flat_map(|table| table.keys().cloned()).collect()
}

/// The workspace's packages by folder; the root's is "".
fn packages() -> BTreeMap<String, Table> {
    let workspace = manifest("");
    let members = workspace["workspace"]["members"].as_array().unwrap().clone();
    let folders = members.iter().map(|member| member.as_str().unwrap().to_owned());
    folders.chain([String::new()]).map(|folder| (folder.clone(), manifest(&folder))).collect()
}

fn ours(packages: &BTreeMap<String, Table>) -> BTreeSet<String> {
    packages.values().map(|manifest| manifest["package"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn packages_import_what_the_table_says_and_nothing_else() {
    let packages = packages();
    let ours = ours(&packages);
    let known: BTreeSet<&str> = IMPORTS.iter().map(|(folder, ..)| *folder).chain([""]).collect();
    let found: BTreeSet<&str> = packages.keys().map(String::as_str).collect();
    assert_eq!(found, known, "a package that is not in the table");
    for (folder, code, tests) in IMPORTS {
        let manifest = &packages[folder];
        let of = |section| names(manifest, section).intersection(&ours).cloned().collect::<BTreeSet<_>>();
        let listed = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert!(of("build-dependencies").is_empty() && manifest.get("target").is_none(), "{folder}");
        let allowed = listed(code);
        if folder == "benches" {
            assert!(of("dependencies").is_subset(&allowed), "{folder}");
        } else {
            assert_eq!(of("dependencies"), allowed, "{folder}");
        }
        let allowed: BTreeSet<_> = allowed.union(&listed(tests)).cloned().collect();
        assert!(of("dev-dependencies").is_subset(&allowed), "{folder}: {:?}", of("dev-dependencies"));
    }
}

#[test]
fn only_the_root_imports_the_exporter_and_only_the_database_imports_diesel() {
    for (folder, manifest) in packages() {
        let mut all = names(&manifest, "dependencies");
        all.extend(names(&manifest, "build-dependencies"));
        let has = |name: &str| all.contains(name);
        assert!(!has("telemetry") || matches!(folder.as_str(), "" | "benches"), "{folder} imports telemetry");
        let exporters = ["metrics-exporter-prometheus", "sentry", "metrics-util"];
        assert!(!exporters.into_iter().any(has) || folder == "actors/telemetry", "{folder} imports an exporter");
        let diesel = all.iter().any(|name| name.starts_with("diesel"));
        assert_eq!(diesel, folder == "actors/database", "{folder} and diesel");
        let past = has("ractor") && !matches!(folder.as_str(), "actors/supervision" | "benches");
        assert!(!past, "{folder} goes past the kernel to ractor");
    }
}

/// Every text file of the repository, with its path below the root.
fn files() -> Vec<(PathBuf, String)> {
    const NOT_OURS: [&str; 4] = ["target", ".git", "node_modules", "data"];
    let mut all = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name());
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && !NOT_OURS.iter().any(|other| name == *other) {
                folders.push(path);
            } else if kind.is_file()
                && let Ok(text) = fs::read_to_string(&path)
            {
                all.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    assert!(all.len() > 100, "this is not the repository");
    all
}

#[test]
fn no_rust_file_is_longer_than_600_lines() {
    let is_rust = |path: &Path| path.extension().is_some_and(|extension| extension == "rs");
    let long = files().into_iter().filter(|(path, text)| is_rust(path) && text.lines().count() > LINES_MAX);
    let long: Vec<_> = long.map(|(path, text)| (path, text.lines().count())).collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn no_file_names_a_registry_or_a_machine() {
    // In halves, so that this file does not name them either.
    let words = [
        ("index.crates", ".io"),
        ("static.crates", ".io"),
        ("crates.io", "-index"),
        ("registry.npm", "js.org"),
        ("pypi", ".org"),
        ("files.python", "hosted.org"),
        ("deb.debian", ".org"),
        ("security.debian", ".org"),
        ("archive.ubuntu", ".com"),
        ("/wo", "rk/"),
        ("/tmp/", "t-"),
        ("/root/", ".cargo"),
    ];
    let words: Vec<String> = words.iter().map(|(one, two)| format!("{one}{two}")).collect();
    let mut found = Vec::new();
    for (path, text) in files().iter().filter(|(path, _)| !path.ends_with("Cargo.lock")) {
        let here = words.iter().filter(|word| text.contains(word.as_str()));
        found.extend(here.map(|word| format!("{}: {word}", path.display())));
    }
    assert!(found.is_empty(), "{found:#?}");
}
