//! DSSE, the envelope of in-toto: what is signed is the type and the bytes of the payload, never a parsed form of it.
//! <https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md>

/// Type of every payload of ours.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The pre-authentication encoding: `DSSEv1`, then type and payload with their lengths in bytes.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_specifications_example() {
        let encoded = super::pae("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }
}
