//! Inputs of a wished size: finds the value of a family's scale parameter by measuring what comes out.

use crate::text::Sink;
use crate::{Family, GeneratorError, Params, Range, Wrap};

/// Sizes are near proportional to the parameter, so that this many looks are plenty.
const LOOKS_MAX: usize = 40;

/// See [`Family::sized`].
pub fn reach(family: &'static Family, params: &Params, bytes: u64) -> Result<Params, GeneratorError> {
    let none = |why: String| GeneratorError::NoSuchSize { family: family.name, bytes, why };
    let Some(scale) = family.scale else { return Err(none("its size stands".to_owned())) };
    if params.wrap() != Wrap::None {
        return Err(none("what a wrapped input compresses to follows from no parameter".to_owned()));
    }
    let range = family.params().find(|param| param.name == scale).map(|param| param.range);
    let Some(Range::Number { min, max, default, .. }) = range else {
        unreachable!("{}: the scale parameter is a number", family.name)
    };
    // More than this is too much, however much it is.
    let enough = bytes.saturating_mul(2).saturating_add(1 << 20);
    let size = |value: u64| -> Result<u64, GeneratorError> {
        let mut sink = Sink { bytes: 0, bytes_max: enough };
        match family.make(&params.with(scale, value)?, &mut sink) {
            Ok(made) => Ok(made.bytes),
            Err(GeneratorError::Io(_)) if sink.bytes > enough => Ok(u64::MAX),
            Err(error) => Err(error),
        }
    };
    let (mut low, mut low_size) = (min, size(min)?);
    if low_size > bytes {
        return Err(none(format!("the smallest has {low_size}")));
    }
    // A value whose input is too large, if there is one.
    let (mut high, mut high_size) = (default.max(min + 1), 0);
    loop {
        high_size = size(high.min(max))?.max(high_size);
        if high_size >= bytes || high >= max {
            break;
        }
        (low, low_size) = (high, high_size);
        let factor = (bytes / high_size.max(1)).clamp(2, 1 << 20);
        high = high.saturating_mul(factor).saturating_add(high / 8);
    }
    high = high.min(max);
    if high_size < bytes {
        return Err(none(format!("the largest has {high_size}")));
    }
    let tolerance = bytes / 100;
    for look in 0..LOOKS_MAX {
        if high - low <= 1 || bytes - low_size <= tolerance || high_size - bytes <= tolerance {
            break;
        }
        let middle = low + (high - low) / 2;
        // Where the line through both ends says, unless that has not helped or one end is not known.
        let share = (bytes - low_size) as f64 / (high_size - low_size) as f64;
        let guess = low + (share * (high - low) as f64) as u64;
        let is_known = high_size != u64::MAX && look % 3 != 2;
        let value = if is_known { guess.clamp(low + 1, high - 1) } else { middle };
        match size(value)? {
            found if found <= bytes => (low, low_size) = (value, found),
            found => (high, high_size) = (value, found),
        }
    }
    let nearer = if bytes - low_size <= high_size - bytes { low } else { high };
    params.with(scale, nearer)
}
