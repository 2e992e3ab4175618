//! `schema/certificate.schema.json` is what the types say.

use autoclave_certificate::statement;
use std::path::{Path, PathBuf};

pub fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/certificate.schema.json")
}

#[test]
fn the_committed_schema_is_that_of_the_types() {
    let generated = statement::schema();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(committed(), &generated).unwrap();
    }
    let known = std::fs::read_to_string(committed()).unwrap_or_default();
    assert!(
        known == generated,
        "the types changed: BLESS=1 cargo test -p autoclave-certificate, and read the difference"
    );
}
