;; Limit canary: one entry per limit that a module can meet on its own, each behind two magic bytes. Every flaw is planted.
;; Every entry takes (address, length) and returns 0 (accepted) or -1 (not for this entry); `output` returns a packed i64.
(module $canary_limits
  (memory (export "memory") 2)
  (table $names 16 funcref)
  ;; The shadow stack is the lower half of the first page, as `--stack-first` lays it.
  (global $__stack_pointer (mut i32) (i32.const 32768))
  ;; What `output` unpacks to: the upper half of the first page.
  (global $unpacked i32 (i32.const 32768))

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

  ;; "FU", records of (u8 length, that many bytes): skips over all of them.
  (func (export "fuel") (param $at i32) (param $len i32) (result i32)
    (local $offset i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 3) (i32.const 0x5546))) (then (return (i32.const -1))))
    (local.set $offset (i32.const 2))
    (loop $records
      ;; The length counts itself.
      (local.set $offset (i32.add (local.get $offset) (i32.load8_u (i32.add (local.get $at) (local.get $offset)))))
      (br_if $records (i32.lt_u (local.get $offset) (local.get $len))))
    (i32.const 0))

  ;; "ST", u8 links: follows link after link, from the first, until one leads out of the message.
  (func (export "stack") (param $at i32) (param $len i32) (result i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 4) (i32.const 0x5453))) (then (return (i32.const -1))))
    (call $follow (local.get $at) (local.get $len) (i32.const 2)))
  (func $follow (param $at i32) (param $len i32) (param $link i32) (result i32)
    (local $next i32)
    (local.set $next (i32.load8_u (i32.add (local.get $at) (local.get $link))))
    (if (i32.ge_u (local.get $next) (local.get $len)) (then (return (i32.const 0))))
    ;; Not a tail call: the result is still worked on.
    (i32.shr_s
      (call $follow (local.get $at) (local.get $len) (local.get $next))
      (i32.const 1)))

  ;; "SH", u8 depth: that many levels, each with a record of 1 KiB on the shadow stack, which holds 32.
  (func (export "shadow_stack") (param $at i32) (param $len i32) (result i32)
    (local $depth i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 3) (i32.const 0x4853))) (then (return (i32.const -1))))
    (local.set $depth (i32.load8_u offset=2 (local.get $at)))
    (call $level (local.get $depth)))
  (func $level (param $depth i32) (result i32)
    (local $frame i32)
    (local.set $frame (i32.sub (global.get $__stack_pointer) (i32.const 1024)))
    (global.set $__stack_pointer (local.get $frame))
    (i32.store offset=1020 (local.get $frame) (local.get $depth))
    (i32.store (local.get $frame) (local.get $depth))
    (if (local.get $depth) (then (drop (call $level (i32.sub (local.get $depth) (i32.const 1))))))
    (global.set $__stack_pointer (i32.add (local.get $frame) (i32.const 1024)))
    (i32.const 0))

  ;; "GO", u16 pages: makes room for that much, or says that it cannot.
  (func (export "graceful_oom") (param $at i32) (param $len i32) (result i32)
    (local $pages i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 4) (i32.const 0x4f47))) (then (return (i32.const -1))))
    (local.set $pages (i32.load16_u offset=2 align=1 (local.get $at)))
    (if (i32.lt_s (memory.grow (local.get $pages)) (i32.const 0)) (then (return (i32.const -1))))
    (i32.const 0))

  ;; "OA", u16 pages: makes room for that much, or gives up altogether.
  (func (export "oom_abort") (param $at i32) (param $len i32) (result i32)
    (local $pages i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 4) (i32.const 0x414f))) (then (return (i32.const -1))))
    (local.set $pages (i32.load16_u offset=2 align=1 (local.get $at)))
    (if (i32.lt_s (memory.grow (local.get $pages)) (i32.const 0)) (then (unreachable)))
    (i32.const 0))

  ;; "HD", u16 pages: asks for that much again and again until it gets it.
  (func (export "hard_deny") (param $at i32) (param $len i32) (result i32)
    (local $pages i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 4) (i32.const 0x4448))) (then (return (i32.const -1))))
    (local.set $pages (i32.load16_u offset=2 align=1 (local.get $at)))
    (loop $again
      (br_if $again (i32.lt_s (memory.grow (local.get $pages)) (i32.const 0))))
    (i32.const 0))

  ;; "TA", u16 count: makes room for that many names.
  (func (export "table") (param $at i32) (param $len i32) (result i32)
    (local $count i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 4) (i32.const 0x4154))) (then (return (i32.const -1))))
    (local.set $count (i32.load16_u offset=2 align=1 (local.get $at)))
    (if (i32.lt_s (table.grow $names (ref.null func) (local.get $count)) (i32.const 0)) (then (return (i32.const -1))))
    (i32.const 0))

  ;; "OU", pairs of (u8 count, byte): run lengths, unpacked 64 at a time, at most 32 KiB. Gives back what it unpacked.
  (func (export "output") (param $at i32) (param $len i32) (result i64)
    (local $offset i32) (local $total i32) (local $run i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 4) (i32.const 0x554f))) (then (return (i64.const -1))))
    (local.set $offset (i32.const 2))
    (block $done
      (loop $pairs
        (br_if $done (i32.ge_u (i32.add (local.get $offset) (i32.const 1)) (local.get $len)))
        (local.set $run (i32.shl (i32.load8_u (i32.add (local.get $at) (local.get $offset))) (i32.const 6)))
        (if (i32.gt_u (i32.add (local.get $total) (local.get $run)) (i32.const 32768)) (then (return (i64.const -1))))
        (memory.fill (i32.add (global.get $unpacked) (local.get $total))
          (i32.load8_u offset=1 (i32.add (local.get $at) (local.get $offset))) (local.get $run))
        (local.set $total (i32.add (local.get $total) (local.get $run)))
        (local.set $offset (i32.add (local.get $offset) (i32.const 2)))
        (br $pairs)))
    (i64.or (i64.shl (i64.extend_i32_u (global.get $unpacked)) (i64.const 32)) (i64.extend_i32_u (local.get $total))))
)
