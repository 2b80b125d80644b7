//! What every command needs: the flags that stand before or after any command, the images, the engine.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use gizmo_image::{Catalog, Store};
use gizmo_wasm::{EngineOptions, WasmEngine};

/// Flags of all commands.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct GlobalArgs {
    /// Show what is decided on the way, on stderr
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Folder of the local images [default: /var/lib/gizmo/oci-store, or ~/.gizmo/oci-store]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "GIZMO_STORE",
        hide_env_values = true
    )]
    pub(crate) store: Option<PathBuf>,
}

/// The images and where things are kept.
pub(crate) struct Context {
    pub(crate) catalog: Catalog,
    cache_dir: Option<PathBuf>,
}

impl Context {
    pub(crate) fn new(global: &GlobalArgs) -> anyhow::Result<Self> {
        let path = match &global.store {
            Some(path) => path.clone(),
            None => Store::default_path()
                .context("there is no place for local images; name one with `--store`")?,
        };
        // Beside the store, so that `--store` keeps everything in one place.
        let cache_dir = path.parent().map(|parent| parent.join("wasm-cache"));
        let catalog = Catalog::new(Store::open(path)?, gizmo_bundled::images()?);
        Ok(Self { catalog, cache_dir })
    }

    pub(crate) fn engine(&self) -> anyhow::Result<WasmEngine> {
        let options = EngineOptions {
            cache_dir: self.cache_dir.clone(),
            ..EngineOptions::default()
        };
        Ok(WasmEngine::new(options)?)
    }
}
