;; A module as small as a glue needs one: an allocator, texts in upper case, copies, doses, notes that are kept.
(module
  (memory (export "memory") 2)
  ;; Buffers of one call are given back together: the next call gets the same place.
  (global $top (mut i32) (i32.const 1024))
  ;; Notes lie behind, and stay.
  (global $notes (mut i32) (i32.const 65536))
  (func $room (param $end i32)
    (if (i32.gt_u (local.get $end) (i32.shl (memory.size) (i32.const 16)))
      (then (if (i32.eq (i32.const -1) (memory.grow (i32.add (i32.const 1)
          (i32.shr_u (i32.sub (local.get $end) (i32.shl (memory.size) (i32.const 16))) (i32.const 16)))))
        (then unreachable)))))
  (func (export "alloc") (param $len i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $top))
    (global.set $top (i32.and (i32.add (i32.add (local.get $at) (local.get $len)) (i32.const 7)) (i32.const -8)))
    ;; A long buffer has no room before the notes; it goes behind everything.
    (if (i32.gt_u (local.get $len) (i32.const 32768)) (then
      (local.set $at (i32.shl (memory.size) (i32.const 16)))
      (global.set $top (i32.const 1024))
      (call $room (i32.add (local.get $at) (local.get $len)))))
    (local.get $at))
  (func (export "release") (global.set $top (i32.const 1024)))
  ;; a-z become A-Z, in place; the bytes `~!` are a construct that nobody thought of.
  (func (export "upper") (param $at i32) (param $len i32)
    (local $end i32) (local $byte i32)
    (local.set $end (i32.add (local.get $at) (local.get $len)))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
      (local.set $byte (i32.load8_u (local.get $at)))
      (if (i32.eq (local.get $byte) (i32.const 0x7e)) (then
        (if (i32.eq (i32.load8_u offset=1 (local.get $at)) (i32.const 0x21)) (then unreachable))))
      (if (i32.lt_u (i32.sub (local.get $byte) (i32.const 0x61)) (i32.const 26)) (then
        (i32.store8 (local.get $at) (i32.sub (local.get $byte) (i32.const 32)))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $next))))
  ;; Micrograms of milligrams, in 32 bits.
  (func (export "dose") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 1000)))
  ;; Keeps a copy and gives its place: length, then bytes.
  (func (export "keep") (param $at i32) (param $len i32) (result i32)
    (local $note i32)
    (local.set $note (global.get $notes))
    (call $room (i32.add (i32.add (local.get $note) (local.get $len)) (i32.const 4)))
    (i32.store (local.get $note) (local.get $len))
    (memory.copy (i32.add (local.get $note) (i32.const 4)) (local.get $at) (local.get $len))
    (global.set $notes
      (i32.and (i32.add (i32.add (local.get $note) (local.get $len)) (i32.const 11)) (i32.const -8)))
    (local.get $note))
  (func (export "length") (param $note i32) (result i32) (i32.load (local.get $note)))
  ;; Wipes a note; room at the end is given back.
  (func (export "drop") (param $note i32)
    (memory.fill (local.get $note) (i32.const 0) (i32.add (i32.load (local.get $note)) (i32.const 4)))
    (global.set $notes (local.get $note)))
  (func (export "wipe") (param $at i32) (param $len i32)
    (memory.fill (local.get $at) (i32.const 0) (local.get $len))))
