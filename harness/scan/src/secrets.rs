//! Secrets in bytes: keys, tokens, passwords. A secret is told by its form, and where the form is loose also by its
//! entropy and by what stands around it; text in UTF-16 and in base64 is looked at as well. What is found is named by its
//! kind and place; of its own characters only the part that all of its kind share is shown.

use autoclave_reports::Severity;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Findings in one piece of bytes that are kept, and of each kind while it is searched.
const FOUND_MAX: usize = 200;
const ALIKE_MAX: usize = 2 * FOUND_MAX;
/// Longest head and claims of a JSON Web Token, characters.
const CLAIMS_CHARS_MAX: usize = 16 << 10;
/// Base64 that is decoded: at least so many characters, at most so many in one run.
const BASE64_CHARS_MIN: usize = 24;
const BASE64_CHARS_MAX: usize = 8 << 20;

/// A secret, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// What it is.
    pub kind: &'static str,
    /// The part that all of its kind share, then `…` and the number of characters.
    pub shown: String,
    /// Where it begins.
    pub offset: usize,
    /// How it is written: empty, `in UTF-16`, `in base64`.
    pub form: &'static str,
    /// How bad.
    pub severity: Severity,
}

/// What all tokens of a kind look like: a beginning, then so many characters of a set, with a border on both sides.
struct Token {
    kind: &'static str,
    start: &'static str,
    chars: fn(u8) -> bool,
    min: usize,
    max: usize,
    /// Bits for each character that random ones exceed.
    entropy: f64,
    severity: Severity,
}

const fn alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

const fn upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

const fn url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

const fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

const fn dotted(byte: u8) -> bool {
    url(byte) || byte == b'.'
}

/// Vendors' documentation: the form of each is published, so that they can be found.
#[rustfmt::skip]
const TOKENS: &[Token] = &[
    Token { kind: "AWS access key", start: "AKIA", chars: upper, min: 16, max: 16, entropy: 2.6, severity: Severity::High },
    Token { kind: "AWS session key", start: "ASIA", chars: upper, min: 16, max: 16, entropy: 2.6, severity: Severity::High },
    Token { kind: "Google API key", start: "AIza", chars: url, min: 35, max: 35, entropy: 3.2, severity: Severity::High },
    Token { kind: "Google OAuth secret", start: "GOCSPX-", chars: url, min: 28, max: 28, entropy: 3.0, severity: Severity::High },
    Token { kind: "Slack token", start: "xoxb-", chars: url, min: 24, max: 120, entropy: 2.6, severity: Severity::High },
    Token { kind: "Slack token", start: "xoxp-", chars: url, min: 24, max: 120, entropy: 2.6, severity: Severity::High },
    Token { kind: "Slack token", start: "xoxa-", chars: url, min: 24, max: 120, entropy: 2.6, severity: Severity::High },
    Token { kind: "Slack token", start: "xapp-", chars: url, min: 24, max: 160, entropy: 2.6, severity: Severity::High },
    Token { kind: "GitHub token", start: "ghp_", chars: alnum, min: 36, max: 36, entropy: 3.2, severity: Severity::High },
    Token { kind: "GitHub token", start: "gho_", chars: alnum, min: 36, max: 36, entropy: 3.2, severity: Severity::High },
    Token { kind: "GitHub token", start: "ghu_", chars: alnum, min: 36, max: 36, entropy: 3.2, severity: Severity::High },
    Token { kind: "GitHub token", start: "ghs_", chars: alnum, min: 36, max: 36, entropy: 3.2, severity: Severity::High },
    Token { kind: "GitHub token", start: "ghr_", chars: alnum, min: 36, max: 76, entropy: 3.2, severity: Severity::High },
    Token { kind: "GitHub token", start: "github_pat_", chars: word, min: 60, max: 82, entropy: 3.2, severity: Severity::High },
    Token { kind: "GitLab token", start: "glpat-", chars: url, min: 20, max: 40, entropy: 3.0, severity: Severity::High },
    Token { kind: "npm token", start: "npm_", chars: alnum, min: 36, max: 36, entropy: 3.2, severity: Severity::High },
    Token { kind: "Stripe key", start: "sk_live_", chars: alnum, min: 24, max: 247, entropy: 3.0, severity: Severity::High },
    Token { kind: "Stripe key", start: "rk_live_", chars: alnum, min: 24, max: 247, entropy: 3.0, severity: Severity::High },
    Token { kind: "Stripe test key", start: "sk_test_", chars: alnum, min: 24, max: 247, entropy: 3.0, severity: Severity::Info },
    Token { kind: "SendGrid key", start: "SG.", chars: dotted, min: 66, max: 66, entropy: 3.4, severity: Severity::High },
    Token { kind: "OpenAI key", start: "sk-proj-", chars: url, min: 40, max: 200, entropy: 3.4, severity: Severity::High },
    Token { kind: "Anthropic key", start: "sk-ant-", chars: url, min: 80, max: 120, entropy: 3.4, severity: Severity::High },
    Token { kind: "Hugging Face token", start: "hf_", chars: alnum, min: 34, max: 34, entropy: 3.2, severity: Severity::High },
    Token { kind: "age secret key", start: "AGE-SECRET-KEY-1", chars: upper, min: 58, max: 58, entropy: 3.0, severity: Severity::High },
];

/// Words that say that what follows is a secret, with what stands between.
const NAMES: &[&str] = &[
    "api_key",
    "apikey",
    "api-key",
    "api_secret",
    "secret_key",
    "secretkey",
    "client_secret",
    "clientsecret",
    "access_key",
    "accesskey",
    "access_token",
    "accesstoken",
    "auth_token",
    "authtoken",
    "password",
    "passwd",
    "private_key",
    "privatekey",
    "aws_secret_access_key",
    "signing_key",
    "encryption_key",
    "hmac_key",
    "master_key",
];

/// Words in what is no secret: placeholders and documentation.
const PLACEHOLDERS: &[&str] = &[
    "example",
    "placeholder",
    "changeme",
    "change_me",
    "your",
    "xxxx",
    "****",
    "dummy",
    "sample",
    "redacted",
    "test1234",
    "insert",
    "replace",
    "todo",
    "undefined",
    "function",
    "process.env",
    "password",
    "secret",
    "username",
    "fake",
    "0123456789abcdef",
    "abcdefghijkl",
    "12345678",
];

/// What was found. There is room for each kind, so that many of one leave no other out.
#[derive(Default)]
struct Room {
    found: Vec<Secret>,
    counts: BTreeMap<(&'static str, &'static str), usize>,
}

impl Room {
    fn add(&mut self, secret: Secret) {
        let count = self.counts.entry((secret.kind, secret.form)).or_default();
        if *count < ALIKE_MAX {
            *count += 1;
            self.found.push(secret);
        }
    }
}

/// Secrets in bytes, in any form, each once.
pub fn find(bytes: &[u8]) -> Vec<Secret> {
    let mut found = Room::default();
    plain(bytes, &mut found);
    utf16(bytes, &mut found);
    base64(bytes, &mut found);
    let mut seen = BTreeSet::new();
    let mut found = found.found;
    found.retain(|one| seen.insert((one.offset, one.kind)));
    found.sort_by_key(|one| one.offset);
    worst(found)
}

/// The worst of them, and of those that are as bad the first of each kind before the second of any.
fn worst(found: Vec<Secret>) -> Vec<Secret> {
    let mut counts = BTreeMap::new();
    let mut ranked = Vec::new();
    for one in found {
        let count: &mut usize = counts.entry((one.kind, one.form)).or_default();
        ranked.push((Reverse(one.severity), *count, one));
        *count += 1;
    }
    ranked.sort_by_key(|(severity, count, _)| (*severity, *count));
    ranked.truncate(FOUND_MAX);
    let mut kept: Vec<Secret> = ranked.into_iter().map(|(_, _, one)| one).collect();
    kept.sort_by_key(|one| one.offset);
    kept
}

fn plain(bytes: &[u8], found: &mut Room) {
    pem(bytes, found);
    tokens(bytes, found);
    json_web_tokens(bytes, found);
    slack_hooks(bytes, found);
    urls(bytes, found);
    connections(bytes, found);
    assignments(bytes, found);
}

fn push(found: &mut Room, kind: &'static str, start: &str, offset: usize, chars: usize, severity: Severity) {
    found.add(Secret { kind, shown: format!("{start}… ({chars} characters)"), offset, form: "", severity });
}

/// A private key needs its body: libraries that read keys hold the heading alone.
fn pem(bytes: &[u8], found: &mut Room) {
    const BODY_CHARS_MIN: usize = 48;
    for at in memchr::memmem::find_iter(bytes, b"-----BEGIN ") {
        let rest = &bytes[at + 11..];
        let Some(end) = memchr::memmem::find(&rest[..rest.len().min(40)], b"-----") else { continue };
        let label = &rest[..end];
        if !label.ends_with(b"PRIVATE KEY") && label != b"PGP PRIVATE KEY BLOCK" {
            continue;
        }
        let body = &rest[end + 5..];
        let body = &body[..body.len().min(8 << 10)];
        let body = &body[..memchr::memmem::find(body, b"-----").unwrap_or(body.len())];
        let mut chars = 0;
        let mut letters = BTreeSet::new();
        let mut i = 0;
        while let Some(byte) = body.get(i) {
            match byte {
                // `\n`, as JavaScript and JSON write it.
                b'\\' if matches!(body.get(i + 1), Some(b'n' | b'r')) => i += 1,
                b'\r' | b'\n' | b' ' | b'\t' | b'"' | b'\'' | b'+' if chars == 0 => {}
                b'\r' | b'\n' | b' ' | b'\t' => {}
                byte if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=') => {
                    chars += 1;
                    letters.insert(*byte);
                }
                // Headings of old keys: `Proc-Type: 4,ENCRYPTED`.
                b':' | b',' | b'-' => {}
                _ => break,
            }
            i += 1;
        }
        if chars >= BODY_CHARS_MIN && letters.len() >= 16 {
            push(found, "private key in PEM", "-----BEGIN ", at, end + 10 + chars, Severity::Critical);
        }
    }
}

fn tokens(bytes: &[u8], found: &mut Room) {
    for token in TOKENS {
        for at in memchr::memmem::find_iter(bytes, token.start.as_bytes()) {
            if at > 0 && word(bytes[at - 1]) {
                continue;
            }
            let rest = &bytes[at + token.start.len()..];
            let chars = rest.iter().take(token.max + 1).take_while(|byte| (token.chars)(**byte)).count();
            let body = &rest[..chars.min(token.max)];
            let border = rest.get(chars).is_none_or(|next| !word(*next));
            if chars < token.min || chars > token.max || !border {
                continue;
            }
            if entropy(body) < token.entropy || is_placeholder(body) || is_dull(body) {
                continue;
            }
            push(found, token.kind, token.start, at, token.start.len() + chars, token.severity);
        }
    }
}

/// Three parts of base64url: an object with `alg`, an object, a signature. Each part of a run is looked at as each of
/// the three, and no run twice.
fn json_web_tokens(bytes: &[u8], found: &mut Room) {
    let mut done = 0;
    for at in memchr::memmem::find_iter(bytes, b"eyJ") {
        if at < done || at > 0 && url(bytes[at - 1]) {
            continue;
        }
        let run = bytes[at..].iter().take_while(|byte| dotted(**byte)).count();
        done = at + run;
        let (mut head, mut claims): (&[u8], &[u8]) = (&[], &[]);
        let mut next = at;
        for signature in bytes[at..done].split(|byte| *byte == b'.') {
            if is_token(head, claims, signature) {
                let chars = head.len() + claims.len() + signature.len() + 2;
                push(found, "JSON Web Token", "eyJ", next + signature.len() - chars, chars, Severity::High);
            }
            next += signature.len() + 1;
            (head, claims) = (claims, signature);
        }
    }
}

fn is_token(head: &[u8], claims: &[u8], signature: &[u8]) -> bool {
    let object = |part: &[u8]| {
        let text = LENIENT_URL.decode(part).ok()?;
        serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&text).ok()
    };
    head.starts_with(b"eyJ")
        && head.len() + claims.len() <= CLAIMS_CHARS_MAX
        && signature.len() >= 20
        && entropy(signature) > 3.0
        && object(head).is_some_and(|head| head.contains_key("alg"))
        && object(claims).is_some()
}

fn slack_hooks(bytes: &[u8], found: &mut Room) {
    const START: &[u8] = b"hooks.slack.com/services/T";
    for at in memchr::memmem::find_iter(bytes, START) {
        let rest = &bytes[at + START.len()..];
        let end = rest.iter().take(80).take_while(|byte| alnum(**byte) || **byte == b'/').count();
        let parts: Vec<&[u8]> = rest[..end].split(|byte| *byte == b'/').collect();
        if let [_, second, third] = parts[..]
            && second.starts_with(b"B")
            && third.len() >= 20
            && entropy(third) > 3.0
            && !is_placeholder(third)
        {
            push(found, "Slack webhook", "hooks.slack.com/services/", at, START.len() + end, Severity::High);
        }
    }
}

/// `scheme://user:password@host`.
fn urls(bytes: &[u8], found: &mut Room) {
    for at in memchr::memmem::find_iter(bytes, b"://") {
        let scheme = bytes[..at].iter().rev().take(24).take_while(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.')
        });
        let scheme = scheme.count();
        if scheme < 2 || !bytes[at - scheme].is_ascii_lowercase() {
            continue;
        }
        let rest = &bytes[at + 3..];
        let rest = &rest[..rest.len().min(300)];
        let stop = |byte: &u8| !byte.is_ascii_graphic() || b"/?#\"'`<>\\{}|^()[],;*".contains(byte);
        let end = rest.iter().position(stop).unwrap_or(rest.len());
        let Some(mark) = rest[..end].iter().rposition(|byte| *byte == b'@') else { continue };
        let (login, host) = (&rest[..mark], &rest[mark + 1..end]);
        let Some(colon) = login.iter().position(|byte| *byte == b':') else { continue };
        let (user, password) = (&login[..colon], &login[colon + 1..]);
        let is_host = host.len() >= 3
            && host[0].is_ascii_alphanumeric()
            && host.iter().all(|byte| dotted(*byte) || *byte == b':');
        let host = String::from_utf8_lossy(host).to_ascii_lowercase();
        let documented = ["example.", "foo.", "host", "domain", "server", "bar.com", ".test", ".invalid"];
        let is_documented = documented.iter().any(|part| host.starts_with(part) || host.contains(&format!(".{part}")))
            || host.ends_with(".example")
            || host.ends_with(".test");
        let plain = password.iter().all(|byte| byte.is_ascii_lowercase());
        if !is_host || is_documented || user.len() > 64 || password.len() < 5 || is_placeholder(password) {
            continue;
        }
        // One short word is a manual's: `user:pass`, `admin:admin`.
        if user == password || plain && password.len() < 8 || is_dull(password) || password.contains(&b'%') && plain {
            continue;
        }
        let start = String::from_utf8_lossy(&bytes[at - scheme..at + 3]).into_owned();
        push(found, "password in a URL", &start, at - scheme, scheme + 3 + end, Severity::High);
    }
}

/// `Server=…;Password=…`, `AccountKey=…`.
fn connections(bytes: &[u8], found: &mut Room) {
    const AROUND: usize = 200;
    for name in ["password=", "pwd=", "accountkey=", "sharedaccesskey="] {
        for at in find_insensitive(bytes, name) {
            let value = &bytes[at + name.len()..];
            let chars = value
                .iter()
                .take(200)
                .take_while(|byte| byte.is_ascii_graphic() && !b";\"'<>`&,".contains(byte))
                .count();
            let value = &value[..chars];
            let around = &bytes[at.saturating_sub(AROUND)..(at + AROUND).min(bytes.len())];
            let around = String::from_utf8_lossy(around).to_ascii_lowercase();
            let is_connection =
                ["server=", "data source=", "host=", "accountname=", "endpoint=sb:", "user id=", "uid="]
                    .iter()
                    .any(|part| around.contains(part))
                    && around.contains(';');
            let is_template = value.iter().any(|byte| b"{}$%()[]".contains(byte));
            if is_connection
                && chars >= 6
                && !is_template
                && !is_placeholder(value)
                && !is_dull(value)
                && entropy(value) > 2.3
            {
                push(found, "connection string with a password", "", at, name.len() + chars, Severity::High);
            }
        }
    }
}

/// `apiKey: "…"`: a telling name, a quoted value that looks random.
fn assignments(bytes: &[u8], found: &mut Room) {
    const VALUE_CHARS: std::ops::RangeInclusive<usize> = 16..=256;
    for name in NAMES {
        for at in find_insensitive(bytes, name) {
            let mut rest = &bytes[at + name.len()..];
            let skip = |rest: &mut &[u8], set: &[u8], most: usize| {
                let count = rest.iter().take(most).take_while(|byte| set.contains(byte)).count();
                *rest = &rest[count..];
                count
            };
            skip(&mut rest, b"\"'\\", 2);
            skip(&mut rest, b" ", 4);
            if skip(&mut rest, b":=", 1) == 0 {
                continue;
            }
            skip(&mut rest, b" ", 4);
            let quoted = skip(&mut rest, b"\\", 1) + skip(&mut rest, b"\"'`", 1);
            if quoted == 0 {
                continue;
            }
            let value_char = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=_-.~!@#$%^&*".contains(byte);
            let chars = rest.iter().take(*VALUE_CHARS.end() + 1).take_while(|byte| value_char(byte)).count();
            let ends = rest.get(chars).is_some_and(|byte| b"\"'`\\".contains(byte));
            let value = &rest[..chars];
            let mixed = value.iter().any(u8::is_ascii_digit) && value.iter().any(u8::is_ascii_alphabetic);
            if VALUE_CHARS.contains(&chars)
                && ends
                && mixed
                && entropy(value) > 3.3
                && !is_placeholder(value)
                && !is_words(value)
            {
                let bytes_before = bytes.len() - rest.len();
                push(found, "secret by its name", "", bytes_before, chars, Severity::High);
            }
        }
    }
}

/// Where a text occurs, in any case; the text is lower case.
fn find_insensitive<'a>(bytes: &'a [u8], text: &'a str) -> impl Iterator<Item = usize> + 'a {
    let first = text.as_bytes()[0];
    memchr::memchr2_iter(first, first.to_ascii_uppercase(), bytes).filter(move |at| {
        bytes.get(*at..at + text.len()).is_some_and(|part| part.eq_ignore_ascii_case(text.as_bytes()))
    })
}

/// Bits for each character, by how often each occurs.
fn entropy(text: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    text.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let all = text.len().max(1) as f64;
    counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / all).map(|part| -part * part.log2()).sum()
}

fn is_placeholder(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    PLACEHOLDERS.iter().any(|word| text.contains(word)) || text.starts_with('$') || text.starts_with('<')
}

/// Few different characters, or one after another.
fn is_dull(text: &[u8]) -> bool {
    let different = text.iter().collect::<BTreeSet<_>>().len();
    let steps = text.windows(2).filter(|pair| pair[1] == pair[0].wrapping_add(1) || pair[1] == pair[0]).count();
    different <= 3 || steps * 2 > text.len()
}

/// Words with separators or in camel case: a name of something, `x-goog-api-key-v2`.
fn is_words(text: &[u8]) -> bool {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let longest = text.split(|byte| !byte.is_ascii_lowercase()).map(<[u8]>::len).max().unwrap_or(0);
    digits * 10 <= text.len() || longest >= 8
}

/// Runs of characters with a zero byte behind or before each.
fn utf16(bytes: &[u8], found: &mut Room) {
    const RUN_CHARS_MIN: usize = 16;
    for zero_first in [false, true] {
        let mut at = 0;
        while at + 1 < bytes.len() {
            let char_at = |at: usize| {
                let pair = bytes.get(at..at + 2)?;
                let (char, zero) = if zero_first { (pair[1], pair[0]) } else { (pair[0], pair[1]) };
                (zero == 0 && (char.is_ascii_graphic() || matches!(char, b' ' | b'\n' | b'\r' | b'\t'))).then_some(char)
            };
            let mut run = Vec::new();
            while let Some(char) = char_at(at + 2 * run.len()) {
                run.push(char);
            }
            if run.len() >= RUN_CHARS_MIN {
                let mut inner = Room::default();
                plain(&run, &mut inner);
                for one in inner.found {
                    found.add(Secret { offset: at + 2 * one.offset, form: "in UTF-16", ..one });
                }
            }
            at += (2 * run.len()).max(1);
        }
    }
}

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const LENIENT_STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
const LENIENT_URL: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);

/// Runs of base64, decoded; only forms that nothing else has are looked for in there.
fn base64(bytes: &[u8], found: &mut Room) {
    let of_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    let mut at = 0;
    while at < bytes.len() {
        let run = bytes[at..].iter().take(BASE64_CHARS_MAX).take_while(|byte| of_alphabet(**byte)).count();
        if run < BASE64_CHARS_MIN {
            at += run.max(1);
            continue;
        }
        let text = &bytes[at..at + run];
        // Four characters hold three bytes; a rest of one holds none.
        let text = if run % 4 == 1 { &text[..run - 1] } else { text };
        let decoded = match text.iter().any(|byte| matches!(byte, b'-' | b'_')) {
            true => LENIENT_URL.decode(text),
            false => LENIENT_STANDARD.decode(text),
        };
        if let Ok(decoded) = decoded {
            let mut inner = Room::default();
            pem(&decoded, &mut inner);
            tokens(&decoded, &mut inner);
            slack_hooks(&decoded, &mut inner);
            urls(&decoded, &mut inner);
            connections(&decoded, &mut inner);
            // Random bytes are no text: a secret stands in text, or is all of it.
            let is_text =
                decoded.iter().take(4096).filter(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()).count()
                    * 10
                    >= decoded.len().min(4096) * 9;
            if is_text {
                for one in inner.found {
                    found.add(Secret { offset: at + one.offset / 3 * 4, form: "in base64", ..one });
                }
            }
        }
        at += run;
    }
}

/// Encodings for tests and for the checks' own flaws.
pub fn as_base64(bytes: &[u8]) -> String {
    STANDARD_NO_PAD.encode(bytes)
}

/// The same with the letters of URLs.
pub fn as_base64_url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
