//! Checks of the repository that are tests: what no compiler looks at, held by `cargo test` and so by CI.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Largest file that may be committed, bytes. What is larger is built, fetched or generated instead.
const FILE_BYTES_MAX: u64 = 512 << 10;

/// Files that may contain `unsafe`, and what for. An entry that is no longer needed fails too.
const UNSAFE_FILES: &[(&str, &str)] = &[
    ("fuzz/src/libfuzzer.rs", "hands the guest's counters and compares to libFuzzer, and answers where it calls back"),
    ("harness/src/executors/raw.rs", "reads guest memory and counters at addresses that wasmtime hands out"),
];

/// Crates that live in one room each; everybody else talks to that room.
const PRIVATE_CRATES: &[(&str, &[&str])] =
    &[("wasmtime", &["executors"]), ("libafl", &["engine"]), ("libafl_bolts", &["engine"]), ("rayon", &["campaign"])];

/// Folders whose files are data: kept byte for byte, whatever they contain.
const DATA: &[&str] = &["corpora/", "reports/published/"];

/// How a file of each kind says, in its first line, what it is.
const HEADS: &[(&str, &[&str])] = &[
    ("rs", &["//!"]),
    ("toml", &["#"]),
    ("sh", &["#"]),
    ("dict", &["#"]),
    ("py", &["#", "\"\"\""]),
    ("md", &["# ", "<!--"]),
    ("js", &["//", "/*"]),
    ("mjs", &["//", "/*"]),
    ("ts", &["//", "/*"]),
    ("c", &["//", "/*"]),
    ("h", &["//", "/*"]),
    ("wat", &[";;", "(;"]),
    ("wit", &["//"]),
    ("yml", &["#"]),
];

#[test]
fn every_file_says_first_what_it_is() {
    let mut wrong = Vec::new();
    for file in tracked() {
        let Some((_, marks)) = HEADS.iter().find(|(ending, _)| file.ends_with(&format!(".{ending}"))) else { continue };
        if is_data(&file) && !file.ends_with(".dict") {
            continue;
        }
        let text = read(&file);
        let first = text.lines().find(|line| !line.starts_with("#!")).unwrap_or_default();
        if !marks.iter().any(|mark| first.starts_with(mark)) {
            wrong.push(format!("{file}: `{first}`"));
        }
    }
    assert_none(&wrong, "begin the file with a comment that says what it is");
}

#[test]
fn rooms_import_downward_only() {
    let levels = levels(&read("harness/src/lib.rs"));
    let level = |room: &str| levels.iter().position(|level| level.iter().any(|name| name == room));
    let mut wrong = Vec::new();
    let mut beside: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in rust_sources("harness/src/") {
        let room = room_of(&file);
        if room == "lib" {
            continue;
        }
        let Some(own) = level(&room) else {
            wrong.push(format!("{file}: the room `{room}` is not in the list at the head of harness/src/lib.rs"));
            continue;
        };
        for other in imported_rooms(&code(&read(&file))) {
            match level(&other) {
                Some(theirs) if theirs < own => {
                    wrong.push(format!("{file}: `{room}` imports `{other}`, which is above it"))
                }
                Some(theirs) if theirs == own && other != room => {
                    beside.entry(room.clone()).or_default().insert(other);
                }
                _ => {}
            }
        }
    }
    // Rooms on one level may build on each other, but not in a circle.
    for (room, others) in &beside {
        let back = others.iter().filter(|other| reaches(&beside, other, room));
        wrong.extend(back.map(|other| format!("`{room}` and `{other}` import each other")));
    }
    assert_none(&wrong, "move what is shared to a room below");
}

#[test]
fn a_crate_with_a_room_of_its_own_is_named_there_only() {
    let mut wrong = Vec::new();
    for file in rust_sources("harness/src/") {
        let code = code(&read(&file));
        for (name, rooms) in PRIVATE_CRATES {
            if !rooms.contains(&room_of(&file).as_str()) && names_crate(&code, name) {
                wrong.push(format!("{file} names `{name}`, which belongs to {}", rooms.join(", ")));
            }
        }
    }
    for file in [
        "xtask/Cargo.toml",
        "reports/Cargo.toml",
        "reports/audit/Cargo.toml",
        "reports/certificate/Cargo.toml",
        "harness/boundary/Cargo.toml",
        "harness/corpora/Cargo.toml",
        "harness/generators/Cargo.toml",
        "harness/scan/Cargo.toml",
    ] {
        let table: toml::Table = toml::from_str(&read(file)).unwrap();
        let depends = |name: &str| table["dependencies"].get(name).is_some();
        let banned = ["wasmtime", "libafl", "libafl_bolts", "autoclave"].into_iter().filter(|name| depends(name));
        wrong.extend(banned.map(|name| format!("{file} depends on `{name}`")));
    }
    assert_none(&wrong, "call the room instead");
}

#[test]
fn only_the_boundary_starts_javascript() {
    let starts =
        ["Command::new(\"node\")", "Command::new(\"npx\")", "Command::new(\"deno\")", "Command::new(\"chromium\")"];
    let files = rust_sources("harness/src/").into_iter().filter(|file| room_of(file) != "boundary");
    let wrong: Vec<String> =
        files.filter(|file| starts.iter().any(|start| code(&read(file)).contains(start))).collect();
    assert_none(&wrong, "JavaScript belongs to the room `boundary`");
}

#[test]
fn only_the_supervisor_starts_peers() {
    let files = rust_sources("harness/formats/src/").into_iter();
    let starts = files.filter(|file| code(&read(file)).contains("Command::new("));
    assert_eq!(
        starts.collect::<Vec<_>>(),
        ["harness/formats/src/peers/worker.rs"],
        "left: files that start programs; right: the one that may, with limits and a deadline"
    );
}

#[test]
fn unsafe_code_is_where_it_is_allowed() {
    let mut files: Vec<String> = Vec::new();
    for room in ["harness/", "reports/", "fuzz/", "xtask/"] {
        files.extend(rust_sources(room));
    }
    // The keyword, not the word: it is followed by what it opens.
    let opens = ["{", "fn", "impl", "extern", "trait"].map(|next| ["un", "safe ", next].concat());
    let has_unsafe = |file: &String| opens.iter().any(|text| code(&read(file)).contains(text));
    let found: BTreeSet<String> = files.into_iter().filter(has_unsafe).collect();
    let allowed: BTreeSet<String> = UNSAFE_FILES.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(found, allowed, "left: files with unsafe code; right: the list in xtask/src/tidy.rs, with reasons");
}

#[test]
fn members_share_the_workspaces_lints_and_licence() {
    let mut wrong = Vec::new();
    for file in [
        "harness/Cargo.toml",
        "harness/boundary/Cargo.toml",
        "harness/corpora/Cargo.toml",
        "harness/formats/Cargo.toml",
        "harness/generators/Cargo.toml",
        "harness/scan/Cargo.toml",
        "reports/Cargo.toml",
        "reports/audit/Cargo.toml",
        "reports/certificate/Cargo.toml",
        "fuzz/Cargo.toml",
        "xtask/Cargo.toml",
    ] {
        let table: toml::Table = toml::from_str(&read(file)).unwrap();
        let inherits = |section: &str, key: &str| {
            let value = || table.get(section)?.get(key);
            let value = value().and_then(|value| value.get("workspace").or(Some(value)));
            value.and_then(toml::Value::as_bool) == Some(true)
        };
        for (section, key) in
            [("lints", "workspace"), ("package", "license"), ("package", "edition"), ("package", "rust-version")]
        {
            if !inherits(section, key) {
                wrong.push(format!("{file}: [{section}] {key} is not the workspace's"));
            }
        }
    }
    assert_none(&wrong, "inherit it: `key.workspace = true`");
}

#[test]
fn no_large_files() {
    let size = |file: &str| fs::metadata(root().join(file)).map_or(0, |metadata| metadata.len());
    let large = tracked().into_iter().filter(|file| size(file) > FILE_BYTES_MAX);
    let large: Vec<String> = large.map(|file| format!("{file}: {} KiB", size(&file) >> 10)).collect();
    assert_none(&large, "the history keeps every byte: build, fetch or generate it");
}

#[test]
fn nothing_is_left_for_later_and_no_machine_is_named() {
    // Put together here, so that this file does not find itself.
    let later = ["TO", "FIX", "XX"].iter().zip(["DO", "ME", "X"]).map(|(a, b)| format!("{a}{b}"));
    let machine = ["root", "work", "Users"].iter().map(|name| format!("/{name}/"));
    let needles: Vec<String> = later.chain(machine).collect();
    let mut wrong = Vec::new();
    for file in tracked() {
        if is_data(&file) || ["Cargo.lock", "package-lock.json"].iter().any(|lock| file.ends_with(lock)) {
            continue;
        }
        let Ok(text) = fs::read_to_string(root().join(&file)) else { continue };
        for (at, line) in text.lines().enumerate() {
            let found = needles.iter().filter(|needle| stands_alone(line, needle));
            wrong.extend(found.map(|needle| format!("{file}:{}: {needle}", at + 1)));
        }
    }
    assert_none(&wrong, "do it now or file an issue; write paths relative to the repository");
}

#[test]
fn packages_come_from_the_public_registries() {
    let mut wrong = Vec::new();
    for file in tracked() {
        let (mark, public): (&str, &[&str]) = match file.rsplit('/').next() {
            Some("Cargo.lock") => ("source = ", &["\"registry+https://github.com/rust-lang/crates.io-index\""]),
            Some("package-lock.json") => ("\"resolved\": ", &["\"https://registry.npmjs.org/"]),
            _ => continue,
        };
        for line in read(&file).lines() {
            if let Some((_, source)) = line.split_once(mark)
                && !public.iter().any(|public| source.starts_with(public))
            {
                wrong.push(format!("{file}: {}", line.trim()));
            }
        }
    }
    assert_none(&wrong, "lock files must work for everybody");
}

#[test]
fn house_files_are_there() {
    for file in
        ["LICENSE-MIT", "LICENSE-APACHE", "README.md", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md", "deny.toml"]
    {
        assert!(fs::metadata(root().join(file)).is_ok_and(|metadata| metadata.len() > 0), "{file} is missing");
    }
    assert!(read("CHANGELOG.md").contains("## Unreleased"), "CHANGELOG.md: a section `## Unreleased`");
    let script = read(".ci/run");
    assert!(
        script.contains("set -euo pipefail") && script.contains("cargo xtask test"),
        ".ci/run calls the README's command"
    );
}

#[test]
fn readme_help_and_binary_name_the_same_commands() {
    let help: BTreeSet<String> =
        crate::command_line().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let readme = read("README.md");
    let row = |line: &str| Some(line.strip_prefix("| `cargo xtask ")?.split(['`', ' ']).next()?.to_owned());
    let documented: BTreeSet<String> = readme.lines().filter_map(row).collect();
    assert_eq!(documented, help, "left: the README's table; right: `cargo xtask --help`");
    use crate::forward::{COMMANDS, Program, SHARED};
    for (file, program) in [("harness/src/cli.rs", Program::Autoclave), ("reports/audit/src/cli.rs", Program::Audit)] {
        let mine = COMMANDS.iter().filter(|command| command.program == program || SHARED.contains(&command.name));
        let forwarded: BTreeSet<String> = mine.map(|command| command.name.to_owned()).collect();
        assert_eq!(subcommands(&read(file)), forwarded, "left: {file}; right: xtask/src/forward.rs");
    }
}

#[test]
fn controls_name_oracles_and_canaries_that_exist() {
    let names: BTreeSet<String> =
        rust_sources("harness/src/oracles/").iter().filter_map(|file| oracle(&read(file))).collect();
    assert!(names.contains("crash"), "harness/src/oracles: no names of oracles found");
    // Questions of commands that have no entry in the table of oracles.
    let commands = ["differential", "conform", "page-checks", "scan"].map(str::to_owned);
    let page_checks = read("harness/boundary/src/hosts/page_checks.rs");
    let static_checks = read("harness/scan/src/checks.rs");
    let rules = [read("harness/formats/src/json.rs"), read("harness/formats/src/hl7/rules.rs")]
        .into_iter()
        .chain(rust_sources("harness/formats/src/fhir/").iter().map(|file| read(file)))
        .collect::<String>();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in tracked().into_iter().filter(|file| file.starts_with("reports/controls/") && file.ends_with(".toml")) {
        let table: toml::Table = toml::from_str(&read(&file)).unwrap();
        for control in table.get("control").and_then(toml::Value::as_array).into_iter().flatten() {
            for answer in control.get("answers").and_then(toml::Value::as_array).into_iter().flatten() {
                let text = |key: &str| answer.get(key).and_then(toml::Value::as_str).unwrap_or_default();
                let (id, oracle, canary) = (control["id"].as_str().unwrap(), text("oracle"), text("canary"));
                seen += 1;
                if !names.contains(oracle) && !commands.contains(&oracle.to_owned()) {
                    wrong.push(format!("{id}: no oracle `{oracle}`"));
                }
                let expected = (!canary.is_empty() && canary != "peers-planted").then(|| expectations(canary));
                for class in answer.get("classes").and_then(toml::Value::as_array).into_iter().flatten() {
                    let class = class.as_str().unwrap_or_default();
                    let is_there = match (&expected, oracle) {
                        (Some(expected), _) => expected.contains(&class.to_lowercase()),
                        (None, "page-checks") => page_checks.contains(&format!("name: \"{class}\"")),
                        (None, "scan") => static_checks.contains(&format!("check(\"{class}\"")) && class == id,
                        (None, "conform") => rules.contains(&format!("\"{class}\"")),
                        (None, _) => read("reports/src/rules.rs").contains(&format!("\"{oracle}\", \"{class}\"")),
                    };
                    if !is_there {
                        wrong.push(format!("{id}: nothing shows that `{oracle}` sees `{class}`"));
                    }
                }
            }
        }
    }
    assert!(seen > 20, "reports/controls: {seen} answers");
    assert_none(&wrong, "name an oracle, and a canary whose target.toml expects the class");
}

/// The name in an oracle's table entry.
fn oracle(source: &str) -> Option<String> {
    let (_, rest) = source.split_once("ORACLE: Oracle = Oracle {\n    name: \"")?;
    Some(rest.split('"').next()?.to_owned())
}

/// Words in the expectations of a canary, in lower case.
fn expectations(canary: &str) -> BTreeSet<String> {
    let table: toml::Table = toml::from_str(&read(&format!("targets/{canary}/target.toml"))).unwrap();
    let expect = table["expect"].as_table().unwrap_or_else(|| panic!("targets/{canary}/target.toml: no [expect]"));
    assert!(
        table.get("twin").is_some() || root().join(format!("targets/{canary}-fixed")).is_dir(),
        "{canary}: no twin"
    );
    let words = expect.iter().flat_map(|(key, value)| [key.as_str(), value.as_str().unwrap_or_default()]);
    words.flat_map(str::split_whitespace).map(str::to_lowercase).collect()
}

#[test]
fn readme_maps_every_room() {
    let readme = read("README.md");
    let rooms = rust_sources("harness/src/").into_iter().map(|file| room_of(&file)).filter(|room| room != "lib");
    let missing: BTreeSet<String> = rooms.filter(|room| !readme.contains(&format!("`{room}`"))).collect();
    assert_none(&missing.into_iter().collect::<Vec<_>>(), "name it in the code map of README.md");
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut wrong = Vec::new();
    for file in tracked().into_iter().filter(|file| file.ends_with(".md") && !is_data(file)) {
        let folder = root().join(&file).parent().unwrap().to_owned();
        for target in read(&file).split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if !target.is_empty() && !target.contains("://") && !folder.join(target).exists() {
                wrong.push(format!("{file}: {target}"));
            }
        }
    }
    assert_none(&wrong, "mend the link");
}

#[test]
fn every_folder_in_targets_is_a_target_or_part_of_one() {
    let guests = crate::manifest::guests(&root()).unwrap();
    let names: BTreeSet<&str> = guests.iter().map(|guest| guest.name.as_str()).collect();
    let has_corpora = root().join("corpora").is_dir();
    let mut wrong = Vec::new();
    for file in tracked() {
        let Some((folder, _)) = file.strip_prefix("targets/").and_then(|rest| rest.split_once('/')) else { continue };
        if !names.contains(folder) && !root().join("targets").join(folder).join("Cargo.toml").is_file() {
            wrong.push(format!("targets/{folder}: no target.toml"));
        }
    }
    for guest in &guests {
        let table: toml::Table = toml::from_str(&read(&format!("targets/{}/target.toml", guest.name))).unwrap();
        let named = |key: &str| table.get(key).and_then(toml::Value::as_str);
        if named("about").is_none_or(str::is_empty) {
            wrong.push(format!("targets/{}/target.toml: no `about`", guest.name));
        }
        if let Some(twin) = named("twin").filter(|twin| !names.contains(twin)) {
            wrong.push(format!("targets/{}/target.toml: no target `{twin}`", guest.name));
        }
        if let Some(format) =
            named("format").filter(|format| has_corpora && !root().join("corpora").join(format).is_dir())
        {
            wrong.push(format!("targets/{}/target.toml: no folder corpora/{format}", guest.name));
        }
    }
    wrong.dedup();
    assert_none(&wrong, "complete the target");
}

#[test]
fn second_versions_of_a_crate_have_a_reason() {
    let deny: toml::Table = toml::from_str(&read("deny.toml")).unwrap();
    let skip = deny["bans"]["skip"].as_array().unwrap();
    let mut excused: BTreeSet<String> = BTreeSet::new();
    for entry in skip {
        let reason = entry.get("reason").and_then(toml::Value::as_str).unwrap_or_default();
        assert!(reason.len() > 10, "{entry}: give the reason");
        excused.insert(entry["crate"].as_str().unwrap().to_owned());
    }
    let versions = linked_versions();
    let mut used: BTreeSet<String> = BTreeSet::new();
    let mut wrong = Vec::new();
    for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
        let excuse = |version: &String| {
            let fits =
                |entry: &&String| entry.split_once('@').is_some_and(|(n, v)| n == name && fits_version(version, v));
            excused.iter().find(fits).cloned()
        };
        let excuses: Vec<Option<String>> = versions.iter().map(excuse).collect();
        if excuses.iter().filter(|excuse| excuse.is_none()).count() > 1 {
            wrong.push(format!("{name}: {}", versions.join(", ")));
        }
        used.extend(excuses.into_iter().flatten());
    }
    assert_none(&wrong, "unify the versions, or excuse all but one in deny.toml with the reason");
    assert_eq!(excused, used, "left: excuses in deny.toml; right: those that are needed");
}

#[test]
fn licences_are_on_the_list() {
    let deny: toml::Table = toml::from_str(&read("deny.toml")).unwrap();
    let allowed = deny["licenses"]["allow"].as_array().unwrap();
    let allowed: Vec<&str> = allowed.iter().filter_map(toml::Value::as_str).collect();
    let mut wrong = BTreeSet::new();
    for workspace in ["Cargo.toml", "targets/Cargo.toml"] {
        for manifest in manifests(workspace) {
            let table: toml::Table = toml::from_str(&fs::read_to_string(&manifest).unwrap()).unwrap();
            let package = table["package"].as_table().unwrap();
            let licence = package.get("license").and_then(toml::Value::as_str);
            // Our own members inherit theirs, which another test checks.
            if package.get("license").is_some_and(toml::Value::is_table) || manifest.starts_with(root()) {
                continue;
            }
            if !licence.is_some_and(|licence| may_use(licence, &allowed)) {
                wrong.insert(format!("{}: {licence:?}", package["name"]));
            }
        }
    }
    assert_none(&wrong.into_iter().collect::<Vec<_>>(), "a licence that is not in deny.toml");
}

#[track_caller]
fn assert_none(wrong: &[String], remedy: &str) {
    assert!(wrong.is_empty(), "{remedy}:\n  {}\n", wrong.join("\n  "));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(file: &str) -> String {
    let path = root().join(file);
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Files that are committed or about to be: relative, in order.
fn tracked() -> Vec<String> {
    let mut git = Command::new("git");
    git.current_dir(root()).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = git.output().expect("the tidy tests need git: apt-get install git");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let names = output.stdout.split(|byte| *byte == 0).map(|name| String::from_utf8_lossy(name).into_owned());
    let mut names: Vec<String> = names.filter(|name| root().join(name).is_file()).collect();
    names.sort();
    assert!(names.len() > 20, "git lists only {} files", names.len());
    names
}

fn rust_sources(folder: &str) -> Vec<String> {
    tracked().into_iter().filter(|file| file.starts_with(folder) && file.ends_with(".rs")).collect()
}

fn is_data(file: &str) -> bool {
    DATA.iter().any(|folder| file.starts_with(folder))
}

/// `harness/src/executors/raw.rs` → `executors`.
fn room_of(file: &str) -> String {
    let rest = file.strip_prefix("harness/src/").unwrap_or(file);
    let first = rest.split('/').next().unwrap_or(rest);
    first.strip_suffix(".rs").unwrap_or(first).to_owned()
}

/// The list at the head of lib.rs, top first: `a → {b, c} → d` is three levels.
fn levels(lib: &str) -> Vec<Vec<String>> {
    let head: Vec<&str> = lib.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let head = head.join(" ");
    let list = head.split('`').filter(|part| part.contains('→')).collect::<String>();
    let names = |level: &str| {
        let names = level.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|name| !name.is_empty());
        names.map(str::to_owned).collect()
    };
    let levels: Vec<Vec<String>> = list.split('→').map(names).collect();
    assert!(levels.len() > 3, "harness/src/lib.rs: no list of rooms in its head");
    levels
}

/// A file's code without comments and without its tests, which may look around freely.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let lines = code.lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line });
    lines.map(|line| line.split(" // ").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// Rooms in `crate::room::…`, `crate::{room::…, room}` and, from the binary, `autoclave::…`.
fn imported_rooms(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for start in ["crate::", "autoclave::"] {
        for rest in code.split(start).skip(1) {
            let Some(group) = rest.strip_prefix('{') else {
                rooms.extend(first_word(rest));
                continue;
            };
            let mut depth = 1;
            let mut item = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 1 => rooms.extend(first_word(&std::mem::take(&mut item))),
                    c if depth == 1 => item.push(c),
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
            rooms.extend(first_word(&item));
        }
    }
    rooms
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

fn reaches(graph: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(room) = open.pop() {
        if room == to {
            return true;
        }
        if seen.insert(room.clone()) {
            open.extend(graph.get(&room).into_iter().flatten().cloned());
        }
    }
    false
}

fn names_crate(code: &str, name: &str) -> bool {
    let paths = code.split(&format!("{name}::")).count() > 1 && has_word(code, name);
    paths || has_word(code, &format!("use {name}"))
}

fn has_word(text: &str, word: &str) -> bool {
    text.lines().any(|line| stands_alone(line, word))
}

/// Whether `word` occurs with no letter, digit or underscore against its own ends.
fn stands_alone(line: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let inner = |c: Option<char>| c.is_some_and(part_of_word);
    line.match_indices(word).any(|(at, _)| {
        let joined_before = inner(word.chars().next()) && inner(line[..at].chars().next_back());
        let joined_after = inner(word.chars().next_back()) && inner(line[at + word.len()..].chars().next());
        let goes_on = |c: char| part_of_word(c) || ['}', ')', '.', '-', '~'].contains(&c);
        let path_before = word.starts_with('/') && line[..at].chars().next_back().is_some_and(goes_on);
        !joined_before && !joined_after && !path_before
    })
}

/// The visible commands of the binary: variants of `enum Command` in its command line, in kebab-case.
fn subcommands(cli: &str) -> BTreeSet<String> {
    let (_, body) = cli.split_once("pub enum Command {").expect("harness/src/cli.rs: no `pub enum Command`");
    let body = body.split("\n}").next().unwrap_or(body);
    let mut commands = BTreeSet::new();
    let mut hidden = false;
    for line in body.lines().filter_map(|line| line.strip_prefix("    ")) {
        if line.starts_with("#[command") {
            hidden |= line.contains("hide = true");
        } else if line.starts_with(char::is_uppercase) {
            let name: String = line.chars().take_while(|c| c.is_alphanumeric()).collect();
            if !std::mem::take(&mut hidden) {
                commands.insert(name.to_lowercase());
            }
        }
    }
    commands
}

/// Versions of each crate that some feature or platform links, as cargo-deny counts them; the lock file names more.
fn linked_versions() -> BTreeMap<String, Vec<String>> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).args(["tree", "--locked", "--workspace", "--all-features", "--target=all"]);
    let output = cargo.args(["--edges=all", "--prefix=none", "--format={p}"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        if let [name, version, ..] = line.split(' ').collect::<Vec<_>>()[..]
            && let Some(version) = version.strip_prefix('v')
        {
            versions.entry(name.to_owned()).or_default().insert(version.to_owned());
        }
    }
    assert!(versions.len() > 100, "cargo tree names only {} crates", versions.len());
    versions.into_iter().map(|(name, versions)| (name, versions.into_iter().collect())).collect()
}

/// Whether `version` is in cargo-deny's short form `wanted`: `0.26.1` in `0.26`, `2.0.119` in `2`.
fn fits_version(version: &str, wanted: &str) -> bool {
    version == wanted || version.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'))
}

/// The manifests of everything that a workspace may link.
fn manifests(workspace: &str) -> Vec<PathBuf> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).args(["metadata", "--locked", "--format-version", "1", "--manifest-path", workspace]);
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let paths = text.split(r#""manifest_path":""#).skip(1).filter_map(|rest| rest.split('"').next());
    let paths: Vec<PathBuf> = paths.map(PathBuf::from).collect();
    assert!(paths.len() > 20, "cargo metadata names only {} packages", paths.len());
    paths
}

/// Whether an SPDX expression can be met with the allowed licences. `/` is the old way to write OR.
fn may_use(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ").replace(" WITH ", "~");
    let words: Vec<String> = spaced.split_whitespace().map(|word| word.replace('~', " WITH ")).collect();
    let mut at = 0;
    let fine = any_of(&words, &mut at, allowed);
    fine && at == words.len()
}

fn any_of(words: &[String], at: &mut usize, allowed: &[&str]) -> bool {
    let mut fine = all_of(words, at, allowed);
    while words.get(*at).is_some_and(|word| word == "OR") {
        *at += 1;
        fine |= all_of(words, at, allowed);
    }
    fine
}

fn all_of(words: &[String], at: &mut usize, allowed: &[&str]) -> bool {
    let mut fine = one(words, at, allowed);
    while words.get(*at).is_some_and(|word| word == "AND") {
        *at += 1;
        fine &= one(words, at, allowed);
    }
    fine
}

fn one(words: &[String], at: &mut usize, allowed: &[&str]) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if word != "(" {
        return allowed.contains(&word.as_str());
    }
    let fine = any_of(words, at, allowed);
    let closed = words.get(*at).is_some_and(|word| word == ")");
    *at += 1;
    fine && closed
}

#[test]
fn the_checks_themselves_can_fail() {
    let levels = levels("//! Rooms: `main → {a, b} →\n//! {c} → d`\nuse x;");
    assert_eq!(levels, [vec!["main"], vec!["a", "b"], vec!["c"], vec!["d"]]);
    let rooms = imported_rooms("use crate::{a::x, b, c::{d, e}};\nlet y = crate::f::g();\nautoclave::h();");
    assert_eq!(rooms, ["a", "b", "c", "f", "h"].map(str::to_owned).into());
    let graph =
        BTreeMap::from([("a".to_owned(), BTreeSet::from(["b".to_owned()])), ("b".into(), ["c".to_owned()].into())]);
    assert!(reaches(&graph, "a", "c") && !reaches(&graph, "c", "a"));
    assert_eq!(code("a // b\n// c\n#[cfg(test)]\nmod tests {\nd"), "a\n\n".trim_end().to_owned() + "\n");
    assert!(names_crate("use wasmtime::Engine;", "wasmtime") && names_crate("wasmtime::Engine", "wasmtime"));
    assert!(!names_crate("let wasmtime = 48;", "wasmtime") && !names_crate("my_wasmtime::Engine", "wasmtime"));
    assert!(stands_alone("see /home/x", "/home/") && !stands_alone("http://a.b/home/x", "/home/"));
    assert!(!stands_alone("{}/home/x", "/home/") && stands_alone("(/home/x)", "/home/"));
    let commands =
        subcommands("pub enum Command {\n    /// A\n    Fuzz(Fuzz),\n    #[command(hide = true)]\n    Worker,\n}\n");
    assert_eq!(commands, ["fuzz".to_owned()].into());
    assert!(fits_version("0.26.1", "0.26") && !fits_version("0.260.1", "0.26"));
    let allowed = ["MIT", "Apache-2.0 WITH LLVM-exception"];
    assert!(may_use("MIT/Apache-2.0", &allowed) && may_use("(GPL-3.0 OR MIT) AND MIT", &allowed));
    assert!(may_use("Apache-2.0 WITH LLVM-exception OR GPL-3.0", &allowed) && !may_use("MIT AND GPL-3.0", &allowed));
    assert!(!may_use("GPL-3.0", &allowed) && !may_use("", &allowed) && !may_use("MIT MIT", &allowed));
}
