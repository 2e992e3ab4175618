//! One file that shows a finding again with nothing but Node and the package: the tape as a script, with what it takes to
//! load the package, to make the calls, and to see what was seen.

use super::generate::classes_of;
use super::profile::Index;
use super::script::{Level, Style, Writer, Written, literal, text_literal};
use super::{Buffer, JsVal, Profile, Tape};
use crate::api::{Api, Param, Range, Type};
use crate::wire::Glue;
use std::collections::BTreeSet;

/// The program around the script.
const TEMPLATE: &str = include_str!("repro.mjs");

/// What a file that shows a finding has to know, beside the tape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repro {
    /// How the package is loaded.
    pub glue: Glue,
    /// Folder of the package where none is given: absolute, or relative to the file.
    pub root: String,
    /// JavaScript file that callers import, in the folder.
    pub entry: Option<String>,
    /// The module's file in the folder.
    pub module: String,
    /// SHA-256 of it, hex.
    pub sha256: String,
    /// Class of the sighting.
    pub class: String,
    /// Its key: says which capability is watched.
    pub key: String,
    /// What was seen, for people.
    pub what: String,
}

/// An ES module, `node repro.mjs [folder]`: it makes the calls of the tape through the package's own glue, prints what each
/// gave, and ends with exit code 1 where what was seen is seen again, 0 where it is not, 2 where it could not be tried.
pub fn repro(tape: &Tape, api: &Api, repro: &Repro) -> String {
    let mut writer = Writer::new(api, Style::Exact, "  ");
    writer.ops(&tape.ops, Level::Outer);
    let types = writer.types();
    let index = Index::new(api);
    let calls: Vec<String> = writer.written.iter().map(|call| known(call, &index, &types)).collect();
    let classes: BTreeSet<&str> = api
        .operations
        .iter()
        .flat_map(|operation| operation.class.as_deref().into_iter().chain(classes_of(&operation.result)))
        .collect();
    let classes: Vec<String> = classes.into_iter().map(text_literal).collect();
    let facts = [
        ("what", text_literal(&repro.what)),
        ("class", text_literal(&repro.class)),
        ("key", text_literal(&repro.key)),
        ("glue", text_literal(glue_name(repro.glue))),
        ("root", text_literal(&repro.root)),
        ("entry", repro.entry.as_deref().map_or("null".to_owned(), text_literal)),
        ("module", text_literal(&repro.module)),
        ("sha256", text_literal(&repro.sha256)),
        ("bytes", tape.size().to_string()),
        ("classes", format!("[{}]", classes.join(", "))),
        ("calls", format!("[\n    {}\n  ]", calls.join(",\n    "))),
    ];
    let facts: Vec<String> = facts.into_iter().map(|(name, value)| format!("  {name}: {value},")).collect();
    let (head, rest) = TEMPLATE.split_once("/* FACTS */").unwrap_or((TEMPLATE, ""));
    let (middle, tail) = rest.split_once("/* TAPE */\n").unwrap_or((rest, ""));
    [head, &facts.join("\n"), middle, &writer.out, tail].concat()
}

fn glue_name(glue: Glue) -> &'static str {
    match glue {
        Glue::BindgenNodejs => "bindgen-nodejs",
        Glue::BindgenWeb => "bindgen-web",
        Glue::BindgenBundler => "bindgen-bundler",
        Glue::Emscripten => "emscripten",
        Glue::Assemblyscript => "assemblyscript",
        Glue::Wrapper => "wrapper",
        Glue::Raw => "raw",
        Glue::Wasi => "wasi",
    }
}

/// What is known of a call beforehand, as an object literal.
fn known(call: &Written<'_>, index: &Index<'_>, types: &[&Type]) -> String {
    let Some(operation) = call.operation.and_then(|id| index.operation(id)) else { return "null".to_owned() };
    let name = &operation.name;
    let mut bad = Vec::new();
    for (at, param) in operation.params.iter().enumerate() {
        let slots = &types[..call.slots.min(types.len())];
        let value = call.args.get(at);
        if !declared(index, value, param, slots) {
            bad.push(("unchecked", format!("{name} accepted what is not declared for {}", param.name)));
        } else if let (Some(value), Some(range)) = (value, &param.range)
            && !within(value, range)
        {
            bad.push(("range", format!("{name} accepted a number out of the range of {}", param.name)));
        }
    }
    let bad: Vec<String> =
        bad.iter().map(|(class, what)| format!("[{}, {}]", text_literal(class), text_literal(what))).collect();
    let lone = call.args.iter().enumerate().filter_map(|(at, value)| match value {
        JsVal::Text(units) if String::from_utf16(units).is_err() => {
            Some(format!("[{at}, {}, {}]", literal(&folded(units)), literal(units)))
        }
        _ => None,
    });
    let class = classes_of(&operation.result).first().map_or("null".to_owned(), |class| text_literal(class));
    format!(
        "{{ name: {}, class: {class}, consumes: {}, result: {}, bad: [{}], lone: [{}] }}",
        text_literal(name),
        operation.consumes_this,
        type_literal(&operation.result),
        bad.join(", "),
        lone.collect::<Vec<_>>().join(", "),
    )
}

/// The text with every lone surrogate replaced, as UTF-8 does.
fn folded(units: &[u16]) -> Vec<u16> {
    String::from_utf16_lossy(units).encode_utf16().collect()
}

/// Whether a value is of the declared type, or may be missing. What is behind a function or a promise is not looked at.
fn declared(index: &Index<'_>, value: Option<&JsVal>, param: &Param, slots: &[&Type]) -> bool {
    match (value, &param.ty) {
        (None | Some(JsVal::Undefined | JsVal::Null), _) if param.optional => true,
        (_, Type::Any) | (Some(JsVal::Callback(..)), Type::Function) | (Some(JsVal::Promise(..)), Type::Promise(_)) => {
            true
        }
        // The module's own memory is of that type all the same.
        (Some(JsVal::Bytes { element, buffer: Buffer::Memory, bytes }), _) => {
            let plain = JsVal::Bytes { element: *element, buffer: Buffer::Plain, bytes: bytes.clone() };
            declared(index, Some(&plain), param, slots)
        }
        (value, ty) => index.value(value.unwrap_or(&JsVal::Undefined), ty, slots) == Profile::Typed,
    }
}

fn within(value: &JsVal, range: &Range) -> bool {
    let bound = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
    match value {
        JsVal::Number(bits) => {
            let number = f64::from_bits(*bits);
            if range.integer && number.fract() != 0.0 {
                return false;
            }
            if !number.is_finite() {
                return !range.integer;
            }
            bound(&range.min) <= number && number <= bound(&range.max)
        }
        JsVal::BigInt(number) => match (range.min.parse::<i128>(), range.max.parse::<i128>()) {
            (Ok(min), Ok(max)) => (min..=max).contains(number),
            _ => true,
        },
        JsVal::Array(items) => items.iter().all(|item| within(item, range)),
        _ => true,
    }
}

/// A declared type, as the API's JSON has it.
fn type_literal(ty: &Type) -> String {
    let json = serde_json::to_string(ty).unwrap_or_else(|_| "{\"kind\":\"any\"}".to_owned());
    // What is not ASCII is inside of strings, where it may be escaped.
    let escape = |c: char| match c {
        '<' => "\\u003c".to_owned(),
        c if c.is_ascii() => c.to_string(),
        c => c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
    };
    json.chars().map(escape).collect()
}
