//! Finds the core module and the core function behind a component's export, so that the loop can instrument it.
//!
//! The walk goes through index spaces only: export, instance, shim component, `canon lift`, core instance, core module.
//! What cannot be followed is a reason, not an error: the component then runs whole, without counters.

use crate::target::{Param, Returns, Shape, Target};
use std::collections::HashMap;
use std::ops::Range;
use wasmparser::{
    BinaryReaderError, CanonicalFunction, CanonicalOption, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentTypeRef, ExternalKind, Instance, Parser, Payload,
};

/// Steps from an export to its core function; real components take about five.
const STEPS_MAX: u32 = 64;
/// Parameters that are passed flat by the canonical ABI; more travel through memory.
const FLAT_PARAMS_MAX: usize = 16;

/// A core module and how to call one of its functions as the component's export does.
#[derive(Debug, Clone)]
pub struct Unwrapped {
    /// Where the module lies in the component's file.
    pub range: Range<usize>,
    /// The core function's export name.
    pub func: String,
    /// The memory's export name.
    pub memory: String,
    /// The export name of `cabi_realloc`.
    pub realloc: String,
    /// The export name of the function that frees the result.
    pub post_return: Option<String>,
    /// Parameters, as in the component's type.
    pub params: Vec<Param>,
    /// The result, as in the component's type.
    pub returns: Returns,
}

/// Follows `entry` to its core function; else says why that is not possible.
pub fn unwrap(target: &Target, entry: &str) -> Result<Unwrapped, String> {
    let Shape::Component(shape) = &*target.shape else { return Err("not a component".to_owned()) };
    let function = shape.functions.iter().find(|function| function.name == entry);
    let function = function.ok_or_else(|| format!("{entry:?} is not an exported function"))?;
    if function.params.contains(&Param::Other) {
        return Err("it takes more than strings, byte lists and numbers".to_owned());
    }
    let flat = |param: &Param| if matches!(param, Param::Scalar(..)) { 1 } else { 2 };
    if function.params.iter().map(flat).sum::<usize>() > FLAT_PARAMS_MAX {
        return Err(format!("it takes more than {FLAT_PARAMS_MAX} core values"));
    }
    let spaces = Spaces::read(&target.wasm).map_err(|error| error.to_string())?;
    let found = match entry.rsplit_once('#') {
        Some((interface, name)) => spaces.exported_in(0, interface, name),
        None => spaces.exported(0, entry),
    };
    let (space, lift) = found.ok_or_else(|| "its definition could not be followed".to_owned())?;
    let space = &spaces.0[space];
    if lift.unusual {
        return Err("it is asynchronous, or its strings are not UTF-8".to_owned());
    }
    let (range, instance, func) = space.core_export(CoreKind::Func, lift.func)?;
    let same = |kind: CoreKind, index: u32| match space.core_export(kind, index)? {
        (_, other, name) if other == instance => Ok(name),
        _ => Err("its memory or allocator belongs to another module".to_owned()),
    };
    Ok(Unwrapped {
        range,
        func,
        memory: same(CoreKind::Memory, lift.memory.ok_or("it uses no memory")?)?,
        realloc: same(CoreKind::Func, lift.realloc.ok_or("it has no allocator")?)?,
        post_return: lift.post_return.map(|index| same(CoreKind::Func, index)).transpose()?,
        params: function.params.clone(),
        returns: function.returns,
    })
}

/// The core module behind `entry`: what frames, sites and symbols of a component's runs refer to.
pub fn core_module<'a>(target: &'a Target, entry: &str) -> Option<&'a [u8]> {
    target.wasm.get(unwrap(target, entry).ok()?.range)
}

/// The module that frames, sites and symbols of a target's runs refer to: the target's own, or a component's core module.
pub fn code<'a>(target: &'a Target, entry: &str) -> &'a [u8] {
    let core = matches!(target.abi, crate::target::Abi::Component).then(|| core_module(target, entry)).flatten();
    core.unwrap_or(&target.wasm)
}

/// A `canon lift`.
#[derive(Debug, Clone, Default)]
struct Lift {
    func: u32,
    memory: Option<u32>,
    realloc: Option<u32>,
    post_return: Option<u32>,
    unusual: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum CoreKind {
    Func,
    Memory,
}

/// An item of a core index space.
#[derive(Debug, Clone)]
enum CoreItem {
    Alias { instance: u32, name: String },
    Other,
}

#[derive(Debug, Clone)]
enum CoreInstance {
    Module(u32),
    Exports(Vec<(String, Option<CoreKind>, u32)>),
}

#[derive(Debug, Clone)]
enum Func {
    Lift(Lift),
    Import(String),
    Alias { instance: u32, name: String },
    Same(u32),
}

#[derive(Debug, Clone)]
enum Inst {
    Component { component: u32, args: Vec<(String, ComponentExternalKind, u32)> },
    Exports(Vec<(String, ComponentExternalKind, u32)>),
    Same(u32),
    Other,
}

/// The index spaces of one component, as far as the walk needs them.
#[derive(Debug, Default)]
struct Space {
    modules: Vec<Option<Range<usize>>>,
    core_instances: Vec<CoreInstance>,
    core_funcs: Vec<CoreItem>,
    core_memories: Vec<CoreItem>,
    funcs: Vec<Func>,
    instances: Vec<Inst>,
    /// Index into [`Spaces`].
    components: Vec<Option<usize>>,
    exports: HashMap<String, (ComponentExternalKind, u32)>,
}

/// All components of a file; the first is the outermost.
#[derive(Debug, Default)]
struct Spaces(Vec<Space>);

impl Spaces {
    fn read(wasm: &[u8]) -> Result<Spaces, BinaryReaderError> {
        let mut spaces = Spaces::default();
        // Components that are open, outermost first; nothing stands for a core module.
        let mut open: Vec<Option<usize>> = Vec::new();
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload?;
            match &payload {
                Payload::Version { encoding, .. } => match encoding {
                    wasmparser::Encoding::Component => {
                        spaces.0.push(Space::default());
                        let index = spaces.0.len() - 1;
                        open.push(Some(index));
                    }
                    wasmparser::Encoding::Module => open.push(None),
                },
                Payload::End(_) => {
                    open.pop();
                }
                _ => {}
            }
            let Some(Some(current)) = open.last().copied() else { continue };
            let next = spaces.0.len();
            let outer = |count: u32| open.iter().rev().flatten().nth(count as usize).copied();
            let aliased = match &payload {
                Payload::ComponentAliasSection(section) => {
                    let mut aliased = Vec::new();
                    for alias in section.clone() {
                        aliased.push(match alias? {
                            ComponentAlias::Outer { kind: ComponentOuterAliasKind::CoreModule, count, index } => {
                                let of = outer(count).and_then(|space| spaces.0[space].modules.get(index as usize));
                                Aliased::Module(of.cloned().flatten())
                            }
                            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                                let of = outer(count).and_then(|space| spaces.0[space].components.get(index as usize));
                                Aliased::Component(of.copied().flatten())
                            }
                            alias => Aliased::Plain(alias),
                        });
                    }
                    aliased
                }
                _ => Vec::new(),
            };
            spaces.0[current].add(payload, aliased, next)?;
        }
        Ok(spaces)
    }

    /// The lift behind a function export of a component.
    fn exported(&self, space: usize, name: &str) -> Option<(usize, &Lift)> {
        match self.0[space].exports.get(name)? {
            (ComponentExternalKind::Func, index) => self.func(space, *index, STEPS_MAX),
            _ => None,
        }
    }

    /// The lift behind a function of an exported instance.
    fn exported_in(&self, space: usize, interface: &str, name: &str) -> Option<(usize, &Lift)> {
        match self.0[space].exports.get(interface)? {
            (ComponentExternalKind::Instance, index) => self.in_instance(space, *index, name, STEPS_MAX),
            _ => None,
        }
    }

    fn func(&self, space: usize, index: u32, steps: u32) -> Option<(usize, &Lift)> {
        let steps = steps.checked_sub(1)?;
        match self.0[space].funcs.get(index as usize)? {
            Func::Lift(lift) => Some((space, lift)),
            Func::Same(index) => self.func(space, *index, steps),
            Func::Alias { instance, name } => self.in_instance(space, *instance, name, steps),
            Func::Import(_) => None,
        }
    }

    fn in_instance(&self, space: usize, index: u32, name: &str, steps: u32) -> Option<(usize, &Lift)> {
        let steps = steps.checked_sub(1)?;
        match self.0[space].instances.get(index as usize)? {
            Inst::Same(index) => self.in_instance(space, *index, name, steps),
            Inst::Other => None,
            Inst::Exports(exports) => match exports.iter().find(|(export, ..)| export == name)? {
                (_, ComponentExternalKind::Func, index) => self.func(space, *index, steps),
                _ => None,
            },
            Inst::Component { component, args } => {
                let inner = (*self.0[space].components.get(*component as usize)?)?;
                let (ComponentExternalKind::Func, index) = *self.0[inner].exports.get(name)? else { return None };
                match self.import_behind(inner, index, steps) {
                    // A shim: what it exports is what it was given.
                    Some(import) => match args.iter().find(|(arg, ..)| arg == import)? {
                        (_, ComponentExternalKind::Func, index) => self.func(space, *index, steps),
                        _ => None,
                    },
                    None => self.func(inner, index, steps),
                }
            }
        }
    }

    /// The import that a function of a component is, if it is one.
    fn import_behind(&self, space: usize, index: u32, steps: u32) -> Option<&str> {
        let steps = steps.checked_sub(1)?;
        match self.0[space].funcs.get(index as usize)? {
            Func::Import(name) => Some(name),
            Func::Same(index) => self.import_behind(space, *index, steps),
            _ => None,
        }
    }
}

enum Aliased<'a> {
    Module(Option<Range<usize>>),
    Component(Option<usize>),
    Plain(ComponentAlias<'a>),
}

impl Space {
    /// Adds what a section defines; `next` is the number that the next nested component will get.
    fn add(&mut self, payload: Payload<'_>, aliased: Vec<Aliased<'_>>, next: usize) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::ModuleSection { unchecked_range, .. } => self.modules.push(Some(unchecked_range)),
            Payload::ComponentSection { .. } => self.components.push(Some(next)),
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import?;
                    match import.ty {
                        ComponentTypeRef::Func(_) => self.funcs.push(Func::Import(import.name.name.to_owned())),
                        ComponentTypeRef::Instance(_) => self.instances.push(Inst::Other),
                        ComponentTypeRef::Module(_) => self.modules.push(None),
                        ComponentTypeRef::Component(_) => self.components.push(None),
                        ComponentTypeRef::Value(_) | ComponentTypeRef::Type(_) => {}
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export?;
                    self.exports.insert(export.name.name.to_owned(), (export.kind, export.index));
                    // An export is a new item of its kind.
                    match export.kind {
                        ComponentExternalKind::Func => self.funcs.push(Func::Same(export.index)),
                        ComponentExternalKind::Instance => self.instances.push(Inst::Same(export.index)),
                        ComponentExternalKind::Module => {
                            self.modules.push(self.modules.get(export.index as usize).cloned().flatten());
                        }
                        ComponentExternalKind::Component => {
                            self.components.push(self.components.get(export.index as usize).copied().flatten());
                        }
                        ComponentExternalKind::Value | ComponentExternalKind::Type => {}
                    }
                }
            }
            Payload::InstanceSection(section) => {
                for instance in section {
                    self.core_instances.push(match instance? {
                        Instance::Instantiate { module_index, .. } => CoreInstance::Module(module_index),
                        Instance::FromExports(exports) => CoreInstance::Exports(
                            exports.iter().map(|e| (e.name.to_owned(), CoreKind::of(e.kind), e.index)).collect(),
                        ),
                    });
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section {
                    self.instances.push(match instance? {
                        ComponentInstance::Instantiate { component_index, args } => Inst::Component {
                            component: component_index,
                            args: args.iter().map(|arg| (arg.name.to_owned(), arg.kind, arg.index)).collect(),
                        },
                        ComponentInstance::FromExports(exports) => {
                            Inst::Exports(exports.iter().map(|e| (e.name.name.to_owned(), e.kind, e.index)).collect())
                        }
                    });
                }
            }
            Payload::ComponentAliasSection(_) => aliased.into_iter().for_each(|alias| self.add_alias(alias)),
            Payload::ComponentCanonicalSection(section) => {
                for function in section {
                    match function? {
                        CanonicalFunction::Lift { core_func_index, options, .. } => {
                            self.funcs.push(Func::Lift(Lift::new(core_func_index, &options)));
                        }
                        _ => self.core_funcs.push(CoreItem::Other),
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn add_alias(&mut self, alias: Aliased<'_>) {
        match alias {
            Aliased::Module(module) => self.modules.push(module),
            Aliased::Component(component) => self.components.push(component),
            Aliased::Plain(ComponentAlias::InstanceExport { kind, instance_index, name }) => match kind {
                ComponentExternalKind::Func => {
                    self.funcs.push(Func::Alias { instance: instance_index, name: name.to_owned() });
                }
                ComponentExternalKind::Instance => self.instances.push(Inst::Other),
                ComponentExternalKind::Module => self.modules.push(None),
                ComponentExternalKind::Component => self.components.push(None),
                ComponentExternalKind::Value | ComponentExternalKind::Type => {}
            },
            Aliased::Plain(ComponentAlias::CoreInstanceExport { kind, instance_index, name }) => {
                let item = CoreItem::Alias { instance: instance_index, name: name.to_owned() };
                match CoreKind::of(kind) {
                    Some(CoreKind::Func) => self.core_funcs.push(item),
                    Some(CoreKind::Memory) => self.core_memories.push(item),
                    None => {}
                }
            }
            Aliased::Plain(ComponentAlias::Outer { .. }) => {}
        }
    }

    /// The module, the instance and the export name behind a core item.
    fn core_export(&self, kind: CoreKind, mut index: u32) -> Result<(Range<usize>, u32, String), String> {
        for _ in 0..STEPS_MAX {
            let items = match kind {
                CoreKind::Func => &self.core_funcs,
                CoreKind::Memory => &self.core_memories,
            };
            let Some(CoreItem::Alias { instance, name }) = items.get(index as usize) else {
                return Err("its core function is not an export of a module".to_owned());
            };
            match self.core_instances.get(*instance as usize) {
                Some(CoreInstance::Module(module)) => {
                    let range = self.modules.get(*module as usize).cloned().flatten();
                    let range = range.ok_or_else(|| "its core module is imported".to_owned())?;
                    return Ok((range, *instance, name.clone()));
                }
                Some(CoreInstance::Exports(exports)) => {
                    let next = exports.iter().find(|(export, of, _)| export == name && *of == Some(kind));
                    index = next.ok_or_else(|| "a core instance lacks an export".to_owned())?.2;
                }
                None => return Err("a core instance is missing".to_owned()),
            }
        }
        Err("its definition is too deep".to_owned())
    }
}

impl CoreKind {
    fn of(kind: ExternalKind) -> Option<CoreKind> {
        match kind {
            ExternalKind::Func | ExternalKind::FuncExact => Some(CoreKind::Func),
            ExternalKind::Memory => Some(CoreKind::Memory),
            _ => None,
        }
    }
}

impl Lift {
    fn new(func: u32, options: &[CanonicalOption]) -> Lift {
        let mut lift = Lift { func, ..Lift::default() };
        for option in options {
            match option {
                CanonicalOption::Memory(index) => lift.memory = Some(*index),
                CanonicalOption::Realloc(index) => lift.realloc = Some(*index),
                CanonicalOption::PostReturn(index) => lift.post_return = Some(*index),
                CanonicalOption::UTF8 => {}
                _ => lift.unusual = true,
            }
        }
        lift
    }
}
