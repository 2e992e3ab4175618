//! What a package's `.d.ts` files let callers do: exports, classes, and what Emscripten's factories resolve to.

mod merge;
mod source;
#[cfg(test)]
mod tests;
mod types;

use crate::api::{Api, Kind, Operation, Param, Type, id};
use crate::glue::ranges;
use crate::glue::syntax::{self, SyntaxError};
use merge::{beside, candidates, merged, overloads};
use source::{Declared, Export, Member, MemberKind, Raw, RawParam, Signature, Source};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use types::{Place, Scope};

/// Declaration files of a package that are read.
const FILES_MAX: usize = 64;
/// Names that stand for names that stand for names.
const STEPS_MAX: usize = 32;
/// Parts of the types of one operation; a larger type becomes [`Type::Any`] where it is cut.
const PARTS_MAX: usize = 2_048;
/// Members of a type, inherited ones included.
const MEMBERS_MAX: usize = 8_192;
/// Operations of a package that are kept.
const OPERATIONS_MAX: usize = 4_096;
/// Types that are looked through for all operations together: names that double at every step end here.
const LOOKUPS_MAX: usize = 1 << 20;
/// Passes until it is known which interfaces are objects that the package hands out.
const PASSES_MAX: usize = 8;

/// Functions that only carry glue: nobody calls them to get work done.
const PLUMBING: &[&str] = &["initSync", "__wbg_init", "__wbg_set_wasm", "__wbg_reset_state", "instantiate"];
/// Members that give an object back or only look at its handle; a tape has a step of its own for that.
const HANDLE_MEMBERS: &[&str] = &["free", "delete", "deleteLater", "isAliasOf", "isDeleted", "clone"];
/// Exports of a C or AssemblyScript runtime, which take addresses and trust them.
const RUNTIME_MEMBERS: &[&str] = &[
    "_malloc",
    "_free",
    "_realloc",
    "_calloc",
    "_memalign",
    "_sbrk",
    "_main",
    "_setThrew",
    "_fflush",
    "ccall",
    "cwrap",
    "stackSave",
    "stackRestore",
    "stackAlloc",
    "getValue",
    "setValue",
    "UTF8ToString",
    "stringToUTF8",
    "lengthBytesUTF8",
    "addFunction",
    "removeFunction",
    "callMain",
    "abort",
];

/// Where callers find what they call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The package's exports are the API.
    Exports,
    /// A function resolves to the object whose members are the API.
    Factory,
}

/// What the declarations say.
#[derive(Debug, Default)]
pub struct Declarations {
    /// Operations, in the order of declaration.
    pub api: Api,
    /// What was left out and why, for people.
    pub notes: Vec<String>,
    /// Files that were read.
    pub files: Vec<String>,
}

/// Reads `entry` and what it imports; `file` gives the text of a file of the package by its path.
pub fn read(
    file: &mut dyn FnMut(&str) -> Option<String>,
    entry: &str,
    shape: Shape,
) -> Result<Declarations, SyntaxError> {
    let mut reader = Reader::load(file, entry)?;
    let mut operations = Vec::new();
    for _ in 0..PASSES_MAX {
        let known = reader.handles.len();
        operations = reader.operations(shape);
        if reader.handles.len() == known {
            break;
        }
    }
    let files = reader.files.iter().map(|(name, _)| name.clone()).collect();
    let mut notes = std::mem::take(&mut reader.notes);
    notes.dedup();
    Ok(Declarations { api: Api { operations }, notes, files })
}

/// Whether a name belongs to the glue itself.
pub fn is_plumbing(name: &str) -> bool {
    let prefixes = ["__wbg", "__wbindgen", "__new", "__pin", "__unpin", "__collect", "__rtti", "__getWasm", "__cxa"];
    PLUMBING.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a name is the C or AssemblyScript runtime's.
pub fn is_runtime(name: &str) -> bool {
    let prefixes = ["__", "_emscripten_", "dynCall_", "_pthread_", "_asyncify_"];
    RUNTIME_MEMBERS.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a member gives an object back or only looks at its handle.
pub fn is_handle(name: &str) -> bool {
    HANDLE_MEMBERS.contains(&name)
}

/// Adds an operation unless its name is taken; returns whether it was added.
pub fn add(operations: &mut Vec<Operation>, operation: Operation) -> bool {
    let free = !operations.iter().any(|other| other.id == operation.id);
    let room = operations.len() < OPERATIONS_MAX;
    if free && room {
        operations.push(operation);
    }
    free && room
}

struct Reader {
    files: Vec<(String, Source)>,
    /// (file, local name) of what is exported, with the name outside.
    outside: BTreeMap<(usize, String), String>,
    /// Interfaces and hidden classes that results hand out, in the order of appearance.
    handles: Vec<(usize, String)>,
    notes: Vec<String>,
    parts: usize,
    /// Lookups that are left for the whole package.
    lookups: Cell<usize>,
}

impl Reader {
    fn load(text: &mut dyn FnMut(&str) -> Option<String>, entry: &str) -> Result<Reader, SyntaxError> {
        let mut files: Vec<(String, Source)> = Vec::new();
        let mut waiting = vec![entry.to_owned()];
        let mut notes = Vec::new();
        while let Some(name) = waiting.pop() {
            if files.iter().any(|(known, _)| *known == name) {
                continue;
            }
            if files.len() >= FILES_MAX {
                notes.push(format!("{name} and what else is imported was not read: {FILES_MAX} files are"));
                break;
            }
            let Some(content) = text(&name) else { continue };
            let source = syntax::read(&name, &content, source::read)?;
            let mut imported: Vec<&str> = source.imports.values().map(|(file, _)| file.as_str()).collect();
            imported.extend(source.exports.iter().filter_map(|export| match export {
                Export::From { file, .. } | Export::All { file } => Some(file.as_str()),
                _ => None,
            }));
            let found = imported.iter().filter_map(|file| beside(&name, file, text)).collect::<BTreeSet<_>>();
            waiting.extend(found);
            files.push((name, source));
        }
        Ok(Reader {
            files,
            outside: BTreeMap::new(),
            handles: Vec::new(),
            notes,
            parts: 0,
            lookups: Cell::new(LOOKUPS_MAX),
        })
    }

    fn source(&self, file: usize) -> &Source {
        &self.files[file].1
    }

    /// Index of the file that `from` imports as `specifier`.
    fn imported(&self, from: usize, specifier: &str) -> Option<usize> {
        let candidates = candidates(&self.files[from].0, specifier);
        candidates.iter().find_map(|name| self.files.iter().position(|(known, _)| known == name))
    }

    /// Where a name is declared, imports followed.
    fn find(&self, file: usize, name: &str, steps: usize) -> Option<(usize, String)> {
        if steps > STEPS_MAX {
            return None;
        }
        let source = self.source(file);
        let last = name.rsplit('.').next().unwrap_or(name);
        if source.by_name.contains_key(name) {
            return Some((file, name.to_owned()));
        }
        let (head, rest) = name.split_once('.').map_or((name, None), |(head, rest)| (head, Some(rest)));
        if let Some((from, imported)) = source.imports.get(head) {
            let other = self.imported(file, from)?;
            return match (imported.as_str(), rest) {
                ("*", Some(rest)) => self.find_export(other, rest, steps + 1),
                (imported, _) => self.find_export(other, imported, steps + 1),
            };
        }
        // Within a namespace, its own names come without it.
        source.by_last.get(last).map(|at| (file, source.declared[*at].0.clone()))
    }

    fn find_export(&self, file: usize, name: &str, steps: usize) -> Option<(usize, String)> {
        if steps > STEPS_MAX {
            return None;
        }
        self.source(file).exports.iter().find_map(|export| match export {
            Export::Local { local, exported } if exported == name => self.find(file, local, steps + 1),
            Export::Assign { local } if name == "default" => self.find(file, local, steps + 1),
            Export::From { file: from, imported, exported } if exported == name => {
                self.find_export(self.imported(file, from)?, imported, steps + 1)
            }
            Export::All { file: from } => self.find_export(self.imported(file, from)?, name, steps + 1),
            _ => None,
        })
    }

    fn declared(&self, file: usize, name: &str) -> Vec<&Declared> {
        let source = self.source(file);
        // A name that is declared more than a few times is no library's.
        let places = source.by_name.get(name).into_iter().flatten().take(8);
        places.map(|at| &source.declared[*at].1).collect()
    }

    /// Everything that a file exports: name outside, file, name inside.
    fn exports(&self, file: usize, seen: &mut BTreeSet<usize>) -> Vec<(String, usize, String)> {
        if !seen.insert(file) {
            return Vec::new();
        }
        let mut all: Vec<(String, usize, String)> = Vec::new();
        for export in &self.source(file).exports {
            match export {
                Export::Local { local, exported } => {
                    all.extend(self.find(file, local, 0).map(|(at, inside)| (exported.clone(), at, inside)));
                }
                Export::From { file: from, imported, exported } => {
                    let other = self.imported(file, from);
                    let found = other.and_then(|other| self.find_export(other, imported, 0));
                    all.extend(found.map(|(at, inside)| (exported.clone(), at, inside)));
                }
                Export::All { file: from } => {
                    let other = self.imported(file, from).map(|other| self.exports(other, seen)).unwrap_or_default();
                    all.extend(other.into_iter().filter(|(name, ..)| name != "default"));
                }
                Export::Assign { local } => {
                    let prefix = format!("{local}.");
                    let within = self.source(file).declared.iter().filter(|(name, _)| name.starts_with(&prefix));
                    all.extend(within.map(|(name, _)| (name[prefix.len()..].to_owned(), file, name.clone())));
                    all.extend(self.find(file, local, 0).map(|(at, inside)| ("default".to_owned(), at, inside)));
                }
            }
        }
        all
    }

    fn operations(&mut self, shape: Shape) -> Vec<Operation> {
        self.notes.clear();
        let exports = self.exports(0, &mut BTreeSet::new());
        self.outside = exports.iter().map(|(name, file, local)| ((*file, local.clone()), name.clone())).collect();
        let mut operations = Vec::new();
        if shape == Shape::Factory || exports.iter().any(|(name, ..)| name == "instantiate") {
            match self.factory(&exports) {
                Some((file, made)) => self.surface(file, &made, &mut operations),
                None if shape == Shape::Factory => {
                    self.notes
                        .push("no exported function resolves to the module's object: exports are taken".to_owned());
                    self.exported(&exports, &mut operations);
                }
                None => self.exported(&exports, &mut operations),
            }
        } else {
            self.exported(&exports, &mut operations);
        }
        for at in 0..self.handles.len() {
            let (file, name) = self.handles[at].clone();
            let members = self.members(file, &Raw::Named(name.clone(), Vec::new()), 0);
            let outside = self.outside.get(&(file, name.clone())).cloned().unwrap_or(name);
            let methods = members.iter().filter(|(_, member)| !matches!(member.kind, MemberKind::Construct(_)));
            let methods: Vec<(usize, Member)> = methods.filter(|(_, member)| !member.is_static).cloned().collect();
            self.class(&outside, &outside, &methods, &mut operations);
        }
        if self.lookups.get() == 0 {
            self.notes.push(format!("types were looked through {LOOKUPS_MAX} times, then no more: some are `any`"));
        }
        if operations.len() >= OPERATIONS_MAX {
            self.notes.push(format!("the first {OPERATIONS_MAX} operations are called, the others are not"));
        }
        operations
    }

    fn exported(&mut self, exports: &[(String, usize, String)], operations: &mut Vec<Operation>) {
        for (outside, file, local) in exports {
            let is_class = self.declared(*file, local).iter().any(|declared| matches!(declared, Declared::Class(..)));
            if is_plumbing(outside) || is_plumbing(local) {
                continue;
            }
            if is_class {
                let members = self.members(*file, &Raw::Named(local.clone(), Vec::new()), 0);
                self.class(outside, outside, &members, operations);
                continue;
            }
            let function = self.declared(*file, local).into_iter().find_map(|declared| match declared {
                Declared::Function(signatures) => Some(signatures.clone()),
                _ => None,
            });
            if let Some(signatures) = function {
                self.function(*file, outside, &signatures, operations);
                continue;
            }
            let variable = self.declared(*file, local).into_iter().find_map(|declared| match declared {
                Declared::Variable(raw) => Some(raw.clone()),
                _ => None,
            });
            let Some(raw) = variable else { continue };
            let called = self.called(*file, &raw, 0);
            if called.is_empty() {
                self.value(*file, outside, &raw, operations);
            } else {
                self.function(*file, outside, &called, operations);
            }
        }
    }

    /// The type that a factory resolves to.
    fn factory(&self, exports: &[(String, usize, String)]) -> Option<(usize, Raw)> {
        let mut sorted: Vec<&(String, usize, String)> = exports.iter().collect();
        sorted.sort_by_key(|(name, ..)| name != "default");
        for (_, file, local) in sorted {
            for declared in self.declared(*file, local) {
                let results: Vec<Raw> = match declared {
                    Declared::Function(signatures) => signatures.iter().map(|one| one.result.clone()).collect(),
                    Declared::Variable(Raw::Named(name, arguments))
                        if name.ends_with("ModuleFactory") && arguments.len() == 1 =>
                    {
                        vec![Raw::Named("Promise".to_owned(), arguments.clone())]
                    }
                    Declared::Variable(raw) => self.called(*file, raw, 0).into_iter().map(|one| one.result).collect(),
                    _ => Vec::new(),
                };
                for result in results {
                    if let Raw::Named(name, arguments) = result
                        && name == "Promise"
                        && let Some(made) = arguments.first()
                        && !self.members(*file, made, 0).is_empty()
                    {
                        return Some((*file, made.clone()));
                    }
                }
            }
        }
        None
    }

    /// Members of a module's object as operations.
    fn surface(&mut self, file: usize, made: &Raw, operations: &mut Vec<Operation>) {
        let members = self.members(file, made, 0);
        let high = |member: &Member| !member.name.starts_with('_') && !is_runtime(&member.name);
        let has_high = members.iter().any(|(at, member)| {
            high(member) && !matches!(&member.kind, MemberKind::Property(raw) if self.called(*at, raw, 0).is_empty())
        });
        for (at, member) in members {
            if is_plumbing(&member.name) || is_runtime(&member.name) || member.private {
                continue;
            }
            if has_high && member.name.starts_with('_') {
                self.notes.push("raw exports (`_name`) take addresses from trusted callers: not called".to_owned());
                continue;
            }
            match &member.kind {
                MemberKind::Method(signature) => {
                    self.function(at, &member.name, std::slice::from_ref(signature), operations);
                }
                MemberKind::Property(raw) => {
                    let called = self.called(at, raw, 0);
                    if called.is_empty() {
                        self.value(at, &member.name, raw, operations);
                    } else {
                        self.function(at, &member.name, &called, operations);
                    }
                }
                _ => {}
            }
        }
    }

    /// An exported object: a class where it can be constructed, else its methods as static ones.
    fn value(&mut self, file: usize, outside: &str, raw: &Raw, operations: &mut Vec<Operation>) {
        let members = self.members(file, raw, 0);
        let made = members.iter().find_map(|(at, member)| match &member.kind {
            MemberKind::Construct(signature) => Some((*at, signature.result.clone())),
            _ => None,
        });
        let mut all: Vec<(usize, Member)> = Vec::new();
        for (at, member) in &members {
            let is_static = !matches!(member.kind, MemberKind::Construct(_));
            all.push((*at, Member { is_static, ..member.clone() }));
        }
        if let Some((at, instance)) = &made {
            all.extend(self.members(*at, instance, 0));
        } else if !members.iter().any(|(_, member)| matches!(member.kind, MemberKind::Method(_))) {
            return;
        }
        self.class(outside, outside, &all, operations);
    }

    fn function(&mut self, file: usize, name: &str, signatures: &[Signature], operations: &mut Vec<Operation>) {
        let Some(signature) = merged(signatures) else { return };
        self.parts = 0;
        let (params, result) = self.signature(file, "", &signature);
        add(
            operations,
            Operation {
                id: id(name),
                name: name.to_owned(),
                kind: Kind::Function,
                class: None,
                member: name.to_owned(),
                params,
                result,
                consumes_this: false,
            },
        );
    }

    fn signature(&mut self, file: usize, this: &str, signature: &Signature) -> (Vec<Param>, Type) {
        let params = signature.params.iter().map(|param| self.param(file, this, param, signature)).collect();
        let result = self.resolve(&signature.result, Scope { file, this, place: Place::Result }, 0);
        (params, result)
    }

    fn param(&mut self, file: usize, this: &str, param: &RawParam, signature: &Signature) -> Param {
        let documented = signature.documented.get(&param.name).and_then(|word| ranges::of_word(word));
        let range = documented.or_else(|| self.enum_range(file, &param.ty, 0));
        let ty = self.resolve(&param.ty, Scope { file, this, place: Place::Param }, 0);
        let name = if param.rest { format!("...{}", param.name) } else { param.name.clone() };
        Param { name, ty, optional: param.optional, range }
    }

    /// A class's operations: `class` as callers know it, `export` as the package does.
    fn class(&mut self, class: &str, export: &str, members: &[(usize, Member)], operations: &mut Vec<Operation>) {
        if operations.len() >= OPERATIONS_MAX {
            return;
        }
        let declares_new = members.iter().any(|(_, member)| matches!(member.kind, MemberKind::Construct(_)));
        let is_bindgen = members.iter().any(|(_, member)| member.name == "free");
        let is_handle = self.handles.iter().any(|(_, name)| name == class);
        if !declares_new && !is_bindgen && !is_handle && members.iter().any(|(_, member)| !member.is_static) {
            // TypeScript gives a class one without parameters.
            let none = Signature { params: Vec::new(), result: Raw::This, documented: BTreeMap::new() };
            self.member(class, export, "new", Kind::Constructor, &[(0, none)], operations);
        }
        let mut done: BTreeSet<(String, Kind2)> = BTreeSet::new();
        for (file, member) in members {
            let hidden = member.private || HANDLE_MEMBERS.contains(&member.name.as_str());
            if hidden || is_plumbing(&member.name) || member.name.starts_with("__") {
                continue;
            }
            let getter = |raw: &Raw| Signature { params: Vec::new(), result: raw.clone(), documented: BTreeMap::new() };
            let setter = |raw: &Raw| {
                let param = RawParam { name: "value".to_owned(), ty: raw.clone(), optional: false, rest: false };
                let result = Raw::Known(Type::Undefined);
                Signature { params: vec![param], result, documented: BTreeMap::new() }
            };
            match &member.kind {
                MemberKind::Construct(signature) => {
                    let all = overloads(members, |kind| matches!(kind, MemberKind::Construct(_)), None);
                    let all = if all.is_empty() { vec![(*file, signature.clone())] } else { all };
                    if done.insert(("new".to_owned(), Kind2::New)) {
                        self.member(class, export, "new", Kind::Constructor, &all, operations);
                    }
                }
                MemberKind::Method(_) => {
                    let kind = if member.is_static { Kind::Static } else { Kind::Method };
                    let same = Some((member.name.as_str(), member.is_static));
                    let all = overloads(members, |kind| matches!(kind, MemberKind::Method(_)), same);
                    let which = if member.is_static { Kind2::Static } else { Kind2::Method };
                    if done.insert((member.name.clone(), which)) {
                        self.member(class, export, &member.name, kind, &all, operations);
                    }
                }
                MemberKind::Get(raw) if !member.is_static => {
                    self.member(class, export, &member.name, Kind::Getter, &[(*file, getter(raw))], operations);
                }
                MemberKind::Set(raw) if !member.is_static => {
                    self.member(class, export, &member.name, Kind::Setter, &[(*file, setter(raw))], operations);
                }
                MemberKind::Property(raw) => {
                    let called = self.called(*file, raw, 0);
                    if let Some(signature) = called.first() {
                        let kind = if member.is_static { Kind::Static } else { Kind::Method };
                        self.member(class, export, &member.name, kind, &[(*file, signature.clone())], operations);
                    } else if !member.is_static {
                        self.member(class, export, &member.name, Kind::Getter, &[(*file, getter(raw))], operations);
                        if !member.readonly {
                            self.member(class, export, &member.name, Kind::Setter, &[(*file, setter(raw))], operations);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn member(
        &mut self,
        class: &str,
        export: &str,
        member: &str,
        kind: Kind,
        signatures: &[(usize, Signature)],
        operations: &mut Vec<Operation>,
    ) {
        let Some((file, _)) = signatures.first() else { return };
        let plain: Vec<Signature> = signatures.iter().map(|(_, signature)| signature.clone()).collect();
        let Some(signature) = merged(&plain) else { return };
        let name = match kind {
            Kind::Setter => format!("{class}.{member}="),
            _ => format!("{class}.{member}"),
        };
        self.parts = 0;
        let (params, result) = self.signature(*file, class, &signature);
        let result = if kind == Kind::Constructor { Type::Object(class.to_owned()) } else { result };
        let member = if kind == Kind::Constructor { export } else { member }.to_owned();
        let class = Some(class.to_owned());
        let operation = Operation { id: id(&name), name, kind, class, member, params, result, consumes_this: false };
        let name = operation.name.clone();
        let is_handle =
            operation.class.as_ref().is_some_and(|class| self.handles.iter().any(|(_, name)| name == class));
        if !add(operations, operation) && operations.len() < OPERATIONS_MAX && !is_handle {
            self.notes.push(format!("`{name}` is there twice: the first one is called"));
        }
    }
}

/// What tells members of one name apart.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Kind2 {
    New,
    Static,
    Method,
}
