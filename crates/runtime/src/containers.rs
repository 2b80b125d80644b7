//! The data source `containers` and the container filter of eBPF programs.

use std::sync::Arc;

use gizmo_containers::{HostRoot, OpenFile, open_files};
use gizmo_model::config::Config;
use gizmo_model::container::Container;
use gizmo_model::field::FieldSpec;
use gizmo_model::map::{BpfMap, Maps};
use gizmo_model::{DataSource, DataSources, Field, Kind, Packet, Shape};
use gizmo_syscalls::descriptors::AT_FDCWD;

use crate::Error;
use crate::host::boot_time_ns;

/// Name of the map with which programs ask whether a mount namespace is selected (gadget-image.md 4.9).
pub(crate) const FILTER_MAP: &str = "gadget_mntns_filter_map";

/// The constant that tells programs to ask.
pub(crate) const FILTER_CONSTANT: &str = "gadget_filter_by_mntns";

/// The data source that tells which containers come and go (wasm-host-api.md 4.3).
pub(crate) struct ContainerSource {
    source: Arc<DataSource>,
    event_type: Arc<Field>,
    container_id: Arc<Field>,
    cgroup_id: Arc<Field>,
    mntns_id: Arc<Field>,
    name: Arc<Field>,
    container_config: Arc<Field>,
    starting: Arc<Field>,
    /// If the gadget wants to know.
    open_files: Option<Arc<Field>>,
}

impl ContainerSource {
    /// Registers the data source if the gadget's metadata asks for it.
    pub(crate) fn register(sources: &DataSources, config: &Config) -> Result<Option<Self>, Error> {
        if !config.get_bool("annotations.enable-containers-datasource") {
            return Ok(None);
        }
        let source = sources.register(DataSource::new("containers", Shape::Single, config))?;
        source.annotate_default("cli.default-output-mode", "none");
        let add = |name: &str, kind| source.add_field(FieldSpec::new(name, kind));
        Ok(Some(Self {
            event_type: add("event_type", Kind::String)?,
            container_id: add("container_id", Kind::String)?,
            cgroup_id: add("cgroup_id", Kind::Uint64)?,
            mntns_id: add("mntns_id", Kind::Uint64)?,
            name: add("name", Kind::String)?,
            container_config: add("container_config", Kind::String)?,
            // An addition: the container's entry point has not been executed yet.
            starting: add("starting", Kind::Bool)?,
            open_files: config
                .get_bool("annotations.enable-open-files")
                .then(|| {
                    // Nothing to be read in a column.
                    let spec = FieldSpec::new("open_files", Kind::String);
                    source.add_field(spec.annotated("columns.hidden", "true"))
                })
                .transpose()?,
            source,
        }))
    }

    /// Tells subscribers about a container; returns when all have taken note.
    pub(crate) fn publish(
        &self,
        event: &str,
        container: &Container,
        is_starting: bool,
    ) -> Result<(), Error> {
        let mut element = self.source.new_element();
        let set = |element: &mut _| {
            self.event_type.set_bytes(element, event.as_bytes())?;
            self.container_id
                .set_bytes(element, container.id.as_bytes())?;
            self.cgroup_id.set_value(element, container.cgroup_id)?;
            self.mntns_id.set_value(element, container.mntns_id)?;
            self.name.set_bytes(element, container.name.as_bytes())?;
            self.container_config
                .set_bytes(element, container.config.as_bytes())?;
            if let Some(field) = self.open_files.as_ref().filter(|_| event == "CREATED") {
                field.set_bytes(element, open_files_text(container).as_bytes())?;
            }
            self.starting.set_value(element, u64::from(is_starting))
        };
        if let Err(error) = set(&mut element) {
            tracing::error!(%error, "the data source `containers` has lost a field");
        }
        Ok(self.source.emit(Packet::Single(element))?)
    }
}

/// Guests keep the text as long as the container is recorded.
const MOST_OPEN_BYTES: usize = 64 << 10;

/// What a container's processes have open, as [`host-api-gizmo.md`](../../../docs/host-api-gizmo.md) describes it.
fn open_files_text(container: &Container) -> String {
    let begin = boot_time_ns();
    let files = open_files(&HostRoot::from_env(), container);
    let mut text = format!("{begin} {}\n", boot_time_ns());
    for file in files {
        let fd = file.fd.unwrap_or(AT_FDCWD);
        let OpenFile {
            pid,
            start_ticks,
            target,
            ..
        } = &file;
        let ends_with_exec = u8::from(file.ends_with_exec);
        let line = format!("{pid} {start_ticks} {fd} {ends_with_exec} {target}\n");
        if text.len() + line.len() > MOST_OPEN_BYTES {
            break;
        }
        text.push_str(&line);
    }
    text
}

/// Selects a container in the gadget's filter map, if its object has one.
pub(crate) fn select_in_filter(
    maps: &dyn Maps,
    container: &Container,
) -> Result<Option<Arc<dyn BpfMap>>, Error> {
    let Ok(map) = maps.get(FILTER_MAP) else {
        return Ok(None);
    };
    map.update(&container.mntns_id.to_ne_bytes(), &1u32.to_ne_bytes(), 0)?;
    Ok(Some(map))
}
