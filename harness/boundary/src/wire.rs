//! What a host and its parent say to each other.
//!
//! Frames both ways: length of the payload (u32, little-endian), type (u8), payload. Parent to host:
//!
//! | type | payload |
//! |---|---|
//! | 1 `CONFIG` | JSON [`Config`] |
//! | 2 `MODULE` | index into [`Config::builds`] (u8), the module's bytes; once per build |
//! | 3 `EVALUATOR` | index (u8), bytes of the helper module that reads that build's counters |
//! | 4 `BATCH` | number (u32), flags (u8, [`flags`]), count (u32), per tape its length (u32) and binary form |
//! | 6 `NAMES` | JSON pairs: `module.name` that is imported, what the glue calls it; asks what embind registers |
//! | 5 `SEEN` | bits of every counter that are known already, one byte each: a fresh host goes on where the old one died |
//!
//! Host to parent: 16 `HELLO` (JSON [`Hello`], after the modules and the first instance), 17 `RESULT` (JSON [`Ran`]),
//! 18 `FAILED` (JSON text: why the package cannot be loaded at all). Asked by `NAMES`, `HELLO` is JSON
//! [`crate::glue::embind::Found`] instead. Nothing else goes over that channel: what the
//! package prints goes elsewhere and is searched for canaries.

use crate::api::Api;
use serde::{Deserialize, Serialize};

/// Reads what a host says. JavaScript's texts may hold half a surrogate pair, which its JSON writes as an escape that no
/// other reader takes: U+FFFD stands in its place then.
///
/// # Errors
/// It is not what is expected.
pub fn read<T: serde::de::DeserializeOwned>(text: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(text).or_else(|error| match whole_escapes(text) {
        Some(text) => serde_json::from_slice(&text),
        None => Err(error),
    })
}

/// The text with half surrogate pairs replaced; none where it has none.
fn whole_escapes(text: &[u8]) -> Option<Vec<u8>> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut whole = Vec::new();
    let (mut at, mut copied) = (0, 0);
    while at < text.len() {
        let is_escape = text[at] == b'\\';
        match (is_escape, unit(at)) {
            (true, Some(0xd800..=0xdbff)) if matches!(unit(at + 6), Some(0xdc00..=0xdfff)) => at += 12,
            (true, Some(0xd800..=0xdfff)) => {
                whole.extend_from_slice(&text[copied..at]);
                whole.extend_from_slice(b"\\ufffd");
                at += 6;
                copied = at;
            }
            (true, _) => at += 2,
            (false, _) => at += 1,
        }
    }
    whole.extend_from_slice(text.get(copied..)?);
    (copied > 0).then_some(whole)
}

/// Frame types.
pub mod frame {
    #![allow(missing_docs)]
    pub const CONFIG: u8 = 1;
    pub const MODULE: u8 = 2;
    pub const EVALUATOR: u8 = 3;
    pub const BATCH: u8 = 4;
    pub const SEEN: u8 = 5;
    pub const NAMES: u8 = 6;
    pub const HELLO: u8 = 16;
    pub const RESULT: u8 = 17;
    pub const FAILED: u8 = 18;
}

/// Index of a `MODULE` frame that holds the module as it is deployed, where that is no file of its own.
pub const ORIGINAL: u8 = 255;

/// What is wanted of a batch.
pub mod flags {
    /// Counters are evaluated and new ones reported.
    pub const EVALUATE: u8 = 1;
    /// Every tape gets a fresh instance.
    pub const FRESH: u8 = 2;
    /// The dear questions are asked of every tape: repeated for leaks, memory searched for canaries.
    pub const DEEP: u8 = 4;
    /// Every operation's outcome is reported for every tape.
    pub const OUTCOMES: u8 = 8;
    /// Memory is searched for canaries and prototypes are compared after every tape, but none is repeated.
    pub const LOOK: u8 = 16;
    /// Tapes of one call each are not run but measured: the first one's outcomes are lines `way calls-a-second`.
    pub const MEASURE: u8 = 32;
}

/// What a host is to load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Version of this protocol: 1.
    pub protocol: u32,
    /// How the package is loaded.
    pub glue: Glue,
    /// Folder of the package, as the host reaches it: absolute path, or URL ending in a slash.
    pub root: String,
    /// JavaScript file that callers import, in the folder.
    pub entry: Option<String>,
    /// The module's file in the folder.
    pub module: String,
    /// SHA-256 of it, hex: what the shim looks for.
    pub sha256: String,
    /// Builds to swap in, best first; none: it stays as it is. The host takes the first that it can.
    pub builds: Vec<Build>,
    /// What can be called.
    pub api: Api,
    /// Largest linear memory, 64 KiB pages; growth beyond it fails.
    pub pages_max: u32,
    /// Tapes until an instance is replaced.
    pub tapes_per_instance: u32,
    /// Names of capabilities that the policy allows (`clock`, `random`, …, as in [`Sighting`] of class `capability`).
    pub allowed: Vec<String>,
    /// Pairs `A -> B`: what A is given may come out of B.
    pub flows: Vec<(String, String)>,
    /// Seed of what the host itself draws.
    pub seed: u64,
}

/// How a package is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Glue {
    /// wasm-bindgen, `--target nodejs` (CommonJS, reads its module itself).
    BindgenNodejs,
    /// wasm-bindgen, `--target web` (ES module, default export initialises).
    BindgenWeb,
    /// wasm-bindgen, `--target bundler` (ES module that imports the wasm).
    BindgenBundler,
    /// Emscripten, modularised: a factory function.
    Emscripten,
    /// AssemblyScript's ES module bindings.
    Assemblyscript,
    /// An ES module or CommonJS wrapper whose exports are the API, around any of these.
    Wrapper,
    /// No glue: the module's exports are the API, numbers only.
    Raw,
    /// No glue: a WASI program, run by `node:wasi`.
    Wasi,
}

/// One instrumented build of the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Where its counters are.
    pub layout: Layout,
    /// Counters: 8 bits each, wrapping.
    pub counters: u32,
    /// Byte offset of the first counter in its memory; the bits seen follow at `seen`, the list of new ones at `list`.
    pub start: u32,
    /// Byte offset of the seen bits, one byte per counter.
    pub seen: u32,
    /// Byte offset of the list that `evaluate` writes: pairs of u32 (counter, new bits).
    pub list: u32,
    /// Most pairs of the list.
    pub list_max: u32,
    /// Byte offsets of two pieces of 64 bytes before and after all that, which the host fills with a pattern and finds
    /// unchanged; none where nothing else can write there.
    pub sentinels: Vec<u32>,
    /// Export name of the shadow stack pointer, where there is one.
    pub stack_pointer: Option<String>,
}

/// Where counters are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// In a second memory, exported as `__autoclave_memory`; the evaluator imports it as `env.memory`.
    Memory,
    /// In pages behind the module's initial memory; the evaluator imports the module's memory as `env.memory`.
    Tail,
    /// In mutable globals; the module itself exports `__autoclave_collect(i32) -> i32`: four counters at a time,
    /// packed and cleared.
    Globals,
}

/// What a host is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Hello {
    /// `Node 20.20.2 (V8 11.3)`.
    pub host: String,
    /// Layout of the build that was taken; none: uninstrumented.
    pub layout: Option<Layout>,
    /// Engine features by name (`multi-memory`, `exnref`, `simd`, `bigint`, `resizable`, `shared`, …).
    pub features: Vec<(String, bool)>,
    /// Ids of operations whose member is not there.
    pub absent: Vec<u32>,
    /// SHA-256 of every file of the package that was loaded.
    pub files: Vec<(String, String)>,
    /// What the module imports from the glue, as `module.name`.
    pub imports: Vec<String>,
    /// Pages of its memory after loading.
    pub pages: u32,
    /// What was seen while it was loaded, in normal order and when loading fails (missing file, wrong type, invalid module).
    pub sightings: Vec<Sighting>,
}

/// What came of a batch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Ran {
    /// Its number.
    pub batch: u32,
    /// Tapes that were run.
    pub tapes: u32,
    /// Calls that were made, nested ones included.
    pub calls: u64,
    /// Instances that were made.
    pub instances: u32,
    /// Per operation: id, calls that returned, threw, trapped, were skipped.
    pub operations: Vec<(u32, [u32; 4])>,
    /// Tapes that took so long that they were not repeated to see whether they leak.
    #[serde(default)]
    pub unasked: u32,
    /// Tapes worth telling about.
    pub told: Vec<Told>,
}

/// A tape worth telling about.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Told {
    /// Its place in the batch.
    pub tape: u32,
    /// New counter bits: counter, bits.
    #[serde(default)]
    pub new: Vec<(u32, u8)>,
    /// New pairs of operation and outcome (16-bit hashes), which guide beside the counters.
    #[serde(default)]
    pub outcomes_new: Vec<u32>,
    /// What was seen.
    #[serde(default)]
    pub sightings: Vec<Sighting>,
    /// Every operation's canonical outcome, where asked for: the same in every host.
    #[serde(default)]
    pub outcomes: Vec<String>,
    /// Places in the batch of earlier tapes of the same instance, in order, where a sighting depends on what they left.
    #[serde(default)]
    pub after: Vec<u32>,
}

/// Something that should not have happened.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Sighting {
    /// Class, see [`CLASSES`].
    pub class: String,
    /// Id of the operation; 0: none.
    pub operation: u32,
    /// Index of the operation in the tape (of the outermost one for hooks).
    pub op: u32,
    /// Tells sightings of one class and operation apart: an error's place, a parameter, a capability. Not dependent on
    /// values or hosts.
    pub key: String,
    /// What happened, for people: escaped by whoever shows it, at most 2,000 characters.
    pub what: String,
    /// Stack of the error, at most 4,000 characters.
    #[serde(default)]
    pub stack: String,
}

impl Sighting {
    /// What makes two sightings the same fault: class, operation and the key up to `: `, behind which it only says how it
    /// was shown. An instance that is used after a trap is one fault, whatever it is used for.
    pub fn fault(&self) -> (&str, u32, &str) {
        let key = self.key.split_once(": ").map_or(self.key.as_str(), |(key, _)| key);
        match self.class.as_str() {
            "poisoned" => (&self.class, 0, key),
            class => (class, self.operation, key),
        }
    }
}

/// Classes of sightings: name, what it is called in reports, what was seen.
pub const CLASSES: &[(&str, &str, &str)] = &[
    ("trap", "O1", "a trap leaves the public API as RuntimeError"),
    ("poisoned", "O2", "an instance is used again after a trap"),
    ("result-type", "O3", "a result is not of the declared type"),
    ("range", "O4", "a number out of the range that the module keeps is accepted"),
    ("text", "O4", "a text arrives changed: lone surrogates are replaced"),
    ("collision", "O4", "two different texts become the same one"),
    ("unchecked", "O4", "a value that is not of the declared type is accepted"),
    ("leak", "O5", "memory, table or objects grow with every call"),
    ("stack", "O5", "the shadow stack is not where it was before the call"),
    ("stale", "O6", "a result holds data of an earlier call that it has nothing to do with"),
    ("residue", "O7", "data of a call stays in linear memory after it returned and its objects were freed"),
    ("echo", "O8", "an error's text, its stack or the console repeats data of the call"),
    ("use-after-free", "O9", "an object works after it was freed, or is freed twice"),
    ("forged", "O9", "an object's pointer was overwritten from outside and is believed"),
    ("capability", "O10", "code generation, or a call of the host that the policy does not allow"),
    ("prototype", "O10", "a prototype of JavaScript's own was changed"),
    ("time", "O11", "a tape does not end within its time, or kills its host"),
    ("host", "O12", "two hosts do not agree"),
    ("late", "O13", "an error comes later, from a finalizer or a promise"),
    ("growth", "O14", "a small input makes memory grow without proportion"),
    ("counters", "", "the module writes where its counters are"),
];

#[cfg(test)]
mod tests {
    #[test]
    fn half_surrogate_pairs_do_not_make_an_answer_unreadable() {
        for (text, says) in [
            (r#""a\ud800b""#, Some("a\u{fffd}b")),
            (r#""\udfff\ud83d\ude00\ud83d""#, Some("\u{fffd}\u{1f600}\u{fffd}")),
            (r#""\\ud800""#, Some("\\ud800")),
            (r#""plain \u0041""#, Some("plain A")),
            (r#""\ud8"#, None),
            (r#""\ud800"#, None),
        ] {
            assert_eq!(super::read::<String>(text.as_bytes()).ok().as_deref(), says, "{text}");
        }
    }
}
