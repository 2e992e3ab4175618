//! One declaration file as a table: what it declares, exports and imports, with types as they are written.

use crate::api::Type;
use oxc_ast::ast::{
    BindingPattern, Class, ClassElement, Declaration, ExportDefaultDeclarationKind, Expression, FormalParameters,
    Function, ImportDeclarationSpecifier, MethodDefinitionKind, Program, PropertyKey, Statement, TSAccessibility,
    TSEnumDeclaration, TSLiteral, TSMethodSignatureKind, TSNamespaceDeclarationBody, TSSignature, TSTupleElement,
    TSType, TSTypeAnnotation, TSTypeName, TSTypeOperatorOperator, TSTypeQueryExprName,
};
use std::collections::{BTreeMap, BTreeSet};

/// Types within types that are read; what is deeper is [`Type::Any`].
const DEPTH_MAX: usize = 32;
/// Members of a type, and signatures of a function, that are read.
const MEMBERS_MAX: usize = 4_096;
const SIGNATURES_MAX: usize = 24;

/// What a file declares, in order.
#[derive(Debug, Default)]
pub struct Source {
    /// By name; what a namespace holds is `Namespace.name`.
    pub declared: Vec<(String, Declared)>,
    /// In order.
    pub exports: Vec<Export>,
    /// By local name: file, and the name there (`default`, `*` for all of it).
    pub imports: BTreeMap<String, (String, String)>,
    /// Places in `declared`, by name.
    pub by_name: BTreeMap<String, Vec<usize>>,
    /// First place in `declared` of a name within a namespace, by its last part.
    pub by_last: BTreeMap<String, usize>,
}

/// An export.
#[derive(Debug, PartialEq)]
pub enum Export {
    /// `export { local as exported }`, and what is declared with `export`.
    Local { local: String, exported: String },
    /// `export { imported as exported } from "file"`
    From { file: String, imported: String, exported: String },
    /// `export * from "file"`
    All { file: String },
    /// `export = local`
    Assign { local: String },
}

/// A declaration.
#[derive(Debug)]
pub enum Declared {
    Function(Vec<Signature>),
    Variable(Raw),
    Class(Vec<Member>, Option<Raw>),
    Interface(Vec<Member>, Vec<Raw>),
    Alias(Raw),
    Enum(Enum),
    Namespace,
}

/// An enum's values.
#[derive(Debug, Default)]
pub struct Enum {
    /// Numbers; none where one is computed.
    pub numbers: Vec<f64>,
    /// Whether some are strings.
    pub strings: bool,
    /// Whether some could not be read.
    pub unknown: bool,
}

/// Parameters and result of something that is called.
#[derive(Debug, Clone)]
pub struct Signature {
    pub params: Vec<RawParam>,
    pub result: Raw,
    /// Types that the comment names, by parameter: AssemblyScript's own.
    pub documented: BTreeMap<String, String>,
}

/// A parameter as it is written.
#[derive(Debug, Clone)]
pub struct RawParam {
    pub name: String,
    pub ty: Raw,
    pub optional: bool,
    pub rest: bool,
}

/// A member of a class, an interface or an object type.
#[derive(Debug, Clone)]
pub struct Member {
    pub name: String,
    pub is_static: bool,
    pub optional: bool,
    pub readonly: bool,
    pub private: bool,
    pub kind: MemberKind,
}

/// What kind of member.
#[derive(Debug, Clone)]
pub enum MemberKind {
    Property(Raw),
    Method(Signature),
    Get(Raw),
    Set(Raw),
    /// `constructor(…)` of a class, `new (…)` of an object type.
    Construct(Signature),
    /// `(…): T`
    Call(Signature),
}

/// A type as it is written.
#[derive(Debug, Clone)]
pub enum Raw {
    Known(Type),
    Named(String, Vec<Raw>),
    Array(Box<Raw>),
    Union(Vec<Raw>),
    Intersection(Vec<Raw>),
    Function(Box<Signature>),
    /// An object type's members.
    Literal(Vec<Member>),
    /// `typeof name`
    TypeOf(String),
    This,
}

const ANY: Raw = Raw::Known(Type::Any);

/// Reads a program that was parsed as declarations.
pub fn read(program: &Program<'_>) -> Source {
    let mut reader = Reader { source: Source::default(), documents: BTreeMap::new(), exported: BTreeSet::new() };
    for comment in program.comments.iter().filter(|comment| comment.is_block()) {
        let span = comment.content_span();
        let text = program.source_text.get(span.start as usize..span.end as usize).unwrap_or_default();
        let documented = documented(text);
        if !documented.is_empty() {
            reader.documents.insert(comment.attached_to, documented);
        }
    }
    for statement in &program.body {
        reader.statement(statement, "");
    }
    reader.source
}

/// Lines like "@param a `u32`" of a comment.
fn documented(comment: &str) -> BTreeMap<String, String> {
    let param = |line: &str| {
        let mut words = line.split_once("@param ")?.1.split_whitespace();
        let (name, ty) = (words.next()?, words.next()?);
        let ty = ty.strip_prefix('`')?.strip_suffix('`')?;
        Some((name.to_owned(), ty.to_owned()))
    };
    comment.lines().filter_map(param).collect()
}

struct Reader {
    source: Source,
    /// By the offset of what a comment stands before.
    documents: BTreeMap<u32, BTreeMap<String, String>>,
    exported: BTreeSet<(String, String)>,
}

impl Reader {
    fn declare(&mut self, within: &str, name: &str, declared: Declared) -> String {
        let full = if within.is_empty() { name.to_owned() } else { format!("{within}.{name}") };
        let places = self.source.by_name.entry(full.clone()).or_default();
        if let Declared::Function(more) = declared {
            for at in places.iter() {
                if let Declared::Function(signatures) = &mut self.source.declared[*at].1 {
                    let room = SIGNATURES_MAX.saturating_sub(signatures.len());
                    signatures.extend(more.into_iter().take(room));
                    return full;
                }
            }
            places.push(self.source.declared.len());
            self.source.declared.push((full.clone(), Declared::Function(more)));
        } else {
            places.push(self.source.declared.len());
            self.source.declared.push((full.clone(), declared));
        }
        if !within.is_empty() {
            self.source.by_last.entry(name.to_owned()).or_insert(self.source.declared.len() - 1);
        }
        full
    }

    fn export(&mut self, local: &str, exported: &str) {
        if self.exported.insert((local.to_owned(), exported.to_owned())) {
            self.source.exports.push(Export::Local { local: local.to_owned(), exported: exported.to_owned() });
        }
    }

    fn statement(&mut self, statement: &Statement<'_>, within: &str) {
        match statement {
            Statement::ImportDeclaration(import) => {
                let file = import.source.value.to_string();
                for specifier in import.specifiers.iter().flatten() {
                    let (local, imported) = match specifier {
                        ImportDeclarationSpecifier::ImportSpecifier(one) => {
                            (one.local.name.to_string(), one.imported.name().to_string())
                        }
                        ImportDeclarationSpecifier::ImportDefaultSpecifier(one) => {
                            (one.local.name.to_string(), "default".to_owned())
                        }
                        ImportDeclarationSpecifier::ImportNamespaceSpecifier(one) => {
                            (one.local.name.to_string(), "*".to_owned())
                        }
                    };
                    self.source.imports.insert(local, (file.clone(), imported));
                }
            }
            Statement::ExportAllDeclaration(all) if all.exported.is_none() => {
                self.source.exports.push(Export::All { file: all.source.value.to_string() });
            }
            Statement::ExportFromDeclaration(from) => {
                let file = from.source.value.to_string();
                for one in &from.specifiers {
                    self.source.exports.push(Export::From {
                        file: file.clone(),
                        imported: one.local.name().to_string(),
                        exported: one.exported.name().to_string(),
                    });
                }
            }
            Statement::ExportNamedDeclaration(named) => {
                for one in &named.specifiers {
                    self.export(&one.local.name(), &one.exported.name());
                }
            }
            Statement::ExportDeclaration(export) => {
                for name in self.declaration(&export.declaration, within, export.span.start) {
                    let exported = name.rsplit('.').next().unwrap_or(&name).to_owned();
                    if within.is_empty() {
                        self.export(&name, &exported);
                    }
                }
            }
            Statement::ExportDefaultDeclaration(default) => self.default(&default.declaration, default.span.start),
            Statement::TSExportAssignment(assign) => {
                if let Expression::Identifier(name) = &assign.expression {
                    self.source.exports.push(Export::Assign { local: name.name.to_string() });
                }
            }
            other => {
                if let Some(declaration) = other.as_declaration() {
                    let start = oxc_span::GetSpan::span(declaration).start;
                    self.declaration(declaration, within, start);
                }
            }
        }
    }

    fn default(&mut self, kind: &ExportDefaultDeclarationKind<'_>, start: u32) {
        match kind {
            ExportDefaultDeclarationKind::FunctionDeclaration(function) => {
                let name = function.id.as_ref().map_or_else(|| "default".to_owned(), |id| id.name.to_string());
                let signature = self.function(function, start);
                let name = self.declare("", &name, Declared::Function(vec![signature]));
                self.export(&name, "default");
            }
            ExportDefaultDeclarationKind::ClassDeclaration(class) => {
                let name = class.id.as_ref().map_or_else(|| "default".to_owned(), |id| id.name.to_string());
                let declared = self.class(class);
                let name = self.declare("", &name, declared);
                self.export(&name, "default");
            }
            ExportDefaultDeclarationKind::Identifier(name) => self.export(&name.name, "default"),
            _ => {}
        }
    }

    /// Declares, and returns the names.
    fn declaration(&mut self, declaration: &Declaration<'_>, within: &str, start: u32) -> Vec<String> {
        match declaration {
            Declaration::FunctionDeclaration(function) => {
                let Some(id) = &function.id else { return Vec::new() };
                let signature = self.function(function, start);
                vec![self.declare(within, &id.name, Declared::Function(vec![signature]))]
            }
            Declaration::VariableDeclaration(variables) => {
                let mut names = Vec::new();
                for one in &variables.declarations {
                    if let BindingPattern::BindingIdentifier(id) = &one.id {
                        let raw = annotation(one.type_annotation.as_deref(), 0);
                        names.push(self.declare(within, &id.name, Declared::Variable(raw)));
                    }
                }
                names
            }
            Declaration::ClassDeclaration(class) => {
                let Some(id) = &class.id else { return Vec::new() };
                let declared = self.class(class);
                vec![self.declare(within, &id.name, declared)]
            }
            Declaration::TSTypeAliasDeclaration(alias) => {
                let raw = ty(&alias.type_annotation, 0);
                vec![self.declare(within, &alias.id.name, Declared::Alias(raw))]
            }
            Declaration::TSInterfaceDeclaration(interface) => {
                let members = signatures(&interface.body.body, 0);
                let heritage =
                    |one: &oxc_ast::ast::TSInterfaceHeritage<'_>| Raw::Named(type_name(&one.type_name), Vec::new());
                let extends = interface.extends.iter().map(heritage).collect();
                vec![self.declare(within, &interface.id.name, Declared::Interface(members, extends))]
            }
            Declaration::TSEnumDeclaration(declared) => {
                let values = enum_values(declared);
                vec![self.declare(within, &declared.id.name, Declared::Enum(values))]
            }
            Declaration::TSNamespaceDeclaration(namespace) => {
                let name = self.declare(within, &namespace.id.name, Declared::Namespace);
                if let TSNamespaceDeclarationBody::TSModuleBlock(block) = &namespace.body {
                    // Namespaces nest as deep as the file; a name of that depth is a long one already.
                    if name.matches('.').count() < DEPTH_MAX {
                        block.body.iter().for_each(|statement| self.statement(statement, &name));
                    }
                }
                vec![name]
            }
            _ => Vec::new(),
        }
    }

    fn function(&self, function: &Function<'_>, start: u32) -> Signature {
        let mut signature = signature(&function.params, function.return_type.as_deref(), 0);
        let spans = [start, function.span.start];
        signature.documented = spans.iter().find_map(|at| self.documents.get(at)).cloned().unwrap_or_default();
        signature
    }

    fn class(&self, class: &Class<'_>) -> Declared {
        let mut members = Vec::new();
        for element in class.body.body.iter().take(MEMBERS_MAX) {
            match element {
                ClassElement::MethodDefinition(method) => {
                    let Some(name) = key(&method.key, method.computed) else { continue };
                    let called = self.function(&method.value, method.span.start);
                    let kind = match method.kind {
                        MethodDefinitionKind::Constructor => MemberKind::Construct(called),
                        MethodDefinitionKind::Method => MemberKind::Method(called),
                        MethodDefinitionKind::Get => MemberKind::Get(called.result),
                        MethodDefinitionKind::Set => MemberKind::Set(first(called)),
                    };
                    members.push(Member {
                        name,
                        is_static: method.r#static,
                        optional: method.optional,
                        readonly: false,
                        private: hidden(method.accessibility),
                        kind,
                    });
                }
                ClassElement::PropertyDefinition(property) => {
                    let Some(name) = key(&property.key, property.computed) else { continue };
                    members.push(Member {
                        name,
                        is_static: property.r#static,
                        optional: property.optional,
                        readonly: property.readonly,
                        private: hidden(property.accessibility),
                        kind: MemberKind::Property(annotation(property.type_annotation.as_deref(), 0)),
                    });
                }
                _ => {}
            }
        }
        let extends = class.heritage.as_ref().and_then(|heritage| match &heritage.expression {
            Expression::Identifier(name) => Some(Raw::Named(name.name.to_string(), Vec::new())),
            _ => None,
        });
        Declared::Class(members, extends)
    }
}

fn hidden(accessibility: Option<TSAccessibility>) -> bool {
    matches!(accessibility, Some(TSAccessibility::Private | TSAccessibility::Protected))
}

fn first(signature: Signature) -> Raw {
    signature.params.into_iter().next().map_or(ANY, |param| param.ty)
}

/// A member's name; none for symbols and private names.
fn key(key: &PropertyKey<'_>, computed: bool) -> Option<String> {
    match key {
        PropertyKey::PrivateIdentifier(_) => None,
        PropertyKey::StaticIdentifier(name) if !computed => Some(name.name.to_string()),
        other => other.static_name().map(std::borrow::Cow::into_owned),
    }
}

fn enum_values(declared: &TSEnumDeclaration<'_>) -> Enum {
    let mut values = Enum::default();
    let mut next = Some(0.0);
    for member in &declared.body.members {
        match member.initializer.as_ref().map(number) {
            None => match next {
                Some(number) => values.numbers.push(number),
                None => values.unknown = true,
            },
            Some(Literal::Number(number)) => {
                values.numbers.push(number);
                next = Some(number);
            }
            Some(Literal::Text) => {
                values.strings = true;
                next = None;
            }
            Some(Literal::Other) => {
                values.unknown = true;
                next = None;
            }
        }
        next = next.map(|number| number + 1.0);
    }
    values
}

enum Literal {
    Number(f64),
    Text,
    Other,
}

fn number(expression: &Expression<'_>) -> Literal {
    match expression {
        Expression::NumericLiteral(literal) => Literal::Number(literal.value),
        Expression::StringLiteral(_) => Literal::Text,
        Expression::UnaryExpression(unary) if unary.operator == oxc_syntax::operator::UnaryOperator::UnaryNegation => {
            match &unary.argument {
                Expression::NumericLiteral(literal) => Literal::Number(-literal.value),
                _ => Literal::Other,
            }
        }
        _ => Literal::Other,
    }
}

fn signature(params: &FormalParameters<'_>, result: Option<&TSTypeAnnotation<'_>>, depth: usize) -> Signature {
    let mut read = Vec::new();
    for (at, param) in params.items.iter().enumerate() {
        let name = match &param.pattern {
            BindingPattern::BindingIdentifier(id) => id.name.to_string(),
            _ => format!("arg{at}"),
        };
        let optional = param.optional || param.initializer.is_some();
        read.push(RawParam { name, ty: annotation(param.type_annotation.as_deref(), depth), optional, rest: false });
    }
    if let Some(rest) = &params.rest {
        let name = match &rest.rest.argument {
            BindingPattern::BindingIdentifier(id) => id.name.to_string(),
            _ => "rest".to_owned(),
        };
        let ty = match annotation(rest.type_annotation.as_deref(), depth) {
            Raw::Array(items) => *items,
            _ => ANY,
        };
        read.push(RawParam { name, ty, optional: true, rest: true });
    }
    let result = result.map_or(ANY, |result| annotation(Some(result), depth));
    Signature { params: read, result, documented: BTreeMap::new() }
}

fn annotation(annotation: Option<&TSTypeAnnotation<'_>>, depth: usize) -> Raw {
    annotation.map_or(ANY, |annotation| ty(&annotation.type_annotation, depth))
}

fn signatures(list: &[TSSignature<'_>], depth: usize) -> Vec<Member> {
    list.iter().take(MEMBERS_MAX).filter_map(|one| member(one, depth)).collect()
}

fn member(one: &TSSignature<'_>, depth: usize) -> Option<Member> {
    let (name, optional, readonly, kind) = match one {
        TSSignature::TSPropertySignature(property) => {
            let raw = annotation(property.type_annotation.as_deref(), depth + 1);
            (key(&property.key, property.computed)?, property.optional, property.readonly, MemberKind::Property(raw))
        }
        TSSignature::TSMethodSignature(method) => {
            let called = signature(&method.params, method.return_type.as_deref(), depth + 1);
            let kind = match method.kind {
                TSMethodSignatureKind::Method => MemberKind::Method(called),
                TSMethodSignatureKind::Get => MemberKind::Get(called.result),
                TSMethodSignatureKind::Set => MemberKind::Set(first(called)),
            };
            (key(&method.key, method.computed)?, method.optional, false, kind)
        }
        TSSignature::TSCallSignatureDeclaration(call) => {
            let called = signature(&call.params, call.return_type.as_deref(), depth + 1);
            (String::new(), false, false, MemberKind::Call(called))
        }
        TSSignature::TSConstructSignatureDeclaration(new) => {
            let called = signature(&new.params, new.return_type.as_deref(), depth + 1);
            ("new".to_owned(), false, false, MemberKind::Construct(called))
        }
        TSSignature::TSIndexSignature(_) => return None,
    };
    Some(Member { name, is_static: false, optional, readonly, private: false, kind })
}

fn type_name(name: &TSTypeName<'_>) -> String {
    // `a.b.c` nests to the left: read from the right, without recursion.
    let mut parts = Vec::new();
    let mut at = name;
    loop {
        match at {
            TSTypeName::IdentifierReference(id) => {
                parts.push(id.name.as_str());
                break;
            }
            TSTypeName::QualifiedName(qualified) => {
                parts.push(qualified.right.name.as_str());
                at = &qualified.left;
            }
            TSTypeName::ThisExpression(_) => break,
        }
    }
    parts.reverse();
    parts.join(".")
}

fn ty(written: &TSType<'_>, depth: usize) -> Raw {
    if depth > DEPTH_MAX {
        return ANY;
    }
    let within = |inner: &TSType<'_>| ty(inner, depth + 1);
    match written {
        TSType::TSUndefinedKeyword(_) | TSType::TSVoidKeyword(_) => Raw::Known(Type::Undefined),
        TSType::TSNullKeyword(_) => Raw::Known(Type::Null),
        TSType::TSBooleanKeyword(_) | TSType::TSTypePredicate(_) => Raw::Known(Type::Boolean),
        TSType::TSNumberKeyword(_) => Raw::Known(Type::Number),
        TSType::TSBigIntKeyword(_) => Raw::Known(Type::Bigint),
        TSType::TSStringKeyword(_) | TSType::TSTemplateLiteralType(_) => Raw::Known(Type::String),
        TSType::TSSymbolKeyword(_) => Raw::Known(Type::Symbol),
        TSType::TSFunctionType(function) => {
            let called = signature(&function.params, Some(&function.return_type), depth + 1);
            Raw::Function(Box::new(called))
        }
        TSType::TSConstructorType(new) => {
            let called = signature(&new.params, Some(&new.return_type), depth + 1);
            let kind = MemberKind::Construct(called);
            let name = "new".to_owned();
            Raw::Literal(vec![Member {
                name,
                is_static: false,
                optional: false,
                readonly: false,
                private: false,
                kind,
            }])
        }
        TSType::TSArrayType(array) => Raw::Array(Box::new(within(&array.element_type))),
        TSType::TSTupleType(tuple) => {
            let element = |element: &TSTupleElement<'_>| element.as_ts_type().map_or(ANY, within);
            Raw::Array(Box::new(Raw::Union(tuple.element_types.iter().map(element).collect())))
        }
        TSType::TSUnionType(union) => Raw::Union(union.types.iter().map(within).collect()),
        TSType::TSIntersectionType(all) => Raw::Intersection(all.types.iter().map(within).collect()),
        TSType::TSParenthesizedType(inner) => within(&inner.type_annotation),
        TSType::TSTypeOperatorType(operator) if operator.operator == TSTypeOperatorOperator::Readonly => {
            within(&operator.type_annotation)
        }
        TSType::TSTypeOperatorType(operator) if operator.operator == TSTypeOperatorOperator::Unique => {
            Raw::Known(Type::Symbol)
        }
        TSType::TSLiteralType(literal) => Raw::Known(match &literal.literal {
            TSLiteral::BooleanLiteral(_) => Type::Boolean,
            TSLiteral::NumericLiteral(_) | TSLiteral::UnaryExpression(_) => Type::Number,
            TSLiteral::BigIntLiteral(_) => Type::Bigint,
            TSLiteral::StringLiteral(_) | TSLiteral::TemplateLiteral(_) => Type::String,
        }),
        TSType::TSTypeLiteral(literal) => Raw::Literal(signatures(&literal.members, depth + 1)),
        TSType::TSTypeReference(reference) => {
            let arguments = reference.type_arguments.iter().flat_map(|list| &list.params).map(within).collect();
            Raw::Named(type_name(&reference.type_name), arguments)
        }
        TSType::TSTypeQuery(query) => match &query.expr_name {
            TSTypeQueryExprName::IdentifierReference(id) => Raw::TypeOf(id.name.to_string()),
            _ => ANY,
        },
        TSType::TSThisType(_) => Raw::This,
        _ => ANY,
    }
}
