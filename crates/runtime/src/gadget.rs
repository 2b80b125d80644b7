//! A gadget from its image to its end, phase by phase (wasm-host-api.md 1.5).

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use gizmo_ebpf::EbpfLayer;
use gizmo_image::Image;
use gizmo_image::oci::{MEDIA_EBPF, MEDIA_WASM};
use gizmo_model::config::Config;
use gizmo_model::container::Container;
use gizmo_model::iterator::{IteratorError, Iterators};
use gizmo_model::map::{BpfMap, MapError, MapSpec, Maps, ObjectSettings, SettingError};
use gizmo_model::params::{Param, ParamValues};
use gizmo_model::program::{ProgramError, Programs};
use gizmo_model::{DataSource, DataSources};
use gizmo_wasm::{
    Deadlines, Guest, HostContext, Kernel, MntnsFilter, Module, Phase, Question, Recording,
    Selection, WasmEngine,
};
use tracing::{debug, warn};

use crate::containers::{ContainerSource, FILTER_CONSTANT, FILTER_MAP, select_in_filter};
use crate::live::GuestParams;
use crate::{Error, HostKernel};

/// What the full names of guests' parameters begin with.
const WASM_PREFIX: &str = "operator.oci.wasm.";

/// The tag of parameters that can be changed while the gadget runs.
const LIVE_TAG: &str = "live";

/// An image whose layers are read and checked; nothing of it runs.
pub struct OpenGadget {
    name: String,
    config: Config,
    ebpf: Option<Arc<EbpfLayer>>,
    module: Option<Module>,
}

impl OpenGadget {
    /// Opens an image's layers. `compiled` is the embedded code of its guest, if there is any.
    ///
    /// # Errors
    /// Metadata, object or module cannot be used.
    pub fn open(
        image: &Image,
        engine: &WasmEngine,
        compiled: Option<&'static [u8]>,
    ) -> Result<Self, Error> {
        let config = Config::parse(&image.metadata)?;
        config.expect_maps(&[
            "datasources",
            "params",
            "annotations",
            "programs",
            "operator",
            "params.wasm",
            "params.ebpf",
        ])?;
        config.expect_scalars(&["name", "description"])?;
        for layer in image.layers.iter().filter(|layer| !layer.is_known()) {
            warn!(media_type = %layer.media_type, "no operator found for the layer's media type, skipping layer");
        }
        for media_type in [MEDIA_EBPF, MEDIA_WASM] {
            if image
                .layers
                .iter()
                .filter(|layer| layer.media_type == media_type)
                .count()
                > 1
            {
                return Err(Error::SeveralLayers(media_type));
            }
        }
        let ebpf = image
            .ebpf()
            .map(|layer| EbpfLayer::open(&layer.bytes))
            .transpose()?
            .map(Arc::new);
        let module = image
            .wasm()
            .map(|layer| engine.load(&layer.bytes, layer.digest.as_str(), compiled))
            .transpose()?;
        if ebpf.is_none() && module.is_none() {
            return Err(Error::NothingToRun);
        }
        let name = config.get_str("name").filter(|name| !name.is_empty());
        let name = name.or_else(|| image.reference.as_ref().map(gizmo_image::Reference::short));
        Ok(Self {
            name: name.unwrap_or_else(|| "gadget".to_owned()),
            config,
            ebpf,
            module,
        })
    }

    /// The gadget's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The gadget's metadata.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The eBPF object, if there is one.
    pub fn ebpf(&self) -> Option<&EbpfLayer> {
        self.ebpf.as_deref()
    }

    /// The guest's module, if there is one.
    pub fn module(&self) -> Option<&Module> {
        self.module.as_ref()
    }

    /// The parameters that the image offers.
    pub fn params(&self) -> Vec<Param> {
        let mut params = Param::from_config(&self.config, "params.wasm", WASM_PREFIX);
        if let Some(ebpf) = &self.ebpf {
            params.extend(ebpf.params(&self.config));
        }
        params
    }

    /// Registers data sources and runs the guest's `gadgetInit`.
    ///
    /// # Errors
    /// A value is wrong, or the object or the guest fails.
    pub fn instantiate(
        self,
        values: &ParamValues,
        kernel: Arc<HostKernel>,
    ) -> Result<ReadyGadget, Error> {
        let params = self.params();
        for param in &params {
            param.validate(
                values
                    .get(&param.full_name())
                    .unwrap_or(&param.default_value),
            )?;
        }
        let sources = Arc::new(DataSources::default());
        if let Some(ebpf) = &self.ebpf {
            ebpf.register(&sources, &self.config)?;
            for (key, value) in values.below("operator.oci.ebpf.") {
                ebpf.set_param(&self.config, &key, &value)?;
            }
        }
        let config = Arc::new(RwLock::new(self.config));
        let mntns_filter = MntnsFilter::default();
        let guest_params = params
            .iter()
            .filter(|param| param.prefix == WASM_PREFIX)
            .map(|param| {
                let given = values.get(&param.full_name());
                let value = given.unwrap_or(&param.default_value);
                (param.key.clone(), value.to_owned())
            })
            .collect();
        let layer = self.ebpf.clone();
        let guest = self
            .module
            .as_ref()
            .map(|module| {
                Guest::instantiate(
                    module,
                    HostContext {
                        gadget: self.name.clone(),
                        sources: Arc::clone(&sources),
                        config: Arc::clone(&config),
                        params: values.below(WASM_PREFIX),
                        maps: layer
                            .clone()
                            .map_or(Arc::new(NoObject) as Arc<dyn Maps>, |layer| layer),
                        iterators: layer
                            .clone()
                            .map_or(Arc::new(NoObject) as Arc<dyn Iterators>, |layer| layer),
                        programs: layer
                            .clone()
                            .map_or(Arc::new(NoObject) as Arc<dyn Programs>, |layer| layer),
                        settings: layer
                            .map_or(Arc::new(NoObject) as Arc<dyn ObjectSettings>, |layer| layer),
                        kernel: kernel as Arc<dyn Kernel>,
                        mntns_filter: Arc::clone(&mntns_filter),
                        deadlines: Deadlines::default(),
                    },
                )
            })
            .transpose()?;
        let containers = {
            let config = config.read().unwrap_or_else(PoisonError::into_inner);
            ContainerSource::register(&sources, &config)?
        };
        Ok(ReadyGadget {
            name: self.name,
            config,
            ebpf: self.ebpf,
            guest,
            sources,
            containers,
            mntns_filter,
            guest_params,
        })
    }
}

/// A gadget whose guest is instantiated and whose data sources can be subscribed to.
pub struct ReadyGadget {
    name: String,
    config: Arc<RwLock<Config>>,
    ebpf: Option<Arc<EbpfLayer>>,
    guest: Option<Guest>,
    sources: Arc<DataSources>,
    containers: Option<ContainerSource>,
    mntns_filter: MntnsFilter,
    guest_params: GuestParams,
}

impl ReadyGadget {
    /// The gadget's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The data sources that a client sees.
    pub fn sources(&self) -> Vec<Arc<DataSource>> {
        self.sources.all()
    }

    /// Values by full name: those of the guest's parameters, also where nobody gave one, and others that were given.
    pub(crate) fn params(&self, given: &ParamValues) -> BTreeMap<String, String> {
        let own = self.guest_params.iter();
        let own =
            own.map(|(key, value)| (format!("{WASM_PREFIX}{key}").to_lowercase(), value.clone()));
        own.chain(given.below("")).collect()
    }

    pub(crate) fn answers(&self, question: Question) -> bool {
        let guest = self.guest.as_ref();
        guest.is_some_and(|guest| guest.answers(question))
    }

    /// Whether the gadget can answer while it runs; not, as an error.
    pub(crate) fn require(&self, question: Question) -> Result<(), Error> {
        if self.answers(question) {
            return Ok(());
        }
        Err(Error::NotLive(self.name.clone()))
    }

    /// Whether the gadget follows containers, or filters by them.
    pub fn wants_containers(&self) -> bool {
        let has_filter =
            |ebpf: &Arc<EbpfLayer>| ebpf.map_infos().iter().any(|map| map.name == FILTER_MAP);
        self.containers.is_some() || self.ebpf.as_ref().is_some_and(has_filter)
    }

    /// Runs the guest's `gadgetPreStart`: the last phase in which nothing has reached the kernel.
    ///
    /// # Errors
    /// The guest fails.
    pub fn pre_start(&self, is_filtered: bool) -> Result<(), Error> {
        if let Some(ebpf) = &self.ebpf {
            // Objects without the constant have no container filter, or always ask.
            match ebpf.set_constant(FILTER_CONSTANT, &[u8::from(is_filtered)]) {
                Ok(()) | Err(SettingError::NotFound { .. }) => {}
                Err(error) => return Err(gizmo_ebpf::Error::from(error).into()),
            }
        }
        if let Some(guest) = &self.guest {
            guest.call(Phase::PreStart)?;
        }
        Ok(())
    }

    /// Loads and attaches the programs, runs the guest's `gadgetStart` and tells it of the container.
    ///
    /// # Errors
    /// The kernel or the guest refuses. Everything is detached then.
    pub fn start(self, container: Option<&Container>) -> Result<RunningGadget, Error> {
        self.start_with(container, |_| Ok(()))
    }

    /// The same with something to do between loading and attaching.
    pub(crate) fn start_with(
        self,
        container: Option<&Container>,
        before_attaching: impl FnOnce(&RunningGadget) -> Result<(), Error>,
    ) -> Result<RunningGadget, Error> {
        let running = RunningGadget { gadget: self };
        running.load()?;
        before_attaching(&running)?;
        running.start(container)?;
        debug!(gadget = running.gadget.name, "running...");
        Ok(running)
    }
}

/// A gadget that is attached. Dropping it closes it without running the guest's last phases.
pub struct RunningGadget {
    gadget: ReadyGadget,
}

impl RunningGadget {
    /// The map with which the gadget's programs ask whether a mount namespace is selected.
    pub(crate) fn filter_map(&self) -> Option<Arc<dyn BpfMap>> {
        self.gadget.ebpf.as_ref()?.get(FILTER_MAP).ok()
    }

    /// Lets the guest ask the container filter, too.
    pub(crate) fn share_filter(&self, filter: Option<Arc<dyn BpfMap>>) {
        *self
            .gadget
            .mntns_filter
            .write()
            .unwrap_or_else(PoisonError::into_inner) = filter;
    }

    /// The gadget's name.
    pub(crate) fn name(&self) -> &str {
        &self.gadget.name
    }

    /// Values of the guest's parameters by their keys, declared and given.
    pub(crate) fn guest_params(&self) -> GuestParams {
        self.gadget.guest_params.clone()
    }

    /// Whether the gadget can answer while it runs.
    pub(crate) fn answers(&self, question: Question) -> bool {
        self.gadget.answers(question)
    }

    /// Whether it can; not, as an error.
    pub(crate) fn require(&self, question: Question) -> Result<(), Error> {
        self.gadget.require(question)
    }

    /// Asks the gadget about the containers that somebody wants to see.
    ///
    /// # Errors
    /// The guest fails.
    pub(crate) fn ask(
        &self,
        question: Question,
        selection: &Selection,
    ) -> Result<Vec<Recording>, Error> {
        match &self.gadget.guest {
            Some(guest) => Ok(guest.ask(question, selection)?),
            None => Ok(Vec::new()),
        }
    }

    /// Changes parameters of the guest.
    ///
    /// # Errors
    /// There is no such parameter, the value is wrong, or the guest takes none while it runs.
    pub(crate) fn set_params(&self, values: &GuestParams) -> Result<(), Error> {
        let gadget = &self.gadget;
        let config = gadget.config.read().unwrap_or_else(PoisonError::into_inner);
        let params = Param::from_config(&config, "params.wasm", "");
        for (key, value) in values {
            let param = params.iter().find(|param| param.key == *key);
            let param = param.ok_or_else(|| Error::NoParam(gadget.name.clone(), key.clone()))?;
            if !param.tags.iter().any(|tag| tag == LIVE_TAG) {
                return Err(Error::FixedParam(key.clone()));
            }
            param.validate(value)?;
        }
        drop(config);
        match gadget.guest.as_ref().filter(|guest| guest.takes_params()) {
            Some(guest) => Ok(guest.set_params(values)?),
            None => Err(Error::FixedParams(gadget.name.clone())),
        }
    }

    /// Detaches the programs, after the guest's *pre-stop*; the guest lives on.
    pub(crate) fn detach(&self) -> Detached {
        let mut errors = Vec::new();
        let is_alive = self.end_phase(Phase::PreStop, &mut errors);
        if let Some(ebpf) = &self.gadget.ebpf {
            ebpf.stop();
        }
        Detached { is_alive, errors }
    }

    /// Tells the gadget of a container.
    ///
    /// # Errors
    /// A subscriber fails.
    pub(crate) fn publish(&self, event: &str, container: &Container) -> Result<(), Error> {
        match &self.gadget.containers {
            Some(source) => source.publish(event, container, false),
            None => Ok(()),
        }
    }

    fn load(&self) -> Result<(), Error> {
        let config = self.gadget.config.read();
        let config = config.unwrap_or_else(PoisonError::into_inner);
        match &self.gadget.ebpf {
            Some(ebpf) => Ok(ebpf.load(&config)?),
            None => Ok(()),
        }
    }

    fn start(&self, container: Option<&Container>) -> Result<(), Error> {
        let gadget = &self.gadget;
        if let Some(ebpf) = &gadget.ebpf {
            ebpf.attach(&gadget.config.read().unwrap_or_else(PoisonError::into_inner))?;
            if let Some(container) = container {
                self.share_filter(select_in_filter(ebpf.as_ref(), container)?);
            }
        }
        if let Some(guest) = &gadget.guest {
            guest.call(Phase::Start)?;
        }
        if let (Some(source), Some(container)) = (&gadget.containers, container) {
            source.publish("CREATED", container, true)?;
            // A guest that could not take note has said so in the log; it has recorded nothing then.
            if let Some(death) = gadget.guest.as_ref().and_then(Guest::death) {
                warn!(%death, "the guest ended");
            }
        }
        Ok(())
    }

    /// Ends the run in the order of the phases; every phase is tried.
    ///
    /// # Errors
    /// Everything that failed on the way.
    pub(crate) fn stop(self, detached: Detached) -> Result<(), Error> {
        let Detached {
            is_alive,
            mut errors,
        } = detached;
        if is_alive && self.end_phase(Phase::Stop, &mut errors) {
            self.end_phase(Phase::PostStop, &mut errors);
        }
        Error::join(errors)
    }

    /// Runs one of the last phases. `false` when the guest has ended in it: it would only say so again.
    fn end_phase(&self, phase: Phase, errors: &mut Vec<Error>) -> bool {
        let Some(guest) = &self.gadget.guest else {
            return true;
        };
        let Err(error) = guest.call(phase) else {
            return true;
        };
        errors.push(error.into());
        guest.death().is_none()
    }
}

/// How it went until the programs were detached.
pub(crate) struct Detached {
    /// The guest can be called.
    is_alive: bool,
    errors: Vec<Error>,
}

impl Drop for RunningGadget {
    fn drop(&mut self) {
        if let Some(ebpf) = &self.gadget.ebpf {
            ebpf.stop();
            ebpf.close();
        }
    }
}

/// What a guest without an eBPF object has.
struct NoObject;

impl Maps for NoObject {
    fn get(&self, name: &str) -> Result<Arc<dyn gizmo_model::map::BpfMap>, MapError> {
        Err(MapError::NotFound(name.to_owned()))
    }

    fn create(&self, spec: &MapSpec) -> Result<Arc<dyn gizmo_model::map::BpfMap>, MapError> {
        gizmo_ebpf::create_map(spec)
    }

    fn create_inner(
        &self,
        outer: &str,
        _: &str,
    ) -> Result<Arc<dyn gizmo_model::map::BpfMap>, MapError> {
        Err(MapError::NotFound(outer.to_owned()))
    }
}

impl Iterators for NoObject {
    fn iterate(&self, program: &str) -> Result<Box<dyn std::io::Read + Send>, IteratorError> {
        Err(IteratorError::NotFound(program.to_owned()))
    }
}

impl Programs for NoObject {
    fn misses(&self, program: &str) -> Result<u64, ProgramError> {
        Err(ProgramError::NotFound(program.to_owned()))
    }
}

impl ObjectSettings for NoObject {
    fn set_constant(&self, name: &str, _: &[u8]) -> Result<(), SettingError> {
        Err(SettingError::NotFound {
            what: "constant",
            name: name.to_owned(),
        })
    }

    fn set_max_entries(&self, map: &str, _: bool, _: u32) -> Result<(), SettingError> {
        Err(SettingError::NotFound {
            what: "map",
            name: map.to_owned(),
        })
    }
}
