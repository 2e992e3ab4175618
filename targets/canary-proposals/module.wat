;; Crash canary beyond the core specification: atomics, GC references and exceptions, each behind two magic bytes. Every flaw is planted.
;; Every entry takes (address, length) and returns 0 (accepted) or -1 (not for this entry).
(module $canary_proposals
  (memory (export "memory") 2)
  (type $bytes (array (mut i8)))
  (type $value (sub (struct (field i32))))
  (type $quantity (sub $value (struct (field i32) (field f64))))
  (type $reader (func (param i32) (result i32)))
  (tag $refused (param i32))
  (elem declare func $weight)
  (func $weight (type $reader) (i32.add (local.get 0) (i32.const 1)))

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

  ;; "HM", u8 offset: a counter at that offset, read as another thread would.
  (func (export "misaligned") (param $at i32) (param $len i32) (result i32)
    (local $offset i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 3) (i32.const 0x4d48))) (then (return (i32.const -1))))
    (local.set $offset (i32.load8_u offset=2 (local.get $at)))
    (drop (i32.atomic.load (i32.add (local.get $at) (local.get $offset))))
    (i32.const 0))

  ;; "NR", code: the reader for that code; there is one for "W" only.
  (func (export "null_reference") (param $at i32) (param $len i32) (result i32)
    (local $reader (ref null $reader))
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 3) (i32.const 0x524e))) (then (return (i32.const -1))))
    (if (i32.eq (i32.load8_u offset=2 (local.get $at)) (i32.const 0x57)) (then (local.set $reader (ref.func $weight))))
    (drop (call_ref $reader (i32.const 7) (local.get $reader)))
    (i32.const 0))

  ;; "AO", u8 index: that byte of a record of 16.
  (func (export "array_out_of_bounds") (param $at i32) (param $len i32) (result i32)
    (local $record (ref null $bytes)) (local $index i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 3) (i32.const 0x4f41))) (then (return (i32.const -1))))
    (local.set $index (i32.load8_u offset=2 (local.get $at)))
    (local.set $record (array.new $bytes (i32.const 32) (i32.const 16)))
    (drop (array.get_u $bytes (local.get $record) (local.get $index)))
    (i32.const 0))

  ;; "CF", kind: "Q" is a quantity, everything else a plain value; the unit of either is asked for.
  (func (export "cast_failure") (param $at i32) (param $len i32) (result i32)
    (local $value (ref null $value))
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 3) (i32.const 0x4643))) (then (return (i32.const -1))))
    (if (i32.eq (i32.load8_u offset=2 (local.get $at)) (i32.const 0x51))
      (then (local.set $value (struct.new $quantity (i32.const 1) (f64.const 2.5))))
      (else (local.set $value (struct.new $value (i32.const 1)))))
    (drop (struct.get $quantity 1 (ref.cast (ref $quantity) (local.get $value))))
    (i32.const 0))

  ;; "UE", code: refuses code 0x7f by an exception.
  (func $check (param $code i32)
    (if (i32.eq (local.get $code) (i32.const 0x7f)) (then (throw $refused (local.get $code)))))
  (func (export "uncaught_exception") (param $at i32) (param $len i32) (result i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 3) (i32.const 0x4555))) (then (return (i32.const -1))))
    (call $check (i32.load8_u offset=2 (local.get $at)))
    (i32.const 0))
)
