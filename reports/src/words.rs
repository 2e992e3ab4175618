//! Numbers as people read them. The same number always gives the same words.

/// `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `950`, `12.3 k`, `4.56 M`: three digits; `1.8e19` where there is no letter.
pub fn short(n: f64) -> String {
    let (value, unit) = match n {
        n if !n.is_finite() => return "–".into(),
        n if n < 1e3 => return format!("{}", n.round()),
        n if n < 999.5e3 => (n / 1e3, " k"),
        n if n < 999.5e6 => (n / 1e6, " M"),
        n if n < 999.5e9 => (n / 1e9, " G"),
        n if n < 999.5e12 => (n / 1e12, " T"),
        n => return format!("{n:.1e}"),
    };
    let decimals = if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    };
    format!("{value:.decimals$}{unit}")
}

/// `17 bytes`, `54.2 KiB`, `2.0 TiB`.
pub fn bytes(n: u64) -> String {
    match n {
        1 => "1 byte".into(),
        n if n < 1 << 10 => format!("{n} bytes"),
        n if n < 1 << 20 => format!("{:.1} KiB", n as f64 / 1024.0),
        n if n < 1 << 30 => format!("{:.1} MiB", n as f64 / (1u64 << 20) as f64),
        n if n < 1 << 40 => format!("{:.1} GiB", n as f64 / (1u64 << 30) as f64),
        n if n < 1 << 50 => format!("{:.1} TiB", n as f64 / (1u64 << 40) as f64),
        n => format!("{:.1} PiB", n as f64 / (1u64 << 50) as f64),
    }
}

/// What an input expands to, as a record says it: a number of bytes, or words.
pub fn expanded(text: &str) -> String {
    match text.parse::<u128>().map(|n| (u64::try_from(n), n)) {
        Ok((Ok(n), _)) => bytes(n),
        Ok((Err(_), n)) => format!("{:.1e} bytes", n as f64),
        Err(_) => text.to_owned(),
    }
}

/// `×0.25`, `×7.7`, `×1,029`, `×14.0 M`: how many times `whole` goes into `part`; `–` where there is nothing to divide.
pub fn times(part: f64, whole: f64) -> String {
    match part / whole {
        ratio if !ratio.is_finite() || ratio < 0.0 => "–".into(),
        0.0 => "×0".into(),
        ratio if ratio < 0.005 => "< ×0.01".into(),
        ratio if ratio < 0.995 => format!("×{ratio:.2}"),
        ratio if ratio < 99.95 => format!("×{ratio:.1}"),
        ratio if ratio < 99_999.5 => format!("×{}", count(ratio.round() as u64)),
        ratio => format!("×{}", short(ratio)),
    }
}

/// An exponent, `2.00`; `–` where it is not known.
pub fn exponent(k: Option<f64>) -> String {
    match k.filter(|k| k.is_finite()) {
        None => "–".into(),
        Some(k) if k.abs() < 100.0 => format!("{k:.2}"),
        Some(k) => format!("{k:.1e}"),
    }
}

/// `0.4 s`, `59 s`, `12 min 5 s`, `3 h 20 min`.
pub fn seconds(s: f64) -> String {
    match s {
        s if !s.is_finite() || s < 0.0 => "–".into(),
        s if s < 0.9995 => format!("{:.0} ms", s * 1e3),
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 119.5 => format!("{s:.0} s"),
        s if s < 7_199.5 => format!("{} min {} s", s.round() as u64 / 60, s.round() as u64 % 60),
        s => format!("{} h {} min", s as u64 / 3600, s as u64 % 3600 / 60),
    }
}

/// `42.3 %`; `–` where there is nothing to take a part of.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "–".into() } else { format!("{:.1} %", 100.0 * part as f64 / whole as f64) }
}

/// A chance: `2.1e-6`; `–` where it is not known.
pub fn chance(p: Option<f64>) -> String {
    match p {
        None => "–".into(),
        Some(p) if !p.is_finite() => "–".into(),
        Some(0.0) => "0".into(),
        Some(p) if p >= 0.01 => format!("{p:.2}"),
        Some(p) => format!("{p:.1e}"),
    }
}

/// An estimated chance; where it is 0, what so many trials without a single event say of it with 95 % confidence:
/// below three in as many.
pub fn chance_of(p: Option<f64>, trials: u64) -> String {
    match p {
        Some(0.0) if trials > 0 => format!("< {}", chance(Some((3.0 / trials as f64).min(1.0)))),
        p => chance(p),
    }
}

/// `1 finding`, `2 findings`, `2 entries`.
pub fn plural(n: u64, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if n == 1 => format!("1 {noun}"),
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{} {stem}ies", count(n)),
        _ => format!("{} {noun}s", count(n)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [count(0), count(999), count(1_000), count(u64::MAX)],
            ["0", "999", "1,000", "18,446,744,073,709,551,615"]
        );
        assert_eq!(
            [short(0.0), short(999.0), short(1_000.0), short(12_345.0), short(4_560_000.0), short(f64::NAN)],
            ["0", "999", "1.00 k", "12.3 k", "4.56 M", "–"]
        );
        assert_eq!([short(999.6e12), short(u64::MAX as f64), short(1e300)], ["1.0e15", "1.8e19", "1.0e300"]);
        assert_eq!(
            [bytes(281 << 40), bytes(u64::MAX), expanded("300"), expanded("endless"), expanded(&u128::MAX.to_string())],
            ["281.0 TiB", "16384.0 PiB", "300 bytes", "endless", "3.4e38 bytes"]
        );
        assert_eq!(
            [
                times(0.0, 5.0),
                times(1.0, 4.0),
                times(77.0, 10.0),
                times(1029.0, 1.0),
                times(14e6, 1.0),
                times(1.0, 0.0)
            ],
            ["×0", "×0.25", "×7.7", "×1,029", "×14.0 M", "–"]
        );
        assert_eq!([exponent(None), exponent(Some(1.996)), exponent(Some(-1e300))], ["–", "2.00", "-1.0e300"]);
        assert_eq!(
            [bytes(1), bytes(1023), bytes(55_500), bytes(1 << 30)],
            ["1 byte", "1023 bytes", "54.2 KiB", "1.0 GiB"]
        );
        assert_eq!(
            [seconds(0.0004), seconds(0.42), seconds(59.0), seconds(725.0), seconds(12_000.0), seconds(-1.0)],
            ["0 ms", "420 ms", "59 s", "12 min 5 s", "3 h 20 min", "–"]
        );
        assert_eq!([percent(1, 0), percent(423, 1000)], ["–", "42.3 %"]);
        assert_eq!(
            [chance(None), chance(Some(0.0)), chance(Some(2.1e-6)), chance(Some(0.25))],
            ["–", "0", "2.1e-6", "0.25"]
        );
        assert_eq!(
            [chance_of(None, 9), chance_of(Some(0.0), 3_000_000), chance_of(Some(0.5), 9)],
            ["–", "< 1.0e-6", "0.50"]
        );
        assert_eq!(
            [plural(1, "entry"), plural(2_000, "finding"), plural(2, "entry"), plural(2, "day")],
            ["1 entry", "2,000 findings", "2 entries", "2 days"]
        );
    }
}
