//! What stands behind imports whose names were shortened: `a.b` is what the glue's own object gives under `b`.

use crate::glue::module::Shape;
use crate::glue::syntax;
use crate::package::ScriptFile;
use oxc_ast::ast::{Expression, ObjectExpression, ObjectPropertyKind};
use oxc_ast_visit::{Visit, walk};
use std::collections::{BTreeMap, BTreeSet};

/// Objects of a script that are looked at; the one with a module's imports is among the first of thousands.
const OBJECTS_MAX: usize = 1 << 14;

/// Names in the glue of what a module imports, by module and name: of an object that holds every function that is asked
/// of one module. What stands there without a name has none here, and neither has what several objects call otherwise.
pub fn names(scripts: &[ScriptFile], module: &Shape) -> BTreeMap<(String, String), String> {
    let mut asked = Asked::new();
    for import in module.imports.iter().filter(|import| import.kind == "function") {
        asked.entry(import.module.clone()).or_default().insert(import.name.clone());
    }
    let mut found: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut doubtful = BTreeSet::new();
    for script in scripts.iter().filter(|script| script.script.is_some()) {
        let asked = asked.clone();
        let read = syntax::read(&script.path, &script.text, move |program| {
            let mut objects = Objects { asked, left: OBJECTS_MAX, found: Vec::new() };
            objects.visit_program(program);
            objects.found
        });
        for (import, name) in read.unwrap_or_default() {
            match found.get(&import) {
                Some(other) if *other != name => drop(doubtful.insert(import)),
                Some(_) => {}
                None => drop(found.insert(import, name)),
            }
        }
    }
    found.retain(|import, _| !doubtful.contains(import));
    found
}

/// Names of functions by module.
type Asked = BTreeMap<String, BTreeSet<String>>;

struct Objects {
    asked: Asked,
    left: usize,
    found: Vec<((String, String), String)>,
}

impl<'a> Visit<'a> for Objects {
    fn visit_object_expression(&mut self, object: &ObjectExpression<'a>) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        let mut entries: BTreeMap<String, Option<String>> = BTreeMap::new();
        for property in &object.properties {
            let ObjectPropertyKind::ObjectProperty(property) = property else { continue };
            if let Some(key) = property.key.static_name() {
                entries.insert(key.into_owned(), named(&property.value));
            }
        }
        for (module, names) in &self.asked {
            if names.iter().all(|name| entries.contains_key(name)) {
                let known = names.iter().filter_map(|name| Some((name.clone(), entries[name].clone()?)));
                self.found.extend(known.map(|(name, meaning)| ((module.clone(), name), meaning)));
            }
        }
        walk::walk_object_expression(self, object);
    }
}

fn named(value: &Expression<'_>) -> Option<String> {
    match value.get_inner_expression() {
        Expression::Identifier(name) => Some(name.name.to_string()),
        Expression::FunctionExpression(function) => function.id.as_ref().map(|id| id.name.to_string()),
        _ => None,
    }
}
