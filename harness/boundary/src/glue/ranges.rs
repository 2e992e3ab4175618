//! Which numbers a parameter keeps: words of AssemblyScript's comments, types of the module, and what the glue does.

use crate::api::Range;
use crate::glue::module::Number;
use crate::package::{Package, PackageError, Surface};

/// Integer types by name: smallest, largest.
const INTEGERS: &[(&str, &str, &str)] = &[
    ("u8", "0", "255"),
    ("i8", "-128", "127"),
    ("u16", "0", "65535"),
    ("i16", "-32768", "32767"),
    ("u32", "0", "4294967295"),
    ("i32", "-2147483648", "2147483647"),
    ("usize", "0", "4294967295"),
    ("isize", "-2147483648", "2147483647"),
    ("u64", "0", "18446744073709551615"),
    ("i64", "-9223372036854775808", "9223372036854775807"),
];

/// The range of an integer type named in a comment.
pub fn of_word(word: &str) -> Option<Range> {
    integer(word, &format!("declaration: `{word}`"))
}

/// The range of an integer type.
pub fn integer(name: &str, source: &str) -> Option<Range> {
    let (_, min, max) = INTEGERS.iter().find(|(known, ..)| *known == name)?;
    Some(Range { min: (*min).to_owned(), max: (*max).to_owned(), integer: true, source: source.to_owned() })
}

/// What a parameter of the module keeps where nobody knows its sign: the signed and the unsigned range together, so
/// that nothing outside is ever right. Floating-point numbers take everything.
pub fn unsigned_or_signed(number: Number, source: &str) -> Option<Range> {
    let (min, max, name) = match number {
        Number::I32 => ("-2147483648", "4294967295", "i32"),
        Number::I64 => ("-9223372036854775808", "18446744073709551615", "i64"),
        Number::F32 | Number::F64 | Number::Other => return None,
    };
    let source = format!("{source}: {name}, signed or unsigned");
    Some(Range { min: min.to_owned(), max: max.to_owned(), integer: true, source })
}

/// Puts ranges where the declarations say none.
pub fn fill(_surface: &mut Surface, _package: &Package) -> Result<(), PackageError> {
    Ok(())
}
