//! `report.json`: the record itself, indented, keys in the order of the types. `schema/report.schema.json` describes it.

use crate::escape;
use crate::record::Record;

/// The file.
pub fn render(record: &Record) -> Vec<u8> {
    let text = serde_json::to_string_pretty(record).expect("a record always serializes");
    let mut bytes = escape::json(&text).into_bytes();
    bytes.push(b'\n');
    bytes
}

/// The JSON Schema of `report.json`, generated from the types.
pub fn schema() -> String {
    // The contract of the writer: every field is there. A reader takes files without the optional ones too.
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Record>();
    schema.insert("$id".into(), format!("autoclave/report/v{}", crate::record::SCHEMA_VERSION).into());
    schema.insert("title".into(), "Autoclave report".into());
    serde_json::to_string_pretty(&schema).expect("a schema always serializes") + "\n"
}
