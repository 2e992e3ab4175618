//! Glue as it is written: dangerous fallbacks, code and patterns that are made of data. Scripts are parsed, not searched:
//! what stands in a comment or a text does nothing.

use crate::subject::{Script, Subject, is_script};
use crate::{Answer, Context, Finding, Row};
use autoclave_boundary::glue::capabilities::{Reach, places};
use autoclave_boundary::glue::syntax::{self, Lines};
use autoclave_reports::Severity;
use oxc_ast::ast::{
    Argument, CallExpression, Directive, Expression, ImportExpression, NewExpression, Program, StringLiteral,
    TemplateLiteral,
};
use oxc_ast_visit::{Visit, walk};

/// Texts of one script that are looked at.
const TEXTS_MAX: usize = 200_000;
/// Findings of one kind in one script that are told.
const ALIKE_MAX: usize = 5;

/// What a script says, as far as it is asked here.
#[derive(Debug, Default)]
pub struct Look {
    /// Code made from something that is not written there: what, and where.
    code: Vec<(&'static str, u32)>,
    /// Patterns made from something that is not written there.
    patterns: Vec<u32>,
    /// Texts that hold an address: a whole text, or the beginning of a template.
    pub urls: Vec<(String, u32)>,
    asm: Vec<u32>,
    data_imports: Vec<u32>,
    left: usize,
}

impl Look {
    fn of(program: &Program<'_>) -> Look {
        let mut look = Look { left: TEXTS_MAX, ..Look::default() };
        look.visit_program(program);
        look
    }

    fn url(&mut self, text: &str, at: u32) {
        if self.left > 0 && (text.contains("://") || text.starts_with("//")) && text.len() < 4096 {
            self.left -= 1;
            self.urls.push((text.to_owned(), at));
        }
    }
}

impl<'a> Visit<'a> for Look {
    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        let data = !call.arguments.is_empty() && !call.arguments.iter().all(is_written);
        match global_name(&call.callee) {
            Some("eval") if data => self.code.push(("eval", call.span.start)),
            Some("Function") if data => self.code.push(("Function", call.span.start)),
            Some("RegExp") if data => self.patterns.push(call.span.start),
            Some("setTimeout" | "setInterval") if call.arguments.first().is_some_and(is_assembled) => {
                self.code.push(("setTimeout with a text", call.span.start));
            }
            _ => {}
        }
        walk::walk_call_expression(self, call);
    }

    fn visit_new_expression(&mut self, new: &NewExpression<'a>) {
        let data = !new.arguments.is_empty() && !new.arguments.iter().all(is_written);
        match global_name(&new.callee) {
            Some("Function") if data => self.code.push(("new Function", new.span.start)),
            Some("RegExp") if data => self.patterns.push(new.span.start),
            _ => {}
        }
        walk::walk_new_expression(self, new);
    }

    fn visit_import_expression(&mut self, import: &ImportExpression<'a>) {
        let is_data = match &import.source {
            Expression::StringLiteral(text) => text.value.starts_with("data:"),
            Expression::TemplateLiteral(text) => {
                text.quasis.first().is_some_and(|part| part.value.raw.starts_with("data:"))
            }
            _ => false,
        };
        if is_data {
            self.data_imports.push(import.span.start);
        }
        walk::walk_import_expression(self, import);
    }

    fn visit_directive(&mut self, directive: &Directive<'a>) {
        if directive.directive == "use asm" {
            self.asm.push(directive.span.start);
        }
    }

    fn visit_string_literal(&mut self, text: &StringLiteral<'a>) {
        self.url(&text.value, text.span.start);
    }

    fn visit_template_literal(&mut self, text: &TemplateLiteral<'a>) {
        let parts: Vec<&str> = text.quasis.iter().map(|part| part.value.raw.as_str()).collect();
        self.url(&parts.join("${…}"), text.span.start);
        walk::walk_template_literal(self, text);
    }
}

/// What a callee is called among the globals: `eval`, `(0, eval)`, `globalThis.eval`, `window["eval"]`.
fn global_name<'a>(callee: &'a Expression<'_>) -> Option<&'a str> {
    let mut callee = callee.get_inner_expression();
    if let Expression::SequenceExpression(sequence) = callee {
        callee = sequence.expressions.last()?.get_inner_expression();
    }
    match callee {
        Expression::Identifier(name) => Some(name.name.as_str()),
        other => {
            let member = other.as_member_expression().filter(|member| is_global(member.object()))?;
            member.static_property_name()
        }
    }
}

fn is_global(object: &Expression<'_>) -> bool {
    let object = object.get_inner_expression();
    ["window", "globalThis", "self", "global"].iter().any(|name| object.is_specific_id(name))
}

/// Whether an argument is a constant that stands there.
fn is_written(argument: &Argument<'_>) -> bool {
    match argument.as_expression().map(Expression::get_inner_expression) {
        Some(Expression::TemplateLiteral(text)) => text.expressions.is_empty(),
        Some(Expression::BinaryExpression(sum)) => {
            [&sum.left, &sum.right].iter().all(|side| matches!(side, Expression::StringLiteral(_)))
        }
        Some(expression) => expression.is_literal(),
        None => false,
    }
}

/// Whether an argument is a text that is put together there.
fn is_assembled(argument: &Argument<'_>) -> bool {
    match argument.as_expression().map(Expression::get_inner_expression) {
        Some(Expression::TemplateLiteral(text)) => !text.expressions.is_empty(),
        Some(Expression::BinaryExpression(sum)) => {
            [&sum.left, &sum.right].iter().any(|side| matches!(side, Expression::StringLiteral(_)))
        }
        _ => false,
    }
}

/// What a script says, or why it cannot be read.
pub fn look(script: &Script) -> Result<Look, String> {
    syntax::read(&script.path, &script.text, Look::of).map_err(|error| error.to_string())
}

/// Scripts that run: those that the entry reaches, or all if that is not known.
pub fn running(subject: &Subject) -> Vec<&Script> {
    let scripts = subject.glue.as_deref().unwrap_or_default();
    let loaded: Vec<&Script> = scripts.iter().filter(|script| script.is_loaded).collect();
    if loaded.is_empty() { scripts.iter().collect() } else { loaded }
}

const NO_GLUE: &str = "the module comes without JavaScript; --glue names the folder of its glue";

/// The answer of a question that is asked of every running script.
fn ask(subject: &Subject, of: impl Fn(&Script, &mut Vec<(Severity, String, u32)>) -> Result<(), String>) -> Answer {
    let gap = subject.gap(is_script);
    if subject.glue.is_none() {
        return gap.map_or(Answer::NotApplicable(NO_GLUE.to_owned()), |gap| Answer::NotTested(gap, Vec::new()));
    }
    let mut found = Vec::new();
    let mut unread = Vec::new();
    for script in running(subject) {
        let mut rows = Vec::new();
        if let Err(error) = of(script, &mut rows) {
            unread.push(error);
        }
        let lines = Lines::new(&script.text);
        let mut alike: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
        for (severity, what, at) in rows {
            let count = alike.entry(what.clone()).or_default();
            *count += 1;
            if *count <= ALIKE_MAX {
                let (line, column) = lines.place(at as usize);
                found.push(Finding::new("", severity, what, format!("{}:{line}:{column}", script.path)));
            }
        }
    }
    let unread = unread.first().map(|first| format!("{} scripts cannot be read: {first}", unread.len()));
    match unread.or(gap) {
        Some(gap) => Answer::NotTested(gap, found),
        None => Answer::Judged(found),
    }
}

/// Nothing in the glue makes code from text, writes the page, or takes a module without the check that the main way has.
pub fn fallbacks(subject: &Subject, _: &Context<'_>, _: &[Row]) -> Answer {
    ask(subject, |script, rows| {
        let sites = syntax::read(&script.path, &script.text, places).map_err(|error| error.to_string())?;
        let look = look(script)?;
        let has_integrity = script.text.contains("integrity");
        let has_bytes = script.text.contains("arrayBuffer") || script.text.contains("WebAssembly.instantiate(");
        for site in sites {
            let only = if site.reach == Reach::Node { ", in Node only" } else { "" };
            match site.name {
                "code-generation" if site.what.ends_with("of a computed name") => {
                    rows.push((Severity::Info, format!("{}{only}", site.what), site.offset));
                }
                // Debuggers and sandboxes of Node, which its own imports name.
                "code-generation" if site.what.starts_with("Node's") => {
                    rows.push((Severity::Info, format!("{}{only}", site.what), site.offset));
                }
                "code-generation" => {
                    rows.push((Severity::High, format!("{}: code from text{only}", site.what), site.offset))
                }
                "html" if site.what.starts_with("document.write") => {
                    rows.push((Severity::High, format!("{} replaces the page{only}", site.what), site.offset));
                }
                "network" if site.what.starts_with("instantiateStreaming") && has_bytes && !has_integrity => {
                    let what = "where streaming fails, the module is taken from bytes without integrity";
                    rows.push((Severity::Medium, what.to_owned(), site.offset));
                }
                _ => {}
            }
        }
        rows.extend(look.asm.iter().map(|at| (Severity::Medium, "asm.js takes the module's place".to_owned(), *at)));
        let import = |at: &u32| (Severity::High, "import of data: makes code from text".to_owned(), *at);
        rows.extend(look.data_imports.iter().map(import));
        Ok(())
    })
}

/// No code is made of anything but what is written there; patterns from data are a warning.
pub fn code_from_data(subject: &Subject, _: &Context<'_>, _: &[Row]) -> Answer {
    ask(subject, |script, rows| {
        let look = look(script)?;
        let code =
            |(what, at): &(&str, u32)| (Severity::High, format!("{what} of something that is not written there"), *at);
        rows.extend(look.code.iter().map(code));
        let pattern = |at: &u32| (Severity::Info, "RegExp of something that is not written there".to_owned(), *at);
        rows.extend(look.patterns.iter().map(pattern));
        Ok(())
    })
}
