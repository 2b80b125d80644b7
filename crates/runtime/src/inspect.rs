//! What `image inspect` says of an image (gadget-image.md 1.10.4).

use std::sync::Arc;

use gizmo_image::Image;
use gizmo_image::inspect::oci_entries;
use gizmo_model::params::ParamValues;
use gizmo_model::{DataSource, Shape};
use gizmo_wasm::ModuleInfo;
use serde_json::{Value, json};

use crate::gadget::OpenGadget;
use crate::{Error, HostKernel, operators};

/// One piece of information.
#[derive(Debug, Clone, PartialEq)]
pub struct InfoEntry {
    /// Such as `ebpf.programs`.
    pub key: String,
    /// Such as `application/json`.
    pub content_type: String,
    /// Text of that type.
    pub content: String,
}

impl InfoEntry {
    fn json(key: &str, value: &Value) -> Self {
        Self {
            key: key.into(),
            content_type: "application/json".into(),
            content: value.to_string(),
        }
    }
}

/// Everything about an image: metadata, parameters, data sources with their fields, programs, maps, imports.
///
/// # Errors
/// A layer cannot be used.
pub fn inspect(image: &Image, given: &str, gadget: OpenGadget) -> Result<Vec<InfoEntry>, Error> {
    let mut entries: Vec<InfoEntry> = oci_entries(image, given)
        .into_iter()
        .map(|info| InfoEntry {
            key: info.key.into(),
            content_type: info.content_type.into(),
            content: String::from_utf8_lossy(&info.content).into_owned(),
        })
        .collect();
    if let Some(ebpf) = gadget.ebpf() {
        let programs: Vec<Value> = ebpf
            .programs()
            .iter()
            .map(|program| json!({"Name": program.name, "Section": program.section}))
            .collect();
        let maps = ebpf
            .map_infos()
            .iter()
            .filter(|map| !matches!(map.name.as_str(), ".rodata" | ".bss"));
        let maps: Vec<Value> = maps
            .map(|map| {
                json!({"Name": map.name, "Type": map_type(map.kind), "KeySize": map.key_bytes,
                "ValueSize": map.value_bytes, "MaxEntries": map.max_entries})
            })
            .collect();
        let variables: Vec<Value> = ebpf
            .declared()
            .variables
            .iter()
            .map(|variable| {
                json!({"Name": variable.name, "Offset": variable.offset, "Size": variable.bytes,
                "Map": variable.section})
            })
            .collect();
        entries.push(InfoEntry::json("ebpf.programs", &programs.into()));
        entries.push(InfoEntry::json("ebpf.maps", &maps.into()));
        entries.push(InfoEntry::json("ebpf.variables", &variables.into()));
    }
    if let Some(module) = gadget.module() {
        let info = ModuleInfo::of(module)?;
        entries.push(InfoEntry {
            key: "wasm.gadgetAPIVersion".into(),
            content_type: "text/plain".into(),
            content: info.api_version.to_string(),
        });
        entries.push(InfoEntry::json("wasm.upcalls", &info.upcalls.into()));
        entries.push(InfoEntry::json(
            "wasm.gizmoUpcalls",
            &info.gizmo_upcalls.into(),
        ));
    }
    let params: Vec<Value> = gadget
        .params()
        .iter()
        .map(|param| {
            json!({"key": param.full_name(), "description": param.description,
            "defaultValue": param.default_value, "typeHint": param.type_hint})
        })
        .collect();
    entries.push(InfoEntry::json("params", &params.into()));
    let sources = sources_to_show(gadget)?;
    entries.push(InfoEntry::json("datasources", &describe_sources(&sources)));
    entries.sort_by(|left, right| left.key.cmp(&right.key));
    Ok(entries)
}

/// The data sources that a run would show, with all their fields; nothing is loaded.
///
/// # Errors
/// The guest's `gadgetInit` fails.
pub fn sources_to_show(gadget: OpenGadget) -> Result<Vec<Arc<DataSource>>, Error> {
    let kernel = Arc::new(HostKernel::probe(true)?);
    let sources = gadget
        .instantiate(&ParamValues::default(), Arc::clone(&kernel))?
        .sources();
    operators::attach_formatters(&sources, &operators::context(&kernel))?;
    Ok(sources)
}

/// Data sources with their fields, as a list of objects.
pub fn describe_sources(sources: &[Arc<DataSource>]) -> Value {
    let describe = |source: &Arc<DataSource>| {
        let fields: Vec<Value> = source
            .fields()
            .iter()
            .filter(|field| !field.meta().unreferenced)
            .map(|field| {
                let meta = field.meta();
                json!({"name": field.name(), "fullName": field.full_name(), "kind": field.kind().name(),
                    "isArray": field.is_array(), "hidden": meta.hidden, "tags": meta.tags,
                    "annotations": meta.annotations})
            })
            .collect();
        let shape = if source.shape() == Shape::Array {
            "array"
        } else {
            "single"
        };
        json!({"name": source.name(), "type": shape, "tags": source.tags(), "annotations": source.annotations(),
            "fields": fields})
    };
    sources.iter().map(describe).collect::<Vec<_>>().into()
}

/// The kernel's name of a map type, without its prefix.
fn map_type(kind: u32) -> String {
    const NAMES: [&str; 34] = [
        "Unspecified",
        "Hash",
        "Array",
        "ProgramArray",
        "PerfEventArray",
        "PerCPUHash",
        "PerCPUArray",
        "StackTrace",
        "CGroupArray",
        "LRUHash",
        "LRUCPUHash",
        "LPMTrie",
        "ArrayOfMaps",
        "HashOfMaps",
        "DevMap",
        "SockMap",
        "CPUMap",
        "XSKMap",
        "SockHash",
        "CGroupStorage",
        "ReusePortSockArray",
        "PerCPUCGroupStorage",
        "Queue",
        "Stack",
        "SkStorage",
        "DevMapHash",
        "StructOpsMap",
        "RingBuf",
        "InodeStorage",
        "TaskStorage",
        "BloomFilter",
        "UserRingbuf",
        "CgroupStorage",
        "Arena",
    ];
    NAMES
        .get(kind as usize)
        .map_or_else(|| format!("MapType({kind})"), |name| (*name).to_owned())
}
