//! From what wasmtime returned to an outcome.

use super::abi::Returned;
use super::host::{Exit, HostState, Stop};
use crate::execution::{Limit, Outcome, RawFrame, Trap};

/// The outcome of a call. `shadow_stack_fired` is the guard's flag in an instrumented module.
pub fn outcome(result: &wasmtime::Result<Returned>, host: &HostState, shadow_stack_fired: bool) -> Outcome {
    let limiter = &host.limiter;
    match result {
        Ok(_) if limiter.memory_denied > 0 => Outcome::Limit(Limit::GracefulOom),
        Ok(_) if limiter.table_denied > 0 => Outcome::Limit(Limit::Table),
        Ok(Returned { rejected: false }) => Outcome::Returned,
        Ok(Returned { rejected: true }) => Outcome::Rejected,
        Err(_) if shadow_stack_fired => Outcome::Limit(Limit::ShadowStack),
        Err(error) => {
            let outcome = error_outcome(error);
            let gave_up = matches!(
                outcome,
                Outcome::Trap(Trap::Unreachable | Trap::MemoryOutOfBounds | Trap::UncaughtException | Trap::Exit)
            );
            if gave_up && limiter.memory_denied + limiter.table_denied > 0 {
                return Outcome::Limit(Limit::OomAbort);
            }
            outcome
        }
    }
}

pub fn error_outcome(error: &wasmtime::Error) -> Outcome {
    if let Some(Stop(limit)) = error.downcast_ref() {
        return Outcome::Limit(*limit);
    }
    if error.is::<Exit>() {
        return Outcome::Trap(Trap::Exit);
    }
    if error.is::<wasmtime::ThrownException>() {
        return Outcome::Trap(Trap::UncaughtException);
    }
    // Managed objects live on a heap of the host's, which cannot say no to the guest: what it has no room for ends the run.
    if error.is::<wasmtime::GcHeapOutOfMemory<()>>() {
        return Outcome::Limit(Limit::OomAbort);
    }
    let Some(trap) = error.downcast_ref::<wasmtime::Trap>() else { return Outcome::Trap(Trap::Other) };
    Outcome::Trap(match trap {
        wasmtime::Trap::OutOfFuel => return Outcome::Limit(Limit::Fuel),
        wasmtime::Trap::Interrupt => return Outcome::Limit(Limit::Deadline),
        wasmtime::Trap::StackOverflow => return Outcome::Limit(Limit::Stack),
        wasmtime::Trap::AllocationTooLarge => return Outcome::Limit(Limit::OomAbort),
        wasmtime::Trap::UnreachableCodeReached => Trap::Unreachable,
        wasmtime::Trap::MemoryOutOfBounds => Trap::MemoryOutOfBounds,
        wasmtime::Trap::HeapMisaligned => Trap::HeapMisaligned,
        wasmtime::Trap::TableOutOfBounds => Trap::TableOutOfBounds,
        wasmtime::Trap::IndirectCallToNull => Trap::IndirectCallToNull,
        wasmtime::Trap::BadSignature => Trap::BadSignature,
        wasmtime::Trap::IntegerOverflow => Trap::IntegerOverflow,
        wasmtime::Trap::IntegerDivisionByZero => Trap::IntegerDivisionByZero,
        wasmtime::Trap::BadConversionToInteger => Trap::BadConversionToInteger,
        wasmtime::Trap::NullReference => Trap::NullReference,
        wasmtime::Trap::ArrayOutOfBounds => Trap::ArrayOutOfBounds,
        wasmtime::Trap::CastFailure => Trap::CastFailure,
        wasmtime::Trap::UncaughtException => Trap::UncaughtException,
        _ => Trap::Other,
    })
}

/// Guest frames of an error, innermost first.
pub fn frames(error: &wasmtime::Error) -> Vec<RawFrame> {
    let Some(backtrace) = error.downcast_ref::<wasmtime::WasmBacktrace>() else { return Vec::new() };
    let frames = backtrace.frames().iter();
    frames
        .map(|frame| RawFrame {
            function: frame.func_index(),
            offset: frame.module_offset().and_then(|offset| u32::try_from(offset).ok()),
        })
        .collect()
}
