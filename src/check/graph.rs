//! The order of a list of steps in one mode: who waits for whom, the defaults put in.
//!
//! Nodes are positions in the list. Every step is a node, also one that is skipped or left out:
//! order holds through it, since it counts as done only when its own needs are. A graph exists
//! only without cycles. A need on a name that the list does not hold is no edge (`order` tells).

use crate::{
    clock::Span,
    ids::StepId,
    model::{Direction, Mode},
    runbook::{RunWord, Step},
};
use std::collections::{BTreeMap, VecDeque};

/// Who waits for whom.
#[derive(Clone, Debug)]
pub struct Graph {
    needs: Vec<Needs>,
    /// Fewer needs with the same meaning, so that a long list does not cost its square.
    edges: Vec<Vec<usize>>,
    left_out: Vec<bool>,
    order: Vec<usize>,
    ancestors: Vec<Bits>,
}

/// Steps that wait for each other, each for the next and the last for the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// Their positions in the list.
    pub steps: Vec<usize>,
}

#[derive(Clone, Debug)]
enum Needs {
    /// Every step above in the list.
    Above,
    Of(Vec<usize>),
}

impl Graph {
    /// The order of a list in a direction and a mode, or every knot of steps that wait for each other.
    pub fn of(steps: &[Step], direction: Direction, mode: Mode) -> Result<Self, Vec<Cycle>> {
        let at: BTreeMap<&StepId, usize> = steps.iter().enumerate().map(|(i, s)| (&s.id, i)).collect();
        let needs: Vec<_> = steps
            .iter()
            .map(|s| match &s.spec(mode).needs {
                None => Needs::Above,
                Some(names) => Needs::Of(names.iter().filter_map(|name| at.get(name).copied()).collect()),
            })
            .collect();
        let left_out = steps.iter().map(|s| is_left_out(s, direction, mode)).collect();
        let mut graph = Self { edges: edges(&needs), needs, left_out, order: vec![], ancestors: vec![] };
        let knots = graph.components();
        let cycles: Vec<_> = knots.iter().filter_map(|knot| graph.cycle(knot)).collect();
        if !cycles.is_empty() {
            return Err(cycles);
        }
        graph.order = knots.into_iter().flatten().collect();
        graph.ancestors = graph.closure();
        Ok(graph)
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.needs.len()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.needs.is_empty()
    }
    /// What a step waits for directly, as written; by default every step above it.
    pub fn needs(&self, step: usize) -> impl Iterator<Item = usize> + '_ {
        let (above, named) = match &self.needs[step] {
            Needs::Above => (0..step, &[][..]),
            Needs::Of(named) => (0..0, &named[..]),
        };
        above.chain(named.iter().copied())
    }
    /// What a step waits for, in as few steps as mean the same.
    pub fn waits_for(&self, step: usize) -> &[usize] {
        &self.edges[step]
    }
    /// All steps, each after everything it needs; otherwise as in the file.
    pub fn order(&self) -> &[usize] {
        &self.order
    }
    /// Whether `step` surely starts after `earlier` is done, or left out with its needs done.
    pub fn is_before(&self, earlier: usize, step: usize) -> bool {
        self.ancestors[step].has(earlier)
    }
    /// Every step that is before this one, in the order of the file.
    pub fn ancestors(&self, step: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).filter(move |i| self.is_before(*i, step))
    }
    /// Whether the step's word or its `only` leaves it out, whatever its `when` says.
    pub fn is_left_out(&self, step: usize) -> bool {
        self.left_out[step]
    }

    /// For each step the round in which it can start at the earliest, from 1. A step that is left
    /// out takes no round of its own: what needs it starts in the round it would have had.
    pub fn waves(&self) -> Vec<u32> {
        let mut waves = vec![1; self.len()];
        for &i in &self.order {
            let after = |n: &usize| waves[*n] + u32::from(!self.left_out[*n]);
            waves[i] = self.edges[i].iter().map(after).max().unwrap_or(1);
        }
        waves
    }

    /// The longest chain of needs that ends with `end`, or anywhere, and its length; steps without
    /// length are not named.
    pub fn longest_path(&self, end: Option<usize>, length: impl Fn(usize) -> Span) -> (Vec<usize>, Span) {
        longest_path(&self.order, &self.edges, end, length)
    }

    /// Tarjan's strongly connected components, each after those it needs; steps in file order
    /// wherever needs allow. Without recursion, since a list may be long.
    fn components(&self) -> Vec<Vec<usize>> {
        let n = self.len();
        let (mut found, mut index, mut low) = (vec![], vec![0_usize; n], vec![0_usize; n]);
        let (mut open, mut is_open, mut count) = (vec![], vec![false; n], 0);
        for root in 0..n {
            let mut path = if index[root] == 0 { vec![(root, 0)] } else { vec![] };
            while let Some((i, next)) = path.pop() {
                if next == 0 {
                    count += 1;
                    (index[i], low[i], is_open[i]) = (count, count, true);
                    open.push(i);
                } else {
                    low[i] = low[i].min(low[self.edges[i][next - 1]]);
                }
                let rest = self.edges[i].iter().enumerate().skip(next);
                let mut deeper = None;
                for (k, &need) in rest {
                    if index[need] == 0 {
                        deeper = Some((k, need));
                        break;
                    }
                    if is_open[need] {
                        low[i] = low[i].min(index[need]);
                    }
                }
                if let Some((k, need)) = deeper {
                    path.extend([(i, k + 1), (need, 0)]);
                } else if low[i] == index[i] {
                    let from = open.iter().rposition(|&o| o == i).expect("a step stays open until its component ends");
                    let mut component = open.split_off(from);
                    for &o in &component {
                        is_open[o] = false;
                    }
                    component.sort_unstable();
                    found.push(component);
                }
            }
        }
        found
    }

    /// The shortest way round in a component, from its first step; none where there is none.
    fn cycle(&self, component: &[usize]) -> Option<Cycle> {
        let start = component[0];
        let (mut came_from, mut queue) = (BTreeMap::new(), VecDeque::from([start]));
        while let Some(i) = queue.pop_front() {
            for need in self.needs(i).filter(|n| component.binary_search(n).is_ok()) {
                if need == start {
                    let mut steps: Vec<_> = std::iter::successors(Some(i), |s| came_from.get(s).copied()).collect();
                    steps.reverse();
                    return Some(Cycle { steps });
                }
                came_from.entry(need).or_insert_with(|| {
                    queue.push_back(need);
                    i
                });
            }
        }
        None
    }

    /// For each step everything before it.
    fn closure(&self) -> Vec<Bits> {
        let mut all = vec![Bits::default(); self.len()];
        for &i in &self.order {
            let mut before = Bits::new(self.len());
            for &need in &self.edges[i] {
                before.add(need);
                before.add_all(&all[need]);
            }
            all[i] = before;
        }
        all
    }
}

/// Whether a step's word or its `only` leaves it out.
pub fn is_left_out(step: &Step, direction: Direction, mode: Mode) -> bool {
    let spec = step.spec(mode);
    spec.run == RunWord::Skip || spec.only.is_some_and(|only| only.leaves_out(direction))
}

/// A step that waits for all above needs only the nearest one above that does so too, and those
/// between: the rest follows.
fn edges(needs: &[Needs]) -> Vec<Vec<usize>> {
    let mut nearest = 0;
    let reduce = |(i, needs): (usize, &Needs)| match needs {
        Needs::Of(named) => named.clone(),
        Needs::Above => (std::mem::replace(&mut nearest, i)..i).collect(),
    };
    needs.iter().enumerate().map(reduce).collect()
}

/// A set of positions.
#[derive(Clone, Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn new(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)])
    }
    fn add(&mut self, i: usize) {
        self.0[i / 64] |= 1 << (i % 64);
    }
    fn add_all(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }
    fn has(&self, i: usize) -> bool {
        self.0.get(i / 64).is_some_and(|word| word >> (i % 64) & 1 == 1)
    }
}

/// See [`Graph::longest_path`]: of steps with these needs, in an order that respects them.
pub fn longest_path(
    order: &[usize],
    needs: &[Vec<usize>],
    end: Option<usize>,
    length: impl Fn(usize) -> Span,
) -> (Vec<usize>, Span) {
    let (mut far, mut via) = (vec![Span::ZERO; needs.len()], vec![None; needs.len()]);
    for &i in order {
        // Of equals the first in the file.
        via[i] = needs[i].iter().copied().rev().max_by_key(|n| far[*n]);
        far[i] = length(i) + via[i].map_or(Span::ZERO, |n| far[n]);
    }
    let Some(end) = end.or_else(|| (0..needs.len()).rev().max_by_key(|i| far[*i])) else {
        return (vec![], Span::ZERO);
    };
    let mut path: Vec<_> = std::iter::successors(Some(end), |i| via[*i]).collect();
    path.reverse();
    path.retain(|i| length(*i) > Span::ZERO);
    (path, far[end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnostic::Path,
        runbook::{Only, Spec},
    };
    use proptest::prelude::*;

    fn step(i: usize, needs: Option<&[usize]>) -> Step {
        let name = |i: &usize| StepId::new(format!("s{i}"));
        let needs = needs.map(|needs| needs.iter().map(name).collect());
        let spec = Spec { needs, ..Spec::default() };
        Step { id: name(&i), path: Path::root().index(i), planned: spec.clone(), emergency: spec }
    }

    fn steps(needs: &[Option<&[usize]>]) -> Vec<Step> {
        needs.iter().enumerate().map(|(i, needs)| step(i, *needs)).collect()
    }

    fn graph(needs: &[Option<&[usize]>]) -> Result<Graph, Vec<Cycle>> {
        Graph::of(&steps(needs), Direction::Failover, Mode::Planned)
    }

    #[test]
    fn without_needs_steps_run_one_after_the_other() {
        let graph = graph(&[None, None, None]).unwrap();
        assert_eq!(graph.order(), [0, 1, 2]);
        assert_eq!(graph.waves(), [1, 2, 3]);
        assert_eq!(graph.needs(2).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn a_step_may_wait_for_one_below_and_the_rest_stays_in_order() {
        let graph = graph(&[Some(&[2]), Some(&[]), Some(&[]), None]).unwrap();
        assert_eq!(graph.order(), [2, 0, 1, 3]);
        assert_eq!(graph.waves(), [2, 1, 1, 3]);
        assert_eq!(graph.ancestors(3).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn order_holds_through_a_step_that_is_left_out() {
        let mut steps = steps(&[None, None, None]);
        steps[1].planned.only = Some(Only::Failback);
        let graph = Graph::of(&steps, Direction::Failover, Mode::Planned).unwrap();
        assert!(graph.is_left_out(1));
        assert!(graph.is_before(0, 2));
        assert_eq!(graph.waves(), [1, 2, 2]);
    }

    #[test]
    fn every_circle_is_told_once_by_its_shortest_way_round() {
        let cycles = graph(&[Some(&[3]), None, None, None, Some(&[5]), Some(&[4]), Some(&[6])]).unwrap_err();
        let steps: Vec<_> = cycles.into_iter().map(|c| c.steps).collect();
        assert_eq!(steps, [vec![0, 3], vec![4, 5], vec![6]]);
    }

    #[test]
    fn the_longest_path_takes_the_slower_branch() {
        let graph = graph(&[None, Some(&[0]), Some(&[0]), Some(&[1, 2]), None]).unwrap();
        let length = |i: usize| Span::mins([1, 5, 7, 0, 9][i]);
        assert_eq!(graph.longest_path(Some(3), length), (vec![0, 2], Span::mins(8)));
        assert_eq!(graph.longest_path(None, length), (vec![0, 2, 4], Span::mins(17)));
    }

    #[test]
    fn ten_thousand_steps_are_ordered_at_once() {
        let needs: Vec<Option<&[usize]>> = vec![None; 10_000];
        assert_eq!(graph(&needs).unwrap().order().len(), 10_000);
    }

    proptest! {
        #[test]
        fn the_order_respects_every_need(list in proptest::collection::vec(
            proptest::option::of(proptest::collection::vec(0_usize..24, 0..4)), 1..24))
        {
            let needs: Vec<Option<&[usize]>> = list.iter().map(|n| n.as_deref()).collect();
            match graph(&needs) {
                Ok(graph) => {
                    let place = |i: usize| graph.order().iter().position(|o| *o == i).unwrap();
                    let waves = graph.waves();
                    prop_assert_eq!(graph.order().len(), list.len());
                    for i in 0..list.len() {
                        for need in graph.needs(i) {
                            prop_assert!(place(need) < place(i));
                            prop_assert!(waves[need] < waves[i]);
                            prop_assert!(graph.is_before(need, i));
                            prop_assert!(graph.ancestors(need).all(|a| graph.is_before(a, i)));
                        }
                        prop_assert!(!graph.is_before(i, i));
                    }
                }
                // Whoever refuses an order shows why there is none.
                Err(cycles) => for cycle in cycles {
                    let steps = &cycle.steps;
                    for (k, i) in steps.iter().enumerate() {
                        let next = steps[(k + 1) % steps.len()];
                        prop_assert!(needs[*i].map_or(next < *i, |named| named.contains(&next)));
                    }
                },
            }
        }
    }
}
