//! Reads `target.toml`, and writes one for a module that has none.

use super::{
    Abi, BUILD_FOLDER, BuildKind, MANIFEST_BYTES_MAX, Manifest, Reading, Shape, excerpt, nearest, printable_list,
    read_bounded, to_binary,
};
use crate::error::HarnessError;
use crate::limits::{Limits, Terms};
use std::fmt::Write;
use std::path::{Component, Path, PathBuf};

/// Keys of `target.toml`, for "did you mean".
const KEYS: &[&str] = &[
    "about",
    "abi",
    "build",
    "calls",
    "constant-time",
    "contract",
    "dictionary",
    "entries",
    "expect",
    "format",
    "input",
    "limits",
    "oracle",
    "output",
    "profile",
    "reads",
    "rejects",
    "role",
    "twin",
];
/// Keys of its `[build]`.
const BUILD_KEYS: &[&str] = &[
    "features",
    "file",
    "flags",
    "from",
    "glue",
    "glue_flags",
    "integrity",
    "kind",
    "on_demand",
    "package",
    "sources",
];

impl Manifest {
    /// Reads a `target.toml`.
    pub fn read(path: &Path) -> Result<Manifest, HarnessError> {
        let wrong = |message: String| HarnessError::Manifest { path: path.to_owned(), message };
        let bytes = read_bounded(path, MANIFEST_BYTES_MAX)?
            .ok_or_else(|| wrong(format!("larger than {MANIFEST_BYTES_MAX} bytes")))?;
        let text = String::from_utf8(bytes).map_err(|_| wrong("not UTF-8".to_owned()))?;
        Manifest::parse(&text).map_err(|message| wrong(excerpt(&message)))
    }

    /// Parses the text of a `target.toml`; the error carries line, column and, where it is a wrong key, the right one.
    pub fn parse(text: &str) -> Result<Manifest, String> {
        let manifest: Manifest = toml::from_str(text).map_err(|error| match misspelt(text) {
            Some((wrong, right)) => format!("{}did you mean `{right}` instead of `{wrong}`?", error),
            None => error.to_string().trim_end().to_owned(),
        })?;
        let tables = [("limit", &manifest.limits, Limits::names()), ("term", &manifest.contract, Terms::names())];
        for (what, table, names) in tables {
            let Some(name) = table.keys().find(|name| !names.contains(name)) else { continue };
            let hint = nearest(name, names.iter().map(String::as_str))
                .map_or(format!("there are {}", names.join(", ")), |near| format!("did you mean `{near}`?"));
            let line = text.lines().position(|line| line.trim_start().starts_with(name.as_str()));
            let at = line.map_or(String::new(), |line| format!("line {}: ", line + 1));
            return Err(format!("{at}no {what} is called `{name}`; {hint}"));
        }
        for word in manifest.reads.values().flatten() {
            Reading::parse(word)?;
        }
        for entry in &manifest.entries {
            if entry.is_empty() {
                return Err("entries: an export name must not be empty".to_owned());
            }
        }
        Ok(manifest)
    }

    /// Where the module lies once it is there: in the folder if it is shipped, else where builds go.
    pub(super) fn module_path(&self, root: &Path, folder: &Path, name: &str) -> Result<PathBuf, HarnessError> {
        let default = match self.build.kind {
            BuildKind::Prebuilt => "module.wasm",
            BuildKind::Wat => "module.wat",
            _ => return Ok(root.join(BUILD_FOLDER).join(name).join("module.wasm")),
        };
        let file = Path::new(self.build.file.as_deref().unwrap_or(default));
        // A manifest comes with the module, from a stranger: it must not point at other files of ours.
        if !file.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(HarnessError::Manifest {
                path: folder.join(super::MANIFEST_FILE),
                message: format!("build.file = {file:?} must be a path inside the target's folder"),
            });
        }
        Ok(folder.join(file))
    }
}

impl Abi {
    /// Every ABI.
    pub const ALL: &[Abi] =
        &[Abi::Bytes, Abi::Libfuzzer, Abi::WasmBindgen, Abi::Wasi, Abi::Numeric, Abi::Component, Abi::Script];

    /// The name used in `target.toml` and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Abi::Bytes => "bytes",
            Abi::Libfuzzer => "libfuzzer",
            Abi::WasmBindgen => "wasm-bindgen",
            Abi::Wasi => "wasi",
            Abi::Numeric => "numeric",
            Abi::Component => "component",
            Abi::Script => "script",
        }
    }

    /// What a module must export for it.
    pub fn needs(self) -> &'static str {
        match self {
            Abi::Bytes => "an exported memory, `alloc` (i32 -> i32) and an export (i32, i32) -> () | i32 | i64",
            Abi::Libfuzzer => "an exported memory, `malloc` and `LLVMFuzzerTestOneInput`",
            Abi::WasmBindgen => "an exported memory, `__wbindgen_malloc` and exports that take strings or byte slices",
            Abi::Wasi => "`_start`, or a reactor's exports without parameters",
            Abi::Numeric => "an export whose parameters and results are numbers",
            Abi::Script => "entries in `[calls]`",
            Abi::Component => "a component that exports a function taking `string` or `list<u8>`",
        }
    }
}

/// A commented `target.toml` for a module: what was detected, and what else could be said.
pub fn manifest_for(label: &str, bytes: &[u8]) -> Result<String, HarnessError> {
    let wasm = to_binary(label, bytes.to_vec())?;
    let shape = Shape::read(label, &wasm)?;
    let fits = shape.fits();
    let Some((abi, entries)) = fits.first() else {
        return Err(HarnessError::module(
            label,
            format!(
                "no export takes bytes or numbers in a way that is known; exported functions: {}",
                printable_list(&shape.function_names())
            ),
        ));
    };
    let mut text = String::from("# One sentence for `list` and the report.\nabout = \"\"\n\n");
    text.push_str(
        "# Folder in corpora/ with seeds and dictionary, for example fhir-json or hl7v2.\n# format = \"\"\n\n",
    );
    writeln!(text, "# How bytes get in and out; detected from the exports.\nabi = {}", quoted(abi.name())).unwrap();
    for (other, _) in &fits[1..] {
        writeln!(text, "# abi = {}    # would fit as well", quoted(other.name())).unwrap();
    }
    text.push_str("\n# Exports to fuzz. Remove those that do not take untrusted input.\nentries = [\n");
    for entry in entries {
        writeln!(text, "    {},", quoted(entry)).unwrap();
    }
    text.push_str("]\n\n# Which result means that the input was rejected: never, negative, nonzero or zero.\n");
    text.push_str("# rejects = \"negative\"\n\n# Where it will run: browser or server.\n# profile = \"browser\"\n\n");
    text.push_str("[build]\nkind = \"prebuilt\"\n\n[limits]\n");
    text.push_str("# memory_bytes_max = \"64MiB\"\n# wall_ms_max = 1000\n\n");
    text.push_str("# What each entry reads, for `limits`; found out by trying where nothing is said.\n[reads]\n");
    text.push_str("# parse = [\"fhir-json\", \"gzip/fhir-json\"]\n\n# Terms of the resource contract that differ.\n");
    text.push_str("[contract]\n# memory_per_byte = 12\n");
    Ok(text)
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The first key that is not one of ours, with the one that was probably meant.
fn misspelt(text: &str) -> Option<(String, &'static str)> {
    let table: toml::Table = toml::from_str(text).ok()?;
    let wrong = |table: &toml::Table, known: &'static [&'static str]| {
        let key = table.keys().find(|key| !known.contains(&key.as_str()))?.clone();
        let near = nearest(&key, known.iter().copied())?;
        Some((key, near))
    };
    wrong(&table, KEYS).or_else(|| wrong(table.get("build")?.as_table()?, BUILD_KEYS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_keys_are_exactly_those_that_parse() {
        let unknown_to_serde = |key: &str, table: &str| {
            let text = format!("{table}{key} = 1");
            Manifest::parse(&text).err().is_some_and(|error| error.contains("unknown field"))
        };
        for key in KEYS {
            assert!(!unknown_to_serde(key, ""), "{key}");
        }
        for key in BUILD_KEYS {
            assert!(!unknown_to_serde(key, "[build]\n"), "{key}");
        }
        // The other direction: serde's own list of what it expected.
        let fields = |text: &str| Manifest::parse(text).unwrap_err().matches('`').count() / 2 - 1;
        assert_eq!(fields("zzzzzz = 1"), KEYS.len());
        assert_eq!(fields("[build]\nzzzzzz = 1"), BUILD_KEYS.len());
    }

    #[test]
    fn wrong_manifests_say_where_and_what() {
        for (text, says) in [
            ("about = 'x'\nentrys = []", &["line 2", "did you mean `entries`"][..]),
            ("[build]\nkind = 'cargo'\nfeature = []", &["line 3", "did you mean `features`"]),
            ("[limits]\nfuel_bas = 3", &["line 2", "did you mean `fuel_base`"]),
            ("[contract]\nfuel_bas = 3", &["line 2", "did you mean `fuel_base`"]),
            ("[reads]\nparse = ['gzipp']", &["gzipp", "did you mean `gzip`"]),
            ("[reads]\nparse = ['json/gzip']", &["json/gzip", "compressed"]),
            ("abi = 'byte'", &["line 1", "bytes"]),
            ("entries = ['']", &["must not be empty"]),
        ] {
            let error = Manifest::parse(text).unwrap_err();
            for word in says {
                assert!(error.contains(word), "{text:?} gave {error:?}, without {word:?}");
            }
        }
    }

    #[test]
    fn a_manifest_cannot_point_out_of_its_folder() {
        for file in ["../x.wasm", "/etc/passwd", "a/../../b"] {
            let manifest = Manifest::parse(&format!("[build]\nfile = '{file}'")).unwrap();
            assert!(manifest.module_path(Path::new("/r"), Path::new("/r/targets/t"), "t").is_err(), "{file}");
        }
    }
}
