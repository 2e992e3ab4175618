//! How an entry with several arguments is called: a script of calls, whose byte strings and numbers come out of one flat
//! input. `[calls]` in `target.toml` and `--secret` on the command line hold such scripts.
//!
//! ```text
//! script := call (";" call)*                     the calls of one execution, in order, in one instance
//! call   := [name "="] export "(" [arg ("," arg)*] ")" ["->" shown ("," shown)*]
//! arg    := ["&"] piece ("+" piece)*             one buffer: pointer and length; with & the pointer only
//!         | "secret" | "public"                  a number of the parameter's type
//!         | integer | "$" name                   a constant; the result of an earlier call
//! piece  := ("secret" | "public" | "out") "[" (N | A..B | ..B) "]"
//! shown  := "result" | "out"                     declassified: everybody may know it
//! ```

use super::detect::{Core, Function};
use std::fmt;
use std::ops::Range;
use wasmparser::ValType;

/// Longest text of a script, bytes.
const TEXT_BYTES_MAX: usize = 4096;
/// Longest buffer, bytes.
pub const BUFFER_BYTES_MAX: u32 = 1 << 20;
/// Most calls of a script.
const CALLS_MAX: usize = 64;
/// Bytes in front of a field whose length varies, where another such field follows.
const PREFIX_BYTES: usize = 2;

/// A script that fits the module: the calls of one execution, and the fields of the flat input that they take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its text.
    pub text: String,
    /// Calls, in order.
    pub calls: Vec<Call>,
    /// Fields of the flat input, in order.
    pub fields: Vec<Field>,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Export.
    pub export: String,
    /// Arguments, in order; a buffer may stand for two parameters.
    pub arguments: Vec<Argument>,
    /// The export's type.
    pub params: Vec<ValType>,
    /// Types of its results.
    pub results: Vec<ValType>,
    /// Whether its results are declassified.
    pub shows_result: bool,
    /// Whether what it writes to `out` buffers is.
    pub shows_out: bool,
}

impl Call {
    /// Bytes of its `out` pieces.
    pub fn out_bytes(&self) -> usize {
        let buffers = self.arguments.iter().filter_map(|argument| match argument {
            Argument::Buffer { pieces, .. } => Some(pieces),
            _ => None,
        });
        let out = |piece: &Piece| if let Piece::Out(len) = piece { *len as usize } else { 0 };
        buffers.flatten().map(out).sum()
    }
}

/// What is passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// A buffer in the guest's memory.
    Buffer {
        /// What stands in it.
        pieces: Vec<Piece>,
        /// Whether its length is passed behind the pointer.
        with_length: bool,
    },
    /// A number out of the field of that index.
    Number(usize),
    /// The same number each time.
    Constant(i64),
    /// The first result of an earlier call, by index.
    Result(usize),
}

/// A part of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// The bytes of the field of that index.
    Field(usize),
    /// So many zeroes, for the call to write to.
    Out(u32),
}

/// Who may know a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Secrecy {
    /// Nobody.
    Secret,
    /// Everybody.
    Public,
}

/// A part of the flat input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Who may know it. Its length is public.
    pub secrecy: Secrecy,
    /// Least length, bytes.
    pub min: u32,
    /// Greatest length, bytes.
    pub max: u32,
}

impl Field {
    fn varies(&self) -> bool {
        self.min < self.max
    }
}

/// Common shapes, by name and number of the export's parameters; `{}` stands for the export.
const PRESETS: &[(&str, usize, &str)] = &[
    ("compare", 4, "{}(secret[16], public[16]) -> result"),
    ("compare", 3, "{}(&secret[16], &public[16], 16) -> result"),
    ("compare", 2, "{}(&secret[16], &public[16]) -> result"),
    ("verify-mac", 6, "{}(secret[32], public[..64], public[32]) -> result"),
    ("verify-mac", 4, "{}(secret[32], public[32..96]) -> result"),
    ("decrypt", 6, "{}(secret[32], public[..80], out[80]) -> result"),
    ("decrypt", 3, "{}(&secret[32], &public[16], &out[16])"),
    ("encode", 4, "{}(secret[24], out[64]) -> result"),
    ("encode", 3, "{}(secret[24], &out[64]) -> result"),
    ("encode", 2, "{}(secret[24])"),
    ("decode", 4, "{}(secret[24], out[24]) -> result"),
    ("decode", 3, "{}(secret[24], &out[24]) -> result"),
    ("decode", 2, "{}(secret[24])"),
    ("check-token", 4, "{}(secret[32], public[32]) -> result"),
    ("check-token", 2, "{}(public[8]+secret[32]) -> result"),
    ("sign", 6, "{}(secret[32], public[..64], out[64]) -> out"),
    ("sign", 4, "{}(secret[32], public[..64])"),
];

impl Script {
    /// Reads a script, or the name of a preset, for `entry` of a module with these exports.
    ///
    /// # Errors
    /// One sentence that says what is wrong and what would be right.
    pub fn parse(entry: &str, text: &str, core: &Core) -> Result<Script, String> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("longer than {TEXT_BYTES_MAX} bytes"));
        }
        let text = if text.contains('(') { text.trim().to_owned() } else { preset(entry, text.trim(), core)? };
        let mut script = Script { text: text.clone(), calls: Vec::new(), fields: Vec::new() };
        let mut names: Vec<Option<String>> = Vec::new();
        for call in text.split(';').map(str::trim).filter(|call| !call.is_empty()) {
            if script.calls.len() == CALLS_MAX {
                return Err(format!("more than {CALLS_MAX} calls"));
            }
            let call = script.call(call, core, &mut names).map_err(|message| format!("`{call}`: {message}"))?;
            script.calls.push(call);
        }
        if script.calls.is_empty() {
            return Err("calls nothing".to_owned());
        }
        Ok(script)
    }

    fn call(&mut self, text: &str, core: &Core, names: &mut Vec<Option<String>>) -> Result<Call, String> {
        let wrong = || "not of the form `export(argument, …) -> result`".to_owned();
        let (head, rest) = text.split_once('(').ok_or_else(wrong)?;
        let (inside, tail) = rest.rsplit_once(')').ok_or_else(wrong)?;
        let (name, export) = match head.split_once('=') {
            Some((name, export)) => (Some(name.trim().to_owned()), export.trim()),
            None => (None, head.trim()),
        };
        let function = core.function(export).ok_or_else(|| {
            let known = core.functions.iter().map(|function| function.name.as_str());
            let near = super::nearest(export, known).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            format!("there is no exported function {export:?}{near}")
        })?;
        let Function { params, results, .. } = function;
        let mut arguments = Vec::new();
        let mut at = 0;
        for argument in inside.split(',').map(str::trim).filter(|argument| !argument.is_empty()) {
            let ty = params.get(at).ok_or_else(|| has(params, inside))?;
            let (argument, takes) = self.argument(argument, *ty, params.get(at + 1), names)?;
            arguments.push(argument);
            at += takes;
        }
        if at != params.len() {
            return Err(has(params, inside));
        }
        let (mut shows_result, mut shows_out) = (false, false);
        let shown = tail.trim();
        if !shown.is_empty() {
            let list = shown.strip_prefix("->").ok_or_else(wrong)?;
            for word in list.split(',').map(str::trim) {
                match word {
                    "result" if results.is_empty() => return Err(format!("{export} gives no result")),
                    "result" => shows_result = true,
                    "out" => shows_out = true,
                    other => return Err(format!("`{other}` cannot be declassified; `result` and `out` can")),
                }
            }
        }
        names.push(name);
        Ok(Call {
            export: export.to_owned(),
            arguments,
            params: params.clone(),
            results: results.clone(),
            shows_result,
            shows_out,
        })
    }

    /// One argument, and how many parameters it stands for.
    fn argument(
        &mut self,
        text: &str,
        ty: ValType,
        next: Option<&ValType>,
        names: &[Option<String>],
    ) -> Result<(Argument, usize), String> {
        let number = |secrecy| match ty {
            ValType::I32 | ValType::F32 => Ok(Field { secrecy, min: 4, max: 4 }),
            ValType::I64 | ValType::F64 => Ok(Field { secrecy, min: 8, max: 8 }),
            other => Err(format!("`{text}`: the parameter is a {other}, no number")),
        };
        if let Some(secrecy) = secrecy(text) {
            self.fields.push(number(secrecy)?);
            return Ok((Argument::Number(self.fields.len() - 1), 1));
        }
        if let Some(name) = text.strip_prefix('$') {
            let index = names.iter().position(|known| known.as_deref() == Some(name));
            let index =
                index.ok_or_else(|| format!("no earlier call is called {name:?}: write `{name} = export(…)`"))?;
            return match self.calls[index].results.first() {
                Some(result) if *result == ty => Ok((Argument::Result(index), 1)),
                _ => Err(format!("`{text}`: the call gives no {ty}")),
            };
        }
        if let Ok(value) = text.parse::<i64>() {
            number(Secrecy::Public)?;
            return Ok((Argument::Constant(value), 1));
        }
        let (pointer_only, pieces) = match text.strip_prefix('&') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let is_pointer = |ty: &ValType| matches!(ty, ValType::I32);
        if !is_pointer(&ty) || !(pointer_only || next.is_some_and(is_pointer)) {
            return Err(format!("`{text}`: a buffer needs a pointer and a length (i32, i32), or & and a pointer"));
        }
        let pieces = pieces.split('+').map(|piece| self.piece(piece.trim())).collect::<Result<Vec<_>, _>>()?;
        let takes = if pointer_only { 1 } else { 2 };
        Ok((Argument::Buffer { pieces, with_length: !pointer_only }, takes))
    }

    fn piece(&mut self, text: &str) -> Result<Piece, String> {
        let wrong = || {
            format!(
                "`{text}` is no argument: write secret[16], public[..64], out[32], secret, public, a number or $name"
            )
        };
        let (what, size) = text.strip_suffix(']').and_then(|text| text.split_once('[')).ok_or_else(wrong)?;
        let length = |text: &str| text.trim().parse::<u32>().ok().filter(|bytes| *bytes <= BUFFER_BYTES_MAX);
        let (min, max) = match size.split_once("..") {
            Some(("", max)) => (Some(0), length(max)),
            Some((min, max)) => (length(min), length(max)),
            None => (length(size), length(size)),
        };
        let (Some(min), Some(max)) = (min, max) else {
            return Err(format!("`{text}`: a size is a number up to {BUFFER_BYTES_MAX}, or a range such as 1..64"));
        };
        if min > max {
            return Err(format!("`{text}`: the range is empty"));
        }
        match (what.trim(), secrecy(what.trim())) {
            ("out", _) => Ok(Piece::Out(max)),
            (_, Some(secrecy)) => {
                self.fields.push(Field { secrecy, min, max });
                Ok(Piece::Field(self.fields.len() - 1))
            }
            _ => Err(wrong()),
        }
    }

    /// Whether it says that anything is secret.
    pub fn has_secret(&self) -> bool {
        self.fields.iter().any(|field| field.secrecy == Secrecy::Secret)
    }

    /// Whether it declassifies anything.
    pub fn shows_anything(&self) -> bool {
        self.calls.iter().any(|call| call.shows_result || call.shows_out)
    }

    /// Where each field lies in a flat input of `len` bytes, and how long it is: what lies beyond the input's end is zero.
    /// Any input is good for something.
    pub fn split(&self, input: &[u8], into: &mut Vec<Range<usize>>) {
        into.clear();
        let last = self.fields.iter().rposition(Field::varies);
        let mut at = 0usize;
        for (index, field) in self.fields.iter().enumerate() {
            let mut len = field.min as usize;
            if field.varies() {
                let room = (field.max - field.min) as usize;
                if Some(index) == last {
                    // It takes what the fixed fields behind it leave.
                    let behind: usize = self.fields[index + 1..].iter().map(|field| field.min as usize).sum();
                    len += input.len().saturating_sub(at + len + behind).min(room);
                } else {
                    let byte = |at: usize| usize::from(input.get(at).copied().unwrap_or(0));
                    len += (byte(at) | byte(at + 1) << 8) % (room + 1);
                    at += PREFIX_BYTES;
                }
            }
            into.push(at..at + len);
            at += len;
        }
    }

    /// The fields of an input.
    pub fn values(&self, input: &[u8]) -> Vec<Vec<u8>> {
        let mut ranges = Vec::new();
        self.split(input, &mut ranges);
        ranges.into_iter().map(|range| zero_extended(input, range)).collect()
    }

    /// The flat input with these fields: [`Script::values`] gives them back, cut or extended with zeroes to their lengths.
    pub fn join<V: AsRef<[u8]>>(&self, values: &[V]) -> Vec<u8> {
        let last = self.fields.iter().rposition(Field::varies);
        let mut input = Vec::new();
        for (index, field) in self.fields.iter().enumerate() {
            let value = values.get(index).map_or(&[][..], AsRef::as_ref);
            let len = value.len().clamp(field.min as usize, field.max as usize);
            if field.varies() && Some(index) != last {
                let beyond = len - field.min as usize;
                // A prefix of two bytes reaches no further.
                let beyond = beyond.min(usize::from(u16::MAX));
                input.extend_from_slice(&(beyond as u16).to_le_bytes());
                input.extend(value.iter().copied().chain(std::iter::repeat(0)).take(field.min as usize + beyond));
            } else {
                input.extend(value.iter().copied().chain(std::iter::repeat(0)).take(len));
            }
        }
        input
    }
}

/// The bytes of `range`, with zeroes for what lies beyond the end.
pub fn zero_extended(input: &[u8], range: Range<usize>) -> Vec<u8> {
    let mut bytes = input.get(range.start..range.end.min(input.len())).unwrap_or_default().to_vec();
    bytes.resize(range.len(), 0);
    bytes
}

fn secrecy(word: &str) -> Option<Secrecy> {
    match word {
        "secret" => Some(Secrecy::Secret),
        "public" => Some(Secrecy::Public),
        _ => None,
    }
}

fn has(params: &[ValType], inside: &str) -> String {
    let types: Vec<String> = params.iter().map(ToString::to_string).collect();
    format!(
        "takes ({}), which ({inside}) does not fit: a buffer stands for two parameters, one with & for one",
        types.join(", ")
    )
}

fn preset(entry: &str, name: &str, core: &Core) -> Result<String, String> {
    let mut names: Vec<&str> = PRESETS.iter().map(|preset| preset.0).collect();
    names.dedup();
    if !names.contains(&name) {
        let near = super::nearest(name, names.iter().copied())
            .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        return Err(format!(
            "{name:?} is neither a script such as `{entry}(secret[16], public[16]) -> result` nor one of {}{near}",
            names.join(", ")
        ));
    }
    let function = core.function(entry).ok_or_else(|| format!("there is no exported function {entry:?}"))?;
    let fits = |preset: &&(&str, usize, &str)| preset.0 == name && preset.1 == function.params.len();
    let found = PRESETS.iter().find(fits).ok_or_else(|| {
        let counts: Vec<String> =
            PRESETS.iter().filter(|preset| preset.0 == name).map(|preset| preset.1.to_string()).collect();
        format!(
            "`{name}` is for exports of {} parameters, and {entry} has {}: write a script",
            counts.join(" or "),
            function.params.len()
        )
    })?;
    Ok(found.2.replace("{}", entry))
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    fn core() -> Core {
        let function = |name: &str, params: &[ValType], results: &[ValType]| Function {
            name: name.into(),
            params: params.to_vec(),
            results: results.to_vec(),
        };
        let (i32, i64, f64) = (ValType::I32, ValType::I64, ValType::F64);
        Core {
            functions: vec![
                function("eq", &[i32, i32, i32, i32], &[i32]),
                function("eq3", &[i32, i32, i32], &[i32]),
                function("new", &[i32, i32], &[i32]),
                function("use", &[i32, i32, i32], &[]),
                function("pow", &[i64, f64], &[i64]),
            ],
            ..Core::default()
        }
    }

    #[test]
    fn scripts_are_read_as_they_are_written() {
        let script = Script::parse("k", "k = new(secret[32]); use($k, public[2]+secret[..9])", &core()).unwrap();
        assert_eq!(script.calls[1].arguments[0], Argument::Result(0));
        let pieces = vec![Piece::Field(1), Piece::Field(2)];
        assert_eq!(script.calls[1].arguments[1], Argument::Buffer { pieces, with_length: true });
        assert_eq!(script.fields[2], Field { secrecy: Secrecy::Secret, min: 0, max: 9 });
        assert!(script.has_secret() && !script.shows_anything());
        let numbers = Script::parse("pow", "pow(public, secret) -> result", &core()).unwrap();
        assert_eq!(numbers.calls[0].arguments, [Argument::Number(0), Argument::Number(1)]);
        assert!(numbers.shows_anything());
        let preset = Script::parse("eq3", "compare", &core()).unwrap();
        assert_eq!(preset.text, "eq3(&secret[16], &public[16], 16) -> result");
    }

    #[test]
    fn wrong_scripts_say_what_is_wrong() {
        for (text, says) in [
            ("", "neither a script"),
            ("comapre", "did you mean `compare`"),
            ("sign", "is for exports of 6 or 4 parameters"),
            ("eq", "neither a script"),
            ("use_(secret[1])", "did you mean `use`"),
            ("eq(secret[16])", "does not fit"),
            ("eq(secret[16], public[16], 3)", "does not fit"),
            ("eq(secret[16], public[9..3])", "empty"),
            ("eq(secret[16], public[99999999])", "a size is a number up to"),
            ("eq(secret[16], hidden[3])", "is no argument"),
            ("eq(secret[16], $k, 3)", "no earlier call is called \"k\""),
            ("eq(secret[16], public[16]) -> secret", "cannot be declassified"),
            ("use(1, 2, 3) -> result", "gives no result"),
            ("eq(secret[16], public[16]", "not of the form"),
            ("pow(secret[3], secret)", "needs a pointer and a length"),
        ] {
            let error = Script::parse("eq3", text, &core()).unwrap_err();
            assert!(error.contains(says), "{text:?} gave {error:?}");
        }
    }

    quickcheck! {
        fn what_is_joined_splits_again(a: Vec<u8>, b: Vec<u8>, c: Vec<u8>, raw: Vec<u8>) -> bool {
            let text = "eq(secret[1..9]+public[3], public[..20]); use(7, secret[2..5])";
            let script = Script::parse("eq", text, &core()).unwrap();
            let fixed = vec![1, 2, 3];
            let fit = |bytes: &Vec<u8>, min: usize, max: usize| {
                let mut bytes = bytes.clone();
                bytes.resize(bytes.len().clamp(min, max), 0);
                bytes
            };
            let values = vec![fit(&a, 1, 9), fixed, fit(&b, 0, 20), fit(&c, 2, 5)];
            let again = script.values(&script.join(&values));
            // Any bytes are an input, and what they mean survives being written anew.
            let meant = script.values(&raw);
            again == values && script.values(&script.join(&meant)) == meant
        }
    }
}
