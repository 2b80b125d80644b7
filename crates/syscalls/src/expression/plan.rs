//! Which part of an expression the kernel tests, before a record is written, and which part is left.

use super::error::{ExpressionError, Reason};
use super::predicate::{Predicate, Subject};
use super::ranges::Ranges;

/// Ranges of each number that the programs compare with.
pub const NUMBER_TESTS: usize = 4;

/// Names of threads that the programs compare with.
pub const COMM_TESTS: usize = 4;

/// A name of a thread, or how it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommTest {
    /// Its first bytes, at most 15.
    pub bytes: Vec<u8>,
    /// Anything may follow.
    pub is_prefix: bool,
}

/// What the programs test. What is `None` they do not look at.
///
/// What passes the whole expression passes these tests; something else may pass them, too, if the programs cannot tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KernelTests {
    /// Results that are recorded, at most [`NUMBER_TESTS`] ranges, like those below.
    pub result: Option<Ranges>,
    /// Durations in ns.
    pub duration: Option<Ranges>,
    /// Processes.
    pub pid: Option<Ranges>,
    /// Threads.
    pub tid: Option<Ranges>,
    /// Users.
    pub uid: Option<Ranges>,
    /// Whether those with such names are recorded, or all others, and at most [`COMM_TESTS`] of them.
    pub comm: Option<(bool, Vec<CommTest>)>,
}

/// Where the predicates are tested.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// What the kernel tests.
    pub kernel: KernelTests,
    /// For each predicate whether that decides it.
    pub is_in_kernel: Vec<bool>,
}

impl KernelTests {
    /// Only calls that have failed can pass, so that nothing needs to be known of a call before it has.
    pub fn is_of_failures(&self) -> bool {
        let results = self.result.as_ref();
        self.duration.is_none()
            && results
                .is_some_and(|results| results.ranges().last().is_none_or(|&(_, most)| most < 0))
    }

    /// Tests that pass what passes one of both.
    pub fn or(&self, other: &Self) -> Self {
        let either = |one: &Option<Ranges>, other: &Option<Ranges>| {
            let all = one.as_ref()?.or(other.as_ref()?);
            Some(all.at_most(NUMBER_TESTS))
        };
        Self {
            result: either(&self.result, &other.result),
            duration: either(&self.duration, &other.duration),
            pid: either(&self.pid, &other.pid),
            tid: either(&self.tid, &other.tid),
            uid: either(&self.uid, &other.uid),
            comm: self.comm.clone().filter(|_| self.comm == other.comm),
        }
    }

    /// The place of a number's test, if the programs can make it.
    fn number(&mut self, subject: &Subject) -> Option<&mut Option<Ranges>> {
        match subject {
            Subject::Result => Some(&mut self.result),
            Subject::Duration => Some(&mut self.duration),
            Subject::Pid => Some(&mut self.pid),
            Subject::Tid => Some(&mut self.tid),
            Subject::Uid => Some(&mut self.uid),
            Subject::Comm | Subject::Descriptor | Subject::Path | Subject::Argument(_) => None,
        }
    }
}

impl Plan {
    /// For these predicates.
    ///
    /// # Errors
    ///
    /// One that cannot be true together with those before it.
    pub fn new(predicates: &[Predicate]) -> Result<Self, ExpressionError> {
        let mut kernel = KernelTests::default();
        for predicate in predicates {
            if let Some(place) = kernel.number(&predicate.subject) {
                let passing = predicate.test.passing();
                *place = Some(
                    place
                        .as_ref()
                        .map_or(passing.clone(), |other| other.and(&passing)),
                );
                if place.as_ref().is_some_and(|all| all.ranges().is_empty()) {
                    return Err(predicate.error(Reason::NeverTrue));
                }
            } else if kernel.comm.is_none() && predicate.subject == Subject::Comm {
                kernel.comm = comm_tests(predicate);
            }
        }
        for number in [
            &mut kernel.result,
            &mut kernel.duration,
            &mut kernel.pid,
            &mut kernel.tid,
            &mut kernel.uid,
        ] {
            *number = number.as_ref().map(|ranges| ranges.at_most(NUMBER_TESTS));
        }
        Ok(Self::of(kernel, predicates))
    }

    /// What is tested where, when the programs make these tests.
    fn of(mut kernel: KernelTests, predicates: &[Predicate]) -> Self {
        let is_in_kernel = predicates
            .iter()
            .map(|predicate| match kernel.number(&predicate.subject) {
                Some(place) => {
                    let passing = predicate.test.passing();
                    place.as_ref().is_some_and(|tested| passing.covers(tested))
                }
                None => {
                    let tested = comm_tests(predicate);
                    tested.is_some() && tested == kernel.comm
                }
            })
            .collect();
        Self {
            kernel,
            is_in_kernel,
        }
    }

    /// The same where only such tests can be made as these programs have.
    pub(super) fn within(self, loaded: &KernelTests, predicates: &[Predicate]) -> Self {
        let kernel = self.kernel;
        let only = |test: Option<Ranges>, other: &Option<Ranges>| test.filter(|_| other.is_some());
        let kernel = KernelTests {
            result: only(kernel.result, &loaded.result),
            duration: only(kernel.duration, &loaded.duration),
            pid: only(kernel.pid, &loaded.pid),
            tid: only(kernel.tid, &loaded.tid),
            uid: only(kernel.uid, &loaded.uid),
            comm: kernel.comm.filter(|_| loaded.comm.is_some()),
        };
        Self::of(kernel, predicates)
    }
}

/// The names that a predicate asks for, if the programs can compare them.
fn comm_tests(predicate: &Predicate) -> Option<(bool, Vec<CommTest>)> {
    let test = &predicate.test;
    if predicate.subject != Subject::Comm || test.texts.len() > COMM_TESTS {
        return None;
    }
    let names = test.texts.iter().map(|glob| {
        let (bytes, is_prefix) = glob.as_prefix()?;
        (bytes.len() <= super::value::COMM_BYTES).then_some(CommTest { bytes, is_prefix })
    });
    Some((!test.is_negated, names.collect::<Option<Vec<CommTest>>>()?))
}
