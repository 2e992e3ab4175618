;; Repaired limit canary: an endless loop under a manifest that gives more fuel than time, so that the wall clock is met first. The same reader with every flaw repaired.
;; The entry takes (address, length) and returns 0 (accepted) or -1 (not for this entry).
(module $canary_deadline_fixed
  (memory (export "memory") 2)

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

  ;; "DL", u8 step: takes steps of that size until 1,000 is reached.
  (func (export "deadline") (param $at i32) (param $len i32) (result i32)
    (local $step i32) (local $position i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 3) (i32.const 0x4c44))) (then (return (i32.const -1))))
    (local.set $step (i32.load8_u offset=2 (local.get $at)))
    (if (i32.eqz (local.get $step)) (then (return (i32.const -1))))
    (loop $steps
      (local.set $position (i32.add (local.get $position) (local.get $step)))
      (br_if $steps (i32.lt_u (local.get $position) (i32.const 1000))))
    (i32.const 0))
)
