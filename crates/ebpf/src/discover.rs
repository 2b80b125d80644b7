//! What an object declares through the names of its variables (gadget-image.md 4.2, 4.8).
//!
//! A declaration is a global variable of type `const void *` whose name carries the data, its parts separated by three
//! underscores. The variable itself is never read.

use gizmo_model::config::Config;
use gizmo_model::params::Param;
use libbpf_rs::btf::types::{Array, Const, DataSec, Int, IntEncoding, Linkage, Ptr, Var};
use libbpf_rs::btf::{Btf, BtfKind, BtfType, HasSize, ReferencesType};

use crate::Error;

/// A data source that is fed from a ring or perf buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracer {
    /// Name of the data source.
    pub name: String,
    /// Map the events come from.
    pub map: String,
    /// C structure of an event.
    pub structure: String,
}

/// A constant or variable of a data section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Name in the source.
    pub name: String,
    /// Section, such as `.rodata`, which is also (the end of) the map's name.
    pub section: String,
    /// First byte in the section.
    pub offset: usize,
    /// Number of bytes.
    pub bytes: usize,
    /// Type hint for parameters (runtime-and-cli.md 2.3), empty when the type cannot be set from text.
    pub type_hint: &'static str,
    /// Whether the variable is `const`.
    pub is_const: bool,
}

/// Everything an object declares.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// Data sources fed from buffers.
    pub tracers: Vec<Tracer>,
    /// Data sources that are there but not served yet, as `kind name`.
    pub unserved: Vec<String>,
    /// Names of variables that are parameters.
    pub params: Vec<String>,
    /// Variables of all data sections.
    pub variables: Vec<Variable>,
}

impl Declared {
    /// Reads an object's BTF.
    pub(crate) fn from_btf(btf: &Btf<'_>) -> Result<Self, Error> {
        let mut declared = Declared {
            variables: variables(btf),
            ..Declared::default()
        };
        for var in btf.type_by_kind::<Var<'_>>() {
            if var.linkage() == Linkage::Static || !is_const_void_pointer(&var) {
                continue;
            }
            let Some(name) = var.name().and_then(|name| name.to_str()) else {
                continue;
            };
            declared.read_name(name)?;
        }
        Ok(declared)
    }

    fn read_name(&mut self, name: &str) -> Result<(), Error> {
        if let Some(rest) = name.strip_prefix("gadget_tracer_") {
            let [name, map, structure] = parts(name, rest)?;
            self.tracers.push(Tracer {
                name,
                map,
                structure,
            });
        } else if let Some(param) = name.strip_prefix("gadget_param_") {
            if !self.params.iter().any(|known| known == param) {
                self.params.push(param.to_owned());
            }
        } else if let Some(rest) = name.strip_prefix("gadget_mapiter_") {
            let [source, _map] = parts(name, rest)?;
            self.unserved.push(format!("map iterator {source}"));
        } else if let Some(rest) = name
            .strip_prefix("gadget_iter_")
            .or_else(|| name.strip_prefix("gadget_snapshotter_"))
        {
            let source = rest.split("___").next().unwrap_or(rest);
            self.unserved.push(format!("iterator {source}"));
        }
        Ok(())
    }

    /// The variable of this name.
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.name == name)
    }

    /// Descriptions of the parameters; `read` gives a variable's initial bytes.
    pub(crate) fn describe_params(
        &self,
        config: &Config,
        read: impl Fn(&Variable) -> Option<Vec<u8>>,
    ) -> Vec<Param> {
        let describe = |name: &String| {
            let variable = self.variable(name)?;
            let entry = |key: &str| {
                let new = config.get_str(&format!("params.ebpf.{name}.{key}"));
                new.or_else(|| config.get_str(&format!("ebpfparams.{name}.{key}")))
            };
            let text = |key: &str| entry(key).unwrap_or_default();
            let own_key = entry("key").filter(|key| !key.is_empty());
            let initial = read(variable).and_then(|bytes| scalar_text(&bytes, variable.type_hint));
            Some(Param {
                prefix: "operator.oci.ebpf.".into(),
                key: own_key.unwrap_or_else(|| well_known_key(name).unwrap_or(name).to_owned()),
                description: text("description"),
                default_value: initial.unwrap_or_else(|| text("defaultvalue")),
                type_hint: variable.type_hint.to_owned(),
                ..Param::default()
            })
        };
        self.params.iter().filter_map(describe).collect()
    }
}

fn parts<const N: usize>(name: &str, rest: &str) -> Result<[String; N], Error> {
    let list: Vec<String> = rest.split("___").map(str::to_owned).collect();
    list.try_into()
        .map_err(|list: Vec<String>| Error::Declaration {
            name: name.to_owned(),
            problem: format!("has {} parts, expected {N}", list.len()),
        })
}

fn well_known_key(variable: &str) -> Option<&'static str> {
    Some(match variable {
        "targ_pid" => "pid",
        "targ_tid" => "tid",
        "targ_uid" => "uid",
        "targ_gid" => "gid",
        "targ_comm" => "comm",
        "collect_ustack" => "collect-ustack",
        "collect_build_id" => "collect-build-id",
        _ => return None,
    })
}

fn is_const_void_pointer(var: &Var<'_>) -> bool {
    let Ok(pointer) = Ptr::try_from(var.referenced_type()) else {
        return false;
    };
    let Ok(target) = Const::try_from(pointer.referenced_type()) else {
        return false;
    };
    target.referenced_type().kind() == BtfKind::Void
}

fn variables(btf: &Btf<'_>) -> Vec<Variable> {
    let mut list = Vec::new();
    for section in btf.type_by_kind::<DataSec<'_>>() {
        let Some(name) = section.name().and_then(|name| name.to_str()) else {
            continue;
        };
        if name == ".maps" || name == "license" || name.starts_with(".k") {
            continue;
        }
        for index in 0..section.len() {
            let Some(info) = section.get(index) else {
                continue;
            };
            let Some(var) = btf.type_by_id::<Var<'_>>(info.ty) else {
                continue;
            };
            let Some(variable) = var.name().and_then(|name| name.to_str()) else {
                continue;
            };
            list.push(Variable {
                name: variable.to_owned(),
                section: name.to_owned(),
                offset: info.offset as usize,
                bytes: info.size,
                type_hint: type_hint(&var.referenced_type()),
                is_const: name.starts_with(".rodata"),
            });
        }
    }
    list
}

/// The type hint of a variable's type.
fn type_hint(ty: &BtfType<'_>) -> &'static str {
    let ty = ty.skip_mods_and_typedefs();
    if let Ok(int) = Int::try_from(ty) {
        return match (int.encoding, int.size()) {
            (IntEncoding::Bool, _) => "bool",
            (IntEncoding::Signed, 1) => "int8",
            (IntEncoding::Signed, 2) => "int16",
            (IntEncoding::Signed, 4) => "int32",
            (IntEncoding::Signed, 8) => "int64",
            (_, 1) => "uint8",
            (_, 2) => "uint16",
            (_, 4) => "uint32",
            (_, 8) => "uint64",
            _ => "",
        };
    }
    if let Ok(array) = Array::try_from(ty) {
        let element = array.contained_type().skip_mods_and_typedefs();
        if element.name().is_some_and(|name| name == "char") {
            return "string";
        }
    }
    match (ty.kind(), ty.name().and_then(|name| name.to_str())) {
        (BtfKind::Float, Some("float")) => "float32",
        (BtfKind::Float, Some("double")) => "float64",
        _ => "",
    }
}

/// A variable's bytes as text, for integers and booleans.
fn scalar_text(bytes: &[u8], type_hint: &str) -> Option<String> {
    let signed = type_hint.starts_with("int");
    match type_hint {
        "bool" => Some((bytes.first()? != &0).to_string()),
        hint if signed => {
            let _ = hint;
            Some((gizmo_model::field::extend(bytes, true) as i64).to_string())
        }
        hint if hint.starts_with("uint") => {
            Some(gizmo_model::field::extend(bytes, false).to_string())
        }
        _ => None,
    }
}

/// The bytes that a text stands for in a variable; `None` when the text does not fit.
pub(crate) fn bytes_of_text(text: &str, type_hint: &str, bytes: usize) -> Option<Vec<u8>> {
    let mut value = match type_hint {
        "bool" => vec![u8::from(text.to_lowercase().parse::<bool>().ok()?)],
        "float32" => text.parse::<f32>().ok()?.to_ne_bytes().to_vec(),
        "float64" => text.parse::<f64>().ok()?.to_ne_bytes().to_vec(),
        "string" => text.as_bytes().to_vec(),
        hint if hint.starts_with("int") => {
            let number: i64 = text.parse().ok()?;
            let bits = bytes as u32 * 8;
            let fits = bits >= 64 || (-(1i64 << (bits - 1))..1i64 << (bits - 1)).contains(&number);
            fits.then(|| number.to_ne_bytes()[..bytes.min(8)].to_vec())?
        }
        hint if hint.starts_with("uint") => {
            let number: u64 = text.parse().ok()?;
            let bits = bytes as u32 * 8;
            (bits >= 64 || number < 1u64 << bits)
                .then(|| number.to_ne_bytes()[..bytes.min(8)].to_vec())?
        }
        _ => return None,
    };
    if value.len() > bytes {
        return None;
    }
    value.resize(bytes, 0);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_the_bytes_of_a_variable() {
        assert_eq!(bytes_of_text("True", "bool", 1), Some(vec![1]));
        assert_eq!(
            bytes_of_text("-2", "int32", 4),
            Some((-2i32).to_ne_bytes().to_vec())
        );
        assert_eq!(bytes_of_text("300", "uint8", 1), None);
        assert_eq!(bytes_of_text("128", "int8", 1), None);
        assert_eq!(
            bytes_of_text("18446744073709551615", "uint64", 8),
            Some(vec![255; 8])
        );
        assert_eq!(bytes_of_text("ab", "string", 4), Some(b"ab\0\0".to_vec()));
        assert_eq!(bytes_of_text("abcde", "string", 4), None);
        assert_eq!(bytes_of_text("1", "", 4), None);
    }

    #[test]
    fn names_carry_their_parts() {
        let mut declared = Declared::default();
        declared
            .read_name("gadget_tracer_exec___events___event")
            .unwrap();
        assert_eq!(declared.tracers[0].structure, "event");
        declared.read_name("gadget_param_min").unwrap();
        declared.read_name("gadget_param_min").unwrap();
        assert_eq!(declared.params, ["min"]);
        assert!(matches!(
            declared.read_name("gadget_tracer_exec___events"),
            Err(Error::Declaration { .. })
        ));
        declared.read_name("something_else").unwrap();
    }
}
