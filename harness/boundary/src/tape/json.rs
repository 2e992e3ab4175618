//! Tapes as JSON, for people and for reports: nothing is lost, and what is simple looks simple.
//!
//! ```text
//! {"version":1,"ops":[{"call":"Store.set","this":1,"args":["a",{"$bytes":"Uint8Array","hex":"00"}]},{"free":0},{"gc":true},
//!  {"await":0},{"assign":0,"name":"__wbg_ptr","value":1048600},{"grow":1}]}
//! ```
//! An operation that the API does not have is written by its id, `#1a2b3c4d`. Values that JSON has not are objects whose first
//! key begins with `$`; an object that has such a key itself, or a key twice, is written as `{"$object":[[key,value],…]}`.

use super::{Buffer, Element, HOOKS_MAX, Hook, JsVal, NESTING_MAX, Op, Tape};
use crate::api::{Api, id};
use serde_json::{Map, Value, json};

/// Version of the JSON form.
const VERSION: u64 = 1;

/// JSON that is no tape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct JsonError {
    /// Where, as `ops[0].args[1]`.
    pub path: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl Tape {
    /// The JSON form.
    pub fn to_json(&self, api: &Api) -> Value {
        json!({ "version": VERSION, "ops": ops(&self.ops, api) })
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// Where it is not one, names an operation that the API has not, or does not keep the limits.
    pub fn from_json(value: &Value, api: &Api) -> Result<Self, JsonError> {
        let reader = Reader { api };
        let at = |path: &str, problem: &str| JsonError { path: path.to_owned(), problem: problem.to_owned() };
        let Some(object) = value.as_object() else { return Err(at("tape", "not an object with `version` and `ops`")) };
        if object.get("version").and_then(Value::as_u64) != Some(VERSION) {
            return Err(at("version", "not 1"));
        }
        let ops = object.get("ops").ok_or_else(|| at("ops", "missing"))?;
        let tape = Self { ops: reader.ops(ops, "ops", HOOKS_MAX)? };
        if tape.fits() {
            Ok(tape)
        } else {
            Err(at("tape", "longer than a tape may be: remove calls, or shorten texts"))
        }
    }
}

/// The operation's name, or its id where its name would not lead back to it.
pub(super) fn name_of(operation: u32, api: &Api) -> String {
    match api.operation(operation) {
        Some(known) if id(&known.name) == operation && !known.name.starts_with('#') => known.name.clone(),
        _ => format!("#{operation:08x}"),
    }
}

fn ops(ops: &[Op], api: &Api) -> Vec<Value> {
    ops.iter().map(|op| one_op(op, api)).collect()
}

fn one_op(op: &Op, api: &Api) -> Value {
    match op {
        Op::Call { operation, this, args } => {
            let mut map = Map::new();
            map.insert("call".to_owned(), name_of(*operation, api).into());
            if *this != 0 {
                map.insert("this".to_owned(), (*this).into());
            }
            map.insert("args".to_owned(), values(args, api).into());
            map.into()
        }
        Op::Free { slot } => json!({ "free": slot }),
        Op::Gc => json!({ "gc": true }),
        Op::Await { slot } => json!({ "await": slot }),
        Op::Assign { slot, name, value } => json!({ "assign": slot, "name": name, "value": one(value, api) }),
        Op::Grow { pages } => json!({ "grow": pages }),
    }
}

fn values(values: &[JsVal], api: &Api) -> Vec<Value> {
    values.iter().map(|value| one(value, api)).collect()
}

fn one(value: &JsVal, api: &Api) -> Value {
    match value {
        JsVal::Undefined => json!({ "$undefined": true }),
        JsVal::Null => Value::Null,
        JsVal::Boolean(value) => (*value).into(),
        JsVal::Number(bits) => number(*bits),
        JsVal::BigInt(value) => json!({ "$bigint": value.to_string() }),
        JsVal::Text(units) => match String::from_utf16(units) {
            Ok(text) => text.into(),
            Err(_) => json!({ "$text": units }),
        },
        JsVal::Bytes { element, buffer, bytes } => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            match buffer {
                Buffer::Plain => json!({ "$bytes": element.name(), "hex": hex }),
                _ => json!({ "$bytes": element.name(), "buffer": buffer.name(), "hex": hex }),
            }
        }
        JsVal::Array(items) => values(items, api).into(),
        JsVal::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name, one(value, api)));
            let map: Map<String, Value> = fields.clone().map(|(name, value)| (name.clone(), value)).collect();
            if map.len() == fields.len() && map.keys().all(|name| !name.starts_with('$')) {
                return map.into();
            }
            json!({ "$object": fields.map(|(name, value)| json!([name, value])).collect::<Vec<_>>() })
        }
        JsVal::ArrayLike { lengths, items } => {
            json!({ "$length": lengths.iter().map(|bits| number(*bits)).collect::<Vec<_>>(), "items": values(items, api) })
        }
        JsVal::Getters(fields) => {
            let fields = fields.iter().map(|(name, reads)| json!([name, values(reads, api)]));
            json!({ "$get": fields.collect::<Vec<_>>() })
        }
        JsVal::ValueOf(hook, value) => hooked("$valueOf", hook, value, api),
        JsVal::Proxy(hook, value) => hooked("$proxy", hook, value, api),
        JsVal::Callback(hook, value) => hooked("$function", hook, value, api),
        JsVal::Promise(hook, value) => hooked("$promise", hook, value, api),
        JsVal::Ref(slot) => json!({ "$ref": slot }),
        JsVal::Symbol => json!({ "$symbol": true }),
    }
}

fn number(bits: u64) -> Value {
    let value = f64::from_bits(bits);
    let negative_zero = value == 0.0 && value.is_sign_negative();
    if value.fract() == 0.0 && value.abs() < (1u64 << 53) as f64 && !negative_zero {
        return (value as i64).into();
    }
    // Only what a reader of the text certainly gets back.
    let again = serde_json::to_string(&value).ok().and_then(|text| serde_json::from_str::<f64>(&text).ok());
    if value.is_finite() && !negative_zero && again.map(f64::to_bits) == Some(bits) {
        return value.into();
    }
    let name = NUMBERS.iter().find(|(_, known)| known.to_bits() == bits);
    json!({ "$number": name.map_or_else(|| format!("0x{bits:016x}"), |(name, _)| (*name).to_owned()) })
}

const NUMBERS: &[(&str, f64)] =
    &[("NaN", f64::NAN), ("-0", -0.0), ("Infinity", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY)];

fn hooked(key: &str, hook: &Hook, value: &JsVal, api: &Api) -> Value {
    let mut map = Map::new();
    map.insert(key.to_owned(), one(value, api));
    let mut parts = Map::new();
    for (name, part) in [("throws", hook.throws), ("again", hook.again)] {
        if part {
            parts.insert(name.to_owned(), true.into());
        }
    }
    if hook.pages != 0 {
        parts.insert("pages".to_owned(), hook.pages.into());
    }
    if !hook.ops.is_empty() {
        parts.insert("ops".to_owned(), ops(&hook.ops, api).into());
    }
    if !parts.is_empty() {
        map.insert("hook".to_owned(), parts.into());
    }
    map.into()
}

struct Reader<'a> {
    api: &'a Api,
}

type Read<T> = Result<T, JsonError>;

fn wrong<T>(path: &str, problem: impl Into<String>) -> Read<T> {
    Err(JsonError { path: path.to_owned(), problem: problem.into() })
}

fn small(value: &Value, path: &str) -> Read<u8> {
    let number = value.as_u64().and_then(|number| u8::try_from(number).ok());
    number.map_or_else(|| wrong(path, "not a number from 0 to 255"), Ok)
}

fn list<'v>(value: &'v Value, path: &str) -> Read<&'v [Value]> {
    value.as_array().map_or_else(|| wrong(path, "not a list"), |list| Ok(list.as_slice()))
}

fn string<'v>(value: &'v Value, path: &str) -> Read<&'v str> {
    value.as_str().map_or_else(|| wrong(path, "not a text"), Ok)
}

fn is_true(value: &Value, path: &str) -> Read<()> {
    if *value == Value::Bool(true) { Ok(()) } else { wrong(path, "not `true`") }
}

/// The members of an object, which has no others: `None` for those that are not there.
fn members<'v, const N: usize>(
    map: &'v Map<String, Value>,
    path: &str,
    names: [&str; N],
) -> Read<[Option<&'v Value>; N]> {
    match map.keys().find(|key| !names.contains(&key.as_str())) {
        Some(key) => wrong(path, format!("`{}` is not known beside `{}`", key.escape_debug(), names[0])),
        None => Ok(names.map(|name| map.get(name))),
    }
}

impl Reader<'_> {
    fn ops(&self, value: &Value, path: &str, hooks: usize) -> Read<Vec<Op>> {
        let ops = list(value, path)?.iter().enumerate();
        ops.map(|(at, op)| self.op(op, &format!("{path}[{at}]"), hooks)).collect()
    }

    fn op(&self, value: &Value, path: &str, hooks: usize) -> Read<Op> {
        const KINDS: &str = "not an operation: its first member is `call`, `free`, `gc`, `await`, `assign` or `grow`";
        let Some(map) = value.as_object() else { return wrong(path, KINDS) };
        let Some((kind, first)) = map.iter().next() else { return wrong(path, KINDS) };
        let alone = |name| members(map, path, [name]);
        Ok(match kind.as_str() {
            "call" => {
                let [_, this, args] = members(map, path, ["call", "this", "args"])?;
                let this = this.map_or(Ok(0), |this| small(this, &format!("{path}.this")))?;
                let args = args.map_or(Ok(Vec::new()), |args| self.values(args, &format!("{path}.args"), hooks, 1))?;
                Op::Call { operation: self.operation(string(first, &format!("{path}.call"))?, path)?, this, args }
            }
            "free" => alone("free").and_then(|_| Ok(Op::Free { slot: small(first, path)? }))?,
            "gc" => alone("gc").and_then(|_| is_true(first, path)).map(|()| Op::Gc)?,
            "await" => alone("await").and_then(|_| Ok(Op::Await { slot: small(first, path)? }))?,
            "assign" => {
                let [slot, name, value] = members(map, path, ["assign", "name", "value"])?;
                let (Some(slot), Some(name), Some(value)) = (slot, name, value) else {
                    return wrong(path, "`assign` needs `name` and `value`");
                };
                let value = self.value(value, &format!("{path}.value"), hooks, 1)?;
                Op::Assign { slot: small(slot, path)?, name: string(name, &format!("{path}.name"))?.to_owned(), value }
            }
            "grow" => alone("grow").and_then(|_| Ok(Op::Grow { pages: small(first, path)? }))?,
            _ => return wrong(path, KINDS),
        })
    }

    fn operation(&self, name: &str, path: &str) -> Read<u32> {
        if let Some(hex) = name.strip_prefix('#') {
            let known = if hex.len() == 8 { u32::from_str_radix(hex, 16).ok() } else { None };
            return known.map_or_else(|| wrong(path, "`#` is followed by eight hexadecimal digits"), Ok);
        }
        match self.api.operations.iter().find(|operation| operation.name == name) {
            Some(operation) => Ok(operation.id),
            None => wrong(path, format!("the package has no operation `{}`", name.escape_debug())),
        }
    }

    fn values(&self, value: &Value, path: &str, hooks: usize, depth: usize) -> Read<Vec<JsVal>> {
        let values = list(value, path)?.iter().enumerate();
        values.map(|(at, value)| self.value(value, &format!("{path}[{at}]"), hooks, depth)).collect()
    }

    /// Pairs of a name and something.
    fn pairs<T>(&self, value: &Value, path: &str, read: impl Fn(&Value, &str) -> Read<T>) -> Read<Vec<(String, T)>> {
        let pair = |(at, pair): (usize, &Value)| {
            let path = format!("{path}[{at}]");
            match list(pair, &path)? {
                [name, value] => Ok((string(name, &path)?.to_owned(), read(value, &path)?)),
                _ => wrong(&path, "not a name and a value"),
            }
        };
        list(value, path)?.iter().enumerate().map(pair).collect()
    }

    fn value(&self, value: &Value, path: &str, hooks: usize, depth: usize) -> Read<JsVal> {
        if depth > NESTING_MAX {
            return wrong(path, format!("more than {NESTING_MAX} values within each other"));
        }
        let below = |value: &Value, path: &str| self.value(value, path, hooks, depth + 1);
        Ok(match value {
            Value::Null => JsVal::Null,
            Value::Bool(value) => JsVal::Boolean(*value),
            Value::Number(_) => JsVal::Number(bits(value, path)?),
            Value::String(text) => JsVal::Text(text.encode_utf16().collect()),
            Value::Array(_) => JsVal::Array(self.values(value, path, hooks, depth + 1)?),
            Value::Object(map) => match map.iter().next() {
                Some((key, first)) if key.starts_with('$') => self.special(map, key, first, path, hooks, depth)?,
                _ => {
                    let field = |(name, value): (&String, &Value)| {
                        if name.starts_with('$') {
                            return wrong(
                                path,
                                format!("`{}` comes first, or the object is written as `$object`", name.escape_debug()),
                            );
                        }
                        Ok((name.clone(), below(value, &format!("{path}.{}", name.escape_debug()))?))
                    };
                    JsVal::Object(map.iter().map(field).collect::<Read<_>>()?)
                }
            },
        })
    }

    fn special(
        &self,
        map: &Map<String, Value>,
        key: &str,
        first: &Value,
        path: &str,
        hooks: usize,
        depth: usize,
    ) -> Read<JsVal> {
        let alone = || members(map, path, [key]).map(|_| ());
        let inner = format!("{path}.{}", key.escape_debug());
        Ok(match key {
            "$undefined" => alone().and_then(|()| is_true(first, &inner)).map(|()| JsVal::Undefined)?,
            "$symbol" => alone().and_then(|()| is_true(first, &inner)).map(|()| JsVal::Symbol)?,
            "$number" => alone().and_then(|()| Ok(JsVal::Number(bits(value_of(map), path)?)))?,
            "$bigint" => {
                alone()?;
                let number = string(first, &inner)?.parse().ok();
                JsVal::BigInt(number.map_or_else(|| wrong(&inner, "not a decimal number of 128 bits"), Ok)?)
            }
            "$text" => {
                alone()?;
                let unit = |unit: &Value| unit.as_u64().and_then(|unit| u16::try_from(unit).ok());
                let units: Option<Vec<u16>> = list(first, &inner)?.iter().map(unit).collect();
                JsVal::Text(units.map_or_else(|| wrong(&inner, "not all UTF-16 units"), Ok)?)
            }
            "$bytes" => {
                let [_, buffer, hex] = members(map, path, ["$bytes", "buffer", "hex"])?;
                let (name, buffer) = (string(first, &inner)?, buffer.map_or(Ok("plain"), |name| string(name, path))?);
                let element = Element::ALL.into_iter().find(|element| element.name() == name);
                let buffer = Buffer::ALL.into_iter().find(|known| known.name() == buffer);
                let bytes = hex.and_then(Value::as_str).and_then(from_hex);
                match (element, buffer, bytes) {
                    (Some(element), Some(buffer), Some(bytes)) => JsVal::Bytes { element, buffer, bytes },
                    (None, ..) => return wrong(&inner, "not the name of a typed array, `ArrayBuffer` or `DataView`"),
                    (_, None, _) => return wrong(path, "`buffer` is not plain, shared, resizable, detached or memory"),
                    (.., None) => return wrong(path, "`hex` is not pairs of hexadecimal digits"),
                }
            }
            "$object" => {
                alone()?;
                JsVal::Object(self.pairs(first, &inner, |value, path| self.value(value, path, hooks, depth + 1))?)
            }
            "$get" => {
                alone()?;
                JsVal::Getters(self.pairs(first, &inner, |value, path| self.values(value, path, hooks, depth + 1))?)
            }
            "$length" => {
                let [_, items] = members(map, path, ["$length", "items"])?;
                let lengths = list(first, &inner)?.iter().map(|length| bits(length, &inner)).collect::<Read<_>>()?;
                let items = items
                    .map_or(Ok(Vec::new()), |items| self.values(items, &format!("{path}.items"), hooks, depth + 1))?;
                JsVal::ArrayLike { lengths, items }
            }
            "$valueOf" | "$proxy" | "$function" | "$promise" => {
                let [_, hook] = members(map, path, [key, "hook"])?;
                let Some(below) = hooks.checked_sub(1) else {
                    return wrong(path, format!("more than {HOOKS_MAX} hooks within each other"));
                };
                let hook = hook.map_or(Ok(Hook::default()), |hook| self.hook(hook, &format!("{path}.hook"), below))?;
                let value = Box::new(self.value(first, &inner, hooks, depth + 1)?);
                match key {
                    "$valueOf" => JsVal::ValueOf(hook, value),
                    "$proxy" => JsVal::Proxy(hook, value),
                    "$function" => JsVal::Callback(hook, value),
                    _ => JsVal::Promise(hook, value),
                }
            }
            "$ref" => alone().and_then(|()| Ok(JsVal::Ref(small(first, &inner)?)))?,
            _ => return wrong(path, format!("`{}` is no kind of value", key.escape_debug())),
        })
    }

    fn hook(&self, value: &Value, path: &str, hooks: usize) -> Read<Hook> {
        let Some(map) = value.as_object() else { return wrong(path, "not an object") };
        let [ops, pages, throws, again] = members(map, path, ["ops", "pages", "throws", "again"])?;
        let flag = |flag: Option<&Value>| match flag {
            None => Ok(false),
            Some(flag) => flag.as_bool().map_or_else(|| wrong(path, "`throws` and `again` are true or false"), Ok),
        };
        Ok(Hook {
            throws: flag(throws)?,
            again: flag(again)?,
            pages: pages.map_or(Ok(0), |pages| small(pages, path))?,
            ops: ops.map_or(Ok(Vec::new()), |ops| self.ops(ops, &format!("{path}.ops"), hooks))?,
        })
    }
}

/// Bits of a number, plain or as `{"$number": …}`.
fn bits(value: &Value, path: &str) -> Read<u64> {
    if let Some(number) = value.as_f64() {
        return Ok(number.to_bits());
    }
    let name = match value {
        Value::Object(map) if map.len() == 1 => map.get("$number").and_then(Value::as_str),
        Value::String(name) => Some(name.as_str()),
        _ => None,
    };
    let known = NUMBERS.iter().find(|(known, _)| Some(*known) == name).map(|(_, number)| number.to_bits());
    let hex =
        || name?.strip_prefix("0x").filter(|hex| hex.len() == 16).and_then(|hex| u64::from_str_radix(hex, 16).ok());
    known
        .or_else(hex)
        .map_or_else(|| wrong(path, "not a number, NaN, -0, Infinity, -Infinity or 0x and sixteen digits"), Ok)
}

/// The only member's value.
fn value_of(map: &Map<String, Value>) -> &Value {
    map.values().next().unwrap_or(&Value::Null)
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = hex.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{api, bytes, call, hook, number, seeds, tape, text};
    use super::super::{CANARY, Generator, Profile};
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        fn nothing_is_lost_through_text(seed: u64, profile: u8) -> bool {
            let (api, seeds) = (api(), seeds());
            let tape = Generator::new(&api, Profile::ALL[usize::from(profile) % 3], &seeds).tape(seed);
            let text = tape.to_json(&api).to_string();
            Tape::from_json(&serde_json::from_str(&text).unwrap(), &api) == Ok(tape)
        }

        fn every_number_survives(bits: u64) -> bool {
            let text = super::number(bits).to_string();
            super::bits(&serde_json::from_str(&text).unwrap(), "") == Ok(bits)
        }
    }

    /// Every kind of operation and value, and what is hard to write.
    fn golden() -> Vec<Tape> {
        let values = vec![
            JsVal::Undefined,
            JsVal::Null,
            JsVal::Boolean(false),
            JsVal::Boolean(true),
            number(0.0),
            number(-0.0),
            number(f64::NAN),
            JsVal::Number(0x7ff8_0000_0000_0001),
            number(f64::INFINITY),
            number(0.1),
            number(9_007_199_254_740_992.0),
            number(5e-324),
            JsVal::BigInt(-1),
            JsVal::BigInt(i128::MAX),
            JsVal::BigInt(i128::MIN),
            text(""),
            text("a\u{e9}\"\\</script>\u{2028}"),
            text("\u{20ac}\u{1f600}"),
            JsVal::Text(vec![0xd800, CANARY, 0xdc00, 0xd800]),
            JsVal::Array(vec![]),
            JsVal::Array(vec![JsVal::Null, JsVal::Array(vec![number(1.0)])]),
            JsVal::Object(vec![]),
            JsVal::Object(vec![
                ("b".to_owned(), number(1.0)),
                ("a".to_owned(), text("x")),
                ("__proto__".to_owned(), JsVal::Null),
            ]),
            JsVal::Object(vec![("$ref".to_owned(), number(1.0))]),
            JsVal::Object(vec![("a".to_owned(), number(1.0)), ("$b".to_owned(), JsVal::Null)]),
            JsVal::Object(vec![("a".to_owned(), number(1.0)), ("a".to_owned(), number(2.0))]),
            JsVal::ArrayLike { lengths: vec![1f64.to_bits(), 64f64.to_bits()], items: vec![number(65.0)] },
            JsVal::ArrayLike { lengths: vec![f64::NAN.to_bits()], items: vec![] },
            JsVal::Getters(vec![("length".to_owned(), vec![number(1.0), number(2.0)]), (String::new(), vec![])]),
            JsVal::Symbol,
            JsVal::Ref(200),
        ];
        let arrays = Element::ALL.into_iter().enumerate().map(|(at, element)| JsVal::Bytes {
            element,
            buffer: Buffer::ALL[at % Buffer::ALL.len()],
            bytes: (0..at as u8 * 8).collect(),
        });
        let nested = hook(
            vec![
                call(
                    "parse",
                    vec![JsVal::Callback(
                        Hook { throws: true, again: false, pages: 0, ops: vec![] },
                        Box::new(JsVal::Undefined),
                    )],
                ),
                Op::Gc,
            ],
            2,
        );
        let hooks = vec![
            JsVal::ValueOf(nested.clone(), Box::new(number(65.0))),
            JsVal::Proxy(Hook { again: true, ..Hook::default() }, Box::new(JsVal::Array(vec![]))),
            JsVal::Callback(Hook::default(), Box::new(text("answer"))),
            JsVal::Promise(Hook { throws: true, again: true, pages: 255, ops: vec![] }, Box::new(JsVal::Null)),
        ];
        vec![
            Tape::default(),
            tape(vec![
                call("Store.new", vec![]),
                Op::Call { operation: id("Store.set"), this: 3, args: vec![text("key"), text("value")] },
                Op::Call { operation: 0x1a2b_3c4d, this: 0, args: vec![] },
                Op::Free { slot: 0 },
                Op::Gc,
                Op::Await { slot: 255 },
                Op::Assign { slot: 1, name: "__wbg_ptr".to_owned(), value: number(1_048_600.0) },
                Op::Assign { slot: 0, name: String::new(), value: JsVal::Null },
                Op::Grow { pages: 4 },
            ]),
            tape(vec![call("parse", values)]),
            tape(vec![call("unescape", arrays.collect()), call("unescape", vec![bytes(b"\xef\xa3\xbf")])]),
            tape(vec![call("each", hooks)]),
            // A length of more than one byte.
            tape(vec![call("parse", vec![text(&"x".repeat(300))])]),
        ]
    }

    #[test]
    fn both_forms_are_those_that_are_committed() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tape/golden.json");
        let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let entries: Vec<Value> =
            golden().iter().map(|tape| json!({ "hex": hex(tape.to_bytes()), "json": tape.to_json(&api()) })).collect();
        let lines: Vec<String> = entries.iter().map(Value::to_string).collect();
        let generated = format!("[\n{}\n]\n", lines.join(",\n"));
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, &generated).unwrap();
        }
        let known = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            known == generated,
            "the form changed: BLESS=1 cargo test -p autoclave-boundary, and read the difference"
        );
        let known: Vec<Value> = serde_json::from_str(&known).unwrap();
        for (entry, tape) in known.iter().zip(golden()) {
            let bytes = from_hex(entry["hex"].as_str().unwrap()).unwrap();
            assert_eq!(Tape::from_bytes(&bytes).as_ref(), Ok(&tape));
            assert_eq!(Tape::from_json(&entry["json"], &api()), Ok(tape));
        }
        assert_eq!(known.len(), golden().len());
    }

    #[test]
    fn what_is_no_tape_is_refused_with_its_place() {
        let op = |op: Value| json!({ "version": 1, "ops": [op] });
        let arg = |arg: Value| op(json!({ "call": "parse", "args": [arg] }));
        let deep = (0..NESTING_MAX).fold(json!(1), |value, _| json!([value]));
        let hooked = (0..=HOOKS_MAX).fold(
            json!(1),
            |value, _| json!({ "$valueOf": 1, "hook": { "ops": [{ "call": "parse", "args": [value] }] } }),
        );
        for (value, message) in [
            (json!([]), "tape: not an object with `version` and `ops`"),
            (json!({ "version": 2, "ops": [] }), "version: not 1"),
            (json!({ "version": 1 }), "ops: missing"),
            (json!({ "version": 1, "ops": {} }), "ops: not a list"),
            (
                op(json!({ "calls": 1 })),
                "ops[0]: not an operation: its first member is `call`, `free`, `gc`, `await`, `assign` or `grow`",
            ),
            (op(json!({ "call": "pars" })), "ops[0]: the package has no operation `pars`"),
            (op(json!({ "call": "#1a2b3c" })), "ops[0]: `#` is followed by eight hexadecimal digits"),
            (op(json!({ "free": 256 })), "ops[0]: not a number from 0 to 255"),
            (op(json!({ "free": 1, "slot": 1 })), "ops[0]: `slot` is not known beside `free`"),
            (op(json!({ "assign": 1, "name": "x" })), "ops[0]: `assign` needs `name` and `value`"),
            (arg(json!({ "$nothing": 1 })), "ops[0].args[0]: `$nothing` is no kind of value"),
            (
                arg(json!({ "a": 1, "$ref": 1 })),
                "ops[0].args[0]: `$ref` comes first, or the object is written as `$object`",
            ),
            (arg(json!({ "$ref": 1, "a": 1 })), "ops[0].args[0]: `a` is not known beside `$ref`"),
            (arg(json!({ "$text": [65536] })), "ops[0].args[0].$text: not all UTF-16 units"),
            (arg(json!({ "$bigint": "1.5" })), "ops[0].args[0].$bigint: not a decimal number of 128 bits"),
            (
                arg(json!({ "$number": "nan" })),
                "ops[0].args[0]: not a number, NaN, -0, Infinity, -Infinity or 0x and sixteen digits",
            ),
            (
                arg(json!({ "$bytes": "Uint8Array", "hex": "f" })),
                "ops[0].args[0]: `hex` is not pairs of hexadecimal digits",
            ),
            (
                arg(json!({ "$bytes": "Array", "hex": "" })),
                "ops[0].args[0].$bytes: not the name of a typed array, `ArrayBuffer` or `DataView`",
            ),
            (arg(json!({ "x\n": { "$get": [["a"]] } })), "ops[0].args[0].x\\n.$get[0]: not a name and a value"),
            (arg(deep), "ops[0].args[0][0][0][0][0][0][0][0][0]: more than 8 values within each other"),
            (
                arg(hooked),
                "ops[0].args[0].hook.ops[0].args[0].hook.ops[0].args[0]: more than 2 hooks within each other",
            ),
            (arg(json!("x".repeat(9000))), "tape: longer than a tape may be: remove calls, or shorten texts"),
        ] {
            let error = Tape::from_json(&value, &api()).map_err(|error| error.to_string());
            assert_eq!(error, Err(message.to_owned()));
        }
    }
}
