//! Driver of entries with a script (`target/script.rs`): several calls with buffers and numbers out of one flat input.
//! Results of every call and the bytes of its `out` buffers are the output, in order; then inputs that were written over.

use super::abi::{Returned, guest_memory, initialisers, typed};
use super::host::{HostState, guest_bytes, read_guest, write_guest};
use crate::HarnessError;
use crate::target::{ALLOC_NAMES, Argument, Call, Piece, Script, Target, zero_extended};
use std::ops::Range;
use std::sync::Arc;
use wasmparser::ValType;
use wasmtime::{Func, Instance, Memory, Store, TypedFunc, Val};

/// Alignment of buffers, bytes: that of the widest type.
const ALIGN: u32 = 16;
/// Where the guest has no allocator: pages that the host adds for arguments beyond what the buffers need.
const PAGE_BYTES: u64 = 1 << 16;

/// The functions of one instance.
pub struct Scripted {
    script: Arc<Script>,
    memory: Option<Memory>,
    room: Room,
    callees: Vec<Func>,
    initialisers: Vec<TypedFunc<(), ()>>,
}

/// Where buffers come from.
enum Room {
    /// `alloc(len) -> pointer`.
    Alloc(TypedFunc<u32, u32>),
    /// `__wbindgen_malloc(len, align) -> pointer`.
    AlignedAlloc(TypedFunc<(u32, u32), u32>),
    /// Pages behind the memory that the module begins with: their first address.
    Added(u32),
    /// No buffers are needed.
    None,
}

/// Arguments of every call, in place: what is left is to make the calls.
pub struct Placed {
    arguments: Vec<Vec<Val>>,
    outs: Vec<Vec<Range<u64>>>,
    /// Address and length of each buffer, in order.
    places: Vec<(u32, usize)>,
}

/// An argument that an input means.
enum Filled {
    /// Bytes of a buffer, and what of it the call is to write.
    Buffer { bytes: Vec<u8>, written: Vec<Range<u64>>, with_length: bool },
    /// A number.
    Value(Val),
}

impl Scripted {
    /// Finds the exports. Runs nothing.
    pub fn resolve(
        store: &mut Store<HostState>,
        instance: &Instance,
        target: &Target,
        script: &Arc<Script>,
    ) -> Result<Self, HarnessError> {
        let fail = |message: String| HarnessError::module(&target.name, message);
        let callees = script.calls.iter().map(|call| {
            let func = instance.get_func(&mut *store, &call.export);
            func.ok_or_else(|| fail(format!("{:?} is not an exported function", call.export)))
        });
        let callees = callees.collect::<Result<Vec<_>, _>>()?;
        let memory = guest_memory(store, instance);
        let needs = buffer_bytes(script);
        let room = match memory {
            _ if needs == 0 => Room::None,
            None => return Err(fail("exports no linear memory to put the arguments in".to_owned())),
            Some(memory) => {
                let alloc = ALLOC_NAMES.iter().find_map(|name| typed(store, instance, name)).map(Room::Alloc);
                let aligned = || typed(store, instance, "__wbindgen_malloc").map(Room::AlignedAlloc);
                match alloc.or_else(aligned) {
                    Some(room) => room,
                    None => {
                        let end = guest_bytes(memory, &*store).len() as u64;
                        let start =
                            u32::try_from(end).map_err(|_| fail("its memory has no room for arguments".into()))?;
                        Room::Added(start)
                    }
                }
            }
        };
        let initialisers = initialisers(store, instance);
        Ok(Self { script: Arc::clone(script), memory, room, callees, initialisers })
    }

    /// Runs the initialisers, and adds room for arguments where the guest has no allocator.
    pub fn prepare(&self, store: &mut Store<HostState>, warm_up_bytes: u32) -> wasmtime::Result<()> {
        self.initialisers.iter().try_for_each(|initialise| initialise.call(&mut *store, ()))?;
        match (&self.room, self.memory) {
            (Room::Added(start), Some(memory)) => {
                let end = u64::from(*start) + buffer_bytes(&self.script);
                let missing = end.saturating_sub(memory.data_size(&*store) as u64).div_ceil(PAGE_BYTES);
                memory.grow(&mut *store, missing).map(drop)
            }
            // One byte makes most allocators get some memory; nothing is given back, because nobody says how.
            (Room::Alloc(alloc), _) if warm_up_bytes > 0 => alloc.call(&mut *store, 1).map(drop),
            (Room::AlignedAlloc(alloc), _) if warm_up_bytes > 0 => alloc.call(&mut *store, (1, 1)).map(drop),
            _ => Ok(()),
        }
    }

    /// Makes the calls. Buffers stay: the instance is restored or replaced after the run.
    pub fn call(&self, store: &mut Store<HostState>, input: &[u8]) -> wasmtime::Result<Returned> {
        let Some(placed) = self.place(store, input)? else { return Ok(Returned { rejected: true }) };
        let mut results: Vec<Vec<Val>> = Vec::with_capacity(self.callees.len());
        self.run(store, &placed, &mut results)?;
        for (index, values) in results.iter().enumerate() {
            for value in values {
                push(store.data_mut(), value)?;
            }
            for out in &placed.outs[index] {
                let Some(memory) = self.memory else { continue };
                let (data, state) = super::host::guest_bytes_mut(memory, &mut *store);
                let bytes = read_guest(data, out.start, out.end - out.start)?;
                state.push_output(bytes)?;
            }
        }
        self.push_changed(store, &placed, input)?;
        Ok(Returned { rejected: false })
    }

    /// Gives back what the calls wrote over their inputs: a sort in place has no other answer.
    fn push_changed(&self, store: &mut Store<HostState>, placed: &Placed, input: &[u8]) -> wasmtime::Result<()> {
        let Some(memory) = self.memory else { return Ok(()) };
        let buffers = self.fill(input).into_iter().flatten().filter_map(|filled| match filled {
            Filled::Buffer { bytes, written, .. } => Some((bytes, written)),
            Filled::Value(_) => None,
        });
        for ((given, written), (place, _)) in buffers.zip(&placed.places) {
            let (data, state) = super::host::guest_bytes_mut(memory, &mut *store);
            let Ok(now) = read_guest(data, u64::from(*place), given.len() as u64) else { continue };
            let is_out = |at: usize| written.iter().any(|range| range.contains(&(at as u64)));
            if (0..given.len()).any(|at| now[at] != given[at] && !is_out(at)) {
                state.push_output(now)?;
            }
        }
        Ok(())
    }

    /// Writes the buffers and gathers the arguments; nothing where the guest has no memory for them.
    pub fn place(&self, store: &mut Store<HostState>, input: &[u8]) -> wasmtime::Result<Option<Placed>> {
        let mut placed = Placed { arguments: Vec::new(), outs: Vec::new(), places: Vec::new() };
        let mut added = match self.room {
            Room::Added(start) => start,
            _ => 0,
        };
        for filled in self.fill(input) {
            let (mut arguments, mut outs) = (Vec::with_capacity(filled.len()), Vec::new());
            for argument in filled {
                match argument {
                    Filled::Buffer { bytes, written, with_length } => {
                        let Some(place) = self.buffer(store, bytes.len() as u32, &mut added)? else { return Ok(None) };
                        self.write(store, place, &bytes)?;
                        let place64 = u64::from(place);
                        outs.extend(written.into_iter().map(|range| place64 + range.start..place64 + range.end));
                        placed.places.push((place, bytes.len()));
                        arguments.push(Val::I32(place as i32));
                        if with_length {
                            arguments.push(Val::I32(bytes.len() as i32));
                        }
                    }
                    Filled::Value(value) => arguments.push(value),
                }
            }
            placed.arguments.push(arguments);
            placed.outs.push(outs);
        }
        Ok(Some(placed))
    }

    /// Puts another input where one was placed before, at the same addresses. Says whether it could: buffers have the same
    /// lengths. Calls that gave their buffers back, or moved them, must not have been made.
    pub fn place_again(
        &self,
        store: &mut Store<HostState>,
        placed: &mut Placed,
        input: &[u8],
    ) -> wasmtime::Result<bool> {
        let mut places = placed.places.iter();
        for (filled, arguments) in self.fill(input).into_iter().zip(&mut placed.arguments) {
            let mut at = 0;
            for argument in filled {
                match argument {
                    Filled::Buffer { bytes, with_length, .. } => {
                        let Some((place, _)) = places.next().filter(|(_, len)| *len == bytes.len()) else {
                            return Ok(false);
                        };
                        self.write(store, *place, &bytes)?;
                        at += if with_length { 2 } else { 1 };
                    }
                    Filled::Value(value) => {
                        arguments[at] = value;
                        at += 1;
                    }
                }
            }
        }
        Ok(true)
    }

    /// Whether a called function takes over the buffers that it is given, as wasm-bindgen's do.
    pub fn gives_buffers_away(&self) -> bool {
        matches!(self.room, Room::AlignedAlloc(_))
    }

    fn write(&self, store: &mut Store<HostState>, place: u32, bytes: &[u8]) -> wasmtime::Result<()> {
        match self.memory.filter(|_| !bytes.is_empty()) {
            Some(memory) => write_guest(&mut *store, memory, place.into(), bytes),
            None => Ok(()),
        }
    }

    /// The arguments of each call that an input means.
    fn fill(&self, input: &[u8]) -> Vec<Vec<Filled>> {
        let mut ranges = Vec::new();
        self.script.split(input, &mut ranges);
        let calls = self.script.calls.iter().map(|call| {
            let mut at = 0;
            let mut filled = Vec::with_capacity(call.arguments.len());
            for argument in &call.arguments {
                let ty = call.params[at];
                at += 1;
                filled.push(match argument {
                    Argument::Buffer { pieces, with_length } => {
                        at += usize::from(*with_length);
                        let (mut bytes, mut written) = (Vec::new(), Vec::new());
                        for piece in pieces {
                            match piece {
                                Piece::Field(index) => bytes.extend(zero_extended(input, ranges[*index].clone())),
                                Piece::Out(len) => {
                                    written.push(bytes.len() as u64..bytes.len() as u64 + u64::from(*len));
                                    bytes.resize(bytes.len() + *len as usize, 0);
                                }
                            }
                        }
                        Filled::Buffer { bytes, written, with_length: *with_length }
                    }
                    Argument::Number(index) => Filled::Value(number(ty, &zero_extended(input, ranges[*index].clone()))),
                    Argument::Constant(value) => Filled::Value(constant(ty, *value)),
                    // Put in when it is known.
                    Argument::Result(_) => Filled::Value(constant(ty, 0)),
                });
            }
            filled
        });
        calls.collect()
    }

    /// Makes the calls with arguments that are in place.
    pub fn run(
        &self,
        store: &mut Store<HostState>,
        placed: &Placed,
        results: &mut Vec<Vec<Val>>,
    ) -> wasmtime::Result<()> {
        // Their room is kept from run to run: a clock may be running.
        results.resize_with(self.callees.len(), Vec::new);
        for (index, (call, callee)) in self.script.calls.iter().zip(&self.callees).enumerate() {
            let (earlier, values) = results.split_at_mut(index);
            let (arguments, values) = (&placed.arguments[index], &mut values[0]);
            values.resize(call.results.len(), Val::I32(0));
            if call.arguments.iter().any(|argument| matches!(argument, Argument::Result(_))) {
                callee.call(&mut *store, &with_results(call, arguments, earlier), values)?;
            } else {
                callee.call(&mut *store, arguments, values)?;
            }
        }
        Ok(())
    }

    fn buffer(&self, store: &mut Store<HostState>, len: u32, added: &mut u32) -> wasmtime::Result<Option<u32>> {
        // Room to move the start up to a multiple of the alignment: allocators promise less.
        let with_slack = len.saturating_add(ALIGN - 1);
        let place = match &self.room {
            Room::Alloc(alloc) => alloc.call(&mut *store, with_slack)?,
            Room::AlignedAlloc(alloc) => alloc.call(&mut *store, (len.max(1), ALIGN))?,
            Room::Added(_) => {
                let place = *added;
                *added = added.saturating_add(with_slack);
                place
            }
            Room::None => return Ok(Some(0)),
        };
        Ok((place != 0).then(|| place.next_multiple_of(ALIGN)))
    }
}

/// Bytes that all buffers of a script can take.
fn buffer_bytes(script: &Script) -> u64 {
    let buffers = script.calls.iter().flat_map(|call| &call.arguments).filter_map(|argument| match argument {
        Argument::Buffer { pieces, .. } => Some(pieces),
        _ => None,
    });
    let len = |piece: &Piece| match piece {
        Piece::Field(index) => u64::from(script.fields[*index].max),
        Piece::Out(len) => u64::from(*len),
    };
    buffers.map(|pieces| pieces.iter().map(len).sum::<u64>() + u64::from(ALIGN)).sum()
}

fn with_results(call: &Call, arguments: &[Val], results: &[Vec<Val>]) -> Vec<Val> {
    let mut arguments = arguments.to_vec();
    let mut at = 0;
    for argument in &call.arguments {
        if let Argument::Result(index) = argument
            && let Some(value) = results[*index].first()
        {
            arguments[at] = *value;
        }
        at += if matches!(argument, Argument::Buffer { with_length: true, .. }) { 2 } else { 1 };
    }
    arguments
}

fn number(ty: ValType, bytes: &[u8]) -> Val {
    let mut raw = [0; 8];
    raw[..bytes.len().min(8)].copy_from_slice(&bytes[..bytes.len().min(8)]);
    let bits = u64::from_le_bytes(raw);
    match ty {
        ValType::I64 => Val::I64(bits as i64),
        ValType::F32 => Val::F32(bits as u32),
        ValType::F64 => Val::F64(bits),
        _ => Val::I32(bits as i32),
    }
}

fn constant(ty: ValType, value: i64) -> Val {
    match ty {
        ValType::I64 => Val::I64(value),
        ValType::F32 => Val::F32((value as f32).to_bits()),
        ValType::F64 => Val::F64((value as f64).to_bits()),
        _ => Val::I32(value as i32),
    }
}

/// Eight bytes for each number, so that the place of each result is known; sixteen for a vector; of a reference only
/// whether it is null.
fn push(state: &mut HostState, value: &Val) -> wasmtime::Result<()> {
    match value {
        Val::V128(value) => state.push_output(&value.as_u128().to_le_bytes()),
        other => state.push_output(&(super::value_bits(other) as u64).to_le_bytes()),
    }
}
