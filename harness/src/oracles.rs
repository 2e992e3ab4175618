//! One question each, asked of an execution; one table that lists them. Every oracle names a canary that it must catch
//! and the repaired twin that it must pass, and `selftest` holds it to that.

mod boundary;
mod complexity;
mod constant_time;
mod contract;
mod crash;

use crate::execution::Execution;
use crate::target::Target;

/// What an oracle looks at.
pub struct Case<'a> {
    /// What ran.
    pub target: &'a Target,
    /// Which entry.
    pub entry: &'a str,
    /// On what.
    pub input: &'a [u8],
    /// What happened.
    pub execution: &'a Execution,
}

/// One question.
pub struct Oracle {
    /// Stable name, as in `selftest --oracle NAME` and in buckets.
    pub name: &'static str,
    /// The question.
    pub question: &'static str,
    /// What a finding means and what to do about it.
    pub explanation: &'static str,
    /// Of what it is asked.
    pub asked: Asked,
    /// Targets with planted flaws, each with its repaired twin.
    pub canaries: &'static [(Canary, Canary)],
}

/// Of what an oracle's question is asked.
pub enum Asked {
    /// Of each execution, with the answer: a title for the finding, or nothing.
    OfExecutions(fn(&Case<'_>) -> Option<String>),
    /// Of a target as a whole, by the room `contract`; what is expected of its canaries are clauses, not outcomes.
    OfContracts,
    /// Of a target as a whole, by the room `complexity`.
    OfGrowth,
    /// Of entries that handle a secret, by the room `constant_time`; what is expected is ground truth, not outcomes.
    OfSecrets,
    /// Of a package as a whole, through its glue; what is expected of its canaries are classes, not outcomes.
    OfGlue,
}

impl Oracle {
    /// The answer about one execution, if it is asked of such.
    pub fn judge(&self, case: &Case<'_>) -> Option<String> {
        match self.asked {
            Asked::OfExecutions(judge) => judge(case),
            Asked::OfContracts | Asked::OfGrowth | Asked::OfSecrets | Asked::OfGlue => None,
        }
    }
}

/// A target that the binary carries, so that a check can qualify itself without a source tree or a guest toolchain.
pub struct Canary {
    /// Its folder's name in `targets/`.
    pub name: &'static str,
    /// `target.toml`.
    pub manifest: &'static str,
    /// `module.wat`.
    pub wat: &'static str,
    /// Files of its glue: name and contents.
    pub glue: &'static [(&'static str, &'static str)],
}

/// All oracles, in the order in which they are asked.
pub static ALL: &[Oracle] =
    &[crash::ORACLE, contract::ORACLE, complexity::ORACLE, constant_time::ORACLE, boundary::ORACLE];

/// The first oracle that calls the case a finding, and its title.
pub fn ask(case: &Case<'_>) -> Option<(&'static Oracle, String)> {
    ALL.iter().find_map(|oracle| oracle.judge(case).map(|title| (oracle, title)))
}

/// The oracle of that name.
pub fn by_name(name: &str) -> Option<&'static Oracle> {
    ALL.iter().find(|oracle| oracle.name == name)
}

/// A canary and its twin, whose folder has the same name and `-fixed`.
macro_rules! canary {
    ($name:literal) => {
        ($crate::oracles::embedded!($name), $crate::oracles::embedded!(concat!($name, "-fixed")))
    };
}
macro_rules! embedded {
    ($name:expr) => {
        $crate::oracles::Canary {
            name: $name,
            manifest: include_str!(concat!("../../../targets/", $name, "/target.toml")),
            wat: include_str!(concat!("../../../targets/", $name, "/module.wat")),
            glue: &[],
        }
    };
}
use {canary, embedded};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::{Outcome, Trap};

    fn execution(outcome: Outcome) -> Execution {
        Execution {
            outcome,
            rejected: false,
            frames: Vec::new(),
            message: Vec::new(),
            message_bytes: 0,
            output: Vec::new(),
            fuel_used: None,
            memory_bytes_peak: 0,
            growth_denied: 0,
            host_calls: Vec::new(),
        }
    }

    #[test]
    fn every_outcome_that_is_a_finding_has_exactly_one_oracle() {
        let wat = "(module (memory (export \"memory\") 1)
            (func (export \"alloc\") (param i32) (result i32) i32.const 8)
            (func (export \"parse\") (param i32 i32) (result i32) i32.const 0))";
        let target = Target::from_bytes("t", wat.as_bytes(), Default::default(), &Default::default()).unwrap();
        for &outcome in Outcome::ALL {
            let execution = execution(outcome);
            let case = Case { target: &target, entry: "parse", input: b"", execution: &execution };
            let answers = ALL.iter().filter(|oracle| oracle.judge(&case).is_some()).count();
            assert_eq!(answers, usize::from(outcome.is_finding()), "{}", outcome.name());
        }
        let trapped = execution(Outcome::Trap(Trap::Unreachable));
        let case = Case { target: &target, entry: "parse", input: b"", execution: &trapped };
        assert_eq!(ask(&case).map(|(oracle, _)| oracle.name), Some("crash"));
    }

    #[test]
    fn names_are_unique_and_known() {
        for (index, oracle) in ALL.iter().enumerate() {
            assert!(ALL[..index].iter().all(|other| other.name != oracle.name));
            assert!(by_name(oracle.name).is_some());
        }
    }
}
