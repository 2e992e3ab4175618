//! DWARF of a wasm module: addresses (bytes from the start of the code section's payload) → functions, inlined functions
//! and source lines. Written on `gimli` rather than on `addr2line` because the module may be hostile: every list walked
//! here pays from a budget, nothing recurses, and header fields that multiply work are checked before they are believed.

use super::{Location, SourceFile, demangle, printable, shown_path};
use gimli::{AttributeValue, EndianArcSlice, LittleEndian, Reader as _, Section as _, UnitOffset};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

type Reader = EndianArcSlice<LittleEndian>;
/// Begin and end addresses.
type Ranges = Vec<(u32, u32)>;
/// A function's name and where in it the instruction stands.
pub(super) type Place = (Option<String>, Option<Location>);

/// Steps (attributes, rows, list entries) allowed for opening and indexing, per byte of debug information.
const STEPS_PER_BYTE: u64 = 4;
/// … and on top of that.
const STEPS_BASE: u64 = 1 << 20;
/// Steps allowed for one question about inlined functions; the largest function seen needed 200,000.
const STEPS_PER_QUESTION: u64 = 4 << 20;
/// Memory for what is kept, in rows of a line table (16 bytes); other things are counted in these.
const ROWS_MAX: u64 = 8 << 20;
/// Units opened: the standard library brings some hundreds.
const UNITS_MAX: usize = 1 << 16;
/// Rows that an entry of a file table takes.
const ROWS_PER_FILE: u64 = 8;
/// Largest abbreviation table of one unit, and largest header of one line program, bytes: in memory they grow thirtyfold.
const TABLE_BYTES_MAX: usize = 1 << 20;
/// Hops from a function to its declaration.
const ORIGINS_MAX: usize = 8;
/// Namespaces and types around a function that are told.
const SCOPES_MAX: usize = 32;
/// Inlined functions reported at one instruction, outermost kept.
const INLINED_MAX: usize = 64;

/// Why something could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// gimli's word on malformed data.
    Malformed(gimli::Error),
    /// A table is larger than any compiler writes.
    TooLarge,
    /// The budget is spent.
    Spent,
}

impl From<gimli::Error> for Fault {
    fn from(error: gimli::Error) -> Self {
        Self::Malformed(error)
    }
}

/// What is left to spend.
#[derive(Debug, Clone, Copy)]
struct Budget(u64);

impl Budget {
    fn spend(&mut self, steps: u64) -> Result<(), Fault> {
        match self.0.checked_sub(steps) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => {
                self.0 = 0;
                Err(Fault::Spent)
            }
        }
    }
}

/// The debug information of one module, decoded as far as questions went.
pub(super) struct Dwarf {
    sections: gimli::Dwarf<Reader>,
    code_bytes: u32,
    debug_bytes: u64,
    budget: Budget,
    rows_left: Budget,
    units: Vec<Unit>,
    /// Sorted by `begin`; `end_max` is the largest end so far, so that a search knows when to stop looking back.
    ranges: Vec<UnitRange>,
    lines: HashMap<usize, Arc<Lines>>,
    problem: Option<String>,
}

struct UnitRange {
    begin: u32,
    end: u32,
    end_max: u32,
    unit: usize,
}

struct Unit {
    /// Offset of the unit's header in `.debug_info`.
    start: usize,
    unit: gimli::Unit<Reader>,
    functions: Option<Vec<(u32, u32, UnitOffset<usize>)>>,
    /// Namespaces and types around each function entry, `a::b`, by offset of the entry in the unit.
    scopes: HashMap<usize, Arc<str>>,
    files: HashMap<u64, Option<Arc<SourceFile>>>,
}

/// A line program, run.
#[derive(Default)]
struct Lines {
    /// Sorted by start.
    sequences: Vec<(u32, u32, Range<usize>)>,
    rows: Vec<Row>,
}

#[derive(Clone, Copy)]
struct Row {
    address: u32,
    file: u32,
    line: u32,
    column: u32,
}

/// An inlined function that contains the address asked for.
struct Call {
    depth: isize,
    called: Called,
    file: Option<u64>,
    line: u32,
    column: u32,
}

/// What an entry says of its name: itself, or where to look.
#[derive(Default)]
struct Called {
    name: Option<String>,
    origin: Option<AttributeValue<Reader>>,
}

impl Dwarf {
    /// Reads the unit headers. `code_bytes` bounds the addresses that are believed.
    pub(super) fn open(sections: &HashMap<String, Arc<[u8]>>, code_bytes: u32) -> Self {
        let empty: Arc<[u8]> = Arc::new([]);
        let load = |id: gimli::SectionId| -> Result<Reader, std::convert::Infallible> {
            Ok(Reader::new(sections.get(id.name()).unwrap_or(&empty).clone(), LittleEndian))
        };
        let Ok(dwarf) = gimli::Dwarf::load(load);
        let debug_bytes: u64 = sections.values().map(|data| data.len() as u64).sum();
        let mut this = Self {
            sections: dwarf,
            code_bytes,
            debug_bytes,
            budget: Budget(debug_bytes * STEPS_PER_BYTE + STEPS_BASE),
            rows_left: Budget(ROWS_MAX),
            units: Vec::new(),
            ranges: Vec::new(),
            lines: HashMap::new(),
            problem: None,
        };
        if let Err(fault) = this.index() {
            this.note(fault);
        }
        this.ranges.sort_by_key(|range| (range.begin, range.end));
        let mut end_max = 0;
        for range in &mut this.ranges {
            end_max = end_max.max(range.end);
            range.end_max = end_max;
        }
        this
    }

    /// What could not be read, in words.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Function and inlined functions at an address, innermost first, each with its place. Empty where nothing is known.
    pub(super) fn frames(&mut self, address: u32) -> Vec<Place> {
        for index in self.units_at(address) {
            match self.frames_in(index, address) {
                Ok(frames) if !frames.is_empty() => return frames,
                Ok(_) => {}
                Err(fault) => self.note(fault),
            }
        }
        Vec::new()
    }

    /// The place of the instruction at an address.
    pub(super) fn location(&mut self, address: u32) -> Option<Location> {
        self.units_at(address).into_iter().find_map(|index| self.location_in(index, address).ok().flatten())
    }

    /// Every row of the line table with a line, in a range of addresses. The row that the range begins inside of counts
    /// from the range's start.
    pub(super) fn rows(&mut self, range: Range<u32>) -> Vec<(u32, Location)> {
        // The body starts a few bytes after the function does; its middle is in the unit for certain.
        let middle = range.start + (range.end - range.start) / 2;
        for index in self.units_at(middle) {
            let Ok(lines) = self.lines_of(index) else { continue };
            let mut found = Vec::new();
            let first = lines.sequences.partition_point(|(_, end, _)| *end <= range.start);
            for (start, _, rows) in &lines.sequences[first..] {
                if *start >= range.end {
                    break;
                }
                let rows = &lines.rows[rows.clone()];
                let before = rows.partition_point(|row| row.address <= range.start).saturating_sub(1);
                for row in rows[before..].iter().take_while(|row| row.address < range.end) {
                    if row.line > 0
                        && let Some(file) = self.file(index, row.file.into())
                    {
                        let address = row.address.max(range.start);
                        found.push((address, Location { file, line: row.line, column: row.column }));
                    }
                }
            }
            if !found.is_empty() {
                found.sort_by_key(|(address, _)| *address);
                return found;
            }
        }
        Vec::new()
    }

    fn note(&mut self, fault: Fault) {
        self.problem.get_or_insert_with(|| match fault {
            Fault::Malformed(error) => format!("part of the debug information is malformed: {error}"),
            Fault::TooLarge => "part of the debug information is larger than any compiler writes".into(),
            Fault::Spent => {
                "the debug information costs more to read than its size justifies; the rest is left out".into()
            }
        });
    }

    fn index(&mut self) -> Result<(), Fault> {
        let mut tables: HashMap<usize, Arc<gimli::Abbreviations>> = HashMap::new();
        let mut headers = self.sections.units();
        while let Some(header) = headers.next()? {
            let Some(start) = header.debug_info_offset().map(|offset| offset.0) else { continue };
            self.budget.spend(16)?;
            if self.units.len() >= UNITS_MAX {
                return Err(Fault::TooLarge);
            }
            match self.open_unit(header, &mut tables) {
                Ok((unit, ranges)) => {
                    let index = self.units.len();
                    self.units.push(Unit {
                        start,
                        unit,
                        functions: None,
                        scopes: HashMap::new(),
                        files: HashMap::new(),
                    });
                    for (begin, end) in ranges {
                        self.rows_left.spend(1)?;
                        self.ranges.push(UnitRange { begin, end, end_max: end, unit: index });
                    }
                }
                Err(Fault::Spent) => return Err(Fault::Spent),
                Err(fault) => {
                    // One unit lost. A failed parse may have walked a whole section before it failed.
                    self.note(fault);
                    self.budget.spend(64 + self.debug_bytes / 64)?;
                }
            }
        }
        Ok(())
    }

    /// Opens one unit after looking at everything in it that could multiply work.
    fn open_unit(
        &mut self,
        header: gimli::UnitHeader<Reader>,
        tables: &mut HashMap<usize, Arc<gimli::Abbreviations>>,
    ) -> Result<(gimli::Unit<Reader>, Ranges), Fault> {
        let offset = header.debug_abbrev_offset();
        let abbreviations = match tables.get(&offset.0) {
            Some(known) => known.clone(),
            None => {
                let bytes = abbreviation_bytes(self.sections.debug_abbrev.reader(), offset.0)?;
                self.budget.spend(bytes as u64)?;
                self.rows_left.spend(bytes as u64)?;
                let parsed = Arc::new(self.sections.debug_abbrev.abbreviations(offset)?);
                tables.insert(offset.0, parsed.clone());
                parsed
            }
        };
        let mut root = header.entries_raw(&abbreviations, None)?;
        let Some(abbreviation) = root.read_abbreviation()? else { return Err(gimli::Error::MissingUnitDie.into()) };
        self.budget.spend(2 * abbreviation.attributes().len() as u64)?;
        let (mut low, mut high, mut list) = (None, None, None);
        for spec in abbreviation.attributes() {
            let attribute = root.read_attribute(*spec)?;
            match attribute.name() {
                gimli::DW_AT_stmt_list => {
                    if let AttributeValue::DebugLineRef(offset) = attribute.value() {
                        let (bytes, files) = line_header_size(self.sections.debug_line.reader(), offset.0)?;
                        self.budget.spend(bytes)?;
                        self.rows_left.spend(files * ROWS_PER_FILE)?;
                    }
                }
                gimli::DW_AT_low_pc => low = Some(attribute.value()),
                gimli::DW_AT_high_pc => high = Some(attribute.value()),
                gimli::DW_AT_ranges => list = Some(attribute.value()),
                _ => {}
            }
        }
        let unit = gimli::Unit::new_with_abbreviations(&self.sections, header, abbreviations.clone())?;
        // Their length was walked in search of the final zero.
        let strings = unit.name.as_ref().map_or(0, |s| s.len()) + unit.comp_dir.as_ref().map_or(0, |s| s.len());
        self.budget.spend(strings as u64 / 16)?;
        let mut budget = self.budget;
        let ranges = ranges(&self.sections, &unit, low, high, list, self.code_bytes, &mut budget);
        self.budget = budget;
        let mut ranges = ranges?;
        if ranges.is_empty() {
            // A unit that does not say where its code is may be anywhere, unless it says that it has none.
            if unit.line_program.is_some() {
                ranges.push((0, self.code_bytes));
            }
        }
        Ok((unit, ranges))
    }

    /// Units whose ranges contain the address, nearest begin first.
    fn units_at(&self, address: u32) -> Vec<usize> {
        let mut found = Vec::new();
        let after = self.ranges.partition_point(|range| range.begin <= address);
        for range in self.ranges[..after].iter().rev().take(1 << 16) {
            if range.end_max <= address || found.len() >= 16 {
                break;
            }
            if range.end > address && !found.contains(&range.unit) {
                found.push(range.unit);
            }
        }
        found
    }

    fn frames_in(&mut self, index: usize, address: u32) -> Result<Vec<Place>, Fault> {
        let location = self.location_in(index, address)?;
        let mut budget = Budget(STEPS_PER_QUESTION);
        let function = self.function_at(index, address);
        let found = function.and_then(|function| match function {
            Some(function) => self.calls_at(index, function, address, &mut budget).map(Some),
            None => Ok(None),
        });
        let (outermost, calls) = match found {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(location.into_iter().map(|at| (None, Some(at))).collect()),
            Err(fault) => {
                // The line is known even where the functions are not.
                self.note(fault);
                return Ok(location.into_iter().map(|at| (None, Some(at))).collect());
            }
        };
        // Outermost first: each call's place is where its caller stands.
        let mut frames = Vec::with_capacity(calls.len() + 1);
        let mut name = self.name_of(index, outermost, &mut budget);
        for call in calls {
            let file = call.file.and_then(|file| self.file(index, file));
            let caller_at = file.map(|file| Location { file, line: call.line, column: call.column });
            frames.push((name, caller_at));
            name = self.name_of(index, call.called, &mut budget);
        }
        frames.push((name, location));
        frames.reverse();
        Ok(frames)
    }

    /// The subprogram that contains an address.
    fn function_at(&mut self, index: usize, address: u32) -> Result<Option<UnitOffset<usize>>, Fault> {
        self.walk(index)?;
        let functions = self.units[index].functions.as_deref().unwrap_or_default();
        let after = functions.partition_point(|(begin, ..)| *begin <= address);
        let hit = functions[..after].iter().rev().take(16).find(|(_, end, _)| address < *end);
        Ok(hit.map(|(.., offset)| *offset))
    }

    /// Notes the functions of a unit, once.
    fn walk(&mut self, index: usize) -> Result<(), Fault> {
        if self.units[index].functions.is_some() {
            return Ok(());
        }
        // Kept even if the walk fails in the middle: asking again would fail again.
        let (mut functions, mut scopes) = (Vec::new(), HashMap::new());
        let walked = self.functions_of(index, &mut functions, &mut scopes);
        functions.sort_by_key(|(begin, end, _)| (*begin, *end));
        self.units[index].functions = Some(functions);
        self.units[index].scopes = scopes;
        walked
    }

    fn functions_of(
        &mut self,
        index: usize,
        functions: &mut Vec<(u32, u32, UnitOffset<usize>)>,
        scopes: &mut HashMap<usize, Arc<str>>,
    ) -> Result<(), Fault> {
        let unit = &self.units[index].unit;
        let mut entries = unit.header.entries_raw(&unit.abbreviations, None)?;
        let mut around: Vec<(isize, Arc<str>)> = Vec::new();
        while !entries.is_empty() {
            let (offset, depth) = (entries.next_offset(), entries.next_depth());
            self.budget.spend(1)?;
            let Some(abbreviation) = entries.read_abbreviation()? else { continue };
            self.budget.spend(abbreviation.attributes().len() as u64)?;
            while around.last().is_some_and(|(outer, _)| *outer >= depth) {
                around.pop();
            }
            let is_scope = matches!(
                abbreviation.tag(),
                gimli::DW_TAG_namespace
                    | gimli::DW_TAG_structure_type
                    | gimli::DW_TAG_class_type
                    | gimli::DW_TAG_union_type
                    | gimli::DW_TAG_enumeration_type
            ) && abbreviation.has_children();
            let is_function = abbreviation.tag() == gimli::DW_TAG_subprogram;
            if !is_function && !is_scope {
                entries.skip_attributes(abbreviation.attributes())?;
                continue;
            }
            let (mut low, mut high, mut list, mut name) = (None, None, None, None);
            for spec in abbreviation.attributes() {
                let attribute = entries.read_attribute(*spec)?;
                match attribute.name() {
                    gimli::DW_AT_low_pc => low = Some(attribute.value()),
                    gimli::DW_AT_high_pc => high = Some(attribute.value()),
                    gimli::DW_AT_ranges => list = Some(attribute.value()),
                    gimli::DW_AT_name if is_scope => name = Some(attribute.value()),
                    _ => {}
                }
            }
            if is_scope {
                let mut budget = self.budget;
                let name = name.map(|name| self.string(index, name, &mut budget)).transpose();
                self.budget = budget;
                if let (Some(name), true) = (name?.flatten(), around.len() < SCOPES_MAX) {
                    self.rows_left.spend(4 + name.len() as u64 / 16)?;
                    let mut scope = around.last().map_or(String::new(), |(_, outer)| format!("{outer}::"));
                    scope.push_str(&name);
                    around.push((depth, printable(&scope).into()));
                }
                continue;
            }
            if let Some((_, scope)) = around.last() {
                self.rows_left.spend(2)?;
                scopes.insert(offset.0, scope.clone());
            }
            for (begin, end) in ranges(&self.sections, unit, low, high, list, self.code_bytes, &mut self.budget)? {
                self.rows_left.spend(1)?;
                functions.push((begin, end, offset));
            }
        }
        Ok(())
    }

    /// The function's name and the inlined calls inside it that contain the address, outermost first.
    fn calls_at(
        &self,
        index: usize,
        function: UnitOffset<usize>,
        address: u32,
        budget: &mut Budget,
    ) -> Result<(Called, Vec<Call>), Fault> {
        let unit = &self.units[index].unit;
        let mut entries = unit.header.entries_raw(&unit.abbreviations, Some(function))?;
        let top = entries.next_depth();
        let Some(abbreviation) = entries.read_abbreviation()? else { return Ok((Called::default(), Vec::new())) };
        let (mut linkage, mut plain, mut origin) = (None, None, None);
        for spec in abbreviation.attributes() {
            let attribute = entries.read_attribute(*spec)?;
            match attribute.name() {
                gimli::DW_AT_linkage_name | gimli::DW_AT_MIPS_linkage_name => {
                    linkage = self.string(index, attribute.value(), budget)?
                }
                gimli::DW_AT_name => plain = self.string(index, attribute.value(), budget)?,
                gimli::DW_AT_abstract_origin | gimli::DW_AT_specification => origin = Some(attribute.value()),
                _ => {}
            }
        }
        let own = linkage.or_else(|| plain.map(|name| self.scoped(index, function.0, name)));
        let mut calls: Vec<Call> = Vec::new();
        // Depth below which everything belongs to a nested function of its own.
        let mut skipped_below = isize::MAX;
        while !entries.is_empty() && entries.next_depth() > top {
            let depth = entries.next_depth();
            budget.spend(1)?;
            let Some(abbreviation) = entries.read_abbreviation()? else { continue };
            budget.spend(abbreviation.attributes().len() as u64)?;
            if depth <= skipped_below {
                skipped_below = isize::MAX;
            }
            if abbreviation.tag() == gimli::DW_TAG_subprogram && skipped_below == isize::MAX {
                skipped_below = depth;
            }
            if abbreviation.tag() != gimli::DW_TAG_inlined_subroutine || skipped_below != isize::MAX {
                entries.skip_attributes(abbreviation.attributes())?;
                continue;
            }
            let mut call = Call { depth, called: Called::default(), file: None, line: 0, column: 0 };
            let (mut low, mut high, mut list) = (None, None, None);
            for spec in abbreviation.attributes() {
                let attribute = entries.read_attribute(*spec)?;
                match attribute.name() {
                    gimli::DW_AT_low_pc => low = Some(attribute.value()),
                    gimli::DW_AT_high_pc => high = Some(attribute.value()),
                    gimli::DW_AT_ranges => list = Some(attribute.value()),
                    gimli::DW_AT_abstract_origin => call.called.origin = Some(attribute.value()),
                    gimli::DW_AT_linkage_name | gimli::DW_AT_MIPS_linkage_name => {
                        call.called.name = self.string(index, attribute.value(), budget)?;
                    }
                    gimli::DW_AT_call_file => {
                        if let AttributeValue::FileIndex(file) = attribute.value() {
                            call.file = Some(file);
                        } else {
                            call.file = attribute.udata_value();
                        }
                    }
                    gimli::DW_AT_call_line => call.line = attribute.udata_value().unwrap_or(0).try_into().unwrap_or(0),
                    gimli::DW_AT_call_column => {
                        call.column = attribute.udata_value().unwrap_or(0).try_into().unwrap_or(0)
                    }
                    _ => {}
                }
            }
            let is_inside_last = calls.last().is_none_or(|last| depth > last.depth);
            let ranges = ranges(&self.sections, unit, low, high, list, self.code_bytes, budget)?;
            if is_inside_last
                && calls.len() < INLINED_MAX
                && ranges.iter().any(|(begin, end)| (*begin..*end).contains(&address))
            {
                calls.push(call);
            }
        }
        Ok((Called { name: own, origin }, calls))
    }

    fn name_of(&mut self, index: usize, called: Called, budget: &mut Budget) -> Option<String> {
        let Called { name, origin } = called;
        name.or_else(|| self.origin_name(index, origin?, budget).ok().flatten())
    }

    /// The name at the end of a chain of `abstract_origin` and `specification`.
    fn origin_name(
        &mut self,
        index: usize,
        origin: AttributeValue<Reader>,
        budget: &mut Budget,
    ) -> Result<Option<String>, Fault> {
        let (mut index, mut next) = (index, Some(origin));
        let mut plain: Option<(usize, usize, String)> = None;
        for _ in 0..ORIGINS_MAX {
            let offset = match next.take() {
                Some(AttributeValue::UnitRef(offset)) => offset,
                Some(AttributeValue::DebugInfoRef(offset)) => {
                    let after = self.units.partition_point(|unit| unit.start <= offset.0);
                    let Some(found) = after.checked_sub(1) else { break };
                    let Some(offset) = offset.to_unit_offset(&self.units[found].unit.header) else { break };
                    index = found;
                    offset
                }
                _ => break,
            };
            let unit = &self.units[index].unit;
            let mut entries = unit.header.entries_raw(&unit.abbreviations, Some(offset))?;
            let Some(abbreviation) = entries.read_abbreviation()? else { break };
            budget.spend(1 + abbreviation.attributes().len() as u64)?;
            for spec in abbreviation.attributes() {
                let attribute = entries.read_attribute(*spec)?;
                match attribute.name() {
                    gimli::DW_AT_linkage_name | gimli::DW_AT_MIPS_linkage_name => {
                        return self.string(index, attribute.value(), budget);
                    }
                    // The declaration knows the namespace, which is why the last one in the chain counts.
                    gimli::DW_AT_name => {
                        if let Some(name) = self.string(index, attribute.value(), budget)? {
                            plain = Some((index, offset.0, name));
                        }
                    }
                    gimli::DW_AT_abstract_origin | gimli::DW_AT_specification => next = Some(attribute.value()),
                    _ => {}
                }
            }
            if next.is_some()
                && let Some(plain) = &mut plain
            {
                (plain.0, plain.1) = (index, offset.0);
            }
        }
        let Some((index, offset, name)) = plain else { return Ok(None) };
        // The unit that declares it may be another one than the address is in.
        if let Err(fault) = self.walk(index) {
            self.note(fault);
        }
        Ok(Some(self.scoped(index, offset, name)))
    }

    /// `name` inside the namespaces and types around the entry at `offset`.
    fn scoped(&self, index: usize, offset: usize, name: String) -> String {
        match self.units[index].scopes.get(&offset) {
            Some(scope) => printable(&format!("{scope}::{name}")),
            None => name,
        }
    }

    /// A demangled name.
    fn string(
        &self,
        index: usize,
        value: AttributeValue<Reader>,
        budget: &mut Budget,
    ) -> Result<Option<String>, Fault> {
        let Ok(text) = self.sections.attr_string(&self.units[index].unit, value) else {
            budget.spend(64 + self.debug_bytes / 64)?;
            return Ok(None);
        };
        budget.spend(1 + text.len() as u64 / 16)?;
        Ok(Some(demangle(&text_of(&text))))
    }

    fn location_in(&mut self, index: usize, address: u32) -> Result<Option<Location>, Fault> {
        let lines = self.lines_of(index)?;
        let after = lines.sequences.partition_point(|(start, ..)| *start <= address);
        let Some((_, end, rows)) = after.checked_sub(1).map(|at| &lines.sequences[at]) else { return Ok(None) };
        if address >= *end {
            return Ok(None);
        }
        let rows = &lines.rows[rows.clone()];
        let Some(row) = rows.partition_point(|row| row.address <= address).checked_sub(1).map(|at| rows[at]) else {
            return Ok(None);
        };
        let Some(file) = self.file(index, row.file.into()) else { return Ok(None) };
        Ok(Some(Location { file, line: row.line, column: row.column }))
    }

    /// The unit's line program, run once and shared between units that name the same one.
    fn lines_of(&mut self, index: usize) -> Result<Arc<Lines>, Fault> {
        let Some(program) = &self.units[index].unit.line_program else { return Ok(Arc::default()) };
        let key = program.header().offset().0;
        if let Some(known) = self.lines.get(&key) {
            return Ok(known.clone());
        }
        let program = program.clone();
        let mut lines = Lines::default();
        let ran = self.run(program, &mut lines);
        if let Err(fault) = ran {
            self.note(fault);
        }
        lines.sequences.sort_by_key(|(start, end, _)| (*start, *end));
        let lines = Arc::new(lines);
        self.lines.insert(key, lines.clone());
        Ok(lines)
    }

    fn run(&mut self, program: gimli::IncompleteLineProgram<Reader>, lines: &mut Lines) -> Result<(), Fault> {
        self.budget.spend(program.header().raw_program_buf().len() as u64)?;
        let mut rows = program.rows();
        let mut first = lines.rows.len();
        while let Some((_, row)) = rows.next_row()? {
            self.budget.spend(1)?;
            let address = u32::try_from(row.address()).unwrap_or(u32::MAX);
            if row.end_sequence() {
                if let Some(start) = lines.rows.get(first).map(|row| row.address) {
                    // Linkers leave the rows of functions they dropped at address 0, where the code section has its count.
                    if start > 0 && start < address && address <= self.code_bytes {
                        lines.sequences.push((start, address, first..lines.rows.len()));
                    } else {
                        lines.rows.truncate(first);
                    }
                }
                first = lines.rows.len();
                continue;
            }
            let new = Row {
                address,
                file: u32::try_from(row.file_index()).unwrap_or(u32::MAX),
                line: row.line().map_or(0, |line| u32::try_from(line.get()).unwrap_or(0)),
                column: match row.column() {
                    gimli::ColumnType::LeftEdge => 0,
                    gimli::ColumnType::Column(column) => u32::try_from(column.get()).unwrap_or(0),
                },
            };
            match lines.rows[first..].last_mut() {
                Some(last) if last.address == address => *last = new,
                // Addresses only rise inside a sequence; one that falls would break the search.
                Some(last) if last.address > address => {}
                _ => {
                    self.rows_left.spend(1)?;
                    lines.rows.push(new);
                }
            }
        }
        Ok(())
    }

    /// A file of the unit's line program.
    fn file(&mut self, index: usize, file: u64) -> Option<Arc<SourceFile>> {
        if let Some(known) = self.units[index].files.get(&file) {
            return known.clone();
        }
        let made = self.path(index, file).map(|raw| Arc::new(SourceFile { shown: shown_path(&raw), raw }));
        let made = made.filter(|file| self.rows_left.spend(16 + file.raw.len() as u64 / 8).is_ok());
        self.units[index].files.insert(file, made.clone());
        made
    }

    fn path(&self, index: usize, file: u64) -> Option<String> {
        let unit = &self.units[index].unit;
        let header = unit.line_program.as_ref()?.header();
        let entry = header.file(file)?;
        let mut path = unit.comp_dir.as_ref().map(text_of).unwrap_or_default();
        if entry.directory_index() != 0
            && let Some(folder) = entry.directory(header)
        {
            push(&mut path, &text_of(&self.sections.attr_string(unit, folder).ok()?));
        }
        push(&mut path, &text_of(&self.sections.attr_string(unit, entry.path_name()).ok()?));
        Some(path)
    }
}

/// Joins as a compiler does: an absolute part starts anew.
fn push(path: &mut String, part: &str) {
    let is_absolute = part.starts_with(['/', '\\']) || part.as_bytes().get(1) == Some(&b':');
    if is_absolute {
        path.clear();
    } else if !path.is_empty() && !path.ends_with('/') {
        path.push('/');
    }
    path.push_str(part);
}

/// At most 4 KiB of a string; invalid UTF-8 replaced.
fn text_of(reader: &Reader) -> String {
    let mut reader = reader.clone();
    // Cannot fail: the length is no more than what is there.
    let _ = reader.truncate(reader.len().min(4096));
    reader.to_string_lossy().map(|text| text.into_owned()).unwrap_or_default()
}

/// Address ranges of an entry, those inside the code section only.
fn ranges(
    sections: &gimli::Dwarf<Reader>,
    unit: &gimli::Unit<Reader>,
    low: Option<AttributeValue<Reader>>,
    high: Option<AttributeValue<Reader>>,
    list: Option<AttributeValue<Reader>>,
    code_bytes: u32,
    budget: &mut Budget,
) -> Result<Ranges, Fault> {
    let mut found = Vec::new();
    // Begin 0 is where linkers leave what they dropped; no function starts there, the section's count does.
    let mut add = |begin: u64, end: u64| {
        if 0 < begin && begin < end && end <= u64::from(code_bytes) {
            found.push((begin as u32, end as u32));
        }
    };
    if let Some(list) = list {
        if let Some(offset) = sections.attr_ranges_offset(unit, list)? {
            let mut list = sections.ranges(unit, offset)?;
            while let Some(range) = list.next()? {
                budget.spend(1)?;
                add(range.begin, range.end);
            }
        }
    } else if let Some(low) = low
        && let Some(begin) = sections.attr_address(unit, low)?
        && let Some(high) = high
    {
        let end = match high {
            AttributeValue::Udata(bytes) => begin.checked_add(bytes),
            other => match sections.attr_address(unit, other.clone())? {
                Some(end) => Some(end),
                None => other.udata_value().and_then(|bytes| begin.checked_add(bytes)),
            },
        };
        if let Some(end) = end {
            add(begin, end);
        }
    }
    Ok(found)
}

/// Length of an abbreviation table, walked without keeping anything.
fn abbreviation_bytes(section: &Reader, offset: usize) -> Result<usize, Fault> {
    let mut input = section.clone();
    input.skip(offset)?;
    let whole = input.len();
    loop {
        if whole - input.len() > TABLE_BYTES_MAX {
            return Err(Fault::TooLarge);
        }
        if input.is_empty() || input.read_uleb128()? == 0 {
            return Ok(whole - input.len());
        }
        input.read_uleb128()?;
        input.read_u8()?;
        loop {
            let (name, form) = (input.read_uleb128()?, input.read_uleb128()?);
            if form == u64::from(gimli::DW_FORM_implicit_const.0) {
                input.read_sleb128()?;
            }
            if (name, form) == (0, 0) {
                break;
            }
        }
    }
}

/// Length of a line program's header and the number of entries in it, after making sure that each of its entries takes at least one byte: the counts are
/// not bounded by anything else.
fn line_header_size(section: &Reader, offset: usize) -> Result<(u64, u64), Fault> {
    let mut input = section.clone();
    input.skip(offset)?;
    let (unit_length, format) = input.read_initial_length()?;
    let mut input = input.split(unit_length)?;
    let version = input.read_u16()?;
    if version >= 5 {
        input.read_u16()?;
    }
    let header_length = input.read_length(format)?;
    if header_length > TABLE_BYTES_MAX {
        return Err(Fault::TooLarge);
    }
    let mut header = input.split(header_length)?;
    if version < 5 {
        // An entry is a name of one character at least, its zero, and three numbers.
        return Ok((header_length as u64, header_length as u64 / 5));
    }
    let mut entries = 0;
    header.skip(5)?;
    let opcode_base = header.read_u8()?;
    header.skip(usize::from(opcode_base.max(1)) - 1)?;
    for _ in ["directories", "files"] {
        let fields = header.read_u8()?;
        let mut forms = Vec::new();
        for _ in 0..fields {
            header.read_uleb128()?;
            forms.push(gimli::DwForm(header.read_uleb128()?.try_into().unwrap_or(u16::MAX)));
        }
        let count = header.read_uleb128()?;
        if count > 0 && forms.is_empty() {
            return Err(Fault::TooLarge);
        }
        entries += count;
        for _ in 0..count {
            for form in &forms {
                match *form {
                    gimli::DW_FORM_string => {
                        header.read_null_terminated_slice()?;
                    }
                    gimli::DW_FORM_line_strp | gimli::DW_FORM_strp => {
                        header.read_offset(format)?;
                    }
                    gimli::DW_FORM_udata | gimli::DW_FORM_strx => {
                        header.read_uleb128()?;
                    }
                    gimli::DW_FORM_data1 | gimli::DW_FORM_strx1 => header.skip(1)?,
                    gimli::DW_FORM_data2 | gimli::DW_FORM_strx2 => header.skip(2)?,
                    gimli::DW_FORM_strx3 => header.skip(3)?,
                    gimli::DW_FORM_data4 | gimli::DW_FORM_strx4 => header.skip(4)?,
                    gimli::DW_FORM_data8 => header.skip(8)?,
                    gimli::DW_FORM_data16 => header.skip(16)?,
                    gimli::DW_FORM_block => {
                        let bytes = header.read_uleb128()?;
                        header.skip(usize::try_from(bytes).map_err(|_| Fault::TooLarge)?)?;
                    }
                    // Any other form is either not allowed here or takes no bytes at all.
                    _ => return Err(Fault::TooLarge),
                }
            }
        }
    }
    Ok((header_length as u64, entries))
}
