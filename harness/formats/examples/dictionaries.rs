//! Writes the dictionaries that are made from FHIR's definitions into `corpora/`.

use autoclave_formats::{Format, generate::dictionary::dictionary};

fn main() -> std::io::Result<()> {
    for format in Format::ALL {
        if let Some(text) = dictionary(format) {
            let name = format.name();
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora").join(name);
            std::fs::create_dir_all(&folder)?;
            let (new, file) = (folder.join(format!(".{name}.dict.new")), folder.join(format!("{name}.dict")));
            std::fs::write(&new, text)?;
            std::fs::rename(new, &file)?;
            eprintln!("{}", file.display());
        }
    }
    Ok(())
}
