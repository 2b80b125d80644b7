//! The flags that say which containers are meant: those of `run`, with the names that `list-containers` has for them.

use clap::{ArgMatches, Args, Command, Error, FromArgMatches};
use gizmo_model::params::Param;
use gizmo_runtime::ContainerOptions;

use crate::run;

/// Flags about containers, as they were given.
#[derive(Debug, Clone)]
pub(crate) struct ContainerFlags(ArgMatches);

impl ContainerFlags {
    /// What they say.
    ///
    /// # Errors
    /// An unknown runtime or protocol, a malformed label.
    pub(crate) fn options(&self) -> anyhow::Result<ContainerOptions> {
        run::containers::options(&run::values(&self.0, &params())?)
    }
}

impl FromArgMatches for ContainerFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Ok(Self(matches.clone()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0 = matches.clone();
        Ok(())
    }
}

impl Args for ContainerFlags {
    fn augment_args(command: Command) -> Command {
        // Those of all commands, and of this one.
        let mut taken = vec!['h', 'v', 'o', 'w'];
        params().iter().fold(command, |command, param| {
            let arg = run::flags::flag(param, &mut taken, false);
            let second = param.alternative_key.clone();
            command.arg(match (second.as_str(), param.key.as_str()) {
                ("", _) => arg,
                // Here the short names are the ones that are shown.
                (_, key) if key.starts_with("runtime-container") => {
                    arg.long(second).alias(param.key.clone())
                }
                _ => arg.alias(second),
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn params() -> Vec<Param> {
    let mut params = run::containers::params();
    for param in &mut params {
        if param.key == "host" {
            param.description = "Without effect: the host is no container".into();
        }
    }
    params
}
