//! Rules that the published specifications state, the cases in which an input breaks one, and policies for the cases
//! that the specifications leave open.

/// A rule of a specification.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Short name, such as `F01`.
    pub id: &'static str,
    /// What it says, in one sentence.
    pub title: &'static str,
    /// Where it stands: document and section, or an address.
    pub source: &'static str,
    /// What may happen to a patient's data where it is not kept: one sentence for the report.
    pub harm: &'static str,
}

/// One way to break a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Case {
    /// The rule's id.
    pub rule: &'static str,
    /// The way, in kebab case: `duplicate-key`. `rule` and `name` together are unique.
    pub name: &'static str,
    /// What the specification wants of a reader.
    pub wanted: Wanted,
}

/// Writes a module's cases: a constant for each, and `CASES`, the table of all.
///
/// `NAME: "J03" "byte-order-mark" either(Reject, Accept);` is a case that strict gateways refuse and tolerant readers
/// take; `refusal` is one that the specification wants refused.
#[macro_export]
macro_rules! cases {
    (@wanted refusal) => { $crate::rules::Wanted::Refusal };
    (@wanted either $strict:ident $tolerant:ident) => {
        $crate::rules::Wanted::Either {
            strict: $crate::rules::Side::$strict,
            tolerant: $crate::rules::Side::$tolerant,
        }
    };
    ($($(#[$doc:meta])* $name:ident: $rule:literal $case:literal $wanted:ident $(($strict:ident, $tolerant:ident))?;)*) => {
        $(
            $(#[$doc])*
            pub const $name: &$crate::rules::Case = &$crate::rules::Case {
                rule: $rule,
                name: $case,
                wanted: $crate::cases!(@wanted $wanted $($strict $tolerant)?),
            };
        )*
        /// Every case of this module.
        pub const CASES: &[&$crate::rules::Case] = &[$($name),*];
    };
}

impl Case {
    /// `F01/duplicate-key`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.rule, self.name)
    }
}

/// A way to spell an input otherwise without changing what it says. It asks one reader alone, so it needs neither a second
/// reader nor a verdict.
#[derive(Clone, Copy)]
pub struct Relation {
    /// What is done, in kebab case.
    pub name: &'static str,
    /// The rule that says that it changes nothing.
    pub rule: &'static str,
    /// The input respelt; `None` where that does not apply. Linear.
    pub apply: fn(&[u8]) -> Option<Vec<u8>>,
}

/// What a specification wants where a rule is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The input must be refused.
    Refusal,
    /// Either is conformant: a policy decides.
    Either {
        /// What a gateway does that lets nothing doubtful through.
        strict: Side,
        /// What a reader does that takes what it can understand without loss.
        tolerant: Side,
    },
}

/// What a reader does with an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// It is taken.
    Accept,
    /// It is refused.
    Reject,
}

/// Named answers to what the specifications leave open, so that a certificate can pass or fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Lets nothing doubtful through.
    #[default]
    StrictGateway,
    /// Takes what it can understand without loss.
    TolerantReader,
}

impl Policy {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::StrictGateway, Self::TolerantReader];

    /// As typed on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StrictGateway => "strict-gateway",
            Self::TolerantReader => "tolerant-reader",
        }
    }

    /// What it wants of this case.
    pub const fn side(self, case: &Case) -> Side {
        match (case.wanted, self) {
            (Wanted::Refusal, _) => Side::Reject,
            (Wanted::Either { strict, .. }, Self::StrictGateway) => strict,
            (Wanted::Either { tolerant, .. }, Self::TolerantReader) => tolerant,
        }
    }
}

/// Every rule of every format.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    use crate::{fhir, hl7, json};
    let tables =
        [json::RULES, fhir::cases::RULES, fhir::narrative::RULES, fhir::xml::RULES, fhir::ndjson::RULES, hl7::RULES];
    tables.into_iter().flatten()
}

/// Every case of every format.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    use crate::{fhir, hl7, json};
    let tables =
        [json::CASES, fhir::cases::CASES, fhir::narrative::CASES, fhir::xml::CASES, fhir::ndjson::CASES, hl7::CASES];
    tables.into_iter().flatten().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_belongs_to_a_rule_and_is_there_once() {
        let ids: Vec<String> = cases().map(Case::id).collect();
        for case in cases() {
            assert!(all().any(|rule| rule.id == case.rule), "{} has no rule", case.id());
            assert_eq!(ids.iter().filter(|id| **id == case.id()).count(), 1, "{}", case.id());
        }
        for rule in all() {
            assert_eq!(all().filter(|other| other.id == rule.id).count(), 1, "{}", rule.id);
        }
    }
}
