//! WASI preview 1, deterministic and closed: standard streams, a clock that steps, a seeded random stream; no files,
//! no sockets, no environment. Every pointer is the guest's word and is checked against its memory.

use super::host::{Exit, HostState, guest_bytes_mut};
use wasmtime::{Caller, Error, Extern, FuncType, ValType};

/// Import modules that these functions answer for.
pub const MODULES: &[&str] = &["wasi_snapshot_preview1", "wasi_unstable"];

/// One function of the interface.
pub struct Function {
    /// Import name.
    pub name: &'static str,
    /// Parameters: `i` an i32, `l` an i64. All but `proc_exit` return an i32 error number.
    params: &'static str,
    answer: Answer,
}

type Answer = fn(&mut Guest<'_>, &[u64]) -> Result<(), Stopped>;

/// Why a call does not succeed.
enum Stopped {
    /// The guest gets this error number.
    Errno(u32),
    /// The run ends: exit, or a limit.
    Run(Error),
}

use Stopped::{Errno, Run};

const BADF: Stopped = Errno(8);
const FAULT: Stopped = Errno(21);
const INVAL: Stopped = Errno(28);
const NOSYS: Stopped = Errno(52);
const NOTDIR: Stopped = Errno(54);
const NOTSOCK: Stopped = Errno(57);
const SPIPE: Stopped = Errno(70);

/// Vectors in one scattered read or write; POSIX's usual `IOV_MAX`.
const VECTORS_MAX: u64 = 1024;
/// Subscriptions in one `poll_oneoff`.
const SUBSCRIPTIONS_MAX: u64 = 1024;
/// Bytes that the host moves for the price of one call: bulk work counts against the limit on host calls.
const BYTES_PER_CALL: u64 = 4096;
/// The clock begins at 2024-01-01 00:00:00 UTC, and each look at it takes a millisecond.
const CLOCK_START_NS: u64 = 1_704_067_200_000_000_000;
const CLOCK_STEP_NS: u64 = 1_000_000;
/// What the guest sees as its own name, with the final zero.
const ARGUMENT: &[u8] = b"guest\0";

/// Every function of preview 1.
#[rustfmt::skip]
pub const FUNCTIONS: &[Function] = &[
    Function { name: "args_get", params: "ii", answer: args_get },
    Function { name: "args_sizes_get", params: "ii", answer: |g, a| { g.put_u32(a[0], 1)?; g.put_u32(a[1], ARGUMENT.len() as u32) } },
    Function { name: "clock_res_get", params: "ii", answer: |g, a| { known_clock(a[0])?; g.put(a[1], &CLOCK_STEP_NS.to_le_bytes()) } },
    Function { name: "clock_time_get", params: "ili", answer: |g, a| { known_clock(a[0])?; let now = g.now(); g.put(a[2], &now.to_le_bytes()) } },
    Function { name: "environ_get", params: "ii", answer: |_, _| Ok(()) },
    Function { name: "environ_sizes_get", params: "ii", answer: |g, a| { g.put_u32(a[0], 0)?; g.put_u32(a[1], 0) } },
    Function { name: "fd_advise", params: "illi", answer: |_, a| Err(stream_or(a[0], SPIPE)) },
    Function { name: "fd_allocate", params: "ill", answer: |_, a| Err(stream_or(a[0], SPIPE)) },
    Function { name: "fd_close", params: "i", answer: |_, a| is_stream(a[0]) },
    Function { name: "fd_datasync", params: "i", answer: |_, a| Err(stream_or(a[0], INVAL)) },
    Function { name: "fd_fdstat_get", params: "ii", answer: fd_fdstat_get },
    Function { name: "fd_fdstat_set_flags", params: "ii", answer: |_, a| is_stream(a[0]) },
    Function { name: "fd_fdstat_set_rights", params: "ill", answer: |_, a| is_stream(a[0]) },
    Function { name: "fd_filestat_get", params: "ii", answer: |g, a| { is_stream(a[0])?; g.put(a[1], &[0; 64]) } },
    Function { name: "fd_filestat_set_size", params: "il", answer: |_, a| Err(stream_or(a[0], INVAL)) },
    Function { name: "fd_filestat_set_times", params: "illi", answer: |_, a| Err(stream_or(a[0], INVAL)) },
    Function { name: "fd_pread", params: "iiili", answer: |_, a| Err(stream_or(a[0], SPIPE)) },
    Function { name: "fd_prestat_dir_name", params: "iii", answer: |_, _| Err(BADF) },
    Function { name: "fd_prestat_get", params: "ii", answer: |_, _| Err(BADF) },
    Function { name: "fd_pwrite", params: "iiili", answer: |_, a| Err(stream_or(a[0], SPIPE)) },
    Function { name: "fd_read", params: "iiii", answer: fd_read },
    Function { name: "fd_readdir", params: "iiili", answer: |_, a| Err(stream_or(a[0], NOTDIR)) },
    Function { name: "fd_renumber", params: "ii", answer: |_, _| Err(BADF) },
    Function { name: "fd_seek", params: "ilii", answer: |_, a| Err(stream_or(a[0], SPIPE)) },
    Function { name: "fd_sync", params: "i", answer: |_, a| Err(stream_or(a[0], INVAL)) },
    Function { name: "fd_tell", params: "ii", answer: |_, a| Err(stream_or(a[0], SPIPE)) },
    Function { name: "fd_write", params: "iiii", answer: fd_write },
    Function { name: "path_create_directory", params: "iii", answer: |_, a| Err(stream_or(a[0], NOTDIR)) },
    Function { name: "path_filestat_get", params: "iiiii", answer: |_, a| Err(stream_or(a[0], NOTDIR)) },
    Function { name: "path_filestat_set_times", params: "iiiilli", answer: |_, a| Err(stream_or(a[0], NOTDIR)) },
    Function { name: "path_link", params: "iiiiiii", answer: |_, a| Err(stream_or(a[0], NOTDIR)) },
    Function { name: "path_open", params: "iiiiillii", answer: |_, a| Err(stream_or(a[0], NOTDIR)) },
    Function { name: "path_readlink", params: "iiiiii", answer: |_, a| Err(stream_or(a[0], NOTDIR)) },
    Function { name: "path_remove_directory", params: "iii", answer: |_, a| Err(stream_or(a[0], NOTDIR)) },
    Function { name: "path_rename", params: "iiiiii", answer: |_, a| Err(stream_or(a[0], NOTDIR)) },
    Function { name: "path_symlink", params: "iiiii", answer: |_, a| Err(stream_or(a[2], NOTDIR)) },
    Function { name: "path_unlink_file", params: "iii", answer: |_, a| Err(stream_or(a[0], NOTDIR)) },
    Function { name: "poll_oneoff", params: "iiii", answer: poll_oneoff },
    Function { name: "proc_exit", params: "i", answer: |_, a| Err(Run(Exit(a[0] as u32 as i32).into())) },
    Function { name: "proc_raise", params: "i", answer: |_, _| Err(NOSYS) },
    Function { name: "random_get", params: "ii", answer: random_get },
    Function { name: "sched_yield", params: "", answer: |_, _| Ok(()) },
    Function { name: "sock_accept", params: "iii", answer: |_, a| Err(stream_or(a[0], NOTSOCK)) },
    Function { name: "sock_recv", params: "iiiiii", answer: |_, a| Err(stream_or(a[0], NOTSOCK)) },
    Function { name: "sock_send", params: "iiiii", answer: |_, a| Err(stream_or(a[0], NOTSOCK)) },
    Function { name: "sock_shutdown", params: "ii", answer: |_, a| Err(stream_or(a[0], NOTSOCK)) },
];

impl Function {
    /// The function that an import names, if its type is the interface's.
    pub fn find(module: &str, name: &str, ty: &FuncType) -> Option<&'static Function> {
        let function = FUNCTIONS.iter().find(|function| MODULES.contains(&module) && function.name == name)?;
        let letter = |ty: ValType| match ty {
            ValType::I32 => 'i',
            ValType::I64 => 'l',
            _ => '?',
        };
        let results: &[char] = if function.name == "proc_exit" { &[] } else { &['i'] };
        (ty.params().map(letter).eq(function.params.chars()) && ty.results().map(letter).eq(results.iter().copied()))
            .then_some(function)
    }

    /// Answers one call; the result is the error number.
    pub fn call(&self, caller: &mut Caller<'_, HostState>, arguments: &[u64]) -> Result<i32, Error> {
        let memory = match caller.get_export("memory") {
            Some(Extern::Memory(memory)) => Some(memory),
            _ => None,
        };
        let mut guest = match memory {
            Some(memory) => {
                let (memory, state) = guest_bytes_mut(memory, caller);
                Guest { memory, state }
            }
            // Without a memory every pointer is wild.
            None => Guest { memory: &mut [], state: caller.data_mut() },
        };
        match (self.answer)(&mut guest, arguments) {
            Ok(()) => Ok(0),
            Err(Errno(number)) => Ok(number as i32),
            Err(Run(error)) => Err(error),
        }
    }
}

/// The memory and the host's state while a call is answered.
struct Guest<'a> {
    memory: &'a mut [u8],
    state: &'a mut HostState,
}

impl Guest<'_> {
    fn get(&self, address: u64, len: u64) -> Result<&[u8], Stopped> {
        let range = range(address, len).ok_or(FAULT)?;
        self.memory.get(range).ok_or(FAULT)
    }

    fn get_u32(&self, address: u64) -> Result<u32, Stopped> {
        let bytes = self.get(address, 4)?;
        Ok(u32::from_le_bytes(bytes.try_into().expect("four bytes were asked for")))
    }

    fn put(&mut self, address: u64, bytes: &[u8]) -> Result<(), Stopped> {
        let range = range(address, bytes.len() as u64).ok_or(FAULT)?;
        let place = self.memory.get_mut(range).ok_or(FAULT)?;
        place.copy_from_slice(bytes);
        self.state.dirty.mark(place);
        Ok(())
    }

    fn put_u32(&mut self, address: u64, value: u32) -> Result<(), Stopped> {
        self.put(address, &value.to_le_bytes())
    }

    /// The buffers of a scattered read or write; `address` points to (pointer, length) pairs. They may overlap each
    /// other and the pairs themselves: pairs are read one by one, as the real host does.
    fn vector(&self, address: u64, index: u64) -> Result<(u64, u64), Stopped> {
        let at = address + index * 8;
        Ok((self.get_u32(at)?.into(), self.get_u32(at + 4)?.into()))
    }

    fn now(&mut self) -> u64 {
        self.state.clock_ns = self.state.clock_ns.wrapping_add(CLOCK_STEP_NS);
        CLOCK_START_NS.wrapping_add(self.state.clock_ns)
    }

    /// Takes bulk work out of the budget of host calls.
    fn charge(&mut self, bytes: u64) -> Result<(), Stopped> {
        self.state.calls.charge(bytes / BYTES_PER_CALL).map_err(Run)
    }
}

fn range(address: u64, len: u64) -> Option<std::ops::Range<usize>> {
    let end = address.checked_add(len)?;
    Some(usize::try_from(address).ok()?..usize::try_from(end).ok()?)
}

fn is_stream(fd: u64) -> Result<(), Stopped> {
    if fd <= 2 { Ok(()) } else { Err(BADF) }
}

/// What to answer about a descriptor that is a standard stream; there are no others.
fn stream_or(fd: u64, otherwise: Stopped) -> Stopped {
    if fd <= 2 { otherwise } else { BADF }
}

fn known_clock(id: u64) -> Result<(), Stopped> {
    if id <= 3 { Ok(()) } else { Err(INVAL) }
}

fn args_get(guest: &mut Guest<'_>, a: &[u64]) -> Result<(), Stopped> {
    guest.put_u32(a[0], a[1] as u32)?;
    guest.put(a[1], ARGUMENT)
}

/// A pipe: neither file nor terminal; readable or writable, and nothing else.
fn fd_fdstat_get(guest: &mut Guest<'_>, a: &[u64]) -> Result<(), Stopped> {
    const RIGHT_READ: u64 = 1 << 1;
    const RIGHT_WRITE: u64 = 1 << 6;
    is_stream(a[0])?;
    let mut stat = [0; 24];
    stat[8..16].copy_from_slice(&(if a[0] == 0 { RIGHT_READ } else { RIGHT_WRITE }).to_le_bytes());
    guest.put(a[1], &stat)
}

fn fd_read(guest: &mut Guest<'_>, a: &[u64]) -> Result<(), Stopped> {
    if a[0] != 0 {
        return Err(BADF);
    }
    if a[2] > VECTORS_MAX {
        return Err(INVAL);
    }
    let mut total = 0;
    for index in 0..a[2] {
        let (address, len) = guest.vector(a[1], index)?;
        let wanted = range(address, len).ok_or(FAULT)?;
        let place = guest.memory.get_mut(wanted).ok_or(FAULT)?;
        let rest = &guest.state.stdin[guest.state.stdin_read..];
        let count = rest.len().min(place.len());
        place[..count].copy_from_slice(&rest[..count]);
        guest.state.dirty.mark(&place[..count]);
        guest.state.stdin_read += count;
        total += count as u64;
        if count < len as usize {
            break;
        }
    }
    guest.charge(total)?;
    guest.put_u32(a[3], total as u32)
}

fn fd_write(guest: &mut Guest<'_>, a: &[u64]) -> Result<(), Stopped> {
    if a[0] != 1 && a[0] != 2 {
        return Err(BADF);
    }
    if a[2] > VECTORS_MAX {
        return Err(INVAL);
    }
    let mut total: u64 = 0;
    for index in 0..a[2] {
        let (address, len) = guest.vector(a[1], index)?;
        let wanted = range(address, len).ok_or(FAULT)?;
        let bytes = guest.memory.get(wanted).ok_or(FAULT)?;
        if a[0] == 1 {
            guest.state.push_output(bytes).map_err(Run)?;
        } else {
            guest.state.push_message(bytes);
        }
        total += len;
    }
    guest.charge(total)?;
    // Buffers that overlap can add up to more than 32 bits hold; what was taken is then all that can be said.
    guest.put_u32(a[3], total.min(u32::MAX.into()) as u32)
}

fn random_get(guest: &mut Guest<'_>, a: &[u64]) -> Result<(), Stopped> {
    let wanted = range(a[0], a[1]).ok_or(FAULT)?;
    guest.charge(a[1])?;
    let place = guest.memory.get_mut(wanted).ok_or(FAULT)?;
    for chunk in place.chunks_mut(8) {
        let bytes = guest.state.random.draw().to_le_bytes();
        chunk.copy_from_slice(&bytes[..chunk.len()]);
    }
    guest.state.dirty.mark(place);
    Ok(())
}

/// Every subscription is ready at once: clocks have run out, streams never block.
fn poll_oneoff(guest: &mut Guest<'_>, a: &[u64]) -> Result<(), Stopped> {
    const SUBSCRIPTION_BYTES: u64 = 48;
    const EVENT_BYTES: usize = 32;
    let (from, to, count) = (a[0], a[1], a[2]);
    if count == 0 || count > SUBSCRIPTIONS_MAX {
        return Err(INVAL);
    }
    // Both arrays are the guest's and may overlap: read all before writing any.
    let subscriptions = guest.get(from, count * SUBSCRIPTION_BYTES)?.to_vec();
    let mut events = Vec::with_capacity(count as usize * EVENT_BYTES);
    for subscription in subscriptions.chunks_exact(SUBSCRIPTION_BYTES as usize) {
        let kind = subscription[8];
        let fd = u32::from_le_bytes(subscription[16..20].try_into().expect("four bytes"));
        let (errno, ready): (u16, u64) = match (kind, fd) {
            (0, _) => (0, 0),
            (1, 0) => (0, (guest.state.stdin.len() - guest.state.stdin_read) as u64),
            (2, 1 | 2) => (0, BYTES_PER_CALL),
            (1 | 2, _) => (8, 0),
            _ => return Err(INVAL),
        };
        if kind == 0 {
            guest.now();
        }
        let mut event = [0; EVENT_BYTES];
        event[..8].copy_from_slice(&subscription[..8]);
        event[8..10].copy_from_slice(&errno.to_le_bytes());
        event[10] = kind;
        event[16..24].copy_from_slice(&ready.to_le_bytes());
        events.extend_from_slice(&event);
    }
    guest.put(to, &events)?;
    guest.put_u32(a[3], count as u32)
}
