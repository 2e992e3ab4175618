;; Crash canary: one entry per trap of the core specification, each behind two magic bytes. Every flaw is planted.
;; Every entry takes (address, length) and returns 0 (accepted) or -1 (not for this entry).
(module $canary_crash
  (memory (export "memory") 2)
  (table $handlers 4 funcref)
  (type $handler (func (param i32) (result i32)))
  (type $other (func (result i64)))
  ;; Slot 2 is empty, slot 3 is of another type.
  (elem (table $handlers) (i32.const 0) func $twice $square)
  (elem (table $handlers) (i32.const 3) func $stamp)
  (func $twice (type $handler) (i32.shl (local.get 0) (i32.const 1)))
  (func $square (type $handler) (i32.mul (local.get 0) (local.get 0)))
  (func $stamp (type $other) (i64.const 1))

  ;; The host writes the input behind the first page, which is the module's own.
  (func (export "alloc") (param $len i32) (result i32)
    (local $pages i32)
    (local.set $pages (i32.shr_u (i32.add (local.get $len) (i32.const 131071)) (i32.const 16)))
    (if (i32.gt_u (local.get $len) (i32.const 0x100000)) (then (return (i32.const 0))))
    (if (i32.gt_u (local.get $pages) (memory.size)) (then
      (if (i32.lt_s (memory.grow (i32.sub (local.get $pages) (memory.size))) (i32.const 0)) (then (return (i32.const 0))))))
    (i32.const 65536))

  ;; Whether the input is at least `$least` bytes long and begins with the two bytes `$magic`.
  (func $begins (param $at i32) (param $len i32) (param $least i32) (param $magic i32) (result i32)
    (if (i32.lt_u (local.get $len) (local.get $least)) (then (return (i32.const 0))))
    (i32.eq (i32.load16_u (local.get $at)) (local.get $magic)))

  ;; A message that is accepted as it is.
  (func (export "returned") (param $at i32) (param $len i32) (result i32)
    (i32.const 0))

  ;; "V9": a version that this reader does not know.
  (func (export "rejected") (param $at i32) (param $len i32) (result i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 2) (i32.const 0x3956))) (then (return (i32.const 0))))
    (i32.const -1))

  ;; "UR": a record type that nobody expected.
  (func (export "unreachable") (param $at i32) (param $len i32) (result i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 3) (i32.const 0x5255))) (then (return (i32.const -1))))
    (if (i32.eq (i32.load8_u offset=2 (local.get $at)) (i32.const 0x21))
      (then (unreachable)))
    (i32.const 0))

  ;; "MO", u32 offset: the byte at that offset of the message.
  (func (export "memory_out_of_bounds") (param $at i32) (param $len i32) (result i32)
    (local $offset i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 6) (i32.const 0x4f4d))) (then (return (i32.const -1))))
    (local.set $offset (i32.load offset=2 align=1 (local.get $at)))
    (drop (i32.load8_u (i32.add (local.get $at) (local.get $offset))))
    (i32.const 0))

  ;; "TO", handler number: calls that handler.
  (func (export "table_out_of_bounds") (param $at i32) (param $len i32) (result i32)
    (local $number i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 3) (i32.const 0x4f54))) (then (return (i32.const -1))))
    (local.set $number (i32.load8_u offset=2 (local.get $at)))
    ;; Slots 2 and 3 are other entries' business.
    (if (i32.eq (i32.and (local.get $number) (i32.const 0xfe)) (i32.const 2)) (then (return (i32.const -1))))
    (drop (call_indirect $handlers (type $handler) (i32.const 7) (local.get $number)))
    (i32.const 0))

  ;; "IN", handler number, at most 2: calls that handler, whether it is there or not.
  (func (export "indirect_call_to_null") (param $at i32) (param $len i32) (result i32)
    (local $number i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 3) (i32.const 0x4e49))) (then (return (i32.const -1))))
    (local.set $number (i32.load8_u offset=2 (local.get $at)))
    (if (i32.gt_u (local.get $number) (i32.const 2)) (then (return (i32.const -1))))
    (drop (call_indirect $handlers (type $handler) (i32.const 7) (local.get $number)))
    (i32.const 0))

  ;; "BS", handler number, 0, 1 or 3: calls that handler, whatever it takes.
  (func (export "bad_signature") (param $at i32) (param $len i32) (result i32)
    (local $number i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 3) (i32.const 0x5342))) (then (return (i32.const -1))))
    (local.set $number (i32.load8_u offset=2 (local.get $at)))
    (if (i32.gt_u (local.get $number) (i32.const 3)) (then (return (i32.const -1))))
    (if (i32.eq (local.get $number) (i32.const 2)) (then (return (i32.const -1))))
    (drop (call_indirect $handlers (type $handler) (i32.const 7) (local.get $number)))
    (i32.const 0))

  ;; "IO", i32 sum, i8 count: the mean, rounded to zero.
  (func (export "integer_overflow") (param $at i32) (param $len i32) (result i32)
    (local $sum i32) (local $count i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 7) (i32.const 0x4f49))) (then (return (i32.const -1))))
    (local.set $sum (i32.load offset=2 align=1 (local.get $at)))
    (local.set $count (i32.load8_s offset=6 (local.get $at)))
    (if (i32.eqz (local.get $count)) (then (return (i32.const -1))))
    (drop (i32.div_s (local.get $sum) (local.get $count)))
    (i32.const 0))

  ;; "DZ", u32 sum, u8 count: the mean.
  (func (export "division_by_zero") (param $at i32) (param $len i32) (result i32)
    (local $count i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 7) (i32.const 0x5a44))) (then (return (i32.const -1))))
    (local.set $count (i32.load8_u offset=6 (local.get $at)))
    (drop (i32.div_u (i32.load offset=2 align=1 (local.get $at)) (local.get $count)))
    (i32.const 0))

  ;; "BC", f32: a temperature, kept as a whole number.
  (func (export "bad_conversion") (param $at i32) (param $len i32) (result i32)
    (local $value f32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 6) (i32.const 0x4342))) (then (return (i32.const -1))))
    (local.set $value (f32.load offset=2 align=1 (local.get $at)))
    (drop (i32.trunc_f32_s (local.get $value)))
    (i32.const 0))
)
