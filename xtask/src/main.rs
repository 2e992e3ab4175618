//! The repository's commands. Starts programs and decides nothing: this crate knows neither wasmtime nor an engine,
//! so that `cargo xtask --help` answers in seconds.

mod bombs;
mod fingerprint;
mod forward;
mod guests;
mod manifest;
mod native;
mod peers;
mod process;
mod setup;
mod suite;
#[cfg(test)]
mod tidy;

use clap::{Arg, ArgAction, ArgMatches, Command};
use std::process::ExitCode;

/// Wrong usage or configuration; the other codes are named where they are used.
const EXIT_USAGE: u8 = 2;
/// Something that was asked for could not be judged or built.
const EXIT_NOT_JUDGED: u8 = 3;

const AFTER_HELP: &str = "`cargo xtask COMMAND --help` lists the flags of a command.\n\
Exit codes: 0 clean · 1 findings, or a failed step · 2 wrong usage or configuration · 3 something could not be judged \
or built · 130 interrupted";

fn main() -> ExitCode {
    match dispatch(&command_line().get_matches()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn dispatch(matches: &ArgMatches) -> anyhow::Result<u8> {
    let root = process::root();
    match matches.subcommand() {
        Some(("setup", flags)) => {
            let mode = if flags.get_flag("check") { setup::Mode::Check } else { setup::Mode::Install };
            setup::command(&root, mode)
        }
        Some(("build", flags)) => {
            let names: Vec<String> = flags.get_many("targets").into_iter().flatten().cloned().collect();
            guests::command(&root, &names)
        }
        Some(("test", flags)) => {
            let depth = if flags.get_flag("quick") { suite::Depth::Quick } else { suite::Depth::Full };
            let names: Vec<String> = flags.get_many("steps").into_iter().flatten().cloned().collect();
            suite::command(&root, depth, &names)
        }
        Some(("peers", flags)) => match flags.subcommand() {
            Some(("setup", flags)) => {
                let names: Vec<String> = flags.get_many("runtimes").into_iter().flatten().cloned().collect();
                let mode = if flags.get_flag("install") { setup::Mode::Install } else { setup::Mode::Implicit };
                peers::setup(&root, &names, mode)
            }
            Some((name, flags)) => {
                let words: Vec<std::ffi::OsString> = flags.get_many("words").into_iter().flatten().cloned().collect();
                peers::forward(&root, name, &words)
            }
            None => unreachable!("clap demands a command"),
        },
        Some(("bombs", flags)) => match flags.subcommand() {
            Some((name, flags)) => {
                let words: Vec<std::ffi::OsString> = flags.get_many("words").into_iter().flatten().cloned().collect();
                bombs::forward(&root, name, &words)
            }
            None => unreachable!("clap demands a command"),
        },
        Some((name, flags)) => {
            let words: Vec<std::ffi::OsString> = flags.get_many("words").into_iter().flatten().cloned().collect();
            forward::command(&root, name, &words)
        }
        None => unreachable!("clap demands a command"),
    }
}

/// Every command, the ones of this crate first.
fn command_line() -> Command {
    let own = [
        Command::new("setup").about("Find or install the toolchains that targets and tests need").arg(flag(
            "check",
            "Only look: print what is there, what is missing and the remedy; exit 3 if something is",
        )),
        Command::new("build").about("Build the targets that changed").arg(
            Arg::new("targets").value_name("TARGET").num_args(0..).help("Targets by folder name; none = all of them"),
        ),
        Command::new("test")
            .about("Everything that must hold: format, lints, tests, guests, replay, canaries, docs")
            .arg(flag("quick", "Without canaries, replay, docs and deny"))
            .arg(
                Arg::new("steps")
                    .value_name("STEP")
                    .num_args(0..)
                    .value_parser(suite::names())
                    .help("Only these steps; none = all of them"),
            ),
        Command::new("peers")
            .about("Parsers in other languages: set them up, list, ask, measure and score them")
            .subcommand_required(true)
            .arg_required_else_help(true)
            .disable_help_subcommand(true)
            .subcommand(
                Command::new("setup")
                    .about("Install the peers of a runtime into .autoclave/peers, as its lock file says, or build a slow one")
                    .arg(
                        Arg::new("runtimes")
                            .value_name("RUNTIME")
                            .num_args(0..)
                            .value_parser(peers::names())
                            .help("Only these; none = all runtimes"),
                    )
                    .arg(flag("install", "Install a runtime that is missing, too (Debian packages, as root)")),
            )
            .subcommands(peers::COMMANDS.iter().map(|(name, about)| passed_on(name, about))),
        Command::new("bombs")
            .about("Hostile inputs from parameters: decompression bombs, floods, nesting, lies about lengths")
            .subcommand_required(true)
            .arg_required_else_help(true)
            .disable_help_subcommand(true)
            .subcommands(bombs::COMMANDS.iter().map(|(name, about)| passed_on(name, about))),
    ];
    let forwarded = forward::COMMANDS.iter().map(|entry| passed_on(entry.name, entry.about));
    Command::new("cargo xtask")
        .bin_name("cargo xtask")
        .about("Autoclave: puts WebAssembly modules that read patient data under pressure")
        .after_help(AFTER_HELP)
        .max_term_width(110)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommands(own)
        .subcommands(forwarded)
}

/// A command whose words are not ours to judge.
fn passed_on(name: &'static str, about: &'static str) -> Command {
    Command::new(name).about(about).disable_help_flag(true).arg(
        Arg::new("words")
            .value_parser(clap::value_parser!(std::ffi::OsString))
            .num_args(0..)
            .trailing_var_arg(true)
            .allow_hyphen_values(true),
    )
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_consistent() {
        command_line().debug_assert();
    }

    #[test]
    fn words_after_a_forwarded_command_are_not_ours_to_judge() {
        let matches =
            command_line().try_get_matches_from(["cargo xtask", "fuzz", "--help", "a.wasm", "--time", "1s"]).unwrap();
        let (name, flags) = matches.subcommand().unwrap();
        let words: Vec<&std::ffi::OsString> = flags.get_many("words").unwrap().collect();
        assert_eq!(
            (name, words),
            ("fuzz", ["--help", "a.wasm", "--time", "1s"].map(std::ffi::OsString::from).iter().collect())
        );
    }
}
