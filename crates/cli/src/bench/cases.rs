//! What is measured: each case is a state of the host in which the same program runs.

use super::workload::Call;

/// Calls that the program makes none of.
const OTHER_CALL: &str = "ptrace";

/// In what state the host is while the program runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// As it is.
    Nothing,
    /// The two empty programs are attached.
    Floor,
    /// traceloop records another program, with these flags.
    RecordingOther(Vec<String>),
    /// traceloop records the program, with these flags.
    Recorded(Vec<String>),
    /// The program is run by another one; this is the whole command.
    Under(Vec<String>),
}

/// What a case may cost at most, as a multiple of the floor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bar {
    /// What is promised.
    pub(super) at_most: f64,
    /// What is wished for.
    pub(super) reach: f64,
}

/// A case.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) state: State,
    /// One for each of [`Call::ALL`], where something is promised.
    pub(super) bars: Option<[Bar; Call::ALL.len()]>,
    /// Flags of the gadget, without dashes, that there must be.
    pub(super) needs: &'static [&'static str],
    /// Whether the table goes without it where it does not work.
    pub(super) is_optional: bool,
}

/// Positions in [`own`] of the cases that the others are compared with.
pub(super) const NOTHING: usize = 0;
pub(super) const FLOOR: usize = 1;

/// The cases that need no other tool.
pub(super) fn own() -> Vec<Case> {
    let basic = |name: &str, state, bars| Case {
        name: name.to_owned(),
        state,
        bars,
        needs: &[],
        is_optional: false,
    };
    let optional = |name: &str, needs, state| Case {
        name: name.to_owned(),
        state,
        bars: None,
        needs,
        is_optional: true,
    };
    let filtered = Bar {
        at_most: 1.1,
        reach: 1.03,
    };
    let same = |at_most, reach| Some([Bar { at_most, reach }; Call::ALL.len()]);
    let recorded_bars = [(3.0, 2.4), (4.0, 3.3), (3.6, 2.8)];
    let recorded_bars = recorded_bars.map(|(at_most, reach)| Bar { at_most, reach });
    let recorded = |flags: &str| State::Recorded(words(flags));
    let every_call = Call::ALL.map(Call::name).join(",");
    vec![
        basic("nothing attached", State::Nothing, None),
        basic("floor: two empty programs", State::Floor, None),
        basic(
            "not recorded",
            State::RecordingOther(Vec::new()),
            same(1.2, 1.1),
        ),
        basic(
            "recorded, call filtered out",
            recorded(&format!(
                "--attach tracepoint --syscall-filters {OTHER_CALL}"
            )),
            Some([filtered; Call::ALL.len()]),
        ),
        basic("recorded", recorded(""), Some(recorded_bars)),
        // The third call fails.
        basic(
            "only failures are recorded",
            recorded("--attach tracepoint --syscall-filters failed"),
            Some([filtered, filtered, recorded_bars[2]]),
        ),
        basic(
            "only calls of 10 ms are recorded",
            recorded("--syscall-filters duration>=10ms"),
            None,
        ),
        basic(
            "only other threads are recorded",
            recorded("--syscall-filters comm=another"),
            same(1.2, 1.1),
        ),
        optional(
            "recorded, --no-duration",
            &["no-duration"],
            recorded("--no-duration"),
        ),
        optional(
            "recorded, --capture-length 0",
            &["capture-length"],
            recorded("--capture-length 0"),
        ),
        optional(
            "recorded, both of these",
            &["no-duration", "capture-length"],
            recorded("--no-duration --capture-length 0"),
        ),
        optional(
            "filtered out, --attach function",
            &["attach"],
            recorded(&format!("--attach function --syscall-filters {OTHER_CALL}")),
        ),
        optional(
            "recorded, --attach function",
            &["attach"],
            recorded(&format!("--attach function --syscall-filters {every_call}")),
        ),
    ]
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// A case of another tool.
pub(super) fn peer(name: String, command: Vec<String>) -> Case {
    Case {
        name,
        state: State::Under(command),
        bars: None,
        needs: &[],
        is_optional: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_are_compared_with_stands_where_it_is_looked_for() {
        let cases = own();
        assert_eq!(cases[NOTHING].state, State::Nothing);
        assert_eq!(cases[FLOOR].state, State::Floor);
        assert!(!cases[NOTHING].is_optional && !cases[FLOOR].is_optional);
    }
}
