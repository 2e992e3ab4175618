//! What a certificate is rendered to: golden files, counts that agree with the certificate, hostile signers, and
//! programs of others that read or run what we wrote.

use crate::{sample, tools};
use autoclave_audit::renderings::{self, RenderError, Rendering, Sealed};
use autoclave_certificate::certificate::{Certificate, Scope, Verdict};
use autoclave_certificate::statement::Subjects;
use autoclave_certificate::{Algorithm, PrivateKey, seal};
use autoclave_reports::controls;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

fn subjects() -> Subjects {
    Subjects::of(sample::MODULE).unwrap()
}

/// A form of a signed certificate.
fn form(name: &str, certificate: &Certificate) -> String {
    let file = sample::sealed(certificate);
    let key = sample::key().public();
    let sealed = Some(Sealed { file: &file, key: &key });
    let bytes = Rendering::find(name).unwrap().bytes(certificate, &subjects(), sealed).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// What of a line of Markdown is no code span: those begin and end with the same number of backticks.
fn outside_of_code(line: &str) -> String {
    let (mut rest, mut outside) = (line, String::new());
    while let Some(at) = rest.find('`') {
        let run = rest[at..].chars().take_while(|c| *c == '`').count();
        outside += &rest[..at];
        let body = &rest[at + run..];
        let fence = "`".repeat(run);
        let is_end = |at: &usize| !body[..*at].ends_with('`') && !body[at + run..].starts_with('`');
        let end = body.match_indices(&fence).map(|(at, _)| at).find(is_end).expect("every span ends");
        rest = &body[end + run..];
    }
    outside + rest
}

/// Behind the two sheets: everything.
fn split(page: &str) -> (&str, &str) {
    page.split_at(page.find("<section class=\"appendix\"").unwrap())
}

#[test]
fn golden_files() {
    let certificate = sample::certificate();
    for name in ["html", "md", "hipaa"] {
        insta::assert_snapshot!(format!("certificate.{name}"), form(name, &certificate));
    }
    insta::assert_snapshot!("clean.md", form("md", &sample::clean()));
}

#[test]
fn every_control_stands_on_the_page_once_and_counts_are_the_certificates() {
    for certificate in [sample::certificate(), sample::clean()] {
        let page = form("html", &certificate);
        let (sheets, rest) = split(&page);
        for control in controls::all() {
            assert_eq!(rest.matches(&format!("id=\"{}\"", control.id)).count(), 1, "{}", control.id);
        }
        let mut counts: BTreeMap<(bool, String), usize> = BTreeMap::new();
        for check in &certificate.checks {
            let name = serde_json::to_value(check.verdict).unwrap().as_str().unwrap().to_owned();
            *counts.entry((check.scope == Scope::Profile, name)).or_default() += 1;
        }
        let asked: usize = counts.iter().filter(|((asked, _), _)| *asked).map(|(_, n)| n).sum();
        assert!(sheets.contains(&format!("of {asked} checks asked for; {} others", certificate.checks.len() - asked)));
        for ((is_asked, name), n) in counts.iter().filter(|((asked, _), _)| *asked) {
            assert!(sheets.contains(&format!("<b>{n}</b> {name}</span>")), "{is_asked} {name}: {n}");
        }
        for name in ["PASS", "WARN", "FAIL", "NOT-TESTED", "ATTESTED", "NOT-ATTESTED", "N/A"] {
            let in_all =
                certificate.checks.iter().filter(|check| serde_json::to_value(check.verdict).unwrap() == name).count();
            assert_eq!(rest.matches(&format!("\">{name}</span></td>")).count(), in_all, "{name}");
        }
        let expected = certificate.waivers.len();
        assert!(sheets.contains(&format!("<h2>Waivers<span class=\"n\">{expected}</span>")));
    }
}

#[test]
fn the_headline_is_the_certificates_own_summary() {
    let certificate = sample::certificate();
    assert!(form("md", &certificate).starts_with("## Certificate: L1 not reached\n"));
    assert!(form("md", &sample::clean()).starts_with("## Certificate: L1 reached\n"));
    // One oracle that missed its canary takes the level away.
    let mut blind = sample::clean();
    blind.qualification[0].canary_seen = autoclave_certificate::certificate::Trial::Passed;
    let text = form("md", &blind);
    assert!(text.starts_with("## Certificate: L1 not reached\n\n1 oracle not qualified.\n"), "{}", &text[..200]);
    // What the certificate leaves out of the catalogue is said at once.
    let mut partial = sample::clean();
    let left_out = partial.checks.pop().unwrap().id;
    assert!(form("md", &partial).contains(". 1 control of the catalogue that this was written with"));
    assert!(form("html", &partial).contains(&format!("written with: {left_out}.")));
    // And a failure outside of the profile does, too.
    let mut failing = sample::clean();
    let outside =
        failing.checks.iter_mut().find(|check| check.scope == Scope::Outside && check.oracle.is_none()).unwrap();
    (outside.verdict, outside.reason, outside.oracle) = (Verdict::Fail, "no".to_owned(), Some("crash".to_owned()));
    let text = form("md", &failing);
    assert!(text.starts_with("## Certificate: L1 not reached\n\n1 check failed.\n") && text.contains("### Failed"));
}

#[test]
fn both_directions_of_the_map_agree() {
    let text = form("hipaa", &sample::certificate());
    let (forward, backward) = text.split_once("## From control to safeguards").unwrap();
    let mut pairs = 0;
    for control in controls::all() {
        for safeguard in control.safeguards() {
            pairs += 1;
            let row = forward.lines().find(|line| line.starts_with(&format!("| {} |", safeguard.citation))).unwrap();
            assert!(row.split([' ', ',', ';']).any(|word| word == control.id), "{}: {row}", control.id);
            let row = backward.lines().find(|line| line.starts_with(&format!("| {} |", control.id))).unwrap();
            assert!(row.contains(&safeguard.citation), "{}: {row}", safeguard.citation);
        }
    }
    assert!(pairs > 193, "{pairs}");
    assert!(text.contains("*proposed*"));
}

#[test]
fn nothing_of_a_hostile_signer_acts() {
    let hostile = sample::hostile();
    let subjects = subjects();
    for name in ["html", "md", "hipaa", "json"] {
        let text = String::from_utf8(Rendering::find(name).unwrap().bytes(&hostile, &subjects, None).unwrap()).unwrap();
        for sign in ["\u{1b}", "\u{202e}", "##["] {
            assert!(!text.contains(sign), "{name}: {sign:?}");
        }
        assert!(!text.to_lowercase().contains(&["comp", "liant"].concat()), "{name}");
        match name {
            "html" => {
                assert_eq!(text.matches("<script").count() + text.matches("<img").count(), 0);
                assert_eq!(text.matches("</style>").count(), 1);
                assert!(text.contains("default-src 'none'; style-src 'unsafe-inline'; img-src data:"));
            }
            "md" => {
                assert!(text.len() < 1 << 20, "{} bytes", text.len());
                // Outside of code spans nothing of it is left.
                for line in text.lines().filter(|line| line.starts_with('|')) {
                    let outside = outside_of_code(line);
                    assert!(!outside.contains("<script") && !outside.contains("](javascript"), "{line}");
                    // A pipe would be another cell, in a code span, too.
                    assert!(line.matches('|').count() <= 12, "{line}");
                }
                assert!(text.lines().all(|line| !line.trim_start().starts_with("::")));
            }
            _ => {}
        }
    }
    // Without the control that nobody knows, they are written for programs, too.
    let mut known = hostile.clone();
    let unknown = known.checks.pop().unwrap().id;
    known.waivers.retain(|waiver| waiver.check != unknown);
    for name in ["oscal", "ctrf"] {
        let text = String::from_utf8(Rendering::find(name).unwrap().bytes(&known, &subjects, None).unwrap()).unwrap();
        for sign in ["\u{1b}", "\u{202e}", "##[", "Wx".repeat(3_000).as_str()] {
            assert!(!text.contains(sign), "{name}: {sign:?}");
        }
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }
    // Forms that refer to the catalogue refuse what is not in it, and say what to do.
    for name in ["oscal", "ctrf"] {
        let error = Rendering::find(name).unwrap().bytes(&hostile, &subjects, None).unwrap_err();
        assert!(matches!(&error, RenderError::UnknownControl(..)), "{error}");
        assert!(error.to_string().contains("use the version") && !error.to_string().contains('\u{1b}'));
    }
}

#[test]
fn a_page_names_a_signer_only_after_verifying() {
    let certificate = sample::certificate();
    let (file, key) = (sample::sealed(&certificate), sample::key().public());
    let subjects = subjects();
    let render = |certificate: &Certificate, sealed| renderings::files(certificate, &subjects, sealed);
    let files = render(&certificate, Some(Sealed { file: &file, key: &key })).unwrap();
    let page = |files: &[(&str, Vec<u8>)]| String::from_utf8(files[0].1.clone()).unwrap();
    assert!(page(&files).contains(key.hint()) && page(&files).contains("verified with this key"));
    assert_eq!(files, render(&certificate, Some(Sealed { file: &file, key: &key })).unwrap(), "the same bytes again");
    let unsigned = page(&render(&certificate, None).unwrap());
    assert!(!unsigned.contains(key.hint()) && unsigned.contains("nobody vouches for this copy"));
    let stranger = PrivateKey::from_seed(Algorithm::P256, &[8; 32]).unwrap().public();
    let wrong = render(&certificate, Some(Sealed { file: &file, key: &stranger }));
    assert!(matches!(wrong, Err(RenderError::NotVerified(_))));
    let mut never = certificate.clone();
    never.not_after = never.not_before;
    assert!(matches!(render(&never, None), Err(RenderError::Contradiction(_))));
    let wrong = render(&sample::clean(), Some(Sealed { file: &file, key: &key }));
    assert!(matches!(wrong, Err(RenderError::AnotherFile)));
}

/// What a browser has made of a page.
fn opened(page: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    std::fs::write(&file, page).unwrap();
    let mut chromium = tools::chromium();
    chromium.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
    chromium.args(["--virtual-time-budget=3000", "--dump-dom"]).arg(format!("file://{}", file.display()));
    let output = tools::run(&mut chromium, "apt-get install chromium");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A hostile page in a browser; a page with a script let in, where only the policy is left; and without the policy, which
/// shows that the wire does trip.
#[test]
fn nothing_runs_in_a_browser() {
    let tripped = |page: &str| opened(page).contains("<title>tripwire</title>");
    let hostile = Rendering::find("html").unwrap().bytes(&sample::hostile(), &subjects(), None).unwrap();
    let hostile = String::from_utf8(hostile).unwrap();
    assert!(!tripped(split(&hostile).0), "a text of the certificate ran");
    let page = form("html", &sample::clean());
    let unescaped = page.replacen("<main>", "<main><script>document.title='tripwire'</script>", 1);
    assert!(unescaped != page && !tripped(&unescaped), "the policy does not hold");
    let start = unescaped.find("<meta http-equiv").unwrap();
    let end = start + unescaped[start..].find('>').unwrap() + 1;
    assert!(tripped(&format!("{}{}", &unescaped[..start], &unescaped[end..])), "the wire is broken");
}

/// A strict parser of the HTML standard finds no error in our pages, and does find one in a broken page.
#[test]
fn pages_are_correct_html() {
    let folder = tempfile::tempdir().unwrap();
    let good = form("html", &sample::certificate());
    let hostile = Rendering::find("html").unwrap().bytes(&sample::hostile(), &subjects(), None).unwrap();
    let pages = [
        ("good-clean.html", form("html", &sample::clean())),
        ("good-hostile.html", String::from_utf8(hostile).unwrap()),
        ("bad-nesting.html", good.replacen("</dl>", "", 1)),
        ("good.html", good),
    ];
    let script = "import sys, html5lib\n\
        for path in sys.argv[1:]:\n\
        \x20   parser = html5lib.HTMLParser()\n\
        \x20   parser.parse(open(path, encoding='utf-8').read())\n\
        \x20   assert (parser.errors == []) == ('good' in path.split('/')[-1]), (path, parser.errors[:5])\n";
    let files = pages.map(|(name, page)| {
        let file = folder.path().join(name);
        std::fs::write(&file, page).unwrap();
        file
    });
    tools::run(Command::new(tools::python()).args(["-c", script]).args(files), "see above");
}

/// On paper the essentials are two pages, whatever the signer wrote and whichever paper; more text makes it more pages.
#[test]
fn the_essentials_are_two_pages_of_paper() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = Rendering::find("html").unwrap().bytes(&sample::hostile(), &subjects(), None).unwrap();
    let hostile = String::from_utf8(hostile).unwrap();
    let page = form("html", &sample::certificate());
    for paper in ["A4", "letter"] {
        for (name, page) in [("certificate", &page), ("hostile", &hostile)] {
            assert_eq!(pages(folder.path(), paper, split(page).0), 2, "{name} on {paper}");
        }
    }
    let longer = split(&page).0.replacen("<h2>Waivers", &format!("{}<h2>Waivers", "<p>more</p>".repeat(40)), 1);
    assert_eq!(pages(folder.path(), "A4", &longer), 3, "the count can tell");
}

/// How many pages a browser prints.
fn pages(folder: &Path, paper: &str, html: &str) -> usize {
    let (input, output) = (folder.join("page.html"), folder.join("page.pdf"));
    let html = html.replacen("@page {", &format!("@page {{ size: {paper} }} @page {{"), 1);
    assert!(html.contains(&format!("size: {paper}")));
    // The sheets alone: no page behind the second.
    std::fs::write(&input, html + "<style>.sheet + .sheet { break-after: auto !important }</style>").unwrap();
    let mut chromium = tools::chromium();
    chromium.arg(format!("--user-data-dir={}", folder.join("profile").display()));
    chromium.arg("--no-pdf-header-footer").arg(format!("--print-to-pdf={}", output.display()));
    tools::run(chromium.arg(format!("file://{}", input.display())), "apt-get install chromium");
    let pdf = std::fs::read(&output).unwrap();
    let pdf = String::from_utf8_lossy(&pdf);
    pdf.match_indices("/Type /Page").filter(|(at, found)| !pdf[at + found.len()..].starts_with('s')).count()
}

/// The commands on the page do what it says, with OpenSSL and a shell, and refuse a changed file.
#[test]
fn the_commands_on_the_page_verify_a_certificate() {
    for algorithm in [Algorithm::P256, Algorithm::Ed25519] {
        let folder = tempfile::tempdir().unwrap();
        let key = PrivateKey::from_seed(algorithm, &[7; 32]).unwrap();
        let certificate = sample::certificate();
        let file = seal(sample::MODULE, certificate.clone(), &key).unwrap();
        let public = key.public();
        let sealed = Some(Sealed { file: &file, key: &public });
        let page = Rendering::find("html").unwrap().bytes(&certificate, &subjects(), sealed).unwrap();
        let page = String::from_utf8(page).unwrap();
        let block = page.split("<pre class=\"shell\"><code>").nth(1).unwrap().split("</code></pre>").next().unwrap();
        let block = ["<i>", "</i>", "<b>", "</b>"].iter().fold(block.to_owned(), |text, tag| text.replace(tag, ""));
        let block = block.replace("&gt;", ">").replace("&lt;", "<").replace("&quot;", "\"").replace("&amp;", "&");
        let (first, script) = block.split_once('\n').unwrap();
        assert!(first.starts_with("cargo xtask verify MODULE CERTIFICATE --key KEY"), "{first}");
        std::fs::write(folder.path().join("MODULE"), sample::MODULE).unwrap();
        std::fs::write(folder.path().join("KEY"), public.to_pem()).unwrap();
        let verify = |file: &[u8]| {
            std::fs::write(folder.path().join("CERTIFICATE"), file).unwrap();
            Command::new("sh").args(["-e", "-c", script]).current_dir(folder.path()).output().unwrap()
        };
        let output = verify(&file);
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("Verified"), "{algorithm:?}: {said}\n{script}");
        assert!(said.contains(&subjects().as_deployed.to_string()), "{said}");
        // Another payload under the same signature.
        let mut other = certificate.clone();
        other.module.name = "another.wasm".to_owned();
        let other = String::from_utf8(seal(sample::MODULE, other, &key).unwrap()).unwrap();
        let part = |text: &str, from: &str| text.split(from).nth(1).unwrap().split('"').next().unwrap().to_owned();
        let text = String::from_utf8(file.clone()).unwrap();
        let payload = |text: &str| part(text, "\"payload\":\"");
        let forged = text.replacen(&payload(&text), &payload(&other), 1);
        assert!(forged != text && !verify(forged.as_bytes()).status.success(), "{algorithm:?}");
        // The key's name on the page is what OpenSSL makes of the key.
        let name = "openssl pkey -pubin -in KEY -outform DER | openssl dgst -sha256 -binary | base64";
        assert!(page.contains(name), "the page has the command");
        let output =
            tools::run(Command::new("sh").args(["-c", name]).current_dir(folder.path()), "apt-get install openssl");
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), public.hint());
    }
}

/// Others read what was rebuilt from a certificate: trestle our OSCAL, CTRF's own schema our test report.
#[test]
fn programs_of_others_read_the_forms_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    for (name, certificate) in [("certificate", sample::certificate()), ("clean", sample::clean())] {
        let [oscal, ctrf] = ["oscal", "ctrf"].map(|one| form(one, &certificate));
        let value: serde_json::Value = serde_json::from_str(&ctrf).unwrap();
        let passed = certificate.checks.iter().filter(|check| check.verdict == Verdict::Pass).count();
        assert_eq!(value["results"]["summary"]["passed"], passed);
        assert_eq!(value["results"]["summary"]["tests"], certificate.checks.len());
        write(&format!("good-{name}.oscal"), &oscal);
        write(&format!("bad-{name}.oscal"), &oscal.replacen("\"import-ap\"", "\"import-app\"", 1));
        write(&format!("good-{name}.ctrf"), &ctrf);
        write(&format!("bad-{name}.ctrf"), &ctrf.replacen("\"passed\"", "\"green\"", 1));
    }
    let oscal = "import json, pathlib, sys\n\
        from trestle.oscal.assessment_results import Model\n\
        for path in sorted(pathlib.Path(sys.argv[1]).glob('*.oscal')):\n\
        \x20   try:\n\
        \x20       Model.parse_raw(path.read_text()); error = None\n\
        \x20   except Exception as caught:\n\
        \x20       error = str(caught)[:500]\n\
        \x20   assert (error is None) == path.name.startswith('good-'), (path.name, error)\n";
    tools::run(Command::new(tools::trestle()).args(["-c", oscal]).arg(folder.path()), "see above");
    let ctrf = "import json, pathlib, sys, jsonschema\n\
        schema = json.load(open(sys.argv[1]))\n\
        validator = jsonschema.validators.validator_for(schema)\n\
        for path in sorted(pathlib.Path(sys.argv[2]).glob('*.ctrf')):\n\
        \x20   errors = [e.message[:300] for e in validator(schema).iter_errors(json.load(open(path)))]\n\
        \x20   assert (not errors) == path.name.startswith('good-'), (path.name, errors)\n";
    tools::run(
        Command::new(tools::python()).args(["-c", ctrf]).arg(tools::ctrf_schema()).arg(folder.path()),
        "see above",
    );
}

/// Writes every form of the samples to a folder, to be looked at: `AUTOCLAVE_PAGES=/tmp/pages cargo test -p autoclave-audit`.
#[test]
fn every_form_is_made_of_every_sample() {
    let folder = std::env::var_os("AUTOCLAVE_PAGES").map(std::path::PathBuf::from);
    for (name, certificate) in [("certificate", sample::certificate()), ("clean", sample::clean())] {
        let (file, key) = (sample::sealed(&certificate), sample::key().public());
        let files = renderings::files(&certificate, &subjects(), Some(Sealed { file: &file, key: &key })).unwrap();
        let mut names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        names.dedup();
        assert!(names.len() == renderings::ALL.len() && files.iter().all(|(_, bytes)| !bytes.is_empty()));
        if let Some(folder) = &folder {
            std::fs::create_dir_all(folder.join(name)).unwrap();
            files.iter().for_each(|(file, bytes)| std::fs::write(folder.join(name).join(file), bytes).unwrap());
            std::fs::write(folder.join(name).join("file.sigstore.jsonl"), &file).unwrap();
            std::fs::write(folder.join(name).join("key.pub"), key.to_pem()).unwrap();
            std::fs::write(folder.join(name).join("module.wasm"), sample::MODULE).unwrap();
            let hostile = Rendering::find("html").unwrap().bytes(&sample::hostile(), &subjects(), None).unwrap();
            std::fs::write(folder.join("hostile.html"), hostile).unwrap();
        }
    }
}
