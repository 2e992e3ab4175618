//! The loop against programs written as Rust closures: what it must solve, and what it must never do.

use super::*;
use crate::HarnessError;
use crate::execution::{Limit, Trap};

const EDGES: usize = 256;

/// A program that counts its edges and tells its compares, as a rewritten module does.
struct Program {
    body: fn(&mut Probe<'_>, &[u8]) -> Result<(), Outcome>,
    counters: Vec<u8>,
    frames: Vec<RawFrame>,
    runs: u64,
}

struct Probe<'a> {
    counters: &'a mut [u8],
    fact: Option<&'a mut (dyn FnMut(Logged<'_>) + 'a)>,
    frames: &'a mut Vec<RawFrame>,
    occurrences: [u32; EDGES],
}

impl Probe<'_> {
    fn edge(&mut self, edge: usize) {
        self.counters[edge] = self.counters[edge].wrapping_add(1);
    }

    fn compare(&mut self, site: u32, relation: Relation, width: u8, left: u64, right: u64) {
        self.occurrences[site as usize] += 1;
        let occurrence = self.occurrences[site as usize];
        if let Some(fact) = &mut self.fact {
            fact(Logged::Number { site, relation, occurrence, width, left, right });
        }
    }

    /// A branch on equality; site `n` decides edges 2n + 2 and 2n + 3.
    fn equal(&mut self, site: u32, left: u32, right: u32) -> bool {
        self.compare(site, Relation::Equality, 4, u64::from(left), u64::from(right));
        self.edge(2 * site as usize + if left == right { 2 } else { 3 });
        left == right
    }

    fn equal64(&mut self, site: u32, left: u64, right: u64) -> bool {
        self.compare(site, Relation::Equality, 8, left, right);
        self.edge(2 * site as usize + if left == right { 2 } else { 3 });
        left == right
    }

    fn within(&mut self, site: u32, low: f64, value: f64, high: f64) -> bool {
        for (site, left, right, yes) in [(site, value, low, value > low), (site + 1, value, high, value < high)] {
            self.compare(site, Relation::Float, 8, left.to_bits(), right.to_bits());
            self.edge(2 * site as usize + if yes { 2 } else { 3 });
            if !yes {
                return false;
            }
        }
        true
    }

    fn die(&mut self, function: u32) -> Result<(), Outcome> {
        self.frames.push(RawFrame { function, offset: Some(1) });
        Err(Outcome::Trap(Trap::Unreachable))
    }
}

impl Program {
    fn new(body: fn(&mut Probe<'_>, &[u8]) -> Result<(), Outcome>) -> Self {
        Self { body, counters: vec![0; EDGES], frames: Vec::new(), runs: 0 }
    }

    fn go<'a>(&'a mut self, input: &[u8], fact: Option<&'a mut (dyn FnMut(Logged<'_>) + 'a)>) -> Outcome {
        self.runs += 1;
        self.frames.clear();
        assert!(self.counters.iter().all(|count| *count == 0), "the loop clears the counters");
        let mut probe = Probe { counters: &mut self.counters, fact, frames: &mut self.frames, occurrences: [0; EDGES] };
        probe.edge(0);
        (self.body)(&mut probe, input).err().unwrap_or(Outcome::Returned)
    }
}

impl Subject for Program {
    fn edges(&self) -> usize {
        EDGES
    }
    fn compare_sites(&self) -> usize {
        EDGES / 2
    }
    fn decides(&self, site: usize) -> Option<(u32, u32)> {
        (site < 64).then_some((2 * site as u32 + 2, 2 * site as u32 + 3))
    }
    fn run(&mut self, input: &[u8]) -> Result<Outcome, HarnessError> {
        Ok(self.go(input, None))
    }
    fn counters(&mut self) -> &mut [u8] {
        &mut self.counters
    }
    fn frames(&self) -> &[RawFrame] {
        &self.frames
    }
    fn trace(&mut self, input: &[u8], fact: &mut dyn FnMut(Logged<'_>)) -> Result<Outcome, HarnessError> {
        Ok(self.go(input, Some(&mut |logged| fact(logged))))
    }
    fn trace_counters(&mut self) -> &mut [u8] {
        &mut self.counters
    }
}

fn options(seed: u64, executions_max: u64) -> Options {
    Options {
        seed,
        input_bytes_max: 4_096,
        stop: Stop { executions_max: Some(executions_max), first_finding: true, ..Stop::default() },
        clock: Clock::Ignored,
        ..Options::default()
    }
}

/// Executions until the first finding, for each of three seeds.
fn solve(name: &str, executions_max: u64, body: fn(&mut Probe<'_>, &[u8]) -> Result<(), Outcome>) {
    for seed in 1..=3 {
        let mut program = Program::new(body);
        let stats = fuzz(&mut program, &options(seed, executions_max), &mut |_| {}).unwrap();
        assert_eq!(stats.last.finds, 1, "{name}, seed {seed}: {:?}", stats.last);
        println!("{name}, seed {seed}: {} executions, {} traced", stats.last.executions, stats.traced);
    }
}

fn u32_at(input: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(input[at..at + 4].try_into().unwrap())
}

fn u64_at(input: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(input[at..at + 8].try_into().unwrap())
}

#[test]
fn nested_magic_values_fall_to_replacement() {
    solve("magic", 20_000, |probe, input| {
        if input.len() >= 16
            && probe.equal(1, u32_at(input, 0), 0xdead_beef)
            && probe.equal(2, u32_at(input, 4).swap_bytes(), 0x1234_5678)
            && probe.equal64(3, u64_at(input, 8), 0x0102_0304_0506_0708)
        {
            return probe.die(1);
        }
        Ok(())
    });
}

#[test]
fn sums_and_radices_fall_to_digits() {
    solve("sums", 30_000, |probe, input| {
        if input.len() < 12 {
            return Ok(());
        }
        let radix = u32::from(input[0]) + 251 * u32::from(input[5]) + 251 * 251 * u32::from(input[9]);
        if probe.equal(1, radix, 0x46 + 251 * 0x55 + 251 * 251 * 0x5a)
            && probe.equal(2, u32_at(input, 1).wrapping_add(77), 5)
        {
            return probe.die(1);
        }
        Ok(())
    });
}

#[test]
fn checksums_fall_to_elimination() {
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
        })
    }
    solve("crc of a fixed value", 40_000, |probe, input| {
        if input.len() >= 16 && probe.equal(1, crc32(&input[..16]), 0x1357_9bdf) {
            return probe.die(1);
        }
        Ok(())
    });
    solve("crc beside its data", 40_000, |probe, input| {
        if input.len() >= 16 && probe.equal(1, crc32(&input[..12]).rotate_left(5), u32_at(input, 12)) {
            return probe.die(1);
        }
        Ok(())
    });
}

#[test]
fn floats_and_ranges_fall_to_descent() {
    solve("floats", 200_000, |probe, input| {
        if input.len() < 24 {
            return Ok(());
        }
        let at = |at| f64::from_bits(u64_at(input, at));
        if probe.within(1, 1000.1, at(0), 1000.9)
            && probe.within(3, -300_009.9, at(8), -300_000.1)
            && probe.within(5, 12.4999999, at(16) * 2.0 + 1.0, 12.5000001)
        {
            return probe.die(1);
        }
        Ok(())
    });
}

#[test]
fn conditions_on_many_bits_at_once_fall_to_the_walk() {
    solve("128 bits in one compare", 200_000, |probe, input| {
        if input.len() < 16 {
            return Ok(());
        }
        let wrong = (u64_at(input, 0) ^ 0x4142_4344_4546_4748) | (u64_at(input, 8) ^ 0x3132_3334_3536_3738);
        if probe.equal64(1, wrong, 0) {
            return probe.die(1);
        }
        Ok(())
    });
}

#[test]
fn flags_that_are_only_counted_are_raised_together() {
    solve("dictionary", 30_000, |probe, input| {
        let wanted = b"ElvisPresley";
        if input.len() < wanted.len() {
            return Ok(());
        }
        let mut matches = 0;
        for (byte, wanted) in input.iter().zip(wanted) {
            probe.compare(70, Relation::Equality, 4, u64::from(*wanted), u64::from(*byte));
            matches += u32::from(byte == wanted);
        }
        if probe.equal(1, matches, 12) { probe.die(1) } else { Ok(()) }
    });
}

#[test]
fn recursions_are_followed_down() {
    solve("a thousand turns", 400_000, |probe, input| {
        for (depth, byte) in input.iter().enumerate() {
            if depth == 1000 {
                return probe.die(1);
            }
            if !probe.equal(1, u32::from(*byte), b'A' as u32 + depth as u32 % 10) {
                break;
            }
        }
        Ok(())
    });
}

#[test]
fn strings_and_numbers_in_text_are_replaced() {
    solve("text", 60_000, |probe, input| {
        let number = input
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .fold(0u32, |number, byte| number.wrapping_mul(10).wrapping_add(u32::from(byte - b'0')));
        if !probe.equal(1, number, 66_766) {
            return Ok(());
        }
        let rest = input.get(6..).unwrap_or(&[]);
        if let Some(fact) = &mut probe.fact {
            fact(Logged::Text { left: &rest[..rest.len().min(32)], right: b"secret-word\0and-more" });
        }
        if rest.starts_with(b"secret-word") { probe.die(1) } else { Ok(()) }
    });
}

#[test]
fn equal_seeds_give_equal_runs() {
    fn run(seed: u64) -> (Vec<Vec<u8>>, Stats) {
        let mut program = Program::new(|probe, input| {
            for (at, byte) in input.iter().take(40).enumerate() {
                probe.equal(at as u32, u32::from(*byte), 7 * at as u32);
            }
            Ok(())
        });
        let mut kept = Vec::new();
        let stats = fuzz(&mut program, &options(seed, 50_000), &mut |event| {
            if let Event::NewEntry { input, .. } = event {
                kept.push(input.to_vec());
            }
        });
        (kept, stats.unwrap())
    }
    let (one, two) = (run(5), run(5));
    assert_eq!(one.0, two.0);
    assert_eq!(one.1.last.executions, two.1.last.executions);
    assert_eq!(one.1.saturation, two.1.saturation);
}

#[test]
fn it_goes_on_after_findings_and_tells_each_once() {
    let mut program = Program::new(|probe, input| match input.first() {
        Some(byte) if byte % 4 == 1 => probe.die(u32::from(byte % 16)),
        Some(_) => {
            probe.edge(9);
            Ok(())
        }
        None => Ok(()),
    });
    let folder = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    let mut options = options(1, 30_000);
    options.stop.first_finding = false;
    options.findings_folder = Some(folder.path().to_owned());
    let stats = fuzz(&mut program, &options, &mut |event| {
        if let Event::Find { input, outcome, frames, .. } = event {
            assert_eq!(outcome, Outcome::Trap(Trap::Unreachable));
            assert!(folder.path().join(crate::corpus::InputId::of(input).hex()).is_file(), "on disk before it is told");
            told.push(frames[0].function);
        }
    })
    .unwrap();
    told.sort_unstable();
    assert_eq!(told, [1, 5, 9, 13]);
    assert_eq!(stats.last.finds, 4);
    assert!(stats.last.find_hits > 100);
}

#[test]
fn a_killed_job_resumes_from_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let body: fn(&mut Probe<'_>, &[u8]) -> Result<(), Outcome> = |probe, input| {
        for (at, byte) in input.iter().take(8).enumerate() {
            if !probe.equal(at as u32, u32::from(*byte), 200 + at as u32) {
                break;
            }
        }
        Ok(())
    };
    let mut options = options(1, 20_000);
    options.corpus_folder = Some(folder.path().to_owned());
    let first = fuzz(&mut Program::new(body), &options, &mut |_| {}).unwrap().last;
    options.stop.executions_max = Some(200);
    let second = fuzz(&mut Program::new(body), &options, &mut |_| {}).unwrap().last;
    assert_eq!(first.edges_found, 17);
    assert_eq!(second.edges_found, first.edges_found);
}

#[test]
fn hangs_are_told_and_bounded() {
    let mut program = Program::new(|probe, input| {
        if input.len() > 3 && input[0] > 32 {
            probe.frames.push(RawFrame { function: 7, offset: Some(input[1].into()) });
            return Err(Outcome::Limit(Limit::Deadline));
        }
        probe.edge(1 + input.len() % 50);
        Ok(())
    });
    let mut options = options(1, 50_000);
    options.stop.first_finding = false;
    let stats = fuzz(&mut program, &options, &mut |_| {}).unwrap();
    assert_eq!(stats.last.finds, 1, "one function hangs, wherever it stands when time is up");
    assert!(stats.last.find_hits < 5_000, "{:?}", stats.last);
}
