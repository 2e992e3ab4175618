//! Each check against a flaw that it must find and the repair that it must pass, in the same run and by the same policy.
//! Where the policy accepts the flaw, the check would find nothing anywhere: then it is not qualified.

use crate::advisories::Database;
use crate::checks::{self, Check};
use crate::rebuild::Record;
use crate::subject::{File, Script, Source, Subject};
use crate::{Context, ORACLE, Options, dsse, judge};
use autoclave_certificate::bundle::seal_payloads;
use autoclave_certificate::{Algorithm, PrivateKey, PublicKey, dsse as envelope};
use autoclave_reports::Verdict;
use autoclave_reports::controls::Level;
use autoclave_reports::controls::judge::Qualified;
use base64::Engine;
use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, DataSection, EntityType, ExportKind, ExportSection, Function,
    FunctionSection, GlobalType, ImportSection, Instruction, MemorySection, MemoryType, Module, RefType, TableSection,
    TableType, TypeSection, ValType,
};

/// A flaw and its repair.
pub struct Pair {
    /// What is planted.
    pub flaw: Subject,
    /// The same without it.
    pub repair: Subject,
    /// Keys that are trusted for both.
    pub keys: Vec<PublicKey>,
    /// Whether the flaw is told by a warning and not by a FAIL.
    pub is_mild: bool,
}

/// Tries every check: PASS where the flaw is found and the repair is not, else what went wrong.
pub fn qualify(options: &Options) -> Vec<Qualified> {
    // Somebody answers for a waiver; the check that it is about has to see all the same.
    let mut options = options.clone();
    options.policy.waivers.clear();
    let options = &options;
    checks::ALL.iter().map(|check| row(check, tried(check, options))).collect()
}

fn row(check: &Check, tried: Result<(), String>) -> Qualified {
    let verdict = tried.map_or_else(Verdict::Fail, |()| Verdict::Pass);
    Qualified { oracle: ORACLE.to_owned(), canary: String::new(), class: check.control.to_owned(), verdict }
}

fn tried(check: &Check, options: &Options) -> Result<(), String> {
    let pair = pair(check.control, options)?;
    let context = Context { keys: &pair.keys, ..Context::of(options) };
    let answer = |subject: &Subject| {
        let scan = judge(subject, &context);
        scan.row(check.control).map(|row| row.verdict.clone()).unwrap_or(Verdict::NotAttested)
    };
    match (answer(&pair.flaw), pair.is_mild) {
        (Verdict::Fail(_), false) | (Verdict::Warn(_), true) => {}
        (other, _) => return Err(format!("the planted flaw gives {}: {}", other.name(), other.reason())),
    }
    match answer(&pair.repair) {
        Verdict::Pass => Ok(()),
        other => Err(format!("the repaired twin gives {}: {}", other.name(), other.reason())),
    }
}

/// Parts of a small module.
#[derive(Default)]
struct Parts<'a> {
    imports: &'a [(&'a str, &'a str, EntityType)],
    memory: Option<(u64, Option<u64>)>,
    table: Option<(u64, Option<u64>)>,
    data: &'a [u8],
    custom: Option<(&'a str, &'a [u8])>,
}

/// A module that calls every function that it imports.
fn module(parts: Parts<'_>) -> Vec<u8> {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], [ValType::I32]);
    module.section(&types);
    let mut imports = ImportSection::new();
    let mut functions = 0;
    for (from, name, ty) in parts.imports {
        imports.import(from, name, *ty);
        functions += u32::from(matches!(ty, EntityType::Function(_)));
    }
    module.section(&imports);
    let mut own = FunctionSection::new();
    own.function(0);
    module.section(&own);
    if let Some((minimum, maximum)) = parts.table {
        let mut tables = TableSection::new();
        tables.table(TableType { element_type: RefType::FUNCREF, table64: false, minimum, maximum, shared: false });
        module.section(&tables);
    }
    let memory = parts.memory.or((!parts.data.is_empty()).then_some((1, Some(1))));
    if let Some((minimum, maximum)) = memory {
        let mut memories = MemorySection::new();
        memories.memory(MemoryType { minimum, maximum, memory64: false, shared: false, page_size_log2: None });
        module.section(&memories);
    }
    let mut exports = ExportSection::new();
    exports.export("parse", ExportKind::Func, functions);
    module.section(&exports);
    let mut code = CodeSection::new();
    let mut body = Function::new([]);
    body.instruction(&Instruction::LocalGet(0));
    for function in 0..functions {
        body.instruction(&Instruction::Call(function));
    }
    body.instruction(&Instruction::End);
    code.function(&body);
    module.section(&code);
    if !parts.data.is_empty() {
        let mut data = DataSection::new();
        data.active(0, &ConstExpr::i32_const(0), parts.data.iter().copied());
        module.section(&data);
    }
    if let Some((name, bytes)) = parts.custom {
        module.section(&CustomSection { name: name.into(), data: bytes.into() });
    }
    module.finish()
}

fn subject(parts: Parts<'_>) -> Subject {
    Subject::of("fixture.wasm", module(parts)).expect("a fixture is a module")
}

fn with_glue(text: &str) -> Subject {
    let mut subject = subject(Parts::default());
    subject.files = vec![File::new("fixture.js", text)];
    subject.glue = Some(vec![Script { path: "fixture.js".to_owned(), text: text.to_owned(), is_loaded: true }]);
    subject
}

fn with_manifest(text: &str) -> Subject {
    let mut subject = subject(Parts::default());
    subject.manifests = vec![File::new("deployment.yaml", text)];
    subject
}

fn with_lock(lock: &str) -> Source {
    let manifest = "[package]\nname = \"fixture\"\nversion = \"1.0.0\"\n";
    Source {
        package: Some("fixture".to_owned()),
        files: vec![File::new("Cargo.toml", manifest), File::new("Cargo.lock", lock)],
    }
}

/// A secret that opens nothing, put together here so that other people's scanners do not find it in these sources.
fn planted_key() -> Vec<u8> {
    ["AK", "IA", "Q3EGRZ7LW2MFX5NB"].concat().into_bytes()
}

fn planted_pem() -> Vec<u8> {
    let body = "MC4CAQAwBQYDK2VwBCIEIJ3vX0m1q7Zk9yRtWb5uC8hNfLsEoGdPaQiT2xVzMe4K";
    ["-----BEGIN ", "PRIVATE KEY-----\n", body, "\n-----END ", "PRIVATE KEY-----\n"].concat().into_bytes()
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: parser, labels: {app: parser}}\nspec:\n  containers:\n\
    \x20 - name: parser\n    image: registry.example/parser@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
    \x20   securityContext:\n      runAsNonRoot: true\n      allowPrivilegeEscalation: false\n      readOnlyRootFilesystem: true\n\
    \x20     capabilities: {drop: [ALL]}\n      seccompProfile: {type: RuntimeDefault}\n      appArmorProfile: {type: RuntimeDefault}\n\
---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: none}\n\
spec: {podSelector: {matchLabels: {app: parser}}, policyTypes: [Ingress, Egress], egress: []}\n";

/// The flaw and the repair of a control, made to break this policy.
///
/// # Errors
/// The policy accepts everything that the check could find.
pub fn pair(control: &str, options: &Options) -> Result<Pair, String> {
    let policy = &options.policy;
    let pair = |flaw, repair| Ok(Pair { flaw, repair, keys: Vec::new(), is_mild: false });
    let function = EntityType::Function(0);
    // The first of these that the policy does not accept.
    let refused = |names: &[(&'static str, &'static str)], accepts: &dyn Fn(&str) -> bool| {
        let found = names.iter().find(|(module, name)| !accepts(&format!("{module}.{name}")));
        found.copied().ok_or_else(|| "the policy accepts every import that could be planted".to_owned())
    };
    match control {
        "SBX-01b" => {
            let global = EntityType::Global(GlobalType { val_type: ValType::I32, mutable: true, shared: false });
            let fixed = EntityType::Global(GlobalType { val_type: ValType::I32, mutable: false, shared: false });
            let (module, name) = refused(&[("env", "g"), ("host", "state")], &|name| policy.shares(name))?;
            let with = |ty| subject(Parts { imports: &[(module, name, ty)], ..Parts::default() });
            pair(with(global), with(fixed))
        }
        "SBX-02a" => {
            let planted = [("env", "system"), ("host", "autoclave_planted")];
            let (module, name) = refused(&planted, &|name| policy.reviews(name, "unknown"))?;
            let with = |imports: &[(&str, &str, EntityType)]| subject(Parts { imports, ..Parts::default() });
            pair(with(&[(module, name, function)]), with(&[]))
        }
        "SBX-02b" => {
            let planted = [("wbg", "__wbg_fetch_a9fe1689d16fa34c"), ("wasi_snapshot_preview1", "sock_send")];
            let (module, name) = refused(&planted, &|name| policy.adapts(name))?;
            let with = |name| subject(Parts { imports: &[(module, name, function)], ..Parts::default() });
            pair(with(name), with("__wbindgen_throw"))
        }
        "SBX-03a" => {
            let most = policy.memory.pages_max;
            if most == 0 || policy.memory.initial_pages_max == 0 {
                return Err("the policy allows no memory at all".to_owned());
            }
            let with = |maximum| subject(Parts { memory: Some((1, maximum)), ..Parts::default() });
            if most < 65_536 && judge_fails(with(Some(most + 1)), control, options) {
                return pair(with(None), with(Some(most)));
            }
            if most >= 65_536 {
                pair(with(None), with(Some(65_536)))
            } else {
                Err("a larger maximum is not found".to_owned())
            }
        }
        "SBX-03b" => {
            let most = policy.table.elements_max;
            let with = |maximum| subject(Parts { table: Some((0, maximum)), ..Parts::default() });
            if most < u64::from(u32::MAX) && !judge_fails(with(Some(most + 1)), control, options) {
                return Err("a larger maximum is not found".to_owned());
            }
            pair(with(None), with(Some(most.min(u64::from(u32::MAX)))))
        }
        "SBX-04a" => {
            let lock = |from: &str| {
                let own = "[[package]]\nname = \"fixture\"\nversion = \"1.0.0\"\ndependencies = [\"other\"]\n";
                let mut subject = subject(Parts::default());
                subject.source = Some(with_lock(&format!(
                    "version = 4\n{own}[[package]]\nname = \"other\"\nversion = \"1.0.0\"\nsource = \"git+https://git.example/other?{from}#0123\"\n"
                )));
                subject
            };
            pair(lock("branch=main"), lock("rev=0123"))
        }
        "SBX-04b" => {
            let keys = keys();
            let whole = module(Parts { data: b"one byte of this is changed", ..Parts::default() });
            let signed = dsse::embed(&whole, &keys);
            let mut changed = signed.clone();
            if let Some(byte) = changed.last_mut() {
                *byte ^= 1;
            }
            let of = |bytes| Subject::of("fixture.wasm", bytes).map_err(|error| error.to_string());
            let pair = Pair { flaw: of(changed)?, repair: of(signed)?, keys: vec![keys.public()], is_mild: false };
            Ok(pair)
        }
        "SBX-04d" => {
            let with = |digest: &str| {
                let mut subject = subject(Parts::default());
                let bill = format!(
                    r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{{"component":{{"type":"file","name":"fixture.wasm",
                    "hashes":[{{"alg":"SHA-256","content":"{digest}"}}]}}}}}}"#
                );
                subject.sbom = Some(File::new("fixture.cdx.json", bill));
                subject
            };
            let own = subject(Parts::default()).sha256().to_string();
            pair(with(&own.chars().rev().collect::<String>()), with(&own))
        }
        "SBX-04e" => {
            let with = |differ: bool| {
                let mut subject = subject(Parts::default());
                let own = subject.sha256().to_string();
                let other = if differ { own.chars().rev().collect() } else { own.clone() };
                let modules = [own, other];
                let differ_at = differ.then_some(8);
                subject.rebuild =
                    Some(Ok(Record { target: "fixture".to_owned(), source_sha256: String::new(), modules, differ_at }));
                subject
            };
            Ok(Pair { flaw: with(true), repair: with(false), keys: Vec::new(), is_mild: options.level < Level::L3 })
        }
        "SBX-06a" => {
            let planted = [
                ("wbg", "__wbg_newnoargs_105ed471475aaf50"),
                ("wasi_snapshot_preview1", "path_open"),
                ("env", "system"),
            ];
            let (module, name) = refused(&planted, &|name| policy.adapts(name))?;
            let with = |name| subject(Parts { imports: &[(module, name, function)], ..Parts::default() });
            pair(with(name), with("autoclave_harmless"))
        }
        "SBX-06b" => {
            let glue = |options: &str, rest: &str| {
                with_glue(&format!(
                    "export async function load(u) {{ const r = await fetch(u{options}); try {{ return await \
                     WebAssembly.instantiateStreaming(r, {{}}); }} catch (e) {{ return WebAssembly.instantiate(await r.arrayBuffer(), {{}}); }} }}\n{rest}"
                ))
            };
            let eval = judge_fails(with_glue("export const f = (x) => eval(x);"), control, options);
            if !eval {
                return Err("eval is not found".to_owned());
            }
            pair(glue("", ""), glue(", { integrity: 'sha384-x' }", ""))
        }
        "SBX-07a" => pair(with_manifest(&POD.replace("runAsNonRoot: true", "privileged: true")), with_manifest(POD)),
        "SBX-07b" => pair(
            with_manifest(&POD.replace("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false")),
            with_manifest(POD),
        ),
        "SBX-07c" => pair(
            with_manifest(&POD.replace("seccompProfile: {type: RuntimeDefault}", "seccompProfile: {type: Unconfined}")),
            with_manifest(POD),
        ),
        "SBX-07d" => pair(with_manifest(POD.split("---").next().unwrap_or_default()), with_manifest(POD)),
        "VAL-05c" => pair(
            with_glue("export function path(text) { return new Function('x', 'return x.' + text); }"),
            with_glue("export function path(text) { return (x) => x[text]; }"),
        ),
        "ENC-00a" => {
            // The first words of MD5's table, as RFC 1321 has them, and what is no table.
            let md5 = [0xd76a_a478u32, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee];
            let table = |change: u32| md5.iter().flat_map(|word| (word ^ change).to_le_bytes()).collect::<Vec<_>>();
            let with = |data: &[u8]| subject(Parts { data, ..Parts::default() });
            pair(with(&table(0)), with(&table(1)))
        }
        "ENC-00b" => {
            let pem = planted_pem();
            let heading: Vec<u8> = pem.iter().copied().take(28).collect();
            let with = |data: &[u8]| subject(Parts { data, ..Parts::default() });
            let hidden = subject(Parts { custom: Some(("notes", &pem)), ..Parts::default() });
            if !judge_fails(hidden, control, options) {
                return Err("a key in a custom section is not found".to_owned());
            }
            pair(with(&pem), with(&heading))
        }
        "OPS-02c" => {
            let with = |version: &str| {
                let own = "[[package]]\nname = \"fixture\"\nversion = \"1.0.0\"\ndependencies = [\"other\"]\n";
                let mut subject = subject(Parts::default());
                subject.source = Some(with_lock(&format!(
                    "version = 4\n{own}[[package]]\nname = \"other\"\nversion = \"{version}\"\n\
                     source = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"00\"\n"
                )));
                let mut database = Database::default();
                database.add_text(&format!(
                    "```toml\n[advisory]\nid = \"RUSTSEC-0000-0000\"\npackage = \"other\"\ndate = \"{}\"\n\
                     [versions]\npatched = [\">= 1.2.3\"]\n```\n# Planted\n",
                    options.today
                ));
                subject.advisories = Some(Ok(database));
                subject
            };
            pair(with("1.2.2"), with("1.2.3"))
        }
        "OPS-03b" => {
            let keys = keys();
            let stranger = PrivateKey::from_seed(Algorithm::Ed25519, &[8; 32]).ok_or("no key")?;
            let repaired = provenance(&keys, options)?;
            let mut flaw = repaired.clone();
            // The same statement, signed by somebody else.
            let file = flaw.provenance.take().ok_or("no provenance")?;
            let payload = payload(&file.bytes).ok_or("no payload")?;
            flaw.provenance = Some(File::new(&file.path, seal_payloads(&[payload], envelope::PAYLOAD_TYPE, &stranger)));
            Ok(Pair { flaw, repair: repaired, keys: vec![keys.public()], is_mild: false })
        }
        "API-04a" => {
            let key = String::from_utf8(planted_key()).map_err(|_| "no text")?;
            let glue =
                |key: &str| with_glue(&format!("export const settings = {{ region: 'eu-west-1', id: '{key}' }};"));
            let hidden = |data: &[u8]| subject(Parts { data, ..Parts::default() });
            let utf16: Vec<u8> = key.bytes().flat_map(|byte| [byte, 0]).collect();
            let long = format!("[default]\naws_access_key_id = {key}\nregion = eu-west-1\n");
            let base64 = base64::engine::general_purpose::STANDARD.encode(long);
            for (form, bytes) in [("plain", planted_key()), ("UTF-16", utf16), ("base64", base64.into_bytes())] {
                if !judge_fails(hidden(&bytes), control, options) {
                    return Err(format!("a key in {form} is not found"));
                }
            }
            pair(glue(&key), glue("AKIAIOSFODNN7EXAMPLE"))
        }
        other => Err(format!("{other}: no flaw is planted for it")),
    }
}

fn judge_fails(subject: Subject, control: &str, options: &Options) -> bool {
    let context = Context { keys: &[], ..Context::of(options) };
    judge(&subject, &context).row(control).is_some_and(|row| matches!(row.verdict, Verdict::Fail(_)))
}

/// A key for fixtures: what it signs is trusted nowhere else.
fn keys() -> PrivateKey {
    PrivateKey::from_seed(Algorithm::Ed25519, &[7; 32]).expect("every seed is a key of Ed25519")
}

/// A subject for which all of the supply chain holds.
fn provenance(key: &PrivateKey, options: &Options) -> Result<Subject, String> {
    let bytes = dsse::embed(&module(Parts::default()), key);
    let mut whole = Subject::of("fixture.wasm", bytes).map_err(|error| error.to_string())?;
    let digest = whole.sha256().to_string();
    for control in ["SBX-04a", "SBX-04d", "SBX-04e"] {
        let repair = pair(control, options)?.repair;
        whole.source = whole.source.or(repair.source);
        if repair.sbom.is_some() {
            let bill = format!(
                r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{{"type":"file","name":"fixture.wasm",
                "hashes":[{{"alg":"SHA-256","content":"{digest}"}}]}}]}}"#
            );
            whole.sbom = Some(File::new("fixture.cdx.json", bill));
        }
        if let Some(Ok(mut record)) = repair.rebuild {
            record.modules = [digest.clone(), digest.clone()];
            whole.rebuild = Some(Ok(record));
        }
    }
    let statement = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"fixture.wasm","digest":{{"sha256":"{digest}"}}}}],"predicateType":"https://slsa.dev/provenance/v1","predicate":{{}}}}"#
    );
    let sealed = seal_payloads(&[statement.into_bytes()], envelope::PAYLOAD_TYPE, key);
    whole.provenance = Some(File::new("fixture.provenance.json", sealed));
    Ok(whole)
}

fn payload(file: &[u8]) -> Option<Vec<u8>> {
    let bundle: serde_json::Value = serde_json::from_slice(file).ok()?;
    let text = bundle.pointer("/dsseEnvelope/payload")?.as_str()?;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}
