//! Places in a script that can do something to its host, with the guards around them.

use super::Reach;
use oxc_ast::ast::{
    Argument, AssignmentExpression, AssignmentTarget, CallExpression, ConditionalExpression, Expression,
    IdentifierReference, IfStatement, ImportDeclaration, ImportExpression, LogicalExpression, MemberExpression,
    NewExpression, Program,
};
use oxc_ast_visit::{Visit, walk};
use oxc_syntax::operator::{BinaryOperator, LogicalOperator, UnaryOperator};

/// Places of one file; a file with more is not looked at further, and says so.
const PLACES_MAX: usize = 5_000;

/// A place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Category.
    pub name: &'static str,
    /// What it is.
    pub what: String,
    /// Byte offset.
    pub offset: u32,
    /// Where it can be reached.
    pub reach: Reach,
}

/// Global functions by what calling them does.
const CALLS: &[(&str, &str)] = &[
    ("eval", "code-generation"),
    ("Function", "code-generation"),
    ("execScript", "code-generation"),
    ("fetch", "network"),
    ("importScripts", "network"),
    ("SharedArrayBuffer", "workers"),
];
/// Constructors by what an object of theirs does.
const NEWS: &[(&str, &str)] = &[
    ("Function", "code-generation"),
    ("XMLHttpRequest", "network"),
    ("WebSocket", "network"),
    ("WebTransport", "network"),
    ("EventSource", "network"),
    ("RTCPeerConnection", "network"),
    ("Worker", "workers"),
    ("SharedWorker", "workers"),
    ("SharedArrayBuffer", "workers"),
    ("BroadcastChannel", "messaging"),
];
/// Methods: object (empty: any), name, category.
const METHODS: &[(&str, &str, &str)] = &[
    ("document", "write", "html"),
    ("document", "writeln", "html"),
    ("", "insertAdjacentHTML", "html"),
    ("", "createContextualFragment", "html"),
    ("", "sendBeacon", "network"),
    ("Math", "random", "random"),
    ("", "getRandomValues", "random"),
    ("", "randomUUID", "random"),
    ("", "randomFillSync", "random"),
    ("", "randomBytes", "random"),
    ("Date", "now", "clock"),
    ("performance", "now", "clock"),
    ("", "hrtime", "clock"),
    ("process", "exit", "process"),
    ("process", "abort", "process"),
    ("process", "kill", "process"),
    ("process", "binding", "process"),
    ("process", "on", "process"),
];
/// Globals that are storage, whatever is done with them.
const STORAGE: &[&str] = &["localStorage", "sessionStorage", "indexedDB"];
/// Modules of Node.
const NODE: &[(&str, &str)] = &[
    ("fs", "files"),
    ("child_process", "process"),
    ("cluster", "process"),
    ("process", "process"),
    ("os", "process"),
    ("net", "network"),
    ("tls", "network"),
    ("dgram", "network"),
    ("dns", "network"),
    ("http", "network"),
    ("https", "network"),
    ("http2", "network"),
    ("worker_threads", "workers"),
    ("vm", "code-generation"),
    ("inspector", "code-generation"),
    ("crypto", "random"),
    ("perf_hooks", "clock"),
];
/// JavaScript's own constructors, whose prototypes everybody shares.
const SHARED: &[&str] = &[
    "Object",
    "Array",
    "Function",
    "String",
    "Number",
    "Boolean",
    "Symbol",
    "BigInt",
    "Promise",
    "Map",
    "Set",
    "WeakMap",
    "RegExp",
    "Error",
    "Date",
    "ArrayBuffer",
    "Uint8Array",
    "TextDecoder",
    "TextEncoder",
    "JSON",
    "Math",
];

/// Every place, in order.
pub fn places(program: &Program<'_>) -> Vec<Place> {
    let mut scanner = Scanner { places: Vec::new(), reach: Reach::Both };
    scanner.visit_program(program);
    let mut places = scanner.places;
    if places.len() > PLACES_MAX {
        places.truncate(PLACES_MAX);
        let what = format!("more than {PLACES_MAX} places; the others are not listed");
        places.push(Place { name: "unreadable", what, offset: 0, reach: Reach::Both });
    }
    places.sort_by_key(|place| place.offset);
    places.dedup();
    places
}

struct Scanner {
    places: Vec<Place>,
    reach: Reach,
}

impl Scanner {
    fn push(&mut self, name: &'static str, what: impl Into<String>, offset: u32) {
        if self.places.len() <= PLACES_MAX {
            self.places.push(Place { name, what: what.into(), offset, reach: self.reach });
        }
    }

    fn import(&mut self, specifier: &str, offset: u32) {
        let plain = specifier.strip_prefix("node:").unwrap_or(specifier);
        let first = plain.split('/').next().unwrap_or(plain);
        if let Some((_, category)) = NODE.iter().find(|(name, _)| *name == first) {
            self.push(category, format!("Node's `{plain}`"), offset);
        }
    }

    fn within(&mut self, reach: Option<Reach>, visit: impl FnOnce(&mut Self)) {
        let outer = self.reach;
        if outer == Reach::Both {
            self.reach = reach.unwrap_or(outer);
        }
        visit(self);
        self.reach = outer;
    }

    fn method(&mut self, call: &CallExpression<'_>, member: &MemberExpression<'_>) {
        let (Some(name), at) = (member.static_property_name(), call.span.start) else { return };
        let object = member.object().get_inner_expression();
        let text = |index: usize| call.arguments.get(index).and_then(Argument::as_expression).is_some_and(is_text);
        if is_global(object) {
            if let Some((_, category)) = CALLS.iter().find(|(known, _)| *known == name) {
                self.push(category, format!("`{name}` of the global object"), at);
            }
            if matches!(name, "setTimeout" | "setInterval") && text(0) {
                self.push("code-generation", format!("`{name}` with a text"), at);
            }
        }
        if name == "constructor" && text(0) {
            self.push("code-generation", "`constructor` with a text makes a function", at);
        }
        if object.is_specific_id("console") {
            self.push("console", format!("console.{name}"), at);
        }
        if name == "postMessage"
            && call.arguments.iter().any(|one| matches!(one, Argument::StringLiteral(text) if text.value == "*"))
        {
            self.push("messaging", "postMessage to every origin", at);
        }
        if object.is_specific_id("WebAssembly") && name == "instantiateStreaming" {
            let what = "instantiateStreaming: where the type is wrong, glue falls back to bytes without integrity";
            self.push("network", what, at);
        }
        if object.is_specific_id("Object")
            && matches!(name, "defineProperty" | "defineProperties" | "assign" | "setPrototypeOf")
        {
            let first = call.arguments.first().and_then(Argument::as_expression);
            if first.is_some_and(is_shared_prototype) {
                self.push("prototype", format!("Object.{name} on a prototype of JavaScript's own"), at);
            }
        }
        for (owner, known, category) in METHODS {
            if *known == name && (owner.is_empty() || object.is_specific_id(owner) || ends_in(object, owner)) {
                let shown = if owner.is_empty() { name.to_owned() } else { format!("{owner}.{name}") };
                self.push(category, shown, at);
            }
        }
    }

    fn written(&mut self, target: &AssignmentTarget<'_>) {
        let Some(member) = target.as_member_expression() else { return };
        let at = oxc_span::GetSpan::span(member).start;
        if is_shared_prototype(member.object().get_inner_expression()) {
            self.push("prototype", "a prototype of JavaScript's own is written", at);
        }
        match member.static_property_name() {
            Some(name @ ("innerHTML" | "outerHTML" | "srcdoc")) => self.push("html", format!("{name} is written"), at),
            Some("__proto__") => self.push("prototype", "__proto__ is written", at),
            Some("location") if is_global(member.object()) => self.push("network", "location is written", at),
            _ => {}
        }
    }
}

impl<'a> Visit<'a> for Scanner {
    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        let at = call.span.start;
        let first = call.arguments.first().and_then(Argument::as_expression);
        let mut callee = call.callee.get_inner_expression();
        // `(0, eval)(x)`
        if let Expression::SequenceExpression(sequence) = callee
            && let Some(last) = sequence.expressions.last()
        {
            callee = last.get_inner_expression();
        }
        if let Expression::Identifier(name) = callee {
            let name = name.name.as_str();
            if let Some((_, category)) = CALLS.iter().find(|(known, _)| *known == name) {
                self.push(category, name, at);
            }
            match (name, first) {
                ("setTimeout" | "setInterval", Some(first)) if is_text(first) => {
                    self.push("code-generation", format!("{name} with a text"), at);
                }
                ("require", Some(Expression::StringLiteral(literal))) => self.import(&literal.value, at),
                ("require", Some(_)) => self.push("code-generation", "require of a computed name", at),
                ("postMessage", _)
                    if call
                        .arguments
                        .iter()
                        .any(|one| matches!(one, Argument::StringLiteral(text) if text.value == "*")) =>
                {
                    self.push("messaging", "postMessage to every origin", at);
                }
                _ => {}
            }
        } else if let Some(member) = callee.as_member_expression() {
            self.method(call, member);
        }
        for argument in &call.arguments {
            if let Argument::Identifier(name) = argument
                && name.name == "Function"
            {
                self.push("code-generation", "Function is handed on", name.span.start);
            }
        }
        walk::walk_call_expression(self, call);
    }

    fn visit_new_expression(&mut self, new: &NewExpression<'a>) {
        let name = match new.callee.get_inner_expression() {
            Expression::Identifier(name) => Some(name.name.as_str()),
            other => other
                .as_member_expression()
                .filter(|member| is_global(member.object()))
                .and_then(|m| m.static_property_name()),
        };
        if let Some(name) = name {
            if let Some((_, category)) = NEWS.iter().find(|(known, _)| *known == name) {
                self.push(category, format!("new {name}"), new.span.start);
            }
            if name == "Date" && new.arguments.is_empty() {
                self.push("clock", "new Date()", new.span.start);
            }
        }
        walk::walk_new_expression(self, new);
    }

    fn visit_import_expression(&mut self, import: &ImportExpression<'a>) {
        match &import.source {
            Expression::StringLiteral(literal) => self.import(&literal.value, import.span.start),
            _ => self.push("code-generation", "import of a computed name", import.span.start),
        }
        walk::walk_import_expression(self, import);
    }

    fn visit_import_declaration(&mut self, import: &ImportDeclaration<'a>) {
        self.import(&import.source.value, import.span.start);
    }

    fn visit_assignment_expression(&mut self, assignment: &AssignmentExpression<'a>) {
        self.written(&assignment.left);
        walk::walk_assignment_expression(self, assignment);
    }

    fn visit_member_expression(&mut self, member: &MemberExpression<'a>) {
        let at = oxc_span::GetSpan::span(member).start;
        let object = member.object().get_inner_expression();
        match member.static_property_name() {
            Some("cookie") if object.is_specific_id("document") => self.push("storage", "document.cookie", at),
            Some(name @ ("env" | "argv")) if object.is_specific_id("process") => {
                self.push("process", format!("process.{name}"), at);
            }
            Some(name) if is_global(object) && STORAGE.contains(&name) => self.push("storage", name, at),
            _ => {}
        }
        walk::walk_member_expression(self, member);
    }

    fn visit_identifier_reference(&mut self, name: &IdentifierReference<'a>) {
        if STORAGE.contains(&name.name.as_str()) {
            self.push("storage", name.name.as_str(), name.span.start);
        }
    }

    fn visit_if_statement(&mut self, statement: &IfStatement<'a>) {
        let reach = guard(&statement.test, 0);
        self.visit_expression(&statement.test);
        self.within(reach, |scanner| scanner.visit_statement(&statement.consequent));
        if let Some(alternate) = &statement.alternate {
            self.within(reach.map(opposite), |scanner| scanner.visit_statement(alternate));
        }
    }

    fn visit_conditional_expression(&mut self, choice: &ConditionalExpression<'a>) {
        let reach = guard(&choice.test, 0);
        self.visit_expression(&choice.test);
        self.within(reach, |scanner| scanner.visit_expression(&choice.consequent));
        self.within(reach.map(opposite), |scanner| scanner.visit_expression(&choice.alternate));
    }

    fn visit_logical_expression(&mut self, logical: &LogicalExpression<'a>) {
        let reach = guard(&logical.left, 0);
        let reach = match logical.operator {
            LogicalOperator::And => reach,
            LogicalOperator::Or => reach.map(opposite),
            LogicalOperator::Coalesce => None,
        };
        self.visit_expression(&logical.left);
        self.within(reach, |scanner| scanner.visit_expression(&logical.right));
    }
}

fn opposite(reach: Reach) -> Reach {
    match reach {
        Reach::Node => Reach::Browser,
        Reach::Browser => Reach::Node,
        Reach::Both => Reach::Both,
    }
}

/// Where a condition holds, if it asks for that.
fn guard(test: &Expression<'_>, depth: usize) -> Option<Reach> {
    if depth > 16 {
        return None;
    }
    match test.get_inner_expression() {
        Expression::Identifier(name) => match name.name.as_str() {
            "ENVIRONMENT_IS_NODE" | "isNode" | "IS_NODE" | "isNodeOrBun" => Some(Reach::Node),
            "ENVIRONMENT_IS_WEB" | "ENVIRONMENT_IS_WORKER" | "isBrowser" | "IS_BROWSER" => Some(Reach::Browser),
            _ => None,
        },
        Expression::UnaryExpression(unary) if unary.operator == UnaryOperator::LogicalNot => {
            guard(&unary.argument, depth + 1).map(opposite)
        }
        Expression::LogicalExpression(logical) => {
            let (left, right) = (guard(&logical.left, depth + 1), guard(&logical.right, depth + 1));
            match logical.operator {
                LogicalOperator::And => left.or(right),
                _ => left.filter(|left| Some(*left) == right),
            }
        }
        Expression::BinaryExpression(binary) => {
            let Expression::UnaryExpression(asked) = binary.left.get_inner_expression() else { return None };
            let Expression::StringLiteral(answer) = &binary.right else { return None };
            if asked.operator != UnaryOperator::Typeof {
                return None;
            }
            let there = match &asked.argument {
                Expression::Identifier(name) => match name.name.as_str() {
                    "process" | "require" | "__dirname" | "__filename" => Reach::Node,
                    "window" | "document" | "importScripts" | "WorkerGlobalScope" => Reach::Browser,
                    _ => return None,
                },
                _ => return None,
            };
            let equal = matches!(binary.operator, BinaryOperator::Equality | BinaryOperator::StrictEquality);
            let is_there = equal != (answer.value == "undefined");
            Some(if is_there { there } else { opposite(there) })
        }
        _ => None,
    }
}

/// A text where code could be given.
fn is_text(expression: &Expression<'_>) -> bool {
    match expression.get_inner_expression() {
        Expression::StringLiteral(_) | Expression::TemplateLiteral(_) => true,
        Expression::BinaryExpression(binary) => binary.operator == BinaryOperator::Addition,
        _ => false,
    }
}

fn is_global(expression: &Expression<'_>) -> bool {
    ["globalThis", "window", "self", "global"].iter().any(|name| expression.is_specific_id(name))
}

/// `globalThis.name` and the like.
fn ends_in(expression: &Expression<'_>, name: &str) -> bool {
    expression
        .as_member_expression()
        .is_some_and(|member| is_global(member.object()) && member.static_property_name() == Some(name))
}

/// `Object.prototype` and the like.
fn is_shared_prototype(expression: &Expression<'_>) -> bool {
    expression.as_member_expression().is_some_and(|member| {
        member.static_property_name() == Some("prototype")
            && SHARED.iter().any(|name| member.object().is_specific_id(name))
    })
}
