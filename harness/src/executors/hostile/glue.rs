//! What the script around a wasm-bindgen module says about its exports and imports: how each argument is made and each
//! result is read. Generated scripts are regular enough to be read by lines; nothing of them is run.

use std::collections::BTreeMap;

/// Longest script that is read, bytes: generated glue has some hundred KiB.
const TEXT_BYTES_MAX: usize = 8 << 20;

/// The script, cut into functions.
#[derive(Debug, Default)]
pub struct Glue {
    /// Exports of the module by name, as the script calls them.
    calls: BTreeMap<String, Signature>,
    /// Bodies of imported functions by name.
    imports: BTreeMap<String, String>,
    /// Values are numbers in a list that the script keeps, not references.
    pub uses_handles: bool,
    /// Slots of that list that are never used: constants of the module point behind them.
    pub slots: usize,
    /// The script can replace the instance: what happens to one after a trap is not the module's alone.
    pub replaces_instances: bool,
}

/// How an export is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signature {
    /// One for each parameter of the export.
    pub arguments: Vec<Argument>,
    /// What it gives.
    pub gives: Gives,
    /// Words of the result that say that it failed, and with which value.
    pub error: Option<(usize, usize)>,
}

/// How an argument is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// Where results of several words go.
    ReturnPointer,
    /// Memory from `__wbindgen_malloc` with a text in UTF-8; the length follows.
    Text,
    /// The same with elements of so many bytes.
    Elements(u32),
    /// The same with values' slots.
    Values,
    /// Elements of the argument before.
    Length,
    /// An object of that class; it is used up or stays.
    Object(String, Use),
    /// A value.
    Value,
    /// A number.
    Number,
}

/// What a call does to an object that it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It stays its caller's.
    Borrowed,
    /// It is the callee's from then on.
    Taken,
}

/// What the words of a result are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Gives {
    /// Numbers, a reference, or nothing: as the type says.
    #[default]
    Plain,
    /// Pointer and elements of so many bytes, to be freed.
    Elements(u32),
    /// Pointer and number of values' slots, to be freed.
    Values,
    /// The slot of a value, to be freed.
    Slot,
    /// An object of that class.
    Object(String),
}

/// One function of the script: where its body is.
struct Piece<'t> {
    class: Option<&'t str>,
    text: &'t str,
}

impl Glue {
    /// Reads a script; too long a one says nothing.
    pub fn read(text: &str) -> Self {
        if text.len() > TEXT_BYTES_MAX {
            return Self::default();
        }
        let mut glue = Self {
            uses_handles: text.contains("function getObject(") || text.contains("function addHeapObject("),
            slots: slots(text),
            replaces_instances: text.contains("__wbg_reset_state"),
            ..Self::default()
        };
        for piece in pieces(text) {
            for (at, _) in piece.text.match_indices("wasm.") {
                let rest = &piece.text[at + 5..];
                let name: String = rest.chars().take_while(|c| is_word(*c)).collect();
                if name.is_empty() || !rest[name.len()..].starts_with('(') || glue.calls.contains_key(&name) {
                    continue;
                }
                let Some(arguments) = arguments(&rest[name.len()..]) else { continue };
                let (before, after) = (&piece.text[..at], &rest[name.len()..]);
                let arguments = arguments.iter().map(|text| argument(text, before, piece.class)).collect();
                let (gives, error) = gives(after, piece.class);
                glue.calls.insert(name, Signature { arguments, gives, error });
            }
        }
        glue.imports = imports(text);
        glue
    }

    /// How the script calls that export, if it does.
    pub fn signature(&self, export: &str) -> Option<&Signature> {
        self.calls.get(export)
    }

    /// The body of that imported function.
    pub fn import(&self, name: &str) -> Option<&str> {
        self.imports.get(name).map(String::as_str)
    }
}

/// The number in `const heap = new Array(1024).fill(undefined);`.
fn slots(text: &str) -> usize {
    let mark = "heap = new Array(";
    let digits = text.find(mark).map(|at| &text[at + mark.len()..]).unwrap_or_default();
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|slots| *slots <= 1 << 16).unwrap_or(128)
}

/// Words of a line that begin a block which is no function.
const NO_FUNCTIONS: &[&str] = &["if", "for", "while", "switch", "try", "catch", "else", "do", "return", "}"];

/// Functions at the top and methods of classes, by indentation.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut class = None;
    let mut open: Option<(usize, usize)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let (start, end) = (at, at + line.len());
        at = end;
        let line = line.trim_end();
        let indent = line.len() - line.trim_start().len();
        let words = line.trim_start();
        match open {
            Some((from, depth)) if indent == depth && words.starts_with('}') => {
                pieces.push(Piece { class, text: &text[from..end] });
                open = None;
            }
            Some(_) => {}
            None if indent == 0 && words.starts_with('}') => class = None,
            None if indent == 0 && words.ends_with('{') && words.split(' ').any(|word| word == "class") => {
                class = words.split(' ').skip_while(|word| *word != "class").nth(1);
            }
            None if (indent == 0 || indent == 4 && class.is_some()) && words.ends_with('{') && words.contains('(') => {
                let first = words.split([' ', '(']).next().unwrap_or_default();
                if !NO_FUNCTIONS.contains(&first) {
                    open = Some((start, indent));
                }
            }
            None => {}
        }
    }
    pieces
}

/// Functions of the script itself whose names look like imports.
const OWN: &[&str] =
    &["__wbg_get_imports", "__wbg_init", "__wbg_load", "__wbg_finalize", "__wbg_reset", "__wbg_set_wasm"];

/// Functions that are handed to the module, by the names that its imports have.
fn imports(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open: Option<(String, usize, usize)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let (start, end) = (at, at + line.len());
        at = end;
        let line = line.trim_end();
        let indent = line.len() - line.trim_start().len();
        let words = line.trim_start();
        if let Some((name, from, depth)) = &open {
            if indent == *depth && words.starts_with('}') {
                found.insert(name.clone(), text[*from..end].to_owned());
                open = None;
            }
            continue;
        }
        let Some(name) = words.find("__wb").map(|at| &words[at..]) else { continue };
        let name: String = name.chars().take_while(|c| is_word(*c)).collect();
        if OWN.iter().any(|own| name.starts_with(own)) {
            continue;
        }
        let opens = words.ends_with('{') && words.contains("function");
        let is_named =
            [": function", " = function", "(arg", "()"].iter().any(|mark| words.contains(&format!("{name}{mark}")));
        if opens && is_named {
            open = Some((name, start, indent));
        } else if words.contains(&format!("{name} = function")) || words.contains(&format!("{name}: function")) {
            found.insert(name, words.to_owned());
        }
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$'
}

/// Arguments between parentheses, of which the first opens `text`.
fn arguments(text: &str) -> Option<Vec<&str>> {
    let mut depth = 0;
    let mut from = 1;
    let mut found = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth -= 1;
                if depth == 0 {
                    let last = text[from..at].trim();
                    if !last.is_empty() {
                        found.push(last);
                    }
                    return Some(found);
                }
            }
            ',' if depth == 1 => {
                found.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    None
}

/// What `name` was set to last, to the end of that line.
fn set_to<'t>(name: &str, before: &'t str) -> Option<&'t str> {
    if name.is_empty() || !name.chars().all(is_word) {
        return None;
    }
    let mark = format!("{name} = ");
    let mut places = before.rmatch_indices(&mark).map(|(at, _)| at);
    let at = places.find(|at| !before[..*at].ends_with(|c: char| is_word(c) || c == '.'))?;
    before[at + mark.len()..].lines().next()
}

fn argument(text: &str, before: &str, class: Option<&str>) -> Argument {
    let made = set_to(text, before).unwrap_or(text);
    let own = class.unwrap_or_default().to_owned();
    let other = || {
        let name = made.split(['.', ' ', '(']).next().unwrap_or_default();
        let mark = format!("_assertClass({name}, ");
        let rest = before.rfind(&mark).map(|at| &before[at + mark.len()..]).unwrap_or_default();
        rest.chars().take_while(|c| is_word(*c)).collect::<String>()
    };
    match () {
        () if text == "retptr" => Argument::ReturnPointer,
        () if made.contains("this.__destroy_into_raw") => Argument::Object(own, Use::Taken),
        () if text == "this.__wbg_ptr" || made == "this.__wbg_ptr;" => Argument::Object(own, Use::Borrowed),
        () if made.contains(".__destroy_into_raw") => Argument::Object(other(), Use::Taken),
        () if made.contains(".__wbg_ptr") => Argument::Object(other(), Use::Borrowed),
        () if made.contains("passStringToWasm") => Argument::Text,
        () if made.contains("passArrayJsValueToWasm") => Argument::Values,
        () if made.contains("passArray8ToWasm") => Argument::Elements(1),
        () if made.contains("passArray16ToWasm") => Argument::Elements(2),
        () if made.contains("passArrayF64ToWasm") || made.contains("passArray64ToWasm") => Argument::Elements(8),
        () if made.contains("passArray") => Argument::Elements(4),
        () if made.starts_with("WASM_VECTOR_LEN") => Argument::Length,
        () if ["addHeapObject", "addBorrowedObject", "addToExternrefTable"].iter().any(|by| made.contains(by)) => {
            Argument::Value
        }
        () => Argument::Number,
    }
}

/// The number in `ret[2]` or `r2`, behind which `end` stands.
fn word_index(text: &str) -> Option<usize> {
    let digits = text.strip_prefix("ret[").or_else(|| text.strip_prefix('r'))?;
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// What the rest of a function does with the result.
fn gives(after: &str, class: Option<&str>) -> (Gives, Option<(usize, usize)>) {
    let mut error = None;
    let mut rest = after.to_owned();
    let takes = |text: &str| {
        ["takeFromExternrefTable0(", "takeObject("]
            .iter()
            .filter_map(|take| text.find(take).map(|at| at + take.len()))
            .min()
    };
    if let Some(at) = after.find("throw take") {
        let value = takes(&after[at..]).and_then(|begin| word_index(&after[at + begin..]));
        let flag = after[..at].rfind("if (").and_then(|begin| word_index(&after[begin + 4..at]));
        error = flag.zip(value);
        let end = after[at..].find('\n').map_or(after.len(), |end| at + end);
        rest.replace_range(at..end, "");
    }
    let freed = |text: &str| {
        let at = text.find(" * ").filter(|_| text.contains("free("))?;
        let digits: String = text[at + 3..].chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok().filter(|bytes| (1..=8).contains(bytes))
    };
    let gives = if rest.contains("getStringFromWasm") {
        Gives::Elements(1)
    } else if rest.contains("getArrayJsValueFromWasm") {
        Gives::Values
    } else if rest.contains("getArray") {
        Gives::Elements(rest.lines().find_map(freed).unwrap_or(1))
    } else if rest.contains("this.__wbg_ptr = ") {
        Gives::Object(class.unwrap_or_default().to_owned())
    } else if let Some(at) = rest.find(".__wrap(") {
        let name = rest[..at].rsplit(|c| !is_word(c)).next().unwrap_or_default();
        Gives::Object(name.to_owned())
    } else if takes(&rest).is_some() {
        Gives::Slot
    } else {
        Gives::Plain
    };
    (gives, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = r#"
class Store {
    each(f) {
        const ret = wasm.store_each(this.__wbg_ptr, f);
        if (ret[1]) {
            throw takeFromExternrefTable0(ret[0]);
        }
    }
    merge(other) {
        _assertClass(other, Store);
        var ptr0 = other.__destroy_into_raw();
        wasm.store_merge(this.__wbg_ptr, ptr0);
    }
    constructor() {
        const ret = wasm.store_new();
        this.__wbg_ptr = ret;
        return this;
    }
}
function parse(text) {
    let deferred3_0;
    try {
        const ptr0 = passStringToWasm0(text, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.parse(ptr0, len0);
        var ptr2 = ret[0];
        if (ret[3]) {
            throw takeFromExternrefTable0(ret[2]);
        }
        return getStringFromWasm0(ptr2, len2);
    } finally {
        wasm.__wbindgen_free(deferred3_0, deferred3_1, 1);
    }
}
export function old(text, f) {
    try {
        const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
        var ptr0 = isLikeNone(text) ? 0 : passArrayF64ToWasm0(text, wasm.__wbindgen_malloc);
        var len0 = WASM_VECTOR_LEN;
        wasm.old(retptr, ptr0, len0, addBorrowedObject(f), text >>> 0);
        var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
        if (r2) {
            throw takeObject(r1);
        }
        var v1 = getArrayU32FromWasm0(r0, r1).slice();
        wasm.__wbindgen_free(r0, r1 * 4, 4);
        return v1;
    } finally {
        stack_pointer += 128;
    }
}
function __wbg_get_imports() {
    const import0 = {
        __wbg_get_2080c49015e35254: function() { return handleError(function (arg0, arg1) {
            const ret = Reflect.get(arg0, arg1);
            return ret;
        }, arguments); },
        __wbg_log_c18e3ac7ff334bdc: function(arg0, arg1) {
            console.log(getStringFromWasm0(arg0, arg1));
        },
    };
}
export function __wbg_now_1(arg0) {
    return Date.now();
};
imports.wbg.__wbg_old_2 = function(arg0) {
    x(arg0);
};
"#;

    #[test]
    fn the_script_says_what_words_mean() {
        use Argument::*;
        let glue = Glue::read(SCRIPT);
        let store = || "Store".to_owned();
        let expected: &[(&str, Vec<Argument>, Gives, Option<(usize, usize)>)] = &[
            ("store_each", vec![Object(store(), Use::Borrowed), Number], Gives::Plain, Some((1, 0))),
            ("store_merge", vec![Object(store(), Use::Borrowed), Object(store(), Use::Taken)], Gives::Plain, None),
            ("store_new", vec![], Gives::Object(store()), None),
            ("parse", vec![Text, Length], Gives::Elements(1), Some((3, 2))),
            ("old", vec![ReturnPointer, Elements(8), Length, Value, Number], Gives::Elements(4), Some((2, 1))),
        ];
        for (name, arguments, gives, error) in expected {
            let signature = glue.signature(name).unwrap_or_else(|| panic!("{name} is not found"));
            let wanted = Signature { arguments: arguments.clone(), gives: gives.clone(), error: *error };
            assert_eq!(*signature, wanted, "{name}");
        }
        assert!(glue.import("__wbg_get_2080c49015e35254").unwrap().contains("handleError("));
        assert!(glue.import("__wbg_log_c18e3ac7ff334bdc").unwrap().contains("console.log("));
        assert!(glue.import("__wbg_now_1").unwrap().contains("Date.now"));
        assert!(glue.import("__wbg_old_2").unwrap().contains("x(arg0)"));
        assert!(glue.import("__wbg_none").is_none());
    }
}
