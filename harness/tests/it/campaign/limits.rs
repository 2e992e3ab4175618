//! `limits`: exit codes, pinned inputs that no merge deletes, and the house's own memory under published bombs.

use super::place::Place;
use autoclave_reports::Verdict;

/// Takes gzip, whatever its trailer says; refuses the rest.
const TRUSTS_GZIP: &str = r#"(module
    (memory (export "memory") 1024)
    (func (export "alloc") (param i32) (result i32) (i32.const 1024))
    (func (export "parse") (param $p i32) (param $n i32) (result i32)
        (if (i32.lt_u (local.get $n) (i32.const 18)) (then (return (i32.const -1))))
        (if (i32.ne (i32.load16_u (local.get $p)) (i32.const 0x8b1f)) (then (return (i32.const -1))))
        (i32.const 0)))"#;

#[test]
fn exit_codes_and_words() {
    let place = Place::with(&[("trusts.wat", TRUSTS_GZIP)]);
    let found = place.report(1, "limits trusts.wat --families gzip,json-arrays");
    let contract = found.targets[0].contract.as_ref().unwrap();
    assert_eq!(contract.reads[0].kinds, ["gzip"]);
    assert_eq!(contract.reads[0].origin, "probed");
    assert!(found.targets[0].findings.iter().any(|finding| finding.outcome == "ACCEPTS-BOMB"));
    let arrays = contract.trials.iter().find(|trial| trial.family == "json-arrays").unwrap();
    assert!(matches!(&arrays.verdict, Verdict::NotApplicable(reason) if reason.contains("reads gzip, not json")));
    // Nothing that concerns it: that is no pass.
    let nothing = place.report(3, "limits trusts.wat --families json-arrays");
    assert!(matches!(nothing.verdict, Verdict::NotTested(_)));
    for (line, says) in [
        ("limits trusts.wat --families gzp", "did you mean `gzip`"),
        ("limits trusts.wat --reads gzip/gzip", "gzip/gzip"),
        ("limits trusts.wat --term memory=3", "memory_per_byte"),
        ("limits trusts.wat::nobody", "it has parse"),
        ("limits nobody", "nobody"),
        ("limits", "targets"),
    ] {
        let done = place.run(line);
        assert_eq!(done.code, Some(2), "{line}: {}", done.stderr);
        assert!(done.stderr.contains(says), "{line}: {}", done.stderr);
    }
}

#[test]
fn what_broke_the_contract_is_pinned_and_survives_a_merge() {
    let place = Place::with(&[("trusts.wat", TRUSTS_GZIP)]);
    place.report(1, "limits trusts.wat --families gzip");
    let pinned = |place: &Place| {
        let mut files = place.files(".autoclave/state/");
        files.retain(|path, _| path.contains("/pinned/"));
        files
    };
    let before = pinned(&place);
    assert!(before.values().any(|bytes| bytes.starts_with(&[0x1f, 0x8b])), "a bomb is kept");
    let fuzzed = place.report(0, "fuzz trusts.wat --runs 3000 --jobs 1");
    assert!(fuzzed.targets[0].corpus.seeds >= before.len() as u64, "the search starts from what is pinned");
    assert_eq!(place.run("cmin trusts.wat").code, Some(0));
    assert_eq!(pinned(&place), before);
}

/// A 64 TiB frame, 281 TB of zip and 4 GiB in three layers of gzip, judged by one process that holds none of it.
#[test]
fn the_house_stays_small_under_published_bombs() {
    const BYTES_MAX: u64 = 1 << 30;
    let place = Place::with(&[("trusts.wat", TRUSTS_GZIP)]);
    let found = place.report(
        1,
        "limits trusts.wat --reads gzip,zstd,zip --families zstd-declared,zip-overlap-quoted,gzip-nested,gzip",
    );
    let trials = &found.targets[0].contract.as_ref().unwrap().trials;
    let expands = |family: &str, least: u128| {
        let mut of_family = trials.iter().filter(|trial| trial.family == family && !trial.outcome.is_empty());
        of_family.any(|trial| trial.expanded.parse::<u128>().is_ok_and(|bytes| bytes >= least))
    };
    assert!(expands("zip-overlap-quoted", 281 * 10_u128.pow(12)), "zblg.zip");
    assert!(expands("gzip-nested", 4 << 30));
    assert!(
        trials.iter().any(|trial| trial.family == "zstd-declared" && trial.params.contains("declared=70368744177664"))
    );
    let peak = found.timing.memory_bytes_peak.unwrap();
    assert!(peak > 0 && peak < BYTES_MAX, "{peak} bytes");
}
