//! Verdicts of controls: a table of what oracles said, what was qualified, what is attested, and what follows.

use autoclave_reports::controls::evidence::{Attestation, Attestations};
use autoclave_reports::controls::judge::{Asked, Found, Grounds, Judged, Qualified, Said, judge, judge_all};
use autoclave_reports::controls::{self, Level, Profile};
use autoclave_reports::record::Scope;
use autoclave_reports::{Severity, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// What verdicts rest on, owned.
#[derive(Clone)]
pub struct Case {
    pub asked: Asked,
    pub said: Vec<Said>,
    pub qualified: Vec<Qualified>,
    pub attested: Attestations,
}

impl Case {
    /// Nothing was asked yet.
    pub fn new(profile: Profile, level: Level) -> Self {
        let asked = Asked { profile, level, reads: BTreeSet::new() };
        Self { asked, said: Vec::new(), qualified: Vec::new(), attested: Attestations::new() }
    }

    /// Every oracle was asked, found nothing, and has caught every canary that the catalogue names.
    pub fn clean(profile: Profile, level: Level) -> Self {
        let mut case = Self::new(profile, level);
        for oracle in controls::ORACLES {
            case.said.push(Said {
                oracle: oracle.name.into(),
                verdict: Verdict::Pass,
                apart: BTreeMap::new(),
                found: Vec::new(),
            });
        }
        for control in controls::all() {
            for answer in &control.answers {
                let classes = if answer.classes.is_empty() { vec!["any".to_owned()] } else { answer.classes.clone() };
                case.qualified.extend(classes.into_iter().map(|class| Qualified {
                    oracle: answer.oracle.clone(),
                    canary: answer.canary.clone(),
                    class,
                    verdict: Verdict::Pass,
                }));
            }
        }
        case
    }

    pub fn found(mut self, oracle: &str, class: &str, severity: Severity) -> Self {
        let said = self.said.iter_mut().find(|said| said.oracle == oracle).unwrap();
        said.found.push(Found { class: class.into(), severity, what: format!("{class} on\ninput") });
        self
    }

    pub fn says(mut self, oracle: &str, verdict: Verdict) -> Self {
        self.said.iter_mut().find(|said| said.oracle == oracle).unwrap().verdict = verdict;
        self
    }

    fn apart(mut self, oracle: &str, class: &str, verdict: Verdict) -> Self {
        self.said.iter_mut().find(|said| said.oracle == oracle).unwrap().apart.insert(class.into(), verdict);
        self
    }

    fn without(mut self, oracle: &str) -> Self {
        self.said.retain(|said| said.oracle != oracle);
        self
    }

    fn reads(mut self, kinds: &[&str]) -> Self {
        self.asked.reads = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        self
    }

    /// One canary passes silently.
    fn silent(mut self, oracle: &str, canary: &str, class: &str) -> Self {
        for row in self.qualified.iter_mut() {
            if row.oracle == oracle && row.canary == canary && row.class == class {
                row.verdict = Verdict::Fail("not caught".into());
            }
        }
        self
    }

    fn without_canary(mut self, oracle: &str, class: &str) -> Self {
        self.qualified.retain(|row| row.oracle != oracle || row.class != class);
        self
    }

    fn untried(mut self, oracle: &str) -> Self {
        self.qualified.retain(|row| row.oracle != oracle);
        self
    }

    pub fn attested(mut self, id: &'static str, attestation: Attestation) -> Self {
        self.attested.insert(id, attestation);
        self
    }

    pub fn all(&self) -> Vec<Judged> {
        judge_all(&self.grounds())
    }

    fn grounds(&self) -> Grounds<'_> {
        let Case { asked, said, qualified, attested } = self;
        Grounds { asked, said, qualified, attested }
    }
}

fn module(level: Level) -> Case {
    Case::clean(Profile::Module, level)
}

fn papers() -> Attestation {
    Attestation::Valid("Jane Doe, 2026-05-01, until 2027-05-01: risk.pdf".into())
}

#[test]
fn verdicts_follow_from_what_is_known() {
    use Level::{L0, L1, L2};
    use Profile::{Api, Module, ModuleAndGlue, Site};
    use Severity::{High, Info};
    let cases: Vec<(&str, &str, Case, &str)> = vec![
        ("clean", "SBX-03d", module(L1), "PASS"),
        (
            "one of three oracles finds it",
            "SBX-03d",
            module(L1).found("complexity", "SUPERLINEAR", High),
            "FAIL complexity: SUPERLINEAR (SUPERLINEAR on\\ninput)",
        ),
        ("another class is another control's", "SBX-03d", module(L1).found("crash", "STACK", High), "PASS"),
        (
            "a class that was not asked about",
            "SBX-03d",
            module(L1).apart("crash", "DEADLINE", Verdict::NotTested("no clock".into())),
            "NOT-TESTED crash: no clock",
        ),
        (
            "a class that there is nothing to ask about leaves the others",
            "SBX-03g",
            module(L1).apart("crash", "STACK", Verdict::NotApplicable("no recursion".into())),
            "PASS",
        ),
        (
            "a class that there is nothing to ask about needs no canary",
            "SBX-03g",
            module(L1)
                .apart("crash", "SHADOW-STACK", Verdict::NotApplicable("no shadow stack".into()))
                .without_canary("crash", "SHADOW-STACK"),
            "PASS",
        ),
        (
            "a finding stands beside what was not asked",
            "SBX-03g",
            module(L1)
                .apart("crash", "SHADOW-STACK", Verdict::NotTested("no stack pointer".into()))
                .found("crash", "STACK", High),
            "FAIL crash: STACK (STACK on\\ninput)",
        ),
        ("that class", "SBX-03g", module(L1).found("crash", "STACK", High), "FAIL crash: STACK (STACK on\\ninput)"),
        (
            "any class",
            "OPS-02d",
            module(L1).found("crash", "TRAP-UNREACHABLE", High),
            "FAIL crash: TRAP-UNREACHABLE (TRAP-UNREACHABLE on\\ninput)",
        ),
        (
            "worth knowing",
            "SBX-08a",
            module(L2).found("constant-time", "SELECT", Info),
            "WARN constant-time: SELECT (SELECT on\\ninput)",
        ),
        (
            "a leak",
            "SBX-08a",
            module(L2).found("constant-time", "LOAD", High),
            "FAIL constant-time: LOAD (LOAD on\\ninput)",
        ),
        ("work is equal, addresses are not", "SBX-08b", module(L2).found("constant-time", "LOAD", High), "PASS"),
        (
            "budget was short",
            "OPS-02d",
            module(L1).says("crash", Verdict::Warn("8 % of the edges".into())),
            "WARN crash: 8 % of the edges",
        ),
        (
            "a finding is worse than a short budget",
            "OPS-02d",
            module(L1).says("crash", Verdict::Warn("8 %".into())).found("crash", "STACK", High),
            "FAIL crash: STACK (STACK on\\ninput)",
        ),
        ("not asked", "SBX-03d", module(L1).without("complexity"), "NOT-TESTED complexity was not asked"),
        (
            "could not be asked",
            "SBX-03d",
            module(L1).says("crash", Verdict::NotTested("it does not compile".into())),
            "NOT-TESTED crash: it does not compile",
        ),
        (
            "asked, and no verdict came",
            "SBX-03d",
            module(L1).says("crash", Verdict::NotAttested),
            "NOT-TESTED crash: NOT-ATTESTED",
        ),
        (
            "an oracle's own FAIL without a finding is no answer",
            "SBX-03g",
            module(L1).says("crash", Verdict::Fail("odd".into())),
            "NOT-TESTED crash: odd",
        ),
        (
            "not asked, and not owed",
            "SBX-08a",
            module(L0).without("constant-time"),
            "NOT-TESTED constant-time belongs to level L2, and L0 was asked for",
        ),
        (
            "not owed, and a finding counts all the same",
            "SBX-08a",
            module(L0).found("constant-time", "LOAD", High),
            "FAIL constant-time: LOAD (LOAD on\\ninput)",
        ),
        (
            "does not apply",
            "SBX-08a",
            module(L2).says("constant-time", Verdict::NotApplicable("no entry has a secret".into())),
            "N/A constant-time: no entry has a secret",
        ),
        (
            "applies in part",
            "SBX-03g",
            module(L1).says("contract", Verdict::NotApplicable("reads nothing".into())),
            "PASS",
        ),
        (
            "broken canary",
            "SBX-03g",
            module(L1).silent("contract", "canary-contract", "STACK"),
            "NOT-TESTED contract is not qualified: STACK of canary-contract was not told from its repair",
        ),
        (
            "broken canary of another class",
            "SBX-03g",
            module(L1).silent("contract", "canary-contract", "ERROR-TEXT"),
            "PASS",
        ),
        (
            "broken canary beside a finding",
            "SBX-03g",
            module(L1).silent("crash", "canary-limits", "STACK").found("crash", "STACK", High),
            "NOT-TESTED crash is not qualified: STACK of canary-limits was not told from its repair",
        ),
        (
            "canary was not tried",
            "SBX-03g",
            module(L1).untried("contract"),
            "NOT-TESTED contract is not qualified: canary-contract was not tried in this run",
        ),
        (
            "any class: every canary counts",
            "OPS-02d",
            module(L1).silent("crash", "canary-host", "any"),
            "NOT-TESTED crash is not qualified: any of canary-host was not told from its repair",
        ),
        (
            "an oracle without a canary",
            "VAL-01a",
            module(L2).untried("conform"),
            "NOT-TESTED conform is not qualified: it has not caught a planted flaw in this run",
        ),
        ("no oracle", "SBX-02d", module(L2), "NOT-TESTED no oracle"),
        (
            "no oracle, and what is near",
            "VAL-02a",
            module(L2),
            "NOT-TESTED no oracle: `differential` reports text that changes (D10).",
        ),
        (
            "reads nothing of the kind",
            "VAL-03d",
            module(L1).reads(&["fhir-json"]),
            "N/A no entry reads gzip or zlib or deflate or brotli or zstd or xz or zip",
        ),
        ("reads something of the kind", "VAL-03d", module(L1).reads(&["fhir-json", "gzip"]), "PASS"),
        ("outside of the profile", "API-02d", module(L2), "N/A outside of the profile module: it is asked of api"),
        (
            "outside of the profile, evidence or not",
            "OPS-01a",
            module(L2).attested("OPS-01a", papers()),
            "N/A outside of the profile module: it is asked of site, api",
        ),
        ("nobody answers for it", "OPS-01a", Case::new(Api, L2), "NOT-ATTESTED"),
        (
            "somebody answers for it",
            "OPS-01a",
            Case::new(Api, L2).attested("OPS-01a", papers()),
            "ATTESTED Jane Doe, 2026-05-01, until 2027-05-01: risk.pdf",
        ),
        (
            "what they gave does not count",
            "OPS-01a",
            Case::new(Api, L2).attested("OPS-01a", Attestation::Refused("the evidence expired on 2026-05-01".into())),
            "NOT-ATTESTED",
        ),
        (
            "mainly static, no oracle, evidence",
            "SBX-08c",
            module(L2).attested("SBX-08c", papers()),
            "ATTESTED Jane Doe, 2026-05-01, until 2027-05-01: risk.pdf",
        ),
        ("mainly static, no oracle, none", "SBX-08c", module(L2), "NOT-TESTED no oracle"),
        ("others together: clean", "ENC-05a", module(L2), "PASS"),
        (
            "others together: one fails",
            "ENC-05a",
            module(L2).found("constant-time", "LOAD", High),
            "FAIL SBX-08a: constant-time: LOAD (LOAD on\\ninput)",
        ),
        (
            "others together: some have no oracle",
            "CSP-04a",
            Case::clean(Site, L0),
            "NOT-TESTED SBX-05a: no oracle; SBX-05b: no oracle; SBX-05d: no oracle",
        ),
        ("others together: all of them pass", "FAQ-01c", module(L1), "PASS"),
        (
            "others together: a failure is worse",
            "FAQ-01c",
            module(L1).found("crash", "OUT-OF-FUEL", High),
            "FAIL SBX-03d: crash: OUT-OF-FUEL (OUT-OF-FUEL on\\ninput)",
        ),
        ("glue was driven", "ENC-04a", Case::clean(ModuleAndGlue, L2), "PASS"),
        (
            "and left something",
            "FAQ-02b",
            Case::clean(ModuleAndGlue, L2).found("boundary", "RESIDUE", High),
            "FAIL ENC-04a: boundary: RESIDUE (RESIDUE on\\ninput)",
        ),
        ("a question with a control of its own", "SBX-01d", Case::clean(ModuleAndGlue, L2), "PASS"),
        (
            "whose control came out wrong",
            "SBX-01d",
            Case::clean(ModuleAndGlue, L2).untried("page-checks"),
            "NOT-TESTED page-checks is not qualified: it has not caught a planted flaw in this run",
        ),
        ("a site", "CSP-01a", Case::clean(Site, L0), "NOT-TESTED no oracle"),
        (
            "of no module",
            "SBX-03d",
            Case::clean(Site, L2),
            "N/A outside of the profile site: it is asked of module, module+glue",
        ),
        (
            "of a module",
            "SBX-01d",
            Case::clean(Module, L2),
            "N/A outside of the profile module: it is asked of module+glue",
        ),
    ];
    for (name, id, case, expected) in cases {
        let judged = judge(controls::find(id).unwrap(), &case.grounds());
        let seen = format!("{} {}", judged.verdict.name(), judged.verdict.reason());
        assert_eq!(seen.trim_end(), expected, "{name}: {id}");
    }
}

#[test]
fn every_control_is_judged_exactly_once_and_nothing_passes_by_itself() {
    for profile in Profile::ALL {
        for level in Level::ALL {
            let judged = Case::new(profile, level).all();
            let ids: BTreeSet<&str> = judged.iter().map(|one| one.control.id.as_str()).collect();
            assert_eq!((judged.len(), ids.len()), (193, 193));
            for one in &judged {
                let id = &one.control.id;
                assert!(
                    matches!(one.verdict, Verdict::NotTested(_) | Verdict::NotAttested | Verdict::NotApplicable(_)),
                    "{id}: {:?}",
                    one.verdict
                );
                let is_owed = one.control.profiles.contains(&profile) && one.control.level <= level;
                assert_eq!(one.scope, if is_owed { Scope::Asked } else { Scope::Outside }, "{id}");
            }
        }
    }
}

#[test]
fn evidence_rows_are_never_a_pass() {
    for profile in Profile::ALL {
        let mut case = Case::clean(profile, Level::L3);
        for control in controls::all() {
            case.attested.insert(&control.id, papers());
        }
        for one in case.all() {
            let is_pass = matches!(one.verdict, Verdict::Pass | Verdict::Warn(_));
            assert!(!(is_pass && one.control.kind() == controls::Kind::Evidence), "{}", one.control.id);
            // And nothing is attested that only a program can tell.
            let is_attested = matches!(one.verdict, Verdict::Attested(_));
            let rests = one.control.takes_evidence() || !one.control.same_as.is_empty();
            assert!(!is_attested || rests, "{}", one.control.id);
        }
    }
}

#[test]
fn evidence_that_does_not_count_says_why() {
    let case = Case::new(Profile::Site, Level::L1);
    let case = case.attested("OPS-01a", Attestation::Refused("the evidence expired on 2026-05-01".into()));
    let judged = case.all().into_iter().find(|one| one.control.id == "OPS-01a").unwrap();
    assert_eq!(judged.refused.as_deref(), Some("the evidence expired on 2026-05-01"));
}

#[test]
fn a_flood_of_findings_stays_short() {
    let mut case = module(Level::L1);
    for n in 0..100_000 {
        let said = case.said.iter_mut().find(|said| said.oracle == "crash").unwrap();
        said.found.push(Found {
            class: "STACK".into(),
            severity: Severity::High,
            what: format!("{n}{}", "x".repeat(40)),
        });
    }
    let judged = judge(controls::find("SBX-03g").unwrap(), &case.grounds());
    assert!(judged.verdict.reason().ends_with("and 99997 more"), "{}", judged.verdict.reason());
    assert!(judged.verdict.reason().len() < 600);
}
