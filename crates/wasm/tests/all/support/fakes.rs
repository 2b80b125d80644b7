//! Maps, perf rings, iterator programs, settings and a kernel that exist in memory only.

use std::any::Any;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{Cursor, Read};
use std::sync::{Arc, Mutex, Weak};

use gizmo_model::iterator::{IteratorError, Iterators};
use gizmo_model::map::{
    BpfMap, MapError, MapInfo, MapSpec, Maps, ObjectSettings, PerfError, PerfReader, PerfSpec,
    SettingError, UpdateFlags, kind,
};
use gizmo_model::program::{ProgramError, Programs};
use gizmo_syscalls::{Abi, Parameter};
use gizmo_wasm::Kernel;

type Values = Mutex<HashMap<Vec<u8>, Vec<u8>>>;

/// Clones are the same map.
#[derive(Clone)]
pub struct FakeMap {
    info: MapInfo,
    values: Arc<Values>,
    inner: Arc<Mutex<HashMap<Vec<u8>, FakeMap>>>,
    /// What readers of a perf event array find.
    pub ring: Arc<Mutex<FakeRing>>,
}

/// What a perf event array's readers share with the test.
#[derive(Default)]
pub struct FakeRing {
    /// Records that are readable, oldest first.
    pub records: VecDeque<Vec<u8>>,
    /// Records that readers find to be missing.
    pub lost: u64,
    /// The specifications of the readers that are open.
    pub open: Vec<PerfSpec>,
    /// Whether a reader has its buffers in the map.
    pub is_recording: bool,
    /// How often readers were paused.
    pub pauses: u32,
}

struct FakeReader {
    spec: PerfSpec,
    ring: Arc<Mutex<FakeRing>>,
}

impl PerfReader for FakeReader {
    fn pause(&mut self) -> Result<(), PerfError> {
        let mut ring = self.ring.lock().unwrap();
        ring.is_recording = false;
        ring.pauses += 1;
        Ok(())
    }

    fn resume(&mut self) -> Result<(), PerfError> {
        self.ring.lock().unwrap().is_recording = true;
        Ok(())
    }

    fn read(&mut self, record: &mut [u8]) -> Result<Option<usize>, PerfError> {
        let mut ring = self.ring.lock().unwrap();
        if self.spec.is_overwritable && ring.is_recording {
            return Err(PerfError::NotPaused);
        }
        let next = if self.spec.is_overwritable {
            ring.records.pop_back()
        } else {
            ring.records.pop_front()
        };
        let Some(next) = next else { return Ok(None) };
        let (bytes, room) = (next.len(), record.len());
        let place = record
            .get_mut(..bytes)
            .ok_or(PerfError::TooLong { bytes, room })?;
        place.copy_from_slice(&next);
        Ok(Some(bytes))
    }

    fn lost(&self) -> u64 {
        self.ring.lock().unwrap().lost
    }
}

impl Drop for FakeReader {
    fn drop(&mut self) {
        let mut ring = self.ring.lock().unwrap();
        let at = ring.open.iter().position(|spec| *spec == self.spec);
        ring.open.remove(at.unwrap());
        ring.is_recording = false;
    }
}

impl FakeMap {
    pub fn new(
        name: &str,
        kind: u32,
        key_bytes: usize,
        value_bytes: usize,
        max_entries: u32,
    ) -> Self {
        Self {
            info: MapInfo {
                name: name.into(),
                kind,
                key_bytes,
                value_bytes,
                max_entries,
            },
            values: Arc::default(),
            inner: Arc::default(),
            ring: Arc::default(),
        }
    }

    fn refused(&self, operation: &'static str, error: i32) -> MapError {
        MapError::Kernel {
            map: self.info.name.clone(),
            operation,
            source: std::io::Error::from_raw_os_error(error),
        }
    }
}

impl BpfMap for FakeMap {
    fn info(&self) -> &MapInfo {
        &self.info
    }

    fn lookup(&self, key: &[u8], value: &mut [u8]) -> Result<bool, MapError> {
        let values = self.values.lock().unwrap();
        let Some(found) = values.get(key) else {
            return Ok(false);
        };
        value.copy_from_slice(found);
        Ok(true)
    }

    fn update(&self, key: &[u8], value: &[u8], flags: UpdateFlags) -> Result<(), MapError> {
        let mut values = self.values.lock().unwrap();
        let there = values.contains_key(key);
        if flags == 1 && there {
            return Err(self.refused("an update", 17));
        }
        if flags == 2 && !there {
            return Err(self.refused("an update", 2));
        }
        if !there && values.len() as u32 >= self.info.max_entries {
            return Err(self.refused("an update", 7));
        }
        values.insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn delete(&self, key: &[u8]) -> Result<bool, MapError> {
        let inner = self.inner.lock().unwrap().remove(key).is_some();
        Ok(self.values.lock().unwrap().remove(key).is_some() || inner)
    }

    fn lookup_map(&self, key: &[u8]) -> Result<Option<Arc<dyn BpfMap>>, MapError> {
        let found = self.inner.lock().unwrap().get(key).cloned();
        Ok(found.map(|map| Arc::new(map) as Arc<dyn BpfMap>))
    }

    fn update_map(
        &self,
        key: &[u8],
        inner: &dyn BpfMap,
        flags: UpdateFlags,
    ) -> Result<(), MapError> {
        let inner = inner.as_any().downcast_ref::<FakeMap>().unwrap();
        let mut maps = self.inner.lock().unwrap();
        if flags == 1 && maps.contains_key(key) {
            return Err(self.refused("an update", 17));
        }
        maps.insert(key.to_vec(), inner.clone());
        Ok(())
    }

    fn perf_reader(&self, spec: &PerfSpec) -> Result<Box<dyn PerfReader>, MapError> {
        assert_eq!(self.info.kind, kind::PERF_EVENT_ARRAY);
        let mut ring = self.ring.lock().unwrap();
        ring.open.push(*spec);
        ring.is_recording = true;
        Ok(Box::new(FakeReader {
            spec: *spec,
            ring: Arc::clone(&self.ring),
        }))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[derive(Default)]
pub struct FakeMaps {
    pub named: Mutex<BTreeMap<String, FakeMap>>,
    created: Mutex<Vec<Weak<Values>>>,
    specs: Mutex<Vec<MapSpec>>,
}

impl FakeMaps {
    pub fn add(&self, map: FakeMap) {
        self.named
            .lock()
            .unwrap()
            .insert(map.info.name.clone(), map);
    }

    /// Created maps that are still open.
    pub fn open(&self) -> usize {
        let created = self.created.lock().unwrap();
        created.iter().filter(|map| map.strong_count() > 0).count()
    }

    /// Type, sizes and entries of all maps that were created.
    pub fn specs(&self) -> Vec<(u32, u32, u32, u32)> {
        let specs = self.specs.lock().unwrap();
        let sizes = |spec: &MapSpec| {
            (
                spec.kind,
                spec.key_bytes,
                spec.value_bytes,
                spec.max_entries,
            )
        };
        specs.iter().map(sizes).collect()
    }

    fn hand_out(&self, map: FakeMap) -> Arc<dyn BpfMap> {
        self.created
            .lock()
            .unwrap()
            .push(Arc::downgrade(&map.values));
        Arc::new(map)
    }
}

impl Maps for FakeMaps {
    fn get(&self, name: &str) -> Result<Arc<dyn BpfMap>, MapError> {
        let found = self.named.lock().unwrap().get(name).cloned();
        let map = found.ok_or_else(|| MapError::NotFound(name.into()))?;
        Ok(Arc::new(map))
    }

    fn create(&self, spec: &MapSpec) -> Result<Arc<dyn BpfMap>, MapError> {
        self.specs.lock().unwrap().push(spec.clone());
        let (key, mut value) = (spec.key_bytes as usize, spec.value_bytes as usize);
        let per_cpu = [kind::PERCPU_HASH, kind::PERCPU_ARRAY, kind::LRU_PERCPU_HASH];
        if per_cpu.contains(&spec.kind) {
            value = value.next_multiple_of(8) * FakeKernel.possible_cpus() as usize;
        }
        Ok(self.hand_out(FakeMap::new(
            &spec.name,
            spec.kind,
            key,
            value,
            spec.max_entries,
        )))
    }

    fn create_inner(&self, outer: &str, name: &str) -> Result<Arc<dyn BpfMap>, MapError> {
        self.get(outer)?;
        Ok(self.hand_out(FakeMap::new(name, kind::HASH, 4, 4, 1)))
    }
}

/// Iterator programs that always print the same.
#[derive(Default)]
pub struct FakeIterators {
    programs: Mutex<BTreeMap<String, Vec<u8>>>,
    running: Arc<()>,
}

struct FakeOutput {
    bytes: Cursor<Vec<u8>>,
    _running: Arc<()>,
}

impl FakeIterators {
    pub fn add(&self, name: &str, output: &[u8]) {
        self.programs
            .lock()
            .unwrap()
            .insert(name.into(), output.into());
    }

    /// Programs whose output is still open.
    pub fn open(&self) -> usize {
        Arc::strong_count(&self.running) - 1
    }
}

impl Iterators for FakeIterators {
    fn iterate(&self, program: &str) -> Result<Box<dyn Read + Send>, IteratorError> {
        let programs = self.programs.lock().unwrap();
        let bytes = programs.get(program).cloned();
        let missing = || IteratorError::NotFound(program.into());
        Ok(Box::new(FakeOutput {
            bytes: Cursor::new(bytes.ok_or_else(missing)?),
            _running: Arc::clone(&self.running),
        }))
    }
}

impl Read for FakeOutput {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.bytes.read(into)
    }
}

/// `numbers`, and `known`, which was skipped more often than 32 bits can say.
pub struct FakePrograms;

impl Programs for FakePrograms {
    fn misses(&self, program: &str) -> Result<u64, ProgramError> {
        match program {
            "numbers" => Ok(0),
            "known" => Ok(5_000_000_000),
            _ => Err(ProgramError::NotFound(program.into())),
        }
    }
}

#[derive(Default)]
pub struct FakeSettings {
    pub constants: Mutex<Vec<(String, Vec<u8>)>>,
    pub sizes: Mutex<Vec<(String, bool, u32)>>,
}

impl ObjectSettings for FakeSettings {
    fn set_constant(&self, name: &str, value: &[u8]) -> Result<(), SettingError> {
        if name != "known" {
            return Err(SettingError::Loaded(name.into()));
        }
        self.constants
            .lock()
            .unwrap()
            .push((name.into(), value.into()));
        Ok(())
    }

    fn set_max_entries(
        &self,
        map: &str,
        inner: bool,
        max_entries: u32,
    ) -> Result<(), SettingError> {
        if map != "known" {
            return Err(SettingError::Loaded(map.into()));
        }
        self.sizes
            .lock()
            .unwrap()
            .push((map.into(), inner, max_entries));
        Ok(())
    }
}

pub struct FakeKernel;

impl Kernel for FakeKernel {
    fn native_abi(&self) -> Abi {
        Abi::X86_64
    }

    fn release(&self) -> &str {
        "6.18.44"
    }

    fn possible_cpus(&self) -> u32 {
        4
    }

    fn page_bytes(&self) -> u32 {
        4096
    }

    fn follows_command(&self) -> bool {
        true
    }

    fn wall_clock_offset_ns(&self) -> i64 {
        -77
    }

    fn symbol_exists(&self, name: &str) -> bool {
        match name {
            // Slow enough to tell host time from guest time.
            "slow" => {
                std::thread::sleep(std::time::Duration::from_millis(150));
                true
            }
            "panic" => panic!("a bug of the host"),
            other => other == "vfs_read",
        }
    }

    fn has_syscall_function(&self, name: &str) -> bool {
        ["__x64_sys_newstat", "__do_sys_getpid"].contains(&name)
    }

    fn declaration(&self, name: &str) -> Option<Vec<Parameter>> {
        let parameter = |name: &'static str, ctype: &'static str| Parameter {
            name: name.into(),
            ctype: ctype.into(),
        };
        (name == "execve").then(|| {
            vec![
                parameter("filename", "const char *"),
                parameter("argv", "const char *const *"),
                parameter("envp", "const char *const *"),
            ]
        })
    }
}
