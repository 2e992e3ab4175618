//! `constant-time.csv`: one row for each entry that handles a secret and one for each leak, for spreadsheets. No field is a
//! formula.

use super::File;
use crate::constant_time::{Handled, Leak};
use crate::escape;
use crate::leaks::ranges_words;
use crate::record::{Record, TargetRecord};

const HEAD: &str = "target,row,entry,verdict,reason,script,policy,expected,unmet,secrets,publics,executions,classes,pairs,\
    alone,events,sites_reached,sites_total,strong,weak,allowed,secondary,walked_percent,class,strength,operation,operand,\
    function,file,line,module_offset,source,secret_bytes,secret_len,secret_a,secret_b,public,value_a,value_b,outcome_a,\
    outcome_b,event,resynchronised,pairs_differing,machine,clock,finding";

/// Fields that only entries have, and those that only leaks have.
const OF_ENTRY: usize = 18;
const OF_LEAK: usize = 24;

/// The file; none where no target's secrets were looked at.
pub fn render(record: &Record) -> Vec<File> {
    let sections = || record.targets.iter().filter_map(|target| Some((target, target.constant_time.as_ref()?)));
    if sections().next().is_none() {
        return Vec::new();
    }
    let mut text = format!("{HEAD}\r\n");
    let mut row = |fields: Vec<String>| {
        let fields: Vec<String> = fields.iter().map(|field| escape::csv(field)).collect();
        text.push_str(&(fields.join(",") + "\r\n"));
    };
    for (target, section) in sections() {
        section.entries.iter().for_each(|entry| row(of_entry(target, entry)));
        section.leaks.iter().for_each(|leak| row(of_leak(target, leak)));
    }
    vec![File { path: "constant-time.csv".into(), bytes: text.into_bytes() }]
}

fn of_entry(target: &TargetRecord, entry: &Handled) -> Vec<String> {
    let mut fields =
        [&target.name, "entry", &entry.entry, entry.verdict.name(), entry.verdict.reason()].map(str::to_owned).to_vec();
    fields.extend([&entry.script, &entry.policy, &entry.expected, &entry.unmet].map(String::clone));
    let numbers = [
        entry.secrets,
        entry.publics,
        entry.runs,
        entry.classes,
        entry.pairs,
        entry.alone,
        entry.events,
        entry.sites_reached,
        entry.sites_total,
        entry.strong,
        entry.weak,
        entry.allowed,
        entry.secondary,
    ];
    fields.extend(numbers.map(|number| number.to_string()));
    fields.push(entry.walked_percent.map(|percent| percent.to_string()).unwrap_or_default());
    fields.resize(5 + OF_ENTRY + OF_LEAK, String::new());
    fields
}

fn of_leak(target: &TargetRecord, leak: &Leak) -> Vec<String> {
    let mut fields =
        [&target.name, "leak", &leak.entry, leak.verdict.name(), leak.verdict.reason()].map(str::to_owned).to_vec();
    fields.resize(5 + OF_ENTRY, String::new());
    let nowhere = crate::record::Frame::default();
    let frame = leak.frames.first().unwrap_or(&nowhere);
    let strength = if leak.strong { "strong" } else { "weak" };
    fields.extend([&leak.class, strength, &leak.operation, &leak.operand, &frame.function].map(str::to_owned));
    fields.push(frame.file.clone().unwrap_or_default());
    fields.push(frame.line.map(|line| line.to_string()).unwrap_or_default());
    fields.push(frame.module_offset.map(|offset| format!("{offset:#x}")).unwrap_or_default());
    fields.push(leak.source.clone());
    fields.push(ranges_words(&leak.secret_bytes, 200));
    fields.push(leak.secret_len.to_string());
    let texts = [&leak.secrets_hex, &leak.values, &leak.outcomes];
    fields.extend(texts[0].iter().cloned());
    fields.push(leak.public_hex.clone());
    fields.extend(texts[1].iter().chain(texts[2]).cloned());
    fields.push(leak.event.to_string());
    fields.push(if leak.resynchronised { "yes" } else { "no" }.into());
    fields.push(leak.pairs.to_string());
    fields.push(leak.machine.join(" "));
    fields.extend([leak.clock.clone(), leak.finding.clone()]);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_as_many_fields_as_the_head() {
        let columns = HEAD.split(',').count();
        assert_eq!(of_entry(&TargetRecord::default(), &Handled::default()).len(), columns);
        assert_eq!(of_leak(&TargetRecord::default(), &Leak::default()).len(), columns);
    }
}
