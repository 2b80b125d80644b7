//! Maps as the rest of Gizmo sees them: keys and values as byte slices of exactly the right length.

use std::any::Any;
use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;

use gizmo_model::map::{
    BpfMap, MapError, MapInfo, MapSpec, PerfReader, PerfSpec, UpdateFlags, kind,
};
use libbpf_rs::{MapCore, MapHandle, MapType};

use crate::perf::{self, Recording};

/// As many CPUs as a kernel can be built for (CONFIG_NR_CPUS with CONFIG_MAXSMP on x86).
pub(crate) const MOST_CPUS: usize = 8192;

/// CPUs that the kernel may ever bring up; per-CPU values have room for all of them.
///
/// Where the number cannot be read it is the largest: the kernel writes as many values as it has, and a buffer that is
/// too large is only that.
pub fn possible_cpus() -> usize {
    libbpf_rs::num_possible_cpus().unwrap_or(MOST_CPUS)
}

/// A loaded map with its own descriptor.
pub(crate) struct LoadedMap {
    handle: MapHandle,
    info: MapInfo,
    /// Which of the readers that were opened here has its buffers in the map.
    recording: Recording,
}

impl LoadedMap {
    /// Takes over a handle; `name` is the one in the object, where the kernel may have cut it.
    pub(crate) fn new(handle: MapHandle, name: &str) -> Self {
        let map_type = handle.map_type();
        let value_bytes = handle.value_size() as usize;
        let info = MapInfo {
            name: name.to_owned(),
            kind: map_type.into(),
            key_bytes: handle.key_size() as usize,
            value_bytes: if map_type.is_percpu() {
                possible_cpus() * value_bytes.next_multiple_of(8)
            } else {
                value_bytes
            },
            max_entries: handle.max_entries(),
        };
        Self {
            handle,
            info,
            recording: Recording::default(),
        }
    }

    /// Creates a map without flags or BTF.
    pub(crate) fn create(spec: &MapSpec, flags: u32) -> Result<Self, MapError> {
        let refused = |source| MapError::Kernel {
            map: spec.name.clone(),
            operation: "creation",
            source,
        };
        let mut name = spec.name.clone();
        // The kernel keeps 15 bytes (BPF_OBJ_NAME_LEN).
        while name.len() > 15 {
            name.pop();
        }
        let options = libbpf_sys::bpf_map_create_opts {
            sz: size_of::<libbpf_sys::bpf_map_create_opts>() as libbpf_sys::size_t,
            map_flags: flags,
            ..Default::default()
        };
        let map_type = MapType::from(spec.kind);
        let handle = MapHandle::create(
            map_type,
            Some(&name),
            spec.key_bytes,
            spec.value_bytes,
            spec.max_entries,
            &options,
        )
        .map_err(|error| refused(io::Error::other(error)))?;
        Ok(Self::new(handle, &spec.name))
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    fn is_map_of_maps(&self) -> bool {
        matches!(self.info.kind, kind::ARRAY_OF_MAPS | kind::HASH_OF_MAPS)
    }

    fn check(&self, what: &'static str, expected: usize, found: usize) -> Result<(), MapError> {
        if expected == found {
            return Ok(());
        }
        Err(MapError::Length {
            map: self.info.name.clone(),
            what,
            expected,
            found,
        })
    }

    fn unsupported(&self, operation: &'static str) -> MapError {
        MapError::Unsupported {
            map: self.info.name.clone(),
            operation,
            kind: self.info.kind,
        }
    }

    fn refused(&self, operation: &'static str, source: io::Error) -> MapError {
        MapError::Kernel {
            map: self.info.name.clone(),
            operation,
            source,
        }
    }

    /// `false` for a missing key, which the kernel reports as ENOENT.
    fn outcome(&self, operation: &'static str, result: i32) -> Result<bool, MapError> {
        if result >= 0 {
            return Ok(true);
        }
        let error = io::Error::from_raw_os_error(-result);
        match error.raw_os_error() {
            Some(libc_enoent) if libc_enoent == rustix::io::Errno::NOENT.raw_os_error() => {
                Ok(false)
            }
            _ => Err(self.refused(operation, error)),
        }
    }

    fn write(&self, key: &[u8], value: &[u8], flags: UpdateFlags) -> Result<(), MapError> {
        self.check("a key", self.info.key_bytes, key.len())?;
        // SAFETY: the kernel reads key_bytes from key, checked above, and the value's size from value, which each
        // caller has checked; it writes to neither.
        let result = unsafe {
            libbpf_sys::bpf_map_update_elem(
                self.fd().as_raw_fd(),
                pointer(key),
                value.as_ptr().cast(),
                flags,
            )
        };
        if result < 0 {
            Err(self.refused("update", io::Error::from_raw_os_error(-result)))
        } else {
            Ok(())
        }
    }

    fn read(&self, key: &[u8], value: &mut [u8]) -> Result<bool, MapError> {
        self.check("a key", self.info.key_bytes, key.len())?;
        // SAFETY: the kernel reads key_bytes from key, checked above, and writes the value's size to value, which each
        // caller has checked.
        let result = unsafe {
            libbpf_sys::bpf_map_lookup_elem(
                self.fd().as_raw_fd(),
                pointer(key),
                value.as_mut_ptr().cast(),
            )
        };
        self.outcome("look-up", result)
    }
}

/// Queues and stacks have no keys, and the kernel insists on a null pointer then.
fn pointer(key: &[u8]) -> *const c_void {
    if key.is_empty() {
        std::ptr::null()
    } else {
        key.as_ptr().cast()
    }
}

impl BpfMap for LoadedMap {
    fn info(&self) -> &MapInfo {
        &self.info
    }

    fn lookup(&self, key: &[u8], value: &mut [u8]) -> Result<bool, MapError> {
        if self.is_map_of_maps() {
            return Err(self.unsupported("look-up of a plain value"));
        }
        self.check("a value", self.info.value_bytes, value.len())?;
        self.read(key, value)
    }

    fn update(&self, key: &[u8], value: &[u8], flags: UpdateFlags) -> Result<(), MapError> {
        if self.is_map_of_maps() {
            return Err(self.unsupported("update with a plain value"));
        }
        self.check("a value", self.info.value_bytes, value.len())?;
        self.write(key, value, flags)
    }

    fn delete(&self, key: &[u8]) -> Result<bool, MapError> {
        self.check("a key", self.info.key_bytes, key.len())?;
        // SAFETY: the kernel reads key_bytes from key, checked above.
        let result =
            unsafe { libbpf_sys::bpf_map_delete_elem(self.fd().as_raw_fd(), pointer(key)) };
        self.outcome("deletion", result)
    }

    fn lookup_map(&self, key: &[u8]) -> Result<Option<Arc<dyn BpfMap>>, MapError> {
        if !self.is_map_of_maps() {
            return Err(self.unsupported("look-up of a map"));
        }
        let mut id = [0; 4];
        if !self.read(key, &mut id)? {
            return Ok(None);
        }
        let handle = MapHandle::from_map_id(u32::from_ne_bytes(id))
            .map_err(|error| self.refused("opening of an inner map", io::Error::other(error)))?;
        Ok(Some(Arc::new(LoadedMap::new(
            handle,
            &format!("{} inner", self.info.name),
        ))))
    }

    fn update_map(
        &self,
        key: &[u8],
        inner: &dyn BpfMap,
        flags: UpdateFlags,
    ) -> Result<(), MapError> {
        if !self.is_map_of_maps() {
            return Err(self.unsupported("update with a map"));
        }
        let inner = inner
            .as_any()
            .downcast_ref::<LoadedMap>()
            .ok_or_else(|| self.unsupported("update with this map"))?;
        self.write(key, &inner.fd().as_raw_fd().to_ne_bytes(), flags)
    }

    fn perf_reader(&self, spec: &PerfSpec) -> Result<Box<dyn PerfReader>, MapError> {
        if self.info.kind != kind::PERF_EVENT_ARRAY {
            return Err(self.unsupported("a perf reader"));
        }
        let recording = self.recording.clone();
        let opened = perf::Reader::open(self.fd(), self.info.max_entries, recording, spec);
        match opened {
            Ok(reader) => Ok(Box::new(reader)),
            Err(source) => Err(self.refused("opening of perf buffers", source)),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
