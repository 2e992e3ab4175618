//! `certificate`: what a certificate says, in the forms that people and their tools read, from its file alone.

use crate::cli::{Certificate, ExitWith, Form, exit, print};
use anyhow::Context;
use autoclave_audit::renderings::{ALL, Rendering, Sealed};
use autoclave_certificate::admit::{self, Genuine};
use autoclave_certificate::statement::Subjects;
use autoclave_certificate::{Moment, Reason, bundle, files};
use autoclave_reports::escape;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

/// Verifies the file, then writes what is asked for.
pub fn run(flags: &Certificate) -> anyhow::Result<u8> {
    let file = files::read(&flags.bundle, bundle::BUNDLE_BYTES_MAX as u64, "certificate")?;
    let keys = flags.keys.iter().map(|path| files::read_public_key(path)).collect::<Result<Vec<_>, _>>()?;
    let genuine = match admit::read(&file, &keys) {
        Ok(genuine) => genuine,
        Err(reasons) => return Ok(refused(&flags.bundle, &reasons)),
    };
    if let Some(path) = &flags.module {
        let module = files::read(path, files::MODULE_BYTES_MAX, "module")?;
        let found = Subjects::of(&module).with_context(|| path.display().to_string())?;
        if found != genuine.subjects {
            let (theirs, ours) = (genuine.subjects.as_deployed, found.as_deployed);
            let message = format!(
                "{}: its SHA-256 is {ours}, the certificate is about {theirs}; give the module that was certified, byte for byte",
                path.display()
            );
            return Err(ExitWith { code: exit::FINDINGS, message }.into());
        }
    }
    let key = keys.iter().find(|key| key.hint() == genuine.key_hint).expect("one of them has verified it");
    let sealed = Some(Sealed { file: &file, key });
    let form = |form: Form| Rendering::find(name(form)).expect("the table has every form");
    let bytes = |form: &Rendering| form.bytes(&genuine.certificate, &genuine.subjects, sealed);
    match &flags.out {
        None => print(&bytes(form(flags.format.unwrap_or(Form::Md)))?)?,
        Some(folder) => {
            let forms: Vec<&Rendering> = flags.format.map_or_else(|| ALL.iter().collect(), |one| vec![form(one)]);
            // All are made before one is written.
            let made = forms.iter().map(|form| Ok((form.file, bytes(form)?))).collect::<anyhow::Result<Vec<_>>>()?;
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
            for (name, bytes) in made {
                let path = folder.join(name);
                write(&path, &bytes).with_context(|| path.display().to_string())?;
                eprintln!("{}", escape::line(&path.display().to_string()));
            }
        }
    }
    tell(&genuine);
    Ok(exit::CLEAN)
}

fn name(form: Form) -> &'static str {
    match form {
        Form::Html => "html",
        Form::Md => "md",
        Form::Hipaa => "hipaa",
        Form::Json => "json",
        Form::Oscal => "oscal",
        Form::OscalCatalog => "oscal-catalog",
        Form::Ctrf => "ctrf",
    }
}

fn refused(path: &Path, reasons: &[Reason]) -> u8 {
    eprintln!("REFUSED  {}: nothing in it can be believed", escape::line(&path.display().to_string()));
    super::verify::tell_reasons(reasons);
    exit::FINDINGS
}

/// What the pages cannot say, because they have no clock.
fn tell(genuine: &Genuine) {
    let (certificate, now) = (&genuine.certificate, Moment::from(SystemTime::now()));
    let module = escape::column(&certificate.module.name, 80);
    eprintln!(
        "signatures verified with the key {}; about {module}, sha256 {}",
        genuine.key_hint, genuine.subjects.as_deployed
    );
    if now < certificate.not_before {
        eprintln!("note: it does not hold yet: from {} on", certificate.not_before);
    }
    if now >= certificate.not_after {
        eprintln!("note: it no longer holds: until {}", certificate.not_after);
    }
    eprintln!("`cargo xtask verify` decides whether a host may load the module");
}

/// The file whole, or as it was.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // For everybody: a temporary file is its owner's alone.
        builder.permissions(fs::Permissions::from_mode(0o644));
    }
    let mut file = builder.prefix(".certificate-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}
