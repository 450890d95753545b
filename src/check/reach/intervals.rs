//! Sets of whole numbers as intervals: ports, and addresses of either family.

use std::fmt;

/// A number that intervals are made of.
pub trait Point: Copy + Ord + fmt::Debug {
    /// The lowest number there is.
    const LOWEST: Self;
    /// The highest number there is.
    const HIGHEST: Self;
    /// The next number, if there is one.
    fn next(self) -> Option<Self>;
    /// The number before, if there is one.
    fn previous(self) -> Option<Self>;
}

macro_rules! points {
    ($($number:ty: $lowest:literal),*) => {$(
        impl Point for $number {
            const LOWEST: Self = $lowest;
            const HIGHEST: Self = <$number>::MAX;
            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }
            fn previous(self) -> Option<Self> {
                self.checked_sub(1).filter(|number| *number >= Self::LOWEST)
            }
        }
    )*};
}

// There is no port 0 to connect to; addresses begin at 0.
points!(u16: 1, u32: 0, u128: 0);

/// A set of numbers: intervals in order, with a gap between each two.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Intervals<T>(Vec<(T, T)>);

impl<T> Default for Intervals<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Point> Intervals<T> {
    /// Every number there is.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![(T::LOWEST, T::HIGHEST)])
    }

    /// The numbers from `first` to `last`, both inclusive; none when `first` lies above `last`.
    ///
    /// ```
    /// use strata::check::reach::Intervals;
    /// let mut ports = Intervals::of(9000_u16, 9009);
    /// ports.insert(9010, 9019);
    /// assert_eq!(ports.iter().collect::<Vec<_>>(), [(9000, 9019)]);
    /// assert!(Intervals::of(2_u16, 1).is_empty());
    /// ```
    #[must_use]
    pub fn of(first: T, last: T) -> Self {
        let first = first.max(T::LOWEST);
        Self(if first <= last { vec![(first, last)] } else { Vec::new() })
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it holds every number there is.
    #[must_use]
    pub fn is_all(&self) -> bool {
        matches!(self.0.as_slice(), [(first, last)] if *first == T::LOWEST && *last == T::HIGHEST)
    }

    /// Its intervals in order, both ends inclusive.
    pub fn iter(&self) -> impl Iterator<Item = (T, T)> + '_ {
        self.0.iter().copied()
    }

    /// Whether it holds a number.
    #[must_use]
    pub fn contains(&self, number: T) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= number);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, last)| number <= *last)
    }

    /// Adds the numbers from `first` to `last`.
    pub fn insert(&mut self, first: T, last: T) {
        let first = first.max(T::LOWEST);
        if first > last {
            return;
        }
        // Every interval that touches the new one, next to it included, becomes one with it.
        let begins = first.previous().unwrap_or(first);
        let ends = last.next().unwrap_or(last);
        let from = self.0.partition_point(|(_, last)| *last < begins);
        let to = self.0.partition_point(|(first, _)| *first <= ends);
        let touched = self.0.get(from..to).unwrap_or_default();
        let first = touched.first().map_or(first, |(least, _)| first.min(*least));
        let last = touched.last().map_or(last, |(_, most)| last.max(*most));
        self.0.splice(from..to.max(from), [(first, last)]);
    }

    /// Adds all of another set.
    pub fn extend(&mut self, other: &Self) {
        for (first, last) in other.iter() {
            self.insert(first, last);
        }
    }

    /// What both hold.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut both = Vec::new();
        let (mut one, mut two) = (self.iter().peekable(), other.iter().peekable());
        while let (Some((a, b)), Some((c, d))) = (one.peek().copied(), two.peek().copied()) {
            let (first, last) = (a.max(c), b.min(d));
            if first <= last {
                both.push((first, last));
            }
            if b < d {
                one.next();
            } else {
                two.next();
            }
        }
        Self(both)
    }

    /// What it holds and the other does not.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        self.and(&other.complement())
    }

    fn complement(&self) -> Self {
        let mut gaps = Vec::new();
        let mut from = Some(T::LOWEST);
        for (first, last) in self.iter() {
            if let (Some(begin), Some(end)) = (from, first.previous())
                && begin <= end
            {
                gaps.push((begin, end));
            }
            from = last.next();
        }
        if let Some(begin) = from {
            gaps.push((begin, T::HIGHEST));
        }
        Self(gaps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A set built of ranges, some of them taken away again, and the same as plain members from 1 to 40.
    fn build(steps: &[(bool, u16, u16)]) -> (Intervals<u16>, Vec<u16>) {
        let (mut set, mut members) = (Intervals::default(), Vec::new());
        for &(add, first, length) in steps {
            let last = first + length;
            if add {
                set.insert(first, last);
                members.extend(first.max(1)..=last);
            } else {
                set = set.without(&Intervals::of(first, last));
                members.retain(|member| *member < first || *member > last);
            }
        }
        (set, members)
    }

    fn steps() -> impl Strategy<Value = Vec<(bool, u16, u16)>> {
        prop::collection::vec((prop::bool::weighted(0.7), 0_u16..36, 0_u16..6), 0..8)
    }

    proptest! {
        #[test]
        fn sets_of_intervals_are_sets(one in steps(), two in steps()) {
            let ((a, in_a), (b, in_b)) = (build(&one), build(&two));
            for number in 1..50 {
                let (one, two) = (in_a.contains(&number), in_b.contains(&number));
                prop_assert_eq!(a.contains(number), one);
                prop_assert_eq!(a.and(&b).contains(number), one && two);
                prop_assert_eq!(a.without(&b).contains(number), one && !two);
            }
            prop_assert_eq!(a.is_empty(), in_a.is_empty());
            let gaps = a.iter().zip(a.iter().skip(1)).all(|((_, last), (first, _))| first > last + 1);
            prop_assert!(gaps && a.iter().all(|(first, last)| first <= last), "{:?}", a);
        }
    }

    #[test]
    fn both_ends_of_the_numbers_hold() {
        let all = Intervals::<u16>::all();
        assert!(all.is_all() && all.contains(1) && all.contains(65535) && !all.contains(0));
        assert!(all.without(&all).is_empty());
        let rest = all.without(&Intervals::of(2, 65534));
        assert_eq!(rest.iter().collect::<Vec<_>>(), [(1, 1), (65535, 65535)]);
        let mut again = rest;
        again.insert(2, 65534);
        assert!(again.is_all());
    }
}
