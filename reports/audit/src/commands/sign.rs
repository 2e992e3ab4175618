//! `sign`: says with a key that a module is the signer's, beside it or inside of it. What `scan` and `certify` verify.

use crate::cli::{Sign, exit};
use anyhow::{Context, bail};
use autoclave_certificate::statement::Subjects;
use autoclave_certificate::{Algorithm, bundle, dsse, files};
use autoclave_reports::escape;
use autoclave_scan::dsse::embed;
use serde_json::json;

/// What the statement says: who signs, and nothing else.
const PREDICATE_TYPE: &str = "urn:autoclave:signature:v1";

/// Signs; the module stays as it is.
pub fn run(flags: &Sign) -> anyhow::Result<u8> {
    let module = files::read(&flags.module, files::MODULE_BYTES_MAX, "module")?;
    let shown = || escape::line(&flags.module.display().to_string());
    let subjects = Subjects::of(&module).with_context(shown)?;
    let key = files::read_private_key(&flags.key)?;
    let name = flags.module.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (ending, bytes) = if flags.embed {
        if key.public().algorithm() != Algorithm::Ed25519 {
            bail!("--embed: WebAssembly module signatures are Ed25519; make a key with keygen --algorithm ed25519");
        }
        ("signed.wasm", embed(&module, &key))
    } else {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": subjects.list(&name),
            "predicateType": PREDICATE_TYPE,
            "predicate": {},
        });
        let payload = serde_json::to_vec(&statement)?;
        ("sigstore.json", bundle::seal_payloads(&[payload], dsse::PAYLOAD_TYPE, &key))
    };
    let out = flags.out.clone().unwrap_or_else(|| flags.module.with_file_name(format!("{name}.{ending}")));
    super::write_whole(&out, &bytes)?;
    eprintln!("{}: signed by {}", escape::line(&out.display().to_string()), key.public().hint());
    Ok(exit::CLEAN)
}
