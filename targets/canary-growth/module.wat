;; Growth canary: work that grows faster than the input, in a shape that no family of inputs has. Planted.
;; Every entry takes (address, length) and returns a sum of bytes, which is 0 or more: nothing is refused.
(module $canary_growth
  (memory (export "memory") 2)
  ;; The host writes the input behind the first page.
  (func (export "alloc") (param $len i32) (result i32)
    (local $pages i32)
    (local.set $pages (i32.shr_u (i32.add (local.get $len) (i32.const 131071)) (i32.const 16)))
    (if (i32.gt_u (local.get $pages) (memory.size)) (then
      (if (i32.lt_s (memory.grow (i32.sub (local.get $pages) (memory.size))) (i32.const 0)) (then (return (i32.const 0))))))
    (i32.const 65536))

  ;; For each `|`, sums what stands before it, from the beginning: quadratic in the number of fields.
  (func (export "fields") (param $at i32) (param $len i32) (result i32)
    (local $from i32) (local $end i32) (local $sum i32)
    (local.set $end (i32.add (local.get $at) (local.get $len)))
    (local.set $from (local.get $at))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $from) (local.get $end)))
      (if (i32.eq (i32.load8_u (local.get $from)) (i32.const 0x7c))
        (then (local.set $sum (i32.add (local.get $sum) (call $before (local.get $at) (local.get $from))))))
      (local.set $from (i32.add (local.get $from) (i32.const 1)))
      (br $next)))
    (i32.and (local.get $sum) (i32.const 0x7fffffff)))

  (func $before (param $at i32) (param $end i32) (result i32)
    (local $sum i32)
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
      (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $next)))
    (local.get $sum))
)
