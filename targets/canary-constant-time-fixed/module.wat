;; The answers of canary-constant-time, by work that is the same for every secret.
(module
  (memory (export "memory") 1)

  ;; Looks at every byte, and collects how they differ.
  (func (export "branch") (param $a i32) (param $a_len i32) (param $b i32) (param $b_len i32) (result i32)
    (local $at i32) (local $differ i32)
    (loop $next
      (local.set $differ (i32.or (local.get $differ) (i32.xor
        (i32.load8_u (i32.add (local.get $a) (local.get $at)))
        (i32.load8_u (i32.add (local.get $b) (local.get $at))))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $b_len))))
    (i32.eqz (local.get $differ)))

  ;; All ones where two numbers are equal, else zero.
  (func $equal (param $a i32) (param $b i32) (result i32) (local $differ i32)
    (local.set $differ (i32.xor (local.get $a) (local.get $b)))
    (i32.sub
      (i32.shr_u (i32.or (local.get $differ) (i32.sub (i32.const 0) (local.get $differ))) (i32.const 31))
      (i32.const 1)))

  ;; Computes all four, and masks three away.
  (func (export "indirect") (param $secret i32) (result i32) (local $which i32)
    (local.set $which (i32.and (local.get $secret) (i32.const 3)))
    (i32.or
      (i32.or
        (i32.and (call $equal (local.get $which) (i32.const 0)) (i32.add (local.get $secret) (i32.const 7)))
        (i32.and (call $equal (local.get $which) (i32.const 1)) (i32.sub (local.get $secret) (i32.const 7))))
      (i32.or
        (i32.and (call $equal (local.get $which) (i32.const 2)) (i32.shl (local.get $secret) (i32.const 7)))
        (i32.and (call $equal (local.get $which) (i32.const 3)) (i32.xor (local.get $secret) (i32.const 7))))))

  ;; Reads the whole table.
  (func (export "load") (param $secret i32) (param $len i32) (result i32) (local $at i32) (local $found i32)
    (loop $next
      (local.set $found (i32.or (local.get $found) (i32.and
        (call $equal (local.get $at) (i32.load8_u (local.get $secret)))
        (i32.load8_u offset=1024 (local.get $at)))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 256))))
    (local.get $found))

  ;; Writes to every place.
  (func (export "store") (param $secret i32) (param $len i32) (param $out i32) (param $out_len i32) (local $at i32)
    (loop $next
      (i32.store8
        (i32.add (local.get $out) (local.get $at))
        (i32.and (call $equal (local.get $at) (i32.load8_u (local.get $secret))) (i32.const 1)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 256)))))

  ;; Writes every byte, ones or zeroes.
  (func (export "bulk") (param $secret i32) (param $len i32) (param $out i32) (param $out_len i32) (local $at i32)
    (loop $next
      (i32.store8
        (i32.add (local.get $out) (local.get $at))
        (i32.shr_s (i32.sub (local.get $at) (i32.load8_u (local.get $secret))) (i32.const 31)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 256)))))

  ;; Divides bit by bit, with masks.
  (func (export "div") (param $secret i32) (param $public i32) (result i32)
    (local $bit i32) (local $rest i64) (local $by i64) (local $mask i64) (local $quotient i32)
    (local.set $by (i64.extend_i32_u (i32.or (local.get $public) (i32.const 1))))
    (local.set $bit (i32.const 31))
    (loop $next
      (local.set $rest (i64.or
        (i64.shl (local.get $rest) (i64.const 1))
        (i64.extend_i32_u (i32.and (i32.shr_u (local.get $secret) (local.get $bit)) (i32.const 1)))))
      ;; All ones where the rest is large enough.
      (local.set $mask (i64.xor (i64.const -1) (i64.shr_s (i64.sub (local.get $rest) (local.get $by)) (i64.const 63))))
      (local.set $rest (i64.sub (local.get $rest) (i64.and (local.get $by) (local.get $mask))))
      (local.set $quotient (i32.or
        (i32.shl (local.get $quotient) (i32.const 1))
        (i32.and (i32.wrap_i64 (local.get $mask)) (i32.const 1))))
      (local.set $bit (i32.sub (local.get $bit) (i32.const 1)))
      (br_if $next (i32.ge_s (local.get $bit) (i32.const 0))))
    (local.get $quotient))

  ;; Chooses by a mask.
  (func (export "select") (param $secret i32) (result i32) (local $mask i32)
    (local.set $mask (i32.sub (i32.const 0) (i32.and (local.get $secret) (i32.const 1))))
    (i32.or
      (i32.and (i32.const 11) (local.get $mask))
      (i32.and (i32.const 22) (i32.xor (local.get $mask) (i32.const -1)))))

  ;; Works on bits, and gives the number back as it came: no arithmetic.
  (func (export "float") (param $secret f64) (result f64)
    (f64.reinterpret_i64 (i64.shr_u (i64.reinterpret_f64 (local.get $secret)) (i64.const 1))))

  ;; Answers every secret.
  (func (export "trap") (param $secret i32) (param $public i32) (result i32)
    (local.get $public)))
