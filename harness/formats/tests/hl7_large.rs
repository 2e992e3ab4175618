//! HL7 v2 messages of many parts and of 64 MB: read in bounded memory and with hardly any stack, or refused cleanly.

use autoclave_formats::hl7;
use autoclave_formats::reading::Reading;
use autoclave_formats::rules::{Policy, Side};

const HEADER: &[u8] = b"MSH|^~\\&|SYN|SYN|||20260815||ORU^R01|SYN1|P|2.5.1\r";
const MILLION: usize = 1_000_000;

/// Reads in a thread whose stack would not hold a recursion.
fn read(input: Vec<u8>) -> Reading {
    let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(move || hl7::read(&input));
    thread.expect("a thread").join().expect("no panic")
}

fn message(parts: &[(&[u8], usize)]) -> Vec<u8> {
    let body: Vec<u8> = parts.iter().flat_map(|(part, times)| part.repeat(*times)).collect();
    [HEADER, &body].concat()
}

#[test]
fn many_parts_are_read_in_bounded_memory() {
    // What is repeated a million times, and the nodes that the tree has at most.
    let table: &[(&str, Vec<u8>, usize)] = &[
        ("segments", message(&[(b"NTE|1||x\r", MILLION)]), 3 * MILLION + 99),
        ("fields", message(&[(b"PID", 1), (b"|", MILLION), (b"x\r", 1)]), 99),
        ("empty fields at the end", message(&[(b"PID", 1), (b"|", MILLION), (b"\r", 1)]), 99),
        ("repetitions", message(&[(b"PID|1||", 1), (b"~", MILLION), (b"x\r", 1)]), MILLION + 99),
        ("empty repetitions at the end", message(&[(b"PID|1||", 1), (b"~", MILLION), (b"\r", 1)]), 99),
        ("components", message(&[(b"PID|1||", 1), (b"^a", MILLION), (b"\r", 1)]), MILLION + 99),
        ("subcomponents", message(&[(b"PID|1||", 1), (b"&a", MILLION), (b"\r", 1)]), MILLION + 99),
        ("escapes", message(&[(b"PID|1||", 1), (b"\\T\\", MILLION), (b"\r", 1)]), 99),
        ("open escapes", message(&[(b"PID|1||", 1), (b"\\|", MILLION), (b"\r", 1)]), MILLION + 99),
        ("blank lines", message(&[(b"\r", MILLION)]), 99),
        ("headers", message(&[(HEADER, MILLION / 10)]), 2 * MILLION),
        ("frames", [&b"\x0bMSH|^~\\&|A\r\x1c\r"[..]].concat().repeat(MILLION / 10), MILLION),
        ("start blocks", vec![0x0b; MILLION], 99),
        ("end blocks", [&b"\x0b"[..], &vec![0x1c; MILLION]].concat(), 99),
        ("batches", b"BHS|^~\\&\r".repeat(MILLION), 99),
        ("delimiters", [&b"MSH"[..], &vec![b'^'; MILLION]].concat(), 99),
        ("nothing but NUL", vec![0; MILLION], 99),
    ];
    for (name, input, nodes) in table {
        let reading = read(input.clone());
        let held = reading.tree.as_ref().map_or(0, autoclave_formats::tree::Tree::len);
        assert!(held <= *nodes, "{name}: {held} nodes");
        assert!(!reading.breaches.iter().any(|breach| breach.case.rule == "H22"), "{name}");
    }
}

#[test]
fn sixty_four_megabytes_are_read() {
    let line =
        b"OBX|1|TX|2345-7^GLUCOSE^LN||a line of text as laboratories send it, somewhat longer than most||||||F\r";
    let count = (64 << 20) / line.len();
    let reading = read(message(&[(line, count)]));
    assert_eq!(reading.side(Policy::StrictGateway), Side::Accept);
    let tree = reading.tree.expect("a tree");
    let message = tree.children(0).next().expect("a message");
    assert_eq!(tree.children(message).count(), count + 1);
}

#[test]
fn what_is_beyond_the_limit_is_refused_and_bounded() {
    let reading = read(message(&[(b"PID|1||a", 1), (b"~", hl7::NODES_MAX + MILLION), (b"a\r", 1)]));
    assert!(reading.tree.is_some_and(|tree| tree.len() <= hl7::NODES_MAX));
    assert!(reading.breaches.iter().any(|breach| (breach.case.rule, breach.case.name) == ("H22", "too-many-parts")));
}
