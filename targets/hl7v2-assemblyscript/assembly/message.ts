// HL7 v2 messages: segments of fields of repetitions of components of subcomponents, with the message's own delimiters.

import { Delimiters, decode } from "./escapes";

/** Why a message was refused; the host sees the number below zero. */
export enum Refused {
  No = 0,
  Header = 1,
  Delimiter = 2,
  SegmentName = 3,
  Escape = 4,
  Encoding = 5,
  TooDeep = 6,
  Type = 7,
  ControlId = 8,
  ObservationType = 9,
  ObservationValue = 10,
  Patient = 11,
  Frame = 12,
}

/** Fields in one segment; more is no message but an attack. */
const FIELDS_MAX: i32 = 1000;

export class Component {
  subcomponents: Array<string> = new Array<string>();
}

export class Repetition {
  components: Array<Component> = new Array<Component>();
}

export class Field {
  repetitions: Array<Repetition> = new Array<Repetition>();

  /** The first subcomponent of that component (from 1) of the first repetition. */
  text(component: i32): string {
    if (this.repetitions.length == 0) return "";
    const components = this.repetitions[0].components;
    if (component < 1 || component > components.length) return "";
    const subcomponents = components[component - 1].subcomponents;
    return subcomponents.length > 0 ? subcomponents[0] : "";
  }
}

export class Segment {
  fields: Array<Field> = new Array<Field>();
  constructor(public name: string) {}

  /** The field of that number, as the standard counts (MSH-1 is the field separator). */
  field(number: i32): Field | null {
    if (number < 1 || number > this.fields.length) return null;
    return this.fields[number - 1];
  }

  text(number: i32, component: i32): string {
    const field = this.field(number);
    return field ? field.text(component) : "";
  }

  /** OBX-2 says what OBX-5 is; it must be that. */
  observationFault(): Refused {
    const kind = this.text(2, 1);
    const value = this.text(5, 1);
    if (value.length == 0 || value == '""') return Refused.No;
    if (kind == "NM") return isNumber(value) ? Refused.No : Refused.ObservationValue;
    if (kind == "DT") return isTime(value, 8) ? Refused.No : Refused.ObservationValue;
    if (kind == "TM" || kind == "DTM" || kind == "TS") return isTime(value, 26) ? Refused.No : Refused.ObservationValue;
    if (kind == "SN") return this.structuredNumberFault();
    if (kind == "ST" || kind == "TX" || kind == "FT" || kind == "CE" || kind == "CWE" || kind == "ED") return Refused.No;
    return Refused.ObservationType;
  }

  // SN: comparator ^ number ^ separator ^ number.
  private structuredNumberFault(): Refused {
    const comparator = this.text(5, 1);
    const known = comparator == ">" || comparator == "<" || comparator == ">=" || comparator == "<=" || comparator == "=" || comparator == "<>";
    if (!known) return Refused.ObservationValue;
    const first = this.text(5, 2);
    const second = this.text(5, 4);
    if (first.length > 0 && !isNumber(first)) return Refused.ObservationValue;
    if (second.length > 0 && !isNumber(second)) return Refused.ObservationValue;
    const separator = this.text(5, 3);
    if (second.length > 0 && separator != "-" && separator != "+" && separator != "/" && separator != "." && separator != ":") {
      return Refused.ObservationValue;
    }
    return Refused.No;
  }
}

export class Message {
  segments: Array<Segment> = new Array<Segment>();
  values: i32 = 0;
  refused: Refused = Refused.No;

  /** The text of that component in the first segment of that name. */
  first(name: string, field: i32, component: i32): string {
    for (let i = 0; i < this.segments.length; i++) {
      if (this.segments[i].name == name) return this.segments[i].text(field, component);
    }
    return "";
  }
}

/** Reads a message, bare or in one MLLP frame; on refusal `refused` says why. */
export function read(bytes: StaticArray<u8>): Message {
  const message = new Message();
  let start = 0;
  let end = bytes.length;
  if (end > 0 && bytes[0] == 0x0b) {
    if (end < 3 || bytes[end - 2] != 0x1c || bytes[end - 1] != 0x0d) return refuse(message, Refused.Frame);
    start = 1;
    end -= 2;
  }
  if (!isUtf8(bytes, start, end)) return refuse(message, Refused.Encoding);
  const delimiters = Delimiters.read(bytes, start, end);
  if (!delimiters) return refuse(message, end - start < 8 ? Refused.Header : Refused.Delimiter);
  let at = start;
  while (at < end) {
    let stop = at;
    while (stop < end && bytes[stop] != 0x0d && bytes[stop] != 0x0a) stop++;
    if (stop > at) {
      const fault = readSegment(message, bytes, at, stop, delimiters);
      if (fault != Refused.No) return refuse(message, fault);
    }
    at = stop + 1;
  }
  return message;
}

function refuse(message: Message, why: Refused): Message {
  message.refused = why;
  return message;
}

function readSegment(message: Message, bytes: StaticArray<u8>, start: i32, end: i32, delimiters: Delimiters): Refused {
  if (end - start < 3) return Refused.SegmentName;
  for (let i = start; i < start + 3; i++) {
    const c = bytes[i];
    const letter = c >= 0x41 && c <= 0x5a;
    const digit = c >= 0x30 && c <= 0x39;
    if (!letter && (!digit || i == start)) return Refused.SegmentName;
  }
  if (end > start + 3 && bytes[start + 3] != delimiters.field) return Refused.SegmentName;
  const segment = new Segment(String.UTF8.decodeUnsafe(changetype<usize>(bytes) + start, 3));
  const header = segment.name == "MSH" || segment.name == "FHS" || segment.name == "BHS";
  if (header && message.segments.length > 0 && segment.name == "MSH") return Refused.Header;
  let at = start + 4;
  if (header) {
    // Fields 1 and 2 are the delimiters themselves.
    segment.fields.push(literal(bytes, start + 3, start + 4));
    let stop = at;
    while (stop < end && bytes[stop] != delimiters.field) stop++;
    segment.fields.push(literal(bytes, at, stop));
    at = stop + 1;
  }
  while (at <= end) {
    let stop = at;
    while (stop < end && bytes[stop] != delimiters.field) stop++;
    if (segment.fields.length == FIELDS_MAX) return Refused.TooDeep;
    const field = new Field();
    const fault = readField(message, field, bytes, at, stop, delimiters);
    if (fault != Refused.No) return fault;
    segment.fields.push(field);
    at = stop + 1;
  }
  message.segments.push(segment);
  return Refused.No;
}

function readField(message: Message, field: Field, bytes: StaticArray<u8>, start: i32, end: i32, delimiters: Delimiters): Refused {
  if (start >= end) return Refused.No;
  let repetition = new Repetition();
  let component = new Component();
  let from = start;
  for (let at = start; at <= end; at++) {
    const c: i32 = at < end ? bytes[at] : -1;
    const closes = c == delimiters.repetition || c == -1;
    if (!closes && c != delimiters.component && c != delimiters.subcomponent) continue;
    const text = decode(bytes, from, at, delimiters);
    if (text == null) return Refused.Escape;
    component.subcomponents.push(text);
    if (text.length > 0) message.values++;
    from = at + 1;
    if (c == delimiters.subcomponent) continue;
    repetition.components.push(component);
    component = new Component();
    if (c == delimiters.component) continue;
    field.repetitions.push(repetition);
    repetition = new Repetition();
  }
  return Refused.No;
}

function literal(bytes: StaticArray<u8>, start: i32, end: i32): Field {
  const field = new Field();
  const repetition = new Repetition();
  const component = new Component();
  component.subcomponents.push(String.UTF8.decodeUnsafe(changetype<usize>(bytes) + start, max(end - start, 0)));
  repetition.components.push(component);
  field.repetitions.push(repetition);
  return field;
}

// Sign, digits, point, digits: the NM type.
function isNumber(text: string): bool {
  let at = 0;
  if (text.length > 0 && (text.charCodeAt(0) == 0x2b || text.charCodeAt(0) == 0x2d)) at = 1;
  let digits = 0;
  let points = 0;
  for (; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c >= 0x30 && c <= 0x39) digits++;
    else if (c == 0x2e && points == 0) points++;
    else return false;
  }
  return digits > 0;
}

// YYYY[MM[DD[HH[MM[SS[.S…]]]]]][±ZZZZ], or a time of day; real months, days and hours.
function isTime(text: string, lengthMax: i32): bool {
  if (text.length > lengthMax) return false;
  let digits = 0;
  while (digits < text.length && isDigit(text.charCodeAt(digits))) digits++;
  if (digits < 4 || digits > 14 || digits % 2 != 0) return false;
  if (digits >= 6) {
    const month = <i32>parseInt(text.substr(4, 2));
    if (digits >= 8) {
      const day = <i32>parseInt(text.substr(6, 2));
      if (month < 1 || month > 12 || day < 1 || day > daysIn(<i32>parseInt(text.substr(0, 4)), month)) return false;
    }
  }
  if (digits >= 10 && <i32>parseInt(text.substr(8, 2)) > 23) return false;
  if (digits >= 12 && <i32>parseInt(text.substr(10, 2)) > 59) return false;
  let at = digits;
  if (at < text.length && text.charCodeAt(at) == 0x2e) {
    at++;
    while (at < text.length && isDigit(text.charCodeAt(at))) at++;
  }
  if (at == text.length) return true;
  const sign = text.charCodeAt(at);
  if ((sign != 0x2b && sign != 0x2d) || text.length - at != 5) return false;
  for (let i = at + 1; i < text.length; i++) {
    if (!isDigit(text.charCodeAt(i))) return false;
  }
  return true;
}

function isDigit(c: i32): bool {
  return c >= 0x30 && c <= 0x39;
}

function daysIn(year: i32, month: i32): i32 {
  if (month == 2) return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

// Well-formed UTF-8: no overlong form, no surrogate, nothing above U+10FFFF.
function isUtf8(bytes: StaticArray<u8>, start: i32, end: i32): bool {
  let at = start;
  while (at < end) {
    const lead = bytes[at];
    let more = 0;
    let low: u8 = 0x80;
    let high: u8 = 0xbf;
    if (lead < 0x80) more = 0;
    else if (lead >= 0xc2 && lead <= 0xdf) more = 1;
    else if (lead >= 0xe0 && lead <= 0xef) {
      more = 2;
      if (lead == 0xe0) low = 0xa0;
      if (lead == 0xed) high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3;
      if (lead == 0xf0) low = 0x90;
      if (lead == 0xf4) high = 0x8f;
    } else return false;
    if (at + more >= end && more > 0) return false;
    for (let i = 1; i <= more; i++) {
      const c = bytes[at + i];
      if (i == 1 ? c < low || c > high : c < 0x80 || c > 0xbf) return false;
    }
    at += more + 1;
  }
  return true;
}
