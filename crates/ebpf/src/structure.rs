//! C structures as fields of a data source (gadget-image.md 4.3).

use std::collections::BTreeMap;

use gizmo_model::Kind;
use gizmo_model::field::{FieldSpec, MemberSpec};
use libbpf_rs::btf::types::{Array, Composite, Int, IntEncoding, MemberAttr, Struct};
use libbpf_rs::btf::{Btf, BtfKind, BtfType, HasSize};

/// Structures nested deeper are left out; C compilers and upstream's gadgets stay far below.
const MAX_DEPTH: usize = 16;

/// The members of the structure `name` and its size in bytes; `None` when the object has no such structure.
pub(crate) fn members(btf: &Btf<'_>, name: &str) -> Option<(Vec<MemberSpec>, usize)> {
    let structure = btf.type_by_name::<Struct<'_>>(name)?;
    let bytes = structure.size();
    let mut list = Vec::new();
    walk(btf, structure.into(), 0, None, 0, &mut list);
    Some((list, bytes))
}

fn walk(
    btf: &Btf<'_>,
    composite: Composite<'_>,
    base: usize,
    parent: Option<usize>,
    depth: usize,
    list: &mut Vec<MemberSpec>,
) {
    if depth > MAX_DEPTH {
        return;
    }
    for index in 0..composite.len() {
        let Some(member) = composite.get(index) else {
            continue;
        };
        let name = member
            .name
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.starts_with("__") {
            continue;
        }
        let bits = match member.attr {
            MemberAttr::Normal { offset } | MemberAttr::BitField { offset, .. } => offset,
        };
        let offset = base + bits as usize / 8;
        let Some(ty) = btf.type_by_id::<BtfType<'_>>(member.ty) else {
            continue;
        };
        let Some((kind, array, bytes)) = shape(&ty) else {
            continue;
        };
        let inner = Composite::try_from(ty).ok();
        let mut spec = FieldSpec::new(name, kind);
        spec.array = array;
        spec.tags = tags(&ty, name);
        spec.annotations = annotations(&ty);
        list.push(MemberSpec {
            spec,
            offset,
            size: bytes,
            parent,
        });
        if let Some(inner) = inner {
            let position = list.len() - 1;
            walk(btf, inner, offset, Some(position), depth + 1, list);
        }
    }
}

/// Kind, whether it is a list, and bytes of a member; `None` for what becomes no field.
fn shape(ty: &BtfType<'_>) -> Option<(Kind, bool, usize)> {
    if let Ok(composite) = Composite::try_from(*ty) {
        return Some((Kind::Bytes, false, composite.size()));
    }
    let base = ty.skip_mods_and_typedefs();
    if let Ok(array) = Array::try_from(base) {
        return array_shape(&array);
    }
    scalar(&base).map(|(kind, bytes)| (kind, false, bytes))
}

fn array_shape(array: &Array<'_>) -> Option<(Kind, bool, usize)> {
    let element = array.contained_type();
    let base = element.skip_mods_and_typedefs();
    if let Ok(inner) = Array::try_from(base) {
        let (_, _, bytes) = array_shape(&inner)?;
        return Some((Kind::Invalid, false, bytes.checked_mul(array.capacity())?));
    }
    let (kind, bytes) = scalar(&base)?;
    let bytes = bytes
        .checked_mul(array.capacity())
        .filter(|&bytes| bytes > 0)?;
    if kind.width() == Some(1) && chain(&element).iter().any(|name| name == "char") {
        return Some((Kind::CString, false, bytes));
    }
    Some((kind, true, bytes))
}

fn scalar(ty: &BtfType<'_>) -> Option<(Kind, usize)> {
    if let Ok(int) = Int::try_from(*ty) {
        let signed = matches!(int.encoding, IntEncoding::Signed);
        return Some(match (int.encoding, int.size()) {
            (IntEncoding::Bool, 1) => (Kind::Bool, 1),
            (_, 1) => (if signed { Kind::Int8 } else { Kind::Uint8 }, 1),
            (_, 2) => (if signed { Kind::Int16 } else { Kind::Uint16 }, 2),
            (_, 4) => (if signed { Kind::Int32 } else { Kind::Uint32 }, 4),
            (_, 8) => (if signed { Kind::Int64 } else { Kind::Uint64 }, 8),
            _ => return None,
        });
    }
    match ty.kind() {
        BtfKind::Enum => Some((Kind::Uint32, 4)),
        BtfKind::Enum64 => Some((Kind::Uint64, 8)),
        BtfKind::Float if ty.name().is_some_and(|name| name == "float") => Some((Kind::Float32, 4)),
        BtfKind::Float if ty.name().is_some_and(|name| name == "double") => {
            Some((Kind::Float64, 8))
        }
        _ => None,
    }
}

/// The names of the types from a typedef down to its base, that of an array's elements included.
fn chain(ty: &BtfType<'_>) -> Vec<String> {
    let mut names = Vec::new();
    let mut next = Some(*ty);
    while let Some(ty) = next {
        if names.len() >= MAX_DEPTH {
            break;
        }
        if let Some(name) = ty.name().and_then(|name| name.to_str()) {
            names.push(name.to_owned());
        }
        next = match Array::try_from(ty) {
            Ok(array) => Some(array.contained_type()),
            Err(_) => ty.next_type(),
        };
    }
    names
}

fn tags(ty: &BtfType<'_>, name: &str) -> Vec<String> {
    let mut tags: Vec<String> = chain(ty)
        .into_iter()
        .map(|name| format!("type:{name}"))
        .collect();
    tags.push(format!("name:{name}"));
    tags.push("src:ebpf".to_owned());
    tags
}

/// Annotations that a type brings (gadget-image.md 4.3, last paragraph).
fn annotations(ty: &BtfType<'_>) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    for name in chain(ty) {
        let template = match name.as_str() {
            "gadget_comm" => "comm",
            "gadget_pcomm" => "pcomm",
            "gadget_uid" => "uid",
            "gadget_gid" => "gid",
            "gadget_pid" => "pid",
            "gadget_ppid" => "ppid",
            "gadget_tid" => "tid",
            "gadget_ptid" => "ptid",
            "gadget_timestamp" => "timestamp",
            "gadget_mntns_id" => "mntns_id",
            "gadget_netns_id" => "netns_id",
            "gadget_process" | "gadget_creds" | "gadget_parent" => {
                map.insert("columns.hidden".to_owned(), "true".to_owned());
                continue;
            }
            _ => continue,
        };
        map.insert("template".to_owned(), template.to_owned());
    }
    map
}
