//! Names of flags and other constants, by group and ABI.
//!
//! Owns the reading of `data/constants.txt`, which `cargo xtask tables` makes; its head says how it is written. A group is
//! read when it is first asked for and then kept, arranged so that a word of flags is put into names without a search.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::number;
use crate::Abi;

#[cfg(test)]
mod tests;

static TEXT: &str = include_str!("../data/constants.txt");

/// Constants that can stand in the same place, in one ABI.
#[derive(Debug)]
pub(super) struct Group {
    is_flags: bool,
    /// Bits of a word of flags that are one number.
    mask: u64,
    /// What is one number, by it.
    numbers: Vec<(u64, &'static str)>,
    /// Flags that are several bits, those of most bits first.
    combined: Vec<(u64, &'static str)>,
    /// Flags that are one bit, by its place.
    bits: [Option<&'static str>; 64],
}

impl Group {
    /// The group with this name in `constants.txt`.
    pub fn find(abi: Abi, name: &str) -> Option<&'static Group> {
        static READ: Mutex<BTreeMap<(Abi, &str), &Group>> = Mutex::new(BTreeMap::new());
        let (name, text) = texts().get_key_value(name)?;
        // A map that somebody panicked over is still a map.
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        // Never more than there are groups and ABIs.
        let group = read
            .entry((abi, name))
            .or_insert_with(|| Box::leak(Box::new(Group::read(abi, text))));
        Some(group)
    }

    /// The bits of a value that are one number.
    pub fn mask(&self) -> u64 {
        match self.is_flags {
            true => self.mask,
            false => u64::MAX,
        }
    }

    /// The number of a constant.
    pub fn number(&self, name: &str) -> Option<u64> {
        let bits = || {
            (0..)
                .zip(self.bits)
                .map(|(place, name)| (1 << place, name.unwrap_or_default()))
        };
        let all = self
            .numbers
            .iter()
            .chain(&self.combined)
            .copied()
            .chain(bits());
        all.into_iter()
            .find(|(_, known)| *known == name)
            .map(|(number, _)| number)
    }

    /// The name of one constant.
    pub fn name(&self, number: u64) -> Option<&'static str> {
        let place = self
            .numbers
            .binary_search_by_key(&number, |(number, _)| *number)
            .ok()?;
        self.numbers.get(place).map(|(_, name)| *name)
    }

    /// Appends the names that a value consists of, and what is left in hex; nothing for what has no name and is no flags.
    pub fn put(&self, value: u64, out: &mut String) {
        if !self.is_flags {
            out.push_str(self.name(value).unwrap_or_default());
            return;
        }
        let start = out.len();
        let separate = |out: &mut String| {
            if out.len() > start {
                out.push('|');
            }
        };
        let mut rest = value;
        // Without a mask a number is the name of no flags at all.
        if (self.mask != 0 || value == 0)
            && let Some(name) = self.name(value & self.mask)
        {
            out.push_str(name);
            rest &= !self.mask;
        }
        for &(flags, name) in &self.combined {
            if rest & flags == flags {
                separate(out);
                out.push_str(name);
                rest &= !flags;
            }
        }
        let mut unknown = 0;
        while rest != 0 {
            let place = rest.trailing_zeros();
            match self.bits.get(place as usize) {
                Some(Some(name)) => {
                    separate(out);
                    out.push_str(name);
                }
                _ => unknown |= 1 << place,
            }
            rest &= rest - 1;
        }
        if unknown != 0 {
            separate(out);
            number::hex(unknown, out);
        }
    }

    fn read(abi: Abi, text: &'static str) -> Group {
        let (kind, lines) = text.split_once('\n').unwrap_or((text, ""));
        let (kind, mask) = kind
            .trim_end_matches(']')
            .split_once('/')
            .unwrap_or((kind, ""));
        let mut group = Group {
            is_flags: kind.starts_with("flags"),
            mask: hex(mask).unwrap_or_default(),
            numbers: Vec::new(),
            combined: Vec::new(),
            bits: [None; 64],
        };
        for (number, name) in lines.lines().filter_map(|line| constant(abi, line)) {
            match number.count_ones() {
                _ if !group.is_flags || number & !group.mask == 0 => {
                    group.numbers.push((number, name))
                }
                1 => group.bits[number.trailing_zeros() as usize] = Some(name),
                _ => group.combined.push((number, name)),
            }
        }
        group.numbers.sort_unstable();
        group
            .combined
            .sort_by_key(|(number, _)| std::cmp::Reverse(number.count_ones()));
        group
    }
}

/// What is behind the name of each group.
fn texts() -> &'static BTreeMap<&'static str, &'static str> {
    static TEXTS: OnceLock<BTreeMap<&str, &str>> = OnceLock::new();
    TEXTS.get_or_init(|| {
        TEXT.split("\n[")
            .skip(1)
            .filter_map(|group| group.split_once(' '))
            .collect()
    })
}

/// `NAME NUMBER ABI,ABI:NUMBER …`, as far as the ABI has it.
fn constant(abi: Abi, line: &'static str) -> Option<(u64, &'static str)> {
    // Whose headers are not packaged has the generic ones, and so has RISC-V.
    let abi = match abi {
        Abi::LoongArch64 => Abi::Riscv64,
        abi => abi,
    };
    let mut words = line.split(' ');
    let (name, usual) = (words.next()?, words.next()?);
    let own = words.filter_map(|word| word.split_once(':'));
    let mut own = own.filter(|(abis, _)| abis.split(',').any(|name| name == abi.name()));
    Some((hex(own.next().map_or(usual, |(_, number)| number))?, name))
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}
