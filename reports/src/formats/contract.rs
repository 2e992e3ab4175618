//! `contract.csv`: one row per trial of every target's resource contract, for spreadsheets. No field is a formula.

use super::File;
use crate::escape;
use crate::record::Record;

const HEAD: &str = "target,profile,entry,family,params,part,verdict,reason,outcome,bytes,expanded,fuel,fuel_allowed,\
    memory_bytes,memory_bytes_allowed,output_bytes,error_bytes,next_call,finding";

/// The file; none where no target was held to a contract.
pub fn render(record: &Record) -> Vec<File> {
    let contracts = || record.targets.iter().filter_map(|target| Some((target, target.contract.as_ref()?)));
    if contracts().next().is_none() {
        return Vec::new();
    }
    let mut text = format!("{HEAD}\r\n");
    for (target, contract) in contracts() {
        for trial in &contract.trials {
            let words = [
                &target.name,
                &contract.profile,
                &trial.entry,
                &trial.family,
                &trial.params,
                &trial.part,
                trial.verdict.name(),
                trial.verdict.reason(),
                &trial.outcome,
            ];
            let numbers = [
                trial.fuel,
                trial.fuel_allowed,
                trial.memory_bytes,
                trial.memory_bytes_allowed,
                trial.output_bytes,
                trial.error_bytes,
            ];
            let mut fields: Vec<String> = words.map(escape::csv).into();
            fields.push(escape::csv(&trial.bytes.to_string()));
            fields.push(escape::csv(&trial.expanded));
            fields.extend(numbers.map(|number| escape::csv(&number.to_string())));
            fields.extend([&trial.next_call, &trial.finding].map(|text| escape::csv(text)));
            text.push_str(&fields.join(","));
            text.push_str("\r\n");
        }
    }
    vec![File { path: "contract.csv".into(), bytes: text.into_bytes() }]
}
