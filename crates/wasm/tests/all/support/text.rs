//! The notation of test guests: WAT functions, to which everything else is added.
//!
//! - `call $name` of a host function imports it;
//! - `@"text"` is a buffer reference to the text, `@[address,length]` one to that place, `#"text"` the text's address;
//! - `(eq A B)` and `(eq64 A B)` exit with the line's number when the values differ, `(ne A B)` when they do not;
//! - a memory of one page, `gadgetAPIVersion` and, with `$callback`, nothing else are defined.

use std::fmt::Write;

/// Texts start here; below is the tests' own room.
const TEXTS: u32 = 0x8000;

/// Signatures: `i` and `I` are 32 and 64 bits, after the colon the result.
pub const SIGNATURES: [(&str, &str, &str); 55] = [
    ("ig", "gadgetLog", "iI:"),
    ("ig", "gadgetShouldLog", "i:i"),
    ("ig", "newDataSource", "Ii:i"),
    ("ig", "getDataSource", "I:i"),
    ("ig", "dataSourceSubscribe", "iiiI:i"),
    ("ig", "dataSourceGetField", "iI:i"),
    ("ig", "dataSourceAddField", "iIi:i"),
    ("ig", "dataSourceNewPacketSingle", "i:i"),
    ("ig", "dataSourceNewPacketArray", "i:i"),
    ("ig", "dataSourceEmitAndRelease", "ii:i"),
    ("ig", "dataSourceRelease", "ii:i"),
    ("ig", "dataSourceUnreference", "i:i"),
    ("ig", "dataSourceIsReferenced", "i:i"),
    ("ig", "dataArrayNew", "i:i"),
    ("ig", "dataArrayAppend", "ii:i"),
    ("ig", "dataArrayRelease", "ii:i"),
    ("ig", "dataArrayLen", "i:i"),
    ("ig", "dataArrayGet", "ii:i"),
    ("ig", "fieldGetScalar", "iiii:I"),
    ("ig", "fieldGetBuffer", "iiiI:i"),
    ("ig", "fieldSet", "iiiI:i"),
    ("ig", "fieldAddTag", "iI:i"),
    ("ig", "getParamValue", "II:i"),
    ("ig", "setConfig", "IIi:i"),
    ("ig", "newMap", "Iiiii:i"),
    ("ig", "getMap", "I:i"),
    ("ig", "mapLookup", "iII:i"),
    ("ig", "mapUpdate", "iIII:i"),
    ("ig", "mapDelete", "iI:i"),
    ("ig", "mapRelease", "i:i"),
    ("ig", "releaseHandle", "i:i"),
    ("ig", "newPerfReader", "iii:i"),
    ("ig", "perfReaderPause", "i:i"),
    ("ig", "perfReaderResume", "i:i"),
    ("ig", "perfReaderRead", "iI:i"),
    ("ig", "perfReaderClose", "i:i"),
    ("ig", "getSyscallName", "iI:i"),
    ("ig", "getSyscallID", "I:i"),
    ("ig", "getSyscallDeclaration", "II:i"),
    ("ig", "kallsymsSymbolExists", "I:i"),
    ("ig", "shouldDiscardMntnsID", "I:i"),
    ("gizmo", "getHostFact", "II:i"),
    ("gizmo", "getParamLength", "I:i"),
    ("gizmo", "getSyscallIdForAbi", "iI:i"),
    ("gizmo", "getSyscallFunction", "iiI:i"),
    ("gizmo", "setConstant", "II:i"),
    ("gizmo", "setMaxEntries", "Iii:i"),
    ("gizmo", "newInnerMap", "II:i"),
    ("gizmo", "newIterator", "I:i"),
    ("gizmo", "iteratorRead", "iI:i"),
    ("gizmo", "programMisses", "I:I"),
    ("gizmo", "fail", "I:"),
    ("gizmo", "emitBatch", "iI:i"),
    ("gizmo", "isWanted", "III:i"),
    ("gizmo", "reportRecording", "IIIIII:i"),
];

/// The whole module.
pub fn module_text(source: &str) -> String {
    let (body, data) = expand(source);
    let mut text = String::from(
        "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))\n",
    );
    for (module, name, signature) in SIGNATURES {
        if calls(&body, name) {
            let ty = signature_text(signature);
            let _ = writeln!(text, "(import \"{module}\" \"{name}\" (func ${name} {ty}))");
        }
    }
    let _ = write!(
        text,
        "(memory (export \"memory\") 1) (data (i32.const {TEXTS}) \"{data}\")
        (func (export \"gadgetAPIVersion\") (result i64) (i64.const 1))
        (func $eq (param i32 i32 i32) (if (i32.ne (local.get 1) (local.get 2)) (then (call $exit (local.get 0)))))
        (func $ne (param i32 i32 i32) (if (i32.eq (local.get 1) (local.get 2)) (then (call $exit (local.get 0)))))
        (func $eq64 (param i32 i64 i64) (if (i64.ne (local.get 1) (local.get 2)) (then (call $exit (local.get 0)))))
        {body})"
    );
    text
}

pub fn calls(body: &str, name: &str) -> bool {
    let call = format!("call ${name}");
    body.match_indices(&call).any(|(at, _)| {
        let next = body.as_bytes().get(at + call.len());
        !next.is_some_and(u8::is_ascii_alphanumeric)
    })
}

fn signature_text(signature: &str) -> String {
    let (parameters, result) = signature.split_once(':').unwrap();
    let ty = |letter: char| if letter == 'I' { " i64" } else { " i32" };
    let parameters: String = parameters.chars().map(ty).collect();
    let result: String = result.chars().map(ty).collect();
    format!("(param{parameters}) (result{result})")
}

fn expand(source: &str) -> (String, String) {
    let (mut body, mut data, mut used) = (String::new(), String::new(), 0u32);
    for (number, line) in source.lines().enumerate() {
        let mut rest = line;
        while let Some(at) = rest.find(['@', '#']) {
            let (before, mark) = rest.split_at(at);
            body.push_str(before);
            if let Some(quoted) = mark[1..].strip_prefix('"') {
                let end = quoted.find('"').unwrap();
                let text = &quoted[..end];
                let address = TEXTS + used;
                let length = text.len() as u64;
                let constant = match &mark[..1] {
                    "@" => format!("(i64.const {})", u64::from(address) | (length << 32)),
                    _ => format!("(i32.const {address})"),
                };
                body.push_str(&constant);
                data.push_str(text);
                used += text.len() as u32;
                rest = &quoted[end + 1..];
            } else if let Some(place) = mark[1..].strip_prefix('[') {
                let (numbers, after) = place.split_once(']').unwrap();
                let (address, length) = numbers.split_once(',').unwrap();
                let number = |text: &str| text.trim().parse::<u64>().unwrap();
                let _ = write!(
                    body,
                    "(i64.const {})",
                    number(address) as u32 as u64 | (number(length) << 32)
                );
                rest = after;
            } else {
                body.push_str(&mark[..1]);
                rest = &mark[1..];
            }
        }
        body.push_str(rest);
        body.push('\n');
        for kind in ["eq", "eq64", "ne"] {
            body = body.replace(
                &format!("({kind} "),
                &format!("(call ${kind} (i32.const {}) ", number + 1),
            );
        }
    }
    (body, data)
}
