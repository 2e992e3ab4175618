//! A format is one rendering of a record. One file each in `formats/`, one line each in [`ALL`].

pub mod afl;
pub mod boundary;
pub mod constant_time;
pub mod contract;
pub mod csv;
pub mod github;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod sarif;
pub mod table;

use crate::clip::clip;
use crate::record::Record;

/// One rendering.
pub struct Format {
    /// As in `--format NAME`.
    pub name: &'static str,
    /// What it is for, one line.
    pub about: &'static str,
    /// The files that it makes of a record that is already clipped.
    render: fn(&Record) -> Vec<File>,
}

/// One file of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path below the report's folder: plain characters, no `..`.
    pub path: String,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// Every format.
pub static ALL: &[Format] = &[
    Format { name: "json", about: "the record itself", render: |r| one("report.json", json::render(r)) },
    Format { name: "html", about: "a page to read, print and send", render: |r| one("index.html", html::render(r)) },
    Format { name: "sarif", about: "code scanning (SARIF 2.1.0)", render: |r| one("report.sarif", sarif::render(r)) },
    Format { name: "junit", about: "CI test reports (JUnit XML)", render: |r| one("junit.xml", junit::render(r)) },
    Format { name: "markdown", about: "CI job summaries", render: |r| one("summary.md", markdown::render(r)) },
    Format { name: "github", about: "GitHub annotations", render: |r| one("annotations.txt", github::render(r)) },
    Format { name: "csv", about: "findings for spreadsheets", render: |r| one("findings.csv", csv::render(r)) },
    Format { name: "contract", about: "trials of the resource contract for spreadsheets", render: contract::render },
    Format {
        name: "constant-time",
        about: "entries with secrets and their leaks for spreadsheets",
        render: constant_time::render,
    },
    Format {
        name: "boundary",
        about: "classes, findings and operations of a JavaScript boundary for spreadsheets",
        render: boundary::render,
    },
    Format { name: "table", about: "the table at a run's end", render: |r| one("summary.txt", table::render(r)) },
    Format { name: "afl", about: "afl-whatsup and afl-plot", render: afl::render },
];

/// Every file of every format.
pub fn render_all(record: &Record) -> Vec<File> {
    let clipped = clip(record);
    ALL.iter().flat_map(|format| (format.render)(&clipped)).collect()
}

impl Format {
    /// The format of that name.
    pub fn find(name: &str) -> Option<&'static Format> {
        ALL.iter().find(|format| format.name == name)
    }

    /// The files of this format.
    pub fn files(&self, record: &Record) -> Vec<File> {
        (self.render)(&clip(record))
    }

    /// All its files as one text, for standard output.
    pub fn bytes(&self, record: &Record) -> Vec<u8> {
        self.files(record).into_iter().flat_map(|file| file.bytes).collect()
    }
}

fn one(path: &str, bytes: Vec<u8>) -> Vec<File> {
    vec![File { path: path.into(), bytes }]
}
