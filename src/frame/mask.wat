;; XORs octets 0 to $end of the memory with a four-octet key: 64 octets per turn, then 16, then one.
;; The result is not 0 if an octet of the output has its highest bit set.
;; `mask-wasm.ts` holds this module in base64. A test compiles this text and compares the two.
(module
  (memory (export "memory") 1)
  (func (export "xor") (param $end i32) (param $key i32) (result i32)
    (local $at i32) (local $k v128) (local $seen v128) (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local $octet i32) (local $tail i32)
    (local.set $k (i32x4.splat (local.get $key)))
    (block $done
      (loop $next
        (br_if $done (i32.gt_u (i32.add (local.get $at) (i32.const 64)) (local.get $end)))
        (v128.store (local.get $at) (local.tee $a (v128.xor (v128.load (local.get $at)) (local.get $k))))
        (v128.store offset=16 (local.get $at) (local.tee $b (v128.xor (v128.load offset=16 (local.get $at)) (local.get $k))))
        (v128.store offset=32 (local.get $at) (local.tee $c (v128.xor (v128.load offset=32 (local.get $at)) (local.get $k))))
        (v128.store offset=48 (local.get $at) (local.tee $d (v128.xor (v128.load offset=48 (local.get $at)) (local.get $k))))
        (local.set $seen (v128.or (local.get $seen)
          (v128.or (v128.or (local.get $a) (local.get $b)) (v128.or (local.get $c) (local.get $d)))))
        (local.set $at (i32.add (local.get $at) (i32.const 64)))
        (br $next)))
    (block $done
      (loop $next
        (br_if $done (i32.gt_u (i32.add (local.get $at) (i32.const 16)) (local.get $end)))
        (v128.store (local.get $at) (local.tee $a (v128.xor (v128.load (local.get $at)) (local.get $k))))
        (local.set $seen (v128.or (local.get $seen) (local.get $a)))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $next)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $octet (i32.xor (i32.load8_u (local.get $at)) (i32.and (local.get $key) (i32.const 255))))
        (i32.store8 (local.get $at) (local.get $octet))
        (local.set $tail (i32.or (local.get $tail) (local.get $octet)))
        (local.set $key (i32.rotr (local.get $key) (i32.const 8)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (i32.or (i8x16.bitmask (local.get $seen)) (i32.and (local.get $tail) (i32.const 128)))))
