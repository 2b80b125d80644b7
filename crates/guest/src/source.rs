//! Data sources: what events come from and go to.

use crate::abi::Input;
use crate::data::{ArrayPacket, Data, DataArray, Packet, PacketView};
use crate::entry::Verdict;
use crate::field::{Field, FieldType};
use crate::{Error, Result, raw, subscription};

/// What a packet of a data source holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum DataSourceKind {
    /// One event.
    Single = 1,
    /// Any number of elements.
    Array = 2,
}

/// A source of data, made by the eBPF layer, another part of the host or the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DataSource {
    handle: u32,
}

/// What a subscriber receives; the host's numbers.
#[derive(Clone, Copy)]
enum Delivery {
    Data = 1,
    Array = 2,
    Packet = 3,
}

impl DataSource {
    /// Makes a data source. Meant for `init`: clients do not learn of later ones.
    pub fn new(name: &str, kind: DataSourceKind) -> Result<DataSource> {
        match raw::new_data_source(Input::text(name), kind as u32) {
            0 => Err(Error::refused("newDataSource", name)),
            handle => Ok(DataSource { handle }),
        }
    }

    /// The data source of this name, unless it was hidden by [`DataSource::unreference`].
    pub fn get(name: &str) -> Result<DataSource> {
        match raw::get_data_source(Input::text(name)) {
            0 => Err(Error::refused("getDataSource", name)),
            handle => Ok(DataSource { handle }),
        }
    }

    /// Adds a field. Meant for `init`: clients do not learn of later ones.
    pub fn add_field<T: FieldType>(self, name: &str) -> Result<Field<T>> {
        match raw::data_source_add_field(self.handle, Input::text(name), T::KIND) {
            0 => Err(Error::refused("dataSourceAddField", name)),
            handle => Ok(Field::new(handle)),
        }
    }

    /// The field of this full name, like `k8s.podName`; it is an error if there is none.
    ///
    /// The type is the reader's choice: the host only compares sizes, when the field is used.
    pub fn field<T: FieldType>(self, name: &str) -> Result<Field<T>> {
        self.find_field(name)
            .ok_or_else(|| Error::refused("dataSourceGetField", name))
    }

    /// The field of this full name, if there is one.
    pub fn find_field<T: FieldType>(self, name: &str) -> Option<Field<T>> {
        match raw::data_source_get_field(self.handle, Input::text(name)) {
            0 => None,
            handle => Some(Field::new(handle)),
        }
    }

    /// Hides the source from clients and from later look-ups, for good. Subscriptions and emission go on.
    pub fn unreference(self) -> Result<()> {
        match raw::data_source_unreference(self.handle) {
            0 => Ok(()),
            _ => Err(self.refused("dataSourceUnreference")),
        }
    }

    /// Whether the source was not hidden.
    pub fn is_referenced(self) -> Result<bool> {
        match raw::data_source_is_referenced(self.handle) {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.refused("dataSourceIsReferenced")),
        }
    }

    #[cfg(feature = "host-gizmo")]
    pub(crate) fn handle(self) -> u32 {
        self.handle
    }

    /// A new packet with zeroed fields, of a source of single events.
    pub fn new_packet(self) -> Result<Packet> {
        match raw::data_source_new_packet_single(self.handle) {
            0 => Err(self.refused("dataSourceNewPacketSingle")),
            handle => Ok(Packet::new(self.handle, handle)),
        }
    }

    /// A new packet without elements, of a source of arrays.
    pub fn new_array_packet(self) -> Result<ArrayPacket> {
        match raw::data_source_new_packet_array(self.handle) {
            0 => Err(self.refused("dataSourceNewPacketArray")),
            handle => Ok(ArrayPacket::new(self.handle, handle)),
        }
    }

    /// Calls `callback` for every event, or for every element if this is a source of arrays.
    ///
    /// Subscribers with a lower priority come first. There is no way to unsubscribe. The callback can be entered again
    /// while it runs, if it emits on a source it is subscribed to, hence `Fn`: keep state in a `Cell` or `RefCell`, and
    /// hold no borrow of it while emitting. An `Err` is logged and the packet goes on; `Flow::Discard` ends its way.
    pub fn subscribe<O: Verdict>(
        self,
        priority: i32,
        callback: impl Fn(DataSource, Data<'_>) -> O + 'static,
    ) -> Result<()> {
        self.subscribe_as(Delivery::Data, priority, move |handle| {
            callback(self, Data::new(handle))
        })
    }

    /// Calls `callback` for every array; elements can be read, changed and appended. See [`DataSource::subscribe`].
    pub fn subscribe_array<O: Verdict>(
        self,
        priority: i32,
        callback: impl Fn(DataSource, DataArray<'_>) -> O + 'static,
    ) -> Result<()> {
        self.subscribe_as(Delivery::Array, priority, move |handle| {
            callback(self, DataArray::new(handle))
        })
    }

    /// Calls `callback` for every packet of either kind. See [`DataSource::subscribe`].
    pub fn subscribe_packet<O: Verdict>(
        self,
        priority: i32,
        callback: impl Fn(DataSource, PacketView<'_>) -> O + 'static,
    ) -> Result<()> {
        self.subscribe_as(Delivery::Packet, priority, move |handle| {
            callback(self, PacketView::new(handle))
        })
    }

    fn subscribe_as<O: Verdict>(
        self,
        delivery: Delivery,
        priority: i32,
        callback: impl Fn(u32) -> O + 'static,
    ) -> Result<()> {
        let id = subscription::add(move |handle| callback(handle).verdict());
        match raw::data_source_subscribe(self.handle, delivery as u32, priority, id) {
            0 => Ok(()),
            _ => {
                subscription::forget(id);
                Err(self.refused("dataSourceSubscribe"))
            }
        }
    }

    fn refused(self, function: &'static str) -> Error {
        Error::refused_unnamed(function, "a data source")
    }
}
