//! From edges to instructions: one walk over each function's original code, in which every instruction inherits the
//! count of the edges that lead to it.

use crate::instrument::{Site, SiteKind};
use std::collections::{BTreeMap, HashMap};
use wasmparser::{BlockType, Catch, FunctionBody, Operator as O, Parser, Payload};

/// For each function with sites: its instructions' offsets with the number of inputs that reached each, at least, where
/// several ways meet. Stops at what is malformed.
pub fn instructions(wasm: &[u8], sites: &BTreeMap<u32, Vec<(Site, u64)>>) -> Vec<(u32, Vec<(u32, u64)>)> {
    let mut found = Vec::new();
    let mut function = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload {
            Ok(Payload::ImportSection(section)) => {
                let imports = section.into_imports().map_while(Result::ok);
                let is_function = |ty| matches!(ty, wasmparser::TypeRef::Func(_) | wasmparser::TypeRef::FuncExact(_));
                function += imports.filter(|import| is_function(import.ty)).count() as u32;
            }
            Ok(Payload::CodeSectionEntry(body)) => {
                if let Some(sites) = sites.get(&function) {
                    found.push((function, walk(&body, sites).unwrap_or_default()));
                }
                function += 1;
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    found
}

/// One open block.
struct Block {
    kind: Kind,
    /// Inputs that leave by branching to its end.
    branched: u64,
    /// `if` without an `else` so far: inputs that go the other way.
    other_way: Option<u64>,
    /// Where an exception lands at its end: the counter behind it counts all that come by.
    landing: Option<u64>,
}

#[derive(PartialEq, Eq)]
enum Kind {
    Forward,
    /// Branches to it lead back to what was reached already.
    Loop,
}

fn walk(body: &FunctionBody<'_>, sites: &[(Site, u64)]) -> Result<Vec<(u32, u64)>, wasmparser::BinaryReaderError> {
    let counted: HashMap<(u32, SiteKind), u64> =
        sites.iter().map(|(site, hits)| ((site.offset, site.kind), *hits)).collect();
    let count = |offset: u32, kind| counted.get(&(offset, kind)).copied();
    let block = |kind| Block { kind, branched: 0, other_way: None, landing: None };
    let mut found = Vec::new();
    let mut now = sites.iter().find(|(site, _)| site.kind == SiteKind::Entry).map_or(0, |(_, hits)| *hits);
    let mut open = vec![block(Kind::Forward)];
    let mut reader = body.get_operators_reader()?;
    while !reader.eof() {
        let (operator, offset) = reader.read_with_offset()?;
        let offset = offset as u32;
        found.push((offset, now));
        let branch = |open: &mut Vec<Block>, depth: u32, inputs: u64| {
            let at = open.len().checked_sub(1 + depth as usize);
            if let Some(target) = at.and_then(|at| open.get_mut(at)) {
                target.branched = target.branched.max(inputs);
            }
        };
        match operator {
            O::Block { .. } | O::Try { .. } => open.push(block(Kind::Forward)),
            O::Loop { .. } => open.push(block(Kind::Loop)),
            O::TryTable { try_table } => {
                for catch in &try_table.catches {
                    let (Catch::One { label, .. }
                    | Catch::OneRef { label, .. }
                    | Catch::All { label }
                    | Catch::AllRef { label }) = *catch;
                    let at = open.len().checked_sub(1 + label as usize);
                    if let Some(target) = at.and_then(|at| open.get_mut(at)) {
                        target.landing = target.landing.or(count(offset, SiteKind::Taken));
                    }
                }
                open.push(block(Kind::Forward));
            }
            O::If { blockty: BlockType::Empty | BlockType::Type(_) | BlockType::FuncType(_) } => {
                let other_way = Some(count(offset, SiteKind::NotTaken).unwrap_or(now));
                open.push(Block { other_way, ..block(Kind::Forward) });
                now = count(offset, SiteKind::Taken).unwrap_or(now);
            }
            O::Else => {
                if let Some(block) = open.last_mut() {
                    block.branched = block.branched.max(now);
                    now = block.other_way.take().unwrap_or(0);
                }
            }
            O::End => {
                if let Some(block) = open.pop() {
                    if block.kind == Kind::Forward {
                        now = now.max(block.branched);
                    }
                    now = now.max(block.other_way.unwrap_or(0));
                    now = block.landing.unwrap_or(now);
                }
            }
            O::Br { relative_depth } => {
                branch(&mut open, relative_depth, now);
                now = 0;
            }
            O::BrIf { relative_depth } => {
                branch(&mut open, relative_depth, count(offset, SiteKind::Taken).unwrap_or(now));
                now = count(offset, SiteKind::NotTaken).unwrap_or(now);
            }
            O::BrTable { targets } => {
                let default = targets.len();
                for (slot, depth) in targets.targets().map_while(Result::ok).chain([targets.default()]).enumerate() {
                    let slot = (slot as u32).min(default);
                    branch(&mut open, depth, count(offset, SiteKind::Slot(slot)).unwrap_or(now));
                }
                now = 0;
            }
            O::BrOnNull { relative_depth }
            | O::BrOnNonNull { relative_depth }
            | O::BrOnCast { relative_depth, .. }
            | O::BrOnCastFail { relative_depth, .. } => {
                branch(&mut open, relative_depth, count(offset, SiteKind::Taken).unwrap_or(now));
                now = count(offset, SiteKind::NotTaken).unwrap_or(now);
            }
            O::Return
            | O::Unreachable
            | O::ReturnCall { .. }
            | O::ReturnCallIndirect { .. }
            | O::ReturnCallRef { .. }
            | O::Throw { .. }
            | O::ThrowRef
            | O::Rethrow { .. } => now = 0,
            _ => {}
        }
    }
    Ok(found)
}
