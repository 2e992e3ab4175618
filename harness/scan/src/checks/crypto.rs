//! Cryptography by its constants: tables in data, words in code, names of functions. What is weak fails; what is sound is
//! a warning until a vetted implementation of it is named.

use crate::facts::Core;
use crate::subject::Subject;
use crate::{Answer, Context, Finding, Row};
use autoclave_reports::Severity;
use std::collections::BTreeSet;

/// An algorithm, and what only it has.
struct Algorithm {
    name: &'static str,
    is_weak: bool,
    /// Any of these stands in data.
    tables: &'static [&'static [u8]],
    /// All of these stand in one function.
    words: &'static [u64],
    /// Words in the names of functions.
    names: &'static [&'static str],
}

/// Standards, and the sources of constants without one.
const ALGORITHMS: &[Algorithm] = &[
    // RFC 1321, table T.
    Algorithm {
        name: "MD5",
        is_weak: true,
        tables: &[b"\x78\xa4\x6a\xd7\x56\xb7\xc7\xe8\xdb\x70\x20\x24\xee\xce\xbd\xc1"],
        words: &[0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee],
        names: &["md5"],
    },
    // FIPS 180-4, 4.2.1; with RIPEMD-160 it shares the first three.
    Algorithm {
        name: "SHA-1",
        is_weak: true,
        tables: &[b"\x99\x79\x82\x5a\xa1\xeb\xd9\x6e\xdc\xbc\x1b\x8f\xd6\xc1\x62\xca"],
        words: &[0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc, 0xca62_c1d6],
        names: &["sha1"],
    },
    // FIPS 46-3: the first S-box by rows, and the table of S-box and permutation that implementations share.
    Algorithm {
        name: "DES",
        is_weak: true,
        tables: &[
            b"\x0e\x04\x0d\x01\x02\x0f\x0b\x08\x03\x0a\x06\x0c\x05\x09\x00\x07\x00\x0f\x07\x04",
            b"\x00\x04\x01\x01\x00\x00\x00\x00\x00\x00\x01\x00\x04\x04\x01\x01\x04\x00\x01\x01",
            b"\x3a\x32\x2a\x22\x1a\x12\x0a\x02\x3c\x34\x2c\x24\x1c\x14\x0c\x04",
        ],
        words: &[],
        names: &["des3", "tripledes"],
    },
    // Its table is made while it runs: only names tell.
    Algorithm { name: "RC4", is_weak: true, tables: &[], words: &[], names: &["rc4", "arcfour"] },
    // RFC 2268, PITABLE.
    Algorithm {
        name: "RC2",
        is_weak: true,
        tables: &[b"\xd9\x78\xf9\xc4\x19\xdd\xb5\xed\x28\xe9\xfd\x79\x4a\xa0\xd8\x9d"],
        words: &[],
        names: &[],
    },
    // Its table is another than MD5's: RFC 1319, section 3.2.
    Algorithm {
        name: "MD2",
        is_weak: true,
        tables: &[b"\x29\x2e\x43\xc9\xa2\xd8\x7c\x01\x3d\x36\x54\xa1\xec\xf0\x06\x13"],
        words: &[],
        names: &[],
    },
    // FIPS 197: S-box, its inverse, and the first words of the tables of its fast form, in both orders.
    Algorithm {
        name: "AES",
        is_weak: false,
        tables: &[
            b"\x63\x7c\x77\x7b\xf2\x6b\x6f\xc5\x30\x01\x67\x2b\xfe\xd7\xab\x76",
            b"\x52\x09\x6a\xd5\x30\x36\xa5\x38\xbf\x40\xa3\x9e\x81\xf3\xd7\xfb",
            b"\xa5\x63\x63\xc6\x84\x7c\x7c\xf8\x99\x77\x77\xee",
            b"\xc6\x63\x63\xa5\xf8\x7c\x7c\x84\xee\x77\x77\x99",
        ],
        words: &[],
        names: &[],
    },
    // FIPS 180-4, 4.2.2 and 4.2.3, as words in either order.
    Algorithm {
        name: "SHA-256",
        is_weak: false,
        tables: &[
            b"\x98\x2f\x8a\x42\x91\x44\x37\x71\xcf\xfb\xc0\xb5\xa5\xdb\xb5\xe9",
            b"\x42\x8a\x2f\x98\x71\x37\x44\x91\xb5\xc0\xfb\xcf\xe9\xb5\xdb\xa5",
        ],
        words: &[0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
        names: &[],
    },
    Algorithm {
        name: "SHA-512",
        is_weak: false,
        tables: &[
            b"\x22\xae\x28\xd7\x98\x2f\x8a\x42\xcd\x65\xef\x23\x91\x44\x37\x71",
            b"\x42\x8a\x2f\x98\xd7\x28\xae\x22\x71\x37\x44\x91\x23\xef\x65\xcd",
        ],
        words: &[0x428a_2f98_d728_ae22, 0x7137_4491_23ef_65cd],
        names: &[],
    },
    // RFC 8439, 2.3; Salsa20 has the same.
    Algorithm {
        name: "ChaCha or Salsa",
        is_weak: false,
        tables: &[b"expand 32-byte k"],
        words: &[0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574],
        names: &[],
    },
    // RFC 7693, 2.7: the second row of the order of words.
    Algorithm {
        name: "BLAKE2",
        is_weak: false,
        tables: &[b"\x0e\x0a\x04\x08\x09\x0f\x0d\x06\x01\x0c\x00\x02\x0b\x07\x05\x03"],
        words: &[],
        names: &[],
    },
    // FIPS 202, 3.2.5: constants of three rounds.
    Algorithm {
        name: "SHA-3",
        is_weak: false,
        tables: &[b"\x82\x80\x00\x00\x00\x00\x00\x00\x8a\x80\x00\x00\x00\x00\x00\x80\x00\x80\x00\x80\x00\x00\x00\x80"],
        words: &[0x8000_0000_0000_808a, 0x8000_0000_8000_8000, 0x8000_0000_8000_8081],
        names: &[],
    },
    // RIPEMD-160: the fifth word of the left line, and words of the right one.
    Algorithm {
        name: "RIPEMD-160",
        is_weak: false,
        tables: &[],
        words: &[0xa953_fd4e, 0x50a2_8be6, 0x5c4d_d124, 0x6d70_3ef3],
        names: &[],
    },
    // The digits of pi that begin its boxes.
    Algorithm {
        name: "Blowfish",
        is_weak: false,
        tables: &[b"\xa6\x0b\x31\xd1\xac\xb5\xdf\x98\xdb\x72\xfd\x2f\xb7\xdf\x1a\xd0"],
        words: &[],
        names: &[],
    },
];

/// Libraries that others have examined, by what they leave in names and paths.
const VETTED: &[&str] = &[
    "sha2-0.",
    "sha2::",
    "sha3::",
    "sha3-0.",
    "aes::",
    "aes-0.",
    "aes-gcm",
    "chacha20::",
    "chacha20-0.",
    "chacha20poly1305",
    "blake2::",
    "blake2-0.",
    "ring-0.",
    "aws-lc",
    "aws_lc",
    "boringssl",
    "BoringSSL",
    "OpenSSL",
    "openssl",
    "EVP_",
    "libsodium",
    "crypto_secretbox",
    "crypto_aead_",
    "mbedtls",
    "br_sha",
    "br_aes",
    "Hacl_",
    "EverCrypt",
    "libgcrypt",
    "wolfSSL",
];

/// Bytes of names and of data in which the name of a library is looked for.
const NAMES_BYTES_MAX: usize = 64 << 20;

/// Which algorithms are there, and whose.
pub fn constants(subject: &Subject, _: &Context<'_>, _: &[Row]) -> Answer {
    let mut found = Vec::new();
    let vetted = vetted(subject);
    for algorithm in ALGORITHMS {
        let Some(place) = subject.facts.cores.iter().find_map(|core| place(subject, core, algorithm)) else { continue };
        let name = algorithm.name;
        match (algorithm.is_weak, &vetted) {
            (true, _) => {
                found.push(Finding::new("", Severity::Medium, format!("{name}, which is broken: {}", place.0), place.1))
            }
            (false, Some(_)) => {}
            (false, None) => {
                let what = format!("{name} of nobody knows whom: {}, and no vetted library is named", place.0);
                found.push(Finding::new("", Severity::Info, what, place.1));
            }
        }
    }
    Answer::Judged(found)
}

/// How it shows, and where.
fn place(subject: &Subject, core: &Core, algorithm: &Algorithm) -> Option<(String, String)> {
    for (number, data) in core.data.iter().enumerate() {
        let Some(bytes) = subject.bytes.get(data.offset..data.offset + data.bytes) else { continue };
        for table in algorithm.tables {
            if let Some(at) = memchr::memmem::find(bytes, table) {
                let location = format!("data segment {number}, {:#x} of the file", data.offset + at);
                return Some(("its table".to_owned(), location));
            }
        }
    }
    let shown = |index: u32| match core.names.get(&index) {
        Some(name) => format!("function {index} {name}"),
        None => format!("function {index}"),
    };
    if !algorithm.words.is_empty() {
        let holds = |words: &[u64]| algorithm.words.iter().all(|word| words.binary_search(word).is_ok());
        let with = core.constants.iter().find(|(_, words)| holds(words) || holds(&low_halves(words)));
        if let Some((index, _)) = with {
            return Some(("its constants".to_owned(), shown(*index)));
        }
    }
    let exports = core.exports.iter().filter(|export| export.kind == "function").map(|export| export.name.as_str());
    let named = |name: &str| algorithm.names.iter().any(|word| has_word(name, word));
    let by_name = core.names.iter().find(|(_, name)| named(name)).map(|(index, _)| shown(*index));
    let by_name = by_name.or_else(|| exports.clone().find(|name| named(name)).map(|name| format!("export {name}")));
    by_name.map(|location| ("its name".to_owned(), location))
}

/// Both halves of words of 64 bits: two of 32 stand in one, where a compiler has joined them.
fn low_halves(words: &[u64]) -> Vec<u64> {
    let halves: BTreeSet<u64> = words.iter().flat_map(|word| [word & 0xffff_ffff, word >> 32]).collect();
    halves.into_iter().collect()
}

/// Whether a name holds a word by itself: `md5_init`, `Md5::update`, `crypto.MD5`, and not `cmd5x`.
fn has_word(name: &str, word: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.match_indices(word).any(|(at, _)| {
        let before = name[..at].chars().next_back();
        let after = name[at + word.len()..].chars().next();
        // In mangled names a number of characters stands before a word.
        let starts = before.is_none_or(|c| !c.is_alphabetic()) || name[at..].starts_with(char::is_uppercase);
        starts && after.is_none_or(|c| !c.is_ascii_lowercase() && !c.is_ascii_digit())
    })
}

/// A library that the module names, in names of functions, in paths of panics, in its bill of materials.
fn vetted(subject: &Subject) -> Option<&'static str> {
    let names = subject.facts.cores.iter().flat_map(|core| core.names.values());
    let exports = subject.facts.cores.iter().flat_map(|core| core.exports.iter().map(|export| &export.name));
    let mut left = NAMES_BYTES_MAX;
    for name in names.chain(exports) {
        left = left.saturating_sub(name.len());
        if left == 0 {
            break;
        }
        if let Some(library) = VETTED.iter().find(|library| name.contains(**library)) {
            return Some(library);
        }
    }
    for data in subject.facts.cores.iter().flat_map(|core| &core.data) {
        let Some(bytes) = subject.bytes.get(data.offset..data.offset + data.bytes) else { continue };
        let found = VETTED.iter().find(|library| memchr::memmem::find(bytes, library.as_bytes()).is_some());
        if let Some(library) = found {
            return Some(library);
        }
    }
    None
}
