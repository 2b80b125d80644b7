//! YAML: one document per element, made from the element's JSON so that both modes always show the same.

use gizmo_model::Element;
use serde_json::Value;

use crate::json::{Plan, Style, is_active};

/// Appends `---` and the element; `scratch` holds the JSON on the way.
pub(crate) fn write(plan: &Plan, element: &Element, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
    scratch.clear();
    plan.write(element, Style::Compact, 0, scratch);
    out.extend_from_slice(b"---\n");
    let text = serde_json::from_slice(scratch).ok().and_then(to_yaml);
    match text {
        Some(text) => out.extend_from_slice(text.as_bytes()),
        // JSON is YAML, so even what cannot be converted is a document, and so is what YAML would not escape.
        None => out.extend_from_slice(scratch),
    }
    if out.last() != Some(&b'\n') {
        out.push(b'\n');
    }
}

fn to_yaml(mut value: Value) -> Option<String> {
    value.sort_all_objects();
    let is_harmless = |text: &String| !text.contains(|c| is_active(c) || c < ' ' && c != '\n');
    serde_saphyr::to_string(&value).ok().filter(is_harmless)
}
