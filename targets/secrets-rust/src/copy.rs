//! As many bytes copied as the secret says.

use crate::barrier::is_negative;

/// 1 to 16 bytes in one `memory.copy`, whose length is there to see.
pub fn secret_length(secret: &[u8], public: &[u8], out: &mut [u8]) -> i32 {
    let bytes = 1 + usize::from(secret[0] & 15);
    out[..bytes].copy_from_slice(&public[..bytes]); // LEAK copy_secret_length
    0
}

/// All sixteen, and of those beyond the length only zeros.
pub fn masked(secret: &[u8], public: &[u8], out: &mut [u8]) -> i32 {
    let bytes = 1 + i64::from(secret[0] & 15);
    for at in 0..16 {
        out[at] = public[at] & is_negative(at as i64 - bytes) as u8;
    }
    0
}
