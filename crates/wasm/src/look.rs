//! Looking at a running guest: what it can be asked between `gadgetStart` and `gadgetStop`, through exports that it may lack.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::StoreContextMut;

use crate::error::{Cause, Error};
use crate::guest::{Guest, call_export};
use crate::state::State;

/// What a running guest can be asked for. It answers with packets of its data sources, or with recordings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Everything that is held.
    Snapshot,
    /// What a follower has not been shown yet: at first everything that is held.
    Follow {
        /// The follower's number. 0 is the output of the run itself.
        follower: u32,
        /// Whether whoever had the number before is forgotten.
        is_new: bool,
    },
    /// That what is held be held no longer.
    Forget,
    /// What there is, as [`Recording`]s.
    Recordings,
}

impl Question {
    /// The export that answers.
    pub fn export(self) -> &'static str {
        match self {
            Question::Snapshot => "gadgetSnapshot",
            Question::Follow { .. } => "gadgetFollow",
            Question::Forget => "gadgetForget",
            Question::Recordings => "gadgetRecordings",
        }
    }
}

/// A container that is recorded, as the guest tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recording {
    /// Its name, empty when the guest does not know it.
    pub name: String,
    /// Id of its cgroup, 0 when unknown.
    pub cgroup_id: u64,
    /// Inode number of its mount namespace, 0 when unknown.
    pub mntns_id: u64,
    /// Records that were made, those that are not held any more too.
    pub recorded: u64,
    /// Records that are held.
    pub held: u64,
    /// Records that could not be made.
    pub lost: u64,
}

/// Whether somebody wants to see a container of this cgroup id, mount namespace and name.
pub type Selection = Arc<dyn Fn(u64, u64, &str) -> bool + Send + Sync>;

/// What is looked at, and what the guest has said of it.
pub(crate) struct Look {
    pub(crate) selection: Selection,
    pub(crate) recordings: Vec<Recording>,
}

impl Guest {
    /// Whether the guest can answer. Waits while it runs.
    pub fn answers(&self, question: Question) -> bool {
        self.has_export(question.export())
    }

    /// Whether parameters can be changed while it runs.
    pub fn takes_params(&self) -> bool {
        self.has_export("gadgetSetParams")
    }

    fn has_export(&self, export: &str) -> bool {
        let allowed = self.shared.deadlines.look;
        let found = self.shared.enter(allowed, |context| {
            let exports = &context.data().exports;
            match export {
                "gadgetFollow" => exports.follow.is_some(),
                export => exports.phase(export).is_some(),
            }
        });
        found.unwrap_or(false)
    }

    /// Asks the guest about the containers that somebody wants to see; the recordings that it tells of. A guest without the
    /// export has nothing to say.
    ///
    /// # Errors
    /// [`Error::Phase`] with what the guest says, or how it ended.
    pub fn ask(&self, question: Question, selection: &Selection) -> Result<Vec<Recording>, Error> {
        let export = question.export();
        let asked = self
            .shared
            .enter(self.shared.deadlines.look, |mut context| {
                context.data_mut().look = Some(Look {
                    selection: Arc::clone(selection),
                    recordings: Vec::new(),
                });
                let cause = run(&mut context, question);
                let look = context.data_mut().look.take();
                match cause {
                    None => Ok(look.map(|look| look.recordings).unwrap_or_default()),
                    Some(cause) => Err(Error::Phase { export, cause }),
                }
            });
        asked.unwrap_or_else(|refused| {
            let cause = refused.cause();
            Err(Error::Phase { export, cause })
        })
    }

    /// Gives parameters other values and tells the guest. When it does not take them, they have their old values again.
    ///
    /// # Errors
    /// [`Error::Phase`] with what the guest says, or how it ended.
    pub fn set_params(&self, values: &BTreeMap<String, String>) -> Result<(), Error> {
        const EXPORT: &str = "gadgetSetParams";
        let set = self
            .shared
            .enter(self.shared.deadlines.look, |mut context| {
                let before = context.data().params.clone();
                let lower = |(key, value): (&String, &String)| (key.to_lowercase(), value.clone());
                let params = &mut context.data_mut().params;
                params.extend(values.iter().map(lower));
                let function = context.data().exports.phase(EXPORT);
                let cause = function.and_then(|function| {
                    call_export(&mut context, |context| function.call(context))
                });
                if cause.is_some() {
                    context.data_mut().params = before;
                }
                cause
            });
        let export = EXPORT;
        match set.unwrap_or_else(|refused| Some(refused.cause())) {
            None => Ok(()),
            Some(cause) => Err(Error::Phase { export, cause }),
        }
    }
}

fn run(context: &mut StoreContextMut<'_, State>, question: Question) -> Option<Cause> {
    let exports = &context.data().exports;
    if let Question::Follow { follower, is_new } = question {
        let function = exports.follow.clone()?;
        return call_export(context, |context| {
            let arguments = (follower, u32::from(is_new));
            function.call(context, arguments).map(i64::from)
        });
    }
    let function = exports.phase(question.export())?;
    call_export(context, |context| function.call(context))
}
