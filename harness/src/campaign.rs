//! A campaign is many inputs × targets over a budget; it ends in a `Record` and its renderings.
//! One file for each command; rayon and child processes live here and nowhere else.

mod bench;
mod certify;
mod children;
mod conform;
mod contract;
mod corpora;
mod diff;
mod facts;
mod faults;
mod findings;
mod fuzz;
mod glue;
mod home;
mod inputs;
mod list;
mod live;
mod nightly;
mod plan;
mod protocol;
mod questions;
mod replay;
mod repro;
mod run_folder;
mod saturation;
mod secrets;
mod selftest;
mod statics;
mod triage;
mod worker;
mod workers;

use crate::cli::{Cli, Command};

/// Runs one command; `arguments` is the whole command line, for the record.
pub fn run(cli: Cli, arguments: &[String]) -> anyhow::Result<u8> {
    match cli.command {
        Command::Fuzz(flags) => fuzz::run(&flags, arguments),
        Command::Repro(flags) => repro::run(&flags),
        Command::Conform(flags) => conform::run(&flags, arguments),
        Command::Limits(flags) => contract::run(&flags, arguments),
        Command::Ct(flags) => secrets::run(&flags, arguments),
        Command::Boundary(flags) => glue::run(&flags, arguments),
        Command::Certify(flags) => certify::run(&flags, arguments),
        Command::Nightly(flags) => nightly::run(&flags, arguments),
        Command::Replay(flags) => replay::run(&flags, arguments),
        Command::List(flags) => list::list(&flags),
        Command::Add(flags) => list::add(&flags),
        Command::Explain(flags) => list::explain(&flags),
        Command::Diff(flags) => diff::run(&flags, arguments),
        Command::Selftest(flags) => selftest::run(&flags, arguments),
        Command::Bench(flags) => match &flags.faults {
            Some(format) => faults::run(&flags, format, arguments),
            None => bench::run(&flags),
        },
        Command::Cmin(flags) => corpora::cmin(&flags),
        Command::Tmin(flags) => corpora::tmin(&flags),
        Command::Coverage(flags) => corpora::coverage(&flags),
        Command::Worker => worker::run(),
        Command::Judge => {
            workers::end_with_parent();
            crate::confirm::judge_main()?;
            Ok(crate::cli::exit::CLEAN)
        }
        Command::Completions { shell } => {
            use clap::CommandFactory;
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "autoclave", &mut script);
            crate::cli::print(&script)?;
            Ok(crate::cli::exit::CLEAN)
        }
    }
}
