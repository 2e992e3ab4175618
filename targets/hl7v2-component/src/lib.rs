//! HL7 v2 read by a component: `check` counts what is in a message and says what is wrong with it, `patient-name`
//! gives PID-5 as people write it. Delimiters are the message's own; escapes are decoded.

wit_bindgen::generate!({ world: "reader", path: "wit" });

struct Reader;

export!(Reader);

impl Guest for Reader {
    fn check(message: Vec<u8>) -> Result<Summary, Refusal> {
        let text = str::from_utf8(&message).map_err(|_| Refusal::Encoding)?;
        let delimiters = Delimiters::read(text).ok_or(Refusal::NoHeader)?;
        let mut summary = Summary { segments: 0, observations: 0, message_type: String::new() };
        for (at, segment) in segments(text).enumerate() {
            let name = segment.split(delimiters.field).next().unwrap_or_default();
            if name.len() != 3 || !name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) {
                return Err(Refusal::SegmentName(at as u32));
            }
            // MSH-2 holds the escape character itself.
            let body = if at == 0 { segment.splitn(3, delimiters.field).nth(2).unwrap_or_default() } else { segment };
            if body.split(delimiters.field).any(|field| delimiters.decode(field).is_none()) {
                return Err(Refusal::Escape(at as u32));
            }
            summary.segments += 1;
            summary.observations += u32::from(name == "OBX");
        }
        let header = segments(text).next().unwrap_or_default();
        let kind = header.split(delimiters.field).nth(8).unwrap_or_default();
        summary.message_type = kind.split(delimiters.component).take(2).collect::<Vec<_>>().join("^");
        Ok(summary)
    }

    fn patient_name(message: String) -> Option<String> {
        let delimiters = Delimiters::read(&message)?;
        let patient = segments(&message).find(|segment| segment.split(delimiters.field).next() == Some("PID"))?;
        let name = patient.split(delimiters.field).nth(5)?.split(delimiters.repetition).next()?;
        let mut parts = name.split(delimiters.component).map(|part| delimiters.decode(part));
        let family = parts.next()??;
        let given = parts.next().flatten().unwrap_or_default();
        let name = format!("{given} {family}").trim().to_owned();
        (!name.is_empty()).then_some(name)
    }
}

/// The characters that the message itself says it uses.
struct Delimiters {
    field: char,
    component: char,
    repetition: char,
    escape: char,
    subcomponent: char,
}

impl Delimiters {
    fn read(text: &str) -> Option<Self> {
        let mut characters = text.strip_prefix("MSH")?.chars();
        let mut next = || characters.next().filter(|c| c.is_ascii_punctuation());
        let [field, component, repetition, escape, subcomponent] = [next()?, next()?, next()?, next()?, next()?];
        let all = [field, component, repetition, escape, subcomponent];
        let distinct = all.iter().enumerate().all(|(at, c)| !all[..at].contains(c));
        distinct.then_some(Self { field, component, repetition, escape, subcomponent })
    }

    /// The text with its escapes replaced; nothing if one does not end or is none.
    fn decode(&self, text: &str) -> Option<String> {
        let mut pieces = text.split(self.escape);
        let mut decoded = pieces.next().unwrap_or_default().to_owned();
        while let Some(escape) = pieces.next() {
            match escape {
                "F" => decoded.push(self.field),
                "S" => decoded.push(self.component),
                "R" => decoded.push(self.repetition),
                "T" => decoded.push(self.subcomponent),
                "E" => decoded.push(self.escape),
                "H" | "N" => {}
                ".br" => decoded.push('\n'),
                _ => decoded.push_str(&hexadecimal(escape.strip_prefix('X')?)?),
            }
            // What stands after the closing escape character is text again.
            decoded.push_str(pieces.next()?);
        }
        Some(decoded)
    }
}

fn hexadecimal(digits: &str) -> Option<String> {
    if digits.is_empty() || !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    let bytes = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16));
    String::from_utf8(bytes.collect::<Result<_, _>>().ok()?).ok()
}

fn segments(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\r', '\n']).filter(|segment| !segment.is_empty())
}
