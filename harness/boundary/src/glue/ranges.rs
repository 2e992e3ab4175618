//! Which numbers a parameter keeps: words of AssemblyScript's comments, what the glue's text does to it on its way, and
//! the type of the module's parameter where it arrives. Where the sign cannot be known, the range is both together.

use crate::api::{Kind, Operation, Range, Type};
use crate::glue::module::{Number, Shape};
use crate::glue::syntax::{self, SyntaxError};
use crate::package::{Package, PackageError, Surface};
use oxc_ast::ast::{
    Argument, AssignmentExpression, AssignmentTarget, BindingPattern, CallExpression, Class, ClassElement, Expression,
    FormalParameters, Function, FunctionBody, MethodDefinitionKind, ObjectProperty, Program, ReturnStatement,
    VariableDeclarator,
};
use oxc_ast_visit::{Visit, walk};
use oxc_syntax::operator::{BinaryOperator, UnaryOperator};
use oxc_syntax::scope::ScopeFlags;
use std::collections::BTreeMap;

/// Integer types by name: smallest, largest.
const INTEGERS: &[(&str, &str, &str)] = &[
    ("u8", "0", "255"),
    ("i8", "-128", "127"),
    ("u16", "0", "65535"),
    ("i16", "-32768", "32767"),
    ("u32", "0", "4294967295"),
    ("i32", "-2147483648", "2147483647"),
    ("usize", "0", "4294967295"),
    ("isize", "-2147483648", "2147483647"),
    ("u64", "0", "18446744073709551615"),
    ("i64", "-9223372036854775808", "9223372036854775807"),
    ("16 bits", "-32768", "65535"),
    ("32 bits", "-2147483648", "4294967295"),
    ("64 bits", "-9223372036854775808", "18446744073709551615"),
    ("128 bits", "-170141183460469231731687303715884105728", "340282366920938463463374607431768211455"),
];
/// Names under which glue keeps the module's exports.
const EXPORTS: &[&str] = &["wasm", "exports", "wasmExports", "asm"];
/// What wasm-bindgen passes for an absent number of at most 16 bits.
const NONE_16: f64 = 16_777_215.0;

/// The range of an integer type named in a comment.
pub fn of_word(word: &str) -> Option<Range> {
    integer(word, &format!("declaration: `{word}`")).filter(|_| !word.contains(' '))
}

/// The range of an integer type.
pub fn integer(name: &str, source: &str) -> Option<Range> {
    let (_, min, max) = INTEGERS.iter().find(|(known, ..)| *known == name)?;
    Some(Range { min: (*min).to_owned(), max: (*max).to_owned(), integer: true, source: source.to_owned() })
}

/// What a parameter of the module keeps where nobody knows its sign: the signed and the unsigned range together, so
/// that nothing outside is ever right. Floating-point numbers take everything.
pub fn unsigned_or_signed(number: Number, source: &str) -> Option<Range> {
    let (name, ty) = match number {
        Number::I32 => ("32 bits", "i32"),
        Number::I64 => ("64 bits", "i64"),
        Number::F32 | Number::F64 | Number::Other => return None,
    };
    integer(name, &format!("{source}: {ty}, signed or unsigned"))
}

/// Puts ranges where the declarations say none, and finds methods that take their object over.
pub fn fill(surface: &mut Surface, package: &Package) -> Result<(), PackageError> {
    let mut bodies: BTreeMap<Key, Body> = BTreeMap::new();
    for script in package.scripts.iter().filter(|script| script.script.is_some()) {
        for (key, body) in read(&script.path, &script.text)? {
            // The entry's own comes before what it wraps.
            bodies.entry(key).or_insert(body);
        }
    }
    for operation in &mut surface.api.operations {
        apply(operation, &bodies, &package.shape);
    }
    Ok(())
}

fn read(file: &str, text: &str) -> Result<Vec<(Key, Body)>, SyntaxError> {
    syntax::read(file, text, |program: &Program<'_>| {
        let mut finder = Finder { found: Vec::new() };
        finder.visit_program(program);
        finder.found
    })
}

/// Class, property, and how it is called; functions and static methods are called alike.
type Key = (Option<String>, String, Which);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Which {
    Called,
    Read,
    Written,
}

/// What a function of the glue does with its parameters.
#[derive(Debug, Default)]
struct Body {
    passes: Vec<Pass>,
    consumes_this: bool,
    /// Whether its result is read with `>>> 0`.
    unsigned: bool,
}

/// A parameter on its way to the module.
#[derive(Debug, Clone, PartialEq)]
struct Pass {
    param: usize,
    export: String,
    at: usize,
    through: Through,
}

/// What happens to it on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Through {
    Nothing,
    /// `>>> 0`
    Unsigned32,
    /// `>> 0` or `| 0`
    Signed32,
    /// An option whose absent value leaves 16 bits for the others.
    Short,
    /// The upper half of a bigint.
    High,
}

fn apply(operation: &mut Operation, bodies: &BTreeMap<Key, Body>, module: &Shape) {
    let which = match operation.kind {
        Kind::Getter => Which::Read,
        Kind::Setter => Which::Written,
        _ => Which::Called,
    };
    let member = if operation.kind == Kind::Constructor { "constructor" } else { operation.member.as_str() };
    let key = |which| (operation.class.clone(), member.to_owned(), which);
    let functions = module.functions();
    let Some(body) = bodies.get(&key(which)) else {
        // Handed on from the module as it is.
        let name = operation.member.as_str();
        let export = functions.get(name).or_else(|| functions.get(name.strip_prefix('_')?));
        if let Some((params, _)) = export.filter(|(params, _)| params.len() == operation.params.len())
            && operation.kind == Kind::Function
        {
            for (param, number) in operation.params.iter_mut().zip(params.iter()) {
                if param.range.is_none() && takes_numbers(&param.ty) {
                    param.range = unsigned_or_signed(*number, "module");
                }
            }
        }
        return;
    };
    operation.consumes_this = body.consumes_this && operation.kind == Kind::Method;
    let getter = bodies.get(&key(Which::Read)).filter(|_| operation.kind == Kind::Setter);
    for (at, param) in operation.params.iter_mut().enumerate() {
        if param.range.is_some() || !takes_numbers(&param.ty) {
            continue;
        }
        let passes: Vec<&Pass> = body.passes.iter().filter(|pass| pass.param == at).collect();
        let halves = passes.iter().any(|pass| pass.through == Through::High);
        param.range = passes.iter().find_map(|pass| {
            let number = *functions.get(pass.export.as_str())?.0.get(pass.at)?;
            range(number, pass.through, halves, getter)
        });
    }
}

fn range(number: Number, through: Through, halves: bool, getter: Option<&Body>) -> Option<Range> {
    match (number, through) {
        (Number::I64, _) if halves => integer("128 bits", "glue: two i64, signed or unsigned"),
        (Number::I32 | Number::F64, Through::Unsigned32) => integer("u32", "glue: >>> 0"),
        (Number::I32 | Number::F64, Through::Signed32) => integer("i32", "glue: >> 0"),
        (Number::I32 | Number::F64, Through::Short) => integer("16 bits", "glue: an option of at most 16 bits"),
        (Number::I32, Through::Nothing) => match getter {
            Some(getter) if getter.unsigned => integer("u32", "glue: its getter reads >>> 0"),
            Some(_) => integer("i32", "glue: its getter reads without >>> 0"),
            None => unsigned_or_signed(number, "glue and module"),
        },
        (Number::I64, _) => unsigned_or_signed(number, "glue and module"),
        _ => None,
    }
}

/// Whether a number or a bigint is among what a parameter takes.
fn takes_numbers(ty: &Type) -> bool {
    match ty {
        Type::Number | Type::Bigint => true,
        Type::Union(parts) => parts.iter().any(takes_numbers),
        _ => false,
    }
}

/// Finds functions and methods, wherever they stand.
struct Finder {
    found: Vec<(Key, Body)>,
}

impl Finder {
    fn body(
        &mut self,
        class: Option<String>,
        name: &str,
        which: Which,
        params: &FormalParameters<'_>,
        body: &FunctionBody<'_>,
    ) {
        let mut names = BTreeMap::new();
        for (at, param) in params.items.iter().enumerate() {
            if let BindingPattern::BindingIdentifier(id) = &param.pattern {
                names.insert(id.name.to_string(), (at, Through::Nothing));
            }
        }
        let mut tracer = Tracer { names, body: Body::default() };
        for statement in &body.statements {
            tracer.visit_statement(statement);
        }
        self.found.push(((class, name.to_owned(), which), tracer.body));
    }
}

impl<'a> Visit<'a> for Finder {
    fn visit_function(&mut self, function: &Function<'a>, flags: ScopeFlags) {
        if let (Some(id), Some(body)) = (&function.id, &function.body) {
            self.body(None, &id.name, Which::Called, &function.params, body);
        }
        walk::walk_function(self, function, flags);
    }

    fn visit_class(&mut self, class: &Class<'a>) {
        let name = class.id.as_ref().map(|id| id.name.to_string());
        for element in &class.body.body {
            let ClassElement::MethodDefinition(method) = element else { continue };
            let Some(member) = method.key.static_name().filter(|_| !method.computed) else { continue };
            let which = match method.kind {
                MethodDefinitionKind::Get => Which::Read,
                MethodDefinitionKind::Set => Which::Written,
                _ => Which::Called,
            };
            if let Some(body) = &method.value.body {
                self.body(name.clone(), &member, which, &method.value.params, body);
            }
        }
        walk::walk_class(self, class);
    }

    fn visit_assignment_expression(&mut self, assignment: &AssignmentExpression<'a>) {
        if let (Some(member), Expression::FunctionExpression(function)) =
            (assignment.left.as_member_expression(), &assignment.right)
            && let (Some(name), Some(body)) = (member.static_property_name(), &function.body)
        {
            let object = member.object();
            if object.is_specific_id("exports") || object.is_specific_member_access("module", "exports") {
                self.body(None, name, Which::Called, &function.params, body);
            }
        }
        walk::walk_assignment_expression(self, assignment);
    }

    fn visit_variable_declarator(&mut self, declarator: &VariableDeclarator<'a>) {
        if let (BindingPattern::BindingIdentifier(id), Some(Expression::FunctionExpression(function))) =
            (&declarator.id, &declarator.init)
            && let Some(body) = &function.body
        {
            self.body(None, &id.name, Which::Called, &function.params, body);
        }
        walk::walk_variable_declarator(self, declarator);
    }

    fn visit_object_property(&mut self, property: &ObjectProperty<'a>) {
        // AssemblyScript's adapted exports. Names that begin with underscores are imports.
        if let Expression::FunctionExpression(function) = &property.value
            && property.method
            && let (Some(name), Some(body)) = (property.key.static_name(), &function.body)
            && !name.starts_with("__")
        {
            self.body(None, &name, Which::Called, &function.params, body);
        }
        walk::walk_object_property(self, property);
    }
}

/// Follows parameters through one body. What is inside of a function within it counts too: `try` and callbacks.
struct Tracer {
    names: BTreeMap<String, (usize, Through)>,
    body: Body,
}

impl Tracer {
    fn trace(&self, expression: &Expression<'_>) -> Option<(usize, Through)> {
        match expression.get_inner_expression() {
            Expression::Identifier(name) => self.names.get(name.name.as_str()).copied(),
            Expression::UnaryExpression(unary) if unary.operator == UnaryOperator::UnaryPlus => {
                self.trace(&unary.argument)
            }
            Expression::BinaryExpression(binary) => {
                let (param, through) = self.trace(&binary.left)?;
                let zero = matches!(&binary.right, Expression::NumericLiteral(number) if number.value == 0.0);
                match binary.operator {
                    BinaryOperator::ShiftRightZeroFill if zero => Some((param, Through::Unsigned32)),
                    BinaryOperator::ShiftRight | BinaryOperator::BitwiseOR if zero => Some((param, Through::Signed32)),
                    BinaryOperator::ShiftRight if through == Through::Nothing => {
                        matches!(&binary.right, Expression::CallExpression(_)).then_some((param, Through::High))
                    }
                    _ => None,
                }
            }
            // `a || 0n`
            Expression::LogicalExpression(logical) => self.trace(&logical.left),
            Expression::CallExpression(call) if is_wrap(call) => {
                call.arguments.get(1).and_then(Argument::as_expression).and_then(|inner| self.trace(inner))
            }
            Expression::ConditionalExpression(choice) => {
                let (none, some) = match none_first(&choice.test)? {
                    true => (&choice.consequent, &choice.alternate),
                    false => (&choice.alternate, &choice.consequent),
                };
                let (param, through) = self.trace(some)?;
                match none {
                    Expression::NumericLiteral(number) if number.value == NONE_16 => {
                        (through == Through::Nothing).then_some((param, Through::Short))
                    }
                    _ => Some((param, through)),
                }
            }
            _ => None,
        }
    }
}

/// Whether `isLikeNone(x)` is asked, and not its opposite.
fn none_first(test: &Expression<'_>) -> Option<bool> {
    match test.get_inner_expression() {
        Expression::CallExpression(call) => call.callee.is_specific_id("isLikeNone").then_some(true),
        Expression::UnaryExpression(unary) if unary.operator == UnaryOperator::LogicalNot => match &unary.argument {
            Expression::CallExpression(call) => call.callee.is_specific_id("isLikeNone").then_some(false),
            _ => None,
        },
        _ => None,
    }
}

/// `BigInt.asIntN(64, x)` and `BigInt.asUintN(64, x)`.
fn is_wrap(call: &CallExpression<'_>) -> bool {
    ["asIntN", "asUintN"].iter().any(|name| call.callee.is_specific_member_access("BigInt", name))
}

impl<'a> Visit<'a> for Tracer {
    fn visit_variable_declarator(&mut self, declarator: &VariableDeclarator<'a>) {
        walk::walk_variable_declarator(self, declarator);
        if let (BindingPattern::BindingIdentifier(id), Some(init)) = (&declarator.id, &declarator.init) {
            match self.trace(init) {
                Some(traced) => drop(self.names.insert(id.name.to_string(), traced)),
                None => drop(self.names.remove(id.name.as_str())),
            }
        }
    }

    fn visit_assignment_expression(&mut self, assignment: &AssignmentExpression<'a>) {
        walk::walk_assignment_expression(self, assignment);
        if let AssignmentTarget::AssignmentTargetIdentifier(name) = &assignment.left {
            match self.trace(&assignment.right) {
                Some(traced) => drop(self.names.insert(name.name.to_string(), traced)),
                None => drop(self.names.remove(name.name.as_str())),
            }
        }
    }

    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        if let Some(member) = call.callee.as_member_expression()
            && let Some(name) = member.static_property_name()
        {
            let object = member.object();
            self.body.consumes_this |= name == "__destroy_into_raw" && matches!(object, Expression::ThisExpression(_));
            let is_module = EXPORTS.iter().any(|known| object.is_specific_id(known))
                || object.as_member_expression().and_then(|inner| inner.static_property_name()) == Some("exports");
            if is_module {
                for (at, argument) in call.arguments.iter().enumerate() {
                    if let Some((param, through)) = argument.as_expression().and_then(|inner| self.trace(inner)) {
                        self.body.passes.push(Pass { param, export: name.to_owned(), at, through });
                    }
                }
            }
        }
        walk::walk_call_expression(self, call);
    }

    fn visit_return_statement(&mut self, returned: &ReturnStatement<'a>) {
        if let Some(Expression::BinaryExpression(binary)) = &returned.argument {
            self.body.unsigned |= binary.operator == BinaryOperator::ShiftRightZeroFill;
        }
        walk::walk_return_statement(self, returned);
    }
}

#[cfg(test)]
mod tests {
    use crate::package::Package;

    const MODULE: &str = r#"(module
        (func (export "add") (param i32 i32) (result i32) i32.const 0)
        (func (export "opt") (param f64 i32 i32 f64 i32 i64 i32 f64) (result f64) f64.const 0)
        (func (export "big") (param i64 i64 i64) (result i64) i64.const 0)
        (func (export "text") (param i32 i32 i32 f32))
        (func (export "__wbg_set_store_count") (param i32 i32))
        (func (export "__wbg_set_store_level") (param i32 i32))
        (func (export "store_new") (param i32) (result i32) i32.const 0)
        (func (export "store_set") (param i32 i32 i32 f64) (result i32) i32.const 0)
        (func (export "raw") (param i32 i64)))"#;
    const GLUE: &str = "
        export class Store {
            free() { const ptr = this.__destroy_into_raw(); wasm.__wbg_store_free(ptr, 0); }
            get count() { const ret = wasm.__wbg_get_store_count(this.__wbg_ptr); return ret >>> 0; }
            set count(arg0) { wasm.__wbg_set_store_count(this.__wbg_ptr, arg0); }
            get level() { const ret = wasm.__wbg_get_store_level(this.__wbg_ptr); return ret; }
            set level(arg0) { wasm.__wbg_set_store_level(this.__wbg_ptr, arg0); }
            constructor(n) { const ret = wasm.store_new(n); this.__wbg_ptr = ret; return this; }
            finish() { try { const ptr = this.__destroy_into_raw(); return f(wasm.store_finish(ptr)); } finally { g(); } }
            set(k, v) {
                const val2 = +v;
                const ptr0 = passStringToWasm0(k, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
                const ret = wasm.store_set(this.__wbg_ptr, ptr0, len0, val2);
                return ret >>> 0;
            }
        }
        export function add(a, b) { const ret = wasm.add(a, b); return ret >>> 0; }
        export function opt(a, b, c, d, e) {
            const val2 = +(isLikeNone(a) ? Number.MAX_SAFE_INTEGER : (a) >>> 0);
            const val3 = +(isLikeNone(c) ? 0 : c);
            const val4 = BigInt.asIntN(64, (isLikeNone(d) ? BigInt(0) : d));
            const val5 = isLikeNone(e) ? 0xFFFFFF : e;
            const ret = wasm.opt(val2, val5, !isLikeNone(c), val3, !isLikeNone(d), val4, isLikeNone(b) ? 0xFFFFFF : b ? 1 : 0, 0);
            return ret;
        }
        export function big(a, b) { const ret = wasm.big(a, a >> BigInt(64), BigInt.asUintN(64, b)); return ret; }
        export function text(s, n, x) {
            const ptr0 = passStringToWasm0(s, wasm.__wbindgen_malloc);
            s = n; n = compute(n);
            wasm.text(ptr0, len0, n, x);
        }
        function __wbg_get_imports() {}
        export default async function __wbg_init() { new URL('pkg_bg.wasm', import.meta.url); WebAssembly; }";
    const DECLARATIONS: &str = "
        export class Store {
            free(): void; constructor(n: number); finish(): string; set(k: string, v: number): number;
            count: number; level: number;
        }
        export function add(a: number, b: boolean): number;
        export function opt(a?: number, b?: boolean, c?: number, d?: bigint | null, e?: number): number | undefined;
        export function big(a: bigint, b: bigint): bigint;
        export function text(s: string, n: number, x: number): void;
        export function raw(a: number, b: bigint): void;";

    #[test]
    fn what_the_glue_does_to_a_number_is_its_range() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pkg_bg.wasm"), wat::parse_str(MODULE).unwrap()).unwrap();
        std::fs::write(folder.path().join("pkg.js"), GLUE).unwrap();
        std::fs::write(folder.path().join("pkg.d.ts"), DECLARATIONS).unwrap();
        let surface = Package::open(folder.path()).unwrap().api().unwrap();
        let mut lines = Vec::new();
        for operation in &surface.api.operations {
            for param in &operation.params {
                let range = param.range.as_ref().map(|range| format!("{}..{} {}", range.min, range.max, range.source));
                lines.push(format!("{} {}: {}", operation.name, param.name, range.unwrap_or_default()));
            }
        }
        let both = "-2147483648..4294967295 glue and module: i32, signed or unsigned";
        let long = "-9223372036854775808..18446744073709551615";
        let expected = [
            format!("Store.new n: {both}"),
            "Store.set k: ".to_owned(),
            "Store.set v: ".to_owned(),
            "Store.count= value: 0..4294967295 glue: its getter reads >>> 0".to_owned(),
            "Store.level= value: -2147483648..2147483647 glue: its getter reads without >>> 0".to_owned(),
            format!("add a: {both}"),
            "add b: ".to_owned(),
            "opt a: 0..4294967295 glue: >>> 0".to_owned(),
            "opt b: ".to_owned(),
            "opt c: ".to_owned(),
            format!("opt d: {long} glue and module: i64, signed or unsigned"),
            "opt e: -32768..65535 glue: an option of at most 16 bits".to_owned(),
            "big a: -170141183460469231731687303715884105728..340282366920938463463374607431768211455 glue: two i64, signed or unsigned".to_owned(),
            format!("big b: {long} glue and module: i64, signed or unsigned"),
            "text s: ".to_owned(),
            // Computed on the way, and a single-precision number.
            "text n: ".to_owned(),
            "text x: ".to_owned(),
            "raw a: -2147483648..4294967295 module: i32, signed or unsigned".to_owned(),
            format!("raw b: {long} module: i64, signed or unsigned"),
        ];
        assert_eq!(lines, expected);
        let consuming = surface.api.operations.iter().filter(|operation| operation.consumes_this);
        assert_eq!(consuming.map(|operation| operation.name.as_str()).collect::<Vec<_>>(), ["Store.finish"]);
    }
}
