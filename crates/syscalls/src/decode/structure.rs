//! Structures in copied memory as text, `{field=value, …}`.
//!
//! Owns the reading of `data/structures.txt`, whose head says how layouts are written, and the showing of memory that has one.
//! A layout is read when it is first asked for and then kept. Memory may end anywhere: what is there is shown.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::form::Form;
use super::meanings;
use super::memory::Memory;
use super::number::{Class, word_bits};
use super::sigset::sigset;
use super::text::quote;
use crate::Abi;

#[cfg(test)]
mod tests;

static TEXT: &str = include_str!("../data/structures.txt");

/// The layout of a structure in one ABI.
#[derive(Debug)]
pub(super) struct Structure {
    fields: Vec<Field>,
    /// Of all fields, and what C leaves free behind them.
    pub bytes: usize,
    align: usize,
    /// It is not shown as one, since it has but one thing in it.
    is_bare: bool,
}

#[derive(Debug)]
struct Field {
    /// `field=`; nothing for what is not shown.
    label: String,
    offset: usize,
    shape: Shape,
    /// How many of them stand in a row, if they are shown as several.
    count: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    Number { bytes: usize, form: Form },
    Text { bytes: usize },
    SigSet,
    Structure(&'static Structure),
}

impl Structure {
    /// The structure with this name, if its layout in the ABI is known.
    pub fn find(abi: Abi, name: &str) -> Option<&'static Structure> {
        static READ: Mutex<BTreeMap<(Abi, &str), &Structure>> = Mutex::new(BTreeMap::new());
        let (name, lines) = texts().get_key_value(name)?;
        // A map that somebody panicked over is still a map.
        let read = || READ.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read().get(&(abi, *name)) {
            return Some(known);
        }
        let fits = |line: &&Line| {
            line.abis.is_empty() || line.abis.split(',').any(|own| own == abi.name())
        };
        let structure = Structure::read(abi, lines.iter().find(fits)?)?;
        // Never more than there are structures and ABIs. Others may stand in it, so it is read without the lock.
        Some(
            read()
                .entry((abi, name))
                .or_insert_with(|| Box::leak(Box::new(structure))),
        )
    }

    fn read(abi: Abi, line: &Line) -> Option<Structure> {
        let (is_packed, fields) = match line.fields.strip_prefix("packed ") {
            Some(fields) => (true, fields),
            None => (false, &*line.fields),
        };
        let mut structure = Structure {
            fields: Vec::new(),
            bytes: 0,
            align: 1,
            is_bare: !fields.contains(':'),
        };
        for word in fields.split_ascii_whitespace() {
            let (name, what) = word.split_once(':').unwrap_or(("", word));
            let (what, meaning) = what.split_once('/').unwrap_or((what, ""));
            let (what, count) = match what.split_once('[') {
                Some((what, count)) => (what, Some(count.trim_end_matches(']').parse().ok()?)),
                None => (what, None),
            };
            let shape = Shape::read(abi, what, meaning)?;
            let align = if is_packed { 1 } else { shape.align(abi) };
            let offset = structure.bytes.next_multiple_of(align);
            structure.bytes = offset + shape.bytes() * count.unwrap_or(1);
            structure.align = structure.align.max(align);
            let is_shown = !name.is_empty() || structure.is_bare;
            if is_shown {
                let label = if structure.is_bare {
                    String::new()
                } else {
                    format!("{name}=")
                };
                structure.fields.push(Field {
                    label,
                    offset,
                    shape,
                    count,
                });
            }
        }
        structure.bytes = structure.bytes.next_multiple_of(structure.align);
        Some(structure)
    }

    /// Appends as many fields as are there; nothing and `None` if not even the first is.
    pub fn put(&self, abi: Abi, bytes: &[u8], out: &mut String) -> Option<()> {
        let before = out.len();
        out.push_str(if self.is_bare { "" } else { "{" });
        let start = out.len();
        for field in &self.fields {
            let end = out.len();
            out.push_str(if end > start { ", " } else { "" });
            out.push_str(&field.label);
            if field.put(abi, bytes, out).is_none() {
                out.truncate(end);
                if end == start {
                    out.truncate(before);
                    return None;
                }
                out.push_str(", ...");
                break;
            }
        }
        out.push_str(if self.is_bare { "" } else { "}" });
        Some(())
    }
}

impl Field {
    fn put(&self, abi: Abi, bytes: &[u8], out: &mut String) -> Option<()> {
        let bytes = bytes.get(self.offset..)?;
        let Some(count) = self.count else {
            return self.shape.put(abi, bytes, out);
        };
        for index in 0..count {
            out.push_str(if index == 0 { "[" } else { ", " });
            self.shape
                .put(abi, bytes.get(index * self.shape.bytes()..)?, out)?;
        }
        out.push(']');
        Some(())
    }
}

impl Shape {
    fn read(abi: Abi, what: &str, meaning: &str) -> Option<Shape> {
        if let Some(bytes) = what.strip_prefix("text") {
            let bytes = bytes.parse().ok()?;
            return Some(Shape::Text { bytes });
        }
        let word = abi.word_bytes();
        // x32 has the `long` of the native ABI in its structures.
        let long = word_bits(abi) as usize / 8;
        let number = |bytes: usize, class: fn(u32) -> Class| {
            let form = Form::of(class(bytes as u32 * 8));
            let form = match meaning {
                "" => form,
                meaning => meanings::form(abi, form, meaning)?,
            };
            Some(Shape::Number { bytes, form })
        };
        match what {
            "sigset" => Some(Shape::SigSet),
            "ptr" => {
                let form = Form::of(Class::Unsigned(word as u32 * 8));
                let meaning = if meaning.is_empty() {
                    "address"
                } else {
                    meaning
                };
                let form = meanings::form(abi, form, meaning)?;
                Some(Shape::Number { bytes: word, form })
            }
            "long" => number(long, Class::Signed),
            "ulong" => number(long, Class::Unsigned),
            _ => {
                let bits = what.get(1..).and_then(|bits| bits.parse::<usize>().ok());
                match (what.get(..1), bits) {
                    (Some("i"), Some(bits @ (8 | 16 | 32 | 64))) => number(bits / 8, Class::Signed),
                    (Some("u"), Some(bits @ (8 | 16 | 32 | 64))) => {
                        number(bits / 8, Class::Unsigned)
                    }
                    _ => Structure::find(abi, what).map(Shape::Structure),
                }
            }
        }
    }

    fn bytes(self) -> usize {
        match self {
            Shape::Number { bytes, .. } | Shape::Text { bytes } => bytes,
            Shape::SigSet => SIGSET_BYTES,
            Shape::Structure(structure) => structure.bytes,
        }
    }

    fn align(self, abi: Abi) -> usize {
        // The one ABI of ours where numbers of 64 bits may begin at a multiple of 4 bytes.
        let most = if abi == Abi::I386 { 4 } else { 8 };
        match self {
            Shape::Number { bytes, .. } => bytes.min(most),
            Shape::Text { .. } => 1,
            Shape::SigSet => word_bits(abi) as usize / 8,
            Shape::Structure(structure) => structure.align,
        }
    }

    /// Appends what the beginning of `bytes` holds; `None` if it does not hold all of it.
    fn put(self, abi: Abi, bytes: &[u8], out: &mut String) -> Option<()> {
        match self {
            Shape::Number { bytes: wide, form } => {
                let number = Memory::new(abi, bytes).number_at(0, wide)?;
                form.shown(abi, number, out);
            }
            Shape::Text { bytes: room } => {
                let bytes = bytes.get(..room).unwrap_or(bytes);
                let end = bytes.iter().position(|&byte| byte == 0);
                if end.is_none() && bytes.is_empty() {
                    return None;
                }
                quote(&bytes[..end.unwrap_or(bytes.len())], end.is_none(), out);
            }
            Shape::SigSet => {
                let set = bytes.get(..SIGSET_BYTES)?;
                sigset(abi, set, out)?;
            }
            Shape::Structure(structure) => structure.put(abi, bytes, out)?,
        }
        Some(())
    }
}

/// The kernel's sets have 64 signals on all our ABIs.
const SIGSET_BYTES: usize = 8;

/// A line of the text, put together.
#[derive(Debug)]
struct Line {
    abis: &'static str,
    fields: String,
}

fn texts() -> &'static BTreeMap<&'static str, Vec<Line>> {
    static TEXTS: OnceLock<BTreeMap<&str, Vec<Line>>> = OnceLock::new();
    TEXTS.get_or_init(|| {
        let mut texts: BTreeMap<&str, Vec<Line>> = BTreeMap::new();
        let mut last = "";
        for line in TEXT
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
        {
            if line.starts_with(' ') {
                let open = texts.get_mut(last).and_then(|lines| lines.last_mut());
                open.into_iter().for_each(|open| open.fields += line);
            } else if let Some((head, fields)) = line.split_once(' ') {
                let (name, abis) = head.split_once('@').unwrap_or((head, ""));
                last = name;
                texts.entry(name).or_default().push(Line {
                    abis,
                    fields: fields.to_owned(),
                });
            }
        }
        texts
    })
}
