//! Bytes as people read them: offset, hex, text.

/// Rows of 16 bytes: `("00000010", "7b 22 …", "{\"re…")`. Bytes that are not printable ASCII become `.`.
pub fn rows(bytes: &[u8]) -> impl Iterator<Item = (String, String, String)> + '_ {
    bytes.chunks(16).enumerate().map(|(row, chunk)| {
        let hex = |half: &[u8]| half.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        let (left, right) = chunk.split_at(chunk.len().min(8));
        let text = chunk.iter().map(|&byte| if (0x20..0x7f).contains(&byte) { byte as char } else { '.' }).collect();
        (format!("{:08x}", row * 16), format!("{:<23}  {:<23}", hex(left), hex(right)), text)
    })
}

/// The rows as text.
pub fn text(bytes: &[u8]) -> String {
    rows(bytes).map(|(offset, hex, text)| format!("{offset}  {hex}  |{text}|\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_hexdump_does() {
        assert_eq!(
            text(b"{\"resourceType\":\"\0\xff"),
            "00000000  7b 22 72 65 73 6f 75 72  63 65 54 79 70 65 22 3a  |{\"resourceType\":|\n\
             00000010  22 00 ff                                          |\"..|\n"
        );
        assert_eq!(text(b""), "");
    }
}
