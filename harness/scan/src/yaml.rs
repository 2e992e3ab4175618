//! YAML that nobody vouches for: several documents in a file, aliases and merge keys expanded within bounds.

use saphyr_parser::{Event, Parser};
use std::collections::HashMap;

/// Values in a file, what aliases stand for counted each time.
const NODES_MAX: usize = 100_000;
/// Values within values.
const DEPTH_MAX: usize = 64;
/// Largest file, bytes.
pub const FILE_BYTES_MAX: usize = 2 << 20;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Text, number, truth or nothing, as written; whether it was quoted.
    Scalar(String, bool),
    /// A list.
    List(Vec<Node>),
    /// Keys and values, in order.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Node::Map(pairs) = self else { return None };
        pairs.iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// The value at the end of several keys.
    pub fn at(&self, keys: &[&str]) -> Option<&Node> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Its text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Node::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// Whether it is true or false: of YAML 1.1 as well, which Kubernetes reads.
    pub fn truth(&self) -> Option<bool> {
        match self {
            Node::Scalar(text, false) => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" => Some(true),
                "false" | "no" | "off" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// Its items, none if it is no list.
    pub fn items(&self) -> &[Node] {
        match self {
            Node::List(items) => items,
            _ => &[],
        }
    }

    /// Its keys and values, none if it has none.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &Node)> {
        let pairs = match self {
            Node::Map(pairs) => pairs.as_slice(),
            _ => &[],
        };
        pairs.iter().filter_map(|(key, value)| Some((key.text()?, value)))
    }

    fn size(&self) -> usize {
        match self {
            Node::Scalar(..) => 1,
            Node::List(items) => 1 + items.iter().map(Node::size).sum::<usize>(),
            Node::Map(pairs) => 1 + pairs.iter().map(|(key, value)| key.size() + value.size()).sum::<usize>(),
        }
    }

    fn depth(&self) -> usize {
        match self {
            Node::Scalar(..) => 1,
            Node::List(items) => 1 + items.iter().map(Node::depth).max().unwrap_or(0),
            Node::Map(pairs) => 1 + pairs.iter().map(|(key, value)| key.depth().max(value.depth())).max().unwrap_or(0),
        }
    }
}

enum Open {
    List(usize, Vec<Node>),
    Map(usize, Vec<(Node, Node)>, Option<Node>),
}

/// Every document of a file.
///
/// # Errors
/// What is wrong with it, or which bound it breaks.
pub fn read(text: &str) -> Result<Vec<Node>, String> {
    if text.len() > FILE_BYTES_MAX {
        return Err(format!("more than {} MiB", FILE_BYTES_MAX >> 20));
    }
    let mut documents = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, Node> = HashMap::new();
    let mut left = NODES_MAX;
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, _) = event.map_err(|error| error.to_string())?;
        let done = match event {
            Event::Scalar(text, style, anchor, _) => {
                let quoted = style != saphyr_parser::ScalarStyle::Plain;
                Some((anchor, Node::Scalar(text.into_owned(), quoted)))
            }
            Event::Alias(anchor) => {
                let node = anchors.get(&anchor).ok_or("an alias of something that is still open or unknown")?.clone();
                if node.depth() + open.len() > DEPTH_MAX {
                    return Err(format!("values nest deeper than {DEPTH_MAX}"));
                }
                let size = node.size();
                left = left.checked_sub(size).ok_or_else(|| format!("more than {NODES_MAX} values"))?;
                Some((0, node))
            }
            Event::SequenceStart(anchor, _) => {
                open.push(Open::List(anchor, Vec::new()));
                None
            }
            Event::MappingStart(anchor, _) => {
                open.push(Open::Map(anchor, Vec::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(anchor, items)) => Some((anchor, Node::List(items))),
                Some(Open::Map(anchor, pairs, _)) => Some((anchor, Node::Map(merged(pairs)))),
                None => return Err("an end without a beginning".to_owned()),
            },
            Event::DocumentEnd => {
                anchors.clear();
                None
            }
            _ => None,
        };
        if open.len() > DEPTH_MAX {
            return Err(format!("values nest deeper than {DEPTH_MAX}"));
        }
        let Some((anchor, node)) = done else { continue };
        left = left.checked_sub(1).ok_or_else(|| format!("more than {NODES_MAX} values"))?;
        if anchor != 0 {
            left = left.checked_sub(node.size()).ok_or_else(|| format!("more than {NODES_MAX} values"))?;
            anchors.insert(anchor, node.clone());
        }
        match open.last_mut() {
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(_, pairs, key)) => match key.take() {
                Some(key) => pairs.push((key, node)),
                None => *key = Some(node),
            },
            None => documents.push(node),
        }
    }
    Ok(documents)
}

/// Puts in what merge keys (`<<`) bring; what is written beside them wins.
fn merged(pairs: Vec<(Node, Node)>) -> Vec<(Node, Node)> {
    let is_merge = |key: &Node| *key == Node::Scalar("<<".to_owned(), false);
    if !pairs.iter().any(|(key, _)| is_merge(key)) {
        return pairs;
    }
    let (merges, mut own): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(key, _)| is_merge(key));
    for (_, from) in merges {
        let sources = match from {
            Node::List(items) => items,
            other => vec![other],
        };
        for source in sources {
            let Node::Map(pairs) = source else { continue };
            for (key, value) in pairs {
                if !own.iter().any(|(known, _)| *known == key) {
                    own.push((key, value));
                }
            }
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_aliases_and_merges() {
        let documents =
            read("a: &x {b: 1, c: yes}\nd: *x\ne: {<<: *x, c: 'no'}\n---\n- 1\n- [2, \"3\"]\n---\n").unwrap();
        assert_eq!(documents[0].at(&["d", "b"]).unwrap().text(), Some("1"));
        assert_eq!(documents[0].at(&["d", "c"]).unwrap().truth(), Some(true));
        // Quoted, it is text.
        assert_eq!(documents[0].at(&["e", "c"]).unwrap().truth(), None);
        assert_eq!(documents[0].at(&["e", "b"]).unwrap().text(), Some("1"));
        assert_eq!(documents[1].items()[1].items().len(), 2);
    }

    #[test]
    fn hostile_files_are_refused_within_bounds() {
        let laughs: String =
            (0..20).map(|n| format!("a{}: &a{} [*a{n}, *a{n}, *a{n}, *a{n}]\n", n + 1, n + 1)).collect();
        for text in [
            format!("a0: &a0 x\n{laughs}"),
            "[".repeat(100_000),
            "a: *b".to_owned(),
            "- &a [*a]".to_owned(),
            "a: {{ .Values.image }}: b".to_owned(),
            "\t- a: [".to_owned(),
            format!("[{}]", "a,".repeat(200_000)),
            "x".repeat(FILE_BYTES_MAX + 1),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.len() < 400, "{error}");
        }
    }
}
