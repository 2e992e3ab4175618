//! `corpus`: corpora as they are published and taken in. What it shows of patient data is its shape, never the data.

use crate::cli::{Corpus, CorpusCommand, Diff, Import, Pack, ScanInputs, Stats, VerifyPack, exit, print};
use anyhow::Context;
use autoclave_certificate::files;
use autoclave_corpora::diff::{self, Change};
use autoclave_corpora::import::{self, Terms};
use autoclave_corpora::manifest::{self, Taint};
use autoclave_corpora::pack::{self, Packed, Selection};
use autoclave_corpora::phi::{self, Answer};
use autoclave_corpora::source::Home;
use autoclave_corpora::zip::Limits;
use autoclave_corpora::{archive, disk, load, stats, verify};
use autoclave_reports::escape;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Runs it.
pub fn run(flags: &Corpus) -> anyhow::Result<u8> {
    match &flags.command {
        CorpusCommand::Pack(flags) => pack(flags),
        CorpusCommand::Import(flags) => import(flags),
        CorpusCommand::Scan(flags) => scan(flags),
        CorpusCommand::Diff(flags) => diff(flags),
        CorpusCommand::Stats(flags) => stats(flags),
        CorpusCommand::Verify(flags) => verify(flags),
    }
}

fn shown(path: &Path) -> String {
    escape::line(&path.display().to_string())
}

fn home() -> anyhow::Result<Home> {
    let current = std::env::current_dir().context("the current folder cannot be read")?;
    Ok(Home::around(&current)?)
}

/// A gate that does not catch what was planted has not looked at anything.
fn is_qualified() -> bool {
    let wrong = phi::qualify::qualify();
    for what in wrong.iter().take(10) {
        eprintln!("NOT-TESTED  the gate fails its own test: {}", escape::line(what));
    }
    wrong.is_empty()
}

fn pack(flags: &Pack) -> anyhow::Result<u8> {
    let key = flags.key.as_deref().map(files::read_private_key).transpose()?;
    let home = home()?;
    let selection = Selection::of(&home, flags.name.as_deref())?;
    if !is_qualified() {
        return Ok(exit::NOT_JUDGED);
    }
    let mut dictionaries = BTreeMap::new();
    for format in &selection.formats {
        if let Some(dictionary) = home.dictionary(format)? {
            dictionaries.insert(format.clone(), dictionary);
        }
    }
    let items = pack::gather(&home, &selection, flags.collected)?;
    let made = match pack::pack(items, &selection.targets, &dictionaries, key.as_ref())? {
        Packed::Pack(made) => made,
        Packed::Blocked(blocked) => {
            for (path, answer) in &blocked {
                tell(path.strip_prefix(&home.root).unwrap_or(path), answer)?;
            }
            eprintln!(
                "BLOCKED  {} committed files could identify a person, or could not be looked at; nothing was packed",
                blocked.len()
            );
            eprintln!("  replace what was found by words of harness/corpora/src/phi/namespace.toml");
            return Ok(exit::FINDINGS);
        }
    };
    pack::write(&made, &flags.out)?;
    let bytes: usize = made.files.values().map(Vec::len).sum();
    eprintln!(
        "{}: {} inputs of {} formats, {} targets, {} files, {bytes} bytes, {}",
        shown(&flags.out),
        made.entries.len(),
        selection.formats.len(),
        selection.targets.len(),
        made.files.len(),
        if key.is_some() { "signed" } else { "not signed (--key)" }
    );
    for (why, count) in &made.left_out {
        eprintln!("  left out: {count}: {}", why.name());
    }
    Ok(exit::CLEAN)
}

fn import(flags: &Import) -> anyhow::Result<u8> {
    let store = match &flags.out {
        Some(out) => out.clone(),
        None => home()?.imports(&flags.format),
    };
    let terms = Terms { licence: flags.licence.clone(), source: flags.source.clone(), private: flags.private };
    let done = import::import(&flags.archive, &flags.format, &store, &terms, &Limits::default())?;
    eprintln!(
        "{}: {} files, {} inputs, {} of them new: {}",
        shown(&flags.archive),
        done.files,
        done.inputs,
        done.fresh,
        shown(&store.join(&done.batch))
    );
    match done.taint {
        Taint::Private => {
            eprintln!("  private: they enter no pack, nor does what runs make from them (--licence and --source)")
        }
        Taint::None => eprintln!("  may be published, as far as the gate passes them"),
    }
    Ok(exit::CLEAN)
}

fn scan(flags: &ScanInputs) -> anyhow::Result<u8> {
    if !is_qualified() {
        return Ok(exit::NOT_JUDGED);
    }
    print(b"file\tclass\tform\toffset\tshape\n")?;
    let (mut seen, mut hits, mut incomplete) = (0, 0, 0);
    let mut count = |path: &Path, answer: &Answer| -> anyhow::Result<()> {
        seen += 1;
        hits += usize::from(!answer.hits.is_empty());
        incomplete += usize::from(answer.hits.is_empty() && !answer.not_scanned.is_empty());
        tell(path, answer)
    };
    for path in &flags.paths {
        match load::shape(path) {
            load::Shape::Files => {
                for (path, answer) in scan_files(path)? {
                    count(&path, &answer)?;
                }
            }
            load::Shape::Pack | load::Shape::Store => {
                for item in load::items(path)? {
                    count(&item.place, &item.answer)?;
                }
            }
        }
    }
    eprintln!("{seen} files: {hits} could identify a person, {incomplete} could not be looked at in full");
    Ok(match (hits, incomplete) {
        (0, 0) => exit::CLEAN,
        (0, _) => exit::NOT_JUDGED,
        _ => exit::FINDINGS,
    })
}

fn scan_files(path: &Path) -> anyhow::Result<Vec<(PathBuf, Answer)>> {
    let paths = match path.is_dir() {
        true => disk::walk(path)?.into_iter().map(|name| path.join(name)).collect(),
        false => vec![path.to_owned()],
    };
    let mut answers = Vec::new();
    for path in paths {
        let bytes = disk::read(&path, disk::FILE_BYTES_MAX)?;
        let answer = phi::scan(&bytes);
        // An archive with more in it than one input may have: file by file.
        match archive::unpack(&bytes, &Limits::default()) {
            Ok(contents) if !answer.not_scanned.is_empty() => {
                // What its names and comments say stays said.
                let own = Answer { not_scanned: Vec::new(), ..answer };
                if !own.hits.is_empty() {
                    answers.push((path.clone(), own));
                }
                let members = contents.iter().enumerate();
                answers.extend(members.map(|(at, bytes)| (path.join(format!("#{}", at + 1)), phi::scan(bytes))));
            }
            _ => answers.push((path, answer)),
        }
    }
    Ok(answers)
}

/// One line for each hit: file, class, form, offset, shape. Nothing of it is the identifier.
fn tell(path: &Path, answer: &Answer) -> anyhow::Result<()> {
    let path = shown(path);
    for hit in &answer.hits {
        let shape = escape::line(&hit.masked);
        let class = format!("{} ({})", hit.class.name(), hit.class.letter());
        print(format!("{path}\t{class}\t{}\t{}\t{shape}\n", hit.form, hit.offset).as_bytes())?;
    }
    for what in &answer.not_scanned {
        print(format!("{path}\tnot scanned\t-\t-\t{what}\n").as_bytes())?;
    }
    Ok(())
}

fn diff(flags: &Diff) -> anyhow::Result<u8> {
    let (old, new) = (load::entries(&flags.old)?, load::entries(&flags.new)?);
    let changes = diff::diff(&old, &new);
    let [mut added, mut removed, mut changed] = [(0, 0); 3];
    for change in &changes {
        let (mark, entry, what, sum) = match change {
            Change::Added(entry) => ('+', entry, String::new(), &mut added),
            Change::Removed(entry) => ('-', entry, String::new(), &mut removed),
            Change::Changed(entry, fields) => {
                let fields = fields.iter().map(|(field, before, after)| format!("{field}: {before} → {after}"));
                ('~', entry, fields.collect::<Vec<_>>().join("; "), &mut changed)
            }
        };
        sum.0 += 1;
        sum.1 += entry.size;
        let line = format!("{mark}\t{}\t{}\t{}\t{}\t{what}", entry.sha256, entry.format, entry.kind.name(), entry.size);
        print((escape::line(&line).replace("\\u{9}", "\t") + "\n").as_bytes())?;
    }
    eprintln!(
        "{} added ({} bytes), {} removed ({} bytes), {} said differently, {} the same",
        added.0,
        added.1,
        removed.0,
        removed.1,
        changed.0,
        old.len() - removed.0 - changed.0
    );
    Ok(exit::CLEAN)
}

fn stats(flags: &Stats) -> anyhow::Result<u8> {
    let mut entries = Vec::new();
    if flags.paths.is_empty() {
        let home = home()?;
        for format in home.formats()? {
            entries.extend(home.committed(&format)?.into_iter().map(|item| item.entry));
        }
    }
    for path in &flags.paths {
        entries.extend(load::items(path)?.into_iter().map(|item| item.entry));
    }
    let merged = manifest::merge(entries);
    let rows = stats::by_format(merged.values());
    let head =
        "format\tinputs\tbytes\tmin\tmedian\tp90\tmax\tpinned\tprivate\tgate clean/incomplete/hit\tkinds\tlicences\n";
    print(head.as_bytes())?;
    let listed = |pairs: Vec<(String, usize)>| {
        pairs.into_iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    };
    for (format, row) in &rows {
        let kinds = listed(row.kinds.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect());
        let licences = listed(row.licences.iter().map(|(name, count)| (escape::line(name), *count)).collect());
        let [clean, incomplete, hit] = row.gate;
        let sizes = [0, 50, 90, 100].map(|percent| row.percentile(percent).to_string()).join("\t");
        let line = format!(
            "{format}\t{}\t{}\t{sizes}\t{}\t{}\t{clean}/{incomplete}/{hit}\t{kinds}\t{licences}\n",
            row.count, row.bytes, row.pins, row.tainted
        );
        print(line.as_bytes())?;
    }
    Ok(exit::CLEAN)
}

fn verify(flags: &VerifyPack) -> anyhow::Result<u8> {
    let keys = flags.keys.iter().map(|path| files::read_public_key(path)).collect::<Result<Vec<_>, _>>()?;
    if !is_qualified() {
        return Ok(exit::NOT_JUDGED);
    }
    let verdict = verify::verify(&flags.pack, &keys)?;
    for what in &verdict.wrong {
        eprintln!("  {}", escape::line(what));
    }
    let pack = shown(&flags.pack);
    Ok(match (verdict.wrong.len(), &verdict.signer) {
        (0, Some(signer)) => {
            eprintln!("PASS  {pack}: {} inputs, whole and clean, signed by {}", verdict.entries, escape::line(signer));
            exit::CLEAN
        }
        (0, None) => {
            eprintln!(
                "NOT-TESTED  {pack}: {} inputs, whole and clean; signature not checked: give --key",
                verdict.entries
            );
            exit::NOT_JUDGED
        }
        (wrong, _) => {
            eprintln!("FAIL  {pack}: {wrong} things are wrong");
            exit::FINDINGS
        }
    })
}
