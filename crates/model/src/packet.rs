//! Packets: what a data source emits, one element or a list of them.
//!
//! An element is one block of fixed-size values and a list of slots for texts, so that a recycled element is filled
//! without an allocation per field.

/// One record of a data source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// The data source it was made by; zero for an element that was taken away.
    pub(crate) source: u64,
    pub(crate) fixed: Vec<u8>,
    pub(crate) slots: Vec<Vec<u8>>,
}

impl Element {
    /// The block of fixed-size values; an eBPF struct lies at its beginning.
    pub fn fixed_mut(&mut self) -> &mut [u8] {
        &mut self.fixed
    }

    /// Memory that it has.
    pub(crate) fn held_bytes(&self) -> usize {
        let slots = self.slots.capacity() * size_of::<Vec<u8>>();
        let texts: usize = self.slots.iter().map(Vec::capacity).sum();
        self.fixed.capacity() + slots + texts
    }

    pub(crate) fn reset(&mut self, source: u64, fixed_bytes: usize, slots: usize) {
        self.source = source;
        self.fixed.clear();
        self.fixed.resize(fixed_bytes, 0);
        self.slots.iter_mut().for_each(Vec::clear);
        self.slots.resize_with(slots, Vec::new);
    }
}

/// One unit of emission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// Of a single data source.
    Single(Element),
    /// Of an array data source.
    Array(Vec<Element>),
}

impl Packet {
    /// The elements, one for a single packet.
    pub fn elements(&self) -> &[Element] {
        match self {
            Packet::Single(element) => std::slice::from_ref(element),
            Packet::Array(elements) => elements,
        }
    }
}
