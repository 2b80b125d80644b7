//! The handle table: numbers that guests hold instead of objects.
//!
//! Numbers stay within 16 bits (H6), because the handle of an array's element is composed of the array's number and the
//! index. What a callback is called with is *lent*: it stays in the table, and so can be given back, even when the guest
//! releases its handle.

use std::io::Read;
use std::sync::{Arc, Weak};

use gizmo_model::map::{BpfMap, PerfReader};
use gizmo_model::{DataSource, Element, Field, Packet};

use crate::host::Refusal;
use crate::limits::{MAX_HANDLES, MAX_HELD_BYTES};

/// Bit of a composed handle, wasm-host-api.md 2.5.
const ELEMENT_FLAG: u32 = 1 << 31;

/// Elements beyond cannot be named by a composed handle.
pub(crate) const MAX_INDEX: usize = 0x7fff;

pub(crate) enum Object {
    Source(Arc<DataSource>),
    Field(Arc<Field>),
    Packet {
        packet: Packet,
        /// Makes the elements of an array; empty for single packets.
        source: Weak<DataSource>,
    },
    Element(Element),
    Map {
        map: Arc<dyn BpfMap>,
        /// Bytes that the guest answers for, when it has created the map.
        created: Option<u64>,
    },
    PerfReader(Reader),
    /// What an iterator program prints.
    Iterator(Box<dyn Read + Send>),
}

/// A perf reader, and what the host keeps about it.
pub(crate) struct Reader {
    pub(crate) reader: Box<dyn PerfReader>,
    /// Bytes of its buffers, which the guest answers for.
    pub(crate) bytes: u64,
    /// It has been said that records are missing.
    pub(crate) is_loss_told: bool,
}

impl Object {
    pub(crate) fn single(element: Element) -> Self {
        Object::Packet {
            packet: Packet::Single(element),
            source: Weak::new(),
        }
    }

    pub(crate) fn array(elements: Vec<Element>, source: Weak<DataSource>) -> Self {
        Object::Packet {
            packet: Packet::Array(elements),
            source,
        }
    }
}

struct Entry {
    handle: u16,
    object: Object,
    lent: bool,
    /// Lent, and invisible because the guest has released it.
    released: bool,
    /// What it adds to [`Handles::held`].
    bytes: usize,
}

pub(crate) struct Handles {
    /// By handle: one more than the position in `slots`, 0 for none.
    numbers: Box<[u16]>,
    slots: Vec<Option<Entry>>,
    free: Vec<u16>,
    last: u16,
    held: usize,
}

impl Default for Handles {
    fn default() -> Self {
        Self {
            numbers: vec![0; 1 << 16].into_boxed_slice(),
            slots: Vec::new(),
            free: Vec::new(),
            last: 0,
            held: 0,
        }
    }
}

const FULL: Refusal = Refusal::Fixed("too many open handles");

impl Handles {
    /// A handle for the object.
    pub(crate) fn insert(&mut self, object: Object) -> Result<u32, Refusal> {
        self.add(object, false).map_err(|_| FULL)
    }

    /// A handle for something that must be given back with [`Handles::take_back`]; the object itself when the table is
    /// full.
    pub(crate) fn lend(&mut self, object: Object) -> Result<u32, Box<Object>> {
        self.add(object, true)
    }

    fn add(&mut self, object: Object, lent: bool) -> Result<u32, Box<Object>> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.slots.len() < MAX_HANDLES => {
                self.slots.push(None);
                (self.slots.len() - 1) as u16
            }
            None => return Err(Box::new(object)),
        };
        // At most 4096 of 65,535 numbers are in use, so this ends.
        let mut handle = self.last;
        loop {
            handle = handle.checked_add(1).unwrap_or(1);
            if self.numbers[usize::from(handle)] == 0 {
                break;
            }
        }
        self.last = handle;
        self.numbers[usize::from(handle)] = slot + 1;
        self.slots[usize::from(slot)] = Some(Entry {
            handle,
            object,
            lent,
            released: false,
            bytes: 0,
        });
        Ok(u32::from(handle))
    }

    fn slot(&self, handle: u32) -> Option<usize> {
        let number = *self.numbers.get(handle as usize)?;
        usize::from(number).checked_sub(1)
    }

    fn entry(&self, handle: u32) -> Result<&Entry, Refusal> {
        let entry = self.slot(handle).and_then(|slot| self.slots[slot].as_ref());
        entry
            .filter(|entry| !entry.released)
            .ok_or(Refusal::NoHandle(handle))
    }

    fn entry_mut(&mut self, handle: u32) -> Result<&mut Entry, Refusal> {
        let slot = self.slot(handle).ok_or(Refusal::NoHandle(handle))?;
        self.slots[slot]
            .as_mut()
            .filter(|entry| !entry.released)
            .ok_or(Refusal::NoHandle(handle))
    }

    fn remove(&mut self, handle: u32) -> Option<Entry> {
        let slot = self.slot(handle)?;
        let entry = self.slots[slot].take()?;
        self.numbers[usize::from(entry.handle)] = 0;
        self.free.push(slot as u16);
        self.held = self.held.saturating_sub(entry.bytes);
        Some(entry)
    }

    /// What was lent, also when the guest has released it.
    pub(crate) fn take_back(&mut self, handle: u32) -> Option<Object> {
        self.remove(handle).map(|entry| entry.object)
    }

    /// Forgets any handle; the object, unless it was lent.
    pub(crate) fn release(&mut self, handle: u32) -> Result<Option<Object>, Refusal> {
        let entry = self.entry_mut(handle)?;
        if entry.lent {
            entry.released = true;
            return Ok(None);
        }
        Ok(self.remove(handle).map(|entry| entry.object))
    }

    pub(crate) fn source(&self, handle: u32) -> Result<&Arc<DataSource>, Refusal> {
        match &self.entry(handle)?.object {
            Object::Source(source) => Ok(source),
            _ => Err(Refusal::BadHandle(handle)),
        }
    }

    pub(crate) fn field(&self, handle: u32) -> Result<&Arc<Field>, Refusal> {
        match &self.entry(handle)?.object {
            Object::Field(field) => Ok(field),
            _ => Err(Refusal::BadHandle(handle)),
        }
    }

    /// The map, and the bytes the guest answers for when it has created it.
    pub(crate) fn map(&self, handle: u32) -> Result<(&Arc<dyn BpfMap>, Option<u64>), Refusal> {
        match &self.entry(handle)?.object {
            Object::Map { map, created } => Ok((map, *created)),
            _ => Err(Refusal::BadHandle(handle)),
        }
    }

    pub(crate) fn reader_mut(&mut self, handle: u32) -> Result<&mut Reader, Refusal> {
        match &mut self.entry_mut(handle)?.object {
            Object::PerfReader(reader) => Ok(reader),
            _ => Err(Refusal::BadHandle(handle)),
        }
    }

    pub(crate) fn iterator_mut(&mut self, handle: u32) -> Result<&mut dyn Read, Refusal> {
        match &mut self.entry_mut(handle)?.object {
            Object::Iterator(output) => Ok(output.as_mut()),
            _ => Err(Refusal::BadHandle(handle)),
        }
    }

    pub(crate) fn array(&self, handle: u32) -> Result<&Vec<Element>, Refusal> {
        match &self.entry(handle)?.object {
            Object::Packet {
                packet: Packet::Array(elements),
                ..
            } => Ok(elements),
            _ => Err(Refusal::BadHandle(handle)),
        }
    }

    /// A new element for an array.
    pub(crate) fn new_element(&self, array: u32) -> Result<Element, Refusal> {
        match &self.entry(array)?.object {
            Object::Packet {
                packet: Packet::Array(_),
                source,
            } => {
                let source = source.upgrade();
                let source = source.ok_or(Refusal::Fixed("the data source is gone"))?;
                Ok(source.new_element())
            }
            _ => Err(Refusal::BadHandle(array)),
        }
    }

    /// Removes a packet. One that was lent is copied: its own delivery goes on after the callback.
    pub(crate) fn take_packet(&mut self, handle: u32) -> Result<Packet, Refusal> {
        let entry = self.entry_mut(handle)?;
        let Object::Packet { packet, .. } = &mut entry.object else {
            return Err(Refusal::BadHandle(handle));
        };
        if entry.lent {
            entry.released = true;
            return Ok(packet.clone());
        }
        match self.remove(handle) {
            Some(Entry {
                object: Object::Packet { packet, .. },
                ..
            }) => Ok(packet),
            _ => Err(Refusal::NoHandle(handle)),
        }
    }

    /// Removes an element that is not part of an array. One that was lent is copied.
    fn take_element(&mut self, handle: u32) -> Result<(Element, usize), Refusal> {
        let entry = self.entry_mut(handle)?;
        let bytes = entry.bytes;
        let Object::Element(element) = &mut entry.object else {
            return Err(Refusal::BadHandle(handle));
        };
        if entry.lent {
            entry.released = true;
            return Ok((element.clone(), bytes));
        }
        match self.remove(handle) {
            Some(Entry {
                object: Object::Element(element),
                ..
            }) => Ok((element, bytes)),
            _ => Err(Refusal::NoHandle(handle)),
        }
    }

    /// Removes an element, after a look at the array it was made for.
    pub(crate) fn drop_element(&mut self, array: u32, element: u32) -> Result<Element, Refusal> {
        self.array(array)?;
        self.take_element(element).map(|(element, _)| element)
    }

    /// Moves an element to the end of an array.
    pub(crate) fn append(&mut self, array: u32, element: u32) -> Result<(), Refusal> {
        self.array(array)?;
        let (element, bytes) = self.take_element(element)?;
        let entry = self.entry_mut(array)?;
        if let Object::Packet {
            packet: Packet::Array(elements),
            ..
        } = &mut entry.object
        {
            elements.push(element);
            entry.bytes += bytes;
            self.held += bytes;
        }
        Ok(())
    }

    /// Adds to what an entry holds, if that is still allowed.
    pub(crate) fn charge(&mut self, handle: u32, bytes: usize) -> Result<(), Refusal> {
        if self.held.saturating_add(bytes) > MAX_HELD_BYTES {
            return Err(Refusal::Fixed("packets hold too much memory"));
        }
        self.entry_mut(handle)?.bytes += bytes;
        self.held += bytes;
        Ok(())
    }

    /// Whether so much more may be held.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.held.saturating_add(bytes) <= MAX_HELD_BYTES
    }

    /// A field and the element that a data handle means (composed ones too).
    pub(crate) fn access(&self, field: u32, data: u32) -> Result<(&Field, &Element), Refusal> {
        let field = self.field(field)?;
        let (handle, index) = split(data);
        let element = match (&self.entry(handle)?.object, index) {
            (
                Object::Packet {
                    packet: Packet::Single(element),
                    ..
                }
                | Object::Element(element),
                None,
            ) => element,
            (
                Object::Packet {
                    packet: Packet::Array(elements),
                    ..
                },
                Some(index),
            ) => elements.get(index).ok_or(Refusal::Quiet)?,
            _ => return Err(Refusal::BadHandle(data)),
        };
        Ok((field, element))
    }

    /// As [`Handles::access`], to change the element; the handle is the entry to charge.
    pub(crate) fn access_mut(
        &mut self,
        field: u32,
        data: u32,
    ) -> Result<(Arc<Field>, &mut Element, u32), Refusal> {
        let field = Arc::clone(self.field(field)?);
        let (handle, index) = split(data);
        let element = match (&mut self.entry_mut(handle)?.object, index) {
            (
                Object::Packet {
                    packet: Packet::Single(element),
                    ..
                }
                | Object::Element(element),
                None,
            ) => element,
            (
                Object::Packet {
                    packet: Packet::Array(elements),
                    ..
                },
                Some(index),
            ) => elements.get_mut(index).ok_or(Refusal::Quiet)?,
            _ => return Err(Refusal::BadHandle(data)),
        };
        Ok((field, element, handle))
    }
}

/// The composed handle of an array's element; the index is at most [`MAX_INDEX`].
pub(crate) fn compose(array: u32, index: usize) -> u32 {
    ELEMENT_FLAG | ((index as u32) << 16) | array
}

fn split(data: u32) -> (u32, Option<usize>) {
    if data & ELEMENT_FLAG == 0 {
        return (data, None);
    }
    (data & 0xffff, Some(((data & !ELEMENT_FLAG) >> 16) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet() -> Object {
        Object::array(Vec::new(), Weak::new())
    }

    #[test]
    fn numbers_go_up_and_wrap_within_sixteen_bits() {
        let mut handles = Handles::default();
        let kept = handles.insert(packet()).ok().unwrap();
        assert_eq!(kept, 1);
        for expected in (2..=65535).chain(2..10) {
            let handle = handles.insert(packet()).ok().unwrap();
            assert_eq!(handle, expected);
            handles.release(handle).ok().unwrap();
        }
        assert!(handles.array(kept).is_ok());
        assert!(handles.array(1 << 16).is_err());
    }

    #[test]
    fn the_table_has_an_end() {
        let mut handles = Handles::default();
        for _ in 0..MAX_HANDLES {
            handles.insert(packet()).ok().unwrap();
        }
        assert!(handles.insert(packet()).is_err());
        handles.release(77).ok().unwrap();
        assert_eq!(handles.insert(packet()).ok().unwrap(), 4097);
    }

    #[test]
    fn what_was_lent_comes_back_after_release() {
        let mut handles = Handles::default();
        let lent = handles.lend(packet()).ok().unwrap();
        assert!(handles.release(lent).ok().unwrap().is_none());
        assert!(handles.release(lent).is_err());
        assert!(handles.array(lent).is_err());
        assert!(handles.take_back(lent).is_some());
    }
}
