//! eBPF maps.

use std::fmt;

use crate::abi::{Input, Output, Pod};
use crate::{Error, Result, raw};

/// An eBPF map. Dropping it gives back the handle, and closes a map that the guest made.
///
/// Keys and values are plain data ([`Pod`]) with exactly the size the map was made with; slices of bytes will do. The
/// value of a per-CPU map has a part for every possible CPU, each rounded up to 8 bytes.
pub struct Map {
    handle: u32,
    /// How the handle is given back. A function, so that a guest imports only the one it needs.
    release: fn(u32) -> u32,
    /// The size of keys, where the guest knows it.
    key_bytes: Option<usize>,
}

/// What to make a map with.
#[derive(Debug, Clone, Copy)]
pub struct MapSpec<'a> {
    /// The name; the kernel keeps 15 bytes of it, and wants letters, digits, `_` and `.`.
    pub name: &'a str,
    /// The type. Maps of maps cannot be made.
    pub map_type: MapType,
    /// The size of keys.
    pub key_bytes: u32,
    /// The size of values.
    pub value_bytes: u32,
    /// The number of entries.
    pub max_entries: u32,
}

/// The type of a map, with the kernel's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the names are the kernel's, explained in its documentation of maps"
)]
pub enum MapType {
    Hash = 1,
    Array = 2,
    ProgramArray = 3,
    PerfEventArray = 4,
    PerCpuHash = 5,
    PerCpuArray = 6,
    StackTrace = 7,
    CgroupArray = 8,
    LruHash = 9,
    LruPerCpuHash = 10,
    LpmTrie = 11,
    ArrayOfMaps = 12,
    HashOfMaps = 13,
    DevMap = 14,
    SockMap = 15,
    CpuMap = 16,
    XskMap = 17,
    SockHash = 18,
    CgroupStorage = 19,
    ReusePortSockArray = 20,
    PerCpuCgroupStorage = 21,
    Queue = 22,
    Stack = 23,
    SkStorage = 24,
    DevMapHash = 25,
    StructOps = 26,
    RingBuf = 27,
    InodeStorage = 28,
    TaskStorage = 29,
    BloomFilter = 30,
    UserRingBuf = 31,
    CgrpStorage = 32,
    Arena = 33,
}

/// Which keys an update may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u64)]
pub enum UpdateMode {
    /// Any.
    #[default]
    Any = 0,
    /// Only one that is not there.
    NoExist = 1,
    /// Only one that is there.
    Exist = 2,
    /// Any, holding the value's spin lock.
    Lock = 4,
}

impl Map {
    /// The map of this name in the eBPF object. Only from `start` on.
    pub fn get(name: &str) -> Result<Map> {
        match raw::get_map(Input::text(name)) {
            0 => Err(Error::refused("getMap", name)),
            handle => Ok(Map {
                handle,
                release: |handle| raw::release_handle(handle),
                key_bytes: None,
            }),
        }
    }

    /// Makes a map. Only from `start` on.
    pub fn new(spec: &MapSpec<'_>) -> Result<Map> {
        let name = Input::text(spec.name);
        let map_type = spec.map_type as u32;
        match raw::new_map(
            name,
            map_type,
            spec.key_bytes,
            spec.value_bytes,
            spec.max_entries,
        ) {
            0 => Err(Error::refused("newMap", spec.name)),
            handle => {
                // For a perf event array the kernel's size may stand instead of 0.
                let key_bytes = (spec.key_bytes != 0).then_some(spec.key_bytes as usize);
                Ok(Map {
                    handle,
                    release: |handle| raw::map_release(handle),
                    key_bytes,
                })
            }
        }
    }

    /// Makes a map that fits into the map of maps called `outer`. Only from `start` on.
    #[cfg(feature = "host-gizmo")]
    pub fn new_inner(outer: &str, name: &str) -> Result<Map> {
        match raw::new_inner_map(Input::text(outer), Input::text(name)) {
            0 => Err(Error::refused("newInnerMap", outer)),
            handle => Ok(Map {
                handle,
                release: |handle| raw::map_release(handle),
                key_bytes: None,
            }),
        }
    }

    /// Copies the value of `key` into `value` and returns whether it was found.
    ///
    /// The host answers alike for a key that is missing and for any other failure, so `false` can also mean that key or
    /// value have a wrong size; the host's log tells. An `Err` comes only if the key's size contradicts the [`MapSpec`].
    pub fn lookup<K: Pod + ?Sized, V: Pod + ?Sized>(&self, key: &K, value: &mut V) -> Result<bool> {
        let key = self.key("mapLookup", key)?;
        Ok(raw::map_lookup(self.handle, key, Output::of(value)) == 0)
    }

    /// The inner map at `key` of a map of maps. As to `None`, see [`Map::lookup`].
    pub fn lookup_map<K: Pod + ?Sized>(&self, key: &K) -> Result<Option<Map>> {
        let mut handle = 0u32;
        let is_found = self.lookup(key, &mut handle)? && handle != 0;
        Ok(is_found.then_some(Map {
            handle,
            release: |handle| raw::release_handle(handle),
            key_bytes: None,
        }))
    }

    /// Sets the value of `key`.
    pub fn update<K, V>(&self, key: &K, value: &V, mode: UpdateMode) -> Result<()>
    where
        K: Pod + ?Sized,
        V: Pod + ?Sized,
    {
        let key = self.key("mapUpdate", key)?;
        match raw::map_update(self.handle, key, Input::of(value), mode as u64) {
            0 => Ok(()),
            _ => Err(refused("mapUpdate")),
        }
    }

    /// Puts a map into a map of maps. It stays there when `inner` is dropped.
    pub fn update_map<K: Pod + ?Sized>(
        &self,
        key: &K,
        inner: &Map,
        mode: UpdateMode,
    ) -> Result<()> {
        self.update(key, &inner.handle, mode)
    }

    /// Deletes a key. It is an error if it is not there.
    pub fn delete<K: Pod + ?Sized>(&self, key: &K) -> Result<()> {
        let key = self.key("mapDelete", key)?;
        match raw::map_delete(self.handle, key) {
            0 => Ok(()),
            _ => Err(refused("mapDelete")),
        }
    }

    pub(crate) fn handle(&self) -> u32 {
        self.handle
    }

    fn key<'a, K: Pod + ?Sized>(&self, function: &'static str, key: &'a K) -> Result<Input<'a>> {
        match self.key_bytes {
            Some(bytes) if bytes != size_of_val(key) => {
                let sizes = format!("a key of {} bytes instead of {bytes}", size_of_val(key));
                Err(Error::refused_unnamed(function, &sizes))
            }
            _ => Ok(Input::of(key)),
        }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // The host logs a failure.
        let _ = (self.release)(self.handle);
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

fn refused(function: &'static str) -> Error {
    Error::refused_unnamed(function, "a map")
}
