//! Functions that are added to a module for what is too long to repeat at every site, written as text.

use super::Layout;
use super::compare::{
    FIRST, HEADER_BYTES, KIND_STRINGS, KIND_STRINGS_RESERVED, LAST, NUMBERS_BYTES, STATE_BYTES, STRING_BYTES_MAX,
    STRINGS_BYTES,
};
use wasmparser::{Parser, Payload};

/// A function that a rewritten body may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Helper {
    /// `(address, length)`, of the guest memory's address type: marks a range of the guest memory of that index.
    MarkRange(u32),
    /// `(address of the closeness pair, bits, left i64, right i64)`.
    Distance,
    /// `(site, meta, left i64, right i64)`: one record of numbers.
    Log,
    /// `(site, meta, value i64, base i64, slots)`: one record per slot of a branch table.
    LogSwitch,
    /// `(site, left address i64, right address i64, length)`: one record of byte strings.
    LogStrings,
    /// `(site, bytes) -> address or 0`: room for a record.
    Reserve,
    /// `memory.grow` of guest memory 0, where its growth is virtual.
    Grow,
    /// `(address, length) -> address`: one that is surely out of bounds where the range is, as the guest sees its memory.
    Bound,
}

/// What the texts speak of.
pub(super) struct Context<'a> {
    pub layout: &'a Layout,
    /// Index of the added memory.
    pub own: u32,
    /// Minimum of guest memory 0, pages, where its growth is virtual.
    pub virtual_pages_min: Option<u64>,
    /// For each guest memory: whether it is a 64-bit one, and log2 of its page size.
    pub memories: Vec<(bool, u32)>,
    /// Number of compare sites.
    pub sites: u32,
    /// Bytes of records that fit.
    pub records_bytes: u32,
    /// Function indices of the helpers.
    pub reserve: u32,
    pub log: u32,
}

impl Helper {
    /// Helpers that it calls.
    pub fn needs(self) -> &'static [Helper] {
        match self {
            Helper::MarkRange(_) | Helper::Distance | Helper::Reserve | Helper::Grow | Helper::Bound => &[],
            Helper::Log | Helper::LogStrings => &[Helper::Reserve],
            Helper::LogSwitch => &[Helper::Log],
        }
    }

    /// Text of the parameters and results.
    pub fn signature(self, memories: &[(bool, u32)]) -> (&'static [&'static str], bool) {
        match self {
            Helper::MarkRange(memory) if memories[memory as usize].0 => (&["i64", "i64"], false),
            Helper::MarkRange(_) => (&["i32", "i32"], false),
            Helper::Distance | Helper::Log => (&["i32", "i32", "i64", "i64"], false),
            Helper::LogSwitch => (&["i32", "i32", "i64", "i64", "i32"], false),
            Helper::LogStrings => (&["i32", "i64", "i64", "i32"], false),
            Helper::Reserve | Helper::Bound => (&["i32", "i32"], true),
            Helper::Grow => (&["i32"], true),
        }
    }

    /// The code entry, without its size.
    pub fn body(self, context: &Context<'_>) -> Vec<u8> {
        let text = format!("(module (func {}))", self.text(context));
        let module = match wat::parse_str(&text) {
            Ok(module) => module,
            Err(error) => panic!("helper {self:?}: {error}"),
        };
        let payloads = Parser::new(0).parse_all(&module).map_while(Result::ok);
        let body = payloads.filter_map(|payload| match payload {
            Payload::CodeSectionEntry(body) => Some(body.as_bytes().to_vec()),
            _ => None,
        });
        body.last().unwrap_or_default()
    }

    fn text(self, context: &Context<'_>) -> String {
        let own = context.own;
        let log = context.layout.log.start;
        let states = log + HEADER_BYTES;
        let states_bytes = STATE_BYTES * context.sites;
        let first_record = HEADER_BYTES + states_bytes.next_multiple_of(8);
        let (records, capacity) = (log + first_record, context.records_bytes);
        let (reserve, log_numbers) = (context.reserve, context.log);
        let last_mask = LAST - 1;
        let (growth, flags) = (context.layout.growth.start, context.layout.flags.start);
        let size = match context.virtual_pages_min {
            Some(min) => format!("(i32.add (i32.load {own} offset={growth} (i32.const 0)) (i32.const {min}))"),
            None => "(memory.size 0)".to_owned(),
        };
        match self {
            Helper::MarkRange(memory) => {
                let region = context.layout.dirty[memory as usize];
                let (start, last_page) = (region.start, region.len - 1);
                if context.memories[memory as usize].0 {
                    format!(
                        "(param $address i64) (param $len i64) (local $page i32) (local $last i32) (local $end i64)
                        (if (i64.eqz (local.get $len)) (then (return)))
                        (local.set $end (i64.shr_u (i64.sub (i64.add (local.get $address) (local.get $len)) (i64.const 1)) (i64.const 12)))
                        (local.set $address (i64.shr_u (local.get $address) (i64.const 12)))
                        (local.set $last (i32.wrap_i64 (select (local.get $end) (i64.const {last_page}) (i64.lt_u (local.get $end) (i64.const {last_page})))))
                        (local.set $page (i32.wrap_i64 (select (local.get $address) (i64.const {last_page}) (i64.lt_u (local.get $address) (i64.const {last_page})))))
                        (loop
                            (i32.store8 {own} offset={start} (local.get $page) (i32.const 1))
                            (if (i32.lt_u (local.get $page) (local.get $last)) (then
                                (local.set $page (i32.add (local.get $page) (i32.const 1))) (br 1))))"
                    )
                } else {
                    format!(
                        "(param $address i32) (param $len i32) (local $page i32) (local $last i32)
                        (if (i32.eqz (local.get $len)) (then (return)))
                        (local.set $last (i32.shr_u (i32.sub (i32.add (local.get $address) (local.get $len)) (i32.const 1)) (i32.const 12)))
                        (local.set $page (i32.shr_u (local.get $address) (i32.const 12)))
                        (loop
                            (i32.store8 {own} offset={start} (local.get $page) (i32.const 1))
                            (if (i32.lt_u (local.get $page) (local.get $last)) (then
                                (local.set $page (i32.add (local.get $page) (i32.const 1))) (br 1))))"
                    )
                }
            }
            Helper::Distance => format!(
                "(param $at i32) (param $bits i32) (param $left i64) (param $right i64) (local $shift i64) (local $far i64) (local $sign i64) (local $near i32)
                (local.set $shift (i64.sub (i64.const 64) (i64.extend_i32_u (local.get $bits))))
                (local.set $near (i32.sub (i32.add (local.get $bits) (i32.const 1))
                    (i32.wrap_i64 (i64.popcnt (i64.shl (i64.xor (local.get $left) (local.get $right)) (local.get $shift))))))
                (if (i32.gt_u (local.get $near) (i32.load8_u {own} (local.get $at))) (then
                    (i32.store8 {own} (local.get $at) (local.get $near))))
                (local.set $far (i64.sub (local.get $left) (local.get $right)))
                (local.set $sign (i64.shr_s (local.get $far) (i64.const 63)))
                (local.set $far (i64.sub (i64.xor (local.get $far) (local.get $sign)) (local.get $sign)))
                (local.set $near (i32.wrap_i64 (i64.sub (i64.add (i64.clz (local.get $far)) (i64.const 1)) (local.get $shift))))
                (if (i32.gt_u (local.get $near) (i32.load8_u {own} offset=1 (local.get $at))) (then
                    (i32.store8 {own} offset=1 (local.get $at) (local.get $near))))"
            ),
            Helper::Reserve => format!(
                "(param $site i32) (param $bytes i32) (result i32) (local $state i32) (local $n i32) (local $at i32) (local $want i32) (local $end i32)
                (if (i32.eqz (i32.load {own} offset={log} (i32.const 0))) (then
                    (memory.fill {own} (i32.const {states}) (i32.const 0) (i32.const {states_bytes}))
                    (i32.store {own} offset={log} (i32.const 0) (i32.const 8))
                    (i32.store {own} offset={log} (i32.const 4) (i32.const {first_record}))))
                (local.set $state (i32.add (i32.const {states}) (i32.mul (local.get $site) (i32.const {STATE_BYTES}))))
                (local.set $n (i32.load {own} (local.get $state)))
                (if (i32.le_u (local.get $n) (i32.const {FIRST}))
                    (then
                        (local.set $at (i32.load {own} offset={log} (i32.const 0)))
                        (local.set $want (select (i32.mul (local.get $bytes) (i32.const {LAST})) (local.get $bytes) (i32.eq (local.get $n) (i32.const {FIRST}))))
                        (if (i32.gt_u (i32.add (local.get $at) (local.get $want)) (i32.const {capacity})) (then (return (i32.const 0))))
                        (i32.store {own} offset={log} (i32.const 0) (i32.add (local.get $at) (local.get $want)))
                        (local.set $at (i32.add (local.get $at) (i32.const {records})))
                        (if (i32.eq (local.get $n) (i32.const {FIRST})) (then
                            (i32.store {own} offset=4 (local.get $state) (local.get $at))
                            (memory.fill {own} (local.get $at) (i32.const 0) (local.get $want))
                            (if (i32.eq (local.get $bytes) (i32.const {STRINGS_BYTES})) (then
                                (local.set $end (i32.add (local.get $at) (local.get $want)))
                                (loop
                                    (local.set $end (i32.sub (local.get $end) (local.get $bytes)))
                                    (i32.store {own} offset=4 (local.get $end) (i32.const {KIND_STRINGS_RESERVED}))
                                    (br_if 0 (i32.gt_u (local.get $end) (local.get $at)))))))))
                    (else
                        (local.set $at (i32.add (i32.load {own} offset=4 (local.get $state))
                            (i32.mul (i32.and (i32.sub (local.get $n) (i32.const {FIRST})) (i32.const {last_mask})) (local.get $bytes))))))
                (i32.store {own} (local.get $state) (i32.add (local.get $n) (i32.const 1)))
                (local.get $at)"
            ),
            Helper::Log => format!(
                "(param $site i32) (param $meta i32) (param $left i64) (param $right i64) (local $at i32) (local $state i32) (local $n i32)
                ;; A busy site goes straight to its ring.
                (if (i32.load {own} offset={log} (i32.const 0)) (then
                    (local.set $state (i32.add (i32.const {states}) (i32.mul (local.get $site) (i32.const {STATE_BYTES}))))
                    (local.set $n (i32.load {own} (local.get $state)))
                    (if (i32.gt_u (local.get $n) (i32.const {FIRST})) (then
                        (i32.store {own} (local.get $state) (i32.add (local.get $n) (i32.const 1)))
                        (local.set $at (i32.add (i32.load {own} offset=4 (local.get $state))
                            (i32.mul (i32.and (i32.sub (local.get $n) (i32.const {FIRST})) (i32.const {last_mask})) (i32.const {NUMBERS_BYTES}))))))))
                (if (i32.eqz (local.get $at)) (then
                    (local.set $at (call {reserve} (local.get $site) (i32.const {NUMBERS_BYTES})))
                    (if (i32.eqz (local.get $at)) (then (return)))))
                (i32.store {own} (local.get $at) (local.get $site))
                (i32.store {own} offset=4 (local.get $at) (local.get $meta))
                (i64.store {own} offset=8 (local.get $at) (local.get $left))
                (i64.store {own} offset=16 (local.get $at) (local.get $right))"
            ),
            Helper::LogSwitch => format!(
                "(param $site i32) (param $meta i32) (param $value i64) (param $base i64) (param $slots i32) (local $state i32) (local $n i32)
                (local.set $state (i32.add (i32.const {states}) (i32.mul (local.get $site) (i32.const {STATE_BYTES}))))
                (if (i32.load {own} offset={log} (i32.const 0)) (then (local.set $n (i32.load {own} (local.get $state)))))
                (if (i32.ge_u (local.get $n) (i32.const 2)) (then (return)))
                (loop
                    (call {log_numbers} (local.get $site) (local.get $meta) (local.get $value) (local.get $base))
                    (i32.store {own} (local.get $state) (i32.const 0))
                    (local.set $base (i64.add (local.get $base) (i64.const 1)))
                    (local.set $slots (i32.sub (local.get $slots) (i32.const 1)))
                    (br_if 0 (local.get $slots)))
                (i32.store {own} (local.get $state) (i32.add (local.get $n) (i32.const 1)))"
            ),
            // The host answers a growth by making it real, or by refusing and yet writing the new size where it stands.
            Helper::Grow => format!(
                "(param $delta i32) (result i32) (local $old i32)
                (local.set $old {size})
                (if (i32.ne (memory.grow 0 (local.get $delta)) (i32.const -1)) (then
                    (i32.store {own} offset={growth} (i32.const 0)
                        (i32.add (i32.load {own} offset={growth} (i32.const 0)) (local.get $delta)))
                    (if (local.get $delta) (then (i32.store8 {own} offset={flags} (i32.const 0) (i32.const 1))))
                    (return (local.get $old))))
                (select (i32.const -1) (local.get $old) (i32.eq (local.get $old) {size}))"
            ),
            Helper::Bound => format!(
                "(param $address i32) (param $len i32) (result i32)
                (select (i32.const -1) (local.get $address) (i64.gt_u
                    (i64.add (i64.extend_i32_u (local.get $address)) (i64.extend_i32_u (local.get $len)))
                    (i64.shl (i64.extend_i32_u {size}) (i64.const 16))))"
            ),
            Helper::LogStrings => {
                let (memory64, page_log2) = context.memories[0];
                let size = if memory64 { size } else { format!("(i64.extend_i32_u {size})") };
                let source = |name: &str| {
                    if memory64 { format!("(local.get ${name})") } else { format!("(i32.wrap_i64 (local.get ${name}))") }
                };
                let (left, right) = (source("left"), source("right"));
                let len = |name: &str| {
                    format!(
                        "(if (result i32) (i64.ge_u (local.get ${name}) (local.get $size)) (then (i32.const 0)) (else
                            (i32.wrap_i64 (select (i64.extend_i32_u (local.get $len)) (i64.sub (local.get $size) (local.get ${name}))
                                (i64.lt_u (i64.extend_i32_u (local.get $len)) (i64.sub (local.get $size) (local.get ${name})))))))"
                    )
                };
                let (left_len, right_len) = (len("left"), len("right"));
                let right_at = 8 + STRING_BYTES_MAX;
                format!(
                    "(param $site i32) (param $left i64) (param $right i64) (param $len i32)
                    (local $state i32) (local $at i32) (local $step i32) (local $size i64) (local $left_len i32) (local $right_len i32)
                    (local.set $state (i32.add (i32.const {states}) (i32.mul (local.get $site) (i32.const {STATE_BYTES}))))
                    (if (i32.load {own} offset={log} (i32.const 0)) (then
                        (if (i32.load {own} (local.get $state)) (then
                            ;; The next round of the same loop says nothing new.
                            (local.set $step (i32.sub (i32.wrap_i64 (local.get $left)) (i32.load {own} offset=8 (local.get $state))))
                            (if (i32.and
                                    (i32.eq (local.get $step) (i32.sub (i32.wrap_i64 (local.get $right)) (i32.load {own} offset=12 (local.get $state))))
                                    (i32.lt_u (i32.sub (local.get $step) (i32.const 1)) (i32.const 16)))
                                (then
                                    (i32.store {own} offset=8 (local.get $state) (i32.wrap_i64 (local.get $left)))
                                    (i32.store {own} offset=12 (local.get $state) (i32.wrap_i64 (local.get $right)))
                                    (return)))))))
                    (local.set $at (call {reserve} (local.get $site) (i32.const {STRINGS_BYTES})))
                    (if (i32.eqz (local.get $at)) (then (return)))
                    (i32.store {own} offset=8 (local.get $state) (i32.wrap_i64 (local.get $left)))
                    (i32.store {own} offset=12 (local.get $state) (i32.wrap_i64 (local.get $right)))
                    (local.set $size (i64.shl {size} (i64.const {page_log2})))
                    (local.set $left_len {left_len})
                    (local.set $right_len {right_len})
                    (i32.store {own} (local.get $at) (local.get $site))
                    (i32.store {own} offset=4 (local.get $at) (i32.or (i32.const {KIND_STRINGS})
                        (i32.or (i32.shl (local.get $left_len) (i32.const 8)) (i32.shl (local.get $right_len) (i32.const 16)))))
                    (if (local.get $left_len) (then (memory.copy {own} 0 (i32.add (local.get $at) (i32.const 8)) {left} (local.get $left_len))))
                    (if (local.get $right_len) (then (memory.copy {own} 0 (i32.add (local.get $at) (i32.const {right_at})) {right} (local.get $right_len))))"
                )
            }
        }
    }
}
