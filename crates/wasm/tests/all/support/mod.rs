//! Guests in short notation, a context with fakes, and captured log lines.

mod fakes;
mod text;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, RwLock};
use std::time::Duration;

use gizmo_model::config::Config;
use gizmo_model::{DataSource, DataSources, Shape};
use gizmo_wasm::{
    Deadlines, EngineOptions, Error, Guest, HostContext, MntnsFilter, Module, WasmEngine,
};

pub use fakes::{FakeIterators, FakeKernel, FakeMap, FakeMaps, FakePrograms, FakeSettings};
pub use text::{calls, module_text};

pub static ENGINE: LazyLock<WasmEngine> =
    LazyLock::new(|| WasmEngine::new(EngineOptions::default()).unwrap());

/// A run's surroundings.
pub struct World {
    pub sources: Arc<DataSources>,
    pub config: Arc<RwLock<Config>>,
    pub params: BTreeMap<String, String>,
    pub maps: Arc<FakeMaps>,
    pub iterators: Arc<FakeIterators>,
    pub settings: Arc<FakeSettings>,
    pub filter: MntnsFilter,
    pub deadlines: Deadlines,
}

impl World {
    pub fn new() -> Self {
        Self::with_config("")
    }

    /// Deadlines of 0.2 s, for guests that run until they are stopped. Everybody else has the usual ones: a machine under
    /// load takes its time.
    pub fn hasty() -> Self {
        let short = Duration::from_millis(200);
        let deadlines = Deadlines {
            init: short,
            pre_start: short,
            start: short,
            pre_stop: short,
            stop: short,
            look: short,
            post_stop: short,
            callback: short,
        };
        Self {
            deadlines,
            ..Self::new()
        }
    }

    pub fn with_config(yaml: &str) -> Self {
        Self {
            sources: Arc::default(),
            config: Arc::new(RwLock::new(Config::parse(yaml.as_bytes()).unwrap())),
            params: BTreeMap::new(),
            maps: Arc::default(),
            iterators: Arc::default(),
            settings: Arc::default(),
            filter: Arc::default(),
            deadlines: Deadlines::default(),
        }
    }

    pub fn context(&self) -> HostContext {
        HostContext {
            gadget: "test".into(),
            sources: Arc::clone(&self.sources),
            config: Arc::clone(&self.config),
            params: self.params.clone(),
            maps: self.maps.clone(),
            iterators: self.iterators.clone(),
            programs: Arc::new(FakePrograms),
            settings: self.settings.clone(),
            kernel: Arc::new(FakeKernel),
            mntns_filter: Arc::clone(&self.filter),
            deadlines: self.deadlines,
        }
    }

    pub fn source(&self, name: &str, shape: Shape) -> Arc<DataSource> {
        let config = self.config.read().unwrap();
        self.sources
            .register(DataSource::new(name, shape, &config))
            .unwrap()
    }

    /// Instantiates a guest in the notation of [`module_text`].
    #[track_caller]
    pub fn guest(&self, source: &str) -> Guest {
        match self.try_guest(source) {
            Ok(guest) => guest,
            Err(error) => panic!("{}", chain(&error)),
        }
    }

    pub fn try_guest(&self, source: &str) -> Result<Guest, Error> {
        Guest::instantiate(&module(source), self.context())
    }
}

/// Compiles a guest in the notation of [`module_text`].
#[track_caller]
pub fn module(source: &str) -> Module {
    plain(&module_text(source))
}

/// Compiles a guest in plain WAT.
#[track_caller]
pub fn plain(text: &str) -> Module {
    let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    ENGINE
        .load(&wasm, "", None)
        .unwrap_or_else(|error| panic!("{}", chain(&error)))
}

/// Runs a `gadgetInit` whose body ends with its result.
#[track_caller]
pub fn init(body: &str) {
    World::new().guest(&init_text(body));
}

pub fn init_text(body: &str) -> String {
    format!(
        "(func (export \"gadgetInit\") (result i32) (local $h i32) (local $i i32) (local $j i32) {body} (i32.const 0))"
    )
}

/// An error with its sources in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Log lines of `f` on this thread, as `LEVEL message`.
pub fn logged<R>(f: impl FnOnce() -> R) -> (R, Vec<String>) {
    keep_log_on();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let collector = Collector(Arc::clone(&lines));
    let result = tracing::subscriber::with_default(collector, f);
    let lines = std::mem::take(&mut *lines.lock().unwrap());
    (result, lines)
}

struct Collector(Arc<Mutex<Vec<String>>>);

struct Message(String);

impl tracing::field::Visit for Message {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        } else if field.name() == "swallowed" {
            self.0 = format!("{} swallowed={value:?}", self.0);
        }
    }
}

impl tracing::Subscriber for Collector {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::DEBUG && !metadata.target().starts_with("wasmtime")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let line = format!("{} {}", event.metadata().level(), message.0);
        self.0.lock().unwrap().push(line);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// Hears every line and keeps none. Log lines of a call site that is first reached while no test collects them could be
/// switched off for a test that begins to at that moment; somebody who always listens keeps them on.
pub fn keep_log_on() {
    struct Everything;
    impl tracing::Subscriber for Everything {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {}
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        tracing::subscriber::set_global_default(Everything).expect("nobody else sets it")
    });
}
