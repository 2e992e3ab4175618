;; Contract canary: one entry for each clause of the resource contract that it breaks, on inputs that are only large, or
;; that expand. Every flaw is planted.
;; Every entry takes (address, length) and returns 0 or more (accepted) or -1 (refused); `output` returns a packed i64.
(module $canary_contract
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (global $__stack_pointer (mut i32) (i32.const 32768))
  (global $answer (mut i32) (i32.const 0))

  ;; Makes the memory so long, behind the first page, which is the module's own. Says -1 where there is no more.
  (func $reach (param $bytes i64) (result i32)
    (local $pages i64)
    (local.set $pages (i64.shr_u (i64.add (local.get $bytes) (i64.const 131071)) (i64.const 16)))
    (if (i64.le_u (local.get $pages) (i64.extend_i32_u (memory.size))) (then (return (i32.const 0))))
    (if (i64.gt_u (local.get $pages) (i64.const 65535)) (then (return (i32.const -1))))
    (if (i32.lt_s
      (memory.grow (i32.sub (i32.wrap_i64 (local.get $pages)) (memory.size))) (i32.const 0)) (then (return (i32.const -1))))
    (i32.const 0))

  (func (export "alloc") (param $len i32) (result i32)
    (if (call $reach (i64.extend_i32_u (local.get $len))) (then (return (i32.const 0))))
    (i32.const 65536))

  ;; So many times the input's length of memory.
  (func $hoard (param $len i32) (param $times i64) (result i32)
    (call $reach (i64.mul (i64.extend_i32_u (local.get $len)) (local.get $times))))

  ;; So many turns of a loop of five instructions.
  (func $work (param $turns i64)
    (loop $turn
      (local.set $turns (i64.sub (local.get $turns) (i64.const 1)))
      (br_if $turn (i64.gt_s (local.get $turns) (i64.const 0)))))

  ;; Takes any gzip file; what its trailer says comes out is not looked at.
  (func (export "bomb") (param $at i32) (param $len i32) (result i32)
    (if (i32.lt_u (local.get $len) (i32.const 18)) (then (return (i32.const -1))))
    (if (i32.ne (i32.load16_u (local.get $at)) (i32.const 0x8b1f)) (then (return (i32.const -1))))
    (i32.const 0))

  ;; 200 times its length.
  (func (export "memory_hoarder") (param $at i32) (param $len i32) (result i32)
    (call $hoard (local.get $len) (i64.const 200)))

  ;; 20 times its length: less than any input may take, more than a plain document should.
  (func (export "typical_hoarder") (param $at i32) (param $len i32) (result i32)
    (call $hoard (local.get $len) (i64.const 20)))

  ;; Dies where there is no more memory.
  (func (export "oom") (param $at i32) (param $len i32) (result i32)
    (if (call $hoard (local.get $len) (i64.const 12)) (then (unreachable)))
    (i32.const 0))

  ;; A thousand turns for each byte.
  (func (export "toil") (param $at i32) (param $len i32) (result i32)
    (call $work (i64.mul (i64.extend_i32_u (local.get $len)) (i64.const 1000)))
    (i32.const 0))

  ;; For each byte, a turn for every sixty-fourth byte.
  (func (export "quadratic") (param $at i32) (param $len i32) (result i32)
    (call $work (i64.shr_u
      (i64.mul (i64.extend_i32_u (local.get $len)) (i64.extend_i32_u (local.get $len)))
      (i64.const 6)))
    (i32.const 0))

  ;; Descends a level for each byte.
  (func (export "descent") (param $at i32) (param $len i32) (result i32)
    (call $descend (local.get $len)))
  (func $descend (param $levels i32) (result i32)
    (if (i32.eqz (local.get $levels)) (then (return (i32.const 0))))
    ;; Not a tail call: the result is still worked on.
    (i32.shr_s (call $descend (i32.sub (local.get $levels) (i32.const 1))) (i32.const 1)))

  ;; Gives back 300 times its length.
  (func (export "output") (param $at i32) (param $len i32) (result i64)
    (local $bytes i64)
    (local.set $bytes (i64.mul (i64.extend_i32_u (local.get $len)) (i64.const 300)))
    (if (i64.gt_u (local.get $bytes) (i64.const 0x4000000)) (then (return (i64.const -1))))
    (if (call $reach (local.get $bytes)) (then (return (i64.const -1))))
    (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (local.get $bytes)))

  ;; Refuses what is longer than 1,000 bytes and says why, in 8 KiB.
  (func (export "complaint") (param $at i32) (param $len i32) (result i32)
    (if (i32.le_u (local.get $len) (i32.const 1000)) (then (return (i32.const 0))))
    (i32.store (i32.const 16) (i32.const 1024))
    (i32.store (i32.const 20) (i32.const 8192))
    (drop (call $fd_write (i32.const 2) (i32.const 16) (i32.const 1) (i32.const 24)))
    (i32.const -1))

  ;; Refuses what is longer than 1,000 bytes, and never forgets it.
  (func (export "grudge") (param $at i32) (param $len i32) (result i32)
    (if (i32.le_u (local.get $len) (i32.const 1000)) (then (return (global.get $answer))))
    (global.set $answer (i32.const 1))
    (i32.const -1))

  ;; Refuses what is longer than 1,000 bytes, and leaves its frame on the stack.
  (func (export "frame") (param $at i32) (param $len i32) (result i32)
    (if (i32.le_u (local.get $len) (i32.const 1000)) (then (return (i32.const 0))))
    (global.set $__stack_pointer (i32.sub (global.get $__stack_pointer) (i32.const 16)))
    (i32.store (global.get $__stack_pointer) (local.get $len))
    (i32.const -1))

  ;; Has no place for a plain document of more than 100,000 bytes.
  (func (export "narrow") (param $at i32) (param $len i32) (result i32)
    (if (i32.gt_u (local.get $len) (i32.const 100000)) (then (return (i32.const -1))))
    (i32.const 0))

  ;; Gives up on more than 100,000 bytes by a trap.
  (func (export "brittle") (param $at i32) (param $len i32) (result i32)
    (if (i32.gt_u (local.get $len) (i32.const 100000)) (then (unreachable)))
    (i32.const 0))

  ;; A thousand turns for each byte, of plain documents too.
  (func (export "plodder") (param $at i32) (param $len i32) (result i32)
    (call $work (i64.mul (i64.extend_i32_u (local.get $len)) (i64.const 1000)))
    (i32.const 0))
)
