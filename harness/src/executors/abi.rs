//! How bytes get in and out: one driver per ABI, resolved once per instance, called once per input.

use super::host::{HostState, read_guest, write_guest};
use crate::HarnessError;
use crate::target::{ALLOC_NAMES, Abi, FREE_NAMES, OutputKind, Rejects, Target};
use wasmtime::{Instance, Memory, Store, TypedFunc, WasmParams, WasmResults};

/// What a call came to, when it came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Returned {
    /// The entry said that the input is not acceptable.
    pub rejected: bool,
}

/// The functions of one instance that bring one input to one entry.
pub enum Driver {
    /// `alloc`, copy, `entry(ptr, len)`, `free`: the ABIs `bytes` and `libfuzzer`.
    Bytes(Bytes),
}

impl Driver {
    /// Finds what the ABI needs among the exports. Runs nothing.
    pub fn resolve(
        store: &mut Store<HostState>,
        instance: &Instance,
        target: &Target,
        entry: &str,
    ) -> Result<Self, HarnessError> {
        match target.abi {
            Abi::Bytes | Abi::Libfuzzer => Bytes::resolve(store, instance, target, entry).map(Driver::Bytes),
            other => Err(HarnessError::module(&target.name, format_args!("the ABI {other:?} has no driver"))),
        }
    }

    /// Runs what a host runs once after instantiation: initialisers and, where `warm_up_bytes` is not 0, one allocation
    /// of that size, freed again, so that the allocator's growth happens before the first input.
    pub fn prepare(&self, store: &mut Store<HostState>, warm_up_bytes: u32) -> wasmtime::Result<()> {
        match self {
            Driver::Bytes(driver) => driver.prepare(store, warm_up_bytes),
        }
    }

    /// Gives one input to the entry. Allocates nothing; output goes to [`HostState::output`].
    #[inline]
    pub fn call(&self, store: &mut Store<HostState>, input: &[u8]) -> wasmtime::Result<Returned> {
        match self {
            Driver::Bytes(driver) => driver.call(store, input),
        }
    }
}

/// Driver of the ABIs `bytes` and `libfuzzer`.
pub struct Bytes {
    memory: Memory,
    alloc: TypedFunc<u32, u32>,
    free: Option<Free>,
    entry: Entry,
    rejects: Rejects,
    output: OutputKind,
    initialisers: Vec<TypedFunc<(), ()>>,
    fuzzer_initialise: Option<TypedFunc<(u32, u32), i32>>,
}

enum Free {
    Pointer(TypedFunc<u32, ()>),
    PointerLen(TypedFunc<(u32, u32), ()>),
    PointerGives(TypedFunc<u32, i32>),
    PointerLenGives(TypedFunc<(u32, u32), i32>),
}

enum Entry {
    Nothing(TypedFunc<(u32, u32), ()>),
    I32(TypedFunc<(u32, u32), i32>),
    I64(TypedFunc<(u32, u32), i64>),
}

impl Bytes {
    fn resolve(
        store: &mut Store<HostState>,
        instance: &Instance,
        target: &Target,
        entry: &str,
    ) -> Result<Self, HarnessError> {
        let fail = |message: String| HarnessError::module(&target.name, message);
        let memory = guest_memory(store, instance).ok_or_else(|| fail("exports no linear memory".into()))?;
        let alloc = ALLOC_NAMES.iter().find_map(|name| typed(store, instance, name));
        let alloc =
            alloc.ok_or_else(|| fail(format!("exports no allocator: one of {ALLOC_NAMES:?} as (i32) -> i32")))?;
        let free = FREE_NAMES.iter().find_map(|name| {
            let free = typed(store, instance, name).map(Free::Pointer);
            let free = free.or_else(|| typed(store, instance, name).map(Free::PointerLen));
            let free = free.or_else(|| typed(store, instance, name).map(Free::PointerGives));
            free.or_else(|| typed(store, instance, name).map(Free::PointerLenGives))
        });
        let found = typed(store, instance, entry).map(Entry::I32);
        let found = found.or_else(|| typed(store, instance, entry).map(Entry::I64));
        let found = found.or_else(|| typed(store, instance, entry).map(Entry::Nothing));
        let found = found.ok_or_else(|| {
            fail(format!("`{entry}` is not an exported function (i32, i32) -> (), i32 or i64, as its ABI asks for"))
        })?;
        let initialisers = initialisers(store, instance);
        let fuzzer_initialise = match target.abi {
            Abi::Libfuzzer => typed(store, instance, "LLVMFuzzerInitialize"),
            _ => None,
        };
        let (rejects, output) = (target.rejects(), target.output());
        Ok(Self { memory, alloc, free, entry: found, rejects, output, initialisers, fuzzer_initialise })
    }

    fn prepare(&self, store: &mut Store<HostState>, warm_up_bytes: u32) -> wasmtime::Result<()> {
        for initialise in &self.initialisers {
            initialise.call(&mut *store, ())?;
        }
        if let Some(initialise) = &self.fuzzer_initialise {
            // `int argc = 0; char **argv = {NULL}`, where the guest can keep pointers to them.
            let place = self.alloc.call(&mut *store, 16)?;
            write_guest(&mut *store, self.memory, place.into(), &[0; 16])?;
            initialise.call(&mut *store, (place, place + 8))?;
        }
        // Without `free` the warm-up would take the memory away for good.
        if warm_up_bytes > 0 && self.free.is_some() {
            let place = self.alloc.call(&mut *store, warm_up_bytes)?;
            if place != 0 {
                self.release(store, place, warm_up_bytes)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn call(&self, store: &mut Store<HostState>, input: &[u8]) -> wasmtime::Result<Returned> {
        let len = input.len() as u32;
        let place = self.alloc.call(&mut *store, len)?;
        if place == 0 && len > 0 {
            // No memory for the input: the deployed glue would not call the entry either.
            return Ok(Returned { rejected: true });
        }
        if len > 0 {
            write_guest(&mut *store, self.memory, place.into(), input)?;
        }
        let result = match &self.entry {
            Entry::Nothing(entry) => {
                entry.call(&mut *store, (place, len))?;
                self.release(store, place, len)?;
                return Ok(Returned { rejected: false });
            }
            Entry::I32(entry) => {
                let result = entry.call(&mut *store, (place, len))?;
                store.data_mut().push_output(&result.to_le_bytes())?;
                i64::from(result)
            }
            Entry::I64(entry) => {
                let result = entry.call(&mut *store, (place, len))?;
                match self.output {
                    OutputKind::None => store.data_mut().push_output(&result.to_le_bytes())?,
                    OutputKind::Packed if result != 0 => self.take_output(store, result as u64)?,
                    OutputKind::Packed => {}
                }
                result
            }
        };
        self.release(store, place, len)?;
        Ok(Returned { rejected: rejected(self.rejects, result) })
    }

    /// Reads and frees `pointer << 32 | len`.
    fn take_output(&self, store: &mut Store<HostState>, packed: u64) -> wasmtime::Result<()> {
        let (place, len) = ((packed >> 32) as u32, packed as u32);
        let (data, state) = self.memory.data_and_store_mut(&mut *store);
        state.push_output(read_guest(data, place.into(), len.into())?)?;
        if len > 0 { self.release(store, place, len) } else { Ok(()) }
    }

    #[inline]
    fn release(&self, store: &mut Store<HostState>, place: u32, len: u32) -> wasmtime::Result<()> {
        match &self.free {
            Some(Free::PointerLen(free)) => free.call(&mut *store, (place, len)),
            Some(Free::Pointer(free)) => free.call(&mut *store, place),
            Some(Free::PointerGives(free)) => free.call(&mut *store, place).map(drop),
            Some(Free::PointerLenGives(free)) => free.call(&mut *store, (place, len)).map(drop),
            None => Ok(()),
        }
    }
}

/// Whether a result says "rejected".
pub fn rejected(rejects: Rejects, result: i64) -> bool {
    match rejects {
        Rejects::Never => false,
        Rejects::Negative => result < 0,
        Rejects::Nonzero => result != 0,
        Rejects::Zero => result == 0,
    }
}

/// The memory that pointers in the ABI mean: the export `memory`, else the only one the guest exports.
pub fn guest_memory(store: &mut Store<HostState>, instance: &Instance) -> Option<Memory> {
    instance.get_memory(&mut *store, "memory").or_else(|| {
        let first = format!("{}0", crate::instrument::GUEST_MEMORY_EXPORT_PREFIX);
        instance.get_memory(&mut *store, &first).or_else(|| {
            let mut exports = instance.exports(&mut *store);
            exports.find_map(|e| if e.name() == crate::instrument::MEMORY_EXPORT { None } else { e.into_memory() })
        })
    })
}

/// An export of exactly that type.
pub fn typed<P: WasmParams, R: WasmResults>(
    store: &mut Store<HostState>,
    instance: &Instance,
    name: &str,
) -> Option<TypedFunc<P, R>> {
    instance.get_typed_func(&mut *store, name).ok()
}

/// Initialisers that a host must call before anything else: WASI's reactor convention, else the linker's constructors.
pub fn initialisers(store: &mut Store<HostState>, instance: &Instance) -> Vec<TypedFunc<(), ()>> {
    let reactor = typed(store, instance, "_initialize");
    reactor.or_else(|| typed(store, instance, "__wasm_call_ctors")).into_iter().collect()
}
