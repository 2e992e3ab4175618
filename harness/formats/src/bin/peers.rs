//! `cargo xtask peers list|ask|bench|score`: the peers, and those in other languages as they are installed here.

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    unix::main()
}

#[cfg(not(unix))]
fn main() -> std::process::ExitCode {
    eprintln!("worker processes need a Unix");
    std::process::ExitCode::from(2)
}

#[cfg(unix)]
mod unix {
    use autoclave_formats::Format;
    use autoclave_formats::peers::worker::{Installed, Reply, Worker, WorkerError};
    use autoclave_formats::peers::{Answer, ON_DEMAND, Peer, Runtime, outside, rust};
    use autoclave_formats::rules::Side;
    use autoclave_formats::score::{self, Expectation, LAYERS, Score};
    use std::collections::BTreeMap;
    use std::io::Read;
    use std::path::{Path, PathBuf};
    use std::process::ExitCode;
    use std::time::{Duration, Instant};

    const USAGE: &str = "\
usage: cargo xtask peers list
       cargo xtask peers ask PEER FORMAT FILE
       cargo xtask peers bench [PEER]… [--time SECONDS]     (2 s for each way to ask)
       cargo xtask peers score [PEER]… [--data FOLDER] [--misses]
formats: json, fhir-json, fhir-xml, fhir-ndjson, hl7v2";
    /// The peer refused the file or died of it.
    const EXIT_REFUSED: u8 = 1;
    const EXIT_USAGE: u8 = 2;
    /// Longest file that is read, bytes: what a server takes.
    const FILE_BYTES_MAX: u64 = 64 << 20;
    /// A peer could not be asked.
    const EXIT_NOT_JUDGED: u8 = 3;

    /// Why a command does not do its work: what is wrong, and the exit code.
    type Failure = (String, u8);

    pub fn main() -> ExitCode {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let result = match words.split_first().map(|(first, rest)| (first.as_str(), rest)) {
            Some(("list", [])) => list(),
            Some(("ask", [name, format, file])) => ask(name, format, Path::new(file)),
            Some(("bench", words)) => bench(words),
            Some(("score", words)) => score_peers(words),
            Some((_, words)) if words.iter().any(|word| word == "--help" || word == "-h") => {
                println!("{USAGE}");
                Ok(0)
            }
            _ => Err((USAGE.to_owned(), EXIT_USAGE)),
        };
        ExitCode::from(result.unwrap_or_else(|(text, code)| {
            eprintln!("{text}");
            code
        }))
    }

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map_or_else(PathBuf::new, Path::to_owned)
    }

    /// A regular file of at most [`FILE_BYTES_MAX`].
    fn read(file: &Path) -> Result<Vec<u8>, Failure> {
        let wrong = |why: String| (format!("{}: {why}", file.display()), EXIT_USAGE);
        let io = |error: std::io::Error| wrong(error.to_string());
        // Before it is opened: opening a pipe waits for who writes.
        if !std::fs::metadata(file).map_err(io)?.is_file() {
            return Err(wrong("not a regular file".to_owned()));
        }
        let mut bytes = Vec::new();
        std::fs::File::open(file).map_err(io)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(wrong(format!("longer than {FILE_BYTES_MAX} bytes, the limit for such a file")));
        }
        Ok(bytes)
    }

    fn named(name: &str) -> Result<&'static Peer, Failure> {
        outside().find(|peer| peer.name == name).ok_or_else(|| (format!("there is no peer `{name}`"), EXIT_USAGE))
    }

    /// The value after a flag, and the words without both.
    fn take_value(words: &[String], flag: &str) -> Result<(Option<String>, Vec<String>), Failure> {
        let Some(at) = words.iter().position(|word| word == flag) else { return Ok((None, words.to_vec())) };
        let value = words.get(at + 1).ok_or_else(|| (format!("{flag} needs a value\n{USAGE}"), EXIT_USAGE))?;
        Ok((Some(value.clone()), [&words[..at], &words[at + 2..]].concat()))
    }

    /// The peers of these names; all of them where there is none.
    fn chosen(names: &[String]) -> Result<Vec<&'static Peer>, Failure> {
        match names {
            [] => Ok(outside().collect()),
            names => names.iter().map(|name| named(name)).collect(),
        }
    }

    fn list() -> Result<u8, Failure> {
        let installed = Installed::of(&root());
        let row = |words: [&str; 7]| {
            let [name, package, runtime, formats, version, projection, state] = words;
            println!("{name:18}  {package:58}  {runtime:7}  {formats:19}  {version:4}  {projection:24}  {state}");
        };
        row(["peer", "package", "runtime", "formats", "as", "cannot represent", "state"]);
        for peer in rust().chain(outside()) {
            let formats: Vec<&str> = peer.formats.iter().map(|format| format.name()).collect();
            let state = match peer.runtime {
                Runtime::Rust => built(peer),
                _ => installed.launch(peer).map(drop).map_err(|error| error.to_string()),
            };
            row([
                peer.name,
                peer.package,
                peer.runtime.name(),
                &formats.join(", "),
                peer.version,
                &peer.projection.words().join(", "),
                &state.map_or_else(|why| format!("NOT-TESTED: {why}"), |()| "ready".to_owned()),
            ]);
        }
        Ok(0)
    }

    /// Whether the module of a Rust peer is there.
    fn built(peer: &Peer) -> Result<(), String> {
        let apart = ON_DEMAND.iter().find(|module| module.peers.contains(peer));
        let (module, remedy) = match apart {
            Some(module) => (module.module, module.remedy),
            None if peer.formats.contains(&Format::Hl7v2) => ("peers-hl7", "cargo xtask build peers-hl7"),
            None => ("peers-fhir", "cargo xtask build peers-fhir"),
        };
        match root().join(".autoclave/build").join(module).join("module.wasm").is_file() {
            true => Ok(()),
            false => Err(format!("{} is not built; {remedy}", peer.name)),
        }
    }

    fn ask(name: &str, format: &str, file: &Path) -> Result<u8, Failure> {
        let peer = named(name)?;
        let format = Format::named(format).ok_or_else(|| (format!("there is no format `{format}`"), EXIT_USAGE))?;
        let input = read(file)?;
        let reply = start(peer).and_then(|mut worker| worker.ask(&input, format)).map_err(not_judged)?;
        if !reply.printed.is_empty() {
            eprintln!("{name} printed: {}", String::from_utf8_lossy(&reply.printed));
        }
        match reply.answer {
            Answer::Accepted(body) => {
                eprintln!("{name} accepted it");
                println!("{}", String::from_utf8_lossy(&body));
                return Ok(0);
            }
            Answer::Refused(refusal) => eprintln!("{name} refused it, {:?}: {}", refusal.layer, refusal.code),
            Answer::Died { how } => eprintln!("{name} died of it: {how}"),
        }
        Ok(EXIT_REFUSED)
    }

    fn start(peer: &'static Peer) -> Result<Worker, WorkerError> {
        Worker::start(peer, &Installed::of(&root()))
    }

    fn not_judged(error: WorkerError) -> Failure {
        (format!("NOT-TESTED: {error}"), EXIT_NOT_JUDGED)
    }

    /// Committed inputs of a format: its seeds; where it has none, the vectors that every reader takes.
    fn inputs(format: Format) -> Vec<Vec<u8>> {
        let corpus = root().join("corpora").join(format.name());
        let files = |folder: &str, begin: &str| -> Vec<PathBuf> {
            let entries = std::fs::read_dir(corpus.join(folder)).into_iter().flatten().flatten();
            let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
            files.retain(|file| {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(begin) && !name.ends_with(".expect.json")
            });
            files.sort();
            files
        };
        let seeds = files("seeds", "");
        let files = if seeds.is_empty() { files("vectors", "accept-") } else { seeds };
        let small = |file: &&PathBuf| std::fs::metadata(file).is_ok_and(|facts| facts.len() < 64 << 10);
        files.iter().filter(small).filter_map(|file| read(file).ok()).collect()
    }

    fn bench(words: &[String]) -> Result<u8, Failure> {
        let (seconds, names) = take_value(words, "--time")?;
        let seconds: f64 = seconds
            .map_or(Ok(2.0), |text| text.trim_end_matches('s').parse())
            .map_err(|error| (format!("--time: {error}"), EXIT_USAGE))?;
        let limit = Duration::from_secs_f64(seconds.clamp(0.01, 3600.0));
        println!("PEER                FORMAT     INPUTS  MEAN BYTES  START s   1 BY 1/s  PIPELINED/s");
        let mut code = 0;
        for peer in chosen(&names)? {
            for format in peer.formats {
                let inputs = inputs(*format);
                if inputs.is_empty() {
                    println!("{:18}  {:9}  NOT-TESTED: no input is committed", peer.name, format.name());
                    continue;
                }
                let bytes = inputs.iter().map(Vec::len).sum::<usize>() / inputs.len().max(1);
                let begin = Instant::now();
                let result = start(peer).and_then(|mut worker| {
                    let start = begin.elapsed().as_secs_f64();
                    let one = rate(&inputs, limit, |input| worker.ask(input[0], *format).map(drop), 1)?;
                    let many = rate(&inputs, limit, |inputs| worker.ask_many(inputs, *format).map(drop), 256)?;
                    Ok((start, one, many))
                });
                match result {
                    Ok((start, one, many)) => println!(
                        "{:18}  {:9}  {:6}  {bytes:10}  {start:7.2}  {one:9.0}  {many:11.0}",
                        peer.name,
                        format.name(),
                        inputs.len()
                    ),
                    Err(error) => {
                        code = EXIT_NOT_JUDGED;
                        println!("{:18}  {:9}  NOT-TESTED: {error}", peer.name, format.name());
                    }
                }
            }
        }
        Ok(code)
    }

    /// Inputs per second, after one round that warms up compilers.
    fn rate(
        inputs: &[Vec<u8>],
        limit: Duration,
        mut ask: impl FnMut(&[&[u8]]) -> Result<(), WorkerError>,
        batch: usize,
    ) -> Result<f64, WorkerError> {
        let all: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).cycle().take(batch.max(inputs.len())).collect();
        all.chunks(batch).try_for_each(&mut ask)?;
        let (begin, mut asked) = (Instant::now(), 0);
        for chunk in all.chunks(batch).cycle() {
            ask(chunk)?;
            asked += chunk.len();
            if begin.elapsed() >= limit {
                break;
            }
        }
        Ok(asked as f64 / begin.elapsed().as_secs_f64())
    }

    fn score_peers(words: &[String]) -> Result<u8, Failure> {
        let (folder, words) = take_value(words, "--data")?;
        let with_misses = words.iter().any(|word| word == "--misses");
        let names: Vec<String> = words.into_iter().filter(|word| word != "--misses").collect();
        let named = folder.map(PathBuf::from).or_else(|| std::env::var_os("AUTOCLAVE_SHARED_DATA").map(PathBuf::from));
        let folder = named.unwrap_or_else(|| root().join("../shared/data"));
        let table = read(&folder.join("EXPECTED.tsv"))
            .map_err(|(text, code)| (format!("{text}; --data names the folder"), code))?;
        let table = String::from_utf8_lossy(&table);
        let expectations = score::expectations(&table);
        println!(
            "Right of all, by layer. A peer is asked for files of its formats and its release; R4B's are R4's, too."
        );
        let mut code = 0;
        for peer in chosen(&names)? {
            match score_peer(peer, &expectations, &folder) {
                Ok((score, deaths)) => {
                    print_score(peer, &score, with_misses);
                    deaths.iter().for_each(|death| println!("    {death}"));
                }
                Err(error) => {
                    code = EXIT_NOT_JUDGED;
                    println!("{:18}  NOT-TESTED: {error}", peer.name);
                }
            }
        }
        Ok(code)
    }

    /// Whether the peer is meant for this file.
    fn is_for(peer: &Peer, expected: &Expectation<'_>) -> bool {
        let release = expected.release().map(|release| format!("{release:?}").to_uppercase());
        let fits = match release.as_deref() {
            _ if peer.version.is_empty() => true,
            Some("R4") => matches!(peer.version, "R4" | "R4B"),
            Some(release) => release == peer.version,
            None => false,
        };
        fits && expected.is_scored() && expected.format().is_some_and(|format| peer.formats.contains(&format))
    }

    /// The score, and of which files the peer died.
    fn score_peer(
        peer: &'static Peer,
        expectations: &[Expectation<'_>],
        folder: &Path,
    ) -> Result<(Score, Vec<String>), WorkerError> {
        let mut worker = start(peer)?;
        let mut deaths = Vec::new();
        let mut sides: BTreeMap<&str, Option<Side>> = BTreeMap::new();
        for format in peer.formats {
            let fits = |expected: &&Expectation<'_>| expected.format() == Some(*format) && is_for(peer, expected);
            let files: Vec<(&str, Vec<u8>)> = expectations
                .iter()
                .filter(fits)
                .filter_map(|expected| Some((expected.path, read(&folder.join(expected.path)).ok()?)))
                .collect();
            let inputs: Vec<&[u8]> = files.iter().map(|(_, bytes)| bytes.as_slice()).collect();
            let replies = worker.ask_many(&inputs, *format)?;
            for ((path, _), reply) in files.iter().zip(&replies) {
                if let Answer::Died { how } = &reply.answer {
                    deaths.push(format!("died of {path}: {how}"));
                }
                sides.insert(path, side(reply));
            }
        }
        Ok((score::score(expectations, |expected| sides.get(expected.path).copied()), deaths))
    }

    fn side(reply: &Reply) -> Option<Side> {
        match reply.answer {
            Answer::Accepted(_) => Some(Side::Accept),
            Answer::Refused(_) => Some(Side::Reject),
            Answer::Died { .. } => None,
        }
    }

    fn print_score(peer: &Peer, score: &Score, with_misses: bool) {
        let (right, all) = score.total();
        let percent = 100.0 * right as f64 / all.max(1) as f64;
        print!("{:18}  all {right:>3} of {all:<3} {percent:5.1} %", peer.name);
        for layer in LAYERS {
            if let Some(found) = score.layers.get(layer) {
                print!("   {layer} {}/{}", found.right, found.right + found.misses.len());
            }
        }
        println!();
        for miss in score.misses().filter(|_| with_misses) {
            if let Some(did) = miss.did {
                println!("    {did:?} {}", miss.path);
            }
        }
    }
}
