//! Declarations as generators write them, and what becomes of them.

use super::*;

fn show(ty: &Type) -> String {
    let list = |types: &[Type], between: &str| types.iter().map(show).collect::<Vec<_>>().join(between);
    match ty {
        Type::Array(items) => format!("[{}]", show(items)),
        Type::Object(class) => format!("<{class}>"),
        Type::Bytes(name) => name.clone(),
        Type::Promise(inner) => format!("Promise {}", show(inner)),
        Type::Union(parts) => list(parts, "|"),
        Type::Record(fields) => {
            let field = |(name, ty, optional): &(String, Type, bool)| {
                format!("{name}{}: {}", if *optional { "?" } else { "" }, show(ty))
            };
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        plain => format!("{plain:?}").to_lowercase(),
    }
}

fn shown(operation: &Operation) -> String {
    let param = |param: &Param| {
        let range = param.range.as_ref().map(|range| format!(" {}..{}", range.min, range.max)).unwrap_or_default();
        format!("{}{}: {}{range}", param.name, if param.optional { "?" } else { "" }, show(&param.ty))
    };
    let params: Vec<String> = operation.params.iter().map(param).collect();
    let member = if operation.member == operation.name { String::new() } else { format!(" [{}]", operation.member) };
    let kind = format!("{:?}", operation.kind).to_lowercase();
    format!("{kind} {}{member}({}) {}", operation.name, params.join(", "), show(&operation.result))
}

fn check(files: &[(&str, &str)], shape: Shape, expected: &[&str]) -> Declarations {
    let mut text = |name: &str| files.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
    let read = read(&mut text, files[0].0, shape).unwrap();
    let lines: Vec<String> = read.api.operations.iter().map(shown).collect();
    assert_eq!(lines, expected, "{}", files[0].1);
    for operation in &read.api.operations {
        assert_eq!(operation.id, id(&operation.name));
    }
    read
}

#[test]
fn wasm_bindgen() {
    let text = r#"
        export type Word = "a" | "b";
        export enum Colour { Red = 0, Green = 5 }
        export class Store {
            free(): void;
            [Symbol.dispose](): void;
            private constructor();
            static open(n: number): Store;
            finish(): string;
            later(n: number): Promise<number>;
            set(k: string, v?: Colour | null): bigint | undefined;
            readonly ro: bigint;
            count: number;
            get label(): string;
            set label(value: string);
        }
        export class Made { free(): void; constructor(of: Store, all: Store[]); }
        export function parse(text: string, bytes: Uint8Array | number[], word: Word): any;
        export type InitInput = RequestInfo | URL;
        export interface InitOutput { readonly memory: WebAssembly.Memory; readonly parse: (a: number) => number; }
        export function initSync(module: { module: BufferSource } | BufferSource): InitOutput;
        export default function __wbg_init (module_or_path?: InitInput): Promise<InitOutput>;
    "#;
    check(
        &[("pkg.d.ts", text)],
        Shape::Exports,
        &[
            "static Store.open [open](n: number) <Store>",
            "method Store.finish [finish]() string",
            "method Store.later [later](n: number) Promise number",
            "method Store.set [set](k: string, v?: number|null 0..5) bigint|undefined",
            "getter Store.ro [ro]() bigint",
            "getter Store.count [count]() number",
            "setter Store.count= [count](value: number) undefined",
            "getter Store.label [label]() string",
            "setter Store.label= [label](value: string) undefined",
            "constructor Made.new [Made](of: <Store>, all: [<Store>]) <Made>",
            "function parse(text: string, bytes: Uint8Array|[number], word: string) any",
        ],
    );
}

#[test]
fn emscripten() {
    let text = r#"
        declare namespace RuntimeExports { let HEAPU8: any; function ccall(a: any): any; }
        interface WasmModule { _main(_0: number): number; _raw(_0: number): number; }
        type EmbindString = ArrayBuffer|Uint8Array|string;
        export interface ClassHandle {
            isAliasOf(other: ClassHandle): boolean; delete(): void; deleteLater(): this; isDeleted(): boolean;
            [Symbol.dispose](): void; clone(): this;
        }
        export interface Image extends ClassHandle {
            decode(_0: EmbindString, _1: number): boolean;
            width: number;
            readonly depth: number;
            next(): Image | null;
        }
        export interface LevelValue<T extends number> { value: T; }
        export type Level = LevelValue<0>|LevelValue<1>;
        interface EmbindModule {
            Image: { new(): Image; new(_0: number): Image; open(_0: string): Image; };
            Level: {low: LevelValue<0>, high: LevelValue<1>};
            version(): string;
            setLevel(_0: Level): void;
        }
        export type MainModule = WasmModule & typeof RuntimeExports & EmbindModule;
        export default function MainModuleFactory (options?: unknown): Promise<MainModule>;
    "#;
    let read = check(
        &[("image.d.ts", text)],
        Shape::Factory,
        &[
            "constructor Image.new [Image](_0?: number) <Image>",
            "static Image.open [open](_0: string) <Image>",
            "method Image.decode [decode](_0: ArrayBuffer|Uint8Array|string, _1: number) boolean",
            "getter Image.width [width]() number",
            "setter Image.width= [width](value: number) undefined",
            "getter Image.depth [depth]() number",
            "method Image.next [next]() <Image>|null",
            "function version() string",
            "function setLevel(_0: {value: any}) undefined",
        ],
    );
    assert_eq!(read.notes, ["raw exports (`_name`) take addresses from trusted callers: not called"]);
    let plain = r"
        interface WasmModule { _malloc(n: number): number; _inflate(p: number, n: number): number; }
        export type MainModule = WasmModule;
        declare const factory: (o?: object) => Promise<MainModule>;
        export default factory;
    ";
    check(&[("c.d.ts", plain)], Shape::Factory, &["function _inflate(p: number, n: number) number"]);
}

#[test]
fn assemblyscript() {
    let text = "
        /** Exported memory */
        export declare const memory: WebAssembly.Memory;
        // Exported runtime interface
        export declare function __new(size: number, id: number): number;
        /** index/K @type `i32` */
        export declare const K: { get value(): number };
        /**
         * index/add
         * @param a `u8`
         * @param b `i64`
         * @param c `bool`
         * @returns `u32`
         */
        export declare function add(a: number, b: bigint, c: boolean): number;
        /** index/P */
        declare interface __Record8<TOmittable> { x: number | TOmittable; name: string; }
        export declare function make(p: __Record8<undefined>): __Internref9;
        declare class __Internref9 extends Number { private __nominal: symbol; }
    ";
    let expected = [
        "function add(a: number 0..255, b: bigint -9223372036854775808..9223372036854775807, c: boolean) number",
        "function make(p: {x: number|undefined, name: string}) <__Internref9>",
    ];
    check(&[("release.d.ts", text)], Shape::Exports, &expected);
    let raw = "
        declare namespace __AdaptedExports {
          export const memory: WebAssembly.Memory;
          /**
           * @param a `u16`
           */
          export function up(a: number): string;
        }
        export declare function instantiate(m: WebAssembly.Module, i: { env: unknown }): Promise<typeof __AdaptedExports>;
    ";
    check(&[("raw.d.ts", raw)], Shape::Exports, &["function up(a: number 0..65535) string"]);
}

#[test]
fn wrappers_in_several_files() {
    let index = r#"
        import Parser, { type Options } from "./lib/parser.js";
        import * as types from "./lib/types";
        export { Parser };
        export * from "./lib/types";
        export { helper as help } from "./lib/parser.js";
        declare function twice(a: string): string;
        declare function twice(a: number, b?: Options): number;
        export { twice };
        export const arrow: (a: types.Pair, ...more: number[]) => void;
        export const tools: { run(a: string): types.Handle; version: string };
        export default function (data: Readonly<Partial<Options>>): types.Handle;
    "#;
    let parser = "
        import { Handle } from './types';
        export interface Options { strict: boolean; depth?: number; report(line: string): void }
        declare class Parser { constructor(options?: Options); parse(text: string): Handle[]; protected inner(): void; #own: number }
        export default Parser;
        export declare function helper(this: Parser, a: symbol, b: keyof Options): asserts a is symbol;
    ";
    let types = "
        export type Pair = readonly [number, string];
        interface Base { close(): void }
        export interface Handle extends Base { readonly size: number; read(n: number): Promise<ArrayBuffer>; }
        export type Loop = Loop | Loop[];
        export declare function loop(a: Loop): never;
    ";
    check(
        &[("index.d.ts", index), ("lib/parser.d.ts", parser), ("lib/types.d.ts", types)],
        Shape::Exports,
        &[
            "constructor Parser.new [Parser](options?: {strict: boolean, depth?: number, report: function}) <Parser>",
            "method Parser.parse [parse](text: string) [<Handle>]",
            "function loop(a: any) any",
            "function help(a: symbol, b: any) boolean",
            "function twice(a: string|number, b?: {strict: boolean, depth?: number, report: function}) string|number",
            "function arrow(a: [number|string], ...more?: number) undefined",
            "static tools.run [run](a: string) <Handle>",
            "function default(data: {strict?: boolean, depth?: number, report?: function}) <Handle>",
            "getter Handle.size [size]() number",
            "method Handle.read [read](n: number) Promise ArrayBuffer",
            "method Handle.close [close]() undefined",
        ],
    );
}

#[test]
fn commonjs() {
    let text = "
        declare function lib(a: bigint): boolean;
        declare namespace lib { function inner(a: number): void; class Box { get(): string } const version: string; }
        export = lib;
    ";
    check(
        &[("lib.d.ts", text)],
        Shape::Exports,
        &[
            "function inner(a: number) undefined",
            "constructor Box.new [Box]() <Box>",
            "method Box.get [get]() string",
            "function default(a: bigint) boolean",
        ],
    );
}

#[test]
fn types_that_explode_are_cut() {
    // Every name stands for the next one twice.
    let doubling: String = (0..64).map(|n| format!("type A{n} = {{ a: A{}; b: A{} }};", n + 1, n + 1)).collect();
    let text = format!("{doubling} type A64 = string; export function f(a: A0): A0;");
    let files = [("a.d.ts", text.as_str())];
    let mut file = |name: &str| files.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
    let cut = read(&mut file, "a.d.ts", Shape::Exports).unwrap();
    assert_eq!(cut.api.operations.len(), 1);
    let both: String = (0..64).map(|n| format!("type A{n} = A{} & A{};", n + 1, n + 1)).collect();
    let text = format!("{both} type A64 = {{ f(): void }}; export const x: A0; export function g(a: A0): void;");
    let mut file = |name: &str| (name == "a.d.ts").then(|| text.clone());
    let cut = read(&mut file, "a.d.ts", Shape::Exports).unwrap();
    assert_eq!(cut.api.operations.len(), 1);
    let many: String = (0..5_000).map(|n| format!("export function f{n}(): void;")).collect();
    let mut file = |name: &str| (name == "a.d.ts").then(|| many.clone());
    let cut = read(&mut file, "a.d.ts", Shape::Exports).unwrap();
    assert_eq!(cut.api.operations.len(), OPERATIONS_MAX);
    assert!(cut.notes.iter().any(|note| note.contains("the first 4096")), "{:?}", cut.notes);
}
