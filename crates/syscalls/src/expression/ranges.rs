//! Sets of numbers: what a comparison leaves.

/// A set of numbers as ranges, both ends included, in order and apart from each other.
///
/// The numbers are wide enough for every value that a call has, signed or not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranges(Vec<(i128, i128)>);

impl Ranges {
    /// All numbers.
    pub fn all() -> Self {
        Self::of(i128::MIN, i128::MAX)
    }

    /// From one number to another; none if the second is less.
    pub fn of(least: i128, most: i128) -> Self {
        Self(if least <= most {
            vec![(least, most)]
        } else {
            Vec::new()
        })
    }

    /// The ranges, both ends included.
    pub fn ranges(&self) -> &[(i128, i128)] {
        &self.0
    }

    /// Whether the number is one of them.
    pub fn contains(&self, number: i128) -> bool {
        self.0
            .iter()
            .any(|&(least, most)| (least..=most).contains(&number))
    }

    /// Whether every number of the other set is in this one.
    pub fn covers(&self, other: &Self) -> bool {
        self.and(other) == *other
    }

    /// What is in either.
    pub fn or(&self, other: &Self) -> Self {
        let mut ranges = [&self.0[..], &other.0[..]].concat();
        ranges.sort_unstable();
        let mut united: Vec<(i128, i128)> = Vec::with_capacity(ranges.len());
        for (least, most) in ranges {
            match united.last_mut() {
                // Neighbours are one range.
                Some(last) if least <= last.1.saturating_add(1) => last.1 = last.1.max(most),
                _ => united.push((least, most)),
            }
        }
        Self(united)
    }

    /// What is in neither of its ranges.
    pub fn complement(&self) -> Self {
        let mut rest = Vec::with_capacity(self.0.len() + 1);
        let mut next = Some(i128::MIN);
        for &(least, most) in &self.0 {
            if let Some(next) = next
                && next < least
            {
                rest.push((next, least - 1));
            }
            next = most.checked_add(1);
        }
        rest.extend(next.map(|next| (next, i128::MAX)));
        Self(rest)
    }

    /// What is in both.
    pub fn and(&self, other: &Self) -> Self {
        self.complement().or(&other.complement()).complement()
    }

    /// A set of at most so many ranges with all of these numbers, and as few others as possible: the narrowest gaps go.
    pub fn at_most(&self, count: usize) -> Self {
        let mut ranges = self.0.clone();
        while ranges.len() > count.max(1) {
            let gap = |pair: &[(i128, i128)]| pair[1].0.saturating_sub(pair[0].1);
            let narrowest = (1..ranges.len()).min_by_key(|&right| gap(&ranges[right - 1..=right]));
            let Some(right) = narrowest else { break };
            let (_, most) = ranges.remove(right);
            ranges[right - 1].1 = most;
        }
        Self(ranges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbours_are_one_range() {
        let set = Ranges::of(1, 3)
            .or(&Ranges::of(4, 5))
            .or(&Ranges::of(9, 9))
            .or(&Ranges::of(5, 2));
        assert_eq!(set.ranges(), [(1, 5), (9, 9)]);
        assert_eq!(Ranges::all().complement(), Ranges::default());
        assert_eq!(Ranges::default().complement(), Ranges::all());
    }

    #[test]
    fn the_narrowest_gaps_are_given_up() {
        let set = Ranges::of(1, 1)
            .or(&Ranges::of(3, 3))
            .or(&Ranges::of(100, 200));
        assert_eq!(set.at_most(2).ranges(), [(1, 3), (100, 200)]);
        assert_eq!(set.at_most(3), set);
        assert_eq!(set.at_most(0).ranges(), [(1, 200)]);
    }

    fn any_set() -> impl Strategy<Value = Ranges> {
        proptest::collection::vec((-20i128..20, 0i128..6), 0..6).prop_map(|ranges| {
            ranges
                .into_iter()
                .fold(Ranges::default(), |set, (least, length)| {
                    set.or(&Ranges::of(least, least + length))
                })
        })
    }

    proptest! {
        #[test]
        fn sets_behave_like_sets(a in any_set(), b in any_set(), count in 1usize..5) {
            for number in -30..30 {
                let (in_a, in_b) = (a.contains(number), b.contains(number));
                prop_assert_eq!(a.or(&b).contains(number), in_a || in_b);
                prop_assert_eq!(a.and(&b).contains(number), in_a && in_b);
                prop_assert_eq!(a.complement().contains(number), !in_a);
            }
            prop_assert_eq!(a.complement().complement(), a.clone());
            prop_assert!(a.at_most(count).covers(&a));
            prop_assert!(a.at_most(count).ranges().len() <= count);
        }
    }
}
