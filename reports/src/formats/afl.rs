//! `afl/<target>/{fuzzer_stats,plot_data}`: what `afl-whatsup`, `afl-plot` and dashboards made for AFL++ read.

use super::File;
use crate::escape;
use crate::record::{Confirmation, Record, TargetRecord};

/// Two files per target.
pub fn render(record: &Record) -> Vec<File> {
    let mut files = Vec::new();
    // A target that never ran has no fuzzer to speak of.
    for (i, target) in record.targets.iter().enumerate().filter(|(_, target)| target.execs > 0) {
        // The number keeps apart targets whose names become the same file name.
        let folder = format!("afl/{i:02}-{}", escape::file_name(&target.name));
        let stats = fuzzer_stats(record, target);
        files.push(File { path: format!("{folder}/fuzzer_stats"), bytes: stats.into_bytes() });
        files.push(File { path: format!("{folder}/plot_data"), bytes: plot_data(target).into_bytes() });
    }
    files
}

fn fuzzer_stats(record: &Record, target: &TargetRecord) -> String {
    let start = unix_seconds(&record.run.started_utc).unwrap_or(0);
    let run_time = target.series.last().map_or(record.timing.wall_seconds, |sample| sample.seconds);
    let last_find = target.series.windows(2).rfind(|pair| pair[1].edges > pair[0].edges).map(|pair| pair[1].seconds);
    let confirmed = |finding: &&crate::record::Finding| finding.confirmed == Confirmation::Reproduced;
    let hang = |outcome: &str| matches!(outcome, "OUT-OF-FUEL" | "DEADLINE");
    let hangs = target.findings.iter().filter(confirmed).filter(|f| hang(&f.outcome)).count();
    let crashes = target.findings.iter().filter(confirmed).count() - hangs;
    let latest = |want_hang: bool| {
        let seconds = target.findings.iter().filter(|f| hang(&f.outcome) == want_hang).map(|f| f.found_at.seconds);
        seconds.reduce(f64::max).map_or(0, |seconds| start + seconds as u64)
    };
    let percent =
        if target.edges_total == 0 { 0.0 } else { 100.0 * target.edges_found as f64 / target.edges_total as f64 };
    // afl-whatsup adds rates up as whole numbers: a fraction would be read a hundred times too large.
    let rate = format!("{:.0}", target.execs_per_second);
    let rows: &[(&str, String)] = &[
        ("start_time", start.to_string()),
        ("last_update", (start + run_time as u64).to_string()),
        ("run_time", format!("{run_time:.0}")),
        // The run is over when this is written: a process that cannot be, above Linux's largest. `afl-whatsup -d` shows it.
        ("fuzzer_pid", "4194305".into()),
        ("cycles_done", "0".into()),
        ("cycles_wo_finds", "0".into()),
        ("time_wo_finds", format!("{:.0}", target.saturation.seconds_since_last_edge)),
        ("execs_done", target.execs.to_string()),
        ("execs_per_sec", rate.clone()),
        ("execs_ps_last_min", rate),
        // Scripts divide by it.
        ("corpus_count", target.corpus.entries.max(1).to_string()),
        ("corpus_favored", "0".into()),
        ("corpus_found", target.corpus.entries.saturating_sub(target.corpus.seeds).to_string()),
        ("corpus_imported", "0".into()),
        ("corpus_variable", "0".into()),
        ("max_depth", "0".into()),
        ("cur_item", "0".into()),
        ("pending_favs", "0".into()),
        ("pending_total", "0".into()),
        ("bitmap_cvg", format!("{percent:.2}%")),
        ("saved_crashes", crashes.to_string()),
        ("saved_hangs", hangs.to_string()),
        ("last_find", last_find.map_or(0, |seconds| start + seconds as u64).to_string()),
        ("last_crash", latest(false).to_string()),
        ("last_hang", latest(true).to_string()),
        (
            "execs_since_crash",
            target
                .findings
                .iter()
                .map(|f| target.execs.saturating_sub(f.found_at.execs))
                .min()
                .unwrap_or(target.execs)
                .to_string(),
        ),
        (
            "exec_timeout",
            record.limits.iter().find(|row| row.name == "wall_ms_max").map_or(0, |row| row.value).to_string(),
        ),
        ("edges_found", target.edges_found.to_string()),
        ("total_edges", target.edges_total.to_string()),
        ("afl_banner", escape::line(&target.name)),
        ("afl_version", escape::line(&format!("{} {}", record.tool.name, record.tool.version))),
        ("target_mode", "wasm".into()),
        ("command_line", escape::line(&record.run.command_line)),
    ];
    rows.iter().map(|(key, value)| format!("{key:<18}: {value}\n")).collect()
}

fn plot_data(target: &TargetRecord) -> String {
    let mut text = String::from(
        "# relative_time, cycles_done, cur_item, corpus_count, pending_total, pending_favs, map_size, \
         saved_crashes, saved_hangs, max_depth, execs_per_sec, total_execs, edges_found\n",
    );
    let mut before = crate::record::Sample::default();
    for sample in &target.series {
        let percent = 100.0 * sample.edges as f64 / target.edges_total.max(1) as f64;
        let elapsed = sample.seconds - before.seconds;
        let rate = if elapsed > 0.0 { sample.execs.saturating_sub(before.execs) as f64 / elapsed } else { 0.0 };
        text.push_str(&format!(
            "{:.0}, 0, 0, {}, 0, 0, {percent:.2}%, {}, 0, 0, {rate:.2}, {}, {}\n",
            sample.seconds, sample.corpus, sample.findings, sample.execs, sample.edges
        ));
        before = *sample;
    }
    text
}

/// Seconds since 1970 of `YYYY-MM-DDThh:mm:ss…` in UTC.
fn unix_seconds(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years that start in March put the leap day last, so that months have fixed offsets.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_become_unix_seconds() {
        assert_eq!(unix_seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(unix_seconds("2000-02-29T12:34:56Z"), Some(951_827_696));
        assert_eq!(unix_seconds("2026-11-21T22:04:46Z"), Some(1_795_298_686));
        for wrong in ["", "yesterday", "1969-12-31T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-2éT00:00:00Z"] {
            assert_eq!(unix_seconds(wrong), None, "{wrong}");
        }
    }
}
