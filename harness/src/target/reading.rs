//! What an entry reads, as `target.toml` and `--reads` say it.

use super::nearest;
use autoclave_generators::Kind;
use std::fmt;

/// A kind of input, and what is read inside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reading {
    /// What the bytes are.
    pub outer: Kind,
    /// What they are when expanded, where the entry reads that as well; `outer` is compressed then.
    pub inner: Option<Kind>,
}

impl Reading {
    /// Reads `gzip` or `gzip/fhir-json`.
    ///
    /// # Errors
    /// A word that is no kind, with the one that was probably meant.
    pub fn parse(word: &str) -> Result<Self, String> {
        let kind = |name: &str| {
            Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
                let names = Kind::ALL.map(Kind::name);
                let hint = nearest(name, names.into_iter())
                    .map_or(format!("there are {}", names.join(", ")), |near| format!("did you mean `{near}`?"));
                format!("no kind of input is called `{name}`; {hint}")
            })
        };
        let Some((outer, inner)) = word.split_once('/') else {
            return Ok(Self { outer: kind(word)?, inner: None });
        };
        let (outer, inner) = (kind(outer)?, kind(inner)?);
        if !outer.is_compressed() || inner.is_compressed() {
            return Err(format!("{word}: what stands before the `/` is compressed, what stands after is not"));
        }
        Ok(Self { outer, inner: Some(inner) })
    }

    /// Whether inputs of a kind say something about this reader. FHIR is JSON or XML first: hostile JSON concerns every
    /// reader of FHIR JSON, and hostile FHIR JSON every reader of JSON.
    pub fn concerns(self, kind: Kind) -> bool {
        alike(self.outer, kind)
    }

    /// The same for what stands inside.
    pub fn concerns_inside(self, kind: Kind) -> bool {
        self.inner.is_some_and(|inner| alike(inner, kind))
    }
}

fn alike(reader: Kind, kind: Kind) -> bool {
    kind.is_read_as(reader.name()) || reader.is_read_as(kind.name())
}

impl fmt::Display for Reading {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.outer.name())?;
        self.inner.map_or(Ok(()), |inner| write!(out, "/{}", inner.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_are_read_back() {
        for word in ["gzip", "gzip/fhir-json", "zip/hl7v2", "json"] {
            assert_eq!(Reading::parse(word).unwrap().to_string(), word);
        }
        for wrong in ["", "gz", "json/json", "gzip/gzip", "gzip/", "/json", "gzip/json/json"] {
            assert!(Reading::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn fhir_is_json_first() {
        let reading = |word: &str| Reading::parse(word).unwrap();
        assert!(reading("fhir-json").concerns(Kind::Json) && reading("json").concerns(Kind::FhirJson));
        assert!(!reading("json").concerns(Kind::Xml) && !reading("gzip").concerns(Kind::Zlib));
        assert!(reading("gzip/json").concerns_inside(Kind::FhirJson) && !reading("gzip").concerns_inside(Kind::Json));
    }
}
