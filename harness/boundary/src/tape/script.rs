//! Tapes as JavaScript: for people to read, and for programs that show a finding again. Whatever a name or a text holds, it
//! stays what it is: only ASCII is written, and nothing that ends a script element.

use super::generate::{classes_of, on_object};
use super::profile::{Index, is_slot};
use super::values::CANARY_BYTES;
use super::{Buffer, CANARY, Element, Hook, JsVal, Op, Tape};
use crate::api::{Api, Kind, Operation, Type};
use std::fmt::Write;

/// How objects are named, and live values written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// As a person would write it: variables, where calls give what they are declared to give.
    Readable,
    /// As it happens: objects by their slot when it runs, every call by number.
    Exact,
}

impl Tape {
    /// JavaScript that makes these calls, with `g` for the package and `memory` for the module's memory. Variables stand for
    /// the objects that calls return if all goes well; twelve letters that begin with `QZCANARY` for what a call's data is
    /// recognised by.
    pub fn to_script(&self, api: &Api) -> String {
        let mut writer = Writer::new(api, Style::Readable, "");
        writer.ops(&self.ops, Level::Outer);
        writer.out
    }
}

/// What is known of a call that was written, in the order of their numbers.
pub(super) struct Written<'t> {
    /// Its operation; none for an assignment.
    pub(super) operation: Option<u32>,
    /// Its arguments.
    pub(super) args: &'t [JsVal],
    /// How many slots there are before it.
    pub(super) slots: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Outer,
    Hook,
}

struct Slot<'a> {
    ty: &'a Type,
    freed: bool,
}

pub(super) struct Writer<'a, 't> {
    index: Index<'a>,
    style: Style,
    pub(super) out: String,
    indent: String,
    slots: Vec<Slot<'a>>,
    /// In order of their numbers.
    pub(super) written: Vec<Written<'t>>,
    /// Number of the call that values are written for.
    current: usize,
}

/// The letters of the `number`-th call: eight that say what they are, four that count.
pub(super) fn canary(number: usize) -> String {
    let digit = |place: u32| char::from(b'A' + (number / 26usize.pow(place) % 26) as u8);
    ["QZCANARY".to_owned(), [3, 2, 1, 0].map(digit).iter().collect()].concat()
}

/// A string literal of ASCII that means these UTF-16 units.
pub(super) fn literal(units: &[u16]) -> String {
    let mut out = String::with_capacity(units.len() + 2);
    out.push('"');
    for unit in units {
        match unit {
            0x22 => out.push_str("\\\""),
            0x5c => out.push_str("\\\\"),
            0x0a => out.push_str("\\n"),
            0x0d => out.push_str("\\r"),
            0x09 => out.push_str("\\t"),
            // `<` could begin `</script>` or `<!--`.
            0x3c => out.push_str("\\u003c"),
            0x20..=0x7e => out.push(char::from(*unit as u8)),
            _ => write!(out, "\\u{unit:04x}").unwrap_or_default(),
        }
    }
    out.push('"');
    out
}

pub(super) fn text_literal(text: &str) -> String {
    literal(&text.encode_utf16().collect::<Vec<_>>())
}

/// A number literal.
pub(super) fn number(bits: u64) -> String {
    let value = f64::from_bits(bits);
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let text = format!("{value:?}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// `.name`, or `["any name"]`.
fn member(name: &str) -> String {
    if is_identifier(name) { format!(".{name}") } else { format!("[{}]", text_literal(name)) }
}

fn is_identifier(name: &str) -> bool {
    let start = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '$';
    name.chars().next().is_some_and(start) && name.chars().all(|c| start(c) || c.is_ascii_digit())
}

/// The key of a property in an object literal.
fn key(name: &str) -> String {
    match name {
        // Without brackets it would be the prototype.
        "__proto__" => "[\"__proto__\"]".to_owned(),
        _ if is_identifier(name) => name.to_owned(),
        _ => text_literal(name),
    }
}

impl<'a, 't> Writer<'a, 't> {
    pub(super) fn new(api: &'a Api, style: Style, indent: &str) -> Self {
        Self {
            index: Index::new(api),
            style,
            out: String::new(),
            indent: indent.to_owned(),
            slots: Vec::new(),
            written: Vec::new(),
            current: 0,
        }
    }

    /// Declared types of the objects that calls return.
    pub(super) fn types(&self) -> Vec<&'a Type> {
        self.slots.iter().map(|slot| slot.ty).collect()
    }

    /// Appends a line for each operation.
    pub(super) fn ops(&mut self, ops: &'t [Op], level: Level) {
        for op in ops {
            if let Some(line) = self.op(op, level) {
                self.out.push_str(&self.indent);
                self.out.push_str(&line);
                self.out.push('\n');
            }
        }
    }

    fn op(&mut self, op: &'t Op, level: Level) -> Option<String> {
        let exact = self.style == Style::Exact;
        let outer = level == Level::Outer;
        Some(match op {
            Op::Call { operation, this, args } => self.call(*operation, *this, args, level),
            Op::Free { slot } if exact => format!("free({slot});"),
            Op::Free { slot } => {
                let object = self.object(*slot);
                if let Some(slot) = self.place(*slot) {
                    self.slots[slot].freed = true;
                }
                format!("{object}.free();")
            }
            // Hooks run inside a call: nothing can be waited for there.
            Op::Gc | Op::Await { .. } if !outer => return None,
            Op::Gc if exact => "await gc();".to_owned(),
            Op::Gc => "gc();".to_owned(),
            Op::Await { slot } if exact => format!("await settle({slot});"),
            Op::Await { slot } => format!("await {};", self.object(*slot)),
            Op::Assign { slot, name, value } => {
                let number = self.number_of(None, &[]);
                let value = self.value(value, number);
                if exact {
                    format!("assign({number}, {slot}, {}, () => ({value}));", text_literal(name))
                } else {
                    let object = self.object(*slot);
                    let key = if name.is_empty() { format!("[Object.keys({object})[0]]") } else { key(name) };
                    format!("Object.assign({object}, {{ {key}: {value} }});")
                }
            }
            Op::Grow { pages } if exact => format!("grow({pages});"),
            Op::Grow { pages } => format!("memory.grow({pages});"),
        })
    }

    fn number_of(&mut self, operation: Option<u32>, args: &'t [JsVal]) -> usize {
        self.written.push(Written { operation, args, slots: self.slots.len() });
        self.written.len() - 1
    }

    /// The place of a slot that is there.
    fn place(&self, slot: u8) -> Option<usize> {
        usize::from(slot).checked_rem(self.slots.len())
    }

    fn object(&self, slot: u8) -> String {
        self.place(slot).map_or_else(|| "undefined".to_owned(), |place| format!("a{place}"))
    }

    fn call(&mut self, id: u32, this: u8, args: &'t [JsVal], level: Level) -> String {
        let exact = self.style == Style::Exact;
        let number = self.number_of(Some(id), args);
        let Some(operation) = self.index.operation(id) else {
            return format!("// An operation that this package does not have: #{id:08x}.");
        };
        let object = if on_object(operation) { self.receiver(operation, this) } else { String::new() };
        let args: Vec<String> = args.iter().map(|value| self.value(value, number)).collect();
        let all = args.join(", ");
        let name = member(&operation.member);
        let expression = match operation.kind {
            Kind::Function => format!("g{name}({all})"),
            Kind::Constructor => format!("new g{name}({all})"),
            Kind::Static => format!("g{}{name}({all})", member(operation.class.as_deref().unwrap_or_default())),
            Kind::Method => format!("{object}{name}({all})"),
            Kind::Getter => format!("{object}{name}"),
            Kind::Setter => format!("{object}{name} = {}", args.first().map_or("undefined", String::as_str)),
        };
        // What hooks return has no known place.
        let slot = level == Level::Outer && is_slot(&operation.result) && object != "undefined";
        if slot {
            self.slots.push(Slot { ty: &operation.result, freed: false });
        }
        if exact {
            let setter = operation.kind == Kind::Setter;
            let body = if setter { format!("{{ {expression}; }}") } else { expression };
            format!("call({number}, () => {body});")
        } else if object == "undefined" {
            format!("// No object to call {} on.", operation.name.escape_default())
        } else if slot {
            format!("const a{} = {expression};", self.slots.len() - 1)
        } else {
            format!("{expression};")
        }
    }

    /// The object that something is called on: the `this`-th of its class that was not freed, else of those that were.
    fn receiver(&mut self, operation: &Operation, this: u8) -> String {
        let class = operation.class.as_deref().unwrap_or_default();
        if self.style == Style::Exact {
            return format!("object({}, {this})", text_literal(class));
        }
        let of = |freed: bool| -> Vec<usize> {
            let fits = |at: &usize| self.slots[*at].freed == freed && classes_of(self.slots[*at].ty).contains(&class);
            (0..self.slots.len()).filter(fits).collect()
        };
        let objects = Some(of(false)).filter(|objects| !objects.is_empty()).unwrap_or_else(|| of(true));
        let Some(place) = usize::from(this).checked_rem(objects.len()) else { return "undefined".to_owned() };
        if operation.consumes_this {
            self.slots[objects[place]].freed = true;
        }
        format!("a{}", objects[place])
    }

    fn value(&mut self, value: &'t JsVal, number: usize) -> String {
        let before = std::mem::replace(&mut self.current, number);
        let text = self.one(value);
        self.current = before;
        text
    }

    fn one(&mut self, value: &'t JsVal) -> String {
        match value {
            JsVal::Undefined => "undefined".to_owned(),
            JsVal::Null => "null".to_owned(),
            JsVal::Boolean(value) => value.to_string(),
            JsVal::Number(bits) => number(*bits),
            JsVal::BigInt(value) => format!("{value}n"),
            JsVal::Text(units) => self.text(units),
            JsVal::Bytes { element, buffer, bytes } => self.bytes(*element, *buffer, bytes),
            JsVal::Array(items) => format!("[{}]", self.items(items)),
            JsVal::Object(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, value)| format!("{}: {}", self.key(name), self.one(value))).collect();
                braces(&fields)
            }
            JsVal::ArrayLike { lengths, items } => {
                let reads: Vec<String> = lengths.iter().map(|bits| number(*bits)).collect();
                let mut fields: Vec<String> =
                    items.iter().enumerate().map(|(at, item)| format!("{at}: {}", self.one(item))).collect();
                match &reads[..] {
                    [] => braces(&fields),
                    [length] => {
                        fields.push(format!("length: {length}"));
                        braces(&fields)
                    }
                    reads => self.getters(fields, &[("length".to_owned(), reads.join(", "))]),
                }
            }
            JsVal::Getters(fields) => {
                let mut getters = Vec::new();
                for (name, values) in fields {
                    let reads: Vec<String> = values.iter().map(|value| self.one(value)).collect();
                    getters.push((self.key(name), reads.join(", ")));
                }
                self.getters(Vec::new(), &getters)
            }
            JsVal::ValueOf(hook, value) => self.hooked("convert", hook, value),
            JsVal::Proxy(hook, value) => self.hooked("proxy", hook, value),
            JsVal::Callback(hook, value) => self.hooked("callback", hook, value),
            JsVal::Promise(hook, value) => self.hooked("promise", hook, value),
            JsVal::Ref(slot) if self.style == Style::Exact => format!("slot({slot})"),
            JsVal::Ref(slot) => self.object(*slot),
            JsVal::Symbol => "Symbol(\"s\")".to_owned(),
        }
    }

    /// An object with plain properties, and others that read as scripted: key, successive values, which are made before.
    fn getters(&self, mut plain: Vec<String>, getters: &[(String, String)]) -> String {
        match self.style {
            Style::Exact => {
                let reads: Vec<String> =
                    getters.iter().map(|(key, values)| format!("{key}: reads({values})")).collect();
                format!("Object.defineProperties({}, {})", braces(&plain), braces(&reads))
            }
            Style::Readable => {
                plain.extend(getters.iter().map(|(key, values)| format!("get {key}() {{ return next({values}); }}")));
                braces(&plain)
            }
        }
    }

    fn key(&self, name: &str) -> String {
        if name.contains('\u{f8ff}') { key(&name.replace('\u{f8ff}', &canary(self.current))) } else { key(name) }
    }

    /// Items, with runs of equal ones written short.
    fn items(&mut self, items: &'t [JsVal]) -> String {
        let mut parts = Vec::new();
        let mut at = 0;
        while at < items.len() {
            let plain = matches!(items[at], JsVal::Number(_) | JsVal::Null | JsVal::Undefined | JsVal::Boolean(_));
            let run = if plain { items[at..].iter().take_while(|item| **item == items[at]).count() } else { 1 };
            let item = self.one(&items[at]);
            if run >= 6 {
                parts.push(format!("...Array({run}).fill({item})"));
            } else {
                parts.extend(std::iter::repeat_n(item, run));
            }
            at += run;
        }
        parts.join(", ")
    }

    fn text(&self, units: &[u16]) -> String {
        // A short piece again and again.
        for period in 1..=4usize {
            if units.len() >= 40 * period && units.chunks(period).all(|piece| units.starts_with(piece)) {
                let rest = units.len() % period;
                let tail = if rest > 0 { format!(" + {}", self.text(&units[..rest])) } else { String::new() };
                return format!("{}.repeat({}){tail}", self.text(&units[..period]), units.len() / period);
            }
        }
        let letters: Vec<u16> = canary(self.current).encode_utf16().collect();
        let with = |unit: &u16| if *unit == CANARY { letters.clone() } else { vec![*unit] };
        literal(&units.iter().flat_map(with).collect::<Vec<u16>>())
    }

    fn bytes(&self, element: Element, buffer: Buffer, bytes: &[u8]) -> String {
        let mut whole = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while at < bytes.len() {
            if bytes[at..].starts_with(&CANARY_BYTES) {
                whole.extend_from_slice(canary(self.current).as_bytes());
                at += CANARY_BYTES.len();
            } else {
                whole.push(bytes[at]);
                at += 1;
            }
        }
        if element == Element::Uint8 && buffer == Buffer::Plain {
            if whole.len() > 4 && whole.iter().all(|byte| *byte == 0) {
                return format!("new Uint8Array({})", whole.len());
            }
            if let Ok(text) = std::str::from_utf8(&whole)
                && text.chars().any(|c| c.is_ascii_alphanumeric())
                && text.chars().all(|c| !c.is_control() || c.is_ascii_whitespace())
            {
                return format!("new TextEncoder().encode({})", text_literal(text));
            }
            if whole.len() <= 16 {
                let list: Vec<String> = whole.iter().map(u8::to_string).collect();
                return format!("new Uint8Array([{}])", list.join(", "));
            }
        }
        let hex: String = whole.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("bytes({}, \"{}\", \"{hex}\")", element.name(), buffer.name())
    }

    fn hooked(&mut self, kind: &str, hook: &'t Hook, value: &'t JsVal) -> String {
        let slots = self.slots.len();
        let outside = std::mem::take(&mut self.out);
        let indent = std::mem::take(&mut self.indent);
        self.ops(&hook.ops, Level::Hook);
        self.indent = indent;
        let mut statements: Vec<String> =
            std::mem::replace(&mut self.out, outside).lines().map(str::to_owned).collect();
        self.slots.truncate(slots);
        if hook.pages > 0 {
            let grow = if self.style == Style::Exact { "grow" } else { "memory.grow" };
            statements.push(format!("{grow}({});", hook.pages));
        }
        if hook.throws {
            statements.push("throw new Error(\"hook\");".to_owned());
        }
        // A comment would end the line for what follows.
        let body: Vec<String> = statements
            .iter()
            .map(|line| {
                line.strip_prefix("// ").map_or(line.clone(), |text| format!("/* {} */", text.replace("*/", "* /")))
            })
            .collect();
        let body = body.join(" ");
        let value = self.one(value);
        if self.style == Style::Exact {
            let body = if body.is_empty() { "() => {}".to_owned() } else { format!("() => {{ {body} }}") };
            let run = if hook.again { format!("always({body})") } else { format!("once({body})") };
            return format!("{kind}({run}, {value})");
        }
        let again = if hook.again && !body.is_empty() { "/* every time */ " } else { "" };
        let body = if body.is_empty() { body } else { format!("{again}{body} ") };
        match kind {
            "convert" => format!("{{ valueOf() {{ {body}return {value}; }} }}"),
            "proxy" => format!("new Proxy({value}, onAnyTrap(() => {{ {} }}))", body.trim_end()),
            "callback" => format!("() => {{ {body}return {value}; }}"),
            _ => format!("Promise.resolve().then(() => {{ {body}return {value}; }})"),
        }
    }
}

fn braces(fields: &[String]) -> String {
    if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{api, bytes, call, hook, number, tape, text};
    use super::*;
    use crate::api::id;

    #[test]
    fn tapes_read_as_a_person_would_write_them() {
        let live = |ops, pages| JsVal::ValueOf(hook(ops, pages), Box::new(number(65.0)));
        let this = |name: &str, this, args| Op::Call { operation: id(name), this, args };
        let again = Hook { throws: true, again: true, pages: 0, ops: vec![] };
        let table: [(Vec<Op>, &str); 12] = [
            (
                vec![
                    call("Store.new", vec![]),
                    call(
                        "unescape",
                        vec![JsVal::Array(vec![live(vec![call("unescape", vec![bytes(&[0; 40])])], 1), number(66.0)])],
                    ),
                ],
                "const a0 = new g.Store();\n\
                 const a1 = g.unescape([{ valueOf() { g.unescape(new Uint8Array(40)); memory.grow(1); return 65; } }, 66]);\n",
            ),
            (
                vec![
                    call("Store.new", vec![]),
                    call("Store.new", vec![text("b")]),
                    this("Store.set", 1, vec![text("k"), JsVal::Null]),
                    Op::Free { slot: 0 },
                    this("Store.length=", 1, vec![number(1.5)]),
                    call("Store.length", vec![]),
                ],
                "const a0 = new g.Store();\nconst a1 = new g.Store(\"b\");\na1.set(\"k\", null);\na0.free();\na1.length = 1.5;\na1.length;\n",
            ),
            (vec![call("Store.length", vec![])], "// No object to call Store.length on.\n"),
            (
                vec![Op::Call { operation: 0x1a2b_3c4d, this: 0, args: vec![] }],
                "// An operation that this package does not have: #1a2b3c4d.\n",
            ),
            (
                vec![
                    call("Store.new", vec![]),
                    call("Store.from", vec![JsVal::Ref(2)]),
                    call("merge", vec![JsVal::Ref(1), JsVal::Ref(2)]),
                ],
                "const a0 = new g.Store();\nconst a1 = g.Store.from(a0);\ng.merge(a1, a0);\n",
            ),
            (
                vec![
                    call("later", vec![JsVal::Promise(again.clone(), Box::new(text("x")))]),
                    Op::Await { slot: 0 },
                    Op::Gc,
                    Op::Grow { pages: 2 },
                ],
                "const a0 = g.later(Promise.resolve().then(() => { /* every time */ throw new Error(\"hook\"); return \"x\"; }));\nawait a0;\ngc();\nmemory.grow(2);\n",
            ),
            (
                vec![
                    call("parse", vec![JsVal::Text(vec![CANARY])]),
                    call("parse", vec![JsVal::Text(vec![0x61, CANARY, 0xd800])]),
                ],
                "g.parse(\"QZCANARYAAAA\");\ng.parse(\"aQZCANARYAAAB\\ud800\");\n",
            ),
            (
                vec![
                    call("parse", vec![JsVal::Text(vec![0x41; 1000])]),
                    call("parse", vec![JsVal::Text([0xd800, 0x20].repeat(50))]),
                ],
                "g.parse(\"A\".repeat(1000));\ng.parse(\"\\ud800 \".repeat(50));\n",
            ),
            (
                vec![call("unescape", vec![bytes(b"MSH|\xef\xa3\xbf")]), call("unescape", vec![bytes(&[1, 255])])],
                "const a0 = g.unescape(new TextEncoder().encode(\"MSH|QZCANARYAAAA\"));\nconst a1 = g.unescape(new Uint8Array([1, 255]));\n",
            ),
            (
                vec![call(
                    "unescape",
                    vec![JsVal::Bytes { element: Element::Int16, buffer: Buffer::Shared, bytes: vec![1, 2] }],
                )],
                "const a0 = g.unescape(bytes(Int16Array, \"shared\", \"0102\"));\n",
            ),
            (
                vec![call(
                    "options",
                    vec![
                        JsVal::ArrayLike { lengths: vec![1f64.to_bits(), 64f64.to_bits()], items: vec![number(65.0)] },
                        JsVal::Object(vec![
                            ("__proto__".to_owned(), JsVal::BigInt(-5)),
                            ("a b".to_owned(), JsVal::Symbol),
                        ]),
                    ],
                )],
                "g.options({ 0: 65, get length() { return next(1, 64); } }, { [\"__proto__\"]: -5n, \"a b\": Symbol(\"s\") });\n",
            ),
            (
                vec![
                    call("Store.new", vec![]),
                    Op::Assign { slot: 0, name: String::new(), value: number(1e300) },
                    call(
                        "each",
                        vec![
                            JsVal::Array(vec![number(0.0); 9]),
                            JsVal::Callback(Hook::default(), Box::new(JsVal::Undefined)),
                        ],
                    ),
                ],
                "const a0 = new g.Store();\nObject.assign(a0, { [Object.keys(a0)[0]]: 1e300 });\ng.each([...Array(9).fill(0)], () => { return undefined; });\n",
            ),
        ];
        for (ops, script) in table {
            assert_eq!(tape(ops).to_script(&api()), script);
        }
    }
}
