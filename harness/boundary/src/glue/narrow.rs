//! `boundary.toml`: what the people who know a package say about it beyond what can be read from its files.

use crate::api::{Api, Range};
use crate::wire::Glue;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Name of the file.
pub const FILE: &str = "boundary.toml";

/// What such a file may say. Every key is optional; unknown ones are refused.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Narrowing {
    /// Script that callers import, relative to the package.
    pub entry: Option<String>,
    /// How it is loaded, where the files do not say it clearly.
    pub glue: Option<Glue>,
    /// The module that is meant where there are several.
    pub module: Option<String>,
    /// Declarations to read instead of the package's own.
    pub declarations: Option<String>,
    /// Profiles that count: `typed`, `json`, `hostile`; empty: all.
    #[serde(default)]
    pub profiles: Vec<Profile>,
    /// `Store.set -> Store.get`: what the first is given may come out of the second.
    #[serde(default)]
    pub flows: Vec<String>,
    /// Operations that are not called: name and reason.
    #[serde(default)]
    pub skip: BTreeMap<String, String>,
    /// Numbers that a parameter takes, by `operation.parameter`.
    #[serde(default)]
    pub range: BTreeMap<String, Declared>,
    /// What the package may ask of its host.
    #[serde(default)]
    pub allow: Allow,
}

/// Who holds the values that a tape is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Values that the declarations allow.
    Typed,
    /// Whatever `JSON.parse` can give.
    Json,
    /// Live objects too.
    Hostile,
}

/// A range as it is written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    min: Decimal,
    max: Decimal,
    /// Whether fractions are lost.
    #[serde(default)]
    integer: bool,
}

/// A number; as a text where TOML's own are too small.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Decimal {
    Integer(i64),
    Float(f64),
    Text(String),
}

impl Decimal {
    fn text(&self) -> String {
        match self {
            Decimal::Integer(number) => number.to_string(),
            Decimal::Float(number) => number.to_string(),
            Decimal::Text(text) => text.trim().to_owned(),
        }
    }
}

/// What the package may ask of its host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// Imports of the module, `module.name`; a `*` at the end stands for any rest.
    #[serde(default)]
    pub imports: Vec<String>,
    /// Capabilities by name: `console`, `clock`, `random`, ….
    #[serde(default)]
    pub capabilities: Vec<String>,
}

/// What is wrong with such a file, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {what}")]
pub struct NarrowError {
    /// The file.
    pub file: String,
    /// What is wrong, and the remedy.
    pub what: String,
}

impl Narrowing {
    /// Reads the text of `file`.
    pub fn parse(file: &str, text: &str) -> Result<Narrowing, NarrowError> {
        let fault = |what: String| NarrowError { file: file.to_owned(), what };
        let read: Narrowing = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            fault(format!("line {line}: {}; correct or remove it", error.message()))
        })?;
        for (name, range) in &read.range {
            let (min, max) = (range.min.text(), range.max.text());
            let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
            match (number(&min), number(&max)) {
                (Some(low), Some(high)) if low <= high => {}
                _ => {
                    return Err(fault(format!(
                        "[range.\"{name}\"] wants numbers with min <= max, not {min:?} and {max:?}"
                    )));
                }
            }
        }
        if let Some((name, _)) = read.skip.iter().find(|(_, reason)| reason.trim().is_empty()) {
            return Err(fault(format!("[skip] \"{name}\" wants a reason, which the report shows")));
        }
        read.flows(file)?;
        Ok(read)
    }

    /// The flows as pairs of names.
    pub fn flows(&self, file: &str) -> Result<Vec<(String, String)>, NarrowError> {
        let pair = |text: &String| {
            let sides = text.split_once("->").map(|(from, to)| (from.trim().to_owned(), to.trim().to_owned()));
            sides.filter(|(from, to)| !from.is_empty() && !to.is_empty()).ok_or_else(|| NarrowError {
                file: file.to_owned(),
                what: format!("flows: {text:?} is not of the form \"Store.set -> Store.get\""),
            })
        };
        self.flows.iter().map(pair).collect()
    }

    /// Puts ranges in and takes skipped operations out; a name that nothing has is an error.
    pub fn apply(&self, file: &str, api: &mut Api) -> Result<(), NarrowError> {
        let known = |name: &str| api.operations.iter().any(|operation| operation.name == name);
        let flows = self.flows(file)?;
        let named = self.skip.keys().chain(flows.iter().flat_map(|(from, to)| [from, to]));
        for name in named {
            if !known(name) {
                return Err(unknown(file, name, "operation", api.operations.iter().map(|o| o.name.as_str())));
            }
        }
        for (key, range) in &self.range {
            let Some((operation, param)) = key.rsplit_once('.') else {
                let what = format!("[range.\"{key}\"] wants the form \"operation.parameter\"");
                return Err(NarrowError { file: file.to_owned(), what });
            };
            let names: Vec<String> = api.operations.iter().map(|operation| operation.name.clone()).collect();
            let found = api.operations.iter_mut().find(|other| other.name == operation);
            let Some(found) = found else {
                return Err(unknown(file, operation, "operation", names.iter().map(String::as_str)));
            };
            let names: Vec<String> = found.params.iter().map(|param| param.name.clone()).collect();
            let Some(found) = found.params.iter_mut().find(|other| other.name == param) else {
                return Err(unknown(file, key, "parameter", names.iter().map(String::as_str)));
            };
            found.range = Some(Range {
                min: range.min.text(),
                max: range.max.text(),
                integer: range.integer,
                source: FILE.to_owned(),
            });
        }
        api.operations.retain(|operation| !self.skip.contains_key(&operation.name));
        Ok(())
    }
}

fn unknown<'n>(file: &str, name: &str, what: &str, known: impl Iterator<Item = &'n str>) -> NarrowError {
    let mut known: Vec<&str> = known.collect();
    let more = known.len().saturating_sub(40);
    known.truncate(40);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    NarrowError {
        file: file.to_owned(),
        what: format!("no {what} is called {name:?}; there are: {}{rest}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Kind, Operation, Param, Type, id};

    fn api() -> Api {
        let param = Param { name: "n".to_owned(), ty: Type::Number, optional: false, range: None };
        let operation = |name: &str| Operation {
            id: id(name),
            name: name.to_owned(),
            kind: Kind::Function,
            class: None,
            member: name.to_owned(),
            params: vec![param.clone()],
            result: Type::Undefined,
            consumes_this: false,
        };
        Api { operations: vec![operation("add"), operation("Store.set"), operation("Store.get")] }
    }

    #[test]
    fn what_it_says_is_applied() {
        let text = r#"
            module = "a.wasm"
            glue = "bindgen-web"
            profiles = ["typed", "json"]
            flows = ["Store.set -> Store.get"]
            [skip]
            add = "prints"
            [range."Store.set.n"]
            min = 0
            max = "18446744073709551615"
            integer = true
            [allow]
            capabilities = ["console"]
        "#;
        let narrowing = Narrowing::parse("boundary.toml", text).unwrap();
        let mut api = api();
        narrowing.apply("boundary.toml", &mut api).unwrap();
        assert_eq!(api.operations.iter().map(|o| o.name.as_str()).collect::<Vec<_>>(), ["Store.set", "Store.get"]);
        let range = api.operations[0].params[0].range.clone().unwrap();
        assert_eq!((range.min.as_str(), range.max.as_str(), range.integer), ("0", "18446744073709551615", true));
        assert_eq!(narrowing.glue, Some(Glue::BindgenWeb));
        assert_eq!(narrowing.profiles, [Profile::Typed, Profile::Json]);
    }

    #[test]
    fn faults_name_file_place_and_remedy() {
        let cases = [
            ("modul = 'a'", "p/boundary.toml: line 1: unknown field `modul`"),
            ("\nglue = 'magic'", "p/boundary.toml: line 2: unknown variant `magic`"),
            ("[range.'add.n']\nmin = 2\nmax = 1", "wants numbers with min <= max, not \"2\" and \"1\""),
            ("[range.'add.n']\nmin = 'x'\nmax = 1", "wants numbers"),
            ("[range.'add.n']\nmin = 0\nmax = 1\nstep = 1", "unknown field `step`"),
            ("[range.'add.m']\nmin = 0\nmax = 1", "no parameter is called \"add.m\"; there are: n"),
            ("[range.add]\nmin = 0\nmax = 1", "wants the form \"operation.parameter\""),
            ("[skip]\nsub = 'why'", "no operation is called \"sub\"; there are: add, Store.set, Store.get"),
            ("[skip]\nadd = ''", "[skip] \"add\" wants a reason"),
            ("flows = ['a, b']", "is not of the form"),
            ("flows = ['add -> b']", "no operation is called \"b\""),
            ("profiles = ['mild']", "unknown variant `mild`"),
        ];
        for (text, expected) in cases {
            let read = Narrowing::parse("p/boundary.toml", text);
            let error = read.and_then(|narrowing| narrowing.apply("p/boundary.toml", &mut api())).unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
    }
}
