//! Who gets how much of one subscriber's line: a pure function.
//!
//! Fixed order: sound first (not asked here: it is reserved), then a base for every picture by rank,
//! then more for each by rank: the content's before the lead's before the small ones'. Frame rate goes
//! before resolution: between two layers stands the higher one with half its pictures.
//!
//! Two budgets. What flows already may use the estimate of now and a little more, so that a wobble
//! costs nobody a layer; what is new must fit the least of the last seconds. The content's base may lie
//! a fifth above the estimate: a black board is worse than a late one.

use crate::media::command::{ALL_TEMPORAL as ALL, Rank};
use crate::media::source::MAX_LAYERS;

/// Every second picture, where an encoder makes three temporal layers.
const HALF: u8 = 1;
/// The base temporal layer alone.
const QUARTER: u8 = 0;

/// One way to send a picture, and what it costs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Step {
    pub layer: u8,
    /// Highest temporal layer.
    pub temporal: u8,
    /// Bits per second.
    pub rate: f64,
}

/// The ways of one source, cheapest first; at most two a layer and one more.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ladder {
    steps: [Step; 2 * MAX_LAYERS + 1],
    count: usize,
}

impl Ladder {
    /// `rate(layer, temporal)` is what a layer costs up to a temporal layer, `None`: there is no such
    /// layer. Only layers up to `max`.
    #[must_use]
    pub fn new(max: u8, rate: impl Fn(u8, u8) -> Option<f64>) -> Self {
        let mut this = Self::default();
        for layer in (0..MAX_LAYERS as u8).filter(|l| *l <= max) {
            let Some(all) = rate(layer, ALL) else {
                continue;
            };
            // The smallest picture goes down to a quarter of its pictures; the others to a half.
            let lower: &[u8] = if this.count == 0 { &[QUARTER, HALF] } else { &[HALF] };
            for temporal in lower {
                // A stream without temporal layers costs all, whatever is asked for.
                let part = rate(layer, *temporal).unwrap_or(all);
                if part < all * 0.9 {
                    this.push(Step { layer, temporal: *temporal, rate: part });
                }
            }
            this.push(Step { layer, temporal: ALL, rate: all });
        }
        this
    }

    /// What costs more than a better way is none.
    fn push(&mut self, step: Step) {
        while self.count > 0 && self.steps[self.count - 1].rate >= step.rate {
            self.count -= 1;
        }
        self.steps[self.count] = step;
        self.count += 1;
    }

    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps[..self.count]
    }
}

/// One slot that shows something.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    pub slot: u8,
    pub rank: Rank,
    pub ladder: Ladder,
    /// (layer, temporal) that it was given last time; `None`: nothing.
    pub has: Option<(u8, u8)>,
    /// Nothing is given before it was paused for a while.
    pub barred: bool,
    /// It was given up a moment ago: its base gets nothing above the estimate.
    pub held: bool,
    /// The result: a place on the ladder. `None`: paused.
    pub given: Option<usize>,
}

impl Demand {
    #[must_use]
    pub fn step(&self) -> Option<Step> {
        Some(self.ladder.steps()[self.given?])
    }

    /// Whether a step is at most what flows already.
    fn flows(&self, step: &Step) -> bool {
        self.has.is_some_and(|has| (step.layer, step.temporal) <= has)
    }
}

/// What there is to give, bits per second, sound already taken off.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// The estimate of now.
    pub now: f64,
    /// The least of the last seconds.
    pub proven: f64,
    /// Nothing but a base is given anew: what was given before had to be taken back.
    pub held: bool,
    /// More was sent than the line carries: nothing goes above the estimate.
    pub overused: bool,
}

/// What flows may wobble so far above the estimate.
const WOBBLE: f64 = 1.1;
/// The content's base.
const NEVER_BLACK: f64 = 1.2;
/// What is new leaves some air.
const NEW: f64 = 0.95;

/// Gives each demand its place. `demands` must be sorted by rank; afterwards `given` is set in each.
pub fn allocate(budget: Budget, demands: &mut [Demand]) {
    let mut spent = 0.0;
    let limit = |demand: &Demand, step: &Step, base: bool| {
        let content = demand.rank == Rank::Content && base;
        let bigger = demand.ladder.steps().first().is_some_and(|b| step.layer > b.layer);
        if budget.held && bigger && !demand.flows(step) {
            return 0.0;
        }
        match (budget.overused, content, demand.flows(step)) {
            // The pacer sees to it that it does not overfill the line; taken away it would cost a key
            // frame to come back.
            (_, _, true) if base && demand.held => budget.now,
            (_, _, true) if base && demand.rank != Rank::Small => budget.now * NEVER_BLACK,
            (true, _, true) => budget.now,
            (true, _, false) => budget.now.min(budget.proven) * NEW,
            (false, true, _) => budget.now * NEVER_BLACK,
            (false, false, true) => budget.now * WOBBLE,
            (false, false, false) => budget.proven.min(budget.now) * NEW,
        }
    };
    for demand in demands.iter_mut() {
        demand.given = None;
        let Some(base) = demand.ladder.steps().first() else {
            continue;
        };
        if !demand.barred && spent + base.rate <= limit(demand, base, true) {
            demand.given = Some(0);
            spent += base.rate;
        }
    }
    for demand in demands.iter_mut() {
        let Some(base) = demand.given else {
            continue;
        };
        let steps = demand.ladder.steps();
        let before = spent - steps[base].rate;
        let fits = |(_, step): &(usize, &Step)| before + step.rate <= limit(demand, step, false);
        if let Some((place, step)) = steps.iter().enumerate().skip(1).rev().find(fits) {
            demand.given = Some(place);
            spent = before + step.rate;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(max: u8) -> Ladder {
        let rates = [150_000.0, 500_000.0, 1_500_000.0];
        Ladder::new(max, |layer, temporal| {
            let part = [0.4, 0.6, 1.0, 1.0][usize::from(temporal)];
            Some(rates[usize::from(layer)] * part)
        })
    }

    fn content() -> Ladder {
        let rates = [120_000.0, 1_000_000.0];
        Ladder::new(2, |layer, _| rates.get(usize::from(layer)).copied())
    }

    fn demand(slot: u8, rank: Rank, ladder: Ladder, has: Option<(u8, u8)>) -> Demand {
        Demand { slot, rank, ladder, has, barred: false, held: false, given: None }
    }

    fn lesson(kbps: f64, overused: bool, has: [Option<(u8, u8)>; 3]) -> Vec<Option<(u8, u8)>> {
        let mut demands = [
            demand(0, Rank::Content, content(), has[0]),
            demand(1, Rank::Lead, camera(2), has[1]),
            demand(2, Rank::Small, camera(0), has[2]),
        ];
        let now = kbps * 1_000.0;
        allocate(Budget { now, proven: now, held: false, overused }, &mut demands);
        demands.iter().map(|d| d.step().map(|s| (s.layer, s.temporal))).collect()
    }

    #[test]
    fn a_ladder_halves_pictures_before_it_shrinks_them() {
        let steps: Vec<(u8, u8)> = camera(2).steps().iter().map(|s| (s.layer, s.temporal)).collect();
        assert_eq!(steps, [(0, 0), (0, 1), (0, 3), (1, 1), (1, 3), (2, 1), (2, 3)]);
        let steps: Vec<(u8, u8)> = content().steps().iter().map(|s| (s.layer, s.temporal)).collect();
        assert_eq!(steps, [(0, 3), (1, 3)], "without temporal layers there is nothing to halve");
        // A larger picture that costs less makes the smaller one useless.
        let odd = Ladder::new(2, |layer, _| Some([300_000.0, 200_000.0, 900_000.0][usize::from(layer)]));
        assert_eq!(odd.steps().iter().map(|s| s.layer).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(camera(1).steps().len(), 5);
    }

    #[test]
    fn the_order_is_content_lead_small_and_base_before_more() {
        let new = [None; 3];
        assert_eq!(lesson(50.0, false, new), [None, None, None]);
        assert_eq!(lesson(110.0, false, new), [Some((0, 3)), None, None], "never black");
        assert_eq!(lesson(200.0, false, new), [Some((0, 3)), Some((0, 0)), None]);
        assert_eq!(lesson(300.0, false, new), [Some((0, 3)), Some((0, 1)), Some((0, 0))]);
        assert_eq!(lesson(1_500.0, false, new), [Some((1, 3)), Some((1, 1)), Some((0, 1))]);
        assert_eq!(lesson(3_000.0, false, new), [Some((1, 3)), Some((2, 3)), Some((0, 3))]);
    }

    #[test]
    fn what_flows_stays_in_a_wobble_and_not_in_overuse() {
        let all = [Some((1, 3)), Some((2, 3)), Some((0, 3))];
        assert_eq!(lesson(2_500.0, false, all), all, "2650 kbit/s are within a tenth");
        assert_eq!(lesson(2_500.0, true, all), [Some((1, 3)), Some((2, 1)), Some((0, 3))]);
        let tight = [Some((0, 3)), None, None];
        assert_eq!(lesson(110.0, true, all), tight, "in overuse only what never may be black goes above");
    }

    #[test]
    fn what_was_given_up_gets_nothing_above_the_estimate() {
        let budget = |now: f64| Budget { now, proven: now, held: false, overused: true };
        let given = |held: bool, now: f64| {
            let mut d = [Demand { held, ..demand(0, Rank::Lead, camera(0), Some((0, 0))) }];
            allocate(budget(now), &mut d);
            d[0].given
        };
        assert_eq!((given(false, 55_000.0), given(true, 55_000.0)), (Some(0), None));
        assert_eq!(given(true, 61_000.0), Some(0));
    }

    #[test]
    fn what_is_new_has_to_fit_the_least_of_late() {
        let mut d = [demand(0, Rank::Lead, camera(2), Some((1, 3)))];
        allocate(Budget { now: 2_000_000.0, proven: 600_000.0, held: false, overused: false }, &mut d);
        assert_eq!(d[0].step().map(|s| (s.layer, s.temporal)), Some((1, 3)));
        allocate(Budget { now: 2_000_000.0, proven: 1_600_000.0, held: true, overused: false }, &mut d);
        assert_eq!(d[0].step().map(|s| (s.layer, s.temporal)), Some((1, 3)), "not so soon again");
        allocate(Budget { now: 2_000_000.0, proven: 1_600_000.0, held: false, overused: false }, &mut d);
        assert_eq!(d[0].step().map(|s| (s.layer, s.temporal)), Some((2, 3)));
    }
}
