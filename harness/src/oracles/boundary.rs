//! `boundary`: does what JavaScript gives to the module, through its own glue, arrive as it was given or is it refused?

use super::{Asked, Canary, Oracle};

/// A canary that is a package: its glue lies beside its module.
macro_rules! glue_canary {
    ($name:literal) => {
        Canary {
            glue: &[
                ("glue.js", include_str!(concat!("../../../targets/", $name, "/glue.js"))),
                ("glue.d.ts", include_str!(concat!("../../../targets/", $name, "/glue.d.ts"))),
                ("boundary.toml", include_str!(concat!("../../../targets/", $name, "/boundary.toml"))),
            ],
            ..super::embedded!($name)
        }
    };
}

/// The table's entry.
pub const ORACLE: Oracle = Oracle {
    name: "boundary",
    question: "Does the package's glue refuse what its module cannot take, and keep one call's data out of the next?",
    explanation: "Between JavaScript and a module stands glue that turns values into bytes of linear memory. Stock glue \
trusts the declared types: a number where a text is declared traps inside the module, an object that lies about its length \
writes past its buffer, a getter that calls back makes the glue read memory that has moved, and the next patient's result \
holds the last one's data. The package is driven as it is deployed, in the hosts that run it; its module is replaced by one \
with counters while searching, and every finding is played again on the module as it is. How bad a finding is follows from \
who can cause it: a caller that keeps the types, parsed JSON that nobody looked at, or a script in the same page. Repair: \
check `typeof` and lengths first, refuse lone surrogates and numbers out of range, copy typed arrays before memory is looked \
at, keep pointers in `#private` fields, throw the instance away after a trap, wipe buffers.",
    asked: Asked::OfGlue,
    canaries: &[(glue_canary!("canary-glue"), glue_canary!("canary-glue-fixed"))],
};
