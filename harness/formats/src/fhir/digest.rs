//! The digest of what a reader of FHIR JSON holds, out of its own data model: what [`super::tree_of_answer`] and
//! [`crate::tree::Tree::digest`] make of the same resource written, without writing it and reading it again.
//!
//! A model is walked once, in any order of members. What cannot be told without the walk over the text (twins of
//! primitives, a repeated resource type) gives no digest; who asks writes the resource then.

use super::narrative;
use crate::tree::{Erase, Parts, What, label_hash, number_hash, text_hash};

/// What is fed with a resource, from the outside in.
#[derive(Debug, Default)]
pub struct Digest {
    open: Vec<Open>,
    done: Option<u64>,
    vague: bool,
}

/// An object or a list whose end has not come.
#[derive(Debug)]
struct Open {
    what: What,
    /// What stands for its name in its parent.
    place: u64,
    parts: Parts,
    /// An object's text.
    own: u64,
    name: Name,
    has_type: bool,
}

/// What a name says of what is below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    /// Resources.
    Resource,
    /// A narrative's parent.
    Text,
    Other,
}

impl Name {
    fn of(label: &str) -> Self {
        match label {
            "resource" | "contained" | "outcome" | "issues" => Self::Resource,
            "text" => Self::Text,
            _ => Self::Other,
        }
    }
}

impl Digest {
    /// Fed with nothing.
    pub fn new() -> Self {
        Self { open: Vec::with_capacity(16), ..Self::default() }
    }

    /// The digest, equal to [`crate::tree::Tree::digest`] with nothing erased; `None` where it cannot be told.
    pub fn finish(self) -> Option<u64> {
        self.done.filter(|_| !self.vague && self.open.is_empty())
    }

    /// What was fed is not all that there is to say.
    pub fn give_up(&mut self) {
        self.vague = true;
    }

    /// An object begins. `label` is its name in an object and is not looked at in a list; likewise below.
    pub fn object(&mut self, label: &str) {
        // A list's items are of what the list's name says.
        let above = self.open.last().filter(|above| above.what == What::List).map(|above| above.name);
        let name = match (above, self.open.is_empty()) {
            (_, true) | (Some(Name::Resource), _) => Name::Resource,
            (Some(_), _) => Name::Other,
            (None, _) => Name::of(label),
        };
        self.begin(What::Object, label, name);
    }

    /// A list begins.
    pub fn list(&mut self, label: &str) {
        let in_list = self.open.last().is_none_or(|above| above.what == What::List);
        self.begin(What::List, label, if in_list { Name::Other } else { Name::of(label) });
    }

    fn begin(&mut self, what: What, label: &str, name: Name) {
        let place = self.place(label);
        self.open.push(Open { what, place, parts: Parts::default(), own: text_hash(b""), name, has_type: false });
    }

    /// The innermost object or list ends.
    pub fn close(&mut self) {
        let Some(open) = self.open.pop() else { return self.give_up() };
        self.put(open.place, open.parts.digest(open.what, open.own));
    }

    /// A string.
    pub fn string(&mut self, label: &str, text: &str) {
        if let Some(above) = self.open.last_mut().filter(|above| above.what == What::Object) {
            if above.name == Name::Resource && label == "resourceType" {
                self.vague |= std::mem::replace(&mut above.has_type, true);
                above.own = text_hash(text.as_bytes());
                return;
            }
            if above.name == Name::Text && label == "div" && text.trim_ascii_start().starts_with('<') {
                return self.leaf(label, What::Narrative, text_hash(narrative::read(text).text().as_bytes()));
            }
        }
        self.leaf(label, What::String, text_hash(text.as_bytes()));
    }

    /// A number, as written.
    pub fn number(&mut self, label: &str, text: &str) {
        self.leaf(label, What::Number, number_hash(text.as_bytes(), Erase::NONE));
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, label: &str, is_true: bool) {
        self.leaf(label, What::Boolean, text_hash(if is_true { b"true" } else { b"false" }));
    }

    /// `null`.
    pub fn null(&mut self, label: &str) {
        self.leaf(label, What::Null, text_hash(b""));
    }

    fn leaf(&mut self, label: &str, what: What, own: u64) {
        let place = self.place(label);
        self.put(place, Parts::default().digest(what, own));
    }

    fn place(&mut self, label: &str) -> u64 {
        match self.open.last_mut() {
            Some(above) if above.what == What::List => above.parts.count(),
            Some(above) => {
                let is_twin = matches!(label.as_bytes(), [b'_', letter, ..] if letter.is_ascii_alphabetic());
                let is_type = above.name == Name::Resource && label == "resourceType";
                self.vague |= is_twin || (is_type && std::mem::replace(&mut above.has_type, true));
                label_hash(label.as_bytes())
            }
            None => 0,
        }
    }

    fn put(&mut self, place: u64, digest: u64) {
        match self.open.last_mut() {
            Some(above) => above.parts.add(place, digest),
            None => self.vague |= self.done.replace(digest).is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::tree_of_answer;
    use serde_json::Value;

    fn feed(value: &Value, label: &str, digest: &mut Digest) {
        match value {
            Value::Null => digest.null(label),
            Value::Bool(is_true) => digest.boolean(label, *is_true),
            Value::Number(number) => digest.number(label, &number.to_string()),
            Value::String(text) => digest.string(label, text),
            Value::Array(items) => {
                digest.list(label);
                items.iter().for_each(|item| feed(item, "", digest));
                digest.close();
            }
            Value::Object(members) => {
                digest.object(label);
                members.iter().rev().for_each(|(name, value)| feed(value, name, digest));
                digest.close();
            }
        }
    }

    #[test]
    fn it_is_that_of_the_tree_or_none() {
        let div = r#""<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>a</p></div>""#;
        for (text, is_told) in [
            (r#"{"resourceType":"Patient","id":"a","active":true,"n":[1,0.5,-1,null,[],{}],"a":{"b":null}}"#, true),
            (r#"{"contained":[{"resourceType":"A"}],"x":[{"resourceType":"A"}],"resource":{"resourceType":1}}"#, true),
            (r#"{"contained":[[{"resourceType":"A"}]],"outcome":{"resourceType":"B","":"_"}}"#, true),
            (&format!(r#"{{"text":{{"status":"generated","div":{div}}},"div":{div},"x":{{"div":{div}}}}}"#), true),
            (&format!(r#"{{"text":[{{"div":{div}}}],"contained":[{{"text":{{"div":" a"}}}}]}}"#), true),
            (r#"[{"resourceType":"A"},"",true]"#, true),
            (r#""a""#, true),
            (r#"{"__proto__":1,"_1":2,"_":3}"#, true),
            (r#"{"birthDate":"2000","_birthDate":{"id":"a"}}"#, false),
            (r#"{"a":[{"_b":[null]}]}"#, false),
        ] {
            let mut digest = Digest::new();
            feed(&serde_json::from_str(text).unwrap(), "", &mut digest);
            let tree = tree_of_answer(text.as_bytes()).unwrap();
            assert_eq!(digest.finish(), is_told.then(|| tree.digest(Erase::NONE)), "{text}");
        }
        let twice = |digest: &mut Digest| ["A", "B"].iter().for_each(|of| digest.string("resourceType", of));
        let cases: [(&str, fn(&mut Digest, &dyn Fn(&mut Digest))); 4] = [
            ("a type twice", |digest, twice| {
                digest.object("");
                twice(digest);
                digest.close();
            }),
            ("no end", |digest, _| digest.object("")),
            ("an end too many", |digest, _| digest.close()),
            ("two roots", |digest, twice| twice(digest)),
        ];
        for (what, fed) in cases {
            let mut digest = Digest::new();
            fed(&mut digest, &twice);
            assert_eq!(digest.finish(), None, "{what}");
        }
    }
}
