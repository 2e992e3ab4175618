//! What is worth knowing of a module and decides nothing: what its host can reach, what runs by itself, what a release
//! tells about the machine that built it.

use crate::Finding;
use crate::subject::Subject;
use autoclave_reports::Severity;
use std::collections::BTreeSet;

/// Custom sections that tools of the field know, by name or beginning.
const SECTIONS: &[&str] = &[
    "name",
    "producers",
    "target_features",
    "dylink",
    "dylink.0",
    "linking",
    "sourceMappingURL",
    "external_debug_info",
    "build_id",
    "signature",
    "signature_delimiter",
    "component-type",
    "component-name",
    "metadata.code.",
    "core-module",
    "core-instance",
    "__wasm_bindgen_unstable",
    "registry-metadata",
    "wasmer.",
    "authors",
    "description",
    "homepage",
    "licenses",
    "revision",
    "source",
    "version",
];

/// Notes of each kind that are told.
const ALIKE_MAX: usize = 8;

/// All notes.
pub fn all(subject: &Subject) -> Vec<Finding> {
    let mut notes = Vec::new();
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    let mut push = |class: &str, what: String, location: String| {
        let count = counts.entry(class.to_owned()).or_default();
        *count += 1;
        if *count <= ALIKE_MAX {
            notes.push(Finding::new(class, Severity::Info, what, location));
        }
    };
    for core in subject.facts.cores.iter().filter(|_| !subject.facts.is_component) {
        for export in &core.exports {
            match export.kind {
                "table" => push(
                    "EXPORTED-TABLE",
                    format!(
                        "exports the table {} ({}): its host may change which functions are called",
                        export.name, export.ty
                    ),
                    "exports".to_owned(),
                ),
                "global" if export.is_mutable => push(
                    "EXPORTED-GLOBAL",
                    format!("exports the global {} ({}), which its host may change", export.name, export.ty),
                    "exports".to_owned(),
                ),
                _ => {}
            }
        }
        if let Some(start) = core.start {
            push(
                "START",
                format!("function {start} runs by itself when the module is instantiated"),
                "start".to_owned(),
            );
        }
        if !core.names.is_empty() {
            push("NAMES", format!("names of {} functions are in it", core.names.len()), "name".to_owned());
        }
    }
    let mut debug = 0;
    let mut unknown = BTreeSet::new();
    for custom in &subject.facts.customs {
        if custom.name.starts_with(".debug_") || custom.name == "reloc." {
            debug += custom.bytes;
        } else if !SECTIONS
            .iter()
            .any(|known| custom.name == *known || known.ends_with('.') && custom.name.starts_with(known))
            && unknown.insert(&custom.name)
        {
            let what =
                format!("a custom section that no tool of the field knows: {:?}, {} bytes", custom.name, custom.bytes);
            push("CUSTOM-SECTION", what, format!("{:#x} of the file", custom.offset));
        }
        if custom.name == "sourceMappingURL" {
            push("SOURCE-MAP", "points to a source map".to_owned(), format!("{:#x} of the file", custom.offset));
        }
    }
    if debug > 0 {
        push("DEBUG-INFO", format!("{debug} bytes of debug information are in it"), ".debug_*".to_owned());
    }
    for folder in &subject.skipped {
        let what = format!("the folder {folder} was not read: builds leave it there, or others wrote what is in it");
        push("NOT-READ", what, folder.clone());
    }
    for (at, shown) in build_paths(&subject.bytes) {
        push(
            "BUILD-PATH",
            format!("names a folder of the machine that built it: {shown}"),
            format!("{at:#x} of the file"),
        );
    }
    notes
}

/// Folders of people in paths: only as much as shows the kind, each beginning once.
fn build_paths(bytes: &[u8]) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let starts = [
        "/home/",
        concat!("/Use", "rs/"),
        concat!("/ro", "ot/."),
        "C:\\Users\\",
        "/builds/",
        "/github/workspace/",
        "/__w/",
    ];
    for start in starts {
        for at in memchr::memmem::find_iter(bytes, start.as_bytes()).take(1_000) {
            let rest = &bytes[at..];
            let chars = rest.iter().take(120).take_while(|byte| byte.is_ascii_graphic()).count();
            let path = String::from_utf8_lossy(&rest[..chars]).into_owned();
            let parts: Vec<&str> = path.split(['/', '\\']).take(4).collect();
            let is_path = parts.len() == 4 && parts.iter().skip(1).all(|part| part.len() < 40);
            // Folders that programs for the web make up for themselves.
            let is_made_up = path.starts_with("/home/web_user") || path.starts_with(concat!("/ro", "ot/./"));
            let shown = parts.join(if path.contains('\\') { "\\" } else { "/" });
            if is_path && !is_made_up && !found.iter().any(|(_, known)| *known == shown) {
                found.push((at, shown));
            }
        }
    }
    found.sort();
    found
}
