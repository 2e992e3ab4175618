//! `crash`: can any input make the module trap, or drive it into a limit?

use super::{Asked, Case, Oracle, canary};
use crate::execution::{Limit, Outcome, Trap};

/// The table's entry.
pub const ORACLE: Oracle = Oracle {
    name: "crash",
    question: "Can any input make the module trap, or drive it into a limit?",
    explanation: "A trap ends the call in the middle: the request is lost, and the instance is left in a state that \
no code of the module expects. A host that goes on using it may answer the next patient's request from it. Repair: \
return an error for input that the module does not accept; throw the instance away after any trap. A module that needs \
unbounded time, stack, memory, output or host calls for one message denies service to all others. Repair: bound depth, \
sizes and work by the input's length, and refuse what exceeds the bound with an error.",
    asked: Asked::OfExecutions(judge),
    canaries: &[
        canary!("canary-crash"),
        canary!("canary-proposals"),
        canary!("canary-limits"),
        canary!("canary-host"),
        canary!("canary-deadline"),
    ],
};

fn judge(case: &Case<'_>) -> Option<String> {
    let title = match case.execution.outcome {
        Outcome::Returned | Outcome::Rejected => return None,
        Outcome::Trap(trap) => match trap {
            Trap::Unreachable => "panics or aborts",
            Trap::MemoryOutOfBounds => "reads or writes outside linear memory",
            Trap::HeapMisaligned => "accesses memory atomically at an unaligned address",
            Trap::TableOutOfBounds => "calls or reads outside a table",
            Trap::IndirectCallToNull => "calls a null function reference",
            Trap::BadSignature => "calls a function through a pointer of another type",
            Trap::IntegerOverflow => "overflows a signed division",
            Trap::IntegerDivisionByZero => "divides by zero",
            Trap::BadConversionToInteger => "converts a number that does not fit",
            Trap::NullReference => "uses a null reference",
            Trap::ArrayOutOfBounds => "reads or writes outside an array",
            Trap::CastFailure => "casts a reference to a type that it does not have",
            Trap::UncaughtException => "lets an exception out",
            Trap::Exit => "exits with an error",
            Trap::Other => "traps",
        },
        Outcome::Limit(limit) => match limit {
            Limit::Fuel => "does not come to an end within its instruction budget",
            Limit::Deadline => "does not come to an end in time",
            Limit::Stack => "recurses until the native stack is exhausted",
            Limit::ShadowStack => "recurses until its own stack in linear memory is exhausted",
            Limit::OomAbort => "dies when it gets no more memory",
            Limit::HardDeny => "goes on asking for memory that it does not get",
            Limit::Output => "writes more output than allowed",
            Limit::HostCalls => "calls the host without end",
            // Denied growth that the module copes with is what we want to see.
            Limit::GracefulOom | Limit::Table => return None,
        },
    };
    Some(title.to_owned())
}
