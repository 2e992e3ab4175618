//! Which bytes of a secret drive a leak, as inline SVG: a cell for each byte, or for several of a long secret. Cells are
//! filled or empty, those of several bytes up to the part that drives: that needs no colours. The same data gives the
//! same bytes.

use crate::words::{bytes, count};
use maud::{Markup, html};

/// Cells that are drawn at most; one stands for more bytes in a longer secret.
const CELLS_MAX: u64 = 512;
/// Longest secret, bytes, whose cells are large.
const LARGE_MAX: u64 = 128;
const TOP: u64 = 15;
const CHAR_WIDTH: u64 = 7;

/// The strip of a secret of `len` bytes in which those at `driving` drive the leak; nothing of an empty secret.
/// `told` is the same in words, for who cannot see it.
pub fn svg(len: u64, driving: &[u32], told: &str) -> Option<Markup> {
    if len == 0 {
        return None;
    }
    let per_cell = len.div_ceil(CELLS_MAX).next_power_of_two();
    let cells = len.div_ceil(per_cell);
    let (columns, size) = if len <= LARGE_MAX { (32, 18) } else { (64, 10) };
    let columns = columns.min(cells);
    let rows = cells.div_ceil(columns);
    let labels_width =
        if rows > 1 { (count((rows - 1) * columns * per_cell).len() as u64 + 1) * CHAR_WIDTH } else { 1 };
    let (width, height) = (labels_width + columns * size + 1, TOP + rows * size + 1);
    let corner = |cell: u64| (labels_width + cell % columns * size, TOP + cell / columns * size);

    let mut lit: Vec<u64> = driving.iter().map(|at| u64::from(*at)).filter(|at| *at < len).collect();
    lit.sort_unstable();
    lit.dedup();
    let filled: Vec<(u64, u64)> =
        lit.chunk_by(|a, b| a / per_cell == b / per_cell).map(|run| (run[0] / per_cell, run.len() as u64)).collect();
    let mut fill = String::new();
    for (cell, driving) in filled {
        let (x, y) = corner(cell);
        let whole = per_cell.min(len - cell * per_cell);
        // At least two pixels: a single byte of many is seen as well.
        let tall = (size * driving).div_ceil(whole).clamp(2, size);
        fill.push_str(&format!("M{x} {}h{size}v{tall}h-{size}z", y + size - tall));
    }
    let mut grid = String::new();
    for row in 0..rows {
        let (x, y) = corner(row * columns);
        let here = columns.min(cells - row * columns);
        grid.push_str(&format!("M{x} {y}h{0}v{size}h-{0}z", here * size));
        (1..here).for_each(|column| grid.push_str(&format!("M{} {y}v{size}", x + column * size)));
    }
    let step = if columns > 32 { 8 } else { 4 };
    Some(html! {
        svg.strip width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } role="img" aria-label="Bytes of the secret that drive the leak" {
            desc { (told) }
            path.lit d=(fill) {}
            path.grid d=(grid) {}
            @for column in (0..columns).step_by(step) {
                @let label = count(column * per_cell);
                // What would reach over the end is left out.
                @if column * size + label.len() as u64 * CHAR_WIDTH <= columns * size + 4 {
                    text.tick x=(labels_width + column * size) y=(TOP - 4) { @if rows > 1 && column > 0 { "+" } (label) }
                }
            }
            // Small rows are lower than their labels.
            @if rows > 1 { @for row in (0..rows).step_by(if size > 12 { 1 } else { 2 }) {
                text.tick x=(labels_width - 5) y=(TOP + row * size + size - if size > 12 { 5 } else { 1 }) text-anchor="end" { (count(row * columns * per_cell)) }
            } }
        }
        @if per_cell > 1 { span.dim.per { "one cell: " (bytes(per_cell)) ", filled as far as they drive it" } }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(len: u64, driving: &[u32]) -> String {
        svg(len, driving, "told").unwrap().into_string()
    }

    #[test]
    fn every_length_makes_a_picture_of_bounded_size() {
        assert!(svg(0, &[0, 1], "").is_none());
        for len in
            [1, 2, 15, 16, 17, 32, 33, 127, 128, 129, 511, 512, 513, 1_000, 4_095, 4_096, 1 << 20, u32::MAX.into()]
        {
            let all: Vec<u32> = (0..len.min(100_000) as u32).rev().collect();
            for driving in [&all[..], &[], &[0], &[u32::MAX, len as u32, (len - 1) as u32]] {
                let svg = drawn(len, driving);
                assert!(svg.len() < 30_000, "{len}: {} bytes", svg.len());
                let attribute = |name: &str| -> u64 {
                    let rest = svg.split(&format!(" {name}=\"")).nth(1).unwrap();
                    rest.split('"').next().unwrap().parse().unwrap()
                };
                let (width, height) = (attribute("width"), attribute("height"));
                assert!(width <= 740 && height <= 120, "{len}: {width}×{height}");
                let numbers =
                    svg.split(['"', ' ', 'M', 'h', 'v', 'z', '-']).filter_map(|word| word.parse::<u64>().ok());
                // 2000 is of the SVG's own name.
                assert!(numbers.filter(|n| *n != 2000).all(|n| n <= width.max(height)), "{len}: {svg}");
            }
        }
    }

    #[test]
    fn a_cell_is_filled_as_far_as_its_bytes_drive() {
        let fill = |len, driving: &[u32]| -> Vec<String> {
            let svg = drawn(len, driving);
            let path = svg.split("class=\"lit\" d=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
            path.split_terminator('z').map(str::to_owned).collect()
        };
        // The last byte of three; both of a row's ends; two of the four bytes of the second cell.
        assert_eq!(fill(3, &[2, 2, 3, 9]), ["M37 15h18v18h-18"]);
        assert_eq!(fill(64, &[0, 31, 32]), ["M21 15h18v18h-18", "M579 15h18v18h-18", "M21 33h18v18h-18"]);
        assert_eq!(fill(2_048, &[4, 6]), ["M52 20h10v5h-10"]);
        assert_eq!(fill(2_048, &[]), Vec::<String>::new());
    }
}
