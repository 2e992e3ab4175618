;; One entry for each way in which work can depend on a secret. The repaired twin gives the same answers.
(module
  (memory (export "memory") 1)
  (type $unary (func (param i32) (result i32)))
  (table 4 funcref)
  (elem (i32.const 0) $add $sub $shl $xor)
  (func $add (type $unary) (i32.add (local.get 0) (i32.const 7)))
  (func $sub (type $unary) (i32.sub (local.get 0) (i32.const 7)))
  (func $shl (type $unary) (i32.shl (local.get 0) (i32.const 7)))
  (func $xor (type $unary) (i32.xor (local.get 0) (i32.const 7)))

  ;; Stops at the first byte that differs.
  (func (export "branch") (param $a i32) (param $a_len i32) (param $b i32) (param $b_len i32) (result i32) (local $at i32)
    (loop $next
      (if (i32.ge_u (local.get $at) (local.get $b_len)) (then (return (i32.const 1))))
      (if (i32.ne
            (i32.load8_u (i32.add (local.get $a) (local.get $at)))
            (i32.load8_u (i32.add (local.get $b) (local.get $at))))
        (then (return (i32.const 0))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $next))
    (unreachable))

  ;; Calls one of four functions.
  (func (export "indirect") (param $secret i32) (result i32)
    (call_indirect (type $unary) (local.get $secret) (i32.and (local.get $secret) (i32.const 3))))

  ;; Looks the secret up in a table.
  (func (export "load") (param $secret i32) (param $len i32) (result i32)
    (i32.load8_u offset=1024 (i32.load8_u (local.get $secret))))

  ;; Counts it in a histogram.
  (func (export "store") (param $secret i32) (param $len i32) (param $out i32) (param $out_len i32)
    (i32.store8 (i32.add (local.get $out) (i32.load8_u (local.get $secret))) (i32.const 1)))

  ;; Fills as many bytes as the secret says.
  (func (export "bulk") (param $secret i32) (param $len i32) (param $out i32) (param $out_len i32)
    (memory.fill (local.get $out) (i32.const 0xff) (i32.load8_u (local.get $secret))))

  ;; Divides it.
  (func (export "div") (param $secret i32) (param $public i32) (result i32)
    (i32.div_u (local.get $secret) (i32.or (local.get $public) (i32.const 1))))

  ;; Chooses by it: constant on some engines.
  (func (export "select") (param $secret i32) (result i32)
    (select (i32.const 11) (i32.const 22) (i32.and (local.get $secret) (i32.const 1))))

  ;; Takes its root: as slow as the number is small, on some processors.
  (func (export "float") (param $secret f64) (result f64)
    (f64.sqrt (local.get $secret)))

  ;; Dies of one secret in two.
  (func (export "trap") (param $secret i32) (param $public i32) (result i32)
    (if (i32.and (local.get $secret) (i32.const 1)) (then (unreachable)))
    (local.get $public)))
