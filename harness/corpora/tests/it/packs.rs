//! Packs: reproducible, complete, and refused when anything about them has changed.

use crate::shipped::home;
use autoclave_certificate::{Algorithm, PrivateKey, PublicKey};
use autoclave_corpora::diff::{self, Change};
use autoclave_corpora::import::{self, Terms};
use autoclave_corpora::manifest::{Entry, Kind, Origin, Taint};
use autoclave_corpora::pack::{self, LeftOut, Pack, Packed, Selection};
use autoclave_corpora::source::{Item, Target, item};
use autoclave_corpora::zip::{self, Limits};
use autoclave_corpora::{attest, disk, load, manifest, oci, tarball, verify};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn key() -> PrivateKey {
    PrivateKey::from_seed(Algorithm::P256, &[7; 32]).unwrap()
}

pub fn made(bytes: &[u8], kind: Kind) -> Item {
    let origin = Origin { how: "test".to_owned(), version: Some("1".to_owned()), seed: Some(7), source: None };
    let mut made = item(bytes.to_vec(), "hl7v2", kind, origin, None, PathBuf::from("x"));
    made.entry.licence = "CC0-1.0".to_owned();
    made.entry.pin = kind != Kind::Valid;
    made
}

/// A small corpus with something of every kind.
fn items() -> Vec<Item> {
    let mut items = vec![
        made(b"MSH|^~\\&|SYN", Kind::Valid),
        made(b"MSH|^~\\&|SYN|second", Kind::Valid),
        made(b"not a message", Kind::Invalid),
        made(b"MSH|^~\\&|SYN|either", Kind::Differential),
        made(&[b'~'; 2000], Kind::Bomb),
        made(b"MSH|", Kind::Regression),
    ];
    items[2].entry.expected.insert("conform".to_owned(), "reject".to_owned());
    items[3].expectation = Some(b"{}".to_vec());
    items[3].entry.expectation = Some(autoclave_corpora::digest::sha256(b"{}"));
    items[5].entry.expected.insert("crash".to_owned(), "TRAP-UNREACHABLE in reader".to_owned());
    items
}

fn target() -> BTreeSet<Target> {
    BTreeSet::from([Target { name: "reader".to_owned(), format: "hl7v2".to_owned() }])
}

fn packed(items: Vec<Item>) -> Pack {
    let dictionaries = BTreeMap::from([("hl7v2".to_owned(), b"# tokens\n\"MSH\"\n".to_vec())]);
    match pack::pack(items, &target(), &dictionaries, Some(&key())).unwrap() {
        Packed::Pack(pack) => *pack,
        Packed::Blocked(blocked) => panic!("{blocked:?}"),
    }
}

fn publics() -> [PublicKey; 1] {
    [key().public()]
}

#[test]
fn a_pack_is_what_it_says() {
    let pack = packed(items());
    let verdict = verify::verify_files(&pack.files, &publics());
    assert_eq!(verdict.wrong, Vec::<String>::new());
    assert_eq!((verdict.entries, verdict.signer.as_deref()), (6, Some(key().public().hint())));
    // OSS-Fuzz's files hold what they should, and nothing that makes the target fail.
    let seeds = zip::read(&pack.files["reader_seed_corpus.zip"], &Limits::default()).unwrap();
    let seeds: BTreeSet<&[u8]> = seeds.iter().map(|member| member.bytes.as_slice()).collect();
    assert_eq!(seeds, BTreeSet::from([&b"MSH|^~\\&|SYN"[..], b"MSH|^~\\&|SYN|second"]));
    let regressions = tarball::read(&pack.files["reader-regressions.tar.zst"]).unwrap();
    assert_eq!(regressions.values().map(Vec::len).collect::<BTreeSet<_>>(), BTreeSet::from([4, 2000]));
    let options = String::from_utf8(pack.files["reader.options"].clone()).unwrap();
    assert!(options.starts_with("[libfuzzer]\n") && options.contains("dict = reader.dict\n"), "{options}");
    // What coverage does not see is pinned.
    let pins: BTreeSet<Kind> = pack.entries.values().filter(|entry| entry.pin).map(|entry| entry.kind).collect();
    assert_eq!(pins, BTreeSet::from([Kind::Invalid, Kind::Differential, Kind::Bomb, Kind::Regression]));
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let one = packed(items());
    let mut reversed = items();
    reversed.reverse();
    reversed.extend(items());
    let two = packed(reversed);
    assert_eq!(one.files, two.files);
    assert_eq!(one.entries, two.entries);
}

/// Twice from the source tree, in different folders, with another umask, written and read back.
#[test]
fn two_builds_of_a_real_corpus_are_equal() {
    let home = home();
    let folder = tempfile::tempdir().unwrap();
    let build = |name: &str| {
        let selection = Selection::of(&home, Some("hl7v2")).unwrap();
        let dictionaries = BTreeMap::from([("hl7v2".to_owned(), home.dictionary("hl7v2").unwrap().unwrap())]);
        let items = pack::gather(&home, &selection, false).unwrap();
        let Packed::Pack(pack) = pack::pack(items, &selection.targets, &dictionaries, Some(&key())).unwrap() else {
            panic!("blocked");
        };
        let out = folder.path().join(name);
        pack::write(&pack, &out).unwrap();
        out
    };
    let (one, two) = (build("a"), build("deep/er/b"));
    assert_eq!(load::pack_files(&one).unwrap(), load::pack_files(&two).unwrap());
    #[cfg(unix)]
    for name in disk::walk(&one).unwrap() {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(one.join(&name)).unwrap().permissions().mode() & 0o777, 0o644, "{name}");
    }
    let verdict = verify::verify(&one, &publics()).unwrap();
    assert!(verdict.wrong.is_empty() && verdict.entries > 150, "{verdict:?}");
    assert!(diff::diff(&load::entries(&one).unwrap(), &load::entries(&two).unwrap()).is_empty());
    // A folder that is there is not overwritten.
    let pack = packed(items());
    assert!(pack::write(&pack, &one).unwrap_err().to_string().contains("there already"));
}

/// Every file of a pack with one byte changed, removed, and one that is too many: each is refused.
#[test]
fn nothing_can_be_changed() {
    let pack = packed(items());
    for (name, bytes) in &pack.files {
        let mut changed = pack.files.clone();
        let at = bytes.len() / 2;
        changed.get_mut(name).unwrap()[at] ^= 1;
        assert!(!verify::verify_files(&changed, &publics()).wrong.is_empty(), "{name} changed");
        changed.remove(name);
        assert!(!verify::verify_files(&changed, &publics()).wrong.is_empty(), "{name} removed");
    }
    for extra in ["extra", "oci/blobs/sha256/00", "other_seed_corpus.zip"] {
        let mut files = pack.files.clone();
        files.insert(extra.to_owned(), b"x".to_vec());
        assert!(!verify::verify_files(&files, &publics()).wrong.is_empty(), "{extra}");
    }
    let other = PrivateKey::from_seed(Algorithm::P256, &[8; 32]).unwrap().public();
    assert!(!verify::verify_files(&pack.files, &[other]).wrong.is_empty());
}

/// Somebody who may write hashes, but not sign, and somebody who signs what the gate would not pass.
#[test]
fn hashes_that_fit_are_not_enough() {
    let pack = packed(items());
    let resealed = |mut files: BTreeMap<String, Vec<u8>>, sign: bool, entries: &BTreeMap<manifest::Key, Entry>| {
        let signature = files.remove(attest::FILE).unwrap();
        files.remove(pack::SUMS);
        files.insert(pack::SUMS.to_owned(), pack::sums(&files));
        let signature = if sign { attest::sign(&files, pack::predicate(entries), &key()) } else { signature };
        files.insert(attest::FILE.to_owned(), signature);
        files
    };
    // A seed more in the zip, hashes made to fit.
    let mut files = pack.files.clone();
    let more = BTreeMap::from([("0".repeat(40), b"more".to_vec())]);
    files.insert("reader_seed_corpus.zip".to_owned(), zip::write(&more).unwrap());
    for sign in [false, true] {
        let wrong = verify::verify_files(&resealed(files.clone(), sign, &pack.entries), &publics()).wrong;
        assert!(wrong.iter().any(|what| what.contains("seed_corpus")), "{wrong:?}");
    }
    // A manifest that calls a real number clean.
    let bad = made(b"MSH|^~\\&|SYN\rPID|||4711987", Kind::Valid);
    assert!(!bad.answer.is_clean());
    let mut entries = pack.entries.clone();
    let mut entry = bad.entry.clone();
    entry.phi_scan = pack.entries.values().next().unwrap().phi_scan.clone();
    entries.insert(entry.key(), entry.clone());
    let mut archive = tarball::read(&pack.files[pack::ARCHIVE]).unwrap();
    archive.insert(pack::place(&entry), bad.bytes.clone());
    archive.insert(manifest::FILE.to_owned(), manifest::write(&entries));
    let mut files = pack.files.clone();
    files.insert(manifest::FILE.to_owned(), manifest::write(&entries));
    files.insert(pack::ARCHIVE.to_owned(), tarball::write(&archive).unwrap());
    let wrong = verify::verify_files(&resealed(files, true, &entries), &publics()).wrong;
    assert!(wrong.iter().any(|what| what.contains("the gate does not pass it")), "{wrong:?}");
}

#[test]
fn what_is_private_or_unclean_stays() {
    let mut all = items();
    let mut private = made(b"MSH|^~\\&|SYN|private", Kind::Valid);
    private.entry.taint = Taint::Private;
    let mut child = made(b"MSH|^~\\&|SYN|child", Kind::Valid);
    child.entry.parents = Some(BTreeSet::from([private.entry.sha256.clone()]));
    let mut grandchild = made(b"MSH|^~\\&|SYN|grandchild", Kind::Valid);
    grandchild.entry.parents = Some(BTreeSet::from([child.entry.sha256.clone()]));
    let mut orphan = made(b"MSH|^~\\&|SYN|orphan", Kind::Valid);
    orphan.entry.parents = None;
    let hit = made(b"MSH|^~\\&|SYN\rPID|||4711987", Kind::Valid);
    all.extend([private.clone(), child, grandchild, orphan.clone(), hit]);
    let pack = packed(all);
    assert_eq!(pack.left_out, BTreeMap::from([(LeftOut::Tainted, 4), (LeftOut::Hit, 1)]));
    assert_eq!(pack.files, packed(items()).files, "as if they had never been there");
    // Without anything private, nobody's child may go.
    let mut all = items();
    all.push(orphan);
    assert!(packed(all).left_out.is_empty());
    // Committed ones block instead: they are ours to repair.
    let mut committed = made(b"MSH|^~\\&|SYN\rPID|||4711987", Kind::Valid);
    committed.entry.names.insert("seeds/x".to_owned());
    let blocked = pack::pack(vec![committed], &target(), &BTreeMap::new(), None).unwrap();
    assert!(matches!(blocked, Packed::Blocked(list) if list.len() == 1));
}

#[test]
fn imports_have_no_order() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, files) in [("a", ["one", "two"]), ("b", ["two", "three"])] {
        fs::create_dir(at(name)).unwrap();
        for file in files {
            fs::write(at(name).join(format!("Kowalski {file}.hl7")), file).unwrap();
        }
    }
    let open = Terms { licence: Some("CC0-1.0".into()), source: Some("https://example.org/".into()), private: false };
    let import = |store: &str, what: &str, terms: &Terms| {
        import::import(&at(what), "hl7v2", &at(store), terms, &Limits::default()).unwrap()
    };
    let private = Terms::default();
    import("ab", "a", &open);
    let second = import("ab", "b", &private);
    assert_eq!((second.files, second.inputs, second.fresh, second.taint), (2, 2, 1, Taint::Private));
    import("ba", "b", &private);
    import("ba", "a", &open);
    let again = import("ba", "a", &open);
    assert_eq!(again.fresh, 0);
    assert_eq!(load::pack_files(&at("ab")).unwrap(), load::pack_files(&at("ba")).unwrap(), "byte for byte");
    // A licence or a source without text is none.
    for (licence, source) in [("", "https://example.org/"), ("CC0-1.0", " "), ("", "")] {
        let terms = Terms { licence: Some(licence.into()), source: Some(source.into()), private: false };
        let done = import(&format!("blank{licence}{}", source.len()), "a", &terms);
        assert_eq!(done.taint, Taint::Private, "{terms:?}");
    }
    let items = import::load(&at("ab")).unwrap();
    let taints: BTreeMap<&[u8], Taint> = items.iter().map(|item| (item.bytes.as_slice(), item.entry.taint)).collect();
    // What came from both sides is private.
    let expected = [(&b"one"[..], Taint::None), (b"two", Taint::Private), (b"three", Taint::Private)];
    assert_eq!(taints, BTreeMap::from(expected));
    assert!(disk::walk(&at("ab")).unwrap().iter().all(|name| !name.contains("Kowalski")), "names are not kept");
    let changes = diff::diff(&load::entries(&at("ab")).unwrap(), &load::entries(&at("a")).unwrap());
    assert!(changes.iter().any(|change| matches!(change, Change::Removed(entry) if entry.size == 5)), "{changes:?}");
}

/// Debian's skopeo reads the layout, copies it, and refuses it with a byte changed.
#[test]
fn skopeo_carries_the_layout() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    pack::write(&packed(items()), &at("pack")).unwrap();
    let layout = format!("oci:{}:{}", at("pack/oci").display(), oci::TAG);
    let run = |words: &[&str]| {
        let remedy = "apt-get install --no-install-recommends skopeo";
        let output = Command::new("skopeo").args(["--insecure-policy"]).args(words).output();
        output.unwrap_or_else(|error| panic!("skopeo: {error}; {remedy}"))
    };
    let raw = run(&["inspect", "--raw", &layout]);
    assert!(raw.status.success(), "{}", String::from_utf8_lossy(&raw.stderr));
    assert!(String::from_utf8_lossy(&raw.stdout).contains(oci::ARTIFACT_TYPE));
    let copy = format!("oci:{}:{}", at("copy").display(), oci::TAG);
    let copied = run(&["copy", &layout, &copy]);
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    let blobs = |folder: &Path| disk::walk(&folder.join("blobs")).unwrap();
    assert_eq!(blobs(&at("copy")), blobs(&at("pack/oci")), "the same bytes under the same digests");

    let largest = blobs(&at("pack/oci")).into_iter().map(|name| at("pack/oci/blobs").join(name));
    let largest = largest.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    bytes[40] ^= 1;
    fs::write(&largest, bytes).unwrap();
    let refused = run(&["copy", &layout, &format!("oci:{}:x", at("second").display())]);
    assert!(!refused.status.success(), "a changed blob was copied");
    assert!(!verify::verify(&at("pack"), &publics()).unwrap().wrong.is_empty());
}

/// Programs of others open what we write: Python's zipfile and tarfile, and zstd.
#[test]
fn others_read_zip_and_tar() {
    let folder = tempfile::tempdir().unwrap();
    pack::write(&packed(items()), &folder.path().join("pack")).unwrap();
    let script = "import sys, zipfile\n\
                  z = zipfile.ZipFile(sys.argv[1])\n\
                  assert z.testzip() is None\n\
                  assert all(i.date_time == (1980, 1, 1, 0, 0, 0) and not i.extra for i in z.infolist())\n\
                  print(len(z.namelist()))\n";
    let zip = folder.path().join("pack/reader_seed_corpus.zip");
    let output = Command::new("python3").args(["-c", script]).arg(zip).output().expect("apt-get install python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "2");
    let tar = Command::new("tar").args(["--zstd", "-tvf"]).arg(folder.path().join("pack/corpus.tar.zst")).output();
    let tar = tar.expect("apt-get install tar zstd");
    let listing = String::from_utf8_lossy(&tar.stdout).into_owned();
    assert!(tar.status.success(), "{}; apt-get install zstd", String::from_utf8_lossy(&tar.stderr));
    assert!(
        listing.lines().count() == 9 && listing.lines().all(|line| line.starts_with("-rw-r--r-- 0/0")),
        "{listing}"
    );
}

/// What runs collect: pins survive, foreign bytes do not count, and one private import taints the whole session.
#[test]
fn a_session_and_its_taint() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let put = |path: &str, bytes: &[u8]| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let hash = |bytes: &[u8]| autoclave_corpora::digest::sha256(bytes);
    let (seed, found, bomb) = (b"MSH|^~\\&|seed", b"MSH|^~\\&|found", [b'~'; 3000]);
    put("targets/reader/target.toml", b"format = \"hl7v2\"\n");
    put("targets/other/target.toml", b"about = \"no corpus\"\n");
    put("corpora/hl7v2/seeds/a.hl7", seed);
    put(
        "corpora/hl7v2/manifest.tsv",
        format!("# path\nseeds/a.hl7\t{}\t13\tCC0-1.0\tby hand\n", hash(seed)).as_bytes(),
    );
    put(&format!(".autoclave/state/reader/parse/corpus/{}", hash(found)), found);
    put(&format!(".autoclave/state/reader/parse/corpus/{}", hash(b"another")), b"not that");
    put(&format!(".autoclave/state/reader/parse/pinned/{}", hash(&bomb)), &bomb);
    put(".autoclave/state/reader/parse/findings/x.bin", b"MSH|^~\\&|finding");
    let home = autoclave_corpora::source::Home::around(root).unwrap();
    let selection = Selection::of(&home, Some("reader")).unwrap();
    let pack = |collected: bool| {
        let items = pack::gather(&home, &selection, collected).unwrap();
        let Packed::Pack(pack) = pack::pack(items, &selection.targets, &BTreeMap::new(), None).unwrap() else {
            panic!("blocked");
        };
        *pack
    };
    assert_eq!(pack(false).entries.len(), 1);
    let with_session = pack(true);
    let kinds = |pack: &Pack| -> Vec<(Kind, bool, u64)> {
        let mut kinds: Vec<_> = pack.entries.values().map(|entry| (entry.kind, entry.pin, entry.size)).collect();
        kinds.sort();
        kinds
    };
    assert_eq!(kinds(&with_session), [(Kind::Valid, false, 13), (Kind::Valid, false, 14), (Kind::Bomb, true, 3000)]);
    assert!(with_session.files.contains_key("reader-regressions.tar.zst"));
    assert_eq!(verify::verify_files(&with_session.files, &[]).wrong, Vec::<String>::new());

    put("strangers/one.hl7", b"MSH|^~\\&|private");
    let store = home.imports("hl7v2");
    import::import(&root.join("strangers"), "hl7v2", &store, &Terms::default(), &Limits::default()).unwrap();
    let after = pack(true);
    assert_eq!(kinds(&after), [(Kind::Valid, false, 13)], "only what is committed");
    assert_eq!(after.left_out, BTreeMap::from([(LeftOut::Tainted, 3)]));
    assert_eq!(after.files, pack(false).files);

    // A file that the manifest does not name, and one that is not what it says.
    put("corpora/hl7v2/seeds/b.hl7", b"more");
    assert!(home.committed("hl7v2").unwrap_err().to_string().contains("b.hl7 is not in it"));
    fs::remove_file(root.join("corpora/hl7v2/seeds/b.hl7")).unwrap();
    put("corpora/hl7v2/seeds/a.hl7", b"changed");
    assert!(home.committed("hl7v2").unwrap_err().to_string().contains("a.hl7 is not what it says"));
}
