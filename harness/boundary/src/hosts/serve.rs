//! A package as it is deployed: its files and ours behind a loopback address, with the headers that a careful operator
//! sends. Nothing else is there, and who asks for it is remembered.
//!
//! Addresses are `/TOKEN/VARIANT/FILE`: what cannot be guessed, how it is served ([`Variant`]), and a file of ours,
//! `package/…`, or `commonjs/…` for a script of the package within what makes an ES module of it, as bundlers do.

use crate::wire::Sighting;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// Largest file that is served, bytes.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Requests that are remembered.
const REQUESTS_MAX: usize = 4096;
/// Longest address that is looked at, bytes.
const ADDRESS_BYTES_MAX: usize = 4096;
/// Longest head of a request, bytes, and longest body that is read.
const HEAD_BYTES_MAX: u64 = 32 << 10;
const BODY_BYTES_MAX: u64 = 64 << 20;
/// Connections at a time; a browser opens six.
const CONNECTIONS_MAX: usize = 64;

/// What our page and worker may do, and so what the package may: compile WebAssembly, but no code from strings.
const POLICY: &str =
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; base-uri 'none'";

/// What is before and behind a CommonJS script so that a page can import it. Nothing can be required there.
const COMMONJS: (&[u8], &[u8]) = (
    b"const module = { exports: {} }; const exports = module.exports;\n",
    b"\n;const whole = module.exports; export { whole as default };\n",
);

/// Names by which files are known to browsers.
const TYPES: &[(&str, &str)] = &[
    ("wasm", "application/wasm"),
    ("js", "text/javascript"),
    ("mjs", "text/javascript"),
    ("cjs", "text/javascript"),
    ("html", "text/html; charset=utf-8"),
    ("json", "application/json"),
];

/// How files are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variant {
    /// As they should be.
    Plain,
    /// The module is not there.
    Missing,
    /// The module's type is text.
    Type,
    /// Half of the module is there.
    Truncated,
    /// The policy gives no right to compile WebAssembly.
    NoWasm,
    /// The policy asks for Trusted Types and knows none.
    TrustedTypes,
    /// Nothing isolates the page from others.
    NoIsolation,
}

impl Variant {
    /// All of them.
    pub const ALL: &[Self] =
        &[Self::Plain, Self::Missing, Self::Type, Self::Truncated, Self::NoWasm, Self::TrustedTypes, Self::NoIsolation];

    /// Its name in addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Missing => "missing",
            Self::Type => "type",
            Self::Truncated => "truncated",
            Self::NoWasm => "no-wasm",
            Self::TrustedTypes => "trusted-types",
            Self::NoIsolation => "no-isolation",
        }
    }

    fn headers(self) -> Vec<(&'static str, String)> {
        let policy = match self {
            Self::NoWasm => POLICY.replace(" 'wasm-unsafe-eval'", ""),
            // Our own worker's address is no string.
            Self::TrustedTypes => {
                format!("{POLICY}; require-trusted-types-for 'script'; trusted-types autoclave-worker")
            }
            _ => POLICY.to_owned(),
        };
        let mut headers = vec![
            ("Content-Security-Policy", policy),
            ("X-Content-Type-Options", "nosniff".to_owned()),
            ("Cache-Control", "no-store".to_owned()),
            ("Referrer-Policy", "no-referrer".to_owned()),
        ];
        if self != Self::NoIsolation {
            headers.push(("Cross-Origin-Opener-Policy", "same-origin".to_owned()));
            headers.push(("Cross-Origin-Embedder-Policy", "require-corp".to_owned()));
            headers.push(("Cross-Origin-Resource-Policy", "same-origin".to_owned()));
        }
        headers
    }
}

/// What is served.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// Files of ours, by name.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Folder of the package.
    pub package: PathBuf,
    /// The module in it, whose way of being served varies.
    pub module: String,
}

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `GET`
    pub method: String,
    /// Address without the token, not decoded.
    pub address: String,
    /// Status of the answer.
    pub status: u16,
    /// SHA-256 of the bytes that were sent, hex; empty without any.
    pub sha256: String,
    /// Whether it is one that a package may make: for something that is there.
    pub is_expected: bool,
}

/// A server; it ends with this.
pub struct Server {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    origin: String,
}

struct Shared {
    site: Site,
    token: String,
    mailbox: Box<dyn Mailbox>,
    asked: Mutex<Vec<Asked>>,
    connections: Mutex<Vec<TcpStream>>,
    has_ended: AtomicBool,
}

/// Where messages of a page go that has no other way to talk to us.
pub trait Mailbox: Send + Sync {
    /// Answers a request that concerns it, after a while perhaps; none where it is none of its business.
    fn answer(&self, method: &str, address: &str, body: &[u8]) -> Option<Vec<u8>>;
}

/// No mail.
pub struct NoMail;

impl Mailbox for NoMail {
    fn answer(&self, _: &str, _: &str, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

impl Server {
    /// Serves on a free port of the loopback interface.
    ///
    /// # Errors
    /// There is no port, no random number or no package: one sentence.
    pub fn start(site: Site, mailbox: impl Mailbox + 'static) -> Result<Self, String> {
        let package = fs::canonicalize(&site.package);
        let package = package.map_err(|error| format!("{}: {error}", site.package.display()))?;
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| format!("no loopback server: {error}"))?;
        let address = listener.local_addr().map_err(|error| format!("the server has no port: {error}"))?;
        let shared = Arc::new(Shared {
            site: Site { package, ..site },
            token: token().map_err(|error| format!("/dev/urandom: {error}"))?,
            mailbox: Box::new(mailbox),
            asked: Mutex::default(),
            connections: Mutex::default(),
            has_ended: AtomicBool::new(false),
        });
        let thread = {
            let shared = shared.clone();
            std::thread::spawn(move || shared.listen(&listener))
        };
        Ok(Self { shared, thread: Some(thread), origin: format!("http://{address}") })
    }

    /// `http://127.0.0.1:PORT`
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Address of a file of ours.
    pub fn address(&self, variant: Variant, file: &str) -> String {
        format!("{}/{}/{}/{file}", self.origin, self.shared.token, variant.name())
    }

    /// Address of the package's folder; ends in a slash.
    pub fn package(&self, variant: Variant) -> String {
        self.address(variant, "package/")
    }

    /// What was asked since the last time.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().map(|mut asked| std::mem::take(&mut *asked)).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.has_ended.store(true, Ordering::SeqCst);
        // Whoever waits for a connection gets one.
        let _ = TcpStream::connect(self.origin.trim_start_matches("http://"));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if let Ok(connections) = self.shared.connections.lock() {
            for connection in connections.iter() {
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
    }
}

impl Shared {
    fn listen(self: &Arc<Self>, listener: &TcpListener) {
        for connection in listener.incoming() {
            if self.has_ended.load(Ordering::SeqCst) {
                return;
            }
            let Ok(connection) = connection else { continue };
            let Ok(ours) = connection.try_clone() else { continue };
            let Ok(mut connections) = self.connections.lock() else { return };
            // One too many is dropped, and so closed.
            if connections.len() < CONNECTIONS_MAX {
                connections.push(ours);
                let shared = self.clone();
                std::thread::spawn(move || shared.serve(connection));
            }
        }
    }

    /// One request after the other, until the other side has enough.
    fn serve(&self, connection: TcpStream) {
        let peer = connection.peer_addr().ok();
        // An answer is written in one piece: nothing is gained by waiting for more.
        let _ = connection.set_nodelay(true);
        if let Ok(mut answers) = connection.try_clone() {
            let mut requests = BufReader::new(connection);
            while let Some(request) = Request::read(&mut requests)
                && answers.write_all(&self.answer(&request)).is_ok()
            {}
            let _ = answers.shutdown(Shutdown::Both);
        }
        if let Ok(mut connections) = self.connections.lock() {
            connections.retain(|other| other.peer_addr().ok() != peer && other.peer_addr().is_ok());
        }
    }

    /// The whole answer, head and body.
    fn answer(&self, request: &Request) -> Vec<u8> {
        let own = own_address(&request.address, &self.token).unwrap_or_default();
        if let Some(mail) = self.mailbox.answer(&request.method, own, &request.body) {
            return response(
                200,
                &[("Cache-Control", "no-store".to_owned())],
                "application/octet-stream",
                &mail,
                false,
            );
        }
        let is_read = matches!(request.method.as_str(), "GET" | "HEAD");
        let found = if is_read { find(own, &self.site) } else { Err(Lookup { status: 405, is_expected: false }) };
        let (status, is_expected) = match &found {
            Ok(_) => (200, true),
            Err(lookup) => (lookup.status, lookup.is_expected),
        };
        if let Ok(mut asked) = self.asked.lock()
            && asked.len() < REQUESTS_MAX
        {
            let sha256 = found.as_ref().map(|found| hex(&Sha256::digest(&found.bytes))).unwrap_or_default();
            let method = request.method.clone();
            asked.push(Asked { method, address: short(own, ADDRESS_BYTES_MAX), status, sha256, is_expected });
        }
        match found {
            Ok(found) => response(200, &found.variant.headers(), found.kind, &found.bytes, request.method == "HEAD"),
            Err(lookup) => response(lookup.status, &[], "text/plain", b"", false),
        }
    }
}

/// What somebody wants: RFC 9112, as far as browsers use it.
struct Request {
    method: String,
    address: String,
    body: Vec<u8>,
}

impl Request {
    /// The next one, or none where the connection has ended or makes no sense.
    fn read(from: &mut impl BufRead) -> Option<Self> {
        let mut head = from.take(HEAD_BYTES_MAX);
        let mut line = String::new();
        head.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let mut words = line.split_whitespace();
        let (method, address) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut len = 0;
        loop {
            let mut line = String::new();
            head.read_line(&mut line).ok().filter(|read| *read > 0)?;
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':')?;
            if name.eq_ignore_ascii_case("content-length") {
                len = value.trim().parse().ok().filter(|len| *len <= BODY_BYTES_MAX)?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                return None;
            }
        }
        let mut body = Vec::new();
        from.take(len).read_to_end(&mut body).ok()?;
        (body.len() as u64 == len).then_some(Self { method, address, body })
    }
}

fn response(status: u16, headers: &[(&str, String)], kind: &str, body: &[u8], is_head: bool) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {status} .\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        answer.push_str(&format!("{name}: {value}\r\n"));
    }
    answer.push_str("\r\n");
    let mut answer = answer.into_bytes();
    if !is_head {
        answer.extend_from_slice(body);
    }
    answer
}

impl Asked {
    /// What is wrong about it, if anything.
    pub fn sighting(&self) -> Option<Sighting> {
        (!self.is_expected).then(|| Sighting {
            class: "capability".to_owned(),
            key: "network".to_owned(),
            what: short(&format!("asked its server for {} {}: {}", self.method, self.address, self.status), 2000),
            ..Sighting::default()
        })
    }
}

/// The beginning of a text.
pub(super) fn short(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).collect()
}

/// 128 random bits, hex: other programs on this machine cannot guess where the package is.
fn token() -> std::io::Result<String> {
    let mut bits = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bits)?;
    Ok(hex(&bits))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The address without the token, if it begins with it.
fn own_address<'a>(address: &'a str, token: &str) -> Option<&'a str> {
    address.strip_prefix('/')?.strip_prefix(token)?.strip_prefix('/')
}

/// A file and how it is sent.
struct Found {
    variant: Variant,
    kind: &'static str,
    bytes: Vec<u8>,
}

/// Why nothing is sent.
#[derive(Debug, PartialEq, Eq)]
struct Lookup {
    status: u16,
    is_expected: bool,
}

fn find(own: &str, site: &Site) -> Result<Found, Lookup> {
    let refused = |status| Lookup { status, is_expected: false };
    if own.len() > ADDRESS_BYTES_MAX {
        return Err(refused(414));
    }
    let own = own.split(['?', '#']).next().unwrap_or_default();
    let (variant, name) = own.split_once('/').ok_or(refused(404))?;
    let variant = Variant::ALL.iter().copied().find(|known| known.name() == variant).ok_or(refused(404))?;
    let name = decoded(name).ok_or(refused(400))?;
    if let Some(script) = name.strip_prefix("commonjs/") {
        let script = read(&site.package, script).ok_or(refused(404))?;
        return Ok(Found { variant, kind: kind(".js"), bytes: [COMMONJS.0, &script, COMMONJS.1].concat() });
    }
    let Some(in_package) = name.strip_prefix("package/") else {
        let bytes = site.files.get(&name).cloned().ok_or(refused(404))?;
        return Ok(Found { variant, kind: kind(&name), bytes });
    };
    let is_module = in_package == site.module;
    if is_module && variant == Variant::Missing {
        return Err(Lookup { status: 404, is_expected: true });
    }
    let mut bytes = read(&site.package, in_package).ok_or(refused(404))?;
    if is_module && variant == Variant::Truncated {
        bytes.truncate(bytes.len() / 2);
    }
    let kind = if is_module && variant == Variant::Type { "text/plain" } else { kind(in_package) };
    Ok(Found { variant, kind, bytes })
}

fn kind(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    TYPES.iter().find(|(known, _)| *known == ending).map_or("application/octet-stream", |(_, kind)| kind)
}

/// A file within the folder, whatever links and dots the name has.
fn read(folder: &Path, name: &str) -> Option<Vec<u8>> {
    let file = fs::canonicalize(folder.join(name)).ok()?;
    if !file.starts_with(folder) {
        return None;
    }
    // Neither a pipe nor a device, which would hold us up.
    let is_served = fs::metadata(&file).ok().filter(|data| data.is_file() && data.len() <= FILE_BYTES_MAX);
    is_served.and_then(|_| fs::read(&file).ok())
}

/// An address with `%41` as `A`, if that is text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                (digit(rest.next())? * 16 + digit(rest.next())?) as u8
            }
            byte => byte,
        });
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_package_and_ours_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("package");
        fs::create_dir_all(package.join("sub")).unwrap();
        fs::write(package.join("m.wasm"), b"\0asm1234").unwrap();
        fs::write(package.join("sub/a b.js"), b"js").unwrap();
        fs::write(folder.path().join("secret"), b"secret").unwrap();
        std::os::unix::fs::symlink("../secret", package.join("link")).unwrap();
        std::os::unix::fs::symlink("sub", package.join("inner")).unwrap();
        let files = BTreeMap::from([("page.html".to_owned(), b"page".to_vec())]);
        let package = fs::canonicalize(package).unwrap();
        let site = Site { files, package, module: "m.wasm".to_owned() };
        let table: &[(&str, Result<(&str, &[u8]), (u16, bool)>)] = &[
            ("plain/page.html", Ok(("text/html; charset=utf-8", b"page"))),
            ("plain/page.html?x=1#y", Ok(("text/html; charset=utf-8", b"page"))),
            ("plain/package/m.wasm", Ok(("application/wasm", b"\0asm1234"))),
            ("plain/package/sub/a%20b.js?again=2", Ok(("text/javascript", b"js"))),
            ("plain/package/inner/a%20b.js", Ok(("text/javascript", b"js"))),
            ("type/package/m.wasm", Ok(("text/plain", b"\0asm1234"))),
            ("truncated/package/m.wasm", Ok(("application/wasm", b"\0asm"))),
            ("missing/package/m.wasm", Err((404, true))),
            ("missing/package/sub/a%20b.js", Ok(("text/javascript", b"js"))),
            ("plain/commonjs/../secret", Err((404, false))),
            ("plain/package/../secret", Err((404, false))),
            ("plain/package/..%2fsecret", Err((404, false))),
            ("plain/package/%2e%2e/secret", Err((404, false))),
            ("plain/package//etc/passwd", Err((404, false))),
            ("plain/package/link", Err((404, false))),
            ("plain/package/", Err((404, false))),
            ("plain/package/sub", Err((404, false))),
            ("plain/other.html", Err((404, false))),
            ("plain/%00", Err((400, false))),
            ("plain/%zz", Err((400, false))),
            ("nosuch/page.html", Err((404, false))),
            ("page.html", Err((404, false))),
            ("", Err((404, false))),
        ];
        for (address, expected) in table {
            let found = find(address, &site);
            let found = found.as_ref().map(|found| (found.kind, &found.bytes[..]));
            assert_eq!(found.map_err(|lookup| (lookup.status, lookup.is_expected)), *expected, "{address}");
        }
    }

    #[test]
    fn scripts_are_wrapped_and_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x.cjs"), "module.exports = 1; // no newline").unwrap();
        let site = Site { package: fs::canonicalize(folder.path()).unwrap(), ..Site::default() };
        let found = find("plain/commonjs/x.cjs", &site).unwrap();
        let text = String::from_utf8(found.bytes).unwrap();
        assert_eq!((text.lines().nth(1), found.kind), (Some("module.exports = 1; // no newline"), "text/javascript"));
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn requests_are_read_within_bounds() {
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(HEAD_BYTES_MAX as usize));
        let table: &[(&str, Option<(&str, &str, &str)>)] = &[
            ("GET /a HTTP/1.1\r\nHost: x\r\n\r\nrest", Some(("GET", "/a", ""))),
            ("POST /b HTTP/1.1\r\ncontent-LENGTH: 4\r\n\r\nbodyrest", Some(("POST", "/b", "body"))),
            ("POST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\nbody", None),
            ("POST /b HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\nbody", None),
            ("POST /b HTTP/1.1\r\nContent-Length: -1\r\n\r\n", None),
            ("POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", None),
            ("GET /a HTTP/1.1\r\nHost: x\r\n", None),
            ("GET\r\n\r\n", None),
            ("", None),
            (&long, None),
        ];
        for (text, expected) in table {
            let request = Request::read(&mut text.as_bytes());
            let read = request.map(|read| (read.method, read.address, String::from_utf8(read.body).unwrap()));
            let expected = expected.map(|(method, at, body)| (method.to_owned(), at.to_owned(), body.to_owned()));
            assert_eq!(read, expected, "{}", short(text, 80));
        }
    }

    #[test]
    fn many_connections_are_served_side_by_side_and_all_end() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("m.wasm"), b"\0asm").unwrap();
        let site = Site { files: BTreeMap::new(), package: folder.path().to_owned(), module: "m.wasm".to_owned() };
        let server = Server::start(site, NoMail).unwrap();
        let path = server.address(Variant::Plain, "package/m.wasm").replace(server.origin(), "");
        // All are open before the first one asks, and stay open.
        let host = server.origin().trim_start_matches("http://").to_owned();
        let mut open: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&host).unwrap()).collect();
        for connection in open.iter_mut().rev() {
            for address in [path.as_str(), "/guessed/plain/package/m.wasm"] {
                write!(connection, "GET {address} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
                let mut status = String::new();
                let mut answer = BufReader::new(&mut *connection);
                answer.read_line(&mut status).unwrap();
                let rest: Vec<u8> = answer.fill_buf().unwrap().to_vec();
                let is_found = address == path;
                assert!(status.contains(if is_found { " 200 " } else { " 404 " }), "{status}");
                assert_eq!(rest.ends_with(b"\0asm"), is_found);
                let rest = String::from_utf8_lossy(&rest);
                assert_eq!(rest.contains("X-Content-Type-Options: nosniff"), is_found);
                assert_eq!(rest.contains("Content-Type: application/wasm"), is_found);
            }
        }
        let asked = server.asked();
        assert_eq!(asked.len(), 40);
        assert_eq!(asked.iter().filter(|asked| asked.sighting().is_some()).count(), 20);
        drop(server);
        for mut connection in open {
            let mut rest = Vec::new();
            assert!(matches!(connection.read_to_end(&mut rest), Ok(0) | Err(_)), "a connection goes on");
        }
    }

    #[test]
    fn only_who_knows_the_token_gets_anything() {
        assert_eq!(own_address("/abc/plain/x", "abc"), Some("plain/x"));
        for address in ["/plain/x", "/abd/plain/x", "abc/plain/x", "//abc/plain/x", "/abcplain", ""] {
            assert_eq!(own_address(address, "abc"), None, "{address}");
        }
    }
}
