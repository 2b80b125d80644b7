//! What an argument is shown as, by either tool, in a form that can be compared.
//!
//! Both write numbers, names joined by `|`, quoted bytes, `[lists]` and `{field=structures}`; one reader serves both.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use crate::text::split;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Names and numbers that are joined; a number alone.
    Words(BTreeSet<String>, i128),
    /// Bytes, and whether there are more.
    Bytes(Vec<u8>, bool),
    /// Values, and whether there are more.
    List(Vec<Value>, bool),
    /// Values by name, and whether there are more.
    Fields(BTreeMap<String, Value>, bool),
    /// What has words of its own, as an address of a socket.
    Text(String),
}

impl Value {
    pub fn parse(text: &str) -> Value {
        let text = without_remarks(text);
        let text = text.trim();
        if let Some(value) = quoted(text) {
            return value;
        }
        let inside = |open, close| text.strip_prefix(open)?.strip_suffix(close);
        if let Some(inside) = inside("~[", "]") {
            return Value::Text(format!("~{:?}", words(inside)));
        }
        if let Some(inside) = inside("[", "]") {
            return list(inside);
        }
        if let Some(inside) = inside("{", "}") {
            return address(text).unwrap_or_else(|| fields(inside));
        }
        // Where a number has several names, strace gives all of them.
        if let Some((_, last)) = text.split_once(" or ") {
            return Value::parse(last);
        }
        joined(text).unwrap_or_else(|| {
            let bytes = crate::text::bare(text).filter(|_| text.starts_with("unix:"));
            Value::Text(bytes.map_or(text.to_owned(), |bytes| bare(&bytes)))
        })
    }

    pub fn is_number(&self) -> bool {
        matches!(self, Value::Words(words, _) if words.is_empty())
    }
}

fn without_remarks(text: &str) -> String {
    let mut out = String::new();
    let (mut rest, mut is_quoted) = (text, false);
    while let Some(char) = rest.chars().next() {
        if !is_quoted && rest.starts_with("/*") {
            rest = rest.split_once("*/").map_or("", |(_, rest)| rest);
            continue;
        }
        let mut end = char.len_utf8();
        if is_quoted && char == '\\' {
            end += rest[end..].chars().next().map_or(0, char::len_utf8);
        } else if char == '"' {
            is_quoted = !is_quoted;
        }
        out.push_str(&rest[..end]);
        rest = &rest[end..];
    }
    out
}

/// With all of C's escapes, which strace uses.
fn quoted(text: &str) -> Option<Value> {
    let mut chars = text.strip_prefix('"')?.chars();
    let mut bytes = Vec::new();
    loop {
        let char = match chars.next()? {
            '"' => break,
            '\\' => {
                let escape = chars.next()?;
                let rest = chars.as_str();
                let number = |most: usize, base| {
                    let digits: String = rest
                        .chars()
                        .take(most)
                        .take_while(|char| char.is_digit(base))
                        .collect();
                    (u32::from_str_radix(&digits, base).ok(), digits.len())
                };
                let (code, used) = match escape {
                    'x' => number(2, 16),
                    'u' => number(4, 16),
                    'U' => number(8, 16),
                    '0'..='7' => {
                        let digits: String = rest
                            .chars()
                            .take(2)
                            .take_while(|char| char.is_digit(8))
                            .collect();
                        let octal = format!("{escape}{digits}");
                        (u32::from_str_radix(&octal, 8).ok(), digits.len())
                    }
                    escape => {
                        let plain = "\"\\ntrabfve".find(escape)?;
                        (Some(b"\"\\\n\t\r\x07\x08\x0c\x0b\x1b"[plain].into()), 0)
                    }
                };
                chars = rest[used..].chars();
                match escape {
                    'u' | 'U' => char::from_u32(code?)?,
                    _ => {
                        bytes.push(u8::try_from(code?).ok()?);
                        continue;
                    }
                }
            }
            char => char,
        };
        bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
    }
    match chars.as_str() {
        "" => Some(Value::Bytes(bytes, false)),
        "..." => Some(Value::Bytes(bytes, true)),
        _ => None,
    }
}

fn words(text: &str) -> BTreeSet<String> {
    text.split(' ')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Values between commas; names between blanks, as in sets of signals and of descriptors.
fn list(inside: &str) -> Value {
    let parts = split(inside, ", ");
    let is_set = |part: &String| part.contains(' ') && !part.contains(['{', '"', '[', '=', '&']);
    if let [one] = parts.as_slice()
        && is_set(one)
    {
        let all = words(one).into_iter().map(|word| Value::parse(&word));
        return Value::List(all.collect(), false);
    }
    let is_more = parts.last().is_some_and(|part| part == "...");
    let parts = parts.iter().filter(|part| *part != "...");
    Value::List(parts.map(|part| Value::parse(part)).collect(), is_more)
}

fn fields(inside: &str) -> Value {
    let parts = split(inside, ", ");
    let is_more = parts.last().is_some_and(|part| part == "...");
    let named = parts.iter().filter_map(|part| part.split_once('='));
    let values = named.map(|(name, value)| (name.to_owned(), Value::parse(value)));
    Value::Fields(values.collect(), is_more)
}

/// `A|B|0x8`, `8192*1024`, `makedev(0x8, 0x1)`, numbers.
fn joined(text: &str) -> Option<Value> {
    let (mut names, mut sum) = (BTreeSet::new(), 0);
    for part in split(text, "|") {
        match number(&part) {
            Some(number) => sum += number,
            None => {
                let is_name = |char: char| char.is_ascii_alphanumeric() || "_(), ".contains(char);
                if part.is_empty() || !part.chars().all(is_name) {
                    return None;
                }
                // Names of the kernel and names for another call.
                names.insert(match part.as_str() {
                    "FASYNC" => "O_ASYNC".to_owned(),
                    "WSTOPPED" => "WUNTRACED".to_owned(),
                    _ => part.replace("0x", "").replace(' ', ""),
                });
            }
        }
    }
    Some(Value::Words(names, sum))
}

/// A number as C writes it.
pub fn number(text: &str) -> Option<i128> {
    if let Some((left, right)) = text.split_once('*') {
        return Some(number(left)? * number(right)?);
    }
    if let Some((left, right)) = text.split_once("<<") {
        return Some(number(left)? << number(right)?);
    }
    match text {
        "NULL" => return Some(0),
        "MAP_FILE" => return Some(0),
        "S_ISUID" => return Some(0o4000),
        "S_ISGID" => return Some(0o2000),
        "S_ISVTX" => return Some(0o1000),
        "RLIM_INFINITY" | "RLIM64_INFINITY" => return Some(u64::MAX.into()),
        _ => {}
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let number = match digits.strip_prefix("0x") {
        Some(digits) => i128::from_str_radix(digits, 16),
        None if digits.len() > 1 && digits.starts_with('0') => i128::from_str_radix(digits, 8),
        None => digits.parse(),
    };
    Some(sign * number.ok()?)
}

/// strace's addresses of sockets, in gizmo's words.
fn address(text: &str) -> Option<Value> {
    let parts = split(text.strip_prefix("{sa_family=")?.strip_suffix('}')?, ", ");
    let field = |name: &str| parts.iter().find_map(|part| part.strip_prefix(name));
    let inside = |text: &str| Some(text.split_once('(')?.1.strip_suffix(')')?.to_owned());
    let string = |text: &str| match quoted(text)? {
        Value::Bytes(bytes, _) => Some(bytes),
        _ => None,
    };
    let shown = match parts.first()?.as_str() {
        "AF_UNIX" => match field("sun_path=") {
            None => "unix:".to_owned(),
            Some(path) => match path.strip_prefix('@') {
                Some(name) => format!("unix:@{}", bare(&string(name)?)),
                None => format!("unix:{}", bare(&string(path)?)),
            },
        },
        "AF_INET" => {
            let host = String::from_utf8(string(&inside(field("sin_addr=")?)?)?.clone()).ok()?;
            format!("{host}:{}", inside(field("sin_port=")?)?)
        }
        "AF_INET6" => {
            let call = parts.iter().find(|part| part.starts_with("inet_pton("))?;
            let host = split(&inside(call)?, ", ").get(1)?.clone();
            let host: Ipv6Addr = String::from_utf8(string(&host)?).ok()?.parse().ok()?;
            let scope = match field("sin6_scope_id=") {
                None | Some("0") => String::new(),
                Some(scope) => format!("%{scope}"),
            };
            format!("[{host}{scope}]:{}", inside(field("sin6_port=")?)?)
        }
        "AF_NETLINK" => {
            let groups =
                u32::from_str_radix(field("nl_groups=")?.trim_start_matches("0x"), 16).ok()?;
            format!("netlink:pid={},groups={groups:#x}", field("nl_pid=")?)
        }
        "AF_UNSPEC" => "unspec".to_owned(),
        _ => return None,
    };
    Some(Value::Text(shown))
}

fn bare(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn both_write_the_same_values() {
    let same = |strace: &str, gizmo: &str| assert_eq!(Value::parse(strace), Value::parse(gizmo));
    same("O_RDONLY|O_CLOEXEC", "O_CLOEXEC|O_RDONLY");
    same("8192*1024", "8388608");
    same(r#""\33[a\0\x41""#, r#""\x1b[a\x00A""#);
    same("{tv_sec=1, tv_nsec=0} /* now */", "{tv_sec=1, tv_nsec=0}");
    same(
        "[INT CHLD]",
        "[CHLD INT]".replace("CHLD INT", "INT CHLD").as_str(),
    );
    same("makedev(0xfe, 0)", "makedev(0xfe, 0x0)");
    same(
        r#"{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("1.2.3.4")}"#,
        "1.2.3.4:80",
    );
    same(r#"{sa_family=AF_UNIX, sun_path="/run/x"}"#, "unix:/run/x");
    assert_ne!(Value::parse("O_RDWR"), Value::parse("O_RDONLY"));
    assert_ne!(Value::parse("0x10"), Value::parse("10"));
}
