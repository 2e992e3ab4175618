//! How bad a finding is: one written table, by oracle and outcome, with the weakness it belongs to.
//!
//! Severity answers "what could this do to a service that reads patients' data?", for a module that reads input from
//! outside. The number is GitHub's `security-severity` (0.0–10.0; above 9 critical, 7–8.9 high, 4–6.9 medium, below low).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bad.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; fails nothing by itself.
    Info,
    /// Bad input gets a bad answer, but nothing else suffers. The default of `--fail-on`.
    #[default]
    Low,
    /// One request is lost or one answer is wrong.
    Medium,
    /// A service can be stopped or slowed from outside, or memory inside the sandbox is damaged.
    High,
    /// Data of patients can leak, be changed unseen, or the sandbox be left.
    Critical,
}

impl Severity {
    /// Every severity, mildest first.
    pub const ALL: &[Severity] = &[Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

    /// The stable name, as in `--fail-on NAME`.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    /// The severity of that name.
    pub fn from_name(name: &str) -> Option<Severity> {
        Self::ALL.iter().copied().find(|severity| severity.name() == name)
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Severity {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::from_name(name).ok_or_else(|| format!("{name}: not one of info, low, medium, high, critical"))
    }
}

/// One kind of finding.
#[derive(Debug, PartialEq)]
pub struct Rule {
    /// Oracle, or `*` for any.
    pub oracle: &'static str,
    /// Outcome, or `*` for any.
    pub outcome: &'static str,
    /// What it is, a few words.
    pub title: &'static str,
    /// How bad.
    pub severity: Severity,
    /// GitHub's `security-severity`, 0.0–10.0, inside the band of `severity`.
    pub security_severity: f32,
    /// Number of the weakness in MITRE's list.
    pub cwe: u32,
    /// What it means for whoever runs the module.
    pub meaning: &'static str,
    /// What whoever writes the module should do.
    pub advice: &'static str,
}

/// The rule for what `oracle` said of an execution that ended with `outcome`: the first row that fits.
pub fn rule(oracle: &str, outcome: &str) -> &'static Rule {
    let fits = |row: &&Rule| [(row.oracle, oracle), (row.outcome, outcome)].iter().all(|(a, b)| *a == "*" || a == b);
    RULES.iter().find(fits).expect("the last row fits everything")
}

/// The table, most specific first; the last row takes what no other does.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    row("differential", "D1", "A reader dies of an input that others read", Severity::High, 7.5, 248,
        "The same bytes are an answer for one system and the end of a process for the next.",
        "Return an error instead of panicking; bound recursion and sizes."),
    row("differential", "D2", "A reader's work grows out of proportion", Severity::High, 7.5, 407,
        "A message that others read at once keeps this reader busy beyond its budget.",
        "Look for work that grows faster than the input."),
    row("differential", "D3", "A reader's memory grows out of proportion", Severity::High, 7.5, 789,
        "A message that others read in little memory makes this one ask for more than its limit.",
        "Bound sizes before allocating."),
    row("differential", "D4", "Readers disagree on what kind of resource it is", Severity::High, 8.1, 843,
        "A gateway that checks one type lets through what the store behind it takes for another.",
        "Refuse what names its type twice; take the type from one place only."),
    row("differential", "D5", "Readers choose different ones of two values", Severity::High, 8.1, 436,
        "One system keeps the first, another the last: a check in front sees other data than the store behind.",
        "Refuse duplicates, as the specification demands."),
    row("differential", "D6", "Readers disagree where a message ends", Severity::High, 8.6, 444,
        "Segments or messages appear for one reader that do not exist for another: data of one patient can be put into the record of the next.",
        "Refuse what stands after the end, and terminators inside of values."),
    row("differential", "D7", "Readers disagree on who the patient is", Severity::High, 8.1, 436,
        "An identifier, name or birth date reads differently: one patient becomes two, or two become one.",
        "Decode once and completely; refuse what cannot be represented."),
    row("differential", "D8", "A clinical value changes", Severity::Medium, 6.5, 681,
        "A number, quantity or date is not the one that was sent.",
        "Keep decimals and dates as written."),
    row("differential", "D9", "Data is dropped in silence", Severity::Medium, 6.5, 223,
        "The input is accepted, and part of it is not there afterwards: nobody is told.",
        "Refuse what is not understood, or say that it was left out."),
    row("differential", "D10", "Text changes", Severity::Medium, 5.3, 838,
        "Characters are replaced, lost or cut: two different names may become equal.",
        "Refuse invalid text; never replace or cut."),
    row("differential", "D11", "An invalid input is accepted", Severity::Medium, 5.3, 20,
        "The specification demands a refusal; a reader further down may understand something else.",
        "Refuse it, as the rule says."),
    row("differential", "D12", "A valid input is refused", Severity::Medium, 5.0, 703,
        "A conformant sender is turned away: the patient's data does not arrive.",
        "Accept it, as the rule says."),
    row("differential", "D13", "Reading what it wrote gives something else", Severity::Medium, 5.3, 704,
        "Each pass through this reader changes the data further.",
        "Make writing the inverse of reading."),
    row("differential", "D14", "A reader prints patients' data", Severity::Medium, 6.5, 532,
        "Values of the input appear on a console or in a log.",
        "Print nothing; keep values out of messages."),
    row("differential", "D15", "Readers refuse for different reasons", Severity::Info, 1.0, 703,
        "Nothing is lost; the errors tell different stories.",
        "Nothing to repair."),
    row("conform", "*", "A rule of the specification is not kept", Severity::Medium, 5.3, 20,
        "A published rule demands another answer to this input.",
        "See the rule's section."),
    row("scan", "*", "A static check fails", Severity::Medium, 5.3, 693,
        "What stands in the module, its glue, its sources or its manifests breaks a control before anything runs.",
        "`explain` with the control's id says what is asked; scan.toml records what somebody has reviewed."),
    row("contract", "ACCEPTS-BOMB", "A decompression bomb is accepted", Severity::High, 7.5, 409,
        "A few kilobytes expand to more than the contract allows, and the module takes them as a document: memory and time of whatever comes next are used up.",
        "Count what comes out while expanding, and refuse beyond a total and beyond a ratio to what went in."),
    row("contract", "OVERSIZE-NOT-REFUSED", "More bytes than the module declares to take are not refused", Severity::Medium, 5.3, 770,
        "A document of more bytes than the declared limit was taken, or brought the call down: whoever relies on that limit, a proxy or a memory plan, relies on nothing.",
        "Compare the length with the limit first, and refuse with an error that callers can tell from others."),
    row("contract", "REFUSES-LATE", "What is too long is read before it is refused", Severity::Medium, 5.3, 770,
        "The refusal costs work that grows with the input: a sender of large inputs still occupies the service.",
        "Ask for the length before the first byte is looked at, before any copy, decoding or check of characters."),
    row("contract", "TOO-MANY-NOT-REFUSED", "Longer lists than the module declares to take are not refused", Severity::Medium, 5.3, 770,
        "A list of more entries, elements or repetitions than the declared limit was taken, or brought the call down.",
        "Count while reading, and refuse at the first item too many; never reserve room for a count that the input claims."),
    row("contract", "MEMORY-OVER-CONTRACT", "More memory than the contract allows", Severity::High, 7.5, 789,
        "One input makes the module hold far more memory than its size explains. Memory of a module never shrinks: a browser tab or a worker stays that large, or dies.",
        "Bound sizes before allocating; read in pieces instead of keeping whole copies; allocate what was received, not what a header claims."),
    row("contract", "FUEL-OVER-CONTRACT", "More computing than the contract allows", Severity::High, 7.5, 400,
        "An input of this size should be answered or refused long before: a few such messages keep a service from everybody else's.",
        "Refuse early: check size, depth and counts before the expensive work; look for work that is done again for every element."),
    row("contract", "OUTPUT-OVER-CONTRACT", "More output than the contract allows", Severity::High, 7.1, 405,
        "What comes out is out of proportion to what went in: the caller has to keep it, send it or store it.",
        "Bound the output while writing it, and refuse the input beyond."),
    row("contract", "ERROR-TEXT", "An error text is far too long", Severity::Low, 3.1, 779,
        "The refusal says more than 4 KiB, mostly the input quoted back: logs fill up, and patients' data may stand in them.",
        "Say what is wrong and where; quote a few characters at most, better none."),
    row("contract", "STATE-AFTER-REFUSAL", "A refused input changes the next answer", Severity::High, 7.5, 459,
        "After a refusal the same instance answers a harmless input otherwise than a fresh one would: something of one patient's message is left for the next.",
        "Reset parsers, buffers and caches on every way out, errors included; or use an instance once."),
    row("contract", "STACK-POINTER", "A call returns with its stack pointer elsewhere", Severity::Medium, 5.9, 772,
        "Each such call eats a piece of the module's own stack; after enough of them every call fails.",
        "Let errors return through every frame instead of jumping over them; discard an instance after a trap."),
    row("contract", "TYPICAL-MEMORY", "A plain document takes too much memory", Severity::Medium, 5.3, 400,
        "The document is an ordinary one, only large, and takes more memory than ordinary documents may: busy clinics reach that without any attacker.",
        "Do not keep the text, its tree and its output all at once; read in pieces where the format allows it."),
    row("contract", "TYPICAL-FUEL", "A plain document takes too much computing", Severity::Medium, 5.3, 1176,
        "The document is an ordinary one, only large, and takes more computing than ordinary documents may: pages freeze and queues grow.",
        "Profile it; look for repeated copies, searches and validations of the same part."),
    row("contract", "TYPICAL-REFUSED", "A plain document is refused", Severity::Medium, 5.0, 703,
        "The document is an ordinary one and below the size that the contract promises to take: a patient's data does not arrive.",
        "Raise the bound that it met, or declare a smaller one in the target's manifest."),
    row("complexity", "SUPERLINEAR", "Work grows faster than the input", Severity::High, 7.5, 407,
        "Twice the input takes far more than twice the computing: a message of a size that is accepted every day can keep a service busy for minutes.",
        "Look for a search or copy from the start for each element; keep a position, a map or an index instead, and bound counts."),
    row("constant-time", "BRANCH", "A branch depends on a secret", Severity::Medium, 5.9, 208,
        "Which instructions run, and so how long the call takes, depends on the secret. Whoever can time many calls learns about it; where a comparison stops at the first difference, a password or tag is found byte by byte (CWE-1254).",
        "Do the same work for every secret: compare and choose with masks (`subtle`, `constant_time_eq`), not with `==`, `if` or an early return; then test the built module again, since compilers turn masks back into branches."),
    row("constant-time", "INDIRECT", "Where a call or jump leads depends on a secret", Severity::Medium, 5.9, 208,
        "The secret chooses which code runs next. Its length, and what it leaves in the processor's caches and branch predictors, give the choice away.",
        "Choose data with masks, not code with the secret; no `match`, function pointer or virtual call may depend on it."),
    row("constant-time", "LOAD", "The address of a load depends on a secret", Severity::Medium, 5.9, 385,
        "A table is read at a place that the secret chooses. What is in the processor's cache afterwards, and so the time of the next access, tells which place that was: keys of table-driven AES were recovered so, from other processes and over networks.",
        "Compute instead of looking up (bitsliced or fixsliced code), or read the whole table and choose with masks."),
    row("constant-time", "STORE", "The address of a store depends on a secret", Severity::Medium, 5.9, 385,
        "Memory is written at a place that the secret chooses. The processor's caches tell which place that was.",
        "Write every place, and choose with masks what changes."),
    row("constant-time", "BULK", "Place or length of a copy depends on a secret", Severity::Medium, 5.9, 208,
        "How many bytes are copied or filled, or where, depends on the secret: the time of the call is in proportion.",
        "Copy a fixed number of bytes, and keep the length out of the secret."),
    row("constant-time", "DIV", "A division works on a secret", Severity::Medium, 5.3, 208,
        "Processors divide small numbers faster than large ones: time tells about dividend and divisor (KyberSlash found keys so).",
        "Multiply by the reciprocal and shift (Barrett, Montgomery) instead of dividing; even a division by a constant stays a division in some engines."),
    row("constant-time", "TRAP", "Whether the call traps depends on a secret", Severity::Medium, 6.5, 204,
        "With one secret the call returns, with another it dies: everybody sees which.",
        "Check what comes from the secret without failing on it; report one and the same error at the end."),
    row("constant-time", "SELECT", "A selection depends on a secret", Severity::Info, 2.0, 208,
        "The module chooses between two values without a branch. Today's engines keep it so for integers; nothing promises it, and for floats most of them branch.",
        "Nothing to repair for integers; where the report names a jump in the machine code, choose with masks instead."),
    row("constant-time", "FLOAT", "A float operation works on a secret", Severity::Info, 2.0, 208,
        "Some processors take much longer for some floats (subnormal numbers, division, roots), and engines add branches to a few conversions.",
        "Keep secrets in integers."),
    row("constant-time", "*", "What the module does depends on a secret", Severity::Medium, 5.3, 208,
        "Two calls that differ only in the secret do different work: whoever can watch it learns about the secret.",
        "Do the same work for every secret."),
    row("boundary", "TRAP", "A trap leaves the public API", Severity::High, 7.5, 248,
        "A call of the package's own API ends in a trap (`WebAssembly.RuntimeError`) instead of an answer or an error that it declares: the instance must not be used again, and everybody who shares it loses it.",
        "Check `typeof` and lengths in JavaScript before the call, and return errors instead of panicking; after a trap, throw the instance away and make a new one from the compiled module."),
    row("boundary", "POISONED", "An instance is used again after a trap", Severity::High, 7.5, 672,
        "After a trap the next call is answered by the same instance, whose data was left half changed: borrowed cells stay borrowed, buffers hold the message before, and answers may be wrong without a word.",
        "Wrap every export: set a flag on the first `WebAssembly.RuntimeError`, refuse or make a new instance on the next call (`--experimental-reset-state-function`, or a fresh `WebAssembly.Instance`)."),
    row("boundary", "RESULT-TYPE", "A result is not of the declared type", Severity::Medium, 5.3, 704,
        "The declarations promise one type and the call returns another: code that a compiler accepted breaks later, elsewhere, or works on `undefined`.",
        "Declare what can come back (`| undefined`), or convert at the boundary and throw where that fails."),
    row("boundary", "RANGE", "A number out of range is accepted", Severity::Medium, 6.5, 681,
        "JavaScript's numbers are wider than the module's: 4294967303 arrives as 7, 1.9 as 1, -1 as 4294967295, NaN as 0, and nobody is told.",
        "Check `Number.isSafeInteger` and the bounds of the parameter before the call (`BigInt.asUintN(64, x) === x` for bigints) and throw a RangeError."),
    row("boundary", "TEXT", "A text arrives changed", Severity::Medium, 5.3, 176,
        "Lone surrogates become U+FFFD on the way into UTF-8: what the module sees, stores and compares is not what was given.",
        "Refuse texts with `!text.isWellFormed()` before the call."),
    row("boundary", "COLLISION", "Two different texts become the same one", Severity::High, 7.1, 694,
        "Two identifiers that JavaScript tells apart are one and the same for the module: one patient's data is found or overwritten under the other's name.",
        "Refuse texts with `!text.isWellFormed()`; never repair an identifier."),
    row("boundary", "UNCHECKED", "A value that is not of the declared type is accepted", Severity::Medium, 5.3, 1287,
        "The glue trusts the TypeScript declarations, which nobody checks at run time: objects with a `length`, numbers and `null` pass for texts and bytes. What was parsed from JSON can be any of these.",
        "Check `typeof x === 'string'`, `x instanceof Uint8Array` in a wrapper and throw a TypeError; copy with `Uint8Array.from` before the call, so that the glue never touches a foreign object."),
    row("boundary", "LEAK", "Memory or objects grow with every call", Severity::High, 7.5, 401,
        "Repeating the same calls, with every object freed and garbage collected, takes more memory, table slots or live objects each time; memory of a module never shrinks.",
        "Free what was allocated for arguments on every way out, conversions that throw included: convert and check all arguments before the first allocation."),
    row("boundary", "STACK", "A call returns with its stack pointer elsewhere", Severity::Medium, 5.9, 460,
        "Each such call eats a piece of the module's own stack, mostly because an exception jumped over its frames; after enough of them every call fails for good.",
        "Do not let JavaScript exceptions cross frames of the module: catch them in the import and return an error; save and restore the stack pointer around calls; discard an instance after an exception."),
    row("boundary", "STALE", "A result holds data of an earlier call", Severity::Critical, 9.1, 226,
        "What comes back contains text of an earlier call that it has nothing to do with: data of one patient is given to whoever asks next.",
        "Copy arguments first (`Uint8Array.from(x)`, `String(x)`) and only then let the glue write them, so that no foreign code can run or grow memory in between; take the view of memory again after every call; zero buffers before they are reused."),
    row("boundary", "RESIDUE", "Data of a call stays in linear memory", Severity::Low, 3.1, 244,
        "After the call has returned and its objects were freed, its text is still in the module's memory: any later fault that reads memory reads it.",
        "Zero buffers with patients' data before freeing them (`zeroize`), or use an instance once and drop it."),
    row("boundary", "ECHO", "An error or the console repeats data of the call", Severity::Medium, 5.5, 209,
        "Text that was given to the call stands in an error's message, its stack or on the console: from there it goes into logs and error reports.",
        "Say what is wrong and where, by position and kind; keep values out of messages, panic texts included."),
    row("boundary", "USE-AFTER-FREE", "An object works after it was freed", Severity::High, 8.1, 416,
        "A call on an object that was given back, or giving it back twice, is not refused: memory that belongs to something else by now is read or written.",
        "Set the pointer to 0 in `free()` and refuse 0 in every method; keep it in a `#private` field."),
    row("boundary", "FORGED", "A pointer from outside is believed", Severity::Critical, 9.1, 822,
        "The object's pointer is an ordinary property. `Object.assign` with parsed JSON overwrites it, and the next method reads or writes wherever it says in the module's memory.",
        "Keep the pointer in a `#private` field, or in a WeakMap outside of the object; hand out numbers that are looked up in a table, not addresses; copy known fields instead of `Object.assign`."),
    row("boundary", "CAPABILITY", "The package uses a power that it was not given", Severity::High, 7.5, 829,
        "The package generates code, or calls the host in a way that the policy does not allow: network, files, processes, the page. In the browser a strict content security policy breaks it; without one, it is a way out for whatever gets into the data.",
        "Build glue without `eval` and `new Function` (wasm-bindgen from 0.2.109, Emscripten with `-sDYNAMIC_EXECUTION=0`), remove the import, or allow it in the policy file with a reason; serve under a policy with 'wasm-unsafe-eval' and without 'unsafe-eval'."),
    row("boundary", "PROTOTYPE", "A prototype of JavaScript itself was changed", Severity::High, 7.5, 1321,
        "After the call, every object of the page has other properties or methods than before: code that never heard of this package behaves otherwise.",
        "Build objects with `Object.create(null)` or a Map, refuse the keys `__proto__`, `constructor` and `prototype`."),
    row("boundary", "TIME", "A call does not end in its time", Severity::High, 7.5, 400,
        "The calls run out of their time or kill their host: in a page the user sees it freeze, in a service everybody waits.",
        "Bound lengths before the call; run the module in a Worker with a time limit and terminate it."),
    row("boundary", "HOST", "Two hosts do not agree", Severity::Medium, 5.3, 436,
        "The same calls of the same files end differently in another host: what was tested in one does not hold for the other.",
        "Look for what the glue asks of its surroundings: globals, text decoding, number formats, the order of promises."),
    row("boundary", "LATE", "An error comes after the call, where nobody catches it", Severity::High, 7.5, 755,
        "A finalizer or promise fails after the call has returned. No caller can catch it: by default Node ends the process.",
        "Catch in finalizers and promises of the glue; find the memory error that damaged the object which is finalized."),
    row("boundary", "GROWTH", "A few bytes take a lot of memory", Severity::High, 7.5, 789,
        "Memory grows by more than a thousand times the size of what was given, because a length is believed before anything is read. It never shrinks again: the tab or worker stays that large, or dies.",
        "Check lengths against what is really there (`x instanceof Uint8Array`, `x.byteLength <= LIMIT`) before allocating; link with a maximum memory."),
    row("boundary", "COUNTERS", "The module writes outside of its own memory", Severity::High, 8.6, 787,
        "Bytes changed in a place that the module never allocated: a write out of bounds, seen because something of ours lay there.",
        "Look for the out-of-bounds write; build with bounds checks or a sanitizer and replay the calls."),
    row("boundary", "*", "Something happens at the boundary that should not", Severity::High, 7.0, 703,
        "This table has no row for it; until it has, it is taken seriously.",
        "Read the calls and the message."),
    row("*", "TRAP-UNREACHABLE", "Panic or abort on input", Severity::Medium, 5.3, 248,
        "The module gives up on an input instead of rejecting it: the request is lost, and so is the instance.",
        "Return an error instead of panicking; check lengths, character boundaries and options before using them."),
    row("*", "TRAP-MEMORY-OUT-OF-BOUNDS", "Access outside linear memory", Severity::High, 8.1, 119,
        "A pointer or length from the input is used unchecked. Smaller values of it stay inside linear memory and read or overwrite other data unseen.",
        "Check offsets and lengths against the buffer they belong to, with arithmetic that cannot wrap."),
    row("*", "TRAP-TABLE-OUT-OF-BOUNDS", "Call through a table index out of range", Severity::High, 8.6, 129,
        "A function index was computed from damaged or unchecked data: control flow depends on the input.",
        "Look for the memory error that damaged the function pointer; check indices before the call."),
    row("*", "TRAP-INDIRECT-CALL-TO-NULL", "Call through a null function pointer", Severity::High, 7.5, 476,
        "A function pointer was never set, or was overwritten.",
        "Set it before use; look for the memory error that cleared it."),
    row("*", "TRAP-BAD-SIGNATURE", "Indirect call with the wrong signature", Severity::High, 8.6, 843,
        "A function pointer leads to a function of another type: a cast is wrong, or memory was damaged.",
        "Look for wrong casts of function pointers, and for the memory error that changed this one."),
    row("*", "TRAP-MISALIGNED", "Unaligned atomic access", Severity::Medium, 5.3, 704,
        "An atomic instruction met an address that is not a multiple of its width.",
        "Align what is accessed atomically."),
    row("*", "TRAP-INTEGER-OVERFLOW", "Integer overflow in a division", Severity::Medium, 5.3, 190,
        "The smallest integer was divided by -1: the request and the instance are lost.",
        "Use checked division."),
    row("*", "TRAP-DIVISION-BY-ZERO", "Division by zero", Severity::Medium, 5.3, 369,
        "A divisor comes from the input and may be zero: the request and the instance are lost.",
        "Reject a zero divisor before dividing."),
    row("*", "TRAP-BAD-CONVERSION", "Float does not fit the integer", Severity::Medium, 5.3, 681,
        "A number of the input is not finite, or larger than the integer it is put into.",
        "Check the range first, or use a saturating conversion."),
    row("*", "TRAP-NULL-REFERENCE", "Null reference used", Severity::Medium, 5.3, 476,
        "A managed reference was null: the request and the instance are lost.",
        "Check for null before use."),
    row("*", "TRAP-ARRAY-OUT-OF-BOUNDS", "Managed array index out of range", Severity::Medium, 5.3, 129,
        "An index from the input is past the end of an array. The engine stopped it; the request is lost.",
        "Check the index before use."),
    row("*", "TRAP-CAST-FAILURE", "Failed cast of a reference", Severity::Medium, 5.3, 704,
        "A managed reference is not of the type that the code expects.",
        "Test the type before the cast."),
    row("*", "TRAP-UNCAUGHT-EXCEPTION", "Exception leaves the module", Severity::Medium, 5.3, 248,
        "An exception crosses the boundary: a caller that does not expect it fails, and the instance may be half changed.",
        "Catch it at the entry and return an error."),
    row("*", "TRAP-EXIT", "The module ends its process", Severity::Medium, 5.3, 705,
        "An input makes the module call exit with an error code that it does not declare as a rejection.",
        "Return an error, or declare the exit code as a rejection in the target's manifest."),
    row("*", "OUT-OF-FUEL", "Too much computing for the input's size", Severity::High, 7.5, 400,
        "A short input keeps the module busy beyond its instruction budget: a few requests stop a service.",
        "Look for a loop that does not advance, or for work that grows faster than the input; bound both."),
    row("*", "DEADLINE", "Too much time for the input's size", Severity::Medium, 5.9, 400,
        "The wall-clock guard fired. Advice only, until a replay with fuel agrees.",
        "Replay it on an idle machine; then treat it as too much computing."),
    row("*", "STACK", "Unbounded recursion", Severity::High, 7.5, 674,
        "Nesting in the input becomes recursion without a bound: the native stack is exhausted.",
        "Count the depth and reject what is nested too deeply, or use a loop with an explicit stack."),
    row("*", "SHADOW-STACK", "The module's own stack overflows", Severity::High, 8.1, 121,
        "The stack in linear memory ran below its end. Without the check, the data beneath it is overwritten unseen.",
        "Bound recursion and local buffers; link with the stack first, so that an overflow traps."),
    row("*", "OOM-ABORT", "Memory bomb: aborts when memory is denied", Severity::High, 7.5, 789,
        "The input asks for more memory than allowed, and the module dies instead of rejecting it.",
        "Bound sizes read from the input before allocating; handle a failed allocation."),
    row("*", "HARD-DENY", "Memory bomb: keeps asking for memory", Severity::High, 7.5, 770,
        "The module goes on asking for memory after being denied it many times.",
        "Treat a denied allocation as the end of this input."),
    row("*", "GRACEFUL-OOM", "Large memory demand, coped with", Severity::Info, 2.0, 789,
        "The input made the module ask for more memory than allowed; it was denied and coped.",
        "Nothing to repair; consider an earlier bound."),
    row("*", "TABLE", "Table growth denied", Severity::Low, 3.1, 770,
        "The module asked for more table elements than allowed.",
        "Bound what an input can register."),
    row("*", "OUTPUT", "Decompression bomb: output beyond its limit", Severity::High, 7.5, 409,
        "A small input becomes an output beyond the limit: memory of whoever calls the module is used up.",
        "Bound the output while producing it, and reject beyond."),
    row("*", "HOST-CALLS", "Too many calls to the host", Severity::Medium, 5.9, 834,
        "One input makes the module call the host beyond its limit: logs, disks or services behind it suffer.",
        "Bound calls per input; look for a loop that does not advance."),
    row("*", "*", "Unclassified finding", Severity::High, 7.0, 703,
        "This table has no row for it; until it has, it is taken seriously.",
        "Read the message and the frames."),
];

#[allow(clippy::too_many_arguments)]
const fn row(
    oracle: &'static str,
    outcome: &'static str,
    title: &'static str,
    severity: Severity,
    security_severity: f32,
    cwe: u32,
    meaning: &'static str,
    advice: &'static str,
) -> Rule {
    Rule { oracle, outcome, title, severity, security_severity, cwe, meaning, advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lie_in_the_bands_of_their_severities() {
        for rule in RULES {
            let band = match rule.severity {
                Severity::Info | Severity::Low => 0.1..4.0,
                Severity::Medium => 4.0..7.0,
                Severity::High => 7.0..9.0,
                Severity::Critical => 9.0..10.1,
            };
            assert!(band.contains(&rule.security_severity), "{}: {}", rule.outcome, rule.security_severity);
        }
    }

    #[test]
    fn every_row_is_reachable_and_the_last_takes_the_rest() {
        for row in RULES {
            assert_eq!(rule(row.oracle, row.outcome), row);
        }
        assert_eq!(rule("an oracle of the future", "an outcome of the future").title, "Unclassified finding");
    }

    #[test]
    fn names_are_read_back() {
        for severity in Severity::ALL {
            assert_eq!(severity.name().parse(), Ok(*severity));
        }
        assert!("HIGH".parse::<Severity>().is_err());
    }
}
