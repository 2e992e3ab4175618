//! What one run of a target did, seen from outside. No judgement in here.

/// How an execution ended. Names are stable: they stand in reports, buckets and `target.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// The entry returned and accepted the input.
    Returned,
    /// The entry returned and said that the input is not acceptable (see `rejects` in `target.toml`).
    Rejected,
    /// The guest trapped.
    Trap(Trap),
    /// A limit was met.
    Limit(Limit),
}

/// Times of two inputs and of a control, measured in turns; see `constant_time/clock.rs`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timed {
    /// Calls in one measurement.
    pub calls: u64,
    /// Nanoseconds of four measurements beside each other: first input, second input; first input, first input again.
    pub steps: Vec<[f64; 4]>,
}

impl Timed {
    /// In which order the four measurements of a step are made: as random as the bits, pairs stay together.
    pub fn order(bits: u64) -> [usize; 4] {
        let pair = |first: usize, swapped: bool| if swapped { [first + 1, first] } else { [first, first + 1] };
        let (secrets, control) = (pair(0, bits >> 40 & 1 == 1), pair(2, bits >> 41 & 1 == 1));
        let [first, second] = if bits >> 42 & 1 == 1 { [control, secrets] } else { [secrets, control] };
        [first[0], first[1], second[0], second[1]]
    }
}

/// Trap kinds of the core specification and its adopted proposals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trap {
    /// `unreachable` executed: a Rust panic, C `abort`, a failed assertion.
    Unreachable,
    /// Load, store or bulk operation outside linear memory.
    MemoryOutOfBounds,
    /// Unaligned atomic access.
    HeapMisaligned,
    /// Table access outside the table.
    TableOutOfBounds,
    /// `call_indirect` through a null entry.
    IndirectCallToNull,
    /// `call_indirect` to a function of another type.
    BadSignature,
    /// Signed division overflow.
    IntegerOverflow,
    /// Division by zero.
    IntegerDivisionByZero,
    /// Float to integer conversion out of range.
    BadConversionToInteger,
    /// A null reference was used.
    NullReference,
    /// GC array access out of bounds.
    ArrayOutOfBounds,
    /// A failed `ref.cast`.
    CastFailure,
    /// An exception or a thrown host error left the entry.
    UncaughtException,
    /// `proc_exit` with a code other than 0, where the target did not declare it as a rejection.
    Exit,
    /// Any trap that this version has no name for.
    Other,
}

/// Limits that were met, told apart (`limits.rs` holds their values).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Limit {
    /// The instruction budget ran out.
    Fuel,
    /// The wall-clock guard fired. Never a verdict alone: the judge replays with fuel.
    Deadline,
    /// Native (host) stack exhausted by recursion.
    Stack,
    /// The guest's own stack in linear memory ran below its end.
    ShadowStack,
    /// Memory growth was denied and the module coped: it returned or rejected.
    GracefulOom,
    /// Memory growth was denied and the module trapped for it.
    OomAbort,
    /// The module went on asking for memory after too many denials, and was stopped.
    HardDeny,
    /// Table growth was denied.
    Table,
    /// More output than allowed.
    Output,
    /// More calls to the host than allowed.
    HostCalls,
}

impl Outcome {
    /// Every outcome, in the order of the report's tables.
    pub const ALL: &[Outcome] = &[
        Outcome::Returned,
        Outcome::Rejected,
        Outcome::Trap(Trap::Unreachable),
        Outcome::Trap(Trap::MemoryOutOfBounds),
        Outcome::Trap(Trap::HeapMisaligned),
        Outcome::Trap(Trap::TableOutOfBounds),
        Outcome::Trap(Trap::IndirectCallToNull),
        Outcome::Trap(Trap::BadSignature),
        Outcome::Trap(Trap::IntegerOverflow),
        Outcome::Trap(Trap::IntegerDivisionByZero),
        Outcome::Trap(Trap::BadConversionToInteger),
        Outcome::Trap(Trap::NullReference),
        Outcome::Trap(Trap::ArrayOutOfBounds),
        Outcome::Trap(Trap::CastFailure),
        Outcome::Trap(Trap::UncaughtException),
        Outcome::Trap(Trap::Exit),
        Outcome::Trap(Trap::Other),
        Outcome::Limit(Limit::Fuel),
        Outcome::Limit(Limit::Deadline),
        Outcome::Limit(Limit::Stack),
        Outcome::Limit(Limit::ShadowStack),
        Outcome::Limit(Limit::GracefulOom),
        Outcome::Limit(Limit::OomAbort),
        Outcome::Limit(Limit::HardDeny),
        Outcome::Limit(Limit::Table),
        Outcome::Limit(Limit::Output),
        Outcome::Limit(Limit::HostCalls),
    ];

    /// The stable name, as printed everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Returned => "returned",
            Outcome::Rejected => "rejected",
            Outcome::Trap(trap) => match trap {
                Trap::Unreachable => "TRAP-UNREACHABLE",
                Trap::MemoryOutOfBounds => "TRAP-MEMORY-OUT-OF-BOUNDS",
                Trap::HeapMisaligned => "TRAP-MISALIGNED",
                Trap::TableOutOfBounds => "TRAP-TABLE-OUT-OF-BOUNDS",
                Trap::IndirectCallToNull => "TRAP-INDIRECT-CALL-TO-NULL",
                Trap::BadSignature => "TRAP-BAD-SIGNATURE",
                Trap::IntegerOverflow => "TRAP-INTEGER-OVERFLOW",
                Trap::IntegerDivisionByZero => "TRAP-DIVISION-BY-ZERO",
                Trap::BadConversionToInteger => "TRAP-BAD-CONVERSION",
                Trap::NullReference => "TRAP-NULL-REFERENCE",
                Trap::ArrayOutOfBounds => "TRAP-ARRAY-OUT-OF-BOUNDS",
                Trap::CastFailure => "TRAP-CAST-FAILURE",
                Trap::UncaughtException => "TRAP-UNCAUGHT-EXCEPTION",
                Trap::Exit => "TRAP-EXIT",
                Trap::Other => "TRAP-OTHER",
            },
            Outcome::Limit(limit) => match limit {
                Limit::Fuel => "OUT-OF-FUEL",
                Limit::Deadline => "DEADLINE",
                Limit::Stack => "STACK",
                Limit::ShadowStack => "SHADOW-STACK",
                Limit::GracefulOom => "GRACEFUL-OOM",
                Limit::OomAbort => "OOM-ABORT",
                Limit::HardDeny => "HARD-DENY",
                Limit::Table => "TABLE",
                Limit::Output => "OUTPUT",
                Limit::HostCalls => "HOST-CALLS",
            },
        }
    }

    /// The outcome of that name.
    pub fn from_name(name: &str) -> Option<Outcome> {
        Self::ALL.iter().copied().find(|outcome| outcome.name() == name)
    }

    /// Whether the entry came back by itself, so that the instance may be used again.
    pub fn came_back(self) -> bool {
        matches!(self, Outcome::Returned | Outcome::Rejected | Outcome::Limit(Limit::GracefulOom | Limit::Table))
    }

    /// Whether the crash oracle calls it a finding: everything but a return, a rejection and a coped-with denial.
    pub fn is_finding(self) -> bool {
        !matches!(self, Outcome::Returned | Outcome::Rejected | Outcome::Limit(Limit::GracefulOom | Limit::Table))
    }
}

/// One guest frame as the engine reports it; `symbols` gives it names and lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RawFrame {
    /// Function index in the module's index space (imports counted).
    pub function: u32,
    /// Byte offset in the module file that ran, of the instruction, where the engine knows it.
    pub offset: Option<u32>,
}

/// One kind of call that the guest made to the host, with how often and its first arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCall {
    /// `module.name` of the import.
    pub import: String,
    /// Calls in this execution.
    pub count: u64,
    /// Arguments of the first call, as raw 64-bit values.
    pub first_arguments: Vec<u64>,
}

/// What was observed in one run.
#[derive(Debug, Clone)]
pub struct Execution {
    /// How it ended.
    pub outcome: Outcome,
    /// Whether the entry came back and said that the input is not acceptable, whatever limits it met on the way.
    pub rejected: bool,
    /// Guest frames of a trap or limit, innermost first.
    pub frames: Vec<RawFrame>,
    /// What the guest said while dying (standard error, panic hook, thrown message), cut at 4 KiB, raw.
    pub message: Vec<u8>,
    /// Length of all that it said, bytes.
    pub message_bytes: u64,
    /// What the entry gave back, cut at the output limit.
    pub output: Vec<u8>,
    /// Fuel used, where it was metered.
    pub fuel_used: Option<u64>,
    /// Largest size of linear memory (all guest memories summed), bytes.
    pub memory_bytes_peak: u64,
    /// Growth requests denied by the limiter.
    pub growth_denied: u32,
    /// Calls to the host, by import.
    pub host_calls: Vec<HostCall>,
}
