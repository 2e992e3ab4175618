//! Archives that were made to harm: each is refused, with what is wrong, and leaves nothing behind.

use autoclave_corpora::archive;
use autoclave_corpora::import::{self, Terms};
use autoclave_corpora::zip::{self, Limits};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A member as a hostile writer may describe it.
#[derive(Clone)]
struct Member {
    name: Vec<u8>,
    local_name: Option<Vec<u8>>,
    data: Vec<u8>,
    method: u16,
    flags: u16,
    size: u32,
    crc: u32,
    mode: u32,
    extra: Vec<u8>,
    /// Points to the member before it.
    shares: bool,
}

fn member(name: &str, content: &[u8]) -> Member {
    Member {
        name: name.as_bytes().to_vec(),
        local_name: None,
        data: content.to_vec(),
        method: 0,
        flags: 0,
        size: content.len() as u32,
        crc: crc32fast::hash(content),
        mode: 0o100_644,
        extra: Vec::new(),
        shares: false,
    }
}

fn archive_of(members: &[Member]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    let mut offset = 0;
    for m in members {
        let common = |name: &[u8], out: &mut Vec<u8>| {
            out.extend(20_u16.to_le_bytes());
            out.extend(m.flags.to_le_bytes());
            out.extend(m.method.to_le_bytes());
            out.extend([0, 0, 0x21, 0]);
            out.extend(m.crc.to_le_bytes());
            out.extend((m.data.len() as u32).to_le_bytes());
            out.extend(m.size.to_le_bytes());
            out.extend((name.len() as u16).to_le_bytes());
            out.extend((m.extra.len() as u16).to_le_bytes());
        };
        if !m.shares {
            offset = out.len() as u32;
            out.extend(b"PK\x03\x04");
            let name = m.local_name.as_ref().unwrap_or(&m.name);
            common(name, &mut out);
            out.extend(name);
            out.extend(&m.extra);
            out.extend(&m.data);
        }
        directory.extend(b"PK\x01\x02");
        directory.extend((3_u16 << 8 | 20).to_le_bytes());
        common(&m.name, &mut directory);
        directory.extend([0; 6]);
        directory.extend((m.mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(&m.name);
        directory.extend(&m.extra);
    }
    let start = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend((members.len() as u16).to_le_bytes());
    out.extend((members.len() as u16).to_le_bytes());
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0; 2]);
    out
}

/// Refused, with these words.
#[track_caller]
fn refused(bytes: &[u8], words: &str) {
    match archive::unpack(bytes, &Limits::default()) {
        Ok(contents) => panic!("taken: {} files; expected: {words}", contents.len()),
        Err(what) => assert!(what.contains(words), "{what}; expected: {words}"),
    }
}

#[test]
fn a_plain_archive_is_taken() {
    let plain = archive_of(&[member("b.json", b"{}"), member("a/c", b"x"), member("a/", b"")]);
    assert_eq!(archive::unpack(&plain, &Limits::default()).unwrap(), [b"x".to_vec(), b"{}".to_vec()]);
    let text = b"MSH|".repeat(100);
    let packed = Member {
        data: deflated(&text),
        method: 8,
        size: text.len() as u32,
        crc: crc32fast::hash(&text),
        ..member("a", b"")
    };
    assert_eq!(archive::unpack(&archive_of(&[packed]), &Limits::default()).unwrap(), [text]);
    let ours = zip::write(&BTreeMap::from([("a".to_owned(), b"x".to_vec())])).unwrap();
    assert_eq!(archive::unpack(&ours, &Limits::default()).unwrap(), [b"x"]);
}

#[test]
fn names_that_lead_out_of_a_zip() {
    for name in [
        "../x",
        "a/../../x",
        "..\\x",
        "/x",
        "C:\\x",
        "c:/x",
        "\\\\host\\share\\x",
        "%2e%2e/x",
        "..%2fx",
        "%2e%2e%5cx",
        "．．/x",
        "a\0/x",
        "CON",
        "aux.json",
        "NUL",
        "a.",
        "a ",
        "a/./x",
    ] {
        let bytes = archive_of(&[member("good", b"1"), member(name, b"x")]);
        let what = archive::unpack(&bytes, &Limits::default()).expect_err(name);
        assert!(what.contains("name") && what.contains("rename it"), "{name:?}: {what}");
    }
    refused(&archive_of(&[member("a", b"1"), member("A", b"2")]), "there twice");
    refused(&archive_of(&[member("a", b"1"), member("a", b"2")]), "there twice");
    refused(&archive_of(&[member("ａ", b"1"), member("a", b"2")]), "there twice");
}

#[test]
fn members_that_lie() {
    let good = member("a", b"content");
    refused(&archive_of(&[Member { local_name: Some(b"b".to_vec()), ..good.clone() }]), "before its data");
    refused(&archive_of(&[Member { flags: 1, ..good.clone() }]), "encrypted");
    refused(&archive_of(&[Member { size: 3, ..good.clone() }]), "size is not what");
    refused(&archive_of(&[Member { size: 9, ..good.clone() }]), "size is not what");
    refused(&archive_of(&[Member { crc: 1, ..good.clone() }]), "checksum");
    refused(&archive_of(&[Member { mode: 0o120_777, ..good.clone() }]), "a link");
    refused(&archive_of(&[Member { mode: 0o020_666, ..good.clone() }]), "neither a file nor a folder");
    refused(&archive_of(&[Member { method: 12, ..good.clone() }]), "method 12");
    refused(&archive_of(&[Member { extra: b"\x75\x70\x01\0x".to_vec(), ..good.clone() }]), "a second name");
    refused(&archive_of(&[Member { extra: b"\x01\0\x08\0\0\0\0\0\0\0\0\0".to_vec(), ..good.clone() }]), "64 bits");
    refused(
        &archive_of(&[good.clone(), Member { name: b"b".to_vec(), local_name: None, shares: true, ..good.clone() }]),
        "before its data",
    );
    let trailing = [archive_of(std::slice::from_ref(&good)), b"x".to_vec()].concat();
    refused(&trailing, "behind its end");
    let two = [archive_of(std::slice::from_ref(&good)), archive_of(std::slice::from_ref(&good))].concat();
    refused(&two, "does not end where its end begins");
    refused(&archive_of(&[good])[..40], "breaks off");
    refused(b"PK", "no zip file");
}

#[test]
fn bombs_are_refused_before_they_are_unpacked() {
    let zeros = vec![0; 8 << 20];
    let bomb = Member {
        data: deflated(&zeros),
        method: 8,
        size: zeros.len() as u32,
        crc: crc32fast::hash(&zeros),
        ..member("z", b"")
    };
    refused(&archive_of(std::slice::from_ref(&bomb)), "bomb");
    // It says that it is small.
    refused(&archive_of(&[Member { size: 100, ..bomb.clone() }]), "directory says");
    // It says that it is huge.
    refused(&archive_of(&[Member { size: u32::MAX - 1, ..bomb }]), "too large");
    // Many names for one content, by quoting headers: ranges overlap.
    let inner = archive_of(&[member("b", b"xyz")]);
    let mut outer = archive_of(&[member("a", &inner)]);
    let end = outer.len() - 22;
    let count = outer.len();
    // A second entry of the directory that points into the first member's data.
    let directory = u32::from_le_bytes(outer[end + 16..end + 20].try_into().unwrap()) as usize;
    let mut second = archive_of(&[member("b", b"xyz")]);
    let inner_directory = 30 + 1 + 3;
    let mut entry = second.split_off(inner_directory)[..47].to_vec();
    entry[42..46].copy_from_slice(&31_u32.to_le_bytes());
    outer.splice(end..end, entry.iter().copied());
    let end = end + entry.len();
    outer[end + 8..end + 10].copy_from_slice(&2_u16.to_le_bytes());
    outer[end + 10..end + 12].copy_from_slice(&2_u16.to_le_bytes());
    let length = (end - directory) as u32;
    outer[end + 12..end + 16].copy_from_slice(&length.to_le_bytes());
    assert_eq!(outer.len(), count + entry.len());
    refused(&outer, "overlap");
    // gzip and zstd around a tar, or around nothing.
    // Two blocks of zeros end a tar: what follows is never unpacked.
    refused(&gzipped(&zeros), "no files");
    refused(&zstd::stream::encode_all(&zeros[..], 3).unwrap(), "no files");
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_path("z").unwrap();
    header.set_size(zeros.len() as u64);
    header.set_cksum();
    tar.append(&header, &zeros[..]).unwrap();
    refused(&gzipped(&tar.into_inner().unwrap()), "bomb");
}

/// A million entries are counted before any is read; archives in archives stay packed.
#[test]
fn crowds_and_russian_dolls() {
    let mut crowd = archive_of(&[member("a", b"x")]);
    let end = crowd.len() - 22;
    crowd[end + 8..end + 12].copy_from_slice(&[0xff, 0xfe, 0xff, 0xfe]);
    let few = Limits { entries_max: 1000, ..Limits::default() };
    assert!(archive::unpack(&crowd, &few).unwrap_err().contains("65279 members"));
    let mut tar = tar::Builder::new(Vec::new());
    for number in 0..1001 {
        let mut header = tar::Header::new_ustar();
        header.set_path(format!("f{number}")).unwrap();
        header.set_size(0);
        header.set_cksum();
        tar.append(&header, &b""[..]).unwrap();
    }
    assert!(archive::unpack(&tar.into_inner().unwrap(), &few).unwrap_err().contains("more than 1000"));
    let mut doll = archive_of(&[member("a", b"x")]);
    for _ in 0..50 {
        doll = archive_of(&[member("doll.zip", &doll)]);
    }
    let contents = archive::unpack(&doll, &Limits::default()).unwrap();
    assert!(contents.len() == 1 && contents[0].starts_with(b"PK"), "one layer, whatever is inside");
}

#[test]
fn members_of_tar_that_are_no_files() {
    use tar::EntryType;
    for (kind, words) in [
        (EntryType::Symlink, "a link"),
        (EntryType::Link, "a link"),
        (EntryType::Char, "a device"),
        (EntryType::Block, "a device"),
        (EntryType::Fifo, "a pipe"),
        (EntryType::GNUSparse, "sparse"),
    ] {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_path("x").unwrap();
        header.set_entry_type(kind);
        header.set_link_name("/etc/passwd").unwrap();
        header.set_size(0);
        header.set_cksum();
        tar.append(&header, &b""[..]).unwrap();
        let bytes = tar.into_inner().unwrap();
        let what = archive::unpack(&bytes, &Limits::default()).unwrap_err();
        assert!(what.contains(words) || kind == EntryType::GNUSparse, "{kind:?}: {what}");
    }
    for name in ["../x", "/x", "a/../x", "C:x", "CON", "a\\b"] {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(EntryType::Regular);
        header.set_size(1);
        header.set_cksum();
        let mut tar = tar::Builder::new(Vec::new());
        tar.append(&header, &b"x"[..]).unwrap();
        let bytes = tar.into_inner().unwrap();
        refused(&bytes, "name");
        refused(&gzipped(&bytes), "name");
    }
    // Larger than what follows.
    let mut header = tar::Header::new_ustar();
    header.set_path("x").unwrap();
    header.set_size(4096);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend([b'x'; 100]);
    assert!(archive::unpack(&bytes, &Limits::default()).is_err());
    refused(b"\xfd7zXZ\0", "xz -d");
    refused(b"neither", "a zip, a tar");
}

/// Whole or not at all: what is refused changes nothing in the store.
#[test]
fn a_store_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("good.zip"), archive_of(&[member("a", b"one")])).unwrap();
    fs::write(at("bad.zip"), archive_of(&[member("b", b"two"), member("../c", b"three")])).unwrap();
    let import = |name: &str| import::import(&at(name), "json", &at("store"), &Terms::default(), &Limits::default());
    import("good.zip").unwrap();
    let before = autoclave_corpora::load::pack_files(&at("store")).unwrap();
    let error = import("bad.zip").unwrap_err().to_string();
    assert!(error.contains("bad.zip") && error.contains("rename it"), "{error}");
    assert_eq!(autoclave_corpora::load::pack_files(&at("store")).unwrap(), before);
    assert_eq!(fs::read_dir(at("store")).unwrap().count(), 1);
    #[cfg(unix)]
    {
        fs::create_dir(at("folder")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", at("folder/x")).unwrap();
        assert!(import("folder").unwrap_err().to_string().contains("a link"));
    }
}
