//! Judged controls as OSCAL: assessment results, and the small catalogue of technical safeguards (45 CFR 164.312) that
//! they refer to. Every judged control is an observation. A safeguard gets a finding only where its controls decide:
//! `not-satisfied` if one of them fails, `satisfied` if all that apply have an answer and none fails. What was not
//! tested is an observation and never a finding. All of it is evidence for a safeguard, no more.

use super::assessment::{Assessment, fixed_uuid};
use super::judge::Judged;
use super::{Safeguard, date, safeguards};
use crate::record::Scope;
use crate::{Verdict, escape};
use serde_json::{Value, json};

/// Version of OSCAL.
const OSCAL_VERSION: &str = "1.1.3";
/// Whose properties they are.
const NAMESPACE: &str = "urn:autoclave:oscal:v1";
/// Version of the catalogue: rises when a safeguard is added, or the regulation renumbers them.
const CATALOGUE_VERSION: &str = "1";
/// When the catalogue was last changed.
const CATALOGUE_CHANGED: &str = "2026-11-22T00:00:00Z";
/// The paragraph that the catalogue is about.
const SECTION: &str = "164.312";
/// Longest description, characters.
const TEXT_CHARS_MAX: usize = 4_000;

/// Safeguards of the catalogue.
fn technical() -> impl Iterator<Item = &'static Safeguard> {
    safeguards().iter().filter(|safeguard| safeguard.citation.starts_with(SECTION))
}

/// The catalogue of technical safeguards; the same each time; ends with a line break.
pub fn catalogue() -> String {
    let control = |safeguard: &Safeguard| {
        let id = safeguard.token();
        json!({
            "id": id,
            "title": safeguard.title,
            "props": [
                { "name": "label", "value": safeguard.citation },
                { "name": "specification", "ns": NAMESPACE, "value": safeguard.kind.name() },
            ],
            "parts": [{ "id": statement(safeguard), "name": "statement", "prose": safeguard.demand }],
        })
    };
    let catalogue = json!({
        "catalog": {
            "uuid": fixed_uuid("catalogue"),
            "metadata": {
                "title": "Technical safeguards of the HIPAA Security Rule (45 CFR 164.312)",
                "last-modified": CATALOGUE_CHANGED,
                "version": CATALOGUE_VERSION,
                "oscal-version": OSCAL_VERSION,
                "remarks": "Titles are the regulation's, statements are a summary in other words. Read the regulation.",
            },
            "groups": [{
                "id": format!("hipaa-{SECTION}"),
                "title": "Technical safeguards",
                "controls": technical().map(control).collect::<Vec<_>>(),
            }],
        },
    });
    text(&catalogue)
}

fn statement(safeguard: &Safeguard) -> String {
    format!("{}_smt", safeguard.token())
}

/// The assessment results. `catalogue` and `report` say where the catalogue and the readable report are: relative paths
/// or addresses.
pub fn assessment_results(assessment: &Assessment<'_>, catalogue: &str, report: &str) -> String {
    let (started, ended) = (date::moment(assessment.started_ms), date::moment(assessment.ended_ms));
    let component = assessment.uuid("component");
    let (profile, level) = (assessment.asked.profile.name(), assessment.asked.level.name());
    let subject = clean(assessment.subject, 200);
    let observation = |judged: &Judged| observation(assessment, judged, &ended, &component, report);
    let reviewed: Vec<&Safeguard> = technical().filter(|safeguard| applies(assessment, safeguard)).collect();
    let ids = |of: &mut dyn Iterator<Item = &Safeguard>| -> Vec<Value> {
        of.map(|safeguard| json!({ "control-id": safeguard.token() })).collect()
    };
    // OSCAL wants a selection: where nothing applies, it is all without all.
    let selection = match reviewed.is_empty() {
        true => json!({ "include-all": {}, "exclude-controls": ids(&mut technical()) }),
        false => json!({ "include-controls": ids(&mut reviewed.iter().copied()) }),
    };
    let mut result = json!({
        "uuid": assessment.uuid("result"),
        "title": format!("{subject}: profile {profile}, level {level}"),
        "description": "Verdicts of the controls of the catalogue of Autoclave, as evidence for technical safeguards. \
            Controls without a finding were not applicable, or not tested, and say so.",
        "start": started,
        "end": ended,
        "props": [property("profile", profile), property("level", level)],
        "local-definitions": { "components": [component_of(assessment, &component, &subject)] },
        "reviewed-controls": { "control-selections": [selection] },
    });
    // Lists of OSCAL are not empty.
    if !assessment.judged.is_empty() {
        result["observations"] = assessment.judged.iter().map(observation).collect();
    }
    let findings: Vec<Value> = reviewed.iter().filter_map(|safeguard| finding(assessment, safeguard)).collect();
    if !findings.is_empty() {
        result["findings"] = findings.into();
    }
    let plan = assessment.uuid("plan");
    let resource = |uuid: &str, title: &str, href: &str| json!({ "uuid": uuid, "title": title, "rlinks": [{ "href": escape::line(href) }] });
    let results = json!({
        "assessment-results": {
            "uuid": assessment.uuid("assessment-results"),
            "metadata": {
                "title": format!("Controls of {subject}"),
                "last-modified": ended,
                "version": "1",
                "oscal-version": OSCAL_VERSION,
                "props": [property("tool", &format!("{} {}", assessment.tool.name, assessment.tool.version))],
            },
            "import-ap": {
                "href": format!("#{plan}"),
                "remarks": "There is no plan in OSCAL: the profile, the level and the catalogue of controls are the plan.",
            },
            "results": [result],
            "back-matter": {
                "resources": [
                    resource(&plan, "Controls that were asked, with the rule of each", report),
                    resource(&assessment.uuid("catalogue"), "Technical safeguards (45 CFR 164.312)", catalogue),
                ],
            },
        },
    });
    text(&results)
}

/// Whether a control that is evidence for the safeguard is asked of this profile.
fn applies(assessment: &Assessment<'_>, safeguard: &Safeguard) -> bool {
    of(assessment, safeguard).next().is_some()
}

/// Judged controls that are evidence for a safeguard and apply.
fn of<'a>(assessment: &Assessment<'a>, safeguard: &'a Safeguard) -> impl Iterator<Item = &'a Judged> {
    let judged = assessment.judged.iter();
    judged.filter(|judged| {
        !matches!(judged.verdict, Verdict::NotApplicable(_))
            && judged.control.safeguards().any(|other| other.citation == safeguard.citation)
    })
}

fn component_of(assessment: &Assessment<'_>, uuid: &str, subject: &str) -> Value {
    let mut component = json!({
        "uuid": uuid,
        "type": "software",
        "title": subject,
        "description": "What was assessed.",
        "status": { "state": "operational" },
    });
    if !assessment.sha256.is_empty() {
        component["props"] = json!([property("sha256", assessment.sha256)]);
    }
    component
}

fn observation(assessment: &Assessment<'_>, judged: &Judged, collected: &str, component: &str, report: &str) -> Value {
    let Judged { control, verdict, scope, refused } = judged;
    let method = match verdict {
        Verdict::Pass | Verdict::Warn(_) | Verdict::Fail(_) => "TEST",
        Verdict::Attested(_) | Verdict::NotAttested => "EXAMINE",
        Verdict::NotApplicable(_) | Verdict::NotTested(_) => "UNKNOWN",
    };
    let mut description = format!("{}: {}", verdict.name(), control.text);
    for reason in [Some(verdict.reason()).filter(|reason| !reason.is_empty()), refused.as_deref()].into_iter().flatten()
    {
        description += &format!(". {}", escape::line(reason));
    }
    let scope = if *scope == Scope::Asked { "asked" } else { "outside" };
    let mut props = vec![
        property("control", &control.id),
        property("verdict", verdict.name()),
        property("scope", scope),
        property("level", control.level.name()),
    ];
    props.extend(control.oracles().into_iter().map(|oracle| property("oracle", oracle)));
    json!({
        "uuid": assessment.uuid(&control.id),
        "title": control.id,
        "description": escape::cut(&description, TEXT_CHARS_MAX),
        "props": props,
        "methods": [method],
        "types": ["control-objective"],
        "subjects": [{ "subject-uuid": component, "type": "component" }],
        "relevant-evidence": [{
            "href": format!("{}#{}", escape::line(report), control.id),
            "description": format!("Rule: {}", control.rule),
        }],
        "collected": collected,
    })
}

/// What the controls say together of a safeguard, where they decide.
fn finding(assessment: &Assessment<'_>, safeguard: &'static Safeguard) -> Option<Value> {
    let all: Vec<&Judged> = of(assessment, safeguard).collect();
    let with = |wanted: &[&str]| -> Vec<&str> {
        let judged = all.iter().filter(|judged| wanted.contains(&judged.verdict.name()));
        judged.map(|judged| judged.control.id.as_str()).collect()
    };
    let (failed, open) = (with(&["FAIL"]), with(&["NOT-TESTED", "NOT-ATTESTED"]));
    let answered = with(&["PASS", "WARN", "ATTESTED"]);
    let (state, reason) = match (failed.is_empty(), open.is_empty()) {
        (false, _) => ("not-satisfied", "fail"),
        (true, true) if !answered.is_empty() => ("satisfied", "pass"),
        _ => return None,
    };
    let mut description = format!("Evidence for {} ({}).", safeguard.citation, safeguard.title);
    for (what, ids) in [("Failed", &failed), ("Answered", &answered), ("Not answered", &open)] {
        if !ids.is_empty() {
            description += &format!(" {what}: {}.", ids.join(", "));
        }
    }
    let related = all.iter().map(|judged| json!({ "observation-uuid": assessment.uuid(&judged.control.id) }));
    Some(json!({
        "uuid": assessment.uuid(&safeguard.token()),
        "title": format!("{} {}", safeguard.citation, safeguard.title),
        "description": description,
        "target": {
            "type": "statement-id",
            "target-id": statement(safeguard),
            "status": { "state": state, "reason": reason },
        },
        "related-observations": related.collect::<Vec<_>>(),
    }))
}

fn property(name: &str, value: &str) -> Value {
    json!({ "name": name, "ns": NAMESPACE, "value": clean(value, 200) })
}

/// As OSCAL wants strings: one line, not empty, without blanks around.
fn clean(text: &str, chars_max: usize) -> String {
    let shown = escape::column(text, chars_max).trim().to_owned();
    if shown.is_empty() { "unnamed".to_owned() } else { shown }
}

fn text(value: &Value) -> String {
    escape::json(&serde_json::to_string_pretty(value).expect("strings and numbers")) + "\n"
}
