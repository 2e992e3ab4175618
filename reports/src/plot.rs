//! Line plots as inline SVG: no script, no fonts, colours from the page's style. The same data gives the same bytes.

use crate::words;
use maud::{Markup, html};

/// One line over time.
pub struct Plot<'a> {
    /// What is plotted, with its unit.
    pub title: &'a str,
    /// Seconds and value, seconds rising.
    pub points: &'a [(f64, f64)],
    /// How the value goes from one point to the next.
    pub line: Line,
    /// Moments to mark on the line, seconds.
    pub marks: &'a [f64],
    /// A value to draw a dashed line at, with its name.
    pub ceiling: Option<(f64, &'a str)>,
    /// How seconds are spread.
    pub time: Time,
}

/// How a value goes from one point to the next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// It stays, then jumps: a count.
    Steps,
    /// It changes all the time: a rate.
    Straight,
}

/// How seconds are spread over the width.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// Evenly.
    Linear,
    /// By their logarithm, where a run is long enough for that: most is found at its start.
    Log,
}

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 210.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 26.0;

/// The plot; nothing if there are fewer than two points.
pub fn svg(plot: &Plot<'_>) -> Option<Markup> {
    let points: Vec<(f64, f64)> =
        plot.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite() && *x >= 0.0 && *y >= 0.0).collect();
    if points.len() < 2 {
        return None;
    }
    let x = XAxis::new(&points, plot.time);
    let highest = points.iter().map(|point| point.1).chain(plot.ceiling.map(|c| c.0)).fold(0.0, f64::max);
    let y_ticks = round_ticks(highest);
    let y_max = *y_ticks.last().expect("there are always two ticks");
    let y = |value: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - value / y_max);

    let mut path = String::new();
    let mut last_y = 0.0;
    for (i, (seconds, value)) in points.iter().enumerate() {
        let (px, py) = (x.at(*seconds), y(*value));
        match (i, plot.line) {
            (0, _) => path.push_str(&format!("M{px:.1} {py:.1}")),
            (_, Line::Steps) if py != last_y => path.push_str(&format!("H{px:.1}V{py:.1}")),
            (_, Line::Steps) => path.push_str(&format!("H{px:.1}")),
            (_, Line::Straight) => path.push_str(&format!("L{px:.1} {py:.1}")),
        }
        last_y = py;
    }
    let (first_x, last_x) = (x.at(points[0].0), x.at(points[points.len() - 1].0));
    let area = format!("{path}L{last_x:.1} {:.1}L{first_x:.1} {:.1}Z", HEIGHT - BOTTOM, HEIGHT - BOTTOM);
    let value_at = |seconds: f64| points.iter().take_while(|p| p.0 <= seconds).last().unwrap_or(&points[0]).1;

    Some(html! {
        svg.plot viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(plot.title) {
            @for tick in &y_ticks {
                line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(fixed(y(*tick))) y2=(fixed(y(*tick))) {}
                text.tick x=(LEFT - 6.0) y=(fixed(y(*tick) + 3.5)) text-anchor="end" { (tick_label(words::short(*tick))) }
            }
            @for tick in x.ticks() {
                line.grid.faint x1=(fixed(x.at(tick))) x2=(fixed(x.at(tick))) y1=(TOP) y2=(HEIGHT - BOTTOM) {}
                text.tick x=(fixed(x.at(tick))) y=(HEIGHT - 8.0) text-anchor="middle" { (tick_label(words::seconds(tick))) }
            }
            path.area d=(area) {}
            @if let Some((value, name)) = plot.ceiling {
                line.ceiling x1=(LEFT) x2=(WIDTH - RIGHT) y1=(fixed(y(value))) y2=(fixed(y(value))) {}
                text.tick x=(WIDTH - RIGHT - 2.0) y=(fixed(y(value) - 4.0)) text-anchor="end" { (name) }
            }
            path.line d=(path) {}
            @for mark in plot.marks {
                circle.mark cx=(fixed(x.at(*mark))) cy=(fixed(y(value_at(*mark)))) r="4" {}
            }
        }
    })
}

struct XAxis {
    from: f64,
    to: f64,
    time: Time,
}

impl XAxis {
    fn new(points: &[(f64, f64)], time: Time) -> Self {
        let to = points[points.len() - 1].0.max(1e-3);
        let first = points.iter().map(|point| point.0).find(|seconds| *seconds > 0.0).unwrap_or(to);
        let from = first.max(to / 1e5);
        // A logarithm needs at least a decade to be worth its strangeness.
        if time == Time::Log && to / from >= 10.0 {
            Self { from, to, time }
        } else {
            Self { from: 0.0, to, time: Time::Linear }
        }
    }

    fn at(&self, seconds: f64) -> f64 {
        let part = match self.time {
            Time::Linear => seconds / self.to,
            Time::Log => (seconds.max(self.from) / self.from).ln() / (self.to / self.from).ln(),
        };
        LEFT + (WIDTH - LEFT - RIGHT) * part.clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<f64> {
        // Labels at the very edges would be cut, and two of them closer than this would touch.
        let fits = |seconds: &f64| (LEFT - 0.5..=WIDTH - RIGHT - 16.0).contains(&self.at(*seconds));
        let mut ticks: Vec<f64> = match self.time {
            Time::Linear => round_time_ticks(self.to),
            Time::Log => TIME_STEPS.iter().copied().filter(|step| *step >= self.from && *step <= self.to).collect(),
        };
        ticks.retain(fits);
        let mut last = f64::NEG_INFINITY;
        ticks.retain(|tick| {
            let clear = self.at(*tick) - last >= 62.0;
            if clear {
                last = self.at(*tick);
            }
            clear
        });
        ticks
    }
}

/// Times that people have words for, seconds.
const TIME_STEPS: &[f64] = &[
    0.001, 0.01, 0.1, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0, 7_200.0,
    14_400.0, 28_800.0, 86_400.0, 172_800.0, 604_800.0,
];

fn round_time_ticks(to: f64) -> Vec<f64> {
    let step = TIME_STEPS.iter().copied().find(|step| to / step <= 6.0).unwrap_or(to / 4.0);
    (0..=6).map(|i| f64::from(i) * step).take_while(|tick| *tick <= to).collect()
}

/// From 0 to at least `highest`, in steps of 1, 2 or 5 times a power of ten.
fn round_ticks(highest: f64) -> Vec<f64> {
    let rough = (highest / 4.0).max(1.0);
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].iter().map(|m| m * power).find(|step| *step >= rough).unwrap_or(rough);
    let steps = (highest / step).ceil().max(1.0) as u32;
    (0..=steps).map(|i| f64::from(i) * step).collect()
}

/// Ticks are round numbers: `2.00 k` → `2 k`, `0 ms` → `0`.
pub(crate) fn tick_label(number: String) -> String {
    match number.split_once(' ') {
        Some(("0", _)) => "0".into(),
        Some((value, unit)) if value.contains('.') => {
            format!("{} {unit}", value.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => number,
    }
}

/// To a tenth of a pixel: what is finer is not seen, and would differ between machines.
pub(crate) fn fixed(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: &[(f64, f64)], time: Time) -> Option<String> {
        let plot = Plot { title: "edges", points, line: Line::Steps, marks: &[3.0], ceiling: None, time };
        svg(&plot).map(|markup| markup.into_string())
    }

    #[test]
    fn odd_numbers_make_no_odd_pictures() {
        assert!(plot(&[], Time::Log).is_none());
        assert!(plot(&[(1.0, 1.0)], Time::Log).is_none());
        for points in [
            vec![(0.0, 0.0), (0.0, 0.0)],
            vec![(0.0, 0.0), (1e-9, 1e18)],
            vec![(0.0, 5.0), (f64::NAN, 1.0), (f64::INFINITY, 2.0), (1e12, 1e300)],
            vec![(-1.0, 5.0), (1.0, -5.0), (2.0, 1.0), (3.0, 1.0)],
        ] {
            for time in [Time::Linear, Time::Log] {
                let svg = plot(&points, time).unwrap();
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{points:?}: {svg}");
            }
        }
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(round_ticks(0.0), [0.0, 1.0]);
        assert_eq!(round_ticks(7.0), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(round_ticks(1315.0), [0.0, 500.0, 1000.0, 1500.0]);
        assert_eq!(round_time_ticks(60.0), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
    }
}
