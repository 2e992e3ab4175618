//! The clauses of the contract, and whether an answer keeps them.

use super::Question;
use super::plan::{Limited, Why};
use super::pressure::{Next, Seen};
use crate::execution::{Execution, Limit, Outcome};
use crate::target::{OutputKind, Rejects, Target};
use autoclave_generators::{Expanded, Made};
use autoclave_reports::Verdict;
use autoclave_reports::contract::Trial;
use autoclave_reports::words::{bytes, count};

/// What can be broken. Names are stable: they stand in reports, buckets and `target.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Clause {
    /// The call did not come back, or met a limit: `STACK`, `OOM-ABORT`, a trap.
    Ended(Outcome),
    /// An input that expands beyond measure was accepted.
    AcceptsBomb,
    /// Linear memory beyond the formula.
    Memory,
    /// Fuel beyond the formula.
    Fuel,
    /// More output than an input of that size may give.
    Output,
    /// The text of an error is a document of its own.
    ErrorText,
    /// The next ordinary call is answered otherwise than by a fresh instance.
    StateAfter,
    /// The stack pointer stands elsewhere after a call that came back.
    StackPointer,
    /// A typical document takes more memory than the tighter formula.
    TypicalMemory,
    /// A typical document takes more fuel than any input may.
    TypicalFuel,
    /// A typical document within the accepted size is refused, although a smaller one is not.
    TypicalRefused,
    /// Work grows faster than the input.
    Superlinear,
    /// A document of more bytes than the declared limit was accepted, or the call did not come back from it.
    OversizeNotRefused,
    /// It was refused, but only after it had been read: the work grows with its size.
    RefusesLate,
    /// A list of more items than the declared limit was accepted, or the call did not come back from it.
    TooManyNotRefused,
}

/// Fuel by which two refusals of inputs that are too long may differ, however long they are: what an allocator needs.
const REFUSAL_FUEL: u64 = 10_000;
/// Bytes by which two such inputs have to differ: who looks at each byte uses more than that for them.
const REFUSALS_APART: u64 = 64 << 10;

impl Clause {
    /// All but the ways in which a call may end.
    #[cfg(test)]
    pub const OTHERS: [Clause; 14] = [
        Clause::AcceptsBomb,
        Clause::Memory,
        Clause::Fuel,
        Clause::Output,
        Clause::ErrorText,
        Clause::StateAfter,
        Clause::StackPointer,
        Clause::TypicalMemory,
        Clause::TypicalFuel,
        Clause::TypicalRefused,
        Clause::Superlinear,
        Clause::OversizeNotRefused,
        Clause::RefusesLate,
        Clause::TooManyNotRefused,
    ];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Clause::Ended(outcome) => outcome.name(),
            Clause::AcceptsBomb => "ACCEPTS-BOMB",
            Clause::Memory => "MEMORY-OVER-CONTRACT",
            Clause::Fuel => "FUEL-OVER-CONTRACT",
            Clause::Output => "OUTPUT-OVER-CONTRACT",
            Clause::ErrorText => "ERROR-TEXT",
            Clause::StateAfter => "STATE-AFTER-REFUSAL",
            Clause::StackPointer => "STACK-POINTER",
            Clause::TypicalMemory => "TYPICAL-MEMORY",
            Clause::TypicalFuel => "TYPICAL-FUEL",
            Clause::TypicalRefused => "TYPICAL-REFUSED",
            Clause::Superlinear => "SUPERLINEAR",
            Clause::OversizeNotRefused => "OVERSIZE-NOT-REFUSED",
            Clause::RefusesLate => "REFUSES-LATE",
            Clause::TooManyNotRefused => "TOO-MANY-NOT-REFUSED",
        }
    }

    /// The oracle that asks about it.
    pub fn oracle(self) -> &'static str {
        if self == Clause::Superlinear { "complexity" } else { "contract" }
    }

    /// One sentence for the head of a finding.
    pub fn title(self) -> &'static str {
        match self {
            Clause::Ended(Outcome::Limit(Limit::OomAbort)) => "dies of an oversize input when memory is denied",
            Clause::Ended(Outcome::Limit(Limit::Stack)) => {
                "recurses with the input's nesting until the stack is exhausted"
            }
            Clause::Ended(Outcome::Limit(_)) => "meets a limit on an oversize input instead of refusing it",
            Clause::Ended(_) => "traps on an oversize input instead of refusing it",
            Clause::AcceptsBomb => "accepts what expands beyond measure",
            Clause::Memory => "takes more memory than an input of that size may",
            Clause::Fuel => "takes more work than an input of that size may",
            Clause::Output => "gives back more than an input of that size may",
            Clause::ErrorText => "refuses with an error text without bound",
            Clause::StateAfter => "answers the next ordinary call otherwise than a fresh instance",
            Clause::StackPointer => "comes back with its stack pointer elsewhere",
            Clause::TypicalMemory => "takes more memory for typical documents than it should",
            Clause::TypicalFuel => "takes more work for typical documents than it should",
            Clause::TypicalRefused => "refuses typical documents of an accepted size",
            Clause::Superlinear => "takes work that grows faster than the input",
            Clause::OversizeNotRefused => "does not refuse more bytes than it declares to take",
            Clause::RefusesLate => "reads what is too long before it refuses it",
            Clause::TooManyNotRefused => "does not refuse longer lists than it declares to take",
        }
    }

    /// Whether larger inputs would only take longer to say the same.
    pub fn is_about_fuel(self) -> bool {
        matches!(
            self,
            Clause::Fuel | Clause::TypicalFuel | Clause::Ended(Outcome::Limit(Limit::Fuel | Limit::Deadline))
        )
    }
}

/// What a trial is judged by.
pub struct Context<'a> {
    pub question: &'a Question<'a>,
    pub why: Why,
    pub made: &'a Made,
    /// Bytes of the first input that was refused for its size, and the fuel of that.
    pub refused_before: Option<(u64, u64)>,
}

impl Context<'_> {
    fn accepted(&self) -> u64 {
        self.question.target.limits.input_bytes_max.into()
    }

    /// Bytes that a reader has to take, if it takes documents of that kind: what its profile says, or less where it
    /// declares less.
    fn owed(&self) -> u64 {
        match self.question.terms.refused_above_bytes {
            0 => self.accepted(),
            declared => self.accepted().min(declared),
        }
    }

    /// Fuel allowed for an input of so many bytes.
    pub fn fuel_allowed(&self, bytes: u64) -> u64 {
        match self.made.kind.is_compressed() {
            true => self.question.terms.fuel_to_expand(bytes, self.accepted()),
            false => self.question.terms.fuel(bytes, self.accepted()),
        }
    }

    /// Linear memory allowed. What a typical document takes is measured by what it expands to: a reader has to hold it.
    pub fn memory_allowed(&self, bytes: u64) -> u64 {
        let hard = self.question.target.limits.memory_bytes_max;
        match self.why {
            Why::Typical => self.question.terms.typical_memory(self.expanded().max(bytes), hard),
            _ => self.question.terms.memory(bytes, hard),
        }
    }

    /// What comes out at first. Who goes on with what comes out shows it by the work, or by not coming back.
    fn expanded(&self) -> u64 {
        if let Some(first) = self.made.first_layer {
            return u64::try_from(first).unwrap_or(u64::MAX);
        }
        match self.made.expanded {
            Expanded::Exact(bytes) => u64::try_from(bytes).unwrap_or(u64::MAX),
            Expanded::Beyond | Expanded::Endless => u64::MAX,
        }
    }
}

/// Bytes of what a module said of an input that it does not take: what it wrote or threw, and what it gave back instead
/// of a result.
pub fn error_bytes(target: &Target, execution: &Execution) -> u64 {
    let given_back = execution.rejected && (target.output() == OutputKind::Packed || execution.output.len() > 8);
    execution.message_bytes + if given_back { execution.output.len() as u64 } else { 0 }
}

/// The verdict on one trial, and every clause that it breaks with one sentence of numbers.
pub fn judge(
    context: &Context<'_>,
    trial: &Trial,
    seen: &Seen,
    accepted_before: bool,
) -> (Verdict, Vec<(Clause, String)>) {
    let terms = context.question.terms;
    let execution = &seen.execution;
    let is_typical = context.why == Why::Typical;
    let mut broken = Vec::new();
    if trial.fuel > trial.fuel_allowed {
        let clause = if is_typical { Clause::TypicalFuel } else { Clause::Fuel };
        let more = if execution.outcome.came_back() { "" } else { " and more" };
        broken.push((
            clause,
            format!("{} units of fuel{more}, where {} are allowed", count(trial.fuel), count(trial.fuel_allowed)),
        ));
    } else if execution.outcome == Outcome::Limit(Limit::Fuel) {
        // It may well keep the contract; what it was given ended first.
        let reason =
            format!("stopped after {} units of fuel, which is less than the contract allows", count(trial.fuel));
        return (Verdict::NotTested(reason), broken);
    } else if execution.outcome == Outcome::Limit(Limit::Deadline) {
        return (Verdict::NotTested("stopped by the clock, which decides nothing".to_owned()), broken);
    } else if execution.outcome.is_finding() {
        broken.push((Clause::Ended(execution.outcome), format!("ends with {}", execution.outcome.name())));
    }
    if trial.memory_bytes > trial.memory_bytes_allowed {
        let clause = if is_typical { Clause::TypicalMemory } else { Clause::Memory };
        broken.push((
            clause,
            format!("{} of memory, where {} are allowed", bytes(trial.memory_bytes), bytes(trial.memory_bytes_allowed)),
        ));
    }
    if trial.error_bytes > terms.error_bytes_max {
        broken.push((
            Clause::ErrorText,
            format!("{} of error text, where {} are allowed", bytes(trial.error_bytes), bytes(terms.error_bytes_max)),
        ));
    }
    let is_accepted = execution.outcome.came_back() && !execution.rejected;
    let says_no = context.question.target.rejects() != Rejects::Never;
    let (expanded, most) = (context.expanded(), terms.expanded(trial.bytes));
    if is_accepted && says_no && !is_typical && !trial.expanded.is_empty() && expanded > most {
        broken.push((
            Clause::AcceptsBomb,
            format!(
                "accepted, although {} come out of {}; {} are allowed",
                bytes(expanded),
                bytes(trial.bytes),
                bytes(most)
            ),
        ));
    }
    if is_accepted && trial.output_bytes > most.max(terms.expanded_free_bytes) {
        broken.push((
            Clause::Output,
            format!("{} of output, where {} are allowed", bytes(trial.output_bytes), bytes(most)),
        ));
    }
    if let Next::Differs(how) = &seen.next {
        broken.push((Clause::StateAfter, format!("the next ordinary call: {how}")));
    }
    if seen.stack_pointer_moved {
        broken.push((Clause::StackPointer, "the stack pointer is not where it was before the call".to_owned()));
    }
    if is_typical && execution.rejected {
        if !accepted_before {
            let reason = "typical documents of this kind are refused at every size".to_owned();
            return (fail(&broken).unwrap_or(Verdict::NotTested(reason)), broken);
        }
        if context.expanded().max(trial.bytes) <= context.owed() {
            broken.push((Clause::TypicalRefused, format!("{} are refused, less are not", bytes(trial.bytes))));
        }
    }
    if let Why::Within(limited) | Why::Above(limited) = context.why {
        match of_limit(context, trial, seen, limited, accepted_before) {
            Ok(one) => broken.extend(one),
            // Whatever else is broken here says nothing about the limit.
            Err(reason) => return (Verdict::NotTested(reason), broken),
        }
    }
    (fail(&broken).unwrap_or(Verdict::Pass), broken)
}

/// The clause about a declared limit that an answer breaks; or why it says nothing.
fn of_limit(
    context: &Context<'_>,
    trial: &Trial,
    seen: &Seen,
    limited: Limited,
    accepted_before: bool,
) -> Result<Option<(Clause, String)>, String> {
    let terms = context.question.terms;
    let execution = &seen.execution;
    if context.question.target.rejects() == Rejects::Never {
        return Err("it has no way to refuse: say how in `rejects`".to_owned());
    }
    if !accepted_before && (execution.rejected || matches!(context.why, Why::Above(_))) {
        return Err("documents of this kind are refused at every size".to_owned());
    }
    let expanded = context.expanded().max(trial.bytes);
    if limited == Limited::Items
        && (expanded > context.owed() || expanded > terms.expanded(trial.bytes).max(trial.bytes))
    {
        return Err(format!("so many items are {}, which may be refused for their size alone", bytes(expanded)));
    }
    let (limit, clause) = match limited {
        Limited::Bytes => (format!("{} bytes", count(terms.refused_above_bytes)), Clause::OversizeNotRefused),
        Limited::Items => (format!("{} items", count(terms.refused_above_items)), Clause::TooManyNotRefused),
    };
    let is_above = matches!(context.why, Why::Above(_));
    let ended = match execution.outcome.came_back() {
        true => "accepted".to_owned(),
        false => format!("ends with {}", execution.outcome.name()),
    };
    Ok(match (is_above, execution.rejected) {
        (false, true) => {
            Some((Clause::TypicalRefused, format!("refused, although no more than the {limit} that it declares")))
        }
        (false, false) if !execution.outcome.came_back() => {
            Some((Clause::TypicalRefused, format!("{ended}, although no more than the {limit} that it declares")))
        }
        (true, false) => Some((clause, format!("{ended}, although more than the {limit} that it declares"))),
        (true, true) => match context.refused_before {
            Some((before, _)) if trial.bytes.abs_diff(before) < REFUSALS_APART => {
                return Err("what is refused cannot be made so much longer that the work would show".to_owned());
            }
            Some((before, fuel)) if trial.fuel > fuel + REFUSAL_FUEL => {
                let (now, then) = (count(trial.fuel), count(fuel));
                let says =
                    format!("{now} units of fuel to refuse {}, {then} for {}", bytes(trial.bytes), bytes(before));
                Some((Clause::RefusesLate, says))
            }
            _ => None,
        },
        _ => None,
    })
}

fn fail(broken: &[(Clause, String)]) -> Option<Verdict> {
    let all: Vec<String> = broken.iter().map(|(clause, says)| format!("{}: {says}", clause.name())).collect();
    (!all.is_empty()).then(|| Verdict::Fail(all.join("; ")))
}
