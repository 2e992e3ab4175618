//! How bytes get in and out: one driver per ABI, resolved once per instance, called once per input.

use super::component::{Entry, Lifted};
use super::host::{Exit, HostState, guest_bytes_mut, read_guest, write_guest};
use super::numeric::Numeric;
use super::script::Scripted;
use super::wbindgen::Wbindgen;
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
    /// `_start` or a reactor's export, with the input on standard input: `wasi`.
    Wasi(Wasi),
    /// The raw exports under wasm-bindgen's glue.
    WasmBindgen(Wbindgen),
    /// Sequences of calls with numbers.
    Numeric(Numeric),
    /// The core module behind a component's export.
    Lifted(Lifted),
    /// A component as it is.
    Whole(Entry),
    /// Several calls, by script.
    Script(Scripted),
}

impl Driver {
    /// Finds what the ABI needs among the exports. Runs nothing.
    pub fn resolve(
        store: &mut Store<HostState>,
        instance: &Instance,
        target: &Target,
        entry: &str,
    ) -> Result<Self, HarnessError> {
        if let Some(script) = target.scripts.get(entry) {
            return Scripted::resolve(store, instance, target, script).map(Driver::Script);
        }
        match target.abi {
            Abi::Bytes | Abi::Libfuzzer => Bytes::resolve(store, instance, target, entry).map(Driver::Bytes),
            Abi::Wasi => Wasi::resolve(store, instance, target, entry).map(Driver::Wasi),
            Abi::WasmBindgen => Wbindgen::resolve(store, instance, target, entry).map(Driver::WasmBindgen),
            Abi::Numeric => Numeric::resolve(store, instance, target, entry).map(Driver::Numeric),
            Abi::Component => Err(HarnessError::module(&target.name, "a component, where a core module is needed")),
            Abi::Script => {
                Err(HarnessError::module(&target.name, format_args!("no script in [calls] is called {entry:?}")))
            }
        }
    }

    /// Runs what a host runs once after instantiation: initialisers and, where `warm_up_bytes` is not 0, one allocation
    /// of that size, freed again, so that the allocator's growth happens before the first input.
    pub fn prepare(&self, store: &mut Store<HostState>, warm_up_bytes: u32) -> wasmtime::Result<()> {
        match self {
            Driver::Bytes(driver) => driver.prepare(store, warm_up_bytes),
            Driver::Wasi(driver) => driver.prepare(store),
            Driver::WasmBindgen(driver) => driver.prepare(store, warm_up_bytes),
            Driver::Numeric(driver) => driver.prepare(store),
            Driver::Lifted(driver) => driver.prepare(store, warm_up_bytes),
            Driver::Whole(_) => Ok(()),
            Driver::Script(driver) => driver.prepare(store, warm_up_bytes),
        }
    }

    /// Gives one input to the entry. Allocates nothing; output goes to [`HostState::output`].
    #[inline]
    pub fn call(&self, store: &mut Store<HostState>, input: &[u8]) -> wasmtime::Result<Returned> {
        match self {
            Driver::Bytes(driver) => driver.call(store, input),
            Driver::Wasi(driver) => driver.call(store, input),
            Driver::WasmBindgen(driver) => driver.call(store, input),
            Driver::Numeric(driver) => driver.call(store, input),
            Driver::Lifted(driver) => driver.call(store, input),
            Driver::Whole(entry) => entry.call(store, input),
            Driver::Script(driver) => driver.call(store, input),
        }
    }
}

/// Driver of the ABIs `bytes` and `libfuzzer`.
pub struct Bytes {
    memory: Memory,
    alloc: TypedFunc<u32, u32>,
    free: Option<Free>,
    entry: BytesEntry,
    rejects: Rejects,
    output: OutputKind,
    output_guessed: bool,
    initialisers: Vec<TypedFunc<(), ()>>,
    fuzzer_initialise: Option<TypedFunc<(u32, u32), i32>>,
}

enum Free {
    Pointer(TypedFunc<u32, ()>),
    PointerLen(TypedFunc<(u32, u32), ()>),
    PointerGives(TypedFunc<u32, i32>),
    PointerLenGives(TypedFunc<(u32, u32), i32>),
}

enum BytesEntry {
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
        let found = typed(store, instance, entry).map(BytesEntry::I32);
        let found = found.or_else(|| typed(store, instance, entry).map(BytesEntry::I64));
        let found = found.or_else(|| typed(store, instance, entry).map(BytesEntry::Nothing));
        let found = found.ok_or_else(|| {
            fail(format!("`{entry}` is not an exported function (i32, i32) -> (), i32 or i64, as its ABI asks for"))
        })?;
        let initialisers = initialisers(store, instance);
        let fuzzer_initialise = match target.abi {
            Abi::Libfuzzer => typed(store, instance, "LLVMFuzzerInitialize"),
            _ => None,
        };
        let (rejects, output) = (target.rejects(), target.output());
        let output_guessed = target.manifest.output.is_none();
        Ok(Self { memory, alloc, free, entry: found, rejects, output, output_guessed, initialisers, fuzzer_initialise })
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
        // Without `free` the warm-up would take the memory away for good: one byte makes most allocators get some.
        let warm_up_bytes = if self.free.is_some() { warm_up_bytes } else { warm_up_bytes.min(1) };
        if warm_up_bytes > 0 {
            let place = self.alloc.call(&mut *store, warm_up_bytes)?;
            if place != 0 {
                self.release(store, place, warm_up_bytes)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn call(&self, store: &mut Store<HostState>, input: &[u8]) -> wasmtime::Result<Returned> {
        let len = u32::try_from(input.len()).map_err(|_| wasmtime::Trap::MemoryOutOfBounds)?;
        let place = self.alloc.call(&mut *store, len)?;
        if place == 0 && len > 0 {
            // No memory for the input: the deployed glue would not call the entry either.
            return Ok(Returned { rejected: true });
        }
        if len > 0 {
            write_guest(&mut *store, self.memory, place.into(), input)?;
        }
        let result = match &self.entry {
            BytesEntry::Nothing(entry) => {
                entry.call(&mut *store, (place, len))?;
                self.release(store, place, len)?;
                return Ok(Returned { rejected: false });
            }
            BytesEntry::I32(entry) => {
                let result = entry.call(&mut *store, (place, len))?;
                store.data_mut().push_output(&result.to_le_bytes())?;
                i64::from(result)
            }
            BytesEntry::I64(entry) => {
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
        let (data, state) = guest_bytes_mut(self.memory, &mut *store);
        match read_guest(data, place.into(), len.into()) {
            Ok(bytes) => state.push_output(bytes)?,
            // Nobody said that it is a pointer and a length: then it is a number.
            Err(_) if self.output_guessed => return state.push_output(&packed.to_le_bytes()),
            Err(error) => return Err(error),
        }
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

/// Driver of the ABI `wasi`.
pub struct Wasi {
    entry: WasiEntry,
    rejects: Rejects,
    initialisers: Vec<TypedFunc<(), ()>>,
}

enum WasiEntry {
    Nothing(TypedFunc<(), ()>),
    I32(TypedFunc<(), i32>),
}

impl Wasi {
    fn resolve(
        store: &mut Store<HostState>,
        instance: &Instance,
        target: &Target,
        entry: &str,
    ) -> Result<Self, HarnessError> {
        let found = typed(store, instance, entry).map(WasiEntry::Nothing);
        let found = found.or_else(|| typed(store, instance, entry).map(WasiEntry::I32));
        let found = found.ok_or_else(|| {
            let message = format!("`{entry}` is not an exported function without parameters, as its ABI asks for");
            HarnessError::module(&target.name, message)
        })?;
        // A command initialises itself; the host must not do it a second time.
        let initialisers = if entry == "_start" { Vec::new() } else { initialisers(store, instance) };
        Ok(Self { entry: found, rejects: target.rejects(), initialisers })
    }

    fn prepare(&self, store: &mut Store<HostState>) -> wasmtime::Result<()> {
        self.initialisers.iter().try_for_each(|initialise| initialise.call(&mut *store, ()))
    }

    fn call(&self, store: &mut Store<HostState>, input: &[u8]) -> wasmtime::Result<Returned> {
        store.data_mut().stdin.extend_from_slice(input);
        let result = match &self.entry {
            WasiEntry::Nothing(entry) => entry.call(&mut *store, ()).map(|()| 0),
            WasiEntry::I32(entry) => entry.call(&mut *store, ()),
        };
        match result {
            Ok(result) => Ok(Returned { rejected: rejected(self.rejects, result.into()) }),
            Err(error) => match error.downcast_ref::<Exit>() {
                Some(Exit(0)) => Ok(Returned { rejected: rejected(self.rejects, 0) }),
                // A code that does not mean "rejected" means that the program gave up.
                Some(Exit(code)) if rejected(self.rejects, (*code).into()) => Ok(Returned { rejected: true }),
                _ => Err(error),
            },
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
    // Asked in two steps, because a failure of `get_typed_func` costs more than an instance.
    instance.get_func(&mut *store, name)?.typed(&*store).ok()
}

/// Initialisers that a host must call before anything else: WASI's reactor convention, else the linker's constructors.
pub fn initialisers(store: &mut Store<HostState>, instance: &Instance) -> Vec<TypedFunc<(), ()>> {
    let reactor = typed(store, instance, "_initialize");
    reactor.or_else(|| typed(store, instance, "__wasm_call_ctors")).into_iter().collect()
}
