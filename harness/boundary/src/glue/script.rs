//! What one script says about the package: what it imports, which module it loads, who generated it.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use oxc_ast::ast::{
    ArrayExpression, ArrayExpressionElement, AssignmentExpression, BindingIdentifier, BindingPattern, CallExpression,
    ExportAllDeclaration, ExportDeclaration, ExportDefaultDeclaration, ExportFromDeclaration, ExportNamedDeclaration,
    Expression, IdentifierName, IdentifierReference, ImportDeclaration, ImportExpression, ImportMeta, NewExpression,
    Program, Statement, StringLiteral, TemplateLiteral,
};
use oxc_ast_visit::{Visit, walk};
use std::collections::BTreeSet;

/// Names by which generators of glue are known.
const MARKS: &[&str] = &[
    "__wbg_get_imports",
    "__wbg_init",
    "__wbg_set_wasm",
    "__wbg_ptr",
    "initSync",
    "wasm_bindgen",
    "WebAssembly",
    "ENVIRONMENT_IS_NODE",
    "ENVIRONMENT_IS_WORKER",
    "moduleArg",
    "createWasm",
    "onRuntimeInitialized",
    "HEAPU8",
    "wasmMemory",
    "adaptedExports",
    "adaptedImports",
    "__liftString",
    "__lowerString",
    "__liftTypedArray",
    "__lowerTypedArray",
    "instantiate",
    "instantiateStreaming",
    "compileStreaming",
    "readFileSync",
    "Instance",
    "binaryDecode",
    "ASBind",
    "__embind_register_function",
    "_embind_register_function",
    "embind_init_charCodes",
];
/// Base64 of `\0asm` and the version's first byte.
const BASE64_MAGIC: &str = "AGFzbQ";

/// What a script says.
#[derive(Debug, Default, Clone)]
pub struct Script {
    /// Specifiers of static and literal imports and requires, of workers too; in order of appearance.
    pub imports: Vec<String>,
    /// Names of `.wasm` files that it mentions.
    pub modules: Vec<String>,
    /// Modules that it contains.
    pub inlined: Vec<Vec<u8>>,
    /// Which `MARKS` appear, and names that begin with `__wbindgen_` as that.
    pub marks: BTreeSet<String>,
    /// Whether it imports or exports as an ES module.
    pub is_module: bool,
    /// Whether it writes `exports` or `module.exports`.
    pub is_commonjs: bool,
    /// Whether it has a default export.
    pub has_default: bool,
    /// Whether it says `import.meta`.
    pub import_meta: bool,
    /// Names declared at the top.
    pub top: BTreeSet<String>,
    /// Whether `Module` is what another script left there: Emscripten without a factory.
    pub shares_module: bool,
    /// Whether `export const { … } = await …` is among its statements.
    pub awaits_exports: bool,
}

impl Script {
    /// Looks at a parsed script.
    pub fn of(program: &Program<'_>) -> Script {
        let mut finder = Finder { script: Script::default() };
        finder.visit_program(program);
        finder.script
    }

    /// Whether one of these names appears.
    pub fn has(&self, marks: &[&str]) -> bool {
        marks.iter().any(|mark| self.marks.contains(*mark))
    }
}

/// Bytes of a module that stands in a text as base64, with or without a `data:` address.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let base64 = match text.strip_prefix("data:") {
        Some(rest) => rest.split_once(";base64,")?.1,
        None => text,
    };
    if !base64.starts_with(BASE64_MAGIC) {
        return None;
    }
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&STANDARD, lenient).decode(base64.trim()).ok()
}

/// Emscripten's other way: one character per byte, U+0100 for zero.
fn decode_characters(text: &str) -> Option<Vec<u8>> {
    if !text.starts_with("\u{100}asm") && !text.starts_with("\0asm") {
        return None;
    }
    text.chars()
        .map(|character| u16::try_from(u32::from(character)).ok().filter(|c| *c <= 0x100).map(|c| c as u8))
        .collect()
}

struct Finder {
    script: Script,
}

impl Finder {
    fn text(&mut self, text: &str) {
        if let Some(bytes) = decode(text).or_else(|| decode_characters(text)) {
            if !self.script.inlined.contains(&bytes) {
                self.script.inlined.push(bytes);
            }
        } else {
            self.module(text);
        }
    }

    fn module(&mut self, text: &str) {
        let path = text.split(['?', '#']).next().unwrap_or_default();
        let is_name = path.ends_with(".wasm") && path.len() > 5 && path.len() <= 256 && !path.contains(['\n', '*']);
        if is_name && !self.script.modules.iter().any(|known| known == path) {
            self.script.modules.push(path.to_owned());
        }
    }

    fn import(&mut self, specifier: &str) {
        if !self.script.imports.iter().any(|known| known == specifier) && specifier.len() <= 512 {
            self.script.imports.push(specifier.to_owned());
        }
    }

    fn mark(&mut self, name: &str) {
        if MARKS.contains(&name) {
            self.script.marks.insert(name.to_owned());
        } else if name.starts_with("__wbindgen_") {
            self.script.marks.insert("__wbindgen_".to_owned());
        }
    }
}

impl<'a> Visit<'a> for Finder {
    fn visit_program(&mut self, program: &Program<'a>) {
        for statement in &program.body {
            let declared: Option<&oxc_ast::ast::Declaration<'a>> = match statement {
                Statement::ExportDeclaration(export) => Some(&export.declaration),
                other => other.as_declaration(),
            };
            match declared {
                Some(oxc_ast::ast::Declaration::FunctionDeclaration(function)) => {
                    self.script.top.extend(function.id.as_ref().map(|id| id.name.to_string()));
                }
                Some(oxc_ast::ast::Declaration::VariableDeclaration(variables)) => {
                    for one in &variables.declarations {
                        if let BindingPattern::BindingIdentifier(id) = &one.id {
                            self.script.top.insert(id.name.to_string());
                            let conditional = matches!(
                                &one.init,
                                Some(Expression::ConditionalExpression(_) | Expression::LogicalExpression(_))
                            );
                            self.script.shares_module |= id.name == "Module" && conditional;
                        }
                        let is_await = matches!(&one.init, Some(Expression::AwaitExpression(_)));
                        let is_export = matches!(statement, Statement::ExportDeclaration(_));
                        let is_pattern = matches!(&one.id, BindingPattern::ObjectPattern(_));
                        self.script.awaits_exports |= is_await && is_export && is_pattern;
                    }
                }
                _ => {}
            }
        }
        walk::walk_program(self, program);
    }

    fn visit_import_declaration(&mut self, import: &ImportDeclaration<'a>) {
        self.script.is_module = true;
        self.import(&import.source.value);
        walk::walk_import_declaration(self, import);
    }

    fn visit_export_all_declaration(&mut self, export: &ExportAllDeclaration<'a>) {
        self.script.is_module = true;
        self.import(&export.source.value);
    }

    fn visit_export_from_declaration(&mut self, export: &ExportFromDeclaration<'a>) {
        self.script.is_module = true;
        self.script.has_default |= export.specifiers.iter().any(|one| one.exported.name() == "default");
        self.import(&export.source.value);
    }

    fn visit_export_named_declaration(&mut self, export: &ExportNamedDeclaration<'a>) {
        self.script.is_module = true;
        self.script.has_default |= export.specifiers.iter().any(|one| one.exported.name() == "default");
        walk::walk_export_named_declaration(self, export);
    }

    fn visit_export_declaration(&mut self, export: &ExportDeclaration<'a>) {
        self.script.is_module = true;
        walk::walk_export_declaration(self, export);
    }

    fn visit_export_default_declaration(&mut self, export: &ExportDefaultDeclaration<'a>) {
        self.script.is_module = true;
        self.script.has_default = true;
        walk::walk_export_default_declaration(self, export);
    }

    fn visit_import_expression(&mut self, import: &ImportExpression<'a>) {
        if let Expression::StringLiteral(literal) = &import.source {
            self.import(&literal.value);
        }
        walk::walk_import_expression(self, import);
    }

    fn visit_import_meta(&mut self, _: &ImportMeta) {
        self.script.import_meta = true;
    }

    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        if let Some(oxc_ast::ast::Argument::StringLiteral(literal)) = call.arguments.first()
            && call.callee.is_specific_id("require")
        {
            self.import(&literal.value);
        }
        walk::walk_call_expression(self, call);
    }

    fn visit_new_expression(&mut self, new: &NewExpression<'a>) {
        if let Some(oxc_ast::ast::Argument::StringLiteral(literal)) = new.arguments.first()
            && new.callee.is_specific_id("URL")
            && [".js", ".mjs", ".cjs"].iter().any(|end| literal.value.ends_with(end))
            && !literal.value.contains(':')
        {
            let relative = if literal.value.starts_with('.') { "" } else { "./" };
            self.import(&format!("{relative}{}", literal.value));
        }
        walk::walk_new_expression(self, new);
    }

    fn visit_assignment_expression(&mut self, assignment: &AssignmentExpression<'a>) {
        if let Some(member) = assignment.left.as_member_expression() {
            let object = member.object();
            let writes = object.is_specific_id("exports")
                || object.is_specific_id("module") && member.static_property_name() == Some("exports")
                || object.is_specific_member_access("module", "exports");
            self.script.is_commonjs |= writes;
        }
        walk::walk_assignment_expression(self, assignment);
    }

    fn visit_string_literal(&mut self, literal: &StringLiteral<'a>) {
        self.text(&literal.value);
    }

    fn visit_template_literal(&mut self, template: &TemplateLiteral<'a>) {
        if let Some(cooked) = template.quasis.last().and_then(|last| last.value.cooked) {
            match template.quasis.len() {
                1 => self.text(&cooked),
                _ => self.module(cooked.rsplit('/').next().unwrap_or_default()),
            }
        }
        walk::walk_template_literal(self, template);
    }

    fn visit_array_expression(&mut self, array: &ArrayExpression<'a>) {
        let byte = |element: &ArrayExpressionElement<'a>| match element {
            ArrayExpressionElement::NumericLiteral(number) if (0.0..256.0).contains(&number.value) => {
                Some(number.value as u8)
            }
            _ => None,
        };
        let head: Vec<u8> = array.elements.iter().take(4).filter_map(byte).collect();
        if head == b"\0asm" {
            let bytes: Option<Vec<u8>> = array.elements.iter().map(byte).collect();
            self.script.inlined.extend(bytes);
        } else {
            walk::walk_array_expression(self, array);
        }
    }

    fn visit_identifier_name(&mut self, name: &IdentifierName<'a>) {
        self.mark(&name.name);
    }

    fn visit_identifier_reference(&mut self, name: &IdentifierReference<'a>) {
        self.mark(&name.name);
    }

    fn visit_binding_identifier(&mut self, name: &BindingIdentifier<'a>) {
        self.mark(&name.name);
    }
}
