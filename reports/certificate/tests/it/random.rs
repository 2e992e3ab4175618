//! Properties that hold for whatever chance comes up with.

use crate::sample::{MODULE, certificate, decide, file, key, now, other_key, trusted};
use autoclave_certificate::bundle::seal;
use autoclave_certificate::certificate::{Scope, Verdict};
use autoclave_certificate::{Algorithm, Code, Moment, Policy, admit, digest, strict};
use quickcheck::{TestResult, quickcheck};

quickcheck! {
    /// Whatever the bytes are, the answer is a decision with a reason.
    fn bytes_are_refused(module: Vec<u8>, bundle: Vec<u8>) -> bool {
        !admit(&module, &bundle, trusted(), &Policy::default(), now()).reasons().is_empty()
    }

    /// Several edits of a genuine file: replaced, inserted and removed bytes.
    fn edited_files_are_refused(edits: Vec<(usize, u8, u8)>) -> TestResult {
        let good = file(Algorithm::Ed25519, certificate());
        let mut bad = good.clone();
        for (at, kind, byte) in edits {
            let at = at % bad.len();
            match kind % 3 {
                0 => bad[at] = byte,
                1 => bad.insert(at, byte),
                _ => drop(bad.remove(at)),
            }
        }
        if bad == good { TestResult::discard() } else { TestResult::from_bool(!decide(&bad).is_admitted()) }
    }

    /// Text from outside goes through a certificate unchanged, and its statements agree.
    fn any_text_survives(id: String, reason: String, name: String, version: (String, String)) -> bool {
        let mut stated = certificate();
        stated.module.name = name;
        stated.versions.insert(version.0, version.1);
        stated.checks[2].id = format!("X{id}");
        stated.checks[2].reason = format!("x{reason}");
        let decision = decide(&file(Algorithm::Ed25519, stated.clone()));
        matches!(decision, autoclave_certificate::Decision::Admitted(admission) if admission.certificate == stated)
    }

    /// Time decides alone: admitted exactly from the first moment until before the last.
    fn validity_is_half_open(from: u32, days: u16, at: u32) -> bool {
        let (from, at) = (Moment::from_unix_seconds(from.into()), Moment::from_unix_seconds(at.into()));
        let mut stated = certificate();
        (stated.issued, stated.not_before, stated.not_after) = (from, from, from.plus_days(u32::from(days) + 1));
        let until = stated.not_after;
        let decision = admit(MODULE, &file(Algorithm::Ed25519, stated), trusted(), &Policy::default(), at);
        let expected: &[Code] = if at < from { &[Code::NotYetValid] } else if at >= until { &[Code::Expired] } else { &[] };
        decision.reasons().iter().map(|reason| reason.code).eq(expected.iter().copied())
    }

    /// Whatever is in a module, only the signer of exactly these bytes is believed.
    fn any_module(content: Vec<u8>, other: Vec<u8>) -> bool {
        let module = |content: &[u8]| {
            let size = u8::try_from(content.len() + 1).unwrap_or(127).min(127);
            [MODULE, &[0, size, 0], &content[..usize::from(size) - 1]].concat()
        };
        let (module, other) = (module(&content), module(&other));
        let mut stated = certificate();
        stated.module.bytes = module.len() as u64;
        let by = |key| seal(&module, stated.clone(), &key).unwrap();
        let says = |bytes: &[u8], bundle: &[u8]| {
            admit(bytes, bundle, trusted(), &Policy::default(), now()).is_admitted()
        };
        says(&module, &by(key(Algorithm::Ed25519)))
            && says(&other, &by(key(Algorithm::Ed25519))) == (module == other)
            && !says(&module, &by(other_key(Algorithm::Ed25519)))
    }

    /// A check of the profile that failed or was not tested is never admitted by default, whatever stands beside it.
    fn shortcomings_are_refused(verdicts: Vec<u8>) -> bool {
        let mut stated = certificate();
        for (i, verdict) in verdicts.iter().enumerate() {
            let verdict = match verdict % 4 {
                0 => Verdict::Fail,
                1 => Verdict::NotTested,
                2 => Verdict::Pass,
                _ => Verdict::NotApplicable,
            };
            stated.checks.push(crate::sample::check(&format!("X{i}"), verdict, Scope::Profile));
        }
        decide(&file(Algorithm::Ed25519, stated)).is_admitted() == verdicts.iter().all(|verdict| verdict % 4 > 1)
    }

    fn readers_of_bytes_do_not_panic(bytes: Vec<u8>) -> bool {
        let module = [&MODULE[..8], &bytes].concat();
        let _ = (digest::without_signatures(&module), strict::read::<serde_json::Value>(&bytes, 1 << 20));
        true
    }
}
