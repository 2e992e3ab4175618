//! Ways through the values of a tape, hooks included, always in the same order.

use super::{Hook, JsVal, Op};

/// The hook of a value that has one.
pub(super) fn hook_of(value: &JsVal) -> Option<&Hook> {
    match value {
        JsVal::ValueOf(hook, _) | JsVal::Proxy(hook, _) | JsVal::Callback(hook, _) | JsVal::Promise(hook, _) => {
            Some(hook)
        }
        _ => None,
    }
}

/// The same, to be changed.
pub(super) fn hook_of_mut(value: &mut JsVal) -> Option<&mut Hook> {
    match value {
        JsVal::ValueOf(hook, _) | JsVal::Proxy(hook, _) | JsVal::Callback(hook, _) | JsVal::Promise(hook, _) => {
            Some(hook)
        }
        _ => None,
    }
}

/// Every value of the operations, hooks included, outer ones first.
pub(super) fn visit(ops: &[Op], see: &mut dyn FnMut(&JsVal)) {
    for op in ops {
        match op {
            Op::Call { args, .. } => args.iter().for_each(|value| visit_value(value, see)),
            Op::Assign { value, .. } => visit_value(value, see),
            _ => {}
        }
    }
}

fn visit_value(value: &JsVal, see: &mut dyn FnMut(&JsVal)) {
    see(value);
    match value {
        JsVal::Array(items) | JsVal::ArrayLike { items, .. } => items.iter().for_each(|item| visit_value(item, see)),
        JsVal::Object(fields) => fields.iter().for_each(|(_, value)| visit_value(value, see)),
        JsVal::Getters(fields) => {
            fields.iter().flat_map(|(_, values)| values).for_each(|value| visit_value(value, see))
        }
        JsVal::ValueOf(hook, inner)
        | JsVal::Proxy(hook, inner)
        | JsVal::Callback(hook, inner)
        | JsVal::Promise(hook, inner) => {
            visit(&hook.ops, see);
            visit_value(inner, see);
        }
        _ => {}
    }
}

/// The sum of all values' weights.
pub(super) fn weight_of(ops: &[Op], weight: fn(&JsVal) -> u64) -> u64 {
    let mut all = 0;
    visit(ops, &mut |value| all += weight(value));
    all
}

/// The value in whose weight `at` falls, in the order of [`visit`].
pub(super) fn pick<'t>(ops: &'t mut [Op], at: &mut u64, weight: fn(&JsVal) -> u64) -> Option<&'t mut JsVal> {
    for op in ops {
        let found = match op {
            Op::Call { args, .. } => args.iter_mut().find_map(|value| pick_value(value, at, weight)),
            Op::Assign { value, .. } => pick_value(value, at, weight),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

fn pick_value<'t>(value: &'t mut JsVal, at: &mut u64, weight: fn(&JsVal) -> u64) -> Option<&'t mut JsVal> {
    let own = weight(value);
    if *at < own {
        return Some(value);
    }
    *at -= own;
    match value {
        JsVal::Array(items) | JsVal::ArrayLike { items, .. } => {
            items.iter_mut().find_map(|item| pick_value(item, at, weight))
        }
        JsVal::Object(fields) => fields.iter_mut().find_map(|(_, value)| pick_value(value, at, weight)),
        JsVal::Getters(fields) => {
            fields.iter_mut().flat_map(|(_, values)| values).find_map(|value| pick_value(value, at, weight))
        }
        JsVal::ValueOf(hook, inner)
        | JsVal::Proxy(hook, inner)
        | JsVal::Callback(hook, inner)
        | JsVal::Promise(hook, inner) => pick(&mut hook.ops, at, weight).or_else(|| pick_value(inner, at, weight)),
        _ => None,
    }
}

/// Slots from `from` on are other ones by that number.
pub(super) fn shift(ops: &mut [Op], from: usize, by: i32) {
    let moved = |slot: &mut u8| {
        if usize::from(*slot) >= from {
            *slot = (i32::from(*slot) + by).clamp(0, 255) as u8;
        }
    };
    if by == 0 {
        return;
    }
    for op in &mut *ops {
        if let Op::Free { slot } | Op::Await { slot } | Op::Assign { slot, .. } = op {
            moved(slot);
        }
    }
    let refs: fn(&JsVal) -> u64 = |value| u64::from(matches!(value, JsVal::Ref(_)));
    for at in 0..weight_of(ops, refs) {
        if let Some(JsVal::Ref(slot)) = pick(ops, &mut at.clone(), refs) {
            moved(slot);
        }
    }
}
