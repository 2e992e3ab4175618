/* The API of canary-boundary. Texts are well-formed and, like bytes, at most 65,536 bytes of UTF-8; numbers are integers. */

export class Store {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Calls a function with every note. What it does with the store meanwhile is refused by wasm-bindgen.
     */
    each(f: Function): void;
    /**
     * The note of that key.
     */
    get(key: string): string | undefined;
    /**
     * Puts another store's notes in, and takes it over.
     */
    merge(other: Store): void;
    /**
     * An empty one.
     */
    constructor();
    /**
     * Keeps a note.
     */
    set(key: string, value: string): void;
    /**
     * All notes in lines; the store is used up.
     */
    take(): string;
    /**
     * Visits that it was made for. `range`: as for every `u32`.
     */
    visits: number;
    /**
     * How many notes there are.
     */
    readonly length: number;
}

/**
 * Years until 120. `range`: 300 is 44, -1 is 255, 1.9 is 1.
 */
export function age(years: number): number;

/**
 * Works a formula out. `capability`: with a function made of the text.
 */
export function calc(formula: string): any;

/**
 * Milligrams of that many units. `range`: 2^32 + 7 is 7.
 */
export function dose(units: number): number;

/**
 * Doses of a day at that interval in minutes. `time`: seconds are counted in 32 bits; an interval that is a multiple
 * of 2^30 minutes is no step at all, and the day does not end.
 */
export function doses_per_day(interval: number): number;

/**
 * Calls a function with every field of a line, and counts them; its exception ends that and is passed on.
 */
export function each(line: string, f: Function): number;

/**
 * A greeting for a name, or for nobody.
 */
export function greet(name?: string | null): string;

/**
 * Bytes of the header that are right; for a whole header, 8 and the fields of the segment. `trap`, `poisoned`: the
 * sending application is taken for granted, and a segment that ends right behind `MSH|^~\&` has none; the module goes
 * on being used after that.
 */
export function hl7(text: string): number;

/**
 * Where the module runs. `host`: every host says something else.
 */
export function host_name(): string;

/**
 * Id and visits of a Patient. `echo`: serde's error quotes what it did not expect, a name or a number of the patient.
 */
export function import_patient(text: string): string;

/**
 * The first letters of a name. `result-type`: declared as text, and nothing for a name without letters.
 */
export function initials(name: string): string;

/**
 * Names in one line. `leak`: an array that ends with something else traps after its texts were taken over.
 */
export function join(names: string[]): string;

/**
 * The text that was kept. `stale`: it may be another patient's.
 */
export function last(): string;

/**
 * The text in upper case, later.
 */
export function later(text: string): Promise<string>;

/**
 * Says who came. `echo`: on the console, with the name.
 */
export function log_visit(name: string): void;

/**
 * Upper case, as labels are printed. `text`: a lone surrogate comes back as U+FFFD. `trap`: `normalize(5)`.
 */
export function normalize(text: string): string;

/**
 * Minutes from Greenwich, the other way round. `range`: 2^64 + 5 is 5.
 */
export function offset(minutes: bigint): bigint;

/**
 * Any JSON document, written again without white space; errors name a line and a column and no more.
 */
export function parse(text: string): string;

/**
 * A number for an id, to look patients up by. `collision`: ids that differ only in lone surrogates get the same.
 */
export function patient_key(id: string): number;

/**
 * The number, where there is one that is no zero.
 */
export function pick(value?: number | null): number | undefined;

/**
 * Keeps a text for the next visit. `residue`: it stays.
 */
export function remember(text: string): number;

/**
 * Starts a reminder for a year. `late`: the year is read after this returned, and a panic has nobody to go to.
 */
export function remind(year: string): void;

/**
 * Keeps a draft. `capability`: drafts that begin with a slash go to the browser's storage, those with a question mark
 * to a server.
 */
export function save(draft: string): boolean;

/**
 * Sets what every record has unless it says otherwise. `prototype`: in `Object.prototype`.
 */
export function set_default(key: string, value: string): boolean;

/**
 * The fields of a line.
 */
export function split(line: string): string[];

/**
 * A temperature in tenths of a degree, as text. `range`: NaN is 0.
 */
export function temperature(tenths: number): string;

/**
 * Cents after a deductible. `range`: -1n is 2^64 - 1.
 */
export function total(cents: bigint): bigint;

/**
 * HL7's escape sequences undone. `stale`: while the glue copies an array whose `valueOf` makes memory grow, its writes
 * go nowhere, and what the block held before is read. `growth`, `leak`: `{"length":200000000}` allocates 200 MB.
 * `unchecked`: whatever has a length is taken for bytes.
 */
export function unescape(bytes: Uint8Array): string;

/**
 * Calls a function with the text in upper case. `stack`, `leak`: an exception that the function throws passes through
 * this module's frames; their part of the shadow stack is gone, and what they own is never given back.
 */
export function visit(text: string, f: Function): number;

/**
 * A function that says how often it was called, for a button. `leak`: the closure is never given back.
 */
export function watch(text: string): Function;
