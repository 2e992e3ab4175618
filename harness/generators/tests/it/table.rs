//! What must hold for every family of the table: names, sizes, repetition, refusal.

use crate::make;
use autoclave_generators::{Expanded, FAMILIES, Family, GeneratorError, Kind, Params, Range, Value, Wrap, family};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Every number at most five, where it may.
fn small(family: &'static Family) -> Params {
    let mut params = family.defaults();
    for (param, value) in family.defaults().iter() {
        if let (Range::Number { min, .. }, Value::Number(default)) = (param.range, value) {
            params = params.with(param.name, default.min(min.max(5))).unwrap();
        }
    }
    params
}

#[test]
fn entries_of_the_table_are_complete() {
    let names: BTreeSet<&str> = FAMILIES.iter().map(|family| family.name).collect();
    assert_eq!(names.len(), FAMILIES.len(), "two families have one name");
    for family in FAMILIES {
        let is_kebab = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        assert!(is_kebab(family.name), "{}", family.name);
        assert!(family.about.len() > 15 && !family.about.ends_with('.'), "{}: {}", family.name, family.about);
        assert!(family.source.len() > 8, "{}: {}", family.name, family.source);
        let params: BTreeSet<&str> = family.params().map(|param| param.name).collect();
        assert_eq!(params.len(), family.params().count(), "{}: two parameters have one name", family.name);
        for param in family.params() {
            assert!(is_kebab(param.name) && param.about.len() > 3, "{} {}", family.name, param.name);
            match (param.range, param.default()) {
                (Range::Number { min, max, unit, .. }, Value::Number(default)) => {
                    assert!((min..=max).contains(&default) && min < max, "{} {}", family.name, param.name);
                    assert!(!unit.is_empty(), "{} {}", family.name, param.name);
                }
                (Range::Choice { of, .. }, Value::Choice(default)) => assert!(of.len() > 1 && of.contains(&default)),
                other => panic!("{} {}: {other:?}", family.name, param.name),
            }
        }
        if let Some(scale) = family.scale {
            let is_number = |param: &&autoclave_generators::Param| matches!(param.range, Range::Number { .. });
            assert!(family.params().filter(is_number).any(|param| param.name == scale), "{}: {scale}", family.name);
        }
    }
    let kinds: BTreeSet<Kind> = FAMILIES.iter().map(|family| family.kind).collect();
    assert_eq!(kinds, Kind::ALL.into(), "left: kinds with a family; right: all kinds");
}

#[test]
fn defaults_and_small_inputs_are_made_twice_alike_and_counted_right() {
    for family in FAMILIES {
        for params in [family.defaults(), small(family)] {
            let mut first = Hash::default();
            let made = family.make(&params, &mut first).unwrap_or_else(|error| panic!("{}: {error}", family.name));
            let mut second = Hash::default();
            let again = family.make(&params, &mut second).unwrap();
            assert_eq!(made.bytes, first.bytes, "{}", family.name);
            let hashes = (first.hash.finalize(), second.hash.finalize());
            assert!(made == again && hashes.0 == hashes.1, "{}: not the same twice", family.name);
            assert!((1..=64 << 20).contains(&made.bytes), "{}: {} bytes", family.name, made.bytes);
            assert_eq!(made.kind, family.kind);
            if made.declared.is_none() && matches!(family.kind, Kind::Json | Kind::FhirJson | Kind::Hl7v2 | Kind::Cbor)
            {
                assert_eq!(made.expanded, Expanded::Exact(made.bytes.into()), "{}", family.name);
            }
        }
    }
}

#[test]
fn what_is_not_compressed_can_be_wrapped() {
    for family in FAMILIES {
        let is_wrappable = family.params().any(|param| param.name == "wrap");
        let is_compressed =
            matches!(family.kind.name(), "gzip" | "zlib" | "deflate" | "brotli" | "zstd" | "xz" | "zip");
        assert_eq!(is_wrappable, !is_compressed, "{}", family.name);
        if !is_wrappable {
            continue;
        }
        let plain = small(family);
        let mut expected = Vec::new();
        let whole = family.make(&plain, &mut expected).unwrap();
        for (wrap, kind) in [
            ("gzip", Kind::Gzip),
            ("brotli", Kind::Brotli),
            ("zstd", Kind::Zstd),
            ("zlib", Kind::Zlib),
            ("deflate", Kind::Deflate),
            ("xz", Kind::Xz),
            ("zip", Kind::Zip),
        ] {
            let mut words: Vec<String> = plain.words().collect();
            words.push(format!("wrap={wrap}"));
            let params = family.parse(&words).unwrap();
            let mut wrapped = Vec::new();
            let made = family.make(&params, &mut wrapped).unwrap();
            assert_eq!((made.kind, made.expanded, made.declared), (kind, whole.expanded, whole.declared));
            let mut read = Vec::new();
            match params.wrap() {
                Wrap::Gzip => io::copy(&mut flate2::read::GzDecoder::new(&wrapped[..]), &mut read),
                Wrap::Brotli => io::copy(&mut brotli::Decompressor::new(&wrapped[..], 4096), &mut read),
                Wrap::Zstd => io::copy(&mut zstd::Decoder::new(&wrapped[..]).unwrap(), &mut read),
                Wrap::Zlib => io::copy(&mut flate2::read::ZlibDecoder::new(&wrapped[..]), &mut read),
                Wrap::Deflate => io::copy(&mut flate2::read::DeflateDecoder::new(&wrapped[..]), &mut read),
                Wrap::Xz => io::copy(&mut lzma_rust2::XzReader::new(&wrapped[..], false), &mut read),
                Wrap::Zip => unzipped(&wrapped, &mut read),
                Wrap::None => panic!("{wrap}"),
            }
            .unwrap();
            assert!(read == expected, "{} in {wrap}: {} and {} bytes", family.name, read.len(), expected.len());
        }
    }
}

#[test]
fn the_scale_parameter_reaches_sizes_and_doubles_them() {
    let wished = 128 << 10;
    for family in FAMILIES {
        let Some(scale) = family.scale else {
            let error = family.sized(&family.defaults(), 1 << 16).unwrap_err();
            assert!(matches!(error, GeneratorError::NoSuchSize { .. }), "{}: {error}", family.name);
            continue;
        };
        // Kernels and dictionaries of entities are larger than what is wished here.
        let base = match family.name {
            "zip-deflate" => family.parse(&["each=1MiB"]),
            "zip-overlap-full" | "zip-overlap-quoted" => family.parse(&["each=64KiB"]),
            "xml-laughs" => family.parse(&["depth=4"]),
            _ => Ok(family.defaults()),
        }
        .unwrap();
        let bytes = |params: &Params| family.make(params, &mut io::sink()).unwrap().bytes;
        let params = family.sized(&base, wished).unwrap_or_else(|error| panic!("{error}"));
        let found = bytes(&params);
        assert!(found.abs_diff(wished) * 20 <= wished, "{}: {found} of {wished} wished", family.name);
        let value = params.iter().find(|(param, _)| param.name == scale).map(|(_, value)| value);
        let Some(Value::Number(value)) = value else { panic!("{}: {scale}", family.name) };
        let doubled = bytes(&params.with(scale, value * 2).unwrap());
        let ratio = doubled as f64 / found as f64;
        assert!((1.9..=2.1).contains(&ratio), "{}: {found} and {doubled} bytes", family.name);
    }
}

#[test]
fn sizes_that_cannot_be_are_refused_with_the_nearest() {
    for (name, words, bytes, why) in [
        ("zip-overlap-quoted", &["each=1MiB"][..], 100, "the smallest has 1"),
        ("fhir-bundle", &["wrap=gzip"], 1000, "wrapped"),
        ("zstd-window", &[], 1000, "its size stands"),
        ("gzip-members", &["each=0"], u64::MAX, "the largest has"),
    ] {
        let (family, params) = crate::params(name, words);
        let error = family.sized(&params, bytes).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains(name), "{error}");
    }
}

#[test]
fn a_writer_that_fails_ends_the_work() {
    /// Takes some bytes, then no more; counts who goes on asking.
    struct Full {
        left: usize,
        refused: usize,
    }
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.left);
            self.left -= taken;
            if taken == 0 && !bytes.is_empty() {
                self.refused += 1;
                return Err(io::ErrorKind::StorageFull.into());
            }
            Ok(taken)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for family in FAMILIES {
        // As large as it can be: whoever did not stop would be at it for hours.
        let mut params = family.defaults();
        if let Some(scale) = family.scale {
            let (param, _) = params.iter().find(|(param, _)| param.name == scale).unwrap();
            let Range::Number { max, .. } = param.range else { panic!("{scale}") };
            let largest = match family.name {
                // Lengths that come first: all is computed before the first byte.
                "zip-overlap-quoted" | "protobuf-nested" => max.min(1 << 16),
                // No more than are declared.
                "protobuf-packed-lie" => 1 << 30,
                _ => max,
            };
            params = params.with(scale, largest).unwrap();
        }
        // Brotli's encoder takes megabytes before it gives a byte: one family shows that it stops, too.
        let is_slow = family.name != "cbor-tags";
        for wrap in ["none", "gzip", "zstd", "brotli"].into_iter().take(if is_slow { 3 } else { 4 }) {
            let words: Vec<String> = params.words().filter(|word| !word.starts_with("wrap=")).collect();
            let is_plain = words.len() < params.words().count();
            let words = if is_plain { [words, vec![format!("wrap={wrap}")]].concat() } else { words };
            let params = family.parse(&words).unwrap();
            let mut full = Full { left: 5, refused: 0 };
            let error = family.make(&params, &mut full).unwrap_err();
            let GeneratorError::Io(error) = error else { panic!("{}: {error}", family.name) };
            assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{} in {wrap}", family.name);
            assert!(full.refused < 10, "{} in {wrap}: asked {} times more", family.name, full.refused);
            if !is_plain {
                break;
            }
        }
    }
}

#[test]
fn wrong_words_are_refused_with_what_is_right() {
    for (name, word, expected) in [
        ("gzip", "expandd=1", "did you mean `expanded`?"),
        ("gzip", "x=1", "it has: expanded, pattern"),
        ("gzip", "expanded", "not of the form name=value"),
        ("gzip", "expanded=70368744177665", "takes 0 to 70368744177664 bytes"),
        ("gzip", "expanded=-1", "takes 0 to"),
        ("gzip", "expanded=\x1b[2J", "\\u{1b}"),
        ("gzip", "pattern=zeroes", "did you mean `zeros`?"),
        ("gzip", "wrap=gzip", "has no parameter `wrap`"),
        ("fhir-bundle", "wrap=rar", "takes one of none, gzip, brotli, zstd"),
        ("zstd-window", "window=42", "takes 10 to 41 log2 of bytes"),
    ] {
        let error = family(name).unwrap().parse(&[word]).err().unwrap_or_else(|| panic!("{word} is taken"));
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!error.to_string().contains('\x1b'));
    }
    let error = family("gzip-nestd").err().unwrap().to_string();
    assert!(error.contains("did you mean `gzip-nested`?"), "{error}");
    assert!(family(&"x".repeat(1 << 20)).err().unwrap().to_string().len() < 300);
    let error = make_error("protobuf-packed-lie", &["declared=3", "values=3"]);
    assert!(error.contains("fewer must follow"), "{error}");
    let error = make_error("zip-nested", &["fan=4096", "layers=64", "each=64GiB"]);
    assert!(error.contains("larger than 64 MiB"), "{error}");
}

fn make_error(name: &str, words: &[&str]) -> String {
    let (family, params) = crate::params(name, words);
    family.make(&params, &mut io::sink()).unwrap_err().to_string()
}

#[test]
fn kinds_are_read_as_formats() {
    for (kind, format, expected) in [
        (Kind::Json, "fhir-json", true),
        (Kind::FhirJson, "fhir-json", true),
        (Kind::FhirJson, "json", false),
        (Kind::Xml, "fhir-xml", true),
        (Kind::Ndjson, "fhir-ndjson", true),
        (Kind::Gzip, "gzip", true),
        (Kind::Gzip, "fhir-json", false),
    ] {
        assert_eq!(kind.is_read_as(format), expected, "{kind:?} as {format}");
    }
    assert_eq!(make("typical-hl7-batch", &["messages=1"]).1.kind.extension(), "hl7");
}

/// A hash of what passes, so that defaults of megabytes need not be kept.
#[derive(Default)]
struct Hash {
    hash: Sha256,
    bytes: u64,
}

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len() as u64;
        self.hash.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The only file of an archive, checked against its sum by a reader that is not ours.
fn unzipped(archive: &[u8], read: &mut Vec<u8>) -> io::Result<u64> {
    let zip = rawzip::ZipArchive::from_slice(archive).map_err(io::Error::other)?;
    let mut files = zip.entries();
    let file = files.next_entry().map_err(io::Error::other)?.expect("one file");
    assert!(files.next_entry().unwrap().is_none());
    let entry = zip.get_entry(file.wayfinder()).map_err(io::Error::other)?;
    io::copy(&mut entry.verifying_reader(flate2::read::DeflateDecoder::new(entry.data())), read)
}
