//! `keygen`: a key pair that signs certificates.

use crate::cli::{self, Keygen, exit};
use anyhow::bail;
use autoclave_certificate::{Algorithm, PrivateKey, files};
use autoclave_reports::escape;

/// Makes it; what is there already stays as it is.
pub fn run(flags: &Keygen) -> anyhow::Result<u8> {
    let Some(name) = flags.name.file_name() else {
        bail!("{}: no name for a file; give one", flags.name.display());
    };
    let with = |ending: &str| {
        let mut name = name.to_owned();
        name.push(ending);
        flags.name.with_file_name(name)
    };
    let (private, public) = (with(".key"), with(".pub"));
    let key = PrivateKey::generate(match flags.algorithm {
        cli::Algorithm::P256 => Algorithm::P256,
        cli::Algorithm::Ed25519 => Algorithm::Ed25519,
    })?;
    files::write_keys(&key, &private, &public)?;
    let shown = |path: &std::path::Path| escape::line(&path.display().to_string());
    eprintln!("{}: signs; keep it secret, and keep a copy of it offline", shown(&private));
    eprintln!("{}: verifies; give it to who loads modules, over another channel than certificates", shown(&public));
    eprintln!("certificates will name it {}", key.public().hint());
    Ok(exit::CLEAN)
}
