//! One run from an opened image to its end, as a command line wants it.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use gizmo_containers::{Ended, HeldCommand, Resolved};
use gizmo_model::container::Container;
use gizmo_model::params::ParamValues;
use gizmo_output::{Detour, Settings, SharedWriter};
use tracing::{debug, warn};

use crate::audience::{Audience, Nobody};
use crate::enrich::{self, Identities};
use crate::following::{ContainerOptions, Following};
use crate::gadget::OpenGadget;
use crate::live::{Live, LiveOptions};
use crate::operators;
use crate::roster::{NAME_WAIT, Roster};
use crate::save::{self, SaveOptions, Saver};
use crate::wait::{Event, Waiter};
use crate::{Error, HostKernel};

/// What a person asked for.
pub struct RunOptions {
    /// Values by full parameter name.
    pub values: ParamValues,
    /// The command to record.
    pub command: Option<Resolved>,
    /// The containers to record when there is no command.
    pub containers: ContainerOptions,
    /// When the recording ends at the latest.
    pub timeout: Option<Duration>,
    /// How events are printed.
    pub output: Settings,
    /// Where events are printed.
    pub writer: Box<dyn std::io::Write + Send>,
    /// Where everything is kept that the gadget emits, if anywhere.
    pub save: Option<SaveOptions>,
    /// How the run can be looked at.
    pub live: LiveOptions,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// How the command ended; `None` when there was none, or when it runs on.
    pub command: Option<Ended>,
    /// Everything is saved that was to be saved.
    pub is_saved: bool,
}

/// Runs a gadget until its command has ended, the time is up or a signal comes; without a command also until nobody reads
/// its output.
///
/// # Errors
/// See [`Error`]. What was started is stopped again; a held command is never let go then.
pub fn run(gadget: OpenGadget, options: RunOptions) -> Result<Ending, Error> {
    let kernel = Arc::new(HostKernel::probe(options.command.is_some())?);
    let waiter = Waiter::new()?;
    let ready = gadget.instantiate(&options.values, Arc::clone(&kernel))?;
    for question in options.live.questions() {
        ready.require(question)?;
    }
    let follows = options.command.is_none() && ready.wants_containers();
    let is_filtered = options.command.is_some() || follows && !options.containers.host;
    let mut following = follows
        .then(|| Following::ask(&options.containers))
        .transpose()?;
    ready.pre_start(is_filtered)?;
    // From here on old content of the output may go: what a person has typed is right.
    let mut sink = options.writer;
    sink.flush().map_err(gizmo_output::Error::Write)?;
    let events = waiter.sender();
    let writer = SharedWriter::new(sink).on_closed(move || {
        let _ = events.send(Event::OutputClosed);
    });
    let identities = Arc::new(Identities::default());
    if follows {
        enrich::attach(&ready.sources(), &identities)?;
    }
    let detour = Detour::attach(&ready.sources())?;
    let sources = ready.sources();
    operators::attach_formatters(&sources, &operators::context(&kernel))?;
    let output = operators::attach_output(&sources, &options.values, &options.output, &writer)?;
    let facts = save::Facts {
        gadget: ready.name(),
        image: &options.live.image,
        command: options.command.as_ref(),
        params: ready.params(&options.values),
    };
    let saver = options
        .save
        .map(|save| Saver::start(&sources, &detour, &output, save, facts))
        .transpose()?;

    let held = options
        .command
        .as_ref()
        .map(HeldCommand::start)
        .transpose()?;
    let container = held.as_ref().map(HeldCommand::container);
    // The kernel's eyes open before the gadget's programs run: who is in the filter is there before they look.
    let running = ready.start_with(container, |loaded| {
        let Some(following) = &mut following else {
            return Ok(());
        };
        let filter = loaded.filter_map().filter(|_| is_filtered);
        loaded.share_filter(filter.clone());
        following.watch(filter.as_deref(), &waiter.sender())
    })?;
    if follows {
        debug!("following containers");
    }
    if held.is_none() {
        output.start();
    }
    if let Some(held) = &held {
        if let Some(signal) = waiter.early_signal() {
            // The command is never let go; dropping it ends its process.
            return Ok(Ending {
                command: Some(Ended::Signaled(signal)),
                is_saved: true,
            });
        }
        waiter.watch(held.pid())?;
    }
    let command = held.map(HeldCommand::release).transpose()?;
    let live = &options.live;
    let mut live = Live::new(
        &running,
        &output,
        &detour,
        Arc::clone(&identities),
        live,
        &waiter,
    );
    let waited = match &following {
        None => waiter.wait(command.as_ref(), options.timeout, &mut Nobody, &mut live),
        Some(following) => {
            let roster = Roster::new(options.containers.meant());
            let filter = running.filter_map().filter(|_| is_filtered);
            let mut audience = Audience::new(&running, roster, identities, filter);
            if options.containers.host {
                audience.include(host_itself());
            }
            let waited = waiter.wait(None, options.timeout, &mut audience, &mut live);
            waiter.settle(NAME_WAIT, &mut audience, &mut live);
            complain(following, &audience);
            waited
        }
    };
    if command.is_some() {
        // The header of a recording that is shown at the end stands above it, not above what the command has printed.
        output.start();
    }
    if let Err(error) = waiter.exit_on_signal() {
        warn!(%error, "a second signal will not end the process");
    }
    // Followers see everything, too.
    let detached = running.detach();
    live.finish();
    let stopped = running.stop(detached);
    drop(command);
    let is_saved = saver.is_none_or(Saver::finish);
    output.finish();
    if writer.dropped() > 0 {
        debug!(events = writer.dropped(), "output closed early");
    }
    let written = writer
        .take_error()
        .map_or(Ok(()), |error| Err(error.into()));
    Error::join(
        [stopped, written]
            .into_iter()
            .filter_map(Result::err)
            .collect(),
    )?;
    Ok(Ending {
        command: waited.command,
        is_saved,
    })
}

/// The host as a container without a name; its events are those outside of all containers.
fn host_itself() -> Container {
    Container {
        mntns_id: std::fs::metadata("/proc/1/ns/mnt")
            .or_else(|_| std::fs::metadata("/proc/self/ns/mnt"))
            .map_or(0, |namespace| namespace.ino()),
        ..Container::default()
    }
}

/// Says what is missing because somebody did not answer.
fn complain(following: &Following, audience: &Audience<'_>) {
    if audience.unnamed() > 0 {
        warn!(
            containers = audience.unnamed(),
            runtimes = following.complaints().join("; "),
            "containers were left out, since their names did not come in time"
        );
    }
    if following.lost() > 0 {
        warn!(
            events = following.lost(),
            "beginnings and ends of containers were lost"
        );
    }
}
