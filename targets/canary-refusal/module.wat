;; Refusal canary: readers of JSON that declare a limit on bytes and one on the items of a list, and do not keep them. Every
;; flaw is planted.
;; Every entry takes (address, length) and returns 0 (accepted) or -1 (refused).
(module $canary_refusal
  (memory (export "memory") 2)

  ;; What it declares to take.
  (global $bytes_max i32 (i32.const 8388608))
  (global $items_max i32 (i32.const 10000))

  (func (export "alloc") (param $len i32) (result i32)
    (local $pages i32)
    (local.set $pages (i32.shr_u (i32.add (local.get $len) (i32.const 131071)) (i32.const 16)))
    (if (i32.gt_u (local.get $pages) (memory.size)) (then
      (if (i32.lt_s (memory.grow (i32.sub (local.get $pages) (memory.size))) (i32.const 0)) (then (return (i32.const 0))))))
    (i32.const 65536))

  (func $is_long (param $len i32) (result i32)
    (i32.gt_u (local.get $len) (global.get $bytes_max)))

  ;; Whether the outermost array or object of a JSON text has more commas than it may. Strings are not told from the rest.
  (func $is_crowded (param $at i32) (param $len i32) (result i32)
    (local $end i32) (local $byte i32) (local $depth i32) (local $commas i32)
    (local.set $end (i32.add (local.get $at) (local.get $len)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $byte (i32.load8_u (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        ;; [ and {, which differ in one bit; ] and } likewise.
        (if (i32.eq (i32.or (local.get $byte) (i32.const 32)) (i32.const 123)) (then
          (local.set $depth (i32.add (local.get $depth) (i32.const 1)))))
        (if (i32.eq (i32.or (local.get $byte) (i32.const 32)) (i32.const 125)) (then
          (local.set $depth (i32.sub (local.get $depth) (i32.const 1)))))
        (if (i32.and (i32.eq (local.get $byte) (i32.const 44)) (i32.eq (local.get $depth) (i32.const 1))) (then
          (local.set $commas (i32.add (local.get $commas) (i32.const 1)))))
        (br $next)))
    (i32.ge_u (local.get $commas) (global.get $items_max)))

  ;; Never asks how long the input is.
  (func (export "glutton") (param $at i32) (param $len i32) (result i32)
    (call $answer (call $is_crowded (local.get $at) (local.get $len))))

  ;; Asks when it has read it.
  (func (export "late") (param $at i32) (param $len i32) (result i32)
    (local $refused i32)
    (local.set $refused (call $is_crowded (local.get $at) (local.get $len)))
    (call $answer (i32.or (local.get $refused) (call $is_long (local.get $len)))))

  ;; Does not count.
  (func (export "crowd") (param $at i32) (param $len i32) (result i32)
    (call $answer (call $is_long (local.get $len))))

  (func $answer (param $refused i32) (result i32)
    (select (i32.const -1) (i32.const 0) (local.get $refused)))
)
