//! Tapes from nothing: calls that fit an API, with values that fit the declared types or, in wider profiles, do not.
//!
//! Nothing here knows a finding. What many findings have in common is likely: a call is followed by another one of the same
//! operation, objects are used after they were given back, whatever calls back calls what is being called.

use super::profile::{Index, gives, is_slot};
use super::values::{self, length, one, pointer, weigh};
use super::{Buffer, Element, HOOKS_MAX, Hook, JsVal, Op, Profile, Tape};
use crate::api::{Api, Kind, Operation, Param, Type};
use arbitrary::{Result, Unstructured};

/// What generation and mutation take contents from. Long ones are cut.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seeds {
    /// Texts, UTF-16 units.
    pub texts: Vec<Vec<u16>>,
    /// Bytes.
    pub bytes: Vec<Vec<u8>>,
    /// Words of a dictionary.
    pub words: Vec<Vec<u8>>,
    /// Numbers, as for instance constants of the module.
    pub numbers: Vec<i128>,
}

/// Makes tapes for an API.
#[derive(Debug, Clone)]
pub struct Generator<'a> {
    pub(super) index: Index<'a>,
    pub(super) profile: Profile,
    pub(super) seeds: &'a Seeds,
    /// Calls that return an object of a class: class, operations.
    makers: Vec<(&'a str, Vec<&'a Operation>)>,
    /// Operations that copy lists item by item: where most of what live objects can do happens.
    copying: Vec<&'a Operation>,
}

/// Bytes that a tape is drawn from; where they end, the rest is the simplest there is.
const RANDOM_BYTES: usize = 3 << 10;

/// What comes next: weight, for the reason beside it.
const STEPS: &[(Step, u32)] = &[
    (Step::Any, 50),
    // State between calls shows where the same is called again: stale memory, leaks, caches.
    (Step::Same, 18),
    // The same arguments but for what conversion may lose.
    (Step::Twin, 12),
    (Step::Free, 10),
    // Finalizers run late, on objects that were freed or are in use.
    (Step::Collect, 3),
    (Step::Await, 3),
    (Step::Assign, 6),
    // Views of memory that are kept between calls are detached.
    (Step::Grow, 2),
];

#[derive(Clone, Copy)]
enum Step {
    Any,
    Same,
    Twin,
    Free,
    Collect,
    Await,
    Assign,
    Grow,
}

/// A tape in the making.
pub(super) struct Draft<'a> {
    pub(super) ops: Vec<Op>,
    /// Declared types of what calls returned, and whether it was given back.
    pub(super) slots: Vec<(&'a Type, Freed)>,
    /// Hooks that may still nest.
    pub(super) hooks: usize,
    /// Operation that the values are for.
    pub(super) current: Option<&'a Operation>,
    /// Calls that are made to have objects, within each other.
    making: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Freed {
    Yes,
    No,
}

impl<'a> Draft<'a> {
    pub(super) fn new(ops: Vec<Op>, slots: Vec<&'a Type>) -> Self {
        let slots = slots.into_iter().map(|ty| (ty, Freed::No)).collect();
        Self { ops, slots, hooks: HOOKS_MAX, current: None, making: 0 }
    }

    fn types(&self) -> Vec<&'a Type> {
        self.slots.iter().map(|(ty, _)| *ty).collect()
    }
}

impl<'a> Generator<'a> {
    /// For that API; values from `seeds` beside those that are always worth giving.
    pub fn new(api: &'a Api, profile: Profile, seeds: &'a Seeds) -> Self {
        let mut makers: Vec<(&str, Vec<&Operation>)> = Vec::new();
        for operation in &api.operations {
            for class in classes_of(&operation.result) {
                match makers.iter_mut().find(|(known, _)| *known == class) {
                    Some((_, operations)) => operations.push(operation),
                    None => makers.push((class, vec![operation])),
                }
            }
        }
        // Constructors need no other object: what is out of bytes or deep takes the first.
        for (_, operations) in &mut makers {
            operations.sort_by_key(|operation| operation.kind != Kind::Constructor);
        }
        let is_list = |ty: &Type| matches!(ty, Type::Array(_) | Type::Bytes(_));
        let copies = |operation: &&Operation| operation.params.iter().any(|param| mentions(&param.ty, is_list));
        let copying = api.operations.iter().filter(copies).collect();
        Self { index: Index::new(api), profile, seeds, makers, copying }
    }

    /// The tape of a seed; the same for the same API, profile and seeds.
    pub fn tape(&self, seed: u64) -> Tape {
        let mut state = seed;
        let bytes: Vec<u8> = (0..RANDOM_BYTES / 8).flat_map(|_| split_mix(&mut state).to_le_bytes()).collect();
        // It only fails where a list to choose from is empty: then there is nothing to call.
        self.draw(&mut Unstructured::new(&bytes)).unwrap_or_default()
    }

    /// A tape from bytes that mean choices. It keeps the limits and belongs to the generator's profile.
    ///
    /// # Errors
    /// Where there is nothing to choose from: an API without operations.
    pub fn draw(&self, u: &mut Unstructured<'_>) -> Result<Tape> {
        let mut draft = Draft::new(Vec::new(), Vec::new());
        // Short ones mostly: they run fastest, and mutation makes them longer.
        let steps = 1 + weigh(u, &[20, 22, 18, 12, 9, 8, 6, 5])?;
        for _ in 0..steps {
            self.step(u, &mut draft)?;
        }
        let mut tape = Tape { ops: draft.ops };
        self.settle(u, &mut tape)?;
        Ok(tape)
    }

    /// Replaces arguments that are out of the profile, or drops calls, and drops what is behind the limits.
    pub(super) fn settle(&self, u: &mut Unstructured<'_>, tape: &mut Tape) -> Result<()> {
        if self.profile < Profile::Hostile && self.index.profile(tape) > self.profile {
            let mut draft = Draft::new(Vec::new(), Vec::new());
            for mut op in std::mem::take(&mut tape.ops) {
                let mut slots = draft.types();
                if let Op::Call { operation, args, .. } = &mut op
                    && let Some(operation) = self.index.operation(*operation)
                {
                    for (at, arg) in args.iter_mut().enumerate() {
                        if self.index.arg(Some(operation), at, arg, &slots) > self.profile
                            && let Some(param) = operation.params.get(at)
                        {
                            *arg = self.typed(u, &mut draft, &param.ty, Some(param), 0)?;
                            slots = draft.types();
                        }
                    }
                    for param in operation.params.iter().skip(args.len()).take_while(|param| !param.optional) {
                        args.push(self.typed(u, &mut draft, &param.ty, Some(param), 0)?);
                    }
                    slots = draft.types();
                }
                if self.index.op(&op, &mut slots) <= self.profile {
                    draft.ops.push(op);
                    draft.slots.extend(slots.split_off(draft.slots.len()).into_iter().map(|ty| (ty, Freed::No)));
                }
            }
            tape.ops = draft.ops;
            // What was put in may need an object that is not there.
            while !tape.ops.is_empty() && self.index.profile(tape) > self.profile {
                tape.ops.pop();
            }
        }
        while !tape.fits() {
            tape.ops.pop();
        }
        Ok(())
    }

    /// Appends an operation, and before it what it needs.
    pub(super) fn step(&self, u: &mut Unstructured<'_>, draft: &mut Draft<'a>) -> Result<()> {
        let weights: Vec<u32> = STEPS.iter().map(|(_, weight)| *weight).collect();
        let objects = !draft.slots.is_empty();
        let last = draft.ops.iter().rposition(|op| matches!(op, Op::Call { .. }));
        match (STEPS[weigh(u, &weights)?].0, last) {
            (Step::Same, Some(last)) => {
                let Op::Call { operation, .. } = draft.ops[last] else { return Ok(()) };
                let known = self.index.operation(operation);
                known.map_or(Ok(()), |operation| self.call(u, draft, operation))
            }
            (Step::Twin, Some(last)) => {
                let Op::Call { operation, this, args } = &draft.ops[last] else { return Ok(()) };
                let (operation, mut twin) =
                    (*operation, Op::Call { operation: *operation, this: *this, args: args.clone() });
                let Op::Call { args, .. } = &mut draft.ops[last] else { return Ok(()) };
                let Op::Call { args: others, .. } = &mut twin else { return Ok(()) };
                part(u, args, others)?;
                self.push(draft, twin, self.index.operation(operation));
                Ok(())
            }
            (Step::Free, _) if objects => self.free(u, draft),
            (Step::Collect, _) => {
                draft.ops.push(Op::Gc);
                Ok(())
            }
            (Step::Await, _) if draft.slots.iter().any(|(ty, _)| matches!(ty, Type::Promise(_))) => {
                let slot = self.slot(u, draft, |ty| matches!(ty, Type::Promise(_)))?;
                draft.ops.push(Op::Await { slot });
                Ok(())
            }
            (Step::Assign, _) if objects && self.profile >= Profile::Json => {
                let slot = self.slot(u, draft, |ty| matches!(ty, Type::Object(_)))?;
                // Mostly the field that the glue keeps its pointer in, whatever its name.
                let name = if u.ratio(3, 4)? { "" } else { one(u, values::PROPERTIES)? };
                let value = match weigh(u, &[3, 1])? {
                    0 => JsVal::Number(pointer(u)?),
                    _ => values::json(u, self.seeds, 2)?,
                };
                draft.ops.push(Op::Assign { slot, name: name.to_owned(), value });
                // Whether it is believed shows where the object is used.
                if u.ratio(3, 4)? { self.use_object(u, draft, slot) } else { Ok(()) }
            }
            (Step::Grow, _) => {
                draft.ops.push(Op::Grow { pages: u.int_in_range(1..=4)? });
                Ok(())
            }
            _ => self.any_call(u, draft),
        }
    }

    fn any_call(&self, u: &mut Unstructured<'_>, draft: &mut Draft<'a>) -> Result<()> {
        let copying = self.profile == Profile::Hostile && !self.copying.is_empty() && u.ratio(1, 4)?;
        let operation = if copying { *one(u, &self.copying)? } else { one(u, self.index.operations)? };
        self.call(u, draft, operation)
    }

    /// Gives an object back, maybe twice, or uses it afterwards.
    fn free(&self, u: &mut Unstructured<'_>, draft: &mut Draft<'a>) -> Result<()> {
        let slot = self.slot(u, draft, |ty| matches!(ty, Type::Object(_)))?;
        draft.ops.push(Op::Free { slot });
        draft.slots[usize::from(slot)].1 = Freed::Yes;
        match weigh(u, &[6, 2, 3])? {
            1 => draft.ops.push(Op::Free { slot }),
            2 => self.use_object(u, draft, slot)?,
            _ => {}
        }
        Ok(())
    }

    /// Calls a method of a slot's class, or an operation that takes such an object.
    fn use_object(&self, u: &mut Unstructured<'_>, draft: &mut Draft<'a>, slot: u8) -> Result<()> {
        let ty = draft.slots[usize::from(slot)].0;
        let Some(class) = classes_of(ty).first().copied() else { return Ok(()) };
        let takes = |operation: &&Operation| {
            on_object(operation) && operation.class.as_deref() == Some(class)
                || operation.params.iter().any(|param| classes_of(&param.ty).contains(&class))
        };
        let takers: Vec<&Operation> = self.index.operations.iter().filter(takes).collect();
        if takers.is_empty() {
            return Ok(());
        }
        let operation = *one(u, &takers)?;
        // Objects of the class before this one.
        let this =
            draft.slots[..usize::from(slot)].iter().filter(|(ty, _)| classes_of(ty).first() == Some(&class)).count();
        let mut args = self.args(u, draft, operation)?;
        for (param, arg) in operation.params.iter().zip(&mut args) {
            if classes_of(&param.ty).contains(&class) {
                *arg = JsVal::Ref(slot);
            }
        }
        self.push(draft, Op::Call { operation: operation.id, this: this as u8, args }, Some(operation));
        Ok(())
    }

    /// Appends a call, and before it calls that make what it needs.
    pub(super) fn call(&self, u: &mut Unstructured<'_>, draft: &mut Draft<'a>, operation: &'a Operation) -> Result<()> {
        if on_object(operation)
            && let Some(class) = operation.class.as_deref()
        {
            self.have(u, draft, class)?;
        }
        let args = self.args(u, draft, operation)?;
        // The first one is the oldest: used longest.
        let this = if on_object(operation) { weigh(u, &[6, 3, 1])? as u8 } else { 0 };
        self.push(draft, Op::Call { operation: operation.id, this, args }, Some(operation));
        Ok(())
    }

    fn push(&self, draft: &mut Draft<'a>, op: Op, operation: Option<&'a Operation>) {
        draft.ops.push(op);
        // What hooks return has no known slot.
        if let Some(operation) = operation.filter(|operation| is_slot(&operation.result) && draft.hooks == HOOKS_MAX) {
            draft.slots.push((&operation.result, Freed::No));
        }
    }

    /// Makes an object of the class where there is none.
    fn have(&self, u: &mut Unstructured<'_>, draft: &mut Draft<'a>, class: &str) -> Result<Option<u8>> {
        let is = |(ty, freed): &(&Type, Freed)| *freed == Freed::No && classes_of(ty).contains(&class);
        let there: Vec<u8> =
            (0..draft.slots.len().min(256)).filter(|at| is(&draft.slots[*at])).map(|at| at as u8).collect();
        let makers = self.makers.iter().find(|(known, _)| *known == class);
        let enough = draft.making >= 3 || draft.hooks < HOOKS_MAX;
        match makers {
            Some((_, makers)) if !enough && (there.is_empty() || u.ratio(1, 6)?) => {
                let maker = if there.is_empty() && u.ratio(2, 3)? { makers[0] } else { one(u, makers)? };
                draft.making += 1;
                let current = draft.current;
                self.call(u, draft, maker)?;
                draft.current = current;
                draft.making -= 1;
                Ok(draft.slots.len().checked_sub(1).and_then(|slot| u8::try_from(slot).ok()))
            }
            _ if there.is_empty() => Ok(None),
            _ => Ok(Some(*one(u, &there)?)),
        }
    }

    /// A slot whose type fits, else any.
    fn slot(&self, u: &mut Unstructured<'_>, draft: &Draft<'a>, fits: impl Fn(&Type) -> bool) -> Result<u8> {
        let all = draft.slots.len().min(256);
        let slots: Vec<u8> = (0..all).filter(|at| fits(draft.slots[*at].0)).map(|at| at as u8).collect();
        if slots.is_empty() { Ok(u.int_in_range(0..=all.max(1) - 1)? as u8) } else { Ok(*one(u, &slots)?) }
    }

    fn args(&self, u: &mut Unstructured<'_>, draft: &mut Draft<'a>, operation: &'a Operation) -> Result<Vec<JsVal>> {
        let mut args = Vec::with_capacity(operation.params.len());
        // Half of the calls of wide profiles keep to the types: they make the state that the others meet.
        let odd = match operation.params.len() {
            0 => None,
            params if self.profile > Profile::Typed && u.ratio(1, 2)? => Some(u.int_in_range(0..=params - 1)?),
            _ => None,
        };
        for (at, param) in operation.params.iter().enumerate() {
            draft.current = Some(operation);
            if param.optional && u.ratio(1, 4)? {
                // Left out, or said to be.
                if u.ratio(1, 2)? {
                    break;
                }
                args.push(JsVal::Undefined);
            } else if odd == Some(at) {
                args.push(self.odd(u, draft, Some(param))?);
            } else {
                args.push(self.typed(u, draft, &param.ty, Some(param), 0)?);
            }
        }
        Ok(args)
    }

    /// A value for a parameter that the profile allows, whatever its type.
    pub(super) fn odd(
        &self,
        u: &mut Unstructured<'_>,
        draft: &mut Draft<'a>,
        param: Option<&'a Param>,
    ) -> Result<JsVal> {
        match self.profile {
            Profile::Hostile if draft.hooks > 0 && u.ratio(2, 3)? => self.hostile(u, draft, param),
            Profile::Typed => match param {
                Some(param) => self.typed(u, draft, &param.ty, Some(param), 0),
                None => Ok(JsVal::Undefined),
            },
            _ => match param.map(|param| &param.ty) {
                // Right outside, wrong inside.
                Some(Type::Array(_)) if u.ratio(1, 3)? => Ok(JsVal::Array(vec![values::json(u, self.seeds, 2)?])),
                _ => values::json(u, self.seeds, 0),
            },
        }
    }

    /// A value of a type.
    pub(super) fn typed(
        &self,
        u: &mut Unstructured<'_>,
        draft: &mut Draft<'a>,
        ty: &'a Type,
        param: Option<&Param>,
        depth: usize,
    ) -> Result<JsVal> {
        if let Some(value) = values::plain(u, ty, param.and_then(|param| param.range.as_ref()), self.seeds)? {
            return Ok(value);
        }
        Ok(match ty {
            Type::Union(types) if !types.is_empty() => {
                // Deep types that contain themselves end with what is simplest.
                let ty = if depth > 4 { &types[0] } else { one(u, types)? };
                self.typed(u, draft, ty, param, depth + 1)?
            }
            Type::Array(item) => {
                let items = if depth > 2 { 0 } else { weigh(u, &[2, 6, 4, 3, 2, 1, 1, 1])? };
                let items = (0..items).map(|_| self.typed(u, draft, item, param, depth + 1));
                JsVal::Array(items.collect::<Result<_>>()?)
            }
            Type::Record(fields) => {
                let mut values = Vec::new();
                for (name, ty, optional) in fields {
                    if !*optional || (depth < 3 && u.ratio(2, 3)?) {
                        values.push((name.clone(), self.typed(u, draft, ty, None, depth + 1)?));
                    }
                }
                JsVal::Object(values)
            }
            Type::Object(class) => match self.have(u, draft, class)? {
                Some(slot) => JsVal::Ref(slot),
                None => JsVal::Ref(0),
            },
            Type::Function | Type::Promise(_) if draft.hooks == 0 => JsVal::Undefined,
            Type::Function => {
                let hook = self.hook(u, draft)?;
                JsVal::Callback(hook, Box::new(self.answer(u)?))
            }
            Type::Promise(ty) => {
                // A promise of the package's own, where there is one.
                let made = draft.slots.iter().take(256).position(|(known, _)| gives(known, &Type::Promise(ty.clone())));
                match made {
                    Some(slot) if u.ratio(1, 3)? => JsVal::Ref(slot as u8),
                    _ => {
                        let hook = Hook { throws: u.ratio(1, 6)?, ..Hook::default() };
                        JsVal::Promise(hook, Box::new(self.typed(u, draft, ty, None, depth + 1)?))
                    }
                }
            }
            // Anything: what JSON has, as it is what is given most.
            _ => values::json(u, self.seeds, depth)?,
        })
    }

    /// What a callback returns.
    fn answer(&self, u: &mut Unstructured<'_>) -> Result<JsVal> {
        Ok(match weigh(u, &[3, 3, 3, 1])? {
            0 => JsVal::Undefined,
            1 => JsVal::Number(values::number(u, None, self.seeds)?),
            2 => JsVal::Text(values::text(u, self.seeds)?),
            _ => values::json(u, self.seeds, 2)?,
        })
    }

    /// What happens while a value is looked at: mostly memory grows, or the same is called again.
    pub(super) fn hook(&self, u: &mut Unstructured<'_>, draft: &mut Draft<'a>) -> Result<Hook> {
        if draft.hooks == 0 {
            return Ok(Hook::default());
        }
        let outside = std::mem::take(&mut draft.ops);
        let (current, slots) = (draft.current, draft.slots.len());
        draft.hooks -= 1;
        let calls = weigh(u, &[4, 4, 2, 1])?;
        for _ in 0..calls {
            match current.filter(|operation| !on_object(operation)) {
                // What it is in the middle of, with the same buffers.
                Some(operation) if u.ratio(1, 2)? => self.call(u, draft, operation)?,
                _ if !draft.slots.is_empty() && u.ratio(1, 4)? => {
                    let slot = self.slot(u, draft, |ty| matches!(ty, Type::Object(_)))?;
                    draft.ops.push(Op::Free { slot });
                }
                _ => self.any_call(u, draft)?,
            }
        }
        draft.hooks += 1;
        draft.slots.truncate(slots);
        draft.current = current;
        let mut ops = std::mem::replace(&mut draft.ops, outside);
        // A call that would need what cannot be had in there.
        let types = draft.types();
        ops.retain(|op| self.index.op(op, &mut types.clone()) <= self.profile);
        let pages = weigh(u, &[40, 35, 10, 5, 10])? as u8;
        Ok(Hook { throws: u.ratio(1, 8)?, again: u.ratio(1, 6)?, pages, ops })
    }

    /// A live object where something simpler is expected.
    pub(super) fn hostile(
        &self,
        u: &mut Unstructured<'_>,
        draft: &mut Draft<'a>,
        param: Option<&'a Param>,
    ) -> Result<JsVal> {
        const DEAD: &Type = &Type::Any;
        let ty = param.map_or(DEAD, |param| &param.ty);
        // Lists first for parameters that are copied item by item, conversions for the others.
        let list = mentions(ty, |ty| matches!(ty, Type::Array(_) | Type::Bytes(_) | Type::Any));
        let duck = mentions(ty, |ty| matches!(ty, Type::String | Type::Any));
        let (lists, ducks) = (if list { 25 } else { 6 }, if duck { 25 } else { 5 });
        Ok(match weigh(u, &[lists, lists, ducks, 10, 10, 6, 4, 4, 4])? {
            // A list whose items call back while they are converted.
            0 => {
                let first = self.live(u, draft, JsVal::Number(65f64.to_bits()))?;
                let more = if u.ratio(1, 2)? { u.int_in_range(0..=12)? } else { u.int_in_range(0..=120)? };
                let item = JsVal::Number(f64::from(u.int_in_range(0..=255u8)?).to_bits());
                let mut items = vec![item; more];
                let at = if u.ratio(2, 3)? { 0 } else { u.int_in_range(0..=more)? };
                items.insert(at, first);
                JsVal::Array(items)
            }
            // A length that is another one when it is read again.
            1 => {
                let mut lengths = vec![(length(u, 64)? as f64).to_bits()];
                for _ in 0..u.int_in_range(0..=2)? {
                    lengths.push(match weigh(u, &[5, 2, 1])? {
                        0 => (length(u, 1 << 12)? as f64).to_bits(),
                        1 => 0,
                        _ => values::number(u, None, self.seeds)?,
                    });
                }
                let mut items = Vec::new();
                for _ in 0..u.int_in_range(0..=3)? {
                    items.push(JsVal::Number(f64::from(u.int_in_range(0..=255u8)?).to_bits()));
                }
                if u.ratio(1, 4)? {
                    items.insert(0, self.live(u, draft, JsVal::Number(65f64.to_bits()))?);
                }
                JsVal::ArrayLike { lengths, items }
            }
            2 => self.duck(u, draft)?,
            3 => {
                let inner = self.within(u, draft, param)?;
                self.live(u, draft, inner)?
            }
            4 => {
                let inner = self.within(u, draft, param)?;
                JsVal::Proxy(self.hook(u, draft)?, Box::new(inner))
            }
            5 => {
                let buffer = if u.ratio(1, 2)? { Buffer::Memory } else { Buffer::Detached };
                let element = *one(u, &Element::ALL)?;
                JsVal::Bytes { element, buffer, bytes: values::bytes(u, self.seeds)? }
            }
            6 => JsVal::Symbol,
            7 => {
                let hook = self.hook(u, draft)?;
                let value = Box::new(self.answer(u)?);
                if u.ratio(1, 2)? { JsVal::Callback(hook, value) } else { JsVal::Promise(hook, value) }
            }
            _ => match weigh(u, &[2, 1])? {
                0 => JsVal::Ref(u.int_in_range(0..=draft.slots.len().clamp(1, 256) - 1)? as u8),
                _ => JsVal::BigInt(values::bigint(u, None, self.seeds)?),
            },
        })
    }

    /// The value that a hostile object pretends to be.
    fn within(&self, u: &mut Unstructured<'_>, draft: &mut Draft<'a>, param: Option<&'a Param>) -> Result<JsVal> {
        match param {
            // Objects of the package within are made before the call that looks at them.
            Some(param) => self.typed(u, draft, &param.ty, Some(param), 2),
            None => values::json(u, self.seeds, 2),
        }
    }

    /// Converted to a primitive, it runs a hook.
    fn live(&self, u: &mut Unstructured<'_>, draft: &mut Draft<'a>, value: JsVal) -> Result<JsVal> {
        Ok(JsVal::ValueOf(self.hook(u, draft)?, Box::new(value)))
    }

    /// What has the properties and methods that code for texts uses, and lies.
    fn duck(&self, u: &mut Unstructured<'_>, draft: &mut Draft<'a>) -> Result<JsVal> {
        let seeds = self.seeds;
        let mut fields: Vec<(String, Vec<JsVal>)> = Vec::new();
        let mut lengths = Vec::new();
        for _ in 0..u.int_in_range(1..=2)? {
            lengths.push(JsVal::Number((length(u, 4096)? as f64).to_bits()));
        }
        fields.push(("length".to_owned(), lengths));
        for name in ["charCodeAt", "slice", "codePointAt", "toString"] {
            if u.ratio(3, 5)? {
                let hook = if u.ratio(1, 3)? { self.hook(u, draft)? } else { Hook::default() };
                let value = match name {
                    "charCodeAt" | "codePointAt" => {
                        JsVal::Number(match weigh(u, &[3, 1, 1])? {
                            // A unit that is no ASCII stops the fast path; one that is none at all is kept as a byte.
                            0 => f64::from(u.int_in_range(-300..=300i32)?).to_bits(),
                            1 => f64::from(u.int_in_range(b'A'..=b'z')?).to_bits(),
                            _ => values::number(u, None, seeds)?,
                        })
                    }
                    _ if u.ratio(1, 4)? => values::json(u, seeds, 2)?,
                    _ => JsVal::Text(values::text(u, seeds)?),
                };
                fields.push((name.to_owned(), vec![JsVal::Callback(hook, Box::new(value))]));
            }
        }
        // Plain properties where nothing changes from one reading to the next.
        if u.ratio(1, 2)? {
            let last = |(name, mut values): (String, Vec<JsVal>)| values.pop().map(|value| (name, value));
            return Ok(JsVal::Object(fields.into_iter().filter_map(last).collect()));
        }
        Ok(JsVal::Getters(fields))
    }
}

/// Makes two lists of arguments differ in nothing but halves of surrogate pairs, where they hold a text.
fn part(u: &mut Unstructured<'_>, args: &mut [JsVal], others: &mut [JsVal]) -> Result<()> {
    let texts =
        args.iter().zip(others.iter()).position(|pair| matches!(pair, (JsVal::Text(a), JsVal::Text(b)) if a == b));
    let Some(at) = texts else { return Ok(()) };
    if let (JsVal::Text(text), JsVal::Text(other)) = (&mut args[at], &mut others[at]) {
        let place = match text.iter().position(|unit| (0xd800..0xe000).contains(unit)) {
            Some(place) => place,
            None => {
                let place = u.int_in_range(0..=text.len())?;
                text.insert(place, 0xd800);
                other.insert(place, 0xd800);
                place
            }
        };
        other[place] = 0xd800 + u.int_in_range(0..=0x7ffu16)?;
    }
    Ok(())
}

/// Whether it is called on an object.
pub(super) fn on_object(operation: &Operation) -> bool {
    matches!(operation.kind, Kind::Method | Kind::Getter | Kind::Setter)
}

/// Classes of the package that a type names: itself, or in a union.
pub(super) fn classes_of(ty: &Type) -> Vec<&str> {
    match ty {
        Type::Object(class) => vec![class],
        Type::Union(types) => types.iter().flat_map(classes_of).collect(),
        _ => Vec::new(),
    }
}

fn mentions(ty: &Type, is: fn(&Type) -> bool) -> bool {
    is(ty) || matches!(ty, Type::Union(types) if types.iter().any(|ty| mentions(ty, is)))
}

/// Sebastiano Vigna's SplitMix64.
pub(super) fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{api, seeds};
    use super::super::{CANARY, Tape};
    use super::*;

    #[test]
    fn tapes_fit_and_keep_to_their_profile() {
        let (api, seeds) = (api(), seeds());
        for profile in Profile::ALL {
            let generator = Generator::new(&api, profile, &seeds);
            let mut reached = 0;
            for seed in 0..4000 {
                let tape = generator.tape(seed);
                assert!(tape.fits() && tape.profile(&api) <= profile, "seed {seed}: {tape:?}");
                reached += usize::from(tape.profile(&api) == profile);
                assert_eq!(generator.tape(seed), tape);
            }
            assert!(reached > 1000, "{profile:?}: only {reached} of 4000 tapes are not of a smaller profile");
        }
    }

    #[test]
    fn every_operation_is_called_and_nothing_is_there_without_any() {
        let (api, seeds) = (api(), seeds());
        let generator = Generator::new(&api, Profile::Typed, &seeds);
        let tapes: Vec<Tape> = (0..300).map(|seed| generator.tape(seed)).collect();
        for operation in &api.operations {
            let calls = |op: &Op| matches!(op, Op::Call { operation: id, .. } if *id == operation.id);
            assert!(tapes.iter().any(|tape| tape.ops.iter().any(calls)), "{} is never called", operation.name);
        }
        assert_eq!(Generator::new(&Api::default(), Profile::Hostile, &seeds).tape(1), Tape::default());
    }

    /// What findings are made of, and how often it is there: of 4,000 tapes of the widest profile.
    #[test]
    fn what_findings_are_made_of_is_not_rare() {
        let (api, seeds) = (api(), seeds());
        let generator = Generator::new(&api, Profile::Hostile, &seeds);
        let tapes: Vec<Tape> = (0..4000).map(|seed| generator.tape(seed)).collect();
        let shown = |tape: &Tape| format!("{:?}", tape.ops);
        let id_of = |op: &Op| if let Op::Call { operation, .. } = op { Some(*operation) } else { None };
        let reenters = |op: &Op| {
            let text = format!("{op:?}");
            let own = id_of(op).map(|id| format!("operation: {id},"));
            own.is_some_and(|own| text.matches(&own).count() > 1) && text.contains("pages: 1")
        };
        let freed = |tape: &Tape, then: fn(&Op, u8) -> bool| {
            tape.ops.iter().enumerate().any(|(at, op)| match op {
                Op::Free { slot } => tape.ops[at + 1..].iter().any(|op| then(op, *slot)),
                _ => false,
            })
        };
        let canary = format!("{CANARY}");
        let table: [(&str, usize, &dyn Fn(&Tape) -> bool); 8] = [
            ("canaries", 1500, &|tape| shown(tape).contains(&canary)),
            ("a call that is made again while memory grows, after one of it", 15, &|tape| {
                tape.ops
                    .iter()
                    .enumerate()
                    .any(|(at, op)| reenters(op) && tape.ops[..at].iter().any(|before| id_of(before) == id_of(op)))
            }),
            ("freed twice", 30, &|tape| {
                freed(tape, |op, slot| matches!(op, Op::Free { slot: again } if *again == slot))
            }),
            ("used after it was freed", 30, &|tape| {
                freed(tape, |op, slot| matches!(op, Op::Call { args, .. } if args.contains(&JsVal::Ref(slot))))
            }),
            ("lying lengths", 100, &|tape| {
                let lies = |text: &str| {
                    text.split("lengths: [")
                        .skip(1)
                        .any(|rest| rest.split(']').next().is_some_and(|list| list.contains(',')))
                };
                lies(&shown(tape))
            }),
            ("huge lengths in parsed JSON", 60, &|tape| {
                tape.ops.iter().any(|op| {
                    let Op::Call { args, .. } = op else { return false };
                    args.iter().any(|arg| match arg {
                        JsVal::Object(fields) => fields.iter().any(|(name, value)| {
                            name == "length" && matches!(value, JsVal::Number(bits) if f64::from_bits(*bits) > 1e6)
                        }),
                        _ => false,
                    })
                })
            }),
            ("texts that differ in half a surrogate pair", 60, &|tape| {
                tape.ops.windows(2).any(|pair| match pair {
                    [Op::Call { operation, args, .. }, Op::Call { operation: same, args: others, .. }] => {
                        operation == same
                            && args != others
                            && args.iter().zip(others).any(|texts| match texts {
                                (JsVal::Text(a), JsVal::Text(b)) => {
                                    let differ = |(a, b): &(&u16, &u16)| a != b;
                                    let half = |(a, b): (&u16, &u16)| {
                                        [a, b].iter().all(|unit| (0xd800..0xe000).contains(*unit))
                                    };
                                    a.len() == b.len() && a != b && a.iter().zip(b).filter(differ).all(half)
                                }
                                _ => false,
                            })
                    }
                    _ => false,
                })
            }),
            ("pointers overwritten before a use", 40, &|tape| {
                let ops = &tape.ops;
                ops.iter()
                    .enumerate()
                    .any(|(at, op)| matches!(op, Op::Assign { name, .. } if name.is_empty()) && at + 1 < ops.len())
            }),
        ];
        for (what, at_least, is) in table {
            let count = tapes.iter().filter(|tape| is(tape)).count();
            assert!(count >= at_least, "{what}: {count} of 4000 tapes");
        }
    }
}
