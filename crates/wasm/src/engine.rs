//! The engine: its configuration, and where compiled code comes from.
//!
//! Compiled code is taken from the binary it is embedded in, else from the cache, else it is compiled now and cached.
//! The settings that shape code are constants, so that code compiled by a build script fits every engine.

use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::{Config, Engine, InstancePre, Linker, OptLevel, WasmFeatures};

use crate::cache::Cache;
use crate::error::Error;
use crate::state::State;
use crate::ticker::Ticker;
use crate::{host, sealed, wasi};

/// Linear memory of a guest unless the options say otherwise: 256 pages (wasm-host-api.md 1.8).
pub const DEFAULT_MEMORY_BYTES: u64 = 16 << 20;

/// Buffers of one perf reader of a guest, over all CPUs, unless the options say otherwise.
pub const DEFAULT_PERF_READER_BYTES: u64 = 64 << 20;

/// Address space set aside per memory. Larger memories move when they grow. Not 4 GiB, which would save the bounds
/// checks: a node runs many gadgets, and some limit address space.
const RESERVATION_BYTES: u64 = DEFAULT_MEMORY_BYTES;

/// Pages without access behind a memory, so that small constant offsets need no check.
const GUARD_BYTES: u64 = 64 << 10;

/// How an engine is set up.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Where compiled code is kept; `None` compiles every time.
    pub cache_dir: Option<PathBuf>,
    /// Linear memory of a guest at most.
    pub max_memory_bytes: u64,
    /// Buffers of one perf reader of a guest at most, over all CPUs.
    pub max_perf_reader_bytes: u64,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            cache_dir: None,
            max_memory_bytes: DEFAULT_MEMORY_BYTES,
            max_perf_reader_bytes: DEFAULT_PERF_READER_BYTES,
        }
    }
}

/// Compiles and runs modules; cheap to clone, one per process is enough.
#[derive(Clone)]
pub struct WasmEngine(Arc<Inner>);

struct Inner {
    engine: Engine,
    linker: Linker<State>,
    ticker: Ticker,
    cache: Option<Cache>,
    max_memory_bytes: u64,
    max_perf_reader_bytes: u64,
}

/// A compiled module.
#[derive(Clone)]
pub struct Module {
    pub(crate) engine: WasmEngine,
    pub(crate) module: wasmtime::Module,
}

impl std::fmt::Debug for WasmEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WasmEngine").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module").finish_non_exhaustive()
    }
}

/// For the oldest CPU of the architecture, so that code built on one machine runs on others.
fn precompile(wasm: &[u8]) -> Result<Vec<u8>, Error> {
    let target = if cfg!(target_arch = "aarch64") {
        "aarch64-unknown-linux-gnu"
    } else {
        "x86_64-unknown-linux-gnu"
    };
    let mut config = config();
    config
        .target(target)
        .map_err(|error| Error::Engine(error.into_boxed_dyn_error()))?;
    let engine =
        Engine::new(&config).map_err(|error| Error::Engine(error.into_boxed_dyn_error()))?;
    let code = engine
        .precompile_module(wasm)
        .map_err(|error| Error::Compile(error.into_boxed_dyn_error()))?;
    Ok(sealed::seal(&code))
}

impl WasmEngine {
    /// Sets up an engine.
    ///
    /// # Errors
    /// wasmtime refuses the configuration, or the thread that watches deadlines cannot be started.
    pub fn new(options: EngineOptions) -> Result<Self, Error> {
        let failed = |error: wasmtime::Error| Error::Engine(error.into_boxed_dyn_error());
        let engine = Engine::new(&config()).map_err(failed)?;
        let mut linker = Linker::new(&engine);
        host::define(&mut linker).map_err(failed)?;
        wasi::define(&mut linker).map_err(failed)?;
        let ticker = Ticker::start(engine.clone()).map_err(|error| Error::Engine(error.into()))?;
        let cache = options.cache_dir.and_then(|dir| Cache::open(&dir, &engine));
        Ok(Self(Arc::new(Inner {
            engine,
            linker,
            ticker,
            cache,
            max_memory_bytes: options.max_memory_bytes,
            max_perf_reader_bytes: options.max_perf_reader_bytes,
        })))
    }

    /// Compiles a module for every CPU of the host's architecture, to be embedded in a binary and given to
    /// [`WasmEngine::load`]. The code fits engines of any options.
    ///
    /// # Errors
    /// The bytes are no module that the engine accepts.
    pub fn precompile(wasm: &[u8]) -> Result<Vec<u8>, Error> {
        precompile(wasm)
    }

    /// Loads a module. `digest` is the verified digest of `wasm`, the key in the cache. `precompiled` is what
    /// [`WasmEngine::precompile`] made and the calling binary embeds: machine code that is run as it is, so it must
    /// come from nowhere else. Code of another engine version or configuration is passed over.
    ///
    /// # Errors
    /// The bytes are no module that the engine accepts.
    pub fn load(
        &self,
        wasm: &[u8],
        digest: &str,
        precompiled: Option<&'static [u8]>,
    ) -> Result<Module, Error> {
        let embedded = precompiled.and_then(|sealed| self.deserialize(sealed, "embedded"));
        let module = match embedded {
            Some(module) => module,
            None => self.load_cached(wasm, digest)?,
        };
        Ok(Module {
            engine: self.clone(),
            module,
        })
    }

    fn load_cached(&self, wasm: &[u8], digest: &str) -> Result<wasmtime::Module, Error> {
        let Some(cache) = &self.0.cache else {
            return self.compile(wasm);
        };
        if let Some(sealed) = cache.read(digest)
            && let Some(module) = self.deserialize(&sealed, "cached")
        {
            return Ok(module);
        }
        let module = self.compile(wasm)?;
        match module.serialize() {
            Ok(code) => cache.write(digest, &sealed::seal(&code)),
            Err(error) => tracing::debug!(digest, %error, "compiled code cannot be serialised"),
        }
        Ok(module)
    }

    fn compile(&self, wasm: &[u8]) -> Result<wasmtime::Module, Error> {
        wasmtime::Module::from_binary(&self.0.engine, wasm)
            .map_err(|error| Error::Compile(error.into_boxed_dyn_error()))
    }

    #[expect(
        unsafe_code,
        reason = "running compiled code is what this crate is for"
    )]
    fn deserialize(&self, sealed: &[u8], origin: &'static str) -> Option<wasmtime::Module> {
        let Some(code) = sealed::open(sealed) else {
            tracing::warn!(origin, "damaged compiled code of a guest is ignored");
            return None;
        };
        // SAFETY: the bytes are unchanged output of `Engine::precompile_module` or `Module::serialize`. There are two
        // callers: `load` passes bytes with a static lifetime that are part of the calling binary, as its
        // documentation demands; `load_cached` passes a file that only the effective user can have written, which
        // `Cache` checks for the directory and the file. Damage is found by the checksum just above, and wasmtime
        // itself refuses code of another version, configuration or CPU.
        let module = unsafe { wasmtime::Module::deserialize(&self.0.engine, code) };
        module
            .inspect_err(|error| {
                tracing::debug!(origin, %error, "compiled code does not fit this engine");
            })
            .ok()
    }

    /// Module and name of every host function a guest can import, besides WASI's.
    pub fn host_functions() -> impl Iterator<Item = (&'static str, &'static str)> {
        host::names()
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn ticker(&self) -> &Ticker {
        &self.0.ticker
    }

    pub(crate) fn max_memory_bytes(&self) -> u64 {
        self.0.max_memory_bytes
    }

    pub(crate) fn max_perf_reader_bytes(&self) -> u64 {
        self.0.max_perf_reader_bytes
    }

    pub(crate) fn link(&self, module: &wasmtime::Module) -> Result<InstancePre<State>, Error> {
        for import in module.imports() {
            let (from, name) = (import.module(), import.name());
            if !host::exists(from, name) && !wasi::exists(from, name) {
                return Err(Error::UnknownImport {
                    module: from.to_owned(),
                    name: name.to_owned(),
                });
            }
        }
        self.0
            .linker
            .instantiate_pre(module)
            .map_err(|error| Error::Instantiate(error.into_boxed_dyn_error()))
    }
}

/// What every engine and every precompiled module share.
fn config() -> Config {
    let mut config = Config::new();
    config
        // Core 2.0 (wasm-host-api.md 1.2): guests that run here run on upstream's host too.
        .wasm_features(!WasmFeatures::WASM2, false)
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .memory_reservation(RESERVATION_BYTES)
        .memory_guard_size(GUARD_BYTES)
        .memory_reservation_for_growth(1 << 20)
        // Addresses of code in the module's file serve nobody without a debugger.
        .generate_address_map(false)
        .wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable);
    config
}
