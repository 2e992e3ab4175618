// The API of canary-boundary around wasm-bindgen's glue, for whoever calls it with whatever: every value is checked and
// copied before the module is entered, nothing of the caller's runs while it is inside, and what it held is overwritten.
//
// What is used of JavaScript is taken here, once: a page that changes prototypes later changes nothing for this file.

const { apply, getPrototypeOf, getOwnPropertyDescriptor } = Reflect;
const { defineProperty, freeze } = Object;
const { isArray } = Array;
const { isInteger, isFinite } = Number;
const { TypeError, RangeError, Error, Uint8Array, Promise } = globalThis;
const { RuntimeError, Memory } = WebAssembly;
const StackError = globalThis.InternalError ?? RangeError;
const getter = (object, name) => getOwnPropertyDescriptor(object, name)?.get;
const TypedArray = getPrototypeOf(Uint8Array.prototype);
const kindOf = getter(TypedArray, Symbol.toStringTag);
const bufferOf = getter(TypedArray, 'buffer');
const lengthOf = getter(TypedArray, 'length');
const bufferBytes = getter(ArrayBuffer.prototype, 'byteLength');
const isResizable = getter(ArrayBuffer.prototype, 'resizable');
const memoryBuffer = getter(Memory.prototype, 'buffer');
const { set: setBytes, fill } = TypedArray;
const { charCodeAt, split: splitText } = String.prototype;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const { encode } = TextEncoder.prototype;
const { decode } = TextDecoder.prototype;
const hasInstance = Function.prototype[Symbol.hasInstance];

/** Longest text and longest bytes, in bytes of UTF-8. */
const BYTES_MAX = 65536;
/** Longest list. */
const ITEMS_MAX = 1000;

/** The API on the exports of the generated glue, which nobody else may use. Starts a new instance of the module. */
export function harden(glue) {
  const inner = freeze({ ...glue });
  /** Counts instances: what belongs to an earlier one is gone. */
  let generation = 0;
  let isWhole = false;
  let memory;

  function restart() {
    isWhole = false;
    generation++;
    inner.__wbg_reset_state();
    memory = inner.own_memory();
    isWhole = true;
  }
  restart();

  /** Enters the module. After anything but an error of its own it is thrown away, and so is all that it held. */
  function enter(work) {
    // A new instance may not have been to be had, for example at the end of JavaScript's stack.
    if (!isWhole) restart();
    try {
      const result = work();
      inner.scrub();
      return result;
    } catch (error) {
      if (isOwn(error)) {
        inner.scrub();
        throw error;
      }
      restart();
      throw new Error('the module failed and was started again; objects that it held are gone');
    }
  }
  const is = (Class, value) => apply(hasInstance, Class, [value]);
  const isOwn = (error) => is(Error, error) && !is(RuntimeError, error) && !is(RangeError, error) && !is(StackError, error) && !is(TypeError, error);

  // ---- what comes in ----

  function wellFormed(text) {
    for (let at = 0; at < text.length; at++) {
      const unit = apply(charCodeAt, text, [at]);
      if (unit < 0xd800 || unit > 0xdfff) continue;
      const after = at + 1 < text.length ? apply(charCodeAt, text, [at + 1]) : 0;
      if (unit > 0xdbff || after < 0xdc00 || after > 0xdfff) return false;
      at++;
    }
    return true;
  }
  function checkText(value, name) {
    if (typeof value !== 'string') throw new TypeError(`${name} must be a string`);
    if (value.length > BYTES_MAX) throw new RangeError(`${name} is longer than ${BYTES_MAX} bytes`);
    if (!wellFormed(value)) throw new TypeError(`${name} has a lone surrogate`);
    return value;
  }
  /** UTF-8 of a text. */
  function given(value, name) {
    const bytes = apply(encode, encoder, [checkText(value, name)]);
    if (apply(lengthOf, bytes, []) > BYTES_MAX) throw new RangeError(`${name} is longer than ${BYTES_MAX} bytes`);
    return bytes;
  }
  /** A copy of a Uint8Array. Its getters and its species are not asked. */
  function copied(value, name) {
    if (apply(kindOf, value, []) !== 'Uint8Array') throw new TypeError(`${name} must be a Uint8Array`);
    const buffer = apply(bufferOf, value, []);
    try {
      apply(bufferBytes, buffer, []);
    } catch {
      throw new TypeError(`${name} must not be shared`);
    }
    if (isResizable !== undefined && apply(isResizable, buffer, [])) throw new TypeError(`${name} must not be resizable`);
    if (buffer === apply(memoryBuffer, memory, [])) throw new TypeError(`${name} must not be a view of the module`);
    const length = apply(lengthOf, value, []);
    if (length > BYTES_MAX) throw new RangeError(`${name} is longer than ${BYTES_MAX} bytes`);
    const copy = new Uint8Array(length);
    // Throws where the buffer was transferred away.
    apply(setBytes, copy, [value]);
    return copy;
  }
  function integer(value, name, min, max) {
    if (typeof value !== 'number') throw new TypeError(`${name} must be a number`);
    if (!isInteger(value) || value < min || value > max) throw new RangeError(`${name} must be an integer from ${min} to ${max}`);
    return value;
  }
  function bigint(value, name, min, max) {
    if (typeof value !== 'bigint') throw new TypeError(`${name} must be a bigint`);
    if (value < min || value > max) throw new RangeError(`${name} must be from ${min} to ${max}`);
    return value;
  }
  function callable(value, name) {
    if (typeof value !== 'function') throw new TypeError(`${name} must be a function`);
    return value;
  }
  const u32 = (value, name) => integer(value, name, 0, 0xffffffff);

  // ---- what goes out ----

  /** The text in bytes of ours, which are overwritten. */
  function taken(bytes) {
    const text = apply(decode, decoder, [bytes]);
    apply(fill, bytes, [0]);
    return text;
  }
  /** Calls `f` with bytes, and overwrites them whatever happens. */
  function lending(f, ...lent) {
    try {
      return enter(() => apply(f, undefined, lent));
    } finally {
      for (let at = 0; at < lent.length; at++) apply(fill, lent[at], [0]);
    }
  }
  const upper = (text) => taken(lending(inner.normalize, given(text, 'text')));

  // ---- the API ----

  class Store {
    #object;
    #generation;

    constructor() {
      this.#object = enter(() => new inner.Store());
      this.#generation = generation;
      // Nobody can give it properties that look like the glue's.
      freeze(this);
    }
    /** The glue's object. */
    #live() {
      if (this.#object === null) throw new Error('the store was freed');
      if (this.#generation !== generation) throw new Error('the store is gone: the module was started again');
      return this.#object;
    }
    /** The glue's object, for the last time. */
    #given() {
      const object = this.#live();
      this.#object = null;
      return object;
    }
    get length() {
      const object = this.#live();
      return enter(() => object.length);
    }
    get visits() {
      const object = this.#live();
      return enter(() => object.visits);
    }
    set visits(value) {
      const object = this.#live();
      u32(value, 'visits');
      enter(() => { object.visits = value; });
    }
    set(key, value) {
      const object = this.#live();
      lending((key, value) => object.set(key, value), given(key, 'key'), given(value, 'value'));
    }
    get(key) {
      const object = this.#live();
      const note = lending((key) => object.get(key), given(key, 'key'));
      return note === undefined ? undefined : taken(note);
    }
    each(f) {
      const object = this.#live();
      callable(f, 'f');
      const notes = [];
      const count = enter(() => object.length);
      for (let at = 0; at < count; at++) {
        const key = enter(() => object.key_at(at));
        const value = lending((key) => object.get(key), copied(key, 'key'));
        notes[at] = freeze([taken(key), taken(value)]);
      }
      // The module is left before the caller's function runs.
      for (let at = 0; at < count; at++) apply(f, null, notes[at]);
    }
    merge(other) {
      const object = this.#live();
      if (typeof other !== 'object' || other === null || !(#object in other)) throw new TypeError('other must be a Store');
      if (other === this) throw new TypeError('other must be another Store');
      const theirs = other.#given();
      enter(() => object.merge(theirs));
    }
    take() {
      const object = this.#given();
      return taken(enter(() => object.take()));
    }
    /** Gives the notes back, once; again it does nothing. */
    free() {
      if (this.#object === null || this.#generation !== generation) return;
      const object = this.#given();
      enter(() => object.free());
    }
  }
  if (Symbol.dispose !== undefined) {
    defineProperty(Store.prototype, Symbol.dispose, { value: Store.prototype.free, configurable: true, writable: true });
  }

  return freeze({
    Store: freeze(Store),
    parse: (text) => taken(lending(inner.parse, given(text, 'text'))),
    import_patient: (text) => taken(lending(inner.import_patient, given(text, 'text'))),
    normalize: upper,
    unescape: (bytes) => taken(lending(inner.unescape, copied(bytes, 'bytes'))),
    hl7: (text) => lending(inner.hl7, given(text, 'text')),
    patient_key: (id) => lending(inner.patient_key, given(id, 'id')),
    initials: (name) => taken(lending(inner.initials, given(name, 'name'))),
    calc: (formula) => lending(inner.calc, given(formula, 'formula')),
    age(years) {
      integer(years, 'years', 0, 255);
      return enter(() => inner.age(years));
    },
    dose(units) {
      u32(units, 'units');
      return enter(() => inner.dose(units));
    },
    temperature(tenths) {
      integer(tenths, 'tenths', -0x80000000, 0x7fffffff);
      return taken(enter(() => inner.temperature(tenths)));
    },
    total(cents) {
      bigint(cents, 'cents', 0n, 0xffffffffffffffffn);
      return enter(() => inner.total(cents));
    },
    offset(minutes) {
      bigint(minutes, 'minutes', -0x8000000000000000n, 0x7fffffffffffffffn);
      return enter(() => inner.offset(minutes));
    },
    doses_per_day(interval) {
      u32(interval, 'interval');
      return enter(() => inner.doses_per_day(interval));
    },
    pick(value) {
      if (value === undefined || value === null) return undefined;
      return u32(value, 'value') === 0 ? undefined : value;
    },
    greet: (name) => (name === undefined || name === null ? 'Good day' : `Good day, ${checkText(name, 'name')}`),
    join(names) {
      if (!isArray(names)) throw new TypeError('names must be an array');
      const count = names.length;
      if (!isInteger(count) || count > ITEMS_MAX) throw new RangeError(`names has more than ${ITEMS_MAX} items`);
      let line = '';
      for (let at = 0; at < count; at++) {
        const name = names[at];
        line += (at > 0 ? ', ' : '') + checkText(name, 'a name');
        if (line.length > BYTES_MAX) throw new RangeError(`names are longer than ${BYTES_MAX} bytes`);
      }
      return line;
    },
    split: (line) => apply(splitText, checkText(line, 'line'), ['|']),
    each(line, f) {
      const fields = apply(splitText, checkText(line, 'line'), ['|']);
      callable(f, 'f');
      for (let at = 0; at < fields.length; at++) apply(f, null, [fields[at]]);
      return fields.length;
    },
    visit(text, f) {
      checkText(text, 'text');
      callable(f, 'f');
      const shown = upper(text);
      apply(f, null, [shown]);
      const bytes = apply(lengthOf, apply(encode, encoder, [shown]), []);
      return bytes < 64 ? bytes : 64;
    },
    watch(text) {
      checkText(text, 'text');
      let calls = 0;
      return () => `${text} ${++calls}`;
    },
    // Nothing is kept between calls, printed, stored, sent or set for everybody; what these did is not done.
    remember: (text) => apply(lengthOf, given(text, 'text'), []),
    last: () => '',
    log_visit: (name) => void checkText(name, 'name'),
    save(draft) {
      checkText(draft, 'draft');
      return false;
    },
    set_default(key, value) {
      checkText(key, 'key');
      checkText(value, 'value');
      return false;
    },
    host_name: () => 'wasm32',
    // What is wrong is said at once, so that nothing can go wrong later.
    later(text) {
      const result = upper(text);
      return new Promise((resolve) => resolve(result));
    },
    remind(year) {
      checkText(year, 'year');
      const value = +year;
      if (year.length > 5 || !isFinite(value)) throw new RangeError('year must be a number of at most five digits');
    },
  });
}
