//! What scripts export, where no declarations say it: names and numbers of parameters, no types.

use crate::api::{Api, Kind, Operation, Param, Type, id};
use crate::glue::module::Shape;
use crate::glue::syntax::{self, SyntaxError};
use crate::glue::{declarations, ranges};
use crate::package::{ScriptFile, join};
use crate::wire::Glue;
use oxc_ast::ast::{
    AssignmentExpression, BindingPattern, Class, ClassElement, Declaration, ExportDefaultDeclarationKind, Expression,
    FormalParameters, MethodDefinitionKind, ObjectPropertyKind, Program, Statement,
};
use oxc_ast_visit::{Visit, walk};
use std::collections::BTreeMap;

/// Scripts that hand on each other's exports.
const STEPS_MAX: usize = 16;

/// A value that is declared or exported.
#[derive(Debug, Clone)]
enum Value {
    /// Names of its parameters; a rest parameter begins with dots.
    Function(Vec<String>),
    Class(Vec<(Kind, String, Vec<String>)>),
    /// Another name of the script.
    Alias(String),
    /// `import { name } from "file"`
    Import(String, String),
    Other,
}

#[derive(Debug, Default)]
struct Table {
    declared: BTreeMap<String, Value>,
    /// In order: name outside, value.
    exported: Vec<(String, Value)>,
    /// `export * from`
    all: Vec<String>,
    /// Names that Emscripten puts on its module.
    module: Vec<String>,
}

/// The entry's exports; for Emscripten what the factory puts on the module's object.
pub fn of(scripts: &[ScriptFile], glue: Glue, module: &Shape) -> Result<(Api, Vec<String>), SyntaxError> {
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    for script in scripts.iter().filter(|script| script.script.is_some()) {
        tables.insert(script.path.clone(), syntax::read(&script.path, &script.text, read)?);
    }
    let mut operations = Vec::new();
    let mut notes = Vec::new();
    let Some(entry) = scripts.first() else { return Ok((Api::default(), notes)) };
    match glue {
        Glue::Emscripten => {
            let names = tables.get(&entry.path).map(|table| table.module.as_slice()).unwrap_or_default();
            let marks = ["embind_init_charCodes", "_embind_register_function", "__embind_register_function"];
            let has_embind = entry.script.as_ref().is_some_and(|script| script.has(&marks));
            emscripten(names, has_embind, module, &mut operations, &mut notes);
        }
        _ => {
            for (name, value) in exported(&tables, &entry.path, 0) {
                push(&name, &value, module, &mut operations);
            }
        }
    }
    if operations.is_empty() {
        notes.push(format!(
            "{} exports nothing that can be called as far as its text says: name declarations as `declarations` in \
             boundary.toml",
            entry.path
        ));
    }
    Ok((Api { operations }, notes))
}

fn emscripten(
    names: &[String],
    has_embind: bool,
    module: &Shape,
    operations: &mut Vec<Operation>,
    notes: &mut Vec<String>,
) {
    if has_embind || module.imports.iter().any(|import| import.name.contains("embind")) {
        notes.push(
            "embind's functions and classes are registered at run time and are not in the text: build with --emit-tsd \
             and name the file as `declarations` in boundary.toml"
                .to_owned(),
        );
    }
    let functions = module.functions();
    for name in names.iter().filter(|name| !declarations::is_runtime(name)) {
        let Some((params, results)) =
            functions.get(name.trim_start_matches('_')).or_else(|| functions.get(name.as_str()))
        else {
            continue;
        };
        let params = params.iter().enumerate().map(|(at, number)| Param {
            name: format!("p{at}"),
            ty: Type::Number,
            optional: false,
            range: ranges::unsigned_or_signed(*number, "module"),
        });
        let result = if results.is_empty() { Type::Undefined } else { Type::Number };
        let operation = Operation {
            id: id(name),
            name: name.clone(),
            kind: Kind::Function,
            class: None,
            member: name.clone(),
            params: params.collect(),
            result,
            consumes_this: false,
        };
        declarations::add(operations, operation);
    }
}

fn exported(tables: &BTreeMap<String, Table>, file: &str, steps: usize) -> Vec<(String, Value)> {
    let Some(table) = tables.get(file).filter(|_| steps < STEPS_MAX) else { return Vec::new() };
    let mut all: Vec<(String, Value)> = Vec::new();
    for (name, value) in &table.exported {
        all.push((name.clone(), resolved(tables, file, value, steps)));
    }
    for from in &table.all {
        let inner = found(tables, file, from).map(|other| exported(tables, &other, steps + 1)).unwrap_or_default();
        all.extend(inner.into_iter().filter(|(name, _)| name != "default"));
    }
    all
}

fn resolved(tables: &BTreeMap<String, Table>, file: &str, value: &Value, steps: usize) -> Value {
    if steps > STEPS_MAX {
        return Value::Other;
    }
    match value {
        Value::Alias(name) => match tables.get(file).and_then(|table| table.declared.get(name)) {
            Some(inner) => resolved(tables, file, inner, steps + 1),
            None => Value::Other,
        },
        Value::Import(from, name) => {
            let Some(other) = found(tables, file, from) else { return Value::Other };
            let Some(table) = tables.get(&other) else { return Value::Other };
            match table.exported.iter().find(|(known, _)| known == name) {
                Some((_, inner)) => resolved(tables, &other, inner, steps + 1),
                None => Value::Other,
            }
        }
        known => known.clone(),
    }
}

fn found(tables: &BTreeMap<String, Table>, from: &str, specifier: &str) -> Option<String> {
    let path = join(from, specifier)?;
    let ends = ["", ".js", ".mjs", ".cjs", "/index.js"];
    ends.iter().map(|end| format!("{path}{end}")).find(|name| tables.contains_key(name))
}

fn push(outside: &str, value: &Value, module: &Shape, operations: &mut Vec<Operation>) {
    if declarations::is_plumbing(outside) || outside.starts_with("__") {
        return;
    }
    let params = |names: &[String]| -> Vec<Param> {
        let param = |name: &String| Param { name: name.clone(), ty: Type::Any, optional: true, range: None };
        names.iter().map(param).collect()
    };
    let mut operation = |kind: Kind, class: Option<&str>, member: &str, given: Vec<Param>, result: Type| {
        let name = match (kind, class) {
            (Kind::Constructor, Some(class)) => format!("{class}.new"),
            (Kind::Setter, Some(class)) => format!("{class}.{member}="),
            (_, Some(class)) => format!("{class}.{member}"),
            (_, None) => member.to_owned(),
        };
        let class = class.map(str::to_owned);
        let (member, id) = (member.to_owned(), id(&name));
        declarations::add(
            operations,
            Operation { id, name, kind, class, member, params: given, result, consumes_this: false },
        );
    };
    match value {
        Value::Function(names) => operation(Kind::Function, None, outside, params(names), Type::Any),
        Value::Class(members) => {
            for (kind, member, names) in members {
                match kind {
                    Kind::Constructor => {
                        let made = Type::Object(outside.to_owned());
                        operation(*kind, Some(outside), outside, params(names), made);
                    }
                    _ => operation(*kind, Some(outside), member, params(names), Type::Any),
                }
            }
        }
        // Handed on from the module itself.
        _ => {
            if let Some((given, results)) = module.functions().get(outside) {
                let given = given.iter().enumerate().map(|(at, number)| Param {
                    name: format!("p{at}"),
                    ty: Type::Any,
                    optional: true,
                    range: ranges::unsigned_or_signed(*number, "module"),
                });
                let result = if results.is_empty() { Type::Undefined } else { Type::Any };
                operation(Kind::Function, None, outside, given.collect(), result);
            }
        }
    }
}

fn read(program: &Program<'_>) -> Table {
    let mut table = Table::default();
    for statement in &program.body {
        top(statement, &mut table);
    }
    Assignments { table: &mut table }.visit_program(program);
    table
}

fn top(statement: &Statement<'_>, table: &mut Table) {
    match statement {
        Statement::ImportDeclaration(import) => {
            use oxc_ast::ast::ImportDeclarationSpecifier as Specifier;
            for one in import.specifiers.iter().flatten() {
                let (local, imported) = match one {
                    Specifier::ImportSpecifier(one) => (&one.local, one.imported.name().to_string()),
                    Specifier::ImportDefaultSpecifier(one) => (&one.local, "default".to_owned()),
                    Specifier::ImportNamespaceSpecifier(one) => (&one.local, "*".to_owned()),
                };
                let value = Value::Import(import.source.value.to_string(), imported);
                table.declared.insert(local.name.to_string(), value);
            }
        }
        Statement::ExportDeclaration(export) => {
            for name in declare(&export.declaration, table) {
                table.exported.push((name.clone(), Value::Alias(name)));
            }
        }
        Statement::ExportNamedDeclaration(named) => {
            let specifiers = named.specifiers.iter().filter(|one| !declarations::is_plumbing(&one.local.name()));
            for one in specifiers {
                table.exported.push((one.exported.name().to_string(), Value::Alias(one.local.name().to_string())));
            }
        }
        Statement::ExportFromDeclaration(from) => {
            for one in &from.specifiers {
                let value = Value::Import(from.source.value.to_string(), one.local.name().to_string());
                table.exported.push((one.exported.name().to_string(), value));
            }
        }
        Statement::ExportAllDeclaration(all) if all.exported.is_none() => {
            table.all.push(all.source.value.to_string());
        }
        Statement::ExportDefaultDeclaration(default) => {
            let value = match &default.declaration {
                ExportDefaultDeclarationKind::FunctionDeclaration(function) => {
                    // `__wbg_init` has a name only inside.
                    let name = function.id.as_ref().map(|id| id.name.to_string()).unwrap_or_default();
                    if declarations::is_plumbing(&name) {
                        return;
                    }
                    Value::Function(names(&function.params))
                }
                ExportDefaultDeclarationKind::ClassDeclaration(class) => Value::Class(members(class)),
                ExportDefaultDeclarationKind::Identifier(name) if declarations::is_plumbing(&name.name) => return,
                other => other.as_expression().map_or(Value::Other, value),
            };
            table.exported.push(("default".to_owned(), value));
        }
        Statement::ExpressionStatement(statement) => universal(&statement.expression, table),
        other => {
            if let Some(declaration) = other.as_declaration() {
                declare(declaration, table);
            }
        }
    }
}

fn declare(declaration: &Declaration<'_>, table: &mut Table) -> Vec<String> {
    let mut declared = Vec::new();
    match declaration {
        Declaration::FunctionDeclaration(function) => {
            if let Some(id) = &function.id {
                declared.push((id.name.to_string(), Value::Function(names(&function.params))));
            }
        }
        Declaration::ClassDeclaration(class) => {
            if let Some(id) = &class.id {
                declared.push((id.name.to_string(), Value::Class(members(class))));
            }
        }
        Declaration::VariableDeclaration(variables) => {
            for one in &variables.declarations {
                match &one.id {
                    BindingPattern::BindingIdentifier(id) => {
                        declared.push((id.name.to_string(), one.init.as_ref().map_or(Value::Other, value)));
                    }
                    BindingPattern::ObjectPattern(pattern) => {
                        let keys = pattern.properties.iter().filter_map(|property| match &property.value {
                            BindingPattern::BindingIdentifier(id) => Some(id.name.to_string()),
                            _ => None,
                        });
                        declared.extend(keys.map(|name| (name, Value::Other)));
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
    let names = declared.iter().map(|(name, _)| name.clone()).collect();
    table.declared.extend(declared);
    names
}

fn value(expression: &Expression<'_>) -> Value {
    match expression {
        Expression::FunctionExpression(function) => Value::Function(names(&function.params)),
        Expression::ArrowFunctionExpression(function) => Value::Function(names(&function.params)),
        Expression::ClassExpression(class) => Value::Class(members(class)),
        Expression::Identifier(name) => Value::Alias(name.name.to_string()),
        _ => Value::Other,
    }
}

fn names(params: &FormalParameters<'_>) -> Vec<String> {
    let named = |at: usize, pattern: &BindingPattern<'_>| match pattern {
        BindingPattern::BindingIdentifier(id) => id.name.to_string(),
        _ => format!("arg{at}"),
    };
    let mut all: Vec<String> = params.items.iter().enumerate().map(|(at, param)| named(at, &param.pattern)).collect();
    all.extend(params.rest.as_ref().map(|_| "...rest".to_owned()));
    all
}

fn members(class: &Class<'_>) -> Vec<(Kind, String, Vec<String>)> {
    let mut all = Vec::new();
    let mut has_new = false;
    let mut is_bindgen = false;
    for element in &class.body.body {
        let ClassElement::MethodDefinition(method) = element else { continue };
        let Some(name) = method.key.static_name().filter(|_| !method.computed).map(|name| name.into_owned()) else {
            continue;
        };
        is_bindgen |= name == "__destroy_into_raw";
        let is_private = matches!(&method.key, oxc_ast::ast::PropertyKey::PrivateIdentifier(_));
        if is_private || name.starts_with('_') || matches!(name.as_str(), "free" | "delete") {
            continue;
        }
        let kind = match method.kind {
            MethodDefinitionKind::Constructor => Kind::Constructor,
            MethodDefinitionKind::Get if !method.r#static => Kind::Getter,
            MethodDefinitionKind::Set if !method.r#static => Kind::Setter,
            MethodDefinitionKind::Method if method.r#static => Kind::Static,
            MethodDefinitionKind::Method => Kind::Method,
            _ => continue,
        };
        has_new |= kind == Kind::Constructor;
        all.push((kind, name, names(&method.value.params)));
    }
    if !has_new && !is_bindgen {
        all.insert(0, (Kind::Constructor, "constructor".to_owned(), Vec::new()));
    }
    all
}

/// What the last argument of `(function (root, factory) { … module.exports = factory() … })(this, function () { … })`
/// returns.
fn universal(expression: &Expression<'_>, table: &mut Table) {
    let call = match expression.get_inner_expression() {
        Expression::CallExpression(call) => call,
        Expression::UnaryExpression(unary) => match unary.argument.get_inner_expression() {
            Expression::CallExpression(call) => call,
            _ => return,
        },
        _ => return,
    };
    if !matches!(
        call.callee.get_inner_expression(),
        Expression::FunctionExpression(_) | Expression::ArrowFunctionExpression(_)
    ) {
        return;
    }
    let Some(oxc_ast::ast::Argument::FunctionExpression(factory)) = call.arguments.last() else { return };
    let Some(body) = &factory.body else { return };
    let mut inner = Table::default();
    for statement in &body.statements {
        if let Statement::ReturnStatement(returned) = statement
            && let Some(Expression::ObjectExpression(object)) = &returned.argument
        {
            for property in &object.properties {
                let ObjectPropertyKind::ObjectProperty(property) = property else { continue };
                if let Some(name) = property.key.static_name() {
                    inner.exported.push((name.into_owned(), value(&property.value)));
                }
            }
        } else if let Some(declaration) = statement.as_declaration() {
            declare(declaration, &mut inner);
        }
    }
    for (name, value) in inner.exported {
        let value = match value {
            Value::Alias(alias) => inner.declared.get(&alias).cloned().unwrap_or(Value::Other),
            other => other,
        };
        table.exported.push((name, value));
    }
}

/// Finds `exports.x = …`, `module.exports = …` and `Module["_x"] = …`, wherever they stand.
struct Assignments<'t> {
    table: &'t mut Table,
}

impl Assignments<'_> {
    fn export(&mut self, name: &str, value: Value) {
        if !self.table.exported.iter().any(|(known, _)| known == name) {
            self.table.exported.push((name.to_owned(), value));
        }
    }

    fn all(&mut self, right: &Expression<'_>) {
        match right {
            Expression::ObjectExpression(object) => {
                for property in &object.properties {
                    let ObjectPropertyKind::ObjectProperty(property) = property else { continue };
                    if let Some(name) = property.key.static_name() {
                        self.export(&name, value(&property.value));
                    }
                }
            }
            other => self.export("default", value(other)),
        }
    }
}

impl<'a> Visit<'a> for Assignments<'_> {
    fn visit_assignment_expression(&mut self, assignment: &AssignmentExpression<'a>) {
        if let Some(member) = assignment.left.as_member_expression()
            && let Some(name) = member.static_property_name()
        {
            let object = member.object();
            let is_exports = object.is_specific_id("exports") || object.is_specific_member_access("module", "exports");
            if object.is_specific_id("module") && name == "exports" {
                self.all(&assignment.right);
            } else if is_exports && name != "default" && name != "__esModule" {
                self.export(name, value(&assignment.right));
            } else if object.is_specific_id("Module")
                && name.starts_with('_')
                && name.len() > 1
                && !self.table.module.iter().any(|known| known == name)
            {
                self.table.module.push(name.to_owned());
            }
        }
        walk::walk_assignment_expression(self, assignment);
    }
}
