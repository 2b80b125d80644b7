//! Events and the packets that carry them.
//!
//! What a callback receives is borrowed for the callback ([`Data`], [`DataArray`], [`PacketView`]); what the guest makes
//! is owned ([`Packet`], [`ArrayPacket`], [`NewElement`]) and given back when dropped.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;

use crate::{Error, Result, raw};

/// An event or an element, whose fields can be read and written.
#[derive(Debug, Clone, Copy)]
pub struct Data<'a> {
    handle: u32,
    owner: PhantomData<&'a ()>,
}

/// The elements of a packet of an array source.
#[derive(Debug, Clone, Copy)]
pub struct DataArray<'a> {
    handle: u32,
    owner: PhantomData<&'a ()>,
}

/// A packet that a callback receives.
#[derive(Debug, Clone, Copy)]
pub struct PacketView<'a> {
    handle: u32,
    owner: PhantomData<&'a ()>,
}

impl Data<'_> {
    pub(crate) fn new(handle: u32) -> Self {
        Data {
            handle,
            owner: PhantomData,
        }
    }

    pub(crate) fn handle(self) -> u32 {
        self.handle
    }
}

impl<'a> DataArray<'a> {
    pub(crate) fn new(handle: u32) -> Self {
        DataArray {
            handle,
            owner: PhantomData,
        }
    }

    /// How many elements there are.
    pub fn len(self) -> u32 {
        raw::data_array_len(self.handle)
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The element at `index`. The host can hand out the first 32,768 only.
    pub fn get(self, index: u32) -> Result<Data<'a>> {
        match raw::data_array_get(self.handle, index) {
            0 => Err(Error::refused("dataArrayGet", &index.to_string())),
            handle => Ok(Data::new(handle)),
        }
    }

    /// The elements that are there now, as far as the host hands them out.
    pub fn iter(self) -> Elements<'a> {
        Elements {
            array: self,
            next: 0,
            len: self.len(),
        }
    }

    /// Makes an element with zeroed fields, to be filled and then appended.
    pub fn new_element(self) -> Result<NewElement<'a>> {
        match raw::data_array_new(self.handle) {
            0 => Err(Error::refused_unnamed("dataArrayNew", "an array")),
            handle => Ok(NewElement {
                array: self,
                handle,
            }),
        }
    }
}

impl<'a> IntoIterator for DataArray<'a> {
    type Item = Data<'a>;
    type IntoIter = Elements<'a>;

    fn into_iter(self) -> Elements<'a> {
        self.iter()
    }
}

/// Iterates over the elements of a [`DataArray`].
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    array: DataArray<'a>,
    next: u32,
    len: u32,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Data<'a>;

    fn next(&mut self) -> Option<Data<'a>> {
        if self.next >= self.len {
            return None;
        }
        let element = self.array.get(self.next).ok()?;
        self.next += 1;
        Some(element)
    }
}

impl<'a> PacketView<'a> {
    pub(crate) fn new(handle: u32) -> Self {
        PacketView {
            handle,
            owner: PhantomData,
        }
    }

    /// The event, if the source is one of single events; otherwise using the result fails.
    pub fn data(self) -> Data<'a> {
        Data::new(self.handle)
    }

    /// The elements, if the source is one of arrays; otherwise using the result fails.
    pub fn array(self) -> DataArray<'a> {
        DataArray::new(self.handle)
    }
}

/// An element that is not yet part of its array. Dropping it discards it.
#[derive(Debug)]
#[must_use = "an element is discarded unless it is appended"]
pub struct NewElement<'a> {
    array: DataArray<'a>,
    handle: u32,
}

impl NewElement<'_> {
    /// The element's fields.
    pub fn data(&self) -> Data<'_> {
        Data::new(self.handle)
    }

    /// Appends the element to its array.
    pub fn append(self) -> Result<()> {
        let element = ManuallyDrop::new(self);
        match raw::data_array_append(element.array.handle, element.handle) {
            0 => Ok(()),
            _ => Err(Error::refused_unnamed("dataArrayAppend", "an element")),
        }
    }
}

impl Drop for NewElement<'_> {
    fn drop(&mut self) {
        // The host logs a failure.
        let _ = raw::data_array_release(self.array.handle, self.handle);
    }
}

/// A packet with one event, made by the guest. Dropping it discards it.
#[derive(Debug)]
#[must_use = "a packet is discarded unless it is emitted"]
pub struct Packet(OwnedPacket);

/// A packet with any number of elements, made by the guest. Dropping it discards it.
#[derive(Debug)]
#[must_use = "a packet is discarded unless it is emitted"]
pub struct ArrayPacket(OwnedPacket);

impl Packet {
    pub(crate) fn new(source: u32, handle: u32) -> Self {
        Packet(OwnedPacket { source, handle })
    }

    /// The event's fields.
    pub fn data(&self) -> Data<'_> {
        Data::new(self.0.handle)
    }

    /// Hands the packet to all subscribers of its source, and returns when they are done.
    pub fn emit(self) -> Result<()> {
        self.0.emit()
    }
}

impl ArrayPacket {
    pub(crate) fn new(source: u32, handle: u32) -> Self {
        ArrayPacket(OwnedPacket { source, handle })
    }

    /// The packet's elements.
    pub fn array(&self) -> DataArray<'_> {
        DataArray::new(self.0.handle)
    }

    /// Hands the packet to all subscribers of its source, and returns when they are done.
    pub fn emit(self) -> Result<()> {
        self.0.emit()
    }
}

#[derive(Debug)]
struct OwnedPacket {
    source: u32,
    handle: u32,
}

impl OwnedPacket {
    fn emit(self) -> Result<()> {
        // The host consumes the packet, whether or not a subscriber fails.
        let packet = ManuallyDrop::new(self);
        match raw::data_source_emit_and_release(packet.source, packet.handle) {
            0 => Ok(()),
            _ => Err(Error::refused_unnamed(
                "dataSourceEmitAndRelease",
                "a packet",
            )),
        }
    }
}

impl Drop for OwnedPacket {
    fn drop(&mut self) {
        // The host logs a failure.
        let _ = raw::data_source_release(self.source, self.handle);
    }
}
