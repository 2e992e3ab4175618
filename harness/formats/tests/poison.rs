//! A poisoned worker never stops or corrupts a run: one hangs, crashes, floods, lies, and the inputs around it get theirs.
#![cfg(unix)]

use autoclave_formats::Format;
use autoclave_formats::peers::worker::{Launch, Limits, Reply, Worker, WorkerError};
use autoclave_formats::peers::{Answer, Layer, Peer, Refusal, Runtime};
use autoclave_formats::tree::Erase;
use std::path::{Path, PathBuf};
use std::time::Duration;

static POISON: Peer = Peer {
    name: "poison",
    package: "poison 1.0",
    runtime: Runtime::Python,
    formats: &[Format::Json],
    version: "",
    projection: Erase::NONE,
    quirks: &[],
};

fn launch(words: &[&str]) -> Launch {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let python: Option<PathBuf> =
        std::env::split_paths(&path).map(|folder| folder.join("python3")).find(|file| file.is_file());
    let program = python.expect("these tests need python3: apt-get install python3, or run `cargo xtask setup`");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/poison.py");
    let words = std::iter::once(script.into()).chain(words.iter().map(Into::into)).collect();
    Launch { program, words, memory_bytes_max: Some(1 << 30) }
}

fn limits() -> Limits {
    Limits {
        input: Duration::from_secs(2),
        pause: Duration::from_millis(1),
        file_bytes_max: 4 << 20,
        reply_bytes_max: 1 << 20,
        ..Limits::default()
    }
}

fn worker() -> Worker {
    Worker::launch(&POISON, launch(&["well"]), limits()).unwrap()
}

fn took(word: &str) -> Reply {
    Reply { answer: Answer::Accepted(format!("took {word}").into_bytes()), printed: Vec::new() }
}

#[test]
fn a_death_names_its_input_and_the_inputs_around_it_are_answered() {
    let cases = [
        ("hang", "DEADLINE"),
        ("spin", "DEADLINE"),
        ("exit", "EXIT 3"),
        ("abort", "SIGNAL 6"),
        ("crash-mid-reply", "EXIT 4"),
        ("gigabyte", "PROTOCOL a reply of 1073741824 bytes"),
        ("garbage", "PROTOCOL a reply of 1835492691 bytes"),
        ("short-frame", "PROTOCOL a reply without its head"),
        ("wrong-id", "PROTOCOL a reply to another request"),
        ("wrong-status", "PROTOCOL a status that is none"),
        ("wrong-layer", "PROTOCOL a layer that is none"),
        ("greeting", "PROTOCOL a reply to another request"),
        ("grandchild", "EXIT 5"),
        ("close", "CLOSED"),
        ("eat", "EXIT 1"),
        ("flood", "SIGNAL 25"),
    ];
    let mut worker = worker();
    for (word, how) in cases {
        let before = worker.deaths();
        let inputs = ["a", "b", word, "c", "d"];
        let replies = worker.ask_many(&inputs.map(str::as_bytes), Format::Json).unwrap();
        assert_eq!(replies.len(), inputs.len(), "{word}");
        for (word, reply) in inputs.iter().zip(&replies).filter(|(input, _)| **input != word) {
            assert_eq!(*reply, took(word));
        }
        assert_eq!(replies[2].answer, Answer::Died { how: how.to_owned() }, "{word}");
        assert!(replies[2].printed.len() <= limits().printed_bytes_max, "{word}");
        assert_eq!(worker.deaths(), before + 2, "{word}: once in company and once alone");
    }
}

#[test]
fn what_is_printed_belongs_to_its_input() {
    let mut worker = worker();
    for _ in 0..3 {
        let replies = worker.ask_many(&[b"a", b"print", b"print", b"lie", b"b"], Format::Json).unwrap();
        let printed: Vec<String> =
            replies.iter().map(|reply| String::from_utf8_lossy(&reply.printed).into_owned()).collect();
        let text = "name of a patient to stdout;and to stderr;";
        assert_eq!(printed, ["", text, text, "", ""]);
    }
    assert_eq!(worker.deaths(), 0);
}

#[test]
fn refusals_come_with_a_layer_and_a_code_without_values() {
    let refusal = Refusal { layer: Layer::Syntax, code: "unexpected '' at line 0, it can't be".to_owned() };
    assert_eq!(worker().ask(b"refuse", Format::Json).unwrap().answer, Answer::Refused(refusal));
}

#[test]
fn many_and_large_inputs_go_through() {
    let mut worker = worker();
    let large: Vec<Vec<u8>> = [10, 70_000, 5_000_000, 40_000, 40_000, 3]
        .map(|size| [b"large ".as_slice(), &vec![b'x'; size]].concat())
        .into();
    let words: Vec<Vec<u8>> = (0..5000).map(|at| format!("word-{at}").into_bytes()).collect();
    let inputs: Vec<&[u8]> = large.iter().chain(&words).map(Vec::as_slice).collect();
    let replies = worker.ask_many(&inputs, Format::Hl7v2).unwrap();
    for (input, reply) in inputs.iter().zip(&replies) {
        let expected = match input.starts_with(b"large") {
            true => input.len().to_string().into_bytes(),
            false => [b"took ".as_slice(), input].concat(),
        };
        assert_eq!(reply.answer, Answer::Accepted(expected));
    }
    assert_eq!((replies.len(), worker.deaths()), (inputs.len(), 0));
}

#[test]
fn a_worker_that_does_not_start_is_an_error_and_not_a_verdict() {
    let short = Limits { start: Duration::from_millis(300), ..limits() };
    for (mode, limits, says) in [
        ("exit-at-start", limits(), "EXIT 1: cannot load the library"),
        ("silent", short, "DEADLINE"),
        ("wrong-version", limits(), "`another 2.0` and not `poison 1.0`"),
    ] {
        match Worker::launch(&POISON, launch(&[mode]), limits) {
            Err(WorkerError::WillNotStart { peer: "poison", why }) => assert!(why.contains(says), "{mode}: {why}"),
            Err(other) => panic!("{mode}: {other}"),
            Ok(_) => panic!("{mode} has started"),
        }
    }
    let nothing = Launch { program: "/nonexistent/program".into(), words: Vec::new(), memory_bytes_max: None };
    let why = Worker::launch(&POISON, nothing, limits()).err().unwrap().to_string();
    assert!(why.contains("EXIT 127"), "{why}");
}

#[test]
fn a_start_that_fails_once_is_tried_again() {
    let mark = std::env::temp_dir().join(format!("autoclave-poison-{}", std::process::id()));
    let mut worker = Worker::launch(&POISON, launch(&["once", mark.to_str().unwrap()]), limits()).unwrap();
    std::fs::remove_file(&mark).unwrap();
    assert_eq!(worker.ask(b"a", Format::Json).unwrap(), took("a"));
}

#[test]
fn a_worker_that_dies_all_the_time_is_given_up() {
    let mut worker = Worker::launch(&POISON, launch(&["well"]), Limits { deaths_max: 5, ..limits() }).unwrap();
    let error = worker.ask_many(&[b"exit".as_slice(); 10], Format::Json).unwrap_err();
    assert!(matches!(error, WorkerError::GivenUp { deaths: 5, .. }), "{error}");
}

#[test]
fn a_worker_sees_little_of_the_environment_and_ends_with_its_owner() {
    let mut worker = worker();
    let answer = |worker: &mut Worker, word: &[u8]| match worker.ask(word, Format::Json).unwrap().answer {
        Answer::Accepted(body) => String::from_utf8(body).unwrap(),
        other => panic!("{other:?}"),
    };
    let names = answer(&mut worker, b"environment");
    let known =
        ["PATH", "HOME", "TMPDIR", "JAVA_HOME", "TZ", "LC_ALL", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE", "PWD"];
    // What the shell and Python's wrappers add for themselves begins with their names.
    let foreign = |name: &&str| {
        !known.contains(name) && !["_", "OLDPWD", "SHLVL", "PYENV_"].iter().any(|own| name.starts_with(own))
    };
    assert_eq!(names.split(' ').filter(foreign).collect::<Vec<_>>(), [""; 0]);
    let pid = answer(&mut worker, b"pid");
    let alive = || Path::new("/proc").join(&pid).is_dir();
    assert!(alive() || !Path::new("/proc/self").exists());
    drop(worker);
    assert!(!alive());
}

/// Not a test of its own: the owner that the next test kills, in a process of its own.
#[test]
fn owner() {
    if std::env::var_os("AUTOCLAVE_TEST_OWNER").is_none() {
        return;
    }
    let limits = Limits { input: Duration::from_secs(600), ..limits() };
    let mut worker = Worker::launch(&POISON, launch(&["well"]), limits).unwrap();
    let reply = worker.ask(b"pid", Format::Json).unwrap();
    let Answer::Accepted(pid) = reply.answer else { panic!("{:?}", reply.answer) };
    println!("pid {}", String::from_utf8(pid).unwrap());
    worker.ask(b"spin", Format::Json).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_that_hangs_dies_when_its_owner_is_killed() {
    use std::io::BufRead;
    use std::process::{Command, Stdio};
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "owner", "--nocapture"]).env("AUTOCLAVE_TEST_OWNER", "1");
    let mut owner = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(owner.stdout.take().unwrap()).lines().map(Result::unwrap);
    let pid = lines.find_map(|line| line.split_once("pid ").map(|(_, pid)| pid.to_owned())).unwrap();
    let state = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap_or('-')
    };
    let until = |wanted: &[char]| {
        let end = std::time::Instant::now() + Duration::from_secs(60);
        while !wanted.contains(&state()) && std::time::Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(wanted.contains(&state()), "the worker {pid} is {}", state());
    };
    until(&['R']);
    owner.kill().unwrap();
    owner.wait().unwrap();
    // Gone, or dead and waiting for an init that reaps.
    until(&['-', 'Z', 'X']);
}
