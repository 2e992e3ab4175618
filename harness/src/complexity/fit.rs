//! The exponent `k` of fuel ~ bytes^k, read off sizes that double. Fuel is exact, so nothing is smoothed.

/// What an input of one size cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Point {
    /// Length of the input, bytes.
    pub bytes: u64,
    /// Fuel of one execution (about one unit per instruction).
    pub fuel: u64,
}

/// From here on growth is called super-linear. Parsers measured linear came out at 0.99 to 1.09, among them those that
/// sort or hash, quadratic ones at 1.8 to 2.0.
pub const EXPONENT_MAX: f64 = 1.3;
/// Doublings at the end that decide: what comes before is where constants hide what grows.
pub const DOUBLINGS: usize = 3;

/// From which cost on super-linear growth matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    /// Fuel per input byte. Default 3,000: the contract of a linear parser.
    pub fuel_per_byte: u64,
    /// Longest input that the module has to accept, bytes: so far an exponent is extrapolated. Default 8 MiB, what
    /// a browser's profile accepts.
    pub accepted_bytes: u64,
}

impl Default for Threshold {
    fn default() -> Self {
        Self { fuel_per_byte: 3_000, accepted_bytes: 8 << 20 }
    }
}

/// How fast fuel grows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fit {
    /// log2(fuel ratio) / log2(size ratio) from each size to the next.
    pub local: Vec<f64>,
    /// Mean of the last [`DOUBLINGS`] of them; `None` where there are fewer.
    pub exponent: Option<f64>,
}

/// Fits points in order of their size, each about twice as large as the one before. A point that is not larger than the
/// one before says nothing of growth and is left out.
pub fn fit(points: &[Point]) -> Fit {
    let mut local = Vec::new();
    let mut rest = points.iter().filter(|point| point.bytes > 0);
    if let Some(mut last) = rest.next() {
        for point in rest.filter(|point| point.fuel > 0) {
            if point.bytes > last.bytes {
                let fuel = (point.fuel as f64 / last.fuel.max(1) as f64).log2();
                local.push(fuel / (point.bytes as f64 / last.bytes as f64).log2());
                last = point;
            }
        }
    }
    let exponent = local.len().checked_sub(DOUBLINGS).map(|from| mean(&local[from..]));
    Fit { local, exponent }
}

impl Fit {
    /// Fuel per byte of an input of `at_bytes` bytes, if fuel goes on growing as it did up to `last`; at its own size what
    /// was measured.
    pub fn extrapolated_fuel_per_byte(&self, last: &Point, at_bytes: u64) -> f64 {
        let measured = last.fuel as f64 / last.bytes.max(1) as f64;
        match self.exponent {
            Some(exponent) => measured * (at_bytes as f64 / last.bytes.max(1) as f64).powf(exponent - 1.0),
            None => measured,
        }
    }

    /// Whether this is a finding: the exponent is above [`EXPONENT_MAX`], and fuel per byte is above the threshold at the
    /// largest point or at the longest input that has to be accepted. The last two exponents have to be above it each: a
    /// single jump, where an input becomes long enough to be accepted, is no growth, nor is what a limit has ended.
    pub fn is_superlinear(&self, last: &Point, threshold: &Threshold) -> bool {
        let Some(exponent) = self.exponent else { return false };
        let grows = self.local.iter().rev().take(2).all(|exponent| *exponent > EXPONENT_MAX);
        let costs = |at_bytes| self.extrapolated_fuel_per_byte(last, at_bytes) > threshold.fuel_per_byte as f64;
        exponent > EXPONENT_MAX && grows && (costs(last.bytes) || costs(threshold.accepted_bytes))
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    /// 1 KiB to 64 KiB.
    fn points(fuel: impl Fn(f64) -> f64) -> Vec<Point> {
        (10..=16).map(|log2| 1u64 << log2).map(|bytes| Point { bytes, fuel: fuel(bytes as f64) as u64 }).collect()
    }

    fn verdict(points: &[Point]) -> bool {
        fit(points).is_superlinear(points.last().unwrap(), &Threshold::default())
    }

    #[test]
    fn known_shapes_are_classified() {
        type Shape = fn(f64) -> f64;
        // Shape, least and largest exponent, whether it is a finding.
        let cases: &[(&str, Shape, f64, f64, bool)] = &[
            ("linear", |n| 40.0 * n, 1.0, 1.0, false),
            ("linear, dear", |n| 5_000.0 * n, 1.0, 1.0, false),
            ("linear behind a constant", |n| 1e6 + 40.0 * n, 0.0, 1.0, false),
            ("constant", |_| 1e6, 0.0, 0.0, false),
            ("n log n", |n| 40.0 * n * n.log2(), 1.0, 1.1, false),
            ("quadratic", |n| n * n, 1.99, 2.01, true),
            ("quadratic behind linear", |n| 200.0 * n + n * n / 50.0, 1.6, 1.9, true),
            ("quadratic that never costs much", |n| n * n / 4_000.0, 1.99, 2.01, false),
            ("cubic", |n| n * n * n / 100.0, 2.99, 3.01, true),
            ("n to 1.5", |n| 10.0 * n.powf(1.5), 1.49, 1.51, true),
            ("accepted from 32 KiB on", |n| if n < 32_768.0 { 10.0 * n } else { 900.0 * n }, 3.0, 4.0, false),
            ("quadratic up to 32 KiB", |n| n.min(32_768.0).powi(2), 1.3, 1.4, false),
            ("accepted from 64 KiB on", |n| if n < 65_536.0 { 10.0 * n } else { 900.0 * n }, 3.0, 4.0, false),
        ];
        for (name, shape, least, largest, finding) in cases {
            let points = points(shape);
            let exponent = fit(&points).exponent.unwrap();
            assert!((least - 0.01..=largest + 0.01).contains(&exponent), "{name}: {exponent}");
            assert_eq!(verdict(&points), *finding, "{name}: {:?}", fit(&points));
        }
    }

    #[test]
    fn too_few_points_say_nothing() {
        let all = points(|n| n * n);
        for count in 0..=DOUBLINGS {
            let fit = fit(&all[..count]);
            assert_eq!(fit.local.len(), count.saturating_sub(1));
            assert_eq!(fit.exponent, None);
            assert!(!fit.is_superlinear(&all[0], &Threshold::default()));
        }
        assert_eq!(fit(&all[..=DOUBLINGS]).exponent, Some(2.0));
        // Sizes that do not grow, and runs without fuel, are left out.
        let odd = [(0, 5), (1, 0), (1, 7), (2, 0), (2, 2), (2, 9), (4, 4), (1, 1), (8, 8)];
        let odd: Vec<Point> = odd.iter().map(|(bytes, fuel)| Point { bytes: *bytes, fuel: *fuel }).collect();
        assert_eq!(fit(&odd), Fit { local: vec![1.0; 3], exponent: Some(1.0) });
    }

    #[test]
    fn sizes_need_not_double_exactly() {
        let points: Vec<Point> =
            [1_000u64, 1_900, 4_100, 8_000, 17_000, 66_000].map(|bytes| Point { bytes, fuel: bytes * bytes }).into();
        assert!((fit(&points).exponent.unwrap() - 2.0).abs() < 1e-9);
    }

    quickcheck! {
        fn powers_come_back(k: u8, scale: u8) -> bool {
            let k = 1.0 + f64::from(k % 21) / 10.0;
            let points = points(|n| 100.0 * f64::from(scale.max(1)) * n.powf(k));
            let last = points.last().unwrap();
            let measured = fit(&points);
            let next = measured.extrapolated_fuel_per_byte(last, 2 * last.bytes);
            let truth = 100.0 * f64::from(scale.max(1)) * (2.0 * last.bytes as f64).powf(k - 1.0);
            (measured.exponent.unwrap() - k).abs() < 1e-3 && (next / truth - 1.0).abs() < 1e-2
        }

        fn constants_and_linear_parts_are_never_superlinear(constant: u32, per_byte: u16) -> bool {
            let points = points(|n| f64::from(constant) + f64::from(per_byte) * n);
            fit(&points).local.iter().all(|exponent| *exponent <= 1.0 + 1e-9) && !verdict(&points)
        }
    }
}
