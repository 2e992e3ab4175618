//! Driver of a component's core module: lowers the input as the canonical ABI does, without the component around it.

use super::unwrap::Unwrapped;
use super::{Piece, pieces};
use crate::HarnessError;
use crate::executors::abi::{Returned, initialisers, typed};
use crate::executors::host::{HostState, guest_bytes, guest_bytes_mut, read_guest, write_guest};
use crate::target::{Returns, Target};
use wasmparser::PrimitiveValType;
use wasmtime::{Func, Instance, Memory, Store, TypedFunc, Val};

/// Flat parameters at most: see `unwrap.rs`.
const ARGUMENTS_MAX: usize = 16;

/// The functions of one instance.
pub struct Lifted {
    memory: Memory,
    realloc: TypedFunc<(u32, u32, u32, u32), u32>,
    entry: Func,
    results: usize,
    post_return: Option<Func>,
    initialisers: Vec<TypedFunc<(), ()>>,
    unwrapped: Unwrapped,
}

impl Lifted {
    /// Finds what the canonical ABI needs among the exports. Runs nothing.
    pub fn resolve(
        store: &mut Store<HostState>,
        instance: &Instance,
        target: &Target,
        unwrapped: &Unwrapped,
    ) -> Result<Self, HarnessError> {
        let missing = |name: &str| HarnessError::module(&target.name, format_args!("its core module has no {name:?}"));
        let memory = instance.get_memory(&mut *store, &unwrapped.memory);
        let realloc = typed(store, instance, &unwrapped.realloc);
        let entry = instance.get_func(&mut *store, &unwrapped.func).ok_or_else(|| missing(&unwrapped.func))?;
        let post_return = unwrapped
            .post_return
            .as_ref()
            .map(|name| instance.get_func(&mut *store, name).ok_or_else(|| missing(name)));
        Ok(Self {
            memory: memory.ok_or_else(|| missing(&unwrapped.memory))?,
            realloc: realloc.ok_or_else(|| missing(&unwrapped.realloc))?,
            results: entry.ty(&*store).results().len(),
            entry,
            post_return: post_return.transpose()?,
            initialisers: initialisers(store, instance),
            unwrapped: unwrapped.clone(),
        })
    }

    /// Runs the initialisers; then lets the allocator get its memory, and give all but a byte of it back: there is no
    /// way to free, but shrinking is part of the canonical ABI.
    pub fn prepare(&self, store: &mut Store<HostState>, warm_up_bytes: u32) -> wasmtime::Result<()> {
        self.initialisers.iter().try_for_each(|initialise| initialise.call(&mut *store, ()))?;
        if warm_up_bytes > 1 {
            let place = self.realloc.call(&mut *store, (0, 0, 1, warm_up_bytes))?;
            // An allocator that does not look where its memory ends would hand out what is not there from now on.
            read_guest(guest_bytes(self.memory, store), place.into(), warm_up_bytes.into())?;
            self.realloc.call(&mut *store, (place, warm_up_bytes, 1, 1))?;
        }
        Ok(())
    }

    /// Gives one input to the entry and reads its result.
    pub fn call(&self, store: &mut Store<HostState>, input: &[u8]) -> wasmtime::Result<Returned> {
        let mut arguments = [Val::I32(0); ARGUMENTS_MAX];
        let mut count = 0;
        for piece in pieces(input, &self.unwrapped.params) {
            let mut push = |value: Val| {
                arguments[count] = value;
                count += 1;
            };
            match piece {
                Piece::Scalar(ty, bits) => push(lower(ty, bits)),
                Piece::Text(text) => {
                    let place = self.put(store, text.as_bytes())?;
                    push(Val::I32(place as i32));
                    push(Val::I32(text.len() as i32));
                }
                Piece::Bytes(bytes) | Piece::Other(bytes) => {
                    let place = self.put(store, bytes)?;
                    push(Val::I32(place as i32));
                    push(Val::I32(bytes.len() as i32));
                }
            }
        }
        let mut results = [Val::I32(0); 1];
        let results = &mut results[..self.results.min(1)];
        self.entry.call(&mut *store, &arguments[..count], results)?;
        let returned = self.read(store, results.first().and_then(Val::i32).unwrap_or(0) as u32)?;
        if let Some(post_return) = &self.post_return {
            post_return.call(&mut *store, results, &mut [])?;
        }
        Ok(returned)
    }

    /// Memory of the guest's own allocator, with these bytes in it. The canonical ABI asks even for none.
    fn put(&self, store: &mut Store<HostState>, bytes: &[u8]) -> wasmtime::Result<u32> {
        let place = self.realloc.call(&mut *store, (0, 0, 1, bytes.len() as u32))?;
        write_guest(&mut *store, self.memory, place.into(), bytes)?;
        Ok(place)
    }

    fn read(&self, store: &mut Store<HostState>, result: u32) -> wasmtime::Result<Returned> {
        let (data, state) = guest_bytes_mut(self.memory, &mut *store);
        let pair = |at: u32| -> wasmtime::Result<&[u8]> {
            let words = read_guest(data, at.into(), 8)?;
            let word = |at: usize| u32::from_le_bytes(words[at..at + 4].try_into().expect("four bytes"));
            read_guest(data, word(0).into(), word(4).into())
        };
        let rejected = match self.unwrapped.returns {
            Returns::Nothing | Returns::Other => false,
            Returns::Bytes => {
                state.push_output(pair(result)?)?;
                false
            }
            // Without payloads the flag itself is the core result.
            Returns::ResultOfBytes { ok: false, err: false } => result == 1,
            Returns::ResultOfBytes { ok, err } => {
                let failed = read_guest(data, result.into(), 1)?[0] == 1;
                match failed {
                    true if err => state.push_message(pair(result.wrapping_add(4))?),
                    false if ok => state.push_output(pair(result.wrapping_add(4))?)?,
                    _ => {}
                }
                failed
            }
            Returns::Result => read_guest(data, result.into(), 1)?[0] == 1,
        };
        Ok(Returned { rejected })
    }
}

fn lower(ty: PrimitiveValType, bits: u64) -> Val {
    match ty {
        PrimitiveValType::Bool => Val::I32((bits & 1) as i32),
        PrimitiveValType::S8 => Val::I32((bits as i8).into()),
        PrimitiveValType::U8 => Val::I32((bits as u8).into()),
        PrimitiveValType::S16 => Val::I32((bits as i16).into()),
        PrimitiveValType::U16 => Val::I32((bits as u16).into()),
        PrimitiveValType::S64 | PrimitiveValType::U64 => Val::I64(bits as i64),
        PrimitiveValType::F32 => Val::F32(bits as u32),
        PrimitiveValType::F64 => Val::F64(bits),
        PrimitiveValType::Char => Val::I32(super::character(bits) as i32),
        _ => Val::I32(bits as i32),
    }
}
