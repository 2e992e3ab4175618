//! Every limit in one struct: unit in the name, default and reason beside it. Resolved once
//! (default → profile → `target.toml` → flag) and printed in every report.

mod terms;

pub use terms::{EXPLAINED, Terms};

use crate::error::HarnessError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Bounds on one execution (and on loading the module).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Longest input given to a target, bytes. Default 1 MiB: FHIR bundles in the field stay below; longer ones belong to the bomb suite.
    pub input_bytes_max: u32,
    /// Linear memory, all memories summed, bytes. Default 256 MiB: what a browser tab can spare.
    pub memory_bytes_max: u64,
    /// Denied growth requests before the module is stopped. Default 1,000: an allocator that copes asks a handful of times.
    pub growth_denials_max: u32,
    /// Elements of all tables. Default 10,000, the browser engines' usual module size many times over.
    pub table_elements_max: u32,
    /// Fuel (about one unit per instruction) given per execution before its bytes count. Default 50 million.
    pub fuel_base: u64,
    /// Fuel given on top for each input byte. Default 30,000: ten times the contract of a linear parser.
    pub fuel_per_byte: u64,
    /// Wall-clock guard per execution, milliseconds. Default 1,000. Advice only: the judge replays with fuel.
    pub wall_ms_max: u64,
    /// Native stack for guest frames, bytes. Default 512 KiB, the smallest of the browsers'.
    pub native_stack_bytes_max: u32,
    /// Output read back from one execution, bytes. Default 16 MiB.
    pub output_bytes_max: u32,
    /// Calls to the host in one execution. Default 100,000.
    pub host_calls_max: u64,
    /// Module size, bytes. Default 64 MiB: compiling more costs minutes.
    pub module_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            input_bytes_max: 1 << 20,
            memory_bytes_max: 256 << 20,
            growth_denials_max: 1_000,
            table_elements_max: 10_000,
            fuel_base: 50_000_000,
            fuel_per_byte: 30_000,
            wall_ms_max: 1_000,
            native_stack_bytes_max: 512 << 10,
            output_bytes_max: 16 << 20,
            host_calls_max: 100_000,
            module_bytes_max: 64 << 20,
        }
    }
}

impl Limits {
    /// Fuel for an input of `bytes` bytes.
    pub fn fuel(&self, bytes: usize) -> u64 {
        self.fuel_base.saturating_add(self.fuel_per_byte.saturating_mul(bytes as u64))
    }
}

/// Where the module will run: sets of limits measured for the two usual hosts of such modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// A browser tab or a phone.
    Browser,
    /// A service that takes whole bundles.
    Server,
}

impl Profile {
    /// Every profile.
    pub const ALL: &[Profile] = &[Profile::Browser, Profile::Server];

    /// The name used in `target.toml` and by `--profile`.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Browser => "browser",
            Profile::Server => "server",
        }
    }

    /// The limits of this profile.
    pub fn limits(self) -> Limits {
        match self {
            Profile::Browser => Limits { input_bytes_max: 8 << 20, output_bytes_max: 64 << 20, ..Limits::default() },
            Profile::Server => Limits {
                input_bytes_max: 64 << 20,
                memory_bytes_max: 1 << 30,
                table_elements_max: 100_000,
                wall_ms_max: 5_000,
                native_stack_bytes_max: 1 << 20,
                output_bytes_max: 512 << 20,
                ..Limits::default()
            },
        }
    }
}

/// What the command line says about limits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// `--profile`; wins over the manifest's.
    pub profile: Option<Profile>,
    /// `--limit NAME=VALUE`, by field name.
    pub values: toml::Table,
    /// `--term NAME=VALUE`, by field name of [`Terms`].
    pub terms: toml::Table,
}

impl Overrides {
    /// Adds one `NAME=VALUE`; the value may carry `KiB`, `MiB` or `GiB`.
    pub fn set(&mut self, assignment: &str) -> Result<(), String> {
        assign(&mut self.values, assignment, "limit", &Limits::names())
    }

    /// The same for a term of the resource contract.
    pub fn set_term(&mut self, assignment: &str) -> Result<(), String> {
        assign(&mut self.terms, assignment, "term", &Terms::names())
    }
}

fn assign(values: &mut toml::Table, assignment: &str, what: &str, names: &[String]) -> Result<(), String> {
    let (name, value) = assignment
        .split_once('=')
        .ok_or_else(|| format!("{assignment:?} is not NAME=VALUE, for example {}=64MiB", names[0]))?;
    let (name, value) = (name.trim(), value.trim());
    if !names.iter().any(|known| known == name) {
        return Err(format!("no {what} is called {name:?}; there are {}", names.join(", ")));
    }
    values.insert(name.to_owned(), toml::Value::Integer(parse_quantity(value)?));
    Ok(())
}

/// What decided a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// [`Limits::default`].
    Default,
    /// The profile.
    Profile,
    /// `target.toml`.
    Manifest,
    /// A flag.
    Flag,
}

/// One limit as the report prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedLimit {
    /// Field of [`Limits`].
    pub name: String,
    /// Its value, in the unit that the name carries.
    pub value: u64,
    /// What decided it.
    pub origin: Origin,
}

impl Limits {
    /// The field names, in order.
    pub fn names() -> Vec<String> {
        Limits::default().to_table().keys().cloned().collect()
    }

    /// Default, then profile, then manifest, then flags; with what decided each. `manifest` names the file in errors.
    pub fn resolve(
        profile: Option<Profile>,
        values: &toml::Table,
        overrides: &Overrides,
        manifest: &Path,
    ) -> Result<(Limits, Vec<ResolvedLimit>), HarnessError> {
        let profile = overrides.profile.or(profile).map(|profile| profile.limits().to_table());
        layered("limit", &Limits::default().to_table(), profile, values, &overrides.values, manifest)
    }

    fn to_table(&self) -> toml::Table {
        // Values above i64::MAX cannot be written in TOML; nothing that came from TOML or a flag exceeds it.
        toml::Table::try_from(self).expect("a struct of integers is a table")
    }
}

/// Default, then profile, then manifest, then flags; with what decided each. `what` is what one value is called.
fn layered<T: DeserializeOwned>(
    what: &str,
    default: &toml::Table,
    profile: Option<toml::Table>,
    values: &toml::Table,
    flags: &toml::Table,
    manifest: &Path,
) -> Result<(T, Vec<ResolvedLimit>), HarnessError> {
    let wrong = |message: String| HarnessError::Manifest { path: manifest.to_owned(), message };
    let names = || default.keys().cloned().collect::<Vec<_>>().join(", ");
    let mut table = default.clone();
    let mut origins: Vec<Origin> = vec![Origin::Default; table.len()];
    let mut changed = profile.unwrap_or_default();
    changed.retain(|name, value| default.get(name) != Some(value));
    for (layer, origin) in [(&changed, Origin::Profile), (values, Origin::Manifest), (flags, Origin::Flag)] {
        for (name, value) in layer {
            let Some(at) = table.keys().position(|known| known == name) else {
                return Err(wrong(format!("no {what} is called {name:?}; there are {}", names())));
            };
            let value = match value {
                toml::Value::String(text) => parse_quantity(text).map(toml::Value::Integer),
                other => Ok(other.clone()),
            }
            .map_err(|message| wrong(format!("{what} {name}: {message}")))?;
            table.insert(name.clone(), value);
            origins[at] = origin;
        }
    }
    let resolved = table.clone().try_into();
    let resolved = resolved.map_err(|error: toml::de::Error| wrong(format!("{what}s: {}", error.message())))?;
    let rows = table.into_iter().zip(origins).map(|((name, value), origin)| ResolvedLimit {
        name,
        value: value.as_integer().unwrap_or_default() as u64,
        origin,
    });
    Ok((resolved, rows.collect()))
}

/// `65536`, `64KiB`, `1_000`.
fn parse_quantity(text: &str) -> Result<i64, String> {
    let (digits, scale) = [("KiB", 1i64 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)]
        .iter()
        .find_map(|(suffix, scale)| text.strip_suffix(suffix).map(|digits| (digits, *scale)))
        .unwrap_or((text, 1));
    digits
        .trim()
        .replace('_', "")
        .parse::<i64>()
        .ok()
        .filter(|value| *value >= 0)
        .and_then(|value| value.checked_mul(scale))
        .ok_or_else(|| format!("{text:?} is not a number such as 65536 or 64MiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_layers_win_and_are_named() {
        let manifest: toml::Table = toml::from_str("wall_ms_max = 7\nfuel_base = '1MiB'").unwrap();
        let mut overrides = Overrides { profile: Some(Profile::Server), ..Overrides::default() };
        overrides.set("fuel_base=2MiB").unwrap();
        let (limits, report) =
            Limits::resolve(Some(Profile::Browser), &manifest, &overrides, Path::new("target.toml")).unwrap();
        assert_eq!((limits.wall_ms_max, limits.fuel_base, limits.memory_bytes_max), (7, 2 << 20, 1 << 30));
        let origin = |name: &str| report.iter().find(|limit| limit.name == name).unwrap().origin;
        assert_eq!(origin("wall_ms_max"), Origin::Manifest);
        assert_eq!(origin("fuel_base"), Origin::Flag);
        assert_eq!(origin("memory_bytes_max"), Origin::Profile);
        assert_eq!(origin("fuel_per_byte"), Origin::Default);
        assert_eq!(report.len(), Limits::names().len());
    }

    #[test]
    fn wrong_limits_are_errors() {
        for wrong in ["nope = 1", "fuel_base = -1", "input_bytes_max = 5_000_000_000", "fuel_base = 'much'"] {
            let table: toml::Table = toml::from_str(wrong).unwrap();
            let result = Limits::resolve(None, &table, &Overrides::default(), Path::new("target.toml"));
            assert!(result.is_err(), "{wrong}");
        }
        for wrong in ["fuel_base", "fuel=1", "fuel_base=9999999999GiB", "fuel_base=-3"] {
            assert!(Overrides::default().set(wrong).is_err(), "{wrong}");
        }
    }
}
