//! Tapes in a real Chromium, against glue written for it: what is answered, what is noticed, how it dies, what is left.

use autoclave_boundary::api::{Api, Kind, Operation, Param, Type, id};
use autoclave_boundary::hosts::chromium::{Chromium, Place};
use autoclave_boundary::hosts::page_checks::{self, Verdict};
use autoclave_boundary::hosts::{Batch, Death, Host, HostLimits, Setup};
use autoclave_boundary::wire::{Config, Glue, Sighting, Told, flags};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Adds, spins, traps and grows.
const MODULE: &str = r#"(module
  (memory (export "memory") 1)
  (func (export "add") (param f64 f64) (result f64) (f64.add (local.get 0) (local.get 1)))
  (func (export "spin") (loop (br 0)))
  (func (export "trap") unreachable)
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#;

/// Glue as `wasm-bindgen --target web` writes it: an ES module whose default export initialises.
const GLUE: &str = r#"// Glue of the test.
let wasm;
export default async function init() {
  if (wasm !== undefined) return wasm;
  const response = fetch(new URL('m.wasm', import.meta.url));
  const { instance } = await WebAssembly.instantiateStreaming(response, {});
  wasm = instance.exports;
  return wasm;
}
export function add(a, b) { return wasm.add(a, b); }
export function spin() { wasm.spin(); }
export function trap() { wasm.trap(); }
export function grow(pages) { return wasm.grow(pages); }
export function say(text) { console.log(text); }
export function flood() { for (let n = 0; n < 21000; n++) try { new Function('1'); } catch {} }
export function hoard() { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1)); }
export function evaluate(text) { return new Function(text)(); }
export function later() { Promise.reject(new RangeError('later')); }
export function ask(address) { fetch(address).catch(() => {}); return 1; }
export function isWindow() { return typeof document === 'object'; }
"#;

struct Package {
    _folder: tempfile::TempDir,
    setup: Setup,
}

fn package(glue: &str) -> Package {
    let folder = tempfile::tempdir().unwrap();
    let module = wat::parse_str(MODULE).unwrap();
    fs::write(folder.path().join("m.wasm"), &module).unwrap();
    fs::write(folder.path().join("m.js"), glue).unwrap();
    let sha256 = Sha256::digest(&module).iter().map(|byte| format!("{byte:02x}")).collect();
    let function = |name: &str, params: &[(&str, Type)]| Operation {
        id: id(name),
        name: name.to_owned(),
        kind: Kind::Function,
        class: None,
        member: name.to_owned(),
        params: params
            .iter()
            .map(|(name, ty)| Param { name: (*name).to_owned(), ty: ty.clone(), optional: false, range: None })
            .collect(),
        result: Type::Any,
        consumes_this: false,
    };
    let operations = vec![
        function("add", &[("a", Type::Number), ("b", Type::Number)]),
        function("spin", &[]),
        function("trap", &[]),
        function("grow", &[("pages", Type::Number)]),
        function("say", &[("text", Type::String)]),
        function("flood", &[]),
        function("hoard", &[]),
        function("evaluate", &[("text", Type::String)]),
        function("later", &[]),
        function("ask", &[("address", Type::String)]),
        function("isWindow", &[]),
    ];
    let config = Config {
        protocol: 1,
        glue: Glue::BindgenWeb,
        root: folder.path().to_str().unwrap().to_owned(),
        entry: Some("m.js".to_owned()),
        module: "m.wasm".to_owned(),
        sha256,
        builds: Vec::new(),
        api: Api { operations },
        pages_max: 64,
        tapes_per_instance: 100,
        allowed: Vec::new(),
        flows: Vec::new(),
        seed: 1,
    };
    let limits = HostLimits {
        batch_cpu_seconds_max: 3,
        tape_cpu_seconds_max: 3,
        start_seconds_max: 60,
        ..HostLimits::default()
    };
    let setup = Setup { config, modules: Vec::new(), evaluators: Vec::new(), seen: Vec::new(), limits };
    Package { _folder: folder, setup }
}

/// A tape of one call.
fn tape(name: &str, args: &[Arg]) -> Vec<u8> {
    let mut bytes = vec![0xA7, 1, 1, 0];
    bytes.extend_from_slice(&id(name).to_le_bytes());
    bytes.extend_from_slice(&[0, args.len() as u8]);
    for arg in args {
        match arg {
            Arg::Number(number) => {
                bytes.push(4);
                bytes.extend_from_slice(&number.to_bits().to_le_bytes());
            }
            Arg::Text(text) => {
                bytes.push(7);
                let units: Vec<u16> = text.encode_utf16().collect();
                assert!(units.len() < 128);
                bytes.push(units.len() as u8);
                bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
            }
        }
    }
    bytes
}

enum Arg {
    Number(f64),
    Text(&'static str),
}

fn batch(number: u32, tapes: Vec<Vec<u8>>) -> Batch {
    Batch { number, flags: flags::OUTCOMES, tapes }
}

/// Started, or the test fails with what to do.
fn start(setup: &Setup, place: Place) -> Chromium {
    Chromium::start_in(setup, place).unwrap_or_else(|why| panic!("this test needs Chromium: {why}"))
}

/// Runs one tape; what is told of it.
fn run(host: &mut Chromium, tape: Vec<u8>) -> Result<Told, Death> {
    host.send(&batch(1, vec![tape]))?;
    Ok(host.receive()?.told.into_iter().next().unwrap_or_default())
}

/// Processes that run from that profile, by their command lines; what is dead and only waits to be counted has none.
fn processes(profile: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| *pid != std::process::id() && command_line(*pid).contains(profile)).collect()
}

fn command_line(pid: u32) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).replace('\0', " ")
}

fn profile(host: &Chromium) -> String {
    let line = command_line(host.process_id());
    line.split_whitespace().find_map(|word| word.strip_prefix("--user-data-dir=")).unwrap().to_owned()
}

#[test]
fn batches_are_answered_in_a_worker_and_in_the_window() {
    let package = package(GLUE);
    for (place, is_window) in [(Place::Worker, "false"), (Place::Window, "true")] {
        let mut host = start(&package.setup, place);
        assert!(host.hello().host.starts_with("Chromium 1"), "{}", host.hello().host);
        assert_eq!(host.hello().absent, Vec::<u32>::new());
        assert_eq!(host.hello().sightings, []);
        assert_eq!(host.hello().files[0].1, package.setup.config.sha256);
        // Two on their way, answered in order.
        let add = |a| tape("add", &[Arg::Number(a), Arg::Number(1.0)]);
        host.send(&batch(5, (0..300).map(|a| add(f64::from(a))).collect())).unwrap();
        host.send(&batch(6, vec![tape("isWindow", &[]), tape("trap", &[]), add(41.0)])).unwrap();
        let first = host.receive().unwrap();
        assert_eq!((first.batch, first.tapes, first.calls), (5, 300, 300));
        assert_eq!(first.told.len(), 300);
        assert!(first.told.iter().all(|told| told.outcomes.len() == 1 && told.outcomes[0].starts_with("returned")));
        let second = host.receive().unwrap();
        assert_eq!((second.batch, second.tapes), (6, 3));
        let outcome = |at: usize| second.told[at].outcomes[0].as_str();
        assert!(outcome(0).contains(is_window), "{}", outcome(0));
        assert!(second.told[1].sightings.iter().any(|sighting| sighting.class == "trap"), "{:?}", second.told[1]);
        assert!(outcome(2).contains("42"), "{}", outcome(2));
        assert!(host.cpu_seconds() > 0.0);
    }
}

#[test]
fn what_a_package_does_to_its_page_is_told() {
    let package = package(GLUE);
    let mut host = start(&package.setup, Place::Worker);
    for (name, argument, class, key) in [
        ("say", Some("hello \u{f8ff}"), "echo", "console"),
        ("evaluate", Some("return 1"), "capability", "csp kEvalViolation"),
        // The runtime refuses it before the page's policy is asked.
        ("ask", Some("http://192.0.2.1/x"), "capability", "network"),
        ("ask", Some("no-such-file"), "capability", "network"),
        ("later", None, "late", "RangeError"),
    ] {
        let args: Vec<Arg> = argument.into_iter().map(Arg::Text).collect();
        let mut told = run(&mut host, tape(name, &args)).unwrap();
        let is_it = |sighting: &Sighting| sighting.class == class && sighting.key.contains(key);
        // What a call has only set going may show a batch later.
        for _ in 0..400 {
            if told.sightings.iter().any(is_it) {
                break;
            }
            std::thread::sleep(Duration::from_millis(25));
            told = run(&mut host, tape("isWindow", &[])).unwrap();
        }
        assert!(told.sightings.iter().any(is_it), "{name}: {told:?}");
        let text = format!("{told:?}");
        assert!(!text.contains("127.0.0.1"), "an address that is another one next time: {text}");
    }
    // The twin: nothing is told of what is allowed, or of adding numbers.
    let mut setup = package.setup.clone();
    setup.config.allowed = vec!["network".to_owned(), "csp kURLViolation".to_owned()];
    let mut host = start(&setup, Place::Worker);
    for name in ["ask", "add", "isWindow"] {
        let told = run(&mut host, tape(name, &[Arg::Text("http://192.0.2.1/x")])).unwrap();
        assert!(told.sightings.iter().all(|sighting| sighting.class != "capability"), "{told:?}");
    }
}

#[test]
fn a_browser_that_dies_says_how_and_the_next_one_starts() {
    let package = package(GLUE);
    let mut setup = package.setup.clone();
    type Kills = fn(&Death) -> bool;
    let table: [(&str, u64, Kills); 3] = [
        ("spin", 2, |death| matches!(death, Death::Time(_))),
        ("hoard", 60, |death| matches!(death, Death::Memory(_))),
        ("flood", 60, |death| matches!(death, Death::Garbage(_))),
    ];
    for (name, seconds, is_right) in table {
        setup.limits.batch_cpu_seconds_max = seconds;
        setup.limits.tape_cpu_seconds_max = seconds;
        setup.limits.memory_bytes_max = if name == "hoard" { 1 << 30 } else { 8 << 30 };
        let mut host = start(&setup, Place::Worker);
        let profile = profile(&host);
        assert!(Path::new(&profile).is_dir() && processes(&profile).len() > 1);
        // The folder of its socket too goes with the profile.
        let socket = fs::read_link(Path::new(&profile).join("SingletonSocket")).unwrap();
        assert!(socket.starts_with(&profile), "{} is left when it ends", socket.display());
        let death = run(&mut host, tape(name, &[])).unwrap_err();
        assert!(is_right(&death), "{name}: {death:?}");
        assert!(host.send(&Batch::default()).is_err() && host.receive().is_err());
        drop(host);
        gone(&profile);
    }
    let crash = |kind: &str| {
        let mut host = start(&setup, Place::Worker);
        let profile = profile(&host);
        let is_it = |pid: &u32| *pid == host.process_id() || command_line(*pid).contains("--type=renderer");
        let is_it = |pid: &u32| is_it(pid) && (kind == "browser") == (*pid == host.process_id());
        // All renderers: a spare one waits beside the one that has our page.
        let victims: Vec<u32> = processes(&profile).into_iter().filter(is_it).collect();
        assert!(!victims.is_empty());
        for pid in victims {
            rustix::process::kill_process(
                rustix::process::Pid::from_raw(pid as i32).unwrap(),
                rustix::process::Signal::KILL,
            )
            .unwrap();
        }
        let death = run(&mut host, tape("add", &[])).unwrap_err();
        assert!(matches!(death, Death::Exit(_)), "{kind}: {death:?}");
        drop(host);
        gone(&profile);
    };
    crash("renderer");
    crash("browser");
    let mut host = start(&setup, Place::Worker);
    assert_eq!(run(&mut host, tape("add", &[])).unwrap().outcomes.len(), 1);
}

/// Nothing runs any more, and the folder is removed.
fn gone(profile: &str) {
    let until = Instant::now() + Duration::from_secs(20);
    while !processes(profile).is_empty() {
        assert!(Instant::now() < until, "it still runs: {:?}", processes(profile));
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!Path::new(profile).exists(), "{profile} is left");
}

#[test]
fn packages_that_cannot_be_loaded_are_refused_with_the_reason() {
    let package = package("export default async function () { throw new Error('not today'); }");
    let why = Chromium::start(&package.setup).err().unwrap();
    assert!(why.contains("cannot load the package") && why.contains("not today"), "{why}");
    let mut setup = package.setup.clone();
    setup.config.entry = Some("nosuch.js".to_owned());
    let why = Chromium::start(&setup).err().unwrap();
    assert!(why.contains("cannot load the package"), "{why}");
    setup.config.root = "/nosuch/folder".to_owned();
    assert!(Chromium::start(&setup).err().unwrap().contains("/nosuch/folder"));
}

#[test]
fn what_only_a_broken_module_brings_out_is_told() {
    let glue = GLUE.replace(
        "wasm = instance.exports;\n",
        "wasm = instance.exports;\n  } catch (error) { new Function('return 1')(); throw error; }\n",
    );
    let package = package(&glue.replace("  const { instance }", "  try { var { instance }"));
    let host = start(&package.setup, Place::Worker);
    let sightings = &host.hello().sightings;
    assert!(sightings.iter().any(|sighting| sighting.key == "csp kEvalViolation"), "{sightings:?}");
}

#[test]
fn pages_ask_a_package_how_it_can_be_deployed() {
    let verdicts = |glue: &str| {
        let rows = page_checks::ask(&package(glue).setup);
        let rows = rows.unwrap_or_else(|why| panic!("this test needs Chromium: {why}"));
        assert_eq!(rows.len(), 9);
        assert!(rows.iter().all(|row| !row.what.contains("127.0.0.1")), "{rows:?}");
        rows
    };
    for row in verdicts(GLUE) {
        assert_eq!(row.verdict, Verdict::Held, "{row:?}");
    }
    // The twin that does all of it wrong.
    let mut bad = GLUE.to_owned();
    for (good, wrong) in [
        ("if (wasm", "try { new Function(''); } catch {}\n  if (wasm"),
        ("if (wasm", "if (typeof document === 'object') document.body.innerHTML = '<b>x</b>';\n  if (wasm"),
        ("const { instance }", "response.then((got) => { if (!got.ok) fetch('elsewhere'); });\n  const { instance }"),
        (
            "await WebAssembly.instantiateStreaming(response, {})",
            "await WebAssembly.instantiate(await (await response).arrayBuffer(), {})",
        ),
    ] {
        assert!(bad.contains(good));
        bad = bad.replacen(good, wrong, 1);
    }
    let rows = verdicts(&bad);
    for name in ["makes no code from strings", "of the wrong type", "without its module", "Trusted Types"] {
        let row = rows.iter().find(|row| row.name.contains(name)).unwrap();
        assert_eq!(row.verdict, Verdict::Broken, "{rows:?}");
    }
    let mut setup = package(GLUE).setup;
    setup.config.glue = Glue::BindgenNodejs;
    assert!(page_checks::ask(&setup).unwrap().iter().all(|row| row.verdict == Verdict::NotAsked));
}

#[test]
fn pages_are_made_anew_before_there_is_no_room_for_instances() {
    // A top-level await keeps what it has waited for: a page has room for a hundred such instances.
    let glue = GLUE.replace("export default async function init", "async function init") + "await init();\n";
    let package = package(&glue);
    let mut setup = package.setup.clone();
    setup.config.glue = Glue::Wrapper;
    let mut host = start(&setup, Place::Worker);
    let fresh = |number| {
        let tapes = (0..40).map(|a| tape("add", &[Arg::Number(f64::from(a)), Arg::Number(1.0)])).collect();
        Batch { number, flags: flags::FRESH | flags::OUTCOMES, tapes }
    };
    host.send(&fresh(0)).unwrap();
    for number in 0..6 {
        host.send(&fresh(number + 1)).unwrap();
        let ran = host.receive().unwrap();
        assert_eq!((ran.batch, ran.calls, ran.told.len()), (number, 40, 40));
        assert!(ran.instances >= 40 && ran.told.iter().all(|told| told.sightings.is_empty()), "{:?}", ran.told[0]);
    }
}
