//! Scatter plots of cost against size, both axes logarithmic, as inline SVG: no script, no fonts, colours from the
//! page's style, shapes that tell series apart without colours. The same data gives the same bytes.

use crate::plot::{fixed, tick_label};
use crate::words;
use maud::{Markup, html};

/// One plot.
pub struct Scatter<'a> {
    /// What is plotted, for who cannot see it.
    pub title: &'a str,
    /// What the vertical axis counts; the horizontal one counts bytes.
    pub unit: Unit,
    /// Series, the most important first.
    pub series: &'a [Series],
    /// What is allowed.
    pub bounds: &'a [Bound<'a>],
}

/// What an axis counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes: ticks are powers of two.
    Bytes,
    /// Anything else: ticks are powers of ten.
    Count,
}

/// Points that belong together.
pub struct Series {
    /// How it is drawn.
    pub style: Style,
    /// Points on a line, from left to right.
    pub line: Vec<Dot>,
    /// Points of their own.
    pub dots: Vec<Dot>,
    /// Stands beside the end of the line; ours, not from outside. Empty: nothing.
    pub label: String,
}

/// How a series is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// In a colour and shape of its own, this one of [`STYLES`].
    Named(usize),
    /// In grey, small.
    Other,
}

/// A point; zeros have no place on a logarithmic axis and are left out.
#[derive(Clone, Copy)]
pub struct Dot {
    /// Size, bytes.
    pub x: u64,
    /// Cost.
    pub y: u64,
    /// Drawn filled: it is over what is allowed.
    pub over: bool,
}

/// A dashed line: values allowed by size, straight between on linear axes.
pub struct Bound<'a> {
    /// Stands at its end.
    pub name: &'a str,
    /// Size and value, sizes rising.
    pub points: &'a [(u64, u64)],
}

/// Colours and shapes that there are.
pub const STYLES: usize = 6;

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 26.0;
/// Pixels between the middles of two lines of text that do not touch.
const LINE_HEIGHT: f64 = 13.0;

/// The plot; nothing where no point has a place in it.
pub fn svg(scatter: &Scatter<'_>) -> Option<Markup> {
    let dots =
        || scatter.series.iter().flat_map(|series| series.line.iter().chain(&series.dots)).filter(|dot| seen(dot));
    let x = Axis::over(dots().map(|dot| dot.x), Unit::Bytes, LEFT, WIDTH - RIGHT)?;
    let bounds: Vec<(&str, Vec<(f64, f64)>)> =
        scatter.bounds.iter().map(|bound| (bound.name, inside(bound.points, &x))).collect();
    let allowed = bounds.iter().flat_map(|(_, points)| points).map(|point| point.1 as u64);
    let y = Axis::over(dots().map(|dot| dot.y).chain(allowed), scatter.unit, HEIGHT - BOTTOM, TOP)?;
    let path = |points: &mut dyn Iterator<Item = (f64, f64)>| {
        let steps: Vec<String> = points.map(|(a, b)| format!("{:.1} {:.1}", x.at(a), y.at(b))).collect();
        format!("M{}", steps.join("L"))
    };
    // What matters most is drawn last, above the rest.
    let drawn = || scatter.series.iter().rev();
    Some(html! {
        svg.plot.scatter viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(scatter.title) {
            @for (value, label) in y.ticks(7) {
                line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(fixed(y.at(value))) y2=(fixed(y.at(value))) {}
                text.tick x=(LEFT - 6.0) y=(fixed(y.at(value) + 3.5)) text-anchor="end" { (label) }
            }
            @for (value, label) in x.ticks(8) {
                line.grid.faint x1=(fixed(x.at(value))) x2=(fixed(x.at(value))) y1=(TOP) y2=(HEIGHT - BOTTOM) {}
                text.tick x=(fixed(x.at(value).min(WIDTH - RIGHT - 12.0))) y=(HEIGHT - 8.0) text-anchor="middle" { (label) }
            }
            @for (name, points) in &bounds { @if let Some(end) = points.last() {
                path.ceiling d=(path(&mut points.iter().copied())) {}
                text.tick.bound x=(fixed(x.at(end.0) - 4.0)) y=(fixed((y.at(end.1) - 5.0).max(TOP + 8.0))) text-anchor="end" { (name) }
            } }
            @for series in drawn() {
                @let line: Vec<&Dot> = series.line.iter().filter(|dot| seen(dot)).collect();
                @if line.len() > 1 {
                    path class={ "joint " (class(series.style)) } d=(path(&mut line.iter().map(|dot| (dot.x as f64, dot.y as f64)))) {}
                }
                @for dot in line.into_iter().chain(series.dots.iter().filter(|dot| seen(dot))) {
                    (glyph(series.style, dot.over, x.at(dot.x as f64), y.at(dot.y as f64)))
                }
            }
            @for (class, place, label) in labels(scatter.series, &x, &y) {
                text class={ "beside " (class) } x=(fixed(place.0)) y=(fixed(place.1)) text-anchor=(if place.0 > WIDTH - 90.0 { "end" } else { "start" }) { (label) }
            }
        }
    })
}

/// A series' mark by itself, for a legend.
pub fn mark(style: Style, over: bool) -> Markup {
    html! { svg.plot.sign viewBox="0 0 14 14" aria-hidden="true" { (glyph(style, over, 7.0, 7.0)) } }
}

fn class(style: Style) -> String {
    match style {
        Style::Named(n) => format!("s{}", n % STYLES),
        Style::Other => "other".into(),
    }
}

/// Circle, square, triangle, diamond, triangle on its head, cross.
fn glyph(style: Style, over: bool, x: f64, y: f64) -> Markup {
    let class = format!("spot {}{}", class(style), if over { " over" } else { "" });
    let polygon = |corners: &[(f64, f64)]| {
        let steps: Vec<String> = corners.iter().map(|(dx, dy)| format!("{:.1} {:.1}", x + dx, y + dy)).collect();
        format!("M{}Z", steps.join("L"))
    };
    let shape = match style {
        Style::Other => return html! { circle class=(class) cx=(fixed(x)) cy=(fixed(y)) r="2" {} },
        Style::Named(n) if n % STYLES == 0 => {
            return html! { circle class=(class) cx=(fixed(x)) cy=(fixed(y)) r="3.8" {} };
        }
        Style::Named(n) => match n % STYLES {
            1 => polygon(&[(-3.4, -3.4), (3.4, -3.4), (3.4, 3.4), (-3.4, 3.4)]),
            2 => polygon(&[(0.0, -4.4), (4.2, 3.2), (-4.2, 3.2)]),
            3 => polygon(&[(0.0, -4.9), (4.9, 0.0), (0.0, 4.9), (-4.9, 0.0)]),
            4 => polygon(&[(0.0, 4.4), (4.2, -3.2), (-4.2, -3.2)]),
            _ => {
                let arm = |a: f64, b: f64| (a * 1.5, b * 1.5);
                polygon(&[
                    arm(-1.0, -3.0),
                    arm(1.0, -3.0),
                    arm(1.0, -1.0),
                    arm(3.0, -1.0),
                    arm(3.0, 1.0),
                    arm(1.0, 1.0),
                    arm(1.0, 3.0),
                    arm(-1.0, 3.0),
                    arm(-1.0, 1.0),
                    arm(-3.0, 1.0),
                    arm(-3.0, -1.0),
                    arm(-1.0, -1.0),
                ])
            }
        },
    };
    html! { path class=(class) d=(shape) {} }
}

/// Labels of series beside their last points, pushed apart.
fn labels<'a>(series: &'a [Series], x: &Axis, y: &Axis) -> Vec<(String, (f64, f64), &'a str)> {
    let mut labels: Vec<(String, (f64, f64), &str)> = series
        .iter()
        .filter(|series| !series.label.is_empty())
        .filter_map(|series| {
            let end = series.line.iter().rfind(|dot| seen(dot))?;
            let (px, py) = (x.at(end.x as f64), y.at(end.y as f64));
            let beside = if px > WIDTH - 90.0 { px - 8.0 } else { px + 8.0 };
            Some((class(series.style), (beside, py + 3.5), series.label.as_str()))
        })
        .collect();
    labels.sort_by(|a, b| a.1.1.total_cmp(&b.1.1));
    let mut free = TOP + 9.0;
    for (_, place, _) in &mut labels {
        place.1 = place.1.max(free);
        free = place.1 + LINE_HEIGHT;
    }
    // Those pushed below the axis move up again.
    let mut free = HEIGHT - BOTTOM - 4.0;
    for (_, place, _) in labels.iter_mut().rev() {
        place.1 = place.1.min(free);
        free = place.1 - LINE_HEIGHT;
    }
    labels
}

fn seen(dot: &Dot) -> bool {
    dot.x > 0 && dot.y > 0
}

/// The part of a bound that lies over the axis, with points between: a straight line is none on logarithmic axes.
fn inside(points: &[(u64, u64)], x: &Axis) -> Vec<(f64, f64)> {
    const STEPS: u32 = 64;
    let rising = points.windows(2).all(|pair| pair[0].0 < pair[1].0);
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    if !rising || points.len() < 2 {
        return Vec::new();
    }
    let (from, to) = (x.low.max((first.0.max(1) as f64).log2()), x.high.min((last.0 as f64).log2()));
    if from >= to {
        return Vec::new();
    }
    (0..=STEPS)
        .map(|step| (from + (to - from) * f64::from(step) / f64::from(STEPS)).exp2())
        .map(|size| {
            let after = points.partition_point(|point| (point.0 as f64) < size).clamp(1, points.len() - 1);
            let ((x0, y0), (x1, y1)) = (points[after - 1], points[after]);
            let part = ((size - x0 as f64) / (x1 - x0) as f64).clamp(0.0, 1.0);
            (size, y0 as f64 + (y1 as f64 - y0 as f64) * part)
        })
        .filter(|(_, value)| *value >= 1.0)
        .collect()
}

/// A logarithmic axis between two pixels; `low` and `high` are logarithms to base 2 or 10.
struct Axis {
    low: f64,
    high: f64,
    unit: Unit,
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = u64>, unit: Unit, from: f64, to: f64) -> Option<Self> {
        let (low, high) = values
            .filter(|value| *value > 0)
            .fold((u64::MAX, 0), |(low, high), value| (low.min(value), high.max(value)));
        if high == 0 {
            return None;
        }
        let log = |value: u64| if unit == Unit::Bytes { (value as f64).log2() } else { (value as f64).log10() };
        let low = (log(low) - 0.05).floor().max(0.0);
        Some(Self { low, high: (log(high) + 0.05).ceil().max(low + 1.0), unit, from, to })
    }

    fn at(&self, value: f64) -> f64 {
        let log = if self.unit == Unit::Bytes { value.max(1.0).log2() } else { value.max(1.0).log10() };
        self.from + (self.to - self.from) * ((log - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// At most `count_max` round values with their names.
    fn ticks(&self, count_max: u32) -> Vec<(f64, String)> {
        let (low, high) = (self.low as u32, self.high as u32);
        let step = [1, 2, 3, 4, 5, 10].into_iter().find(|step| (high - low) / step < count_max).unwrap_or(20);
        let round = (low..=high).filter(|power| power % step == 0);
        match self.unit {
            // 2^64 has no name here, and no point.
            Unit::Bytes => round
                .filter(|power| *power < 64)
                .map(|power| (f64::from(power).exp2(), tick_label(words::bytes(1 << power))))
                .collect(),
            Unit::Count => round
                .map(|power| 10f64.powi(power as i32))
                .map(|value| (value, tick_label(words::short(value))))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dots(points: &[(u64, u64)]) -> Vec<Dot> {
        points.iter().map(|(x, y)| Dot { x: *x, y: *y, over: false }).collect()
    }

    fn drawn(points: &[(u64, u64)], bound: &[(u64, u64)], unit: Unit) -> Option<String> {
        let series = [
            Series { style: Style::Named(0), line: dots(points), dots: Vec::new(), label: "k 2.00".into() },
            Series { style: Style::Other, line: Vec::new(), dots: dots(points), label: String::new() },
        ];
        let bounds = [Bound { name: "contract", points: bound }];
        svg(&Scatter { title: "fuel", unit, series: &series, bounds: &bounds }).map(|markup| markup.into_string())
    }

    #[test]
    fn odd_numbers_make_no_odd_pictures() {
        assert!(drawn(&[], &[], Unit::Count).is_none());
        assert!(drawn(&[(0, 0), (0, 7), (7, 0)], &[(1, 1), (9, 9)], Unit::Bytes).is_none());
        for points in [
            vec![(1, 1)],
            vec![(u64::MAX, u64::MAX)],
            vec![(1, u64::MAX), (u64::MAX, 1), (0, 5)],
            vec![(1 << 10, 1 << 20), (1 << 10, 1 << 20)],
        ] {
            for bound in [
                vec![],
                vec![(5, 5)],
                vec![(9, 1), (3, 2)],
                vec![(0, 0), (u64::MAX, u64::MAX)],
                vec![(1 << 9, u64::MAX), (1 << 11, 0)],
            ] {
                for unit in [Unit::Bytes, Unit::Count] {
                    let svg = drawn(&points, &bound, unit).unwrap();
                    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{points:?}: {svg}");
                    assert!(svg.len() < 20_000, "{points:?}: {} bytes", svg.len());
                    let numbers = svg.split(['"', ' ', 'M', 'L']).filter_map(|word| word.parse::<f64>().ok());
                    for number in numbers {
                        assert!((-20.0..=WIDTH + 20.0).contains(&number), "{points:?}: {number} in {svg}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_straight_bound_keeps_its_values_between_its_points() {
        let x = Axis::over([1 << 10, 1 << 24].into_iter(), Unit::Bytes, LEFT, WIDTH).unwrap();
        let allowed = |size: u64| 5_000_000 + 3_000 * size;
        let points: Vec<(u64, u64)> = [1, 1 << 26].map(|size| (size, allowed(size))).into();
        let line = inside(&points, &x);
        assert_eq!(line.len(), 65);
        for (size, value) in line {
            let want = 5e6 + 3e3 * size;
            assert!((value / want - 1.0).abs() < 1e-6, "{size}: {value}, not {want}");
        }
    }

    #[test]
    fn axes_reach_from_round_to_round() {
        let names = |values: [u64; 2], unit| -> Vec<String> {
            let axis = Axis::over(values.into_iter(), unit, 0.0, 100.0).unwrap();
            axis.ticks(7).into_iter().map(|(_, name)| name).collect()
        };
        assert_eq!(
            names([1_500, 60_000], Unit::Bytes),
            ["1 KiB", "2 KiB", "4 KiB", "8 KiB", "16 KiB", "32 KiB", "64 KiB"]
        );
        assert_eq!(names([1_500, 9 << 20], Unit::Bytes), ["4 KiB", "32 KiB", "256 KiB", "2 MiB", "16 MiB"]);
        assert_eq!(names([5_000, 80_000_000], Unit::Count), ["1 k", "10 k", "100 k", "1 M", "10 M", "100 M"]);
        assert_eq!(names([1, u64::MAX], Unit::Count), ["1", "1 k", "1 M", "1 G", "1 T", "1.0e15", "1.0e18"]);
    }

    #[test]
    fn labels_do_not_touch() {
        let series: Vec<Series> = (0..STYLES)
            .map(|n| Series {
                style: Style::Named(n),
                line: dots(&[(1, 1), (64, 99)]),
                dots: vec![],
                label: "k 1.00".into(),
            })
            .collect();
        let x = Axis::over([1, 64].into_iter(), Unit::Bytes, LEFT, WIDTH - RIGHT).unwrap();
        let y = Axis::over([1, 99].into_iter(), Unit::Count, HEIGHT - BOTTOM, TOP).unwrap();
        let heights: Vec<f64> = labels(&series, &x, &y).iter().map(|(_, place, _)| place.1).collect();
        assert_eq!(heights.len(), STYLES);
        assert!(heights.windows(2).all(|pair| pair[1] - pair[0] >= LINE_HEIGHT - 1e-9), "{heights:?}");
        assert!(heights.iter().all(|height| (TOP..HEIGHT - BOTTOM).contains(height)), "{heights:?}");
    }
}
