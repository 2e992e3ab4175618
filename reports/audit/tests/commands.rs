//! The binary as it is called: exit codes, what goes to standard output and what to standard error.

use std::process::Command;

/// Words, exit code, parts of standard output, parts of standard error.
type Case<'a> = (&'a [&'a str], i32, &'a [&'a str], &'a [&'a str]);

#[test]
fn commands_answer_and_refuse() {
    let cases: &[Case] = &[
        (&["controls"], 0, &["# Controls", "| SBX Sandbox | 35 |", "NOT-TESTED: no oracle", "164.312(c)(1)"], &[]),
        (&["controls", "--format", "json"], 0, &["\"controls\": 193", "\"no_oracle\"", "\"hipaa\""], &[]),
        (&["controls", "--format", "xml"], 2, &[], &["invalid value 'xml'"]),
        (&["explain", "SBX-03d"], 0, &["SBX-03d  Every exported call", "canary-growth", "164.308(a)(7)"], &[]),
        (&["explain", "sbx-03d", "OPS-01a"], 0, &["SBX-03d  ", "OPS-01a  ", "[OPS-01a] in evidence.toml"], &[]),
        // Those that there are come all the same.
        (
            &["explain", "SBX-3d", "OPS-01a"],
            2,
            &["OPS-01a  "],
            &["SBX-3d: no control has this id; did you mean SBX-03d?"],
        ),
        (&["explain", "\u{1b}[31m"], 2, &[], &["\\u{1b}[31m: no control has this id; `controls` lists them"]),
        (&["explain"], 2, &[], &["<IDS>"]),
        (&["frobnicate"], 2, &[], &["unrecognized subcommand"]),
    ];
    for (words, code, out, err) in cases {
        let output = Command::new(env!("CARGO_BIN_EXE_autoclave-audit")).args(*words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(*code), "{words:?}\n{stderr}");
        for (parts, text) in [(out, &stdout), (err, &stderr)] {
            assert!(parts.iter().all(|part| text.contains(part)), "{words:?}: {parts:?}\n{text}");
        }
        assert!(*code == 0 || !stderr.contains('\u{1b}'), "{stderr:?}");
        assert!(!out.is_empty() || stdout.is_empty(), "{words:?}: {stdout}");
    }
}
