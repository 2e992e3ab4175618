//! `coverage.html`: functions, what blocks the way, and the sources that are at hand, line by line.

use super::{File, Measured};
use crate::symbols::SourceFile;
use autoclave_reports::escape::line as safe;
use autoclave_reports::formats::html::head;
use autoclave_reports::record::FunctionCoverage;
use maud::{DOCTYPE, Markup, html};
use std::io::Read;
use std::path::{Path, PathBuf};

const STYLE: &str = include_str!("style.css");
/// Rows of each table.
const ROWS_MAX: usize = 500;
/// Source files shown line by line, those of the target first.
const SOURCES_MAX: usize = 120;
/// Size of a source file that is shown, bytes.
const SOURCE_BYTES_MAX: u64 = 512 << 10;
/// Size of all sources shown.
const SOURCES_BYTES_MAX: usize = 8 << 20;
/// Endings of files that are shown as sources.
const ENDINGS: &[&str] = &["rs", "c", "h", "cc", "cpp", "cxx", "hpp", "inc", "ts", "wat", "go", "zig", "swift"];

/// The file.
pub fn page(measured: &Measured, root: &Path) -> Vec<u8> {
    let title = format!("Coverage of {}", safe(&measured.target));
    let (lines_found, lines_total) = measured.lines();
    let blockers = measured.blockers();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            (head(&title, STYLE))
            body {
                h1 { (title) }
                p {
                    (measured.inputs) " inputs reach " b { (ratio(measured.edges_found(), measured.edges_total())) } " edges"
                    @if lines_total > 0 { " and " b { (ratio(lines_found, lines_total)) } " source lines" }
                    ". Counts are inputs that reach a place, at least."
                    @if lines_total == 0 { " The module has no debug information: functions only." }
                }
                h2 { "What blocks the way" }
                p { "Functions with most unreached edges first. Those never entered need an input of another kind; the others a value that some branch asks for." }
                (table(&blockers))
                h2 { "All functions" }
                (table(&measured.functions()))
                @if lines_total > 0 {
                    h2 { "Source files" }
                    (sources(measured, root))
                }
            }
        }
    };
    page.into_string().into_bytes()
}

fn ratio(found: u64, total: u64) -> String {
    format!("{found} of {total} ({:.1} %)", 100.0 * found as f64 / total.max(1) as f64)
}

fn table(rows: &[FunctionCoverage]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Functions" {
            table {
                thead { tr { th { "Function" } th { "Where" } th.number { "Edges" } th.number { "Unreached" } } }
                tbody {
                    @for row in rows.iter().take(ROWS_MAX) {
                        tr.never[row.edges_found == 0] {
                            td { code { (safe(&row.name)) } }
                            td {
                                @if let (Some(file), Some(line)) = (&row.file, row.line) { (safe(file)) ":" (line) }
                            }
                            td.number { (row.edges_found) " of " (row.edges_total) }
                            td.number { (row.edges_total - row.edges_found) }
                        }
                    }
                }
            }
        }
        @if rows.len() > ROWS_MAX { p { "… and " (rows.len() - ROWS_MAX) " more." } }
    }
}

fn sources(measured: &Measured, root: &Path) -> Markup {
    let finder = Finder::new(root);
    // The target's own files first, then its dependencies, then the standard library.
    let mut files: Vec<(&SourceFile, &File)> = measured.files.iter().map(|(file, known)| (&**file, known)).collect();
    let rank = |file: &SourceFile| match () {
        () if file.shown.starts_with("targets/") => 0,
        () if file.shown.starts_with("rust/") => 2,
        () => 1,
    };
    files.sort_by_key(|(file, _)| (rank(file), file.shown.clone()));
    let mut bytes_left = SOURCES_BYTES_MAX;
    html! {
        @for (number, (file, known)) in files.into_iter().enumerate() {
            @let reached = known.lines.values().filter(|inputs| **inputs > 0).count() as u64;
            @let text = if number < SOURCES_MAX { finder.read(file).filter(|text| text.len() <= bytes_left) } else { None };
            @match text {
                Some(text) => {
                    @let () = bytes_left -= text.len();
                    details { summary { code { (safe(&file.shown)) } " " (ratio(reached, known.lines.len() as u64)) } (source(&text, known)) }
                }
                None => p.file { code { (safe(&file.shown)) } " " (ratio(reached, known.lines.len() as u64)) },
            }
        }
    }
}

fn source(text: &str, known: &File) -> Markup {
    html! {
        pre {
            @for (number, line) in (1_u32..).zip(text.lines()) {
                @let inputs = known.lines.get(&number);
                @let half = known.branches.get(&number).is_some_and(|branches| {
                    branches.iter().any(|b| b.ways.iter().any(|way| *way > 0) && b.ways.contains(&0))
                });
                span.line.hit[inputs.is_some_and(|inputs| *inputs > 0)].miss[inputs == Some(&0)].half[half] {
                    span.n { (number) }
                    span.c { @if let Some(inputs) = inputs { (inputs) } }
                    (safe(&line.replace('\t', "    "))) "\n"
                }
            }
        }
    }
}

/// Looks for sources in folders that hold nothing but sources. The path comes from the module: it must not be able to put
/// any other file of this machine into a report.
pub struct Finder {
    /// Prefix of the shown path, folder that it stands for.
    folders: Vec<(&'static str, PathBuf)>,
}

impl Finder {
    /// For a project.
    pub fn new(root: &Path) -> Self {
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let cargo = std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
        let rustup = std::env::var_os("RUSTUP_HOME").map_or_else(|| home.join(".rustup"), PathBuf::from);
        let inside = |folder: PathBuf| {
            let mut found: Vec<PathBuf> =
                std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
            found.sort();
            found
        };
        let mut folders = vec![("targets/", root.join("targets"))];
        folders.extend(inside(cargo.join("registry/src")).into_iter().map(|folder| ("", folder)));
        folders.push(("", cargo.join("git/checkouts")));
        folders.push(("rust/", PathBuf::from("/usr/lib/rustlib/src/rust")));
        let toolchains = inside(rustup.join("toolchains"));
        folders.extend(toolchains.into_iter().map(|folder| ("rust/", folder.join("lib/rustlib/src/rust"))));
        let real = |(prefix, folder): (&'static str, PathBuf)| Some((prefix, folder.canonicalize().ok()?));
        Self { folders: folders.into_iter().filter_map(real).collect() }
    }

    /// The text of a file, if it is a source in one of these folders.
    pub fn read(&self, file: &SourceFile) -> Option<String> {
        let shown =
            self.folders.iter().filter_map(|(prefix, folder)| Some(folder.join(file.shown.strip_prefix(prefix)?)));
        [PathBuf::from(&file.raw)].into_iter().chain(shown).find_map(|path| self.read_inside(&path))
    }

    fn read_inside(&self, path: &Path) -> Option<String> {
        if !path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known)) {
            return None;
        }
        // Links and `..` are resolved first: what counts is where the file really lies.
        let real = path.canonicalize().ok()?;
        if !self.folders.iter().any(|(_, folder)| real.starts_with(folder)) || !real.is_file() {
            return None;
        }
        let mut text = String::new();
        let file = std::fs::File::open(real).ok()?;
        file.take(SOURCE_BYTES_MAX + 1).read_to_string(&mut text).ok()?;
        (text.len() as u64 <= SOURCE_BYTES_MAX).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn only_sources_in_known_folders_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "secret").unwrap();
            path.to_str().unwrap().to_owned()
        };
        let finder = Finder::new(&folder.path().join("root"));
        assert!(finder.folders.iter().all(|(prefix, _)| *prefix != "targets/"), "there is none yet");
        let good = write("root/targets/a/src/lib.rs");
        let outside = write("outside.rs");
        let no_source = write("root/targets/a/key.pem");
        std::os::unix::fs::symlink(&outside, folder.path().join("root/targets/link.rs")).unwrap();
        let finder = Finder::new(&folder.path().join("root"));
        let read = |shown: &str, raw: &str| finder.read(&SourceFile { shown: shown.into(), raw: raw.into() });
        assert!(read("", &good).is_some());
        assert!(read("targets/a/src/lib.rs", "/elsewhere/lib.rs").is_some());
        let dotted = format!("{}/root/targets/../../outside.rs", folder.path().display());
        let link = format!("{}/root/targets/link.rs", folder.path().display());
        for raw in [outside.as_str(), &no_source, &dotted, &link, "/etc/passwd", "", "\0.rs"] {
            assert_eq!(read("", raw), None, "{raw}");
        }
        assert_eq!(read("targets/../../outside.rs", ""), None);
        assert_eq!(read("targets//etc/passwd", ""), None);
    }

    #[test]
    fn names_do_not_become_markup() {
        let mut measured = Measured { target: "<script>x</script>".into(), ..Measured::default() };
        let row = FunctionCoverage {
            name: "\"><img src=x onerror=alert(1)>\u{202e}".into(),
            file: Some("</code><b>".into()),
            line: Some(1),
            edges_total: 2,
            ..FunctionCoverage::default()
        };
        measured.functions.push(super::super::Function { row, inputs: 0 });
        let raw = SourceFile { shown: "<i>/a.rs".into(), raw: "/nowhere".into() };
        let file = File { lines: BTreeMap::from([(1, 0)]), ..File::default() };
        measured.files.insert(raw.into(), file);
        let page = String::from_utf8(measured.html(Path::new("/nowhere"))).unwrap();
        for bad in ["<script", "<img", "<b>2", "<i>", "\u{202e}"] {
            assert!(!page.contains(bad), "{bad}");
        }
        assert!(page.contains("0 of 2 (0.0 %)"));
    }
}
