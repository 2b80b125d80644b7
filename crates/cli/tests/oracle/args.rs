//! What an argument points to, from strace's words and from gizmo's, in a form that can be compared.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::normal::{Content, Message};
use crate::text::{bare, quoted, split};

type Piece = (Vec<u8>, bool);

/// strace's argument, if it shows bytes.
pub fn of_strace(arg: &str) -> Option<Content> {
    if let Some((bytes, "")) = quoted(arg) {
        return Some(Content::Bytes(bytes.0, bytes.1));
    }
    if arg.starts_with("{sa_family=") {
        return Some(Content::Address(strace_address(arg)?));
    }
    if arg.starts_with("{msg_name=") {
        return Some(Content::Message(strace_message(arg)?));
    }
    if let Some(inside) = arg.strip_prefix('[')
        && inside.starts_with("{msg_hdr=")
    {
        return messages(inside.strip_suffix(']')?, |message| {
            let fields = split(message.strip_prefix('{')?.strip_suffix('}')?, ", ");
            strace_message(fields.first()?.strip_prefix("msg_hdr=")?)
        });
    }
    if let Some(text) = text_of_message(arg) {
        return Some(text);
    }
    if arg.starts_with("[{iov_base=") {
        let (bytes, cut) = strace_vector(arg)?;
        return Some(Content::Bytes(bytes, cut));
    }
    strace_strings(arg)
}

/// Both show a message of System V alike: its type and its text.
fn text_of_message(arg: &str) -> Option<Content> {
    let (_, text) = arg.strip_prefix("{mtype=")?.split_once(", mtext=")?;
    let (bytes, "}") = quoted(text)? else {
        return None;
    };
    Some(Content::Bytes(bytes.0, bytes.1))
}

fn strace_message(text: &str) -> Option<Message> {
    let fields = split(text.strip_prefix('{')?.strip_suffix('}')?, ", ");
    let field = |name: &str| fields.iter().find_map(|field| field.strip_prefix(name));
    Some(Message {
        address: field("msg_name=").and_then(strace_address),
        data: field("msg_iov=").and_then(strace_vector),
    })
}

fn messages(inside: &str, one: impl Fn(&str) -> Option<Message>) -> Option<Content> {
    let mut messages = Vec::new();
    for part in split(inside, ", ") {
        if part == "..." {
            return Some(Content::Messages(messages, true));
        }
        messages.push(one(&part)?);
    }
    Some(Content::Messages(messages, false))
}

/// The texts of a vector, one after another, up to the first that is not whole.
fn strace_vector(arg: &str) -> Option<Piece> {
    let mut all = Vec::new();
    for part in split(arg.strip_prefix('[')?.strip_suffix(']')?, ", ") {
        let Some(text) = part.strip_prefix("{iov_base=") else {
            return Some((all, true));
        };
        let Some(((bytes, cut), _)) = quoted(text) else {
            // A buffer that was not filled, or cannot be read.
            return (!all.is_empty()).then_some((all, true));
        };
        all.extend(bytes);
        if cut {
            return Some((all, true));
        }
    }
    Some((all, false))
}

fn strace_strings(arg: &str) -> Option<Content> {
    let inside = arg.strip_prefix("[\"")?.strip_suffix(']')?;
    let mut strings = Vec::new();
    for part in split(&format!("\"{inside}"), ", ") {
        if part == "..." {
            return Some(Content::Strings(strings, true));
        }
        strings.push(quoted(&part)?.0);
    }
    Some(Content::Strings(strings, false))
}

/// With `-xx -X raw` strace shows the bytes of ports and addresses.
fn strace_address(arg: &str) -> Option<String> {
    let fields = split(arg.strip_prefix('{')?.strip_suffix('}')?, ", ");
    let field = |name: &str| fields.iter().find_map(|field| field.strip_prefix(name));
    let bytes = |name: &str| Some(quoted(field(name)?)?.0.0);
    let port = |name: &str| Some(u16::from_be_bytes(bytes(name)?.try_into().ok()?));
    Some(match field("sa_family=")? {
        "0x1" => match field("sun_path=") {
            None => "unix:".to_owned(),
            Some(path) => match path.strip_prefix('@') {
                Some(name) => format!("unix:abstract {:?}", quoted(name)?.0.0),
                None => format!("unix:path {:?}", quoted(path)?.0.0),
            },
        },
        "0x2" => {
            let address: [u8; 4] = bytes("sin_addr=")?.try_into().ok()?;
            format!("{}:{}", Ipv4Addr::from(address), port("sin_port=")?)
        }
        "0xa" => {
            let address: [u8; 16] = bytes("sin6_addr=")?.try_into().ok()?;
            let scope = match field("sin6_scope_id=") {
                None | Some("0") => String::new(),
                Some(scope) => format!("%{scope}"),
            };
            let port = port("sin6_port=")?;
            format!("[{}{scope}]:{port}", Ipv6Addr::from(address))
        }
        "0x10" if field("nl_pid=").is_some() => {
            let groups = field("nl_groups=")?.trim_start_matches("0x");
            let groups = u32::from_str_radix(groups, 16).ok()?;
            format!("netlink:pid={},groups={groups:#x}", field("nl_pid=")?)
        }
        _ => return None,
    })
}

/// gizmo's text, if it shows bytes; behind a text that is cut may stand why.
pub fn of_gizmo(text: &str) -> Option<Content> {
    let text = text.strip_suffix(" (unreadable)").unwrap_or(text);
    if let Some((bytes, "")) = quoted(text) {
        return Some(Content::Bytes(bytes.0, bytes.1));
    }
    if let Some(address) = gizmo_address(text) {
        return Some(Content::Address(address));
    }
    if let Some(inside) = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
    {
        if let Some(text) = text_of_message(text) {
            return Some(text);
        }
        return Some(Content::Message(gizmo_message(inside)?));
    }
    let inside = text.strip_prefix('[')?.strip_suffix(']')?;
    if inside.starts_with("{name=") || inside.starts_with("{data=") {
        return messages(inside, |message| {
            gizmo_message(message.strip_prefix('{')?.strip_suffix('}')?)
        });
    }
    if !(inside.is_empty() || inside.starts_with(['"', '.'])) {
        return None;
    }
    let mut strings = Vec::new();
    for part in split(inside, ", ") {
        if part == "..." {
            return Some(Content::Strings(strings, true));
        }
        strings.push(quoted(&part)?.0);
    }
    Some(Content::Strings(strings, false))
}

fn gizmo_message(inside: &str) -> Option<Message> {
    let mut message = Message::default();
    for part in split(inside, ", ") {
        if let Some(name) = part.strip_prefix("name=") {
            message.address = Some(gizmo_address(name)?);
        } else {
            let (bytes, "") = quoted(part.strip_prefix("data=")?)? else {
                return None;
            };
            message.data = Some(bytes);
        }
    }
    Some(message)
}

fn gizmo_address(text: &str) -> Option<String> {
    if let Some(name) = text.strip_prefix("unix:") {
        return Some(match name.strip_prefix('@') {
            Some(name) => format!("unix:abstract {:?}", bare(name)?),
            None if name.is_empty() => text.to_owned(),
            None => format!("unix:path {:?}", bare(name)?),
        });
    }
    let is_internet = text.rsplit_once(':').is_some_and(|(address, port)| {
        port.parse::<u16>().is_ok()
            && (address.starts_with('[') || address.parse::<Ipv4Addr>().is_ok())
    });
    (is_internet || text.starts_with("netlink:pid=")).then(|| text.to_owned())
}

#[test]
fn both_notations_of_an_address_become_one() {
    let strace = r#"{sa_family=0x2, sin_port="\x01\xbb", sin_addr="\x01\x01\x01\x01"}"#;
    assert_eq!(of_strace(strace), of_gizmo("1.1.1.1:443"));
    let strace = r#"{sa_family=0x1, sun_path=@"\x61\x20\x00"}"#;
    assert_eq!(of_strace(strace), of_gizmo(r"unix:@a\x20\x00"));
    let strace = r#"{sa_family=0x10, nl_pid=7, nl_groups=0x000001}"#;
    assert_eq!(of_strace(strace), of_gizmo("netlink:pid=7,groups=0x1"));
    assert_eq!(of_gizmo("{tv_sec=1, tv_nsec=2}"), None);
    assert_eq!(of_gizmo("[3, 4]"), None);
    assert_eq!(of_gizmo(r#""a"... (unreadable)"#), of_gizmo(r#""a"..."#));
}

#[test]
fn both_notations_of_vectors_and_messages_become_one() {
    let strace = r#"[{iov_base="\x61", iov_len=1}, {iov_base="\x62", iov_len=1}]"#;
    assert_eq!(of_strace(strace), of_gizmo(r#""ab""#));
    assert_eq!(of_strace(r#"["\x61", "\x62"]"#), of_gizmo(r#"["a", "b"]"#));
    let strace = format!(r#"{{msg_name=NULL, msg_namelen=0, msg_iov={strace}, msg_iovlen=2}}"#);
    assert_eq!(of_strace(&strace), of_gizmo(r#"{data="ab"}"#));
    let several = format!("[{{msg_hdr={strace}, msg_len=2}}, {{msg_hdr={strace}, msg_len=2}}]");
    let gizmo = of_gizmo(r#"[{data="ab"}, {data="ab"}]"#);
    assert!(matches!(&gizmo, Some(Content::Messages(two, false)) if two.len() == 2));
    assert_eq!(of_strace(&several), gizmo);
    assert_eq!(
        of_strace(r#"{mtype=7, mtext="\x61"}"#),
        of_gizmo(r#"{mtype=7, mtext="a"}"#)
    );
}
