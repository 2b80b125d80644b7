//! The widths of columns on a terminal.
//!
//! Columns share the space in proportion to their configured widths. One that would leave its bounds is pinned to the
//! bound and the others share the rest. Which side is pinned first decides whether the sum holds, so the side with the
//! larger total violation goes first, as in the layout of CSS flexible boxes (section 9.7 there).

/// What a column's annotations say about its width.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) width: usize,
    pub(super) min: usize,
    pub(super) max: usize,
    /// The width never changes.
    pub(super) fixed: bool,
}

/// The widths for a terminal. On one that is too narrow for the smallest widths, the column at its edge is narrowed and
/// those beyond it are left out, so there may be fewer widths than columns.
pub(super) fn scale(bounds: &[Bounds], terminal: usize) -> Vec<usize> {
    let dividers = bounds.len().saturating_sub(1);
    let smallest: usize = bounds
        .iter()
        .map(|bounds| {
            if bounds.fixed {
                bounds.width
            } else {
                bounds.min
            }
        })
        .sum();
    let space = terminal.saturating_sub(dividers).max(smallest);
    let mut widths = share(bounds, space);
    cut(&mut widths, terminal);
    widths
}

fn share(bounds: &[Bounds], space: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = bounds.iter().map(|bounds| bounds.width).collect();
    let mut pinned: Vec<bool> = bounds.iter().map(|bounds| bounds.fixed).collect();
    loop {
        let taken: usize = indices(&pinned, true).map(|i| widths[i]).sum();
        let weights: usize = indices(&pinned, false).map(|i| bounds[i].width).sum();
        if weights == 0 {
            return widths;
        }
        let left = space.saturating_sub(taken);
        let (mut added, mut removed) = (0, 0);
        for i in indices(&pinned, false) {
            let wanted = left * bounds[i].width / weights;
            widths[i] = wanted.clamp(bounds[i].min, bounds[i].max);
            added += widths[i].saturating_sub(wanted);
            removed += wanted.saturating_sub(widths[i]);
        }
        if added == 0 && removed == 0 {
            hand_out_rest(bounds, &pinned, &mut widths, space);
            return widths;
        }
        let pin: Vec<usize> = indices(&pinned, false)
            .filter(|&i| {
                let wanted = left * bounds[i].width / weights;
                (added >= removed && wanted < bounds[i].min)
                    || (removed >= added && wanted > bounds[i].max)
            })
            .collect();
        for i in pin {
            pinned[i] = true;
        }
    }
}

fn indices(pinned: &[bool], which: bool) -> impl Iterator<Item = usize> {
    pinned
        .iter()
        .enumerate()
        .filter(move |(_, pinned)| **pinned == which)
        .map(|(i, _)| i)
}

/// Gives what division left over to the columns that are not pinned, one character each from left to right.
fn hand_out_rest(bounds: &[Bounds], pinned: &[bool], widths: &mut [usize], space: usize) {
    let mut rest = space.saturating_sub(widths.iter().sum());
    for i in indices(pinned, false) {
        if rest > 0 && widths[i] < bounds[i].max {
            widths[i] += 1;
            rest -= 1;
        }
    }
}

fn cut(widths: &mut Vec<usize>, terminal: usize) {
    let mut start = 0;
    for i in 0..widths.len() {
        if start >= terminal && i > 0 {
            widths.truncate(i);
            return;
        }
        widths[i] = widths[i].min(terminal.saturating_sub(start));
        start += widths[i] + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn free(width: usize) -> Bounds {
        Bounds {
            width,
            min: 1,
            max: 4096,
            fixed: false,
        }
    }

    #[test]
    fn space_is_shared_in_proportion_and_the_rest_goes_left() {
        assert_eq!(scale(&[free(16), free(16), free(16)], 100), [33, 33, 32]);
        assert_eq!(scale(&[free(10), free(20)], 31), [10, 20]);
    }

    #[test]
    fn bounds_are_kept_and_the_others_get_the_rest() {
        let narrow = Bounds {
            max: 10,
            ..free(10)
        };
        let wide = Bounds {
            min: 30,
            ..free(10)
        };
        let fixed = Bounds {
            fixed: true,
            ..free(7)
        };
        assert_eq!(scale(&[narrow, free(10), fixed], 100), [10, 81, 7]);
        assert_eq!(scale(&[wide, free(30)], 51), [30, 20]);
        assert_eq!(scale(&[narrow, narrow], 100), [10, 10]);
    }

    #[test]
    fn a_terminal_that_is_too_narrow_loses_columns_on_the_right() {
        let wide = Bounds {
            min: 10,
            ..free(10)
        };
        assert_eq!(scale(&[wide, wide, wide], 15), [10, 4]);
        assert_eq!(scale(&[wide, wide, wide], 10), [10]);
        assert_eq!(scale(&[wide], 0), [0]);
        assert!(scale(&[], 80).is_empty());
    }

    proptest! {
        #[test]
        fn lines_fit_the_terminal(
            columns in prop::collection::vec((1usize..200, 1usize..40, 0usize..200, any::<bool>()), 0..20),
            terminal in 0usize..400,
        ) {
            let bounds: Vec<Bounds> = columns
                .into_iter()
                .map(|(width, min, more, fixed)| Bounds { width, min, max: min + more, fixed })
                .collect();
            let widths = scale(&bounds, terminal);
            let line = widths.iter().sum::<usize>() + widths.len().saturating_sub(1);
            prop_assert!(line <= terminal, "{widths:?}");
            let smallest: usize = bounds.iter().map(|b| if b.fixed { b.width } else { b.min }).sum();
            if terminal >= smallest + bounds.len() {
                prop_assert_eq!(widths.len(), bounds.len());
                for (width, bounds) in widths.iter().zip(&bounds) {
                    prop_assert!(bounds.fixed || (bounds.min..=bounds.max).contains(width));
                    prop_assert!(!bounds.fixed || *width == bounds.width);
                }
            }
        }
    }
}
