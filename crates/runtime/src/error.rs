//! Why a gadget does not run.

/// Why a gadget does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The image's metadata cannot be used.
    #[error("the image's metadata is unusable")]
    Metadata(#[from] gizmo_model::config::ConfigError),
    /// The image has more than one layer of a kind.
    #[error("the image has several layers of type `{0}`")]
    SeveralLayers(&'static str),
    /// The image has nothing that could run.
    #[error("the image has neither an eBPF object nor a WASM module")]
    NothingToRun,
    /// A parameter's value is wrong.
    #[error(transparent)]
    Param(#[from] gizmo_model::params::ParamError),
    /// The eBPF object cannot be used.
    #[error(transparent)]
    Ebpf(#[from] gizmo_ebpf::Error),
    /// The guest cannot be used, or failed.
    #[error(transparent)]
    Wasm(#[from] gizmo_wasm::Error),
    /// The output cannot be set up as asked, or failed.
    #[error(transparent)]
    Output(#[from] gizmo_output::Error),
    /// A data source cannot be set up, or a subscriber failed.
    #[error(transparent)]
    DataSource(#[from] gizmo_model::datasource::Error),
    /// A map cannot be filled.
    #[error(transparent)]
    Map(#[from] gizmo_model::map::MapError),
    /// The command cannot be run.
    #[error(transparent)]
    Command(#[from] gizmo_containers::CommandError),
    /// The container runtimes cannot be asked as a person wanted.
    #[error(transparent)]
    Runtimes(#[from] gizmo_containers::RuntimeError),
    /// Names of containers that somebody wants to see make no sense.
    #[error(transparent)]
    Selector(#[from] gizmo_containers::SelectorError),
    /// The gadget lacks what is needed for looking at it.
    #[error("gadget `{0}` cannot be looked at while it runs")]
    NotLive(String),
    /// The gadget lacks what is needed for other parameters.
    #[error("the parameters of gadget `{0}` cannot be changed while it runs")]
    FixedParams(String),
    /// The parameter cannot be changed.
    #[error("the parameter `{0}` can only be set when a run starts")]
    FixedParam(String),
    /// The gadget has no such parameter.
    #[error("gadget `{0}` has no parameter `{1}`")]
    NoParam(String, String),
    /// Nothing that is recorded has such a name.
    #[error("no recorded container is called `{0}`; see: gizmo recordings")]
    NoContainer(String),
    /// A recording cannot be written or read.
    #[error(transparent)]
    Recording(#[from] gizmo_recording::Error),
    /// A field of statistics cannot be written.
    #[error(transparent)]
    Field(#[from] gizmo_model::field::AccessError),
    /// There is nothing to count.
    #[error("the recording has no system calls")]
    NoCalls,
    /// An expression of the filter language that cannot be used.
    #[error("--syscall-filters: {0}")]
    Filter(String),
    /// Parts of a recording cannot be read.
    #[error("damaged parts of the recording: {0}; all others are shown")]
    Damaged(u64),
    /// This architecture is not supported.
    #[error("this machine's architecture, `{0}`, is not supported")]
    Architecture(String),
    /// A thread or signal handler could not be made.
    #[error("{0}")]
    System(&'static str, #[source] std::io::Error),
    /// Several things went wrong on the way out; the first is the source.
    #[error("{}", .0.iter().map(describe).collect::<Vec<_>>().join("; "))]
    Several(Vec<Error>),
}

fn describe(error: &Error) -> String {
    chain(error)
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

impl Error {
    /// One error of a list, `Ok` when it is empty.
    pub(crate) fn join(mut errors: Vec<Error>) -> Result<(), Error> {
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(Error::Several(errors)),
        }
    }

    /// The exit code for this error: that of shells for a command that cannot be run, 1 for everything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Command(error) => error.exit_code(),
            _ => 1,
        }
    }
}
