//! Static checks of other people's packages: `cargo run --release -p autoclave-scan --example packages -- DATE FILE.tgz…`
//! scans every module of each and prints one row for each in Markdown; findings go to standard error.

use autoclave_boundary::package::{Package, archive};
use autoclave_reports::{Verdict, escape};
use autoclave_scan::{Options, checks, qualify, scan};
use std::path::Path;

fn main() {
    let mut words = std::env::args().skip(1);
    let today = words.next().and_then(|day| day.parse().ok()).expect("the first word is a day: 2026-11-22");
    let options = Options::new(today);
    for row in qualify(&options) {
        assert_eq!(row.verdict, Verdict::Pass, "{} is not qualified", row.class);
    }
    let controls: Vec<&str> = checks::ALL.iter().map(|check| check.control).collect();
    println!("| package | licence | module | KiB | {} |", controls.join(" | "));
    println!("|---|---|---|---|{}", "---|".repeat(controls.len()));
    for word in words {
        package(Path::new(&word), &options);
    }
}

fn package(path: &Path, options: &Options) {
    let (name, licence) = named(path);
    let modules = match Package::modules(path) {
        Ok(modules) if modules.is_empty() => {
            println!("| {name} | {licence} | no module |");
            return;
        }
        Ok(modules) => modules,
        Err(error) => {
            println!("| {name} | {licence} | {} |", escape::markdown_code(&error.to_string()));
            return;
        }
    };
    for module in modules {
        let options = Options { module: Some(module.name.clone()), ..options.clone() };
        let start = std::time::Instant::now();
        let module_name = escape::markdown_code(&module.name);
        match scan(path, &options) {
            Err(error) => {
                println!("| {name} | {licence} | {module_name} | {} |", escape::markdown_code(&error.to_string()))
            }
            Ok(scan) => {
                let seconds = start.elapsed().as_secs_f32();
                eprintln!("== {name} {} ({} bytes, {seconds:.1} s)", scan.module.name, scan.module.bytes);
                for row in scan.rows.iter().filter(|row| !row.found.is_empty()) {
                    for finding in row.found.iter().take(4) {
                        let (Verdict::Fail(_) | Verdict::Warn(_)) = &row.verdict else { continue };
                        eprintln!("{} {} {} [{}]", row.verdict.name(), row.control, finding.what, finding.location);
                    }
                }
                for note in &scan.notes {
                    eprintln!("note {} {}", note.class, note.what);
                }
                let answers: Vec<&str> = scan.rows.iter().map(|row| short(&row.verdict)).collect();
                println!(
                    "| {name} | {licence} | {module_name} | {} | {} |",
                    scan.module.bytes.div_ceil(1024),
                    answers.join(" | ")
                );
            }
        }
    }
}

fn short(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::NotTested(_) => "–",
        Verdict::NotApplicable(_) => "n/a",
        Verdict::Pass => "pass",
        Verdict::Warn(_) => "warn",
        other => other.name(),
    }
}

/// Name with version, and licence, as `package.json` has them.
fn named(path: &Path) -> (String, String) {
    let read = || {
        let (_keep, root) = archive::unpack(path).ok()?;
        let text = std::fs::read_to_string(root.join("package.json")).ok()?;
        serde_json::from_str::<serde_json::Value>(&text).ok()
    };
    let manifest = read().unwrap_or_default();
    let word = |key: &str| manifest.get(key).and_then(serde_json::Value::as_str).unwrap_or("not said").to_owned();
    let name = format!("{} {}", word("name"), word("version"));
    (escape::markdown_code(&name), escape::markdown_code(&escape::column(&word("license"), 40)))
}
