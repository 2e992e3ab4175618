//! A dose calculator as infusion software has it: a patient, a drug, doses over time, and what is left of them.
//!
//! One compartment, first-order elimination. Every export takes and gives numbers; a result below zero is a refusal
//! (see [`Refusal`]). The state is one patient's, and `reset` forgets it.

use std::cell::RefCell;

/// Doses that are remembered; older ones must be gone from the body before more are given.
const DOSES_MAX: usize = 32;
/// Minutes that a plan may cover: a week.
const MINUTES_MAX: i32 = 7 * 24 * 60;

/// Why a call was refused.
#[derive(Clone, Copy)]
enum Refusal {
    OutOfOrder = -1,
    OutOfRange = -2,
    DoseTooHigh = -3,
    TooManyDoses = -4,
}

#[derive(Clone, Copy)]
struct Drug {
    code: i32,
    /// Litres of distribution per kilogram.
    volume_l_per_kg: f64,
    half_life_min: f64,
    dose_mg_per_kg_max: f64,
    concentration_mg_per_l_max: f64,
}

// A table reads better as one.
#[rustfmt::skip]
const DRUGS: &[Drug] = &[
    Drug {
        code: 161,
        volume_l_per_kg: 0.95,
        half_life_min: 150.0,
        dose_mg_per_kg_max: 15.0,
        concentration_mg_per_l_max: 40.0,
    },
    Drug {
        code: 1596450,
        volume_l_per_kg: 0.25,
        half_life_min: 120.0,
        dose_mg_per_kg_max: 7.5,
        concentration_mg_per_l_max: 30.0,
    },
    Drug {
        code: 6130,
        volume_l_per_kg: 3.1,
        half_life_min: 180.0,
        dose_mg_per_kg_max: 4.5,
        concentration_mg_per_l_max: 2.0,
    },
    Drug {
        code: 11124,
        volume_l_per_kg: 0.7,
        half_life_min: 360.0,
        dose_mg_per_kg_max: 30.0,
        concentration_mg_per_l_max: 50.0,
    },
];

#[derive(Clone, Copy)]
struct Dose {
    at_min: i32,
    mg: f64,
}

#[derive(Default)]
struct Plan {
    weight_kg: f64,
    age_years: i32,
    drug: Option<Drug>,
    doses: Vec<Dose>,
    clearance_percent: i32,
}

thread_local! {
    static PLAN: RefCell<Plan> = RefCell::default();
}

fn with<T>(work: impl FnOnce(&mut Plan) -> T) -> T {
    PLAN.with_borrow_mut(work)
}

/// Forgets everything.
#[unsafe(no_mangle)]
pub extern "C" fn reset() {
    with(|plan| *plan = Plan::default());
}

/// Sets the patient; forgets drug and doses.
#[unsafe(no_mangle)]
pub extern "C" fn set_patient(weight_kg: f64, age_years: i32) -> i32 {
    with(|plan| {
        if !(0.4..=350.0).contains(&weight_kg) || !(0..=120).contains(&age_years) {
            return Refusal::OutOfRange as i32;
        }
        *plan = Plan { weight_kg, age_years, clearance_percent: 100, ..Plan::default() };
        0
    })
}

/// Kidney function in percent of normal: slows elimination down.
#[unsafe(no_mangle)]
pub extern "C" fn set_clearance(percent: i32) -> i32 {
    with(|plan| {
        if plan.weight_kg == 0.0 {
            return Refusal::OutOfOrder as i32;
        }
        if !(5..=200).contains(&percent) {
            return Refusal::OutOfRange as i32;
        }
        plan.clearance_percent = percent;
        0
    })
}

/// Chooses the drug by its code; forgets doses of another.
#[unsafe(no_mangle)]
pub extern "C" fn set_drug(code: i32) -> i32 {
    with(|plan| {
        if plan.weight_kg == 0.0 {
            return Refusal::OutOfOrder as i32;
        }
        let Some(drug) = DRUGS.iter().find(|drug| drug.code == code) else {
            return Refusal::OutOfRange as i32;
        };
        if plan.drug.is_none_or(|known| known.code != code) {
            plan.doses.clear();
        }
        plan.drug = Some(*drug);
        0
    })
}

/// Adds a dose of `mg` at `at_min` minutes; doses come in the order of time. Gives back the number of doses.
#[unsafe(no_mangle)]
pub extern "C" fn add_dose(mg: f64, at_min: i32) -> i32 {
    with(|plan| {
        let Some(drug) = plan.drug else {
            return Refusal::OutOfOrder as i32;
        };
        if !mg.is_finite() || mg <= 0.0 || !(0..=MINUTES_MAX).contains(&at_min) {
            return Refusal::OutOfRange as i32;
        }
        if plan.doses.last().is_some_and(|last| last.at_min > at_min) {
            return Refusal::OutOfOrder as i32;
        }
        if mg > drug.dose_mg_per_kg_max * plan.weight_kg * age_factor(plan.age_years) {
            return Refusal::DoseTooHigh as i32;
        }
        let after = plan.concentration(at_min) + mg / (drug.volume_l_per_kg * plan.weight_kg);
        if after > drug.concentration_mg_per_l_max {
            return Refusal::DoseTooHigh as i32;
        }
        if plan.doses.len() == DOSES_MAX {
            return Refusal::TooManyDoses as i32;
        }
        plan.doses.push(Dose { at_min, mg });
        plan.doses.len() as i32
    })
}

/// Concentration in mg/l at that minute; below zero: refused.
#[unsafe(no_mangle)]
pub extern "C" fn concentration_at(at_min: i32) -> f64 {
    with(|plan| {
        if plan.drug.is_none() {
            return f64::from(Refusal::OutOfOrder as i32);
        }
        if !(0..=MINUTES_MAX).contains(&at_min) {
            return f64::from(Refusal::OutOfRange as i32);
        }
        plan.concentration(at_min)
    })
}

/// First minute, not before `from_min`, at which a dose of `mg` would be allowed again; below zero: refused.
#[unsafe(no_mangle)]
pub extern "C" fn next_dose_at(mg: f64, from_min: i32) -> i32 {
    with(|plan| {
        let Some(drug) = plan.drug else {
            return Refusal::OutOfOrder as i32;
        };
        if !mg.is_finite() || mg <= 0.0 || !(0..=MINUTES_MAX).contains(&from_min) {
            return Refusal::OutOfRange as i32;
        }
        let room = drug.concentration_mg_per_l_max - mg / (drug.volume_l_per_kg * plan.weight_kg);
        if room < 0.0 {
            return Refusal::DoseTooHigh as i32;
        }
        // The concentration only falls after the last dose, so that halving the interval finds the minute.
        let from = from_min.max(plan.doses.last().map_or(0, |last| last.at_min));
        if plan.concentration(from) <= room {
            return from;
        }
        let (mut over, mut under) = (from, MINUTES_MAX);
        if plan.concentration(under) > room {
            return Refusal::OutOfRange as i32;
        }
        while under - over > 1 {
            let middle = over + (under - over) / 2;
            if plan.concentration(middle) > room { over = middle } else { under = middle }
        }
        under
    })
}

/// Millilitres per hour that give `mg_per_h` from a bag of `mg` in `ml`.
#[unsafe(no_mangle)]
pub extern "C" fn infusion_rate(mg_per_h: f32, mg: f32, ml: f32) -> f32 {
    let in_range = |value: f32, max: f32| value > 0.0 && value <= max;
    if !in_range(mg_per_h, 5_000.0) || !in_range(mg, 100_000.0) || !in_range(ml, 5_000.0) {
        return Refusal::OutOfRange as i32 as f32;
    }
    let rate = mg_per_h * ml / mg;
    if rate > 1_500.0 { Refusal::DoseTooHigh as i32 as f32 } else { rate }
}

impl Plan {
    fn concentration(&self, at_min: i32) -> f64 {
        let Some(drug) = self.drug else { return 0.0 };
        let half_life = drug.half_life_min * 100.0 / f64::from(self.clearance_percent);
        let litres = drug.volume_l_per_kg * self.weight_kg;
        let given = self.doses.iter().filter(|dose| dose.at_min <= at_min);
        given.map(|dose| dose.mg / litres * (-f64::from(at_min - dose.at_min) / half_life).exp2()).sum()
    }
}

/// Children and the old get less.
fn age_factor(years: i32) -> f64 {
    match years {
        0 => 0.5,
        1..=11 => 0.75,
        12..=74 => 1.0,
        _ => 0.8,
    }
}
