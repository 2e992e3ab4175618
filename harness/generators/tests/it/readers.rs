//! What bombs expand to, as counted by decoders that nobody here wrote, and sizes as published.

use crate::{count, make};
use autoclave_generators::{Expanded, FAMILIES};
use std::io;
use std::process::{Command, Stdio};

/// Bytes that a streaming decoder gives.
fn decoded(name: &str, bytes: &[u8]) -> io::Result<u64> {
    match name.split('-').next().unwrap() {
        "gzip" => count(flate2::read::MultiGzDecoder::new(bytes)),
        "zlib" => count(flate2::read::ZlibDecoder::new(bytes)),
        "deflate" => count(flate2::read::DeflateDecoder::new(bytes)),
        "brotli" => count(brotli::Decompressor::new(bytes, 64 << 10)),
        "zstd" => count(zstd::Decoder::new(bytes)?),
        other => panic!("{other}"),
    }
}

#[test]
fn streaming_decoders_count_what_is_declared() {
    for (name, words) in [
        ("deflate", &["expanded=100MiB"][..]),
        ("deflate", &["expanded=0"]),
        ("deflate-empty-blocks", &[]),
        ("deflate-empty-blocks", &["blocks=1001", "codes=fixed"]),
        ("gzip-empty-blocks", &[]),
        ("gzip-empty-blocks", &["blocks=1002", "codes=fixed"]),
        ("zlib", &["expanded=12345678", "pattern=ones"]),
        ("gzip", &["expanded=10000000", "pattern=brackets"]),
        ("gzip", &["expanded=1"]),
        ("gzip-members", &["members=7", "each=100000"]),
        ("brotli", &["expanded=100000001", "pattern=ones"]),
        ("brotli", &["expanded=16777220", "window=16"]),
        ("zstd", &["expanded=100000001"]),
        ("zstd", &["expanded=131072", "pattern=spaces"]),
        ("zstd", &["expanded=0"]),
    ] {
        let (bytes, made) = make(name, words);
        let counted = decoded(name, &bytes).unwrap_or_else(|error| panic!("{name} {words:?}: {error}"));
        assert_eq!(made.expanded, Expanded::Exact(counted.into()), "{name} {words:?}");
    }
}

#[test]
fn a_gibibyte_in_three_layers_is_streamed_and_counted() {
    let (bytes, made) = make("gzip-nested", &["expanded=1GiB"]);
    let layer = |reader| flate2::read::GzDecoder::new(reader);
    let counted = count(flate2::read::GzDecoder::new(flate2::read::GzDecoder::new(layer(&bytes[..])))).unwrap();
    assert_eq!((counted, made.expanded), (1 << 30, Expanded::Exact(1 << 30)));
}

/// What each bomb weighs and what it becomes, where descriptions of it say so.
#[test]
fn sizes_are_those_published() {
    const GIB: u128 = 1 << 30;
    for (name, words, bytes, expanded) in [
        ("gzip", &["expanded=1GiB"][..], 1_040_000..1_050_000, GIB),
        ("gzip-nested", &["expanded=4GiB", "layers=1"], 4_160_000..4_180_000, 4 * GIB),
        ("gzip-nested", &["expanded=4GiB", "layers=2"], 4_000..6_800, 4 * GIB),
        ("gzip-nested", &["expanded=4GiB", "layers=3"], 100..300, 4 * GIB),
        ("brotli", &["expanded=1GiB"], 800..830, GIB),
        ("zstd", &["expanded=1GiB"], 32_780..32_790, GIB),
        ("zstd", &["expanded=64GiB"], 2_097_100..2_097_200, 64 * GIB),
        ("zstd-window", &["window=41"], 9..10, 0),
        ("zip-overlap-full", &["entries=1000", "each=64MiB"], 114_000..115_000, 1000 * (64 << 20)),
        ("zip-overlap-quoted", &["entries=200", "each=8MiB"], 25_500..25_700, 1_678_378_300),
        ("zip-nested", &["layers=5", "fan=16", "each=4294967295"], 20_000..42_374, (1 << 20) * 0xffff_ffff),
        ("xml-laughs", &["depth=9", "fan=10"], 600..620, 3_000_000_000),
        ("xml-quadratic", &["size=20000"], 80_000..80_200, 400_000_000),
    ] {
        let (_, made) = make(name, words);
        assert!(bytes.contains(&made.bytes), "{name} {words:?}: {} bytes", made.bytes);
        assert_eq!(made.expanded, Expanded::Exact(expanded), "{name} {words:?}");
    }
    // zblg.zip: 9,893,525 bytes, 281,395,456,244,934 expanded. Ours has longer names.
    let (_, made) = make("zip-overlap-quoted", &["entries=65534", "each=4292788525"]);
    let Expanded::Exact(expanded) = made.expanded else { panic!("{made:?}") };
    assert!((281_395_000_000_000..281_400_000_000_000).contains(&expanded), "{made:?}");
    assert!((9_800_000..10_300_000).contains(&made.bytes), "{made:?}");
    // Powers that no counter holds.
    assert_eq!(make("xml-laughs", &["depth=255", "fan=10"]).1.expanded, Expanded::Beyond);
    assert_eq!(make("zip-nested", &["layers=50", "fan=4"]).1.expanded, Expanded::Beyond);
}

#[test]
fn lies_are_read_as_lies() {
    let (bytes, made) = make("zstd-declared", &[]);
    assert_eq!(zstd::zstd_safe::get_frame_content_size(&bytes).unwrap(), Some(64 << 40));
    assert_eq!((made.declared, made.expanded), (Some(64 << 40), Expanded::Exact(1 << 20)));
    assert!(decoded("zstd", &bytes).is_err());

    let (bytes, made) = make("zstd-window", &[]);
    let error = decoded("zstd", &bytes).unwrap_err().to_string();
    assert!(error.contains("memory"), "{error}");
    assert_eq!(made.declared, Some(1 << 41));
    assert_eq!(decoded("zstd", &make("zstd-window", &["window=10"]).0).unwrap(), 0);
}

/// Every file, its checksum compared, its overlap with others taken as it is; names in headers must agree.
fn unzipped(archive: &[u8]) -> Result<Vec<u64>, String> {
    let zip = rawzip::ZipArchive::from_slice(archive).map_err(|error| error.to_string())?;
    let (mut entries, mut sizes) = (zip.entries(), Vec::new());
    while let Some(entry) = entries.next_entry().map_err(|error| error.to_string())? {
        let own = zip.get_entry(entry.wayfinder()).map_err(|error| error.to_string())?;
        if own.local_header().file_path().as_ref() != entry.file_path().as_ref() {
            return Err("names differ".to_owned());
        }
        let reader = own.verifying_reader(flate2::bufread::DeflateDecoder::new(own.data()));
        sizes.push(count(reader).map_err(|error| error.to_string())?);
    }
    Ok(sizes)
}

const ARCHIVES: &[(&str, &[&str], usize)] = &[
    ("zip-deflate", &["entries=3", "each=1MiB"], 3),
    ("zip-overlap-quoted", &["entries=1", "each=0"], 1),
    ("zip-overlap-quoted", &["entries=2", "each=1000"], 2),
    ("zip-overlap-quoted", &["entries=40", "each=1MiB", "pattern=ones"], 40),
    ("zip-quine", &[], 1),
];

#[test]
fn archives_are_accepted_by_a_reader_that_compares_checksums() {
    for (name, words, entries) in ARCHIVES {
        let (bytes, made) = make(name, words);
        let sizes = unzipped(&bytes).unwrap_or_else(|error| panic!("{name} {words:?}: {error}"));
        assert_eq!(sizes.len(), *entries);
        let sum: u64 = sizes.iter().sum();
        match made.expanded {
            Expanded::Endless => assert_eq!(sum, bytes.len() as u64),
            expanded => assert_eq!(expanded, Expanded::Exact(sum.into()), "{name}"),
        }
    }
    // What this reader is for: a wrong checksum, and one file under two names.
    let mut broken = make("zip-overlap-quoted", &["entries=2", "each=1000"]).0;
    broken[14] ^= 1;
    let directory = broken.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    broken[directory + 16] ^= 1;
    assert!(unzipped(&broken).is_err());
    assert_eq!(unzipped(&make("zip-overlap-full", &["each=1000"]).0), Err("names differ".to_owned()));
    // And a directory that is not there.
    assert!(unzipped(&make("zip-end-records", &["records=3"]).0).is_err());
}

#[test]
fn more_than_65535_files_need_zip64_and_have_it() {
    let (bytes, _) = make("zip-overlap-quoted", &["entries=66000", "each=0"]);
    let zip = rawzip::ZipArchive::from_slice(&bytes).unwrap();
    assert_eq!(zip.entries_hint(), 66_000);
    // Sizes beyond four gibibytes, in the fields of both headers.
    let (bytes, made) = make("zip-overlap-quoted", &["entries=2", "each=5GiB"]);
    let zip = rawzip::ZipArchive::from_slice(&bytes).unwrap();
    let (mut entries, mut sum) = (zip.entries(), 0);
    while let Some(entry) = entries.next_entry().unwrap() {
        sum += entry.uncompressed_size_hint();
        assert_eq!(
            zip.get_entry(entry.wayfinder()).unwrap().claim_verifier().uncompressed_size,
            entry.uncompressed_size_hint()
        );
    }
    assert_eq!(made.expanded, Expanded::Exact(sum.into()));
}

/// Python's readers compare checksums, too, and read what no crate here does. Skipped where there is no Python.
#[test]
fn pythons_readers_agree() {
    const SCRIPT: &str = "
import io, lzma, sys, xml.etree.ElementTree as tree, zipfile
def unpack(data):
    if data[:2] != b'PK': return len(data)
    archive = zipfile.ZipFile(io.BytesIO(data))
    return sum(unpack(archive.read(name)) for name in archive.namelist())
for path in sys.argv[1:]:
    data, kind = open(path, 'rb').read(), path.rsplit('.')[-1]
    if kind == 'zip':
        archive = zipfile.ZipFile(io.BytesIO(data))
        print(sum(len(archive.read(name)) for name in archive.namelist()))
    elif kind == 'nested':
        print(unpack(data))
    elif kind == 'xz':
        print(len(lzma.decompress(data)))
    elif kind == 'xml':
        root = tree.fromstring(data)
        print(sum(len(text) for text in root.itertext()) + sum(len(v) for e in root.iter() for v in e.attrib.values()))
";
    if Command::new("python3").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED: there is no python3 to compare with");
        return;
    }
    let others = [
        ("xz", "xz", &["expanded=3MiB"][..]),
        ("xz", "xz", &["expanded=0"]),
        ("nested", "zip-nested", &["layers=2", "fan=3", "each=1000"]),
        ("xml", "xml-laughs", &["depth=3", "fan=4"]),
        ("xml", "xml-laughs", &["depth=3", "fan=4", "place=attribute"]),
        ("xml", "xml-quadratic", &["size=300"]),
        ("xml", "xml-quadratic", &["size=300", "place=attribute"]),
    ];
    let folder = tempfile::tempdir().unwrap();
    let mut python = Command::new("python3");
    python.args(["-c", SCRIPT]);
    let mut expected = Vec::new();
    let archives = ARCHIVES.iter().map(|(name, words, _)| ("zip", *name, *words));
    for (at, (kind, name, words)) in archives.chain(others).enumerate() {
        let (bytes, made) = make(name, words);
        let file = folder.path().join(format!("{at}.{kind}"));
        std::fs::write(&file, &bytes).unwrap();
        python.arg(file);
        expected.push(match made.expanded {
            Expanded::Exact(expanded) => expanded.to_string(),
            Expanded::Endless => bytes.len().to_string(),
            Expanded::Beyond => panic!("{name}"),
        });
    }
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let counted: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(counted, expected, "left: Python; right: ours");
}

/// Exactly so many bytes, at every place where a length needs another digit or a block begins, and somebody else's reader
/// takes all of it.
#[test]
fn sized_documents_have_their_size_and_are_read() {
    let sized = FAMILIES.iter().filter(|family| family.name.starts_with("sized-"));
    let mut asked = 0;
    for family in sized {
        let contents: &[&str] = match family.params().any(|param| param.name == "content") {
            true => &["fhir-json", "hl7v2", "cbor"],
            false => &[""],
        };
        let around = |bytes: u64| (bytes.saturating_sub(24)..bytes + 25).filter(|bytes| *bytes >= 1024);
        let sizes = [1024, 2053, 16_390, 65_544, 2 * 65_541, 131_078, (8 << 20) + 1].into_iter().flat_map(around);
        for (bytes, content) in sizes.flat_map(|bytes| contents.iter().map(move |content| (bytes, content))) {
            if bytes > 1 << 20 && !(bytes - (8 << 20)).is_multiple_of(16) {
                continue;
            }
            let mut words = vec![format!("bytes={bytes}")];
            words.extend((!content.is_empty()).then(|| format!("content={content}")));
            let mut document = Vec::new();
            let made = family.make(&family.parse(&words).unwrap(), &mut document).unwrap();
            assert_eq!((document.len() as u64, made.bytes), (bytes, bytes), "{} {words:?}", family.name);
            let Expanded::Exact(expanded) = made.expanded else { panic!("{}", family.name) };
            let is_read = match family.name {
                "sized-gzip" | "sized-zlib" | "sized-deflate" | "sized-zstd" => {
                    decoded(family.name.trim_start_matches("sized-"), &document).unwrap() == expanded as u64
                }
                "sized-zip" => unzipped(&document).unwrap() == [expanded as u64],
                "sized-json" | "sized-fhir-json" => serde_json::from_slice::<serde_json::Value>(&document).is_ok(),
                "sized-ndjson" => document
                    .split(|byte| *byte == b'\n')
                    .filter(|line| !line.is_empty())
                    .all(|line| serde_json::from_slice::<serde_json::Value>(line).is_ok()),
                "sized-xml" | "sized-fhir-xml" => {
                    let mut reader = quick_xml::Reader::from_reader(&document[..]);
                    loop {
                        match reader.read_event() {
                            Ok(quick_xml::events::Event::Eof) => break true,
                            Ok(_) => {}
                            Err(_) => break false,
                        }
                    }
                }
                "sized-hl7" => {
                    let mut segments = document.split(|byte| *byte == b'\r');
                    segments.next().unwrap().starts_with(b"MSH|")
                        && segments.all(|segment| segment.is_empty() || (segment[3] == b'|' && segment.len() < 2000))
                }
                // Readers in wasm take both (the contract of the harness).
                "sized-protobuf" | "sized-cbor" => true,
                other => panic!("nobody reads {other}"),
            };
            assert!(is_read, "{} {words:?}", family.name);
            asked += 1;
        }
    }
    assert!(asked > 5000, "{asked}");
}
