//! Driver of the ABI `wasm-bindgen`: the raw exports under the JavaScript glue, called as the glue calls them.
//!
//! Strings and byte slices go in as (pointer, length) pairs of memory from `__wbindgen_malloc`, and belong to the callee.
//! They come back as two results, or through a return pointer in modules built without multiple results. `Result`s
//! carry the index of an error object and a flag behind the value. The module does not say which of these it means, so
//! values are read with care: a pair that points nowhere is two numbers.

use super::abi::{Returned, guest_memory, initialisers, typed};
use super::host::{HostState, Thrown, guest_bytes, guest_bytes_mut, read_guest, write_guest};
use crate::HarnessError;
use crate::target::{InputKind, Shape, Target};
use std::borrow::Cow;
use wasmtime::{Func, Instance, Memory, Store, TypedFunc, Val, ValType};

/// Strings and slices that one export may take.
const PAIRS_MAX: usize = 8;
/// Bytes at the end of the input that say where it is cut, for every cut.
const CUT_BYTES: usize = 2;
/// Space for results that come back through a pointer: four words, as the glue reserves it.
const RETURN_BYTES: i32 = 16;
/// Alignment of that space.
const RETURN_ALIGN: u32 = 8;
/// Error objects are indices below this. Strings lie above: Rust's stack and data come first.
const HANDLES_END: u32 = 1 << 16;

/// The functions of one instance.
pub struct Wbindgen {
    memory: Memory,
    malloc: TypedFunc<(u32, u32), u32>,
    free: Option<TypedFunc<(u32, u32, u32), ()>>,
    entry: Func,
    pairs: usize,
    results: Vec<ValType>,
    return_place: ReturnPlace,
    input: InputKind,
    initialisers: Vec<TypedFunc<(), ()>>,
}

/// Where results of several words are put.
enum ReturnPlace {
    /// They are results.
    None,
    /// On the guest's stack, as the glue does.
    Stack(TypedFunc<i32, i32>),
    /// On its heap: a module without glue gives no way to its stack.
    Heap,
}

impl Wbindgen {
    /// Finds what the ABI needs among the exports. Runs nothing.
    pub fn resolve(
        store: &mut Store<HostState>,
        instance: &Instance,
        target: &Target,
        entry: &str,
    ) -> Result<Self, HarnessError> {
        let fail = |message: String| HarnessError::module(&target.name, message);
        let Shape::Core(shape) = &*target.shape else {
            return Err(fail("a component is no wasm-bindgen module".to_owned()));
        };
        let memory = guest_memory(store, instance).ok_or_else(|| fail("exports no linear memory".to_owned()))?;
        let malloc = shape.wasm_bindgen_malloc().and_then(|function| typed(store, instance, &function.name));
        let malloc = malloc.ok_or_else(|| fail("exports no `__wbindgen_malloc` (i32, i32) -> i32".to_owned()))?;
        let free = shape.wasm_bindgen_free().and_then(|function| typed(store, instance, &function.name));
        let func = instance.get_func(&mut *store, entry);
        let func = func.ok_or_else(|| fail(format!("`{entry}` is not an exported function")))?;
        let ty = func.ty(&*store);
        let params = ty.params().len();
        let results: Vec<ValType> = ty.results().collect();
        let through_pointer = results.is_empty() && !params.is_multiple_of(2) && shape.wasm_bindgen_return_pointer();
        let return_place = match typed(store, instance, "__wbindgen_add_to_stack_pointer") {
            _ if !through_pointer => ReturnPlace::None,
            Some(move_stack_pointer) => ReturnPlace::Stack(move_stack_pointer),
            None => ReturnPlace::Heap,
        };
        let pairs = (params - usize::from(through_pointer)) / 2;
        let fits = ty.params().all(|param| matches!(param, ValType::I32))
            && params == pairs * 2 + usize::from(through_pointer)
            && (1..=PAIRS_MAX).contains(&pairs)
            && results.len() <= 4;
        if !fits {
            return Err(fail(format!("`{entry}` does not take strings or byte slices only: its type is {ty}")));
        }
        // The glue reallocates while it encodes a string, and for nothing else.
        let takes_text = shape.function("__wbindgen_realloc").is_some();
        let input = target.manifest.input.unwrap_or(if takes_text { InputKind::Utf8 } else { InputKind::Bytes });
        let mut initialisers = initialisers(store, instance);
        initialisers.extend(typed(store, instance, "__wbindgen_start"));
        Ok(Self { memory, malloc, free, entry: func, pairs, results, return_place, input, initialisers })
    }

    /// Runs the start function as the glue does after instantiation.
    pub fn prepare(&self, store: &mut Store<HostState>, warm_up_bytes: u32) -> wasmtime::Result<()> {
        for initialise in &self.initialisers {
            initialise.call(&mut *store, ())?;
        }
        if let Some(free) = self.free.as_ref().filter(|_| warm_up_bytes > 0) {
            let place = self.malloc.call(&mut *store, (warm_up_bytes, 1))?;
            free.call(&mut *store, (place, warm_up_bytes, 1))?;
        }
        Ok(())
    }

    /// Gives one input to the entry. What it throws is a rejection, with its text as the message.
    pub fn call(&self, store: &mut Store<HostState>, input: &[u8]) -> wasmtime::Result<Returned> {
        match self.call_entry(store, input) {
            Err(error) if error.is::<Thrown>() => Ok(Returned { rejected: true }),
            other => other,
        }
    }

    fn call_entry(&self, store: &mut Store<HostState>, input: &[u8]) -> wasmtime::Result<Returned> {
        let mut arguments = [Val::I32(0); PAIRS_MAX * 2 + 1];
        let mut count = 0;
        let return_pointer = match &self.return_place {
            ReturnPlace::None => None,
            ReturnPlace::Stack(move_stack_pointer) => Some(move_stack_pointer.call(&mut *store, -RETURN_BYTES)?),
            ReturnPlace::Heap => Some(self.malloc.call(&mut *store, (RETURN_BYTES as u32, RETURN_ALIGN))? as i32),
        };
        if let Some(place) = return_pointer {
            // What the callee does not write must not look like an error flag.
            write_guest(&mut *store, self.memory, u64::from(place as u32), &[0; RETURN_BYTES as usize])?;
            arguments[0] = Val::I32(place);
            count = 1;
        }
        for piece in cut(input, self.pairs) {
            let piece = match self.input {
                InputKind::Bytes => Cow::Borrowed(piece),
                InputKind::Utf8 => match String::from_utf8_lossy(piece) {
                    Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                    Cow::Owned(text) => Cow::Owned(text.into_bytes()),
                },
            };
            let len = piece.len() as u32;
            let place = self.malloc.call(&mut *store, (len, 1))?;
            write_guest(&mut *store, self.memory, place.into(), &piece)?;
            arguments[count] = Val::I32(place as i32);
            arguments[count + 1] = Val::I32(len as i32);
            count += 2;
        }
        let mut results = [Val::I32(0); 4];
        let results = &mut results[..self.results.len()];
        self.entry.call(&mut *store, &arguments[..count], results)?;
        let Some(place) = return_pointer else { return self.read_results(store, results) };
        let words = read_guest(guest_bytes(self.memory, store), u64::from(place as u32), RETURN_BYTES as u64)?;
        let mut values = [Val::I32(0); 4];
        for (value, word) in values.iter_mut().zip(words.chunks_exact(4)) {
            *value = Val::I32(i32::from_le_bytes(word.try_into().expect("four bytes")));
        }
        match (&self.return_place, &self.free) {
            (ReturnPlace::Stack(move_stack_pointer), _) => {
                move_stack_pointer.call(&mut *store, RETURN_BYTES)?;
            }
            (ReturnPlace::Heap, Some(free)) => {
                free.call(&mut *store, (place as u32, RETURN_BYTES as u32, RETURN_ALIGN))?;
            }
            _ => {}
        }
        // A value of fewer words leaves the zeroes that were there.
        match words_used(&values) {
            0 => Ok(Returned { rejected: false }),
            used => self.read_results(store, &values[..used]),
        }
    }

    fn read_results(&self, store: &mut Store<HostState>, results: &[Val]) -> wasmtime::Result<Returned> {
        let word = |index: usize| results.get(index).and_then(Val::i32).map(|word| word as u32);
        match (results.len(), word(0), word(1), word(2), word(3)) {
            (4, Some(place), Some(len), Some(_), Some(failed)) => {
                if failed == 0 {
                    self.take_output(store, place, len)?;
                }
                Ok(Returned { rejected: failed != 0 })
            }
            (3, _, _, _, _) if matches!(word(2), Some(0 | 1)) => {
                if word(2) == Some(0) {
                    push_number(store, &results[0])?;
                }
                Ok(Returned { rejected: word(2) == Some(1) })
            }
            (2, Some(handle), Some(1), _, _) if handle < HANDLES_END && handle != 0 => Ok(Returned { rejected: true }),
            (2, Some(place), Some(len), _, _) => {
                self.take_output(store, place, len)?;
                Ok(Returned { rejected: false })
            }
            _ => {
                for result in results {
                    push_number(store, result)?;
                }
                Ok(Returned { rejected: false })
            }
        }
    }

    /// Reads and frees a string or slice. A null pointer is nothing (or a reference, which has no bytes).
    fn take_output(&self, store: &mut Store<HostState>, place: u32, len: u32) -> wasmtime::Result<()> {
        if place == 0 || len == 0 {
            return Ok(());
        }
        let (data, state) = guest_bytes_mut(self.memory, &mut *store);
        let Ok(bytes) = read_guest(data, place.into(), len.into()) else {
            state.push_output(&place.to_le_bytes())?;
            return state.push_output(&len.to_le_bytes());
        };
        let text = std::str::from_utf8(bytes).is_ok();
        state.push_output(bytes)?;
        match &self.free {
            // Only of text is it known how large its elements are, hence what to free.
            Some(free) if text => free.call(&mut *store, (place, len, 1)),
            _ => Ok(()),
        }
    }
}

fn push_number(store: &mut Store<HostState>, value: &Val) -> wasmtime::Result<()> {
    let state = store.data_mut();
    match value {
        Val::I32(value) => state.push_output(&value.to_le_bytes()),
        Val::I64(value) => state.push_output(&value.to_le_bytes()),
        Val::F32(bits) => state.push_output(&bits.to_le_bytes()),
        Val::F64(bits) => state.push_output(&bits.to_le_bytes()),
        _ => Ok(()),
    }
}

/// How many of the words behind a return pointer belong to the value: `(pointer, length)`, `(value, error, failed)`
/// or `(pointer, length, error, failed)`.
fn words_used(values: &[Val; 4]) -> usize {
    match values.each_ref().map(|value| value.unwrap_i32()) {
        [.., 1] => 4,
        [_, _, 1, 0] => 3,
        [0, 0, 0, 0] => 0,
        _ => 2,
    }
}

/// Cuts the input into `count` pieces. The cuts stand at its end, so that a document stays a document.
pub(super) fn cut(input: &[u8], count: usize) -> impl Iterator<Item = &[u8]> {
    let cuts_len = (count - 1) * CUT_BYTES;
    let (mut rest, cuts) = input.split_at(input.len().checked_sub(cuts_len).unwrap_or(input.len()));
    (0..count).map(move |index| {
        let cut = cuts.get(index * CUT_BYTES..(index + 1) * CUT_BYTES);
        let cut = cut.map(|bytes| usize::from(u16::from_le_bytes([bytes[0], bytes[1]])));
        let at = match cut {
            Some(cut) if index + 1 < count => cut % (rest.len() + 1),
            _ => rest.len(),
        };
        let (piece, after) = rest.split_at(at);
        rest = after;
        piece
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_lose_only_the_bytes_that_describe_them() {
        let pieces = |input: &'static [u8], count| cut(input, count).collect::<Vec<_>>();
        assert_eq!(pieces(b"abc", 1), [b"abc"]);
        assert_eq!(pieces(b"abcdef\x02\x00", 2), [&b"ab"[..], b"cdef"]);
        assert_eq!(pieces(b"abcdef\x07\x00", 2), [&b""[..], b"abcdef"]);
        assert_eq!(pieces(b"abcdef\x01\x00\x02\x00", 3), [&b"a"[..], b"bc", b"def"]);
        assert_eq!(pieces(b"a", 2), [&b"a"[..], b""]);
        assert_eq!(pieces(b"", 3), [b"", b"", b""]);
    }
}
