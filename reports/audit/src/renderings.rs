//! A certificate in the forms that people and their tools read: a page to print, a summary for a job, the map to HIPAA's
//! safeguards, OSCAL, CTRF. All of them follow from the certificate alone: no clock, no run's folder, and the same
//! certificate gives the same bytes. A rendering counts verdicts, and never changes one.
//!
//! A certificate is signed, but whoever signed it may have written anything: every text in it passes through
//! [`autoclave_reports::escape`], and lists on the first two pages are cut, so that they stay two.

mod hipaa;
mod html;
mod machines;
mod markdown;
mod view;

use autoclave_certificate::statement::{Statements, Subjects};
use autoclave_certificate::{Certificate, PublicKey, Reason, bundle};
use std::fmt;
use view::View;

/// One form of a certificate.
pub struct Rendering {
    /// As asked for with `--format`.
    pub name: &'static str,
    /// Its file.
    pub file: &'static str,
    render: fn(&View<'_>) -> Result<String, RenderError>,
}

/// The page.
const PAGE: &str = "certificate.html";
/// The catalogue of safeguards that the assessment results refer to.
const CATALOGUE: &str = "oscal-catalog.json";

/// All forms, the page first.
pub const ALL: &[Rendering] = &[
    Rendering { name: "html", file: PAGE, render: |view| Ok(html::render(view)) },
    Rendering { name: "md", file: "summary.md", render: |view| Ok(markdown::render(view)) },
    Rendering { name: "hipaa", file: "hipaa.md", render: |view| Ok(hipaa::render(view)) },
    Rendering { name: "json", file: "certificate.json", render: |view| Ok(machines::json(view)) },
    Rendering { name: "oscal", file: "oscal-assessment-results.json", render: machines::oscal },
    Rendering { name: "oscal-catalog", file: CATALOGUE, render: |_| Ok(machines::catalogue()) },
    Rendering { name: "ctrf", file: "ctrf.json", render: machines::ctrf },
];

/// A certificate's file and the key that it is verified with.
#[derive(Clone, Copy)]
pub struct Sealed<'a> {
    /// The bytes that [`autoclave_certificate::seal`] wrote.
    pub file: &'a [u8],
    /// The signer's public key.
    pub key: &'a PublicKey,
}

/// Why a certificate cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The file says something else than the certificate, or the key has not signed it.
    #[error("the certificate's file cannot be verified: {}", Reasons(.0))]
    NotVerified(Vec<Reason>),
    /// The file is of another certificate.
    #[error("the certificate's file is of another certificate; give the file and the certificate of one run")]
    AnotherFile,
    /// Nobody would load a module on the strength of it.
    #[error("the certificate contradicts itself ({}); certify again with a program that you trust", .0.join("; "))]
    Contradiction(Vec<String>),
    /// Controls that this program's catalogue does not have.
    #[error(
        "this program's catalogue does not have the control {0}, so that {1} would be incomplete; use the version of the \
         program that made the certificate, or ask for html, md or json"
    )]
    UnknownControl(String, &'static str),
}

struct Reasons<'a>(&'a [Reason]);

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(Reason::to_string).collect();
        f.write_str(&texts.join("; "))
    }
}

/// Every form of a certificate: names of files, to be put into one folder, and their bytes.
///
/// `subjects` are the digests of the certified module: [`Subjects::of`] its bytes, or those that
/// [`autoclave_certificate::admit::read`] found signed. With `sealed`, the pages name the key and the file, once the
/// signatures are verified and the file is of this very certificate; without it they say that nothing is signed.
///
/// # Errors
/// The certificate contradicts itself, the file does not fit it, or it has controls that this version does not know.
pub fn files(
    certificate: &Certificate,
    subjects: &Subjects,
    sealed: Option<Sealed<'_>>,
) -> Result<Vec<(&'static str, Vec<u8>)>, RenderError> {
    let view = view(certificate, subjects, sealed)?;
    ALL.iter().map(|form| Ok((form.file, (form.render)(&view)?.into_bytes()))).collect()
}

impl Rendering {
    /// The form of that name.
    pub fn find(name: &str) -> Option<&'static Rendering> {
        ALL.iter().find(|form| form.name == name)
    }

    /// This form alone; arguments as for [`files`].
    ///
    /// # Errors
    /// As for [`files`]; forms for people know no unknown controls.
    pub fn bytes(
        &self,
        certificate: &Certificate,
        subjects: &Subjects,
        sealed: Option<Sealed<'_>>,
    ) -> Result<Vec<u8>, RenderError> {
        Ok((self.render)(&view(certificate, subjects, sealed)?)?.into_bytes())
    }
}

fn view<'a>(
    certificate: &'a Certificate,
    subjects: &'a Subjects,
    sealed: Option<Sealed<'a>>,
) -> Result<View<'a>, RenderError> {
    let contradictions = certificate.contradictions();
    if !contradictions.is_empty() {
        return Err(RenderError::Contradiction(contradictions));
    }
    if let Some(Sealed { file, key }) = sealed {
        let opened =
            bundle::open(file, std::slice::from_ref(key)).map_err(|reason| RenderError::NotVerified(vec![reason]))?;
        let stated = subjects.list(&certificate.module.name);
        if opened.payloads != Statements::of(certificate.clone(), stated).payloads() {
            return Err(RenderError::AnotherFile);
        }
    }
    Ok(View::of(certificate, subjects, sealed))
}
