//! Code that handles secrets, in pairs: as it leaks, and repaired.
//!
//! `target.toml` says of every entry which arguments are secret and what the module does with them, read off the
//! compiled code and not off these sources: where the compiler changed what a source says, a comment there says so.
//! A line that ends in the comment LEAK and an entry's name is where that entry's runs with two secrets must be found to
//! part; a leak inside a library has no such line. Functions with such a comment behind a brace are left alone by
//! rustfmt, which would move it to another line.

mod barrier;
mod block;
mod codec;
mod compare;
mod copy;
mod dispatch;
mod division;
mod kyber;
mod lookup;
mod padding;
mod paths;
mod pin;
mod power;
mod token;
mod weak;

// Exports `alloc` and `free`.
use guest_abi as _;

/// `export!(name, path, a a_len, …)` exports a function of byte buffers, each as a pointer and a length.
macro_rules! export {
    ($name:ident, $path:path, $($at:ident $len:ident),+) => {
        /// Called by the host with buffers from `alloc`.
        ///
        /// # Safety
        /// Every pointer came from `alloc` with the length beside it, and no two are the same.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($at: *mut u8, $len: usize),+) -> i32 {
            // SAFETY: by the host's word.
            unsafe { $path($(std::slice::from_raw_parts_mut($at, $len)),+) }
        }
    };
}

// (secret, public) -> 1 if equal
export!(eq_early_exit, compare::early_exit, a a_len, b b_len);
export!(eq_slices, compare::slices, a a_len, b b_len);
export!(eq_accumulate, compare::accumulate, a a_len, b b_len);
export!(eq_subtle, compare::subtle, a a_len, b b_len);
export!(eq_crate, compare::constant_time_eq, a a_len, b b_len);
export!(eq_subtle_branch, compare::subtle_then_branch, a a_len, b b_len);

// (secret key, public block, output)
export!(aes_fixslice, block::fixslice, a a_len, b b_len, c c_len);
export!(aes_table, block::table, a a_len, b b_len, c c_len);

// (secret, output)
export!(b64_encode_table, codec::encode_table, a a_len, b b_len);
export!(b64_encode_crate, codec::encode_crate, a a_len, b b_len);
export!(b64_encode_ct, codec::encode_ct, a a_len, b b_len);
export!(b64_decode_branching, codec::decode_branching, a a_len, b b_len);
export!(b64_decode_table, codec::decode_table, a a_len, b b_len);
export!(b64_decode_crate, codec::decode_crate, a a_len, b b_len);
export!(b64_decode_ct, codec::decode_ct, a a_len, b b_len);
export!(hex_encode_crate, codec::hex_encode_crate, a a_len, b b_len);
export!(hex_encode_arithmetic, codec::hex_encode_arithmetic, a a_len, b b_len);
export!(hex_decode_crate, codec::hex_decode_crate, a a_len, b b_len);
export!(hex_decode_arithmetic, codec::hex_decode_arithmetic, a a_len, b b_len);

// (public base, secret exponent, output)
export!(pow_num_bigint, power::num_bigint, a a_len, b b_len, c c_len);
export!(pow_crypto_bigint, power::crypto_bigint, a a_len, b b_len, c c_len);

// (secret length, public source, output)
export!(copy_secret_length, copy::secret_length, a a_len, b b_len, c c_len);
export!(copy_masked, copy::masked, a a_len, b b_len, c c_len);

// (secret, output)
export!(histogram_direct, lookup::histogram_direct, a a_len, b b_len);
export!(histogram_scan, lookup::histogram_scan, a a_len, b b_len);
export!(poly_frommsg_mask, kyber::from_message_mask, a a_len, b b_len);
export!(poly_frommsg_multiply, kyber::from_message_multiply, a a_len, b b_len);
export!(poly_tomsg_divide, kyber::to_message_divide, a a_len, b b_len);
export!(poly_tomsg_multiply, kyber::to_message_multiply, a a_len, b b_len);

// (secret)
export!(unpad_branching, padding::unpad_branching, a a_len);
export!(unpad_constant, padding::unpad_constant, a a_len);

// (secret keys, public message)
export!(mac_then_decrypt, padding::pad_then_mac, a a_len, b b_len);
export!(etm_keys, padding::keys, a a_len);
export!(etm_seal, padding::seal, a a_len);
export!(token_eq_text, token::equal_text, a a_len, b b_len);
export!(token_verify_slice, token::verify_slice, a a_len, b b_len);

// (secret PIN), then (public attempt)
export!(pin_set, pin::set, a a_len);
export!(pin_try, pin::try_early_exit, a a_len);
export!(pin_try_constant, pin::try_constant, a a_len);

// (public request, secret)
export!(rare_path, paths::rare, a a_len, b b_len);
export!(rare_path_scan, paths::rare_scan, a a_len, b b_len);

// (secret, public)
export!(two_leaks, paths::two_leaks, a a_len, b b_len);
export!(two_leaks_repaired, paths::two_repaired, a a_len, b b_len);
